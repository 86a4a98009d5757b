"""How long the advisor takes for a flat workload of thousands of statements, and how much memory.

python -m benchmarks.advisor_scale [--statements 500]... [-o docs/benchmarks/advisor-scale.md]

`propose` and `report` run in a process each, as the commands do. The snapshot is that of a server with few rows, whose
tables and indexes are then as large as their statistics say.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pydantic import BaseModel

from analyzer.advise.proposal import Advice
from analyzer.amounts import percent
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Index, Relation, Snapshot, dump, load
from analyzer.render import units
from analyzer.render.formats import FORMATS, Page
from analyzer.specs.file import SpecSet
from analyzer.sql import render
from analyzer.twin.server import cluster
from analyzer.workflows.advice import report_document
from analyzer.workflows.propose import propose
from analyzer.workload.log_workload import recorded_workload
from benchmarks.advisor_schema import Table, ddl, filling, tables
from benchmarks.advisor_workload import statements
from benchmarks.family_memory import FamilyMemory, processor_seconds
from benchmarks.setting import Setting, read_setting, render_table
from benchmarks.targets import Section, Target, page_of, put_page
from benchmarks.twin_live import READER, TRUSTED, tell

_HEAD = """# The advisor at scale, measured

Written by `make bench-scale`. A flat workload: thousands of recorded statements (filters, joins, ORDER BY with LIMIT,
GROUP BY, writes; some of one shape) of 300 tables, some of them partitioned, with 2,000 indexes. Each command is a
process of its own that has the snapshot; its time includes the twin and what is printed. Memory is that of all
processes, the twin's servers among them, shared pages counted once. The share saved is that of the workload's cost."""
_SETTINGS = {"fsync": "off", "autovacuum": "off"}
_DATABASE = "scale"
_TABLES, _INDEXES, _ROWS = 300, 2_000, 500
_SIZES = (500, 1_000, 2_000, 5_000)
#: For the largest size: seconds, and bytes of all processes.
_MOST_SECONDS, _MOST_BYTES = 60.0, 1536 * 1024**2
#: How much longer one statement may take in the largest size than in the smallest: about linear growth.
_MOST_GROWTH = 1.5
Command = Literal["propose", "report"]
_COMMANDS: tuple[Command, ...] = ("propose", "report")


class Run(BaseModel, frozen=True):
    """One command with one size, as its process tells of it."""

    command: Command
    statements: int
    seconds: float
    processor_seconds: float
    memory_bytes: int
    processes: int
    #: Statements that stand for all of one shape, and plans that were asked for to choose indexes.
    shapes: int
    plans: int
    proposals: int
    #: Of the cost of the workload.
    saved: float
    #: What each part of it was called, and its seconds.
    phases: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The captured schema, which all sizes have, and how it was captured."""

    snapshot: Snapshot
    setting: Setting


def captured_schema(number: int = _TABLES, indexes: int = _INDEXES) -> Schema:
    """Capture tables with few rows, and return them as large as they are said to be."""
    found = tables(number)
    tell(f"advisor: {number:,} tables, {indexes:,} indexes")
    with cluster.temporary(settings=_SETTINGS) as server:
        server.ensure_database(_DATABASE)
        with connect(server.url(_DATABASE), autocommit=True) as connection:
            setting = read_setting(connection, _SETTINGS)
            connection.execute(render("demo/create_reader", role=READER))
            for text in (*ddl(found, indexes), *(filling(each, _ROWS) for each in found)):
                connection.execute(render("twin/statement", statement=text))
            connection.execute(render("bench/vacuum_analyze"))
        snapshot = capture(replace(server, user=READER).url(_DATABASE), statements=False)
    return Schema(snapshot=_grown(snapshot, found), setting=setting)


def _grown(snapshot: Snapshot, found: Sequence[Table]) -> Snapshot:
    """Return a database whose tables have the rows that they are said to have, and indexes that go with them."""
    factors = {table.name: table.rows // _ROWS + 1 for table in found}
    factors |= {f"{t.name}_{part}": factors[t.name] for t in found for part in range(t.partitions)}
    return snapshot.model_copy(
        update={
            "relations": tuple(_grown_by(factors.get(each.name, 1), each) for each in snapshot.relations),
            "indexes": tuple(_grown_by(factors.get(each.definition.table, 1), each) for each in snapshot.indexes),
        }
    )


def _grown_by(factor: int, what: Relation | Index) -> Relation | Index:
    update: dict[str, object] = {
        "pages": what.pages * factor if what.pages > 0 else what.pages,
        "tuples": what.tuples * factor if what.tuples > 0 else what.tuples,
        "size_bytes": what.size_bytes * factor if what.size_bytes is not None else None,
    }
    if isinstance(what, Relation):
        update["all_visible_pages"] = what.all_visible_pages * factor
    elif what.height is not None:
        update["height"] = what.height + (2 if factor > 100 else 1)
    return what.model_copy(update=update)


def with_statements(snapshot: Snapshot, number: int, tables_: int = _TABLES) -> Snapshot:
    """Return a snapshot with so many recorded statements."""
    return snapshot.model_copy(update={"statements": statements(tables(tables_), number)})


def measure(command: Command, path: Path) -> Run:
    """Propose or report for a snapshot, in this process and those that it starts."""
    memory = FamilyMemory()
    memory.start()
    began, worked = time.perf_counter(), processor_seconds()
    marks: list[tuple[str, float]] = [("read", began)]
    snapshot = load(path)
    workload = recorded_workload(snapshot)

    def progress(what: str) -> None:
        marks.append((what, time.perf_counter()))

    found = propose(snapshot, workload, SpecSet(specs=()), choice=TRUSTED, progress=progress)
    marks.append(("render", time.perf_counter()))
    if command == "propose":
        FORMATS["text"].render(found.document, Page())
    else:
        FORMATS["html"].render(report_document(found.advice, snapshot, found.document.plans), Page())
    ended, processor = time.perf_counter(), processor_seconds() - worked
    memory.stop()
    plans = [int(number.replace(",", "")) for what, _ in marks for number in re.findall(r"([\d,]+) plans", what)]
    return Run(
        command=command,
        statements=len(snapshot.statements),
        seconds=ended - began,
        processor_seconds=processor,
        memory_bytes=memory.most_bytes,
        processes=memory.processes,
        shapes=len(found.advice.statements),
        plans=plans[-1] if plans else 0,
        proposals=len(found.advice.proposals),
        saved=_saved(found.advice),
        phases=tuple((what, until - at) for (what, at), (_, until) in pairwise([*marks, ("", ended)])),
    )


def _saved(advice: Advice) -> float:
    found = advice.proposals
    return 1 - found[-1].cost_after / found[0].cost_before if found else 0.0


def runs(snapshot: Snapshot, sizes: Sequence[int]) -> Iterator[Run]:
    """Measure both commands with each size, each in a process of its own."""
    with TemporaryDirectory() as directory:
        for number in sizes:
            path = Path(directory) / f"{number}.snapshot"
            dump(with_statements(snapshot, number), path)
            for command in _COMMANDS:
                asked = [sys.executable, "-m", "benchmarks.advisor_scale", "--run", command, "--snapshot", str(path)]
                run = Run.model_validate_json(subprocess.run(asked, stdout=subprocess.PIPE, check=True).stdout)
                tell(f"  {command}, {number:,} statements: {run.seconds:.1f} s, {units.size(run.memory_bytes)}")
                yield run


def section(found: Sequence[Run]) -> Section:
    """Render what was measured, with the targets that the largest size has to reach."""
    rows = (
        (
            f"`{run.command}`",
            f"{run.statements:,}",
            f"{run.shapes:,}",
            f"{run.seconds:.1f} s",
            f"{run.processor_seconds:.1f} s",
            units.size(run.memory_bytes),
            f"{run.plans:,}",
            f"{run.proposals}",
            percent(run.saved),
        )
        for run in found
    )
    heads = (
        "command", "statements:", "of different shapes:", "time:", "processor time:", "memory:", "plans:", "proposals:",
        "saved:",
    )  # fmt: skip
    parts = [render_table(heads, rows), *(_phases(run) for run in found if run.statements == found[-1].statements)]
    targets = [each for command in _COMMANDS for each in _targets([run for run in found if run.command == command])]
    return Section(text="## Sizes\n\n" + "\n\n".join(parts), targets=tuple(targets))


def _phases(run: Run) -> str:
    table = render_table(("part", "seconds:"), ((what, f"{seconds:.1f}") for what, seconds in run.phases))
    return f"`{run.command}` of {run.statements:,} statements, by its progress:\n\n{table}"


def _targets(found: Sequence[Run]) -> Iterator[Target]:
    if not found or found[-1].statements != _SIZES[-1]:
        return
    first, last = found[0], found[-1]
    name = f"{last.command}, {last.statements:,} statements"
    yield Target(
        name=name, wanted=f"≤ {_MOST_SECONDS:g} s", measured=f"{last.seconds:.1f} s", met=last.seconds <= _MOST_SECONDS
    )
    yield Target(
        name=f"{name}, memory",
        wanted=f"≤ {units.size(_MOST_BYTES)}",
        measured=units.size(last.memory_bytes),
        met=last.memory_bytes <= _MOST_BYTES,
    )
    growth = last.seconds / last.statements / (first.seconds / first.statements)
    yield Target(
        name=f"{last.command}, time of a statement among {last.statements:,} and among {first.statements:,}",
        wanted=f"≤ {_MOST_GROWTH:g} times",
        measured=f"{growth:.2f} times",
        met=growth <= _MOST_GROWTH,
    )


def main() -> None:
    """Read the arguments, run, print or write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advisor_scale", description="Measure the advisor.")
    parser.add_argument("--statements", type=int, action="append", help="only this size; can be repeated")
    parser.add_argument("-o", dest="file", type=Path, help="where to write the page; otherwise it is printed")
    parser.add_argument("--run", choices=_COMMANDS, help="measure one command with --snapshot, and print it as JSON")
    parser.add_argument("--snapshot", type=Path)
    given = parser.parse_args()
    if given.run is not None:
        sys.stdout.write(measure(given.run, given.snapshot).model_dump_json())
        return
    schema = captured_schema()
    found = list(runs(schema.snapshot, given.statements or _SIZES))
    page = page_of(_HEAD, schema.setting, [section(found)])
    put_page(page, given.file)


if __name__ == "__main__":
    main()
