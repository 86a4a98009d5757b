"""How long the commands that people wait for take on the databases of large applications.

python -m benchmarks.commands [--areas 50] [-o docs/benchmarks/commands.md]

Each is run as a process of its own, capture, twin and all, against a server that does nothing else. What else the
machine did slows all but the fastest run, which is shown.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command as alembic
from alembic.config import Config

from analyzer.db import connect
from analyzer.sql import render
from analyzer.twin.server import cluster
from benchmarks.commands_areas import Size, build
from benchmarks.setting import Setting, read_setting, render_table
from benchmarks.targets import Section, Target, page_of, put_page
from benchmarks.twin_live import READER, tell

_SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "fsync": "off", "autovacuum": "off"}
_DATABASE = "areas"
#: Seconds each command may take.
_TARGETS = {Size(areas=50, large=False): 5.0, Size(areas=200, large=True): 15.0}
#: Runs of each command.
_REPEATED = 3
#: Areas in which the specs ask for an index more, and for another definition of one.
_CHANGED = 20
#: How a command may end: without findings, or with some.
_ENDED = frozenset({0, 1})
_HEAD = """# The commands, measured

Written by `make bench-commands`. Each command is a process of its own and reads the database as the documented role:
its time includes the start of Python, the capture and the twin. `twindex pull` has written specs of all indexes but
those of constraints; then 40 of them were added or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A command, and the seconds of each run of it."""

    name: str
    seconds: tuple[float, ...]


def section(size: Size, *, target_seconds: float | None) -> tuple[Setting, Section]:
    """Measure all commands on a database of a size, and render it."""
    with cluster.temporary(settings=_SETTINGS) as server, TemporaryDirectory() as directory:
        tell(f"commands: {size.tables:,} tables, {size.indexes:,} indexes")
        server.ensure_database(_DATABASE)
        with connect(server.url(_DATABASE), autocommit=True) as connection:
            setting = read_setting(connection, _SETTINGS)
            connection.execute(render("demo/create_reader", role=READER))
            connection.execute(render("demo/grant_track_counts", role=READER))
            build(connection, size)
        runs = tuple(_measured(Path(directory), replace(server, user=READER).url(_DATABASE)))
    rows = [(f"`twindex {run.name}`", *(f"{seconds:.1f}" for seconds in sorted(run.seconds))) for run in runs]
    table = render_table(("command", "seconds:", *(":",) * (_REPEATED - 1)), rows)
    targets = tuple(
        Target(
            name=f"{run.name.partition(' ')[0]} on {size.tables:,} tables with {size.indexes:,} indexes",
            wanted=f"≤ {target_seconds:g} s",
            measured=f"{min(run.seconds):.1f} s",
            met=min(run.seconds) <= target_seconds,
        )
        for run in runs
        if target_seconds is not None
    )
    head = f"## {size.tables:,} tables, {size.indexes:,} indexes, {size.statements} recorded statements"
    return setting, Section(text=f"{head}\n\n{table}", targets=targets)


def _measured(project: Path, url: str) -> Iterator[Run]:
    """Run each command several times in a project whose specs were pulled and then edited."""
    alembic.init(Config(project / "alembic.ini", cmd_opts=argparse.Namespace(quiet=True)), str(project / "migrations"))
    _seconds(project, "pull", "-d", url)
    edit(project / "index_specs")
    for name, *options in (("lint",), ("check",), ("revise", "-m", "changes"), ("report",)):
        taken: list[float] = []
        for _ in range(_REPEATED):
            taken.append(_seconds(project, name, *options, "-d", url))
            for revision in (project / "migrations" / "versions").glob("*.py"):
                revision.unlink()
        tell(f"  {name}: {min(taken):.1f} s")
        yield Run(name=" ".join((name, *options, "-d URL")), seconds=tuple(taken))


def edit(specs: Path) -> None:
    """Ask for an index that does not exist, and for another definition of one that does, in some areas."""
    for file in sorted(specs.glob("*.event.yaml"))[:_CHANGED]:
        text = file.read_text(encoding="utf-8")
        file.write_text(f"{text}  - name: event_account\n    keys: [account_id, kind]\n", encoding="utf-8")
    for file in sorted(specs.glob("*.account.yaml"))[:_CHANGED]:
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("where: locked", "where: locked AND changed_at IS NULL"), encoding="utf-8")


def _seconds(project: Path, *arguments: str) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "analyzer", *arguments, "--quiet"]
    # Bytecode is kept from the first run on, as where pip has installed a package.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(command, cwd=project, env=kept, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - started
    if ended.returncode not in _ENDED:
        raise RuntimeError(f"twindex {arguments[0]} failed: {ended.stderr or ended.stdout}")
    return taken


def render_page(setting: Setting, sections: Sequence[Section]) -> str:
    """Write the page as Markdown."""
    return page_of(_HEAD, setting, sections)


def main() -> None:
    """Read the arguments, run, print or write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commands", description="Measure the commands.")
    parser.add_argument("--areas", type=int, help="one database of so many areas of ten tables, without targets")
    parser.add_argument("-o", dest="file", type=Path, help="where to write the page; otherwise it is printed")
    given = parser.parse_args()
    sizes = {Size(areas=given.areas, large=False): None} if given.areas else _TARGETS
    measured = [section(size, target_seconds=seconds) for size, seconds in sizes.items()]
    page = render_page(measured[0][0], [each for _, each in measured])
    put_page(page, given.file)


if __name__ == "__main__":
    main()
