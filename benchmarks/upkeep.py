"""What each index adds to writes, against what the advisor's formulas say: time on the processor, and WAL.

python -m benchmarks.upkeep [--scale 1] [--keep DIRECTORY] [--kept DIRECTORY] [-o docs/benchmarks/upkeep.md]
"""

import argparse
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, cast

from analyzer.advise.table_writes import Written
from analyzer.advise.upkeep import MICROSECONDS_PER_UNIT, EntryCost, entry_costs, of_existing
from analyzer.advise.write_costs import WriteCosts
from analyzer.amounts import percent
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot, dump, load
from analyzer.twin.server import cluster
from analyzer.workload.parse import parse_file
from analyzer.workload.shapes import Shape, shape
from benchmarks import upkeep_hot, upkeep_measure, upkeep_unit
from benchmarks.setting import Setting, read_setting, render_table
from benchmarks.targets import Section, Target, page_of, put_page
from benchmarks.twin_live import tell
from benchmarks.upkeep_hot import HotLost
from benchmarks.upkeep_measure import CASES, Case, Measured, Used, Write
from benchmarks.upkeep_unit import Read

_HEAD = """# The upkeep of indexes, measured

`make bench-upkeep`. Rows are written to a table of {rows:,} rows with no, one, two, five and ten indexes of one
definition (vectors: {vectors:,} rows, up to five). Half of the rows were inserted into these indexes, so that their
pages have split as in a table that grows. What the writes take more than without an index, divided by the rows and
indexes, is held against the formulas of `analyzer/advise/upkeep.py`. Time is that of the backend on the processor, as
Linux accounts for it; WAL is the distance between its ends before and after. A ratio is what the model says over what
was measured; within 25 % is 0.75 to 1.25."""
_NOTES = """The model is one formula a method, of the pages of the index that take turns, the length of an entry, the
elements of a row or the dimensions of a vector. It does not know how far an index is from the next splits of its
pages, which come at about the same time where all pages were filled alike: with ten indexes, which are measured first,
many pages split at once, and most of the WAL that is out of 25 % is theirs. Nor does it know how much of the caches and
of the processor's speed other work on the machine takes: see the load above; repetitions of the same write differ by up
to a factor of two then, with one and two indexes most. Removals are priced roughly: what VACUUM takes for a table,
however many indexes it has, is measured with them, and is divided among few. A disk, full-page images after a
checkpoint, and waiting for locks are not in it.

The list of pending entries of "gin, trigrams" has its default size, so that most of it is put in place by VACUUM: the
model charges that to the entries that are added, the measurement to those that are removed.

The constants were chosen by this very run and a smaller one (3,000 rows), so that the ratios say how well the formulas
fit, not how well they predict another machine; `make bench-upkeep` on an idle one says that."""
_WITHIN = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one case measured for one write with so many indexes, of one row and one index, and what the model says."""

    case: Case
    indexes: int
    write: Write
    cpu_us: float
    wal_bytes: float
    model_cpu_us: float
    model_wal_bytes: float

    @property
    def cpu_ratio(self) -> float:
        """Return the model's time over the measured one."""
        return self.model_cpu_us / self.cpu_us if self.cpu_us > 0 else math.inf

    @property
    def wal_ratio(self) -> float:
        """Return the model's WAL over the measured one."""
        return self.model_wal_bytes / self.wal_bytes if self.wal_bytes > 0 else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that was measured, in a form that can be kept."""

    setting: Setting
    reads: Sequence[Read]
    writes: Mapping[str, Sequence[Measured]]
    hot: Sequence[HotLost]
    #: Of the numbers of rows.
    scale: float
    #: The table with its indexes as a capture sees them, by case; `hot` is that of the HOT updates.
    snapshots: Mapping[str, Snapshot]


def run(scale: float, directory: Path | None) -> Run:
    """Measure on a server of its own; what is measured is kept in a directory, whatever comes after."""
    with cluster.temporary(settings=upkeep_measure.SETTINGS) as server:
        url = server.url()
        with connect(url, autocommit=True) as connection:
            upkeep_measure.prepare(connection, scale)
            setting = read_setting(connection, upkeep_measure.SETTINGS)
            tell("reads")
            reads = list(upkeep_unit.measure_reads(connection))
            tell("HOT updates")
            hot = list(upkeep_hot.measure_hot(connection, scale))
            snapshots = {"hot": capture(url, statements=False, sample_rows=0)}
            writes: dict[str, Sequence[Measured]] = {}
            found = Run(setting=setting, reads=reads, writes=writes, hot=hot, scale=scale, snapshots=snapshots)
            for case in (each.scaled(scale) for each in CASES):
                tell(case.name)
                upkeep_measure.fill(connection, case)
                snapshots[case.name] = capture(url, statements=False, sample_rows=0)
                writes[case.name] = list(upkeep_measure.measure(connection, case))
                if directory is not None:
                    keep(found, directory)
    return found


def keep(found: Run, directory: Path) -> None:
    """Write what was measured into a directory, so that formulas can be held against it again."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(found.snapshots):
        dump(found.snapshots[name], directory / f"{number}.snapshot")
    document = {
        "setting": {**asdict(found.setting), "day": found.setting.day.isoformat()},
        "reads": [asdict(each) for each in found.reads],
        "hot": [asdict(each) for each in found.hot],
        "writes": {
            name: [{"indexes": each.indexes, "used": {k: asdict(v) for k, v in each.used.items()}} for each in measured]
            for name, measured in found.writes.items()
        },
        "scale": found.scale,
        "snapshots": list(found.snapshots),
    }
    (directory / "measured.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def kept(directory: Path) -> Run:
    """Read what `keep` wrote."""
    document: dict[str, Any] = json.loads((directory / "measured.json").read_text(encoding="utf-8"))
    setting: dict[str, Any] = document["setting"]
    setting["day"] = date.fromisoformat(setting["day"])
    cases = {each.name: each for each in CASES}
    for name in ("extensions", "settings"):
        setting[name] = tuple(tuple(pair) for pair in setting[name])
    return Run(
        setting=Setting(**setting),
        reads=[Read(**each) for each in document["reads"]],
        hot=[
            HotLost(others=each["others"], before=Used(**each["before"]), after=Used(**each["after"]))
            for each in document["hot"]
        ],
        writes={
            name: [
                Measured(
                    case=cases[name],
                    indexes=each["indexes"],
                    used={cast("Write", k): Used(**v) for k, v in each["used"].items()},
                )
                for each in measured
            ]
            for name, measured in document["writes"].items()
        },
        scale=document["scale"],
        snapshots={name: load(directory / f"{number}.snapshot") for number, name in enumerate(document["snapshots"])},
    )


def compared(measured: Sequence[Measured], snapshot: Snapshot) -> Iterator[Compared]:
    """Hold a case against the model."""
    bare = next(each.used for each in measured if each.indexes == 0)
    said = _said(snapshot)
    for each in sorted(measured, key=lambda each: each.indexes):
        for write, used in each.used.items() if each.indexes else ():
            time = said.removal if write == "delete" else said.cost
            yield Compared(
                case=each.case,
                indexes=each.indexes,
                write=write,
                cpu_us=(used.cpu_us - bare[write].cpu_us) / each.indexes,
                wal_bytes=(used.wal_bytes - bare[write].wal_bytes) / each.indexes,
                model_cpu_us=time * MICROSECONDS_PER_UNIT,
                model_wal_bytes=said.removal_wal_bytes if write == "delete" else said.wal_bytes,
            )


def _said(snapshot: Snapshot) -> EntryCost:
    """Return what the model says of one row and one index of the measured table."""
    relation = snapshot.relation("public", "account")
    assert relation is not None  # noqa: S101 - it was made
    index = next(each for each in snapshot.indexes if each.definition.table == "account")
    found, share = entry_costs(of_existing(index, relation), relation, snapshot), 1.0
    if index.definition.where is not None:
        share = index.tuples / relation.tuples
    return EntryCost(
        cost=found.cost * share + found.check,
        removal=found.removal * share,
        wal_bytes=found.wal_bytes * share,
        removal_wal_bytes=found.removal_wal_bytes * share,
    )


def hot_compared(found: Sequence[HotLost], snapshot: Snapshot) -> Iterator[tuple[HotLost, float, float, float, float]]:
    """Yield what preventing HOT adds to an update, in time and WAL, as measured and as the model says."""
    (statement,) = parse_file(upkeep_hot.UPDATE).statements
    shaped = shape(statement, snapshot)
    assert isinstance(shaped, Shape)  # noqa: S101 - the statement is ours
    written: Written = [(replace(statement, rows=1), shaped)]
    relation = snapshot.relation("public", "account")
    assert relation is not None  # noqa: S101 - it was made
    own = [each for each in snapshot.indexes if each.definition.table == "account"]
    others = [each for each in own if each.definition.columns == ("balance",)]
    index = next(of_existing(each, relation) for each in own if each.definition.columns == ("hits",))
    for each in found:
        among = snapshot.model_copy(update={"indexes": tuple(others[: each.others])})
        said = WriteCosts(among, written).upkeep(index, ())
        concerned = [index, *(of_existing(one, relation) for one in others[: each.others])]
        later = [entry_costs(one, relation, snapshot) for one in concerned]
        yield (
            each,
            each.after.cpu_us - each.before.cpu_us,
            each.after.wal_bytes - each.before.wal_bytes,
            (said.cost - sum(one.removal for one in later)) * MICROSECONDS_PER_UNIT,
            said.wal_bytes - sum(one.removal_wal_bytes for one in later),
        )


def sections(found: Run) -> list[Section]:
    """Write the parts of the page."""
    rows = [row for name, measured in found.writes.items() for row in compared(measured, found.snapshots[name])]
    return [_unit_section(found.reads), _writes_section(rows), _hot_section(found), Section(text=_NOTES, targets=())]


def _unit_section(reads: Sequence[Read]) -> Section:
    unit = upkeep_unit.microseconds_per_unit(reads)
    table = render_table(
        ("read", "cost without:", "cost with:", "ms without:", "ms with:", "µs saved per unit:"),
        (
            (
                each.name,
                f"{each.cost_before:,.0f}",
                f"{each.cost_after:,.0f}",
                f"{each.cpu_us_before / 1000:,.1f}",
                f"{each.cpu_us_after / 1000:,.2f}",
                f"{each.us_per_unit:.2f}",
            )
            for each in reads
        ),
    )
    text = (
        "## A unit of cost in time\n\nReads with and without the index that serves them. What is saved of one is "
        f"divided by what is saved of the other: {unit:.2f} µs a unit (median)."
    )
    target = Target(
        name="µs a unit: as the model has it, within 25 %",
        wanted=f"{MICROSECONDS_PER_UNIT:.2f}",
        measured=f"{unit:.2f}",
        met=_is_within(MICROSECONDS_PER_UNIT / unit),
    )
    return Section(text=f"{text}\n\n{table}", targets=(target,))


def _is_within(ratio: float) -> bool:
    return abs(ratio - 1) <= _WITHIN


def _writes_section(rows: Sequence[Compared]) -> Section:
    table = render_table(
        ("index", "write", "indexes:", "µs:", "model:", "ratio:", "bytes of WAL:", "model:", "ratio:"),
        (
            (
                each.case.name,
                each.write,
                f"{each.indexes}",
                f"{each.cpu_us:.2f}",
                f"{each.model_cpu_us:.2f}",
                _ratio(each.cpu_ratio),
                f"{each.wal_bytes:.0f}",
                f"{each.model_wal_bytes:.0f}",
                _ratio(each.wal_ratio),
            )
            for each in rows
        ),
    )
    targets: list[Target] = []
    for writes, what in ((("insert", "update"), "added entries"), (("delete",), "removed entries")):
        some = [each for each in rows if each.write in writes]
        for ratios, of in (([each.cpu_ratio for each in some], "time"), ([each.wal_ratio for each in some], "WAL")):
            targets.append(_share_target(f"{what}: {of} within 25 %", ratios))
    text = "## Writes\n\nOf one row and one index. What is out of 25 % is in bold. The time of a removal is VACUUM's."
    return Section(text=f"{text}\n\n{table}", targets=tuple(targets))


def _share_target(name: str, ratios: Sequence[float]) -> Target:
    within = sum(map(_is_within, ratios)) / len(ratios)
    middle = statistics.median(ratios)
    return Target(name=name, wanted="100 %", measured=f"{percent(within)} (median ratio {middle:.2f})", met=within == 1)


def _ratio(value: float) -> str:
    return f"{value:.2f}" if _is_within(value) else f"**{value:.2f}**"


def _hot_section(found: Run) -> Section:
    rows = list(hot_compared(found.hot, found.snapshots["hot"]))
    table = render_table(
        ("other indexes:", "µs:", "model:", "ratio:", "bytes of WAL:", "model:", "ratio:"),
        (
            (
                f"{each.others}",
                f"{cpu:.2f}",
                f"{model_cpu:.2f}",
                _ratio(model_cpu / cpu),
                f"{wal:.0f}",
                f"{model_wal:.0f}",
                _ratio(model_wal / wal),
            )
            for each, cpu, wal, model_cpu, model_wal in rows
        ),
    )
    text = (
        "## HOT updates lost\n\nAn UPDATE of a column beside indexes on another one, before and after an index on that "
        "column: what each row takes more, in all of the table's indexes."
    )
    targets = (
        _share_target("HOT updates lost: time within 25 %", [model / cpu for _, cpu, _, model, _ in rows]),
        _share_target("HOT updates lost: WAL within 25 %", [model / wal for _, _, wal, _, model in rows]),
    )
    return Section(text=f"{text}\n\n{table}", targets=targets)


def main() -> None:
    """Read the arguments, run, print or write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upkeep", description="Measure the upkeep of indexes.")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of rows")
    parser.add_argument("--keep", type=Path, help="a directory for what is measured")
    parser.add_argument("--kept", type=Path, help="hold the formulas against what a directory has, and measure nothing")
    parser.add_argument("-o", dest="file", type=Path, help="where to write the page; otherwise it is printed")
    given = parser.parse_args()
    found = kept(given.kept) if given.kept is not None else run(given.scale, given.keep)
    most = {each.vectors: each.scaled(found.scale).rows for each in CASES}
    page = page_of(_HEAD.format(rows=most[False], vectors=most[True]), found.setting, sections(found))
    put_page(page, given.file)


if __name__ == "__main__":
    main()
