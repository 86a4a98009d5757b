"""How long the health of a large database takes to examine, and how much memory.

python -m benchmarks.checks [-o docs/benchmarks/checks.md]

`check --health` runs in a process of its own, as the command does, from a snapshot: it reads the file, examines, and
writes text and JSON.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel

from analyzer.amounts import size
from analyzer.config import Config
from analyzer.documents.snapshot import dump, load
from analyzer.render.formats import FORMATS, Page
from analyzer.specs.file import SpecSet
from analyzer.workflows.health import health
from benchmarks.advisor_scale import captured_schema, with_statements
from benchmarks.family_memory import FamilyMemory
from benchmarks.setting import render_table
from benchmarks.targets import Section, Target, page_of, put_page
from benchmarks.twin_live import tell

_HEAD = """# Checks, measured

Written by `make bench-checks`. `twindex check --health` with the snapshot of a database of 2,000 tables, 5,000 indexes
and recorded statements: reading the file, examining, writing text and JSON, in a process of its own."""
_TABLES, _INDEXES, _STATEMENTS = 2_000, 5_000, 1_000
_MOST_SECONDS, _MOST_BYTES = 15.0, 500 * 1024**2


class Run(BaseModel, frozen=True):
    """One examination, as its process tells of it."""

    seconds: float
    memory_bytes: int
    objects: int
    findings: int
    #: Of each check: objects examined, skipped, flagged.
    checks: tuple[tuple[str, int, int, int], ...]


def measure(path: Path) -> Run:
    """Examine a snapshot in this process."""
    memory = FamilyMemory()
    memory.start()
    began = time.perf_counter()
    found = health(load(path), SpecSet(specs=()), Config())
    for name in ("text", "json"):
        FORMATS[name].render(found, Page())
    seconds = time.perf_counter() - began
    memory.stop()
    return Run(
        seconds=seconds,
        memory_bytes=memory.most_bytes,
        objects=found.objects,
        findings=len(found.findings),
        checks=tuple((each.code, each.examined, each.skipped, each.flagged) for each in found.checks),
    )


def section(run: Run) -> Section:
    """Render what was measured, with its targets."""
    rows = [(f"`{code}`", *(f"{number:,}" for number in numbers)) for code, *numbers in run.checks]
    table = render_table(("check", "examined:", "skipped:", "flagged:"), rows)
    what = f"{run.objects:,} objects, {run.findings:,} findings, {run.seconds:.1f} s, {size(run.memory_bytes)}"
    return Section(
        text=f"## The checks\n\n{what}.\n\n{table}",
        targets=(
            Target(
                name="time",
                wanted=f"≤ {_MOST_SECONDS:g} s",
                measured=f"{run.seconds:.1f} s",
                met=run.seconds <= _MOST_SECONDS,
            ),
            Target(
                name="memory",
                wanted=f"≤ {size(_MOST_BYTES)}",
                measured=size(run.memory_bytes),
                met=run.memory_bytes <= _MOST_BYTES,
            ),
        ),
    )


def main() -> None:
    """Read the arguments, run, print or write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checks", description="Measure check --health.")
    parser.add_argument("-o", dest="file", type=Path, help="where to write the page; otherwise it is printed")
    parser.add_argument("--snapshot", type=Path, help="examine this one, and print what was measured as JSON")
    given = parser.parse_args()
    if given.snapshot is not None:
        sys.stdout.write(measure(given.snapshot).model_dump_json())
        return
    schema = captured_schema(_TABLES, _INDEXES)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "large.snapshot"
        dump(with_statements(schema.snapshot, _STATEMENTS, _TABLES), path)
        tell(f"checks: {size(path.stat().st_size)}")
        asked = [sys.executable, "-m", "benchmarks.checks", "--snapshot", str(path)]
        run = Run.model_validate_json(subprocess.run(asked, stdout=subprocess.PIPE, check=True).stdout)
    page = page_of(_HEAD, schema.setting, [section(run)])
    put_page(page, given.file)


if __name__ == "__main__":
    main()
