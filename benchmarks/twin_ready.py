"""How long a twin takes until it can plan, and what memory and disk it needs: small, "1 TB", and 10,000 tables."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.documents.snapshot import Index, Relation, Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.sql import ident, render, render_text
from analyzer.twin.build import building
from analyzer.twin.schema.subset import Reach
from analyzer.twin.server.cluster import Cluster
from benchmarks import tpc
from benchmarks.setting import render_table
from benchmarks.targets import Section, Target
from benchmarks.twin_listed import Probe
from benchmarks.twin_live import TRUSTED, captured, tell

#: Tables of the wide schema: TPC-H's eight, in that many copies, each with two more indexes than its primary key.
COPIES = 1250
#: Of those, how many a workload touches, with two statements each.
TOUCHED = 50
WANTED_SECONDS = {"TPC-DS": 2.0, "wide": 30.0}
_TERABYTE = 1024**4
#: What other work on the machine may add to the time of an equal twin.
_SAME_TIME = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What one twin took."""

    seconds: float
    tables: int
    memory_bytes: int
    disk_bytes: int
    #: What of the snapshot could not be built.
    lost: int


def measured(snapshot: Snapshot, statements: Sequence[str] | None = None) -> Ready:
    """Build a twin, of what statements need where there are some, look at its processes and files, and remove it."""
    os.sync()  # else it waits for what other sections wrote
    began = time.perf_counter()
    held = snapshot
    if statements is not None:
        reach = Reach(snapshot)
        reach.grow(statements)
        held = reach.narrowed()
    with building(held, wanted=TRUSTED) as built:
        seconds = time.perf_counter() - began
        row = built.inflated.superuser.execute(render("bench/data_directory")).fetchone()
        assert row is not None  # noqa: S101 - every server has one
        data = Path(row["directory"])
        return Ready(
            seconds=seconds,
            tables=len(held.relations),
            memory_bytes=sum(_memory_bytes(process) for process in _processes(data)),
            disk_bytes=sum(path.lstat().st_blocks * 512 for path in data.rglob("*")),
            lost=len(built.not_examined),
        )


def _processes(data: Path) -> Iterator[int]:
    """Yield the postmaster of a data directory and its children."""
    postmaster = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    yield postmaster
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    yield from map(int, children)


def _memory_bytes(process: int) -> int:
    """Return the proportional share of a process, so that shared pages count once; the plain one where it is denied."""
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    except PermissionError:
        found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def grown(snapshot: Snapshot, size_bytes: int) -> Snapshot:
    """Return the same database with so many bytes of tables and indexes, every one grown by the same factor."""
    now = sum(relation.total_size_bytes or 0 for relation in snapshot.relations)
    factor = size_bytes // now
    return snapshot.model_copy(
        update={
            "relations": tuple(relation.model_copy(update=_grown(relation, factor)) for relation in snapshot.relations),
            "indexes": tuple(index.model_copy(update=_grown(index, factor)) for index in snapshot.indexes),
        }
    )


def _grown(what: Relation | Index, factor: int) -> dict[str, object]:
    update: dict[str, object] = {
        "pages": what.pages * factor,
        "tuples": what.tuples * factor,
        "size_bytes": (what.size_bytes or 0) * factor,
    }
    if isinstance(what, Relation):
        update["all_visible_pages"] = what.all_visible_pages * factor
    elif what.height is not None:
        update["height"] = what.height + 1
    return update


def wide(snapshot: Snapshot, copies: int) -> Snapshot:
    """Return that many copies of a database's tables, each in a schema of its own, with two more indexes a table."""
    copied = [_copied(snapshot, f"copy_{number}") for number in range(copies)]
    return snapshot.model_copy(
        update={
            "schemas": tuple(f"copy_{number}" for number in range(copies)),
            "relations": tuple(relation for each in copied for relation in each.relations),
            "indexes": tuple(index for each in copied for index in each.indexes),
            "statistics": tuple(row for each in copied for row in each.statistics),
            "extremes": tuple(extreme for each in copied for extreme in each.extremes),
        }
    )


def _copied(snapshot: Snapshot, schema: str) -> Snapshot:
    moved = {"schema_name": schema}
    indexes = [*(_moved(index, schema) for index in snapshot.indexes), *_more_indexes(snapshot, schema)]
    return snapshot.model_copy(
        update={
            "relations": tuple(relation.model_copy(update=moved) for relation in snapshot.relations),
            "indexes": tuple(indexes),
            "statistics": tuple(row.model_copy(update=moved) for row in snapshot.statistics),
            "extremes": tuple(extreme.model_copy(update=moved) for extreme in snapshot.extremes),
        }
    )


def _moved(index: Index, schema: str) -> Index:
    definition = index.definition
    moved = IndexDef(
        schema=schema,
        table=definition.table,
        name=definition.name,
        keys=definition.keys,
        unique=definition.unique,
    )
    return index.model_copy(update={"definition": moved, "ddl": moved.ddl()})


def _more_indexes(snapshot: Snapshot, schema: str) -> Iterator[Index]:
    for index in snapshot.indexes:
        relation = snapshot.relation(index.definition.schema, index.definition.table)
        assert relation is not None  # noqa: S101 - captured with its index
        for column in relation.columns[1:3]:
            definition = IndexDef(
                schema=schema,
                table=relation.name,
                name=f"{relation.name}_{column.name}",
                keys=(Key(column=column.name),),
            )
            yield index.model_copy(
                update={
                    "definition": definition,
                    "ddl": definition.ddl(),
                    "constraint": None,
                    "primary": False,
                    "column_names": (column.name,),
                }
            )


def touching(snapshot: Snapshot, tables: int) -> list[str]:
    """Return two statements on each of so many tables, which lie evenly among all."""
    step = len(snapshot.relations) // tables
    found: list[str] = []
    for relation in snapshot.relations[:: step + 1][:tables]:
        for column in relation.columns[:2]:
            probe = Probe(where=f"{ident(column.name)} = $1")
            found.append(render_text("bench/probe", table=ident(relation.schema_name, relation.name), probe=probe))
    return found


def section(server: Cluster, scale: float) -> Section:
    """Measure the twins and render what they took."""
    tpc.loaded(server, tpc.read_suite("tpcds"), scale, tell)
    tpc.loaded(server, tpc.read_suite("tpch"), scale, tell)
    tpcds, tpch = captured(server, f"tpcds_{scale:g}"), captured(server, f"tpch_{scale:g}")
    copied = wide(tpch, COPIES)
    what = f"{len(copied.relations):,} tables, {len(copied.indexes):,} indexes"
    found = {
        f"TPC-DS, scale {scale:g}": _told("TPC-DS", tpcds),
        "the same, grown to 1 TB": _told("1 TB", grown(tpcds, _TERABYTE)),
        f"{what}: all of them": _told(what, copied),
        f"the same: what {2 * TOUCHED} statements on {TOUCHED} tables need": _told(
            "what statements need", copied, touching(copied, TOUCHED)
        ),
    }
    header = ("snapshot", "tables built:", "ready:", "memory:", "disk:", "not built:")
    text = f"## Ready\n\n{render_table(header, (_row(name, each) for name, each in found.items()))}"
    return Section(text=text, targets=tuple(_targets(*found.values())))


def _told(name: str, snapshot: Snapshot, statements: Sequence[str] | None = None) -> Ready:
    tell(f"ready: {name}")
    return measured(snapshot, statements)


def _row(name: str, found: Ready) -> tuple[str, ...]:
    return (
        name,
        f"{found.tables:,}",
        f"{found.seconds:.1f} s",
        f"{found.memory_bytes / 2**20:,.0f} MB",
        f"{found.disk_bytes / 2**20:,.0f} MB",
        str(found.lost),
    )


def _targets(small: Ready, large: Ready, every: Ready, needed: Ready) -> Iterator[Target]:
    yield Target(
        name="twin of TPC-DS ready",
        wanted=f"≤ {WANTED_SECONDS['TPC-DS']:g} s",
        measured=f"{small.seconds:.1f} s",
        met=small.seconds <= WANTED_SECONDS["TPC-DS"],
    )
    yield Target(
        name="twin of 1 TB ready",
        wanted=f"as TPC-DS's, up to {_SAME_TIME:g} times",
        measured=f"{large.seconds / small.seconds:.1f} times",
        met=large.seconds <= _SAME_TIME * small.seconds,
    )
    yield Target(
        name="twin of 10,000 tables with 30,000 indexes ready, all or what a workload touches",
        wanted=f"≤ {WANTED_SECONDS['wide']:g} s, either",
        measured=f"{every.seconds:.1f} s all, {needed.seconds:.1f} s what it touches",
        met=min(every.seconds, needed.seconds) <= WANTED_SECONDS["wide"],
    )
