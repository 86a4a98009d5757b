"""Tables that are read whole, by how much is read: many scans of a small table are nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.amounts import plural, short, size
from analyzer.catalog import Catalog
from analyzer.checks.health_rule import Answer, Asked, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact
from analyzer.documents.snapshot import Index, Relation
from analyzer.sql import ident
from analyzer.workload.shapes import TableShape

_LEAST_SIZE = Threshold(
    name="sequential-scans.size", default=10 * 1024**2, unit="bytes", meaning="smaller tables are not reported"
)
_LEAST_BYTES = Threshold(
    name="sequential-scans.bytes", default=10 * 1024**3, unit="bytes a day",
    meaning="tables of which sequential scans read less in a day are not reported",
)  # fmt: skip
_LEAST_READS = Threshold(
    name="sequential-scans.reads", default=4, unit="times a day",
    meaning="tables that are read whole less often are not reported, such as by a nightly dump",
)  # fmt: skip
#: Statements that are named.
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What sequential scans have read of a table, its partitions included."""

    size_bytes: int
    rows: float
    scans: int
    rows_read: int

    @property
    def times(self) -> float:
        """How often the table was read whole, or as much of it as that."""
        return self.rows_read / max(self.rows, 1.0)


def sequential_scans(database: Database) -> Iterator[Answer]:
    """Flag tables of which sequential scans read much: partitions count for the table that they are of."""
    catalog, days = database.catalog, database.days
    for relation in sorted(catalog.snapshot.relations, key=lambda each: each.full_name):
        if relation.kind not in "rpm" or relation.partition_bound is not None:
            continue
        name = ident(*relation.full_name)
        parts = [relation, *catalog.partitions(relation)]
        read = _read([each for each in parts if each.kind in "rm"])
        if read is None:
            yield Skipped(object=name, reason="the server does not show its size, its rows or its counters")
        elif read.size_bytes < database.value(_LEAST_SIZE):
            yield Fine(object=name)
        elif days is None:
            yield Skipped(object=name, reason="the server does not say since when it counts scans")
        elif _is_much(read, days, database):
            yield _scanned(name, parts, read, days, database)
        else:
            yield Fine(object=name)


def _is_much(read: _Read, days: float, database: Database) -> bool:
    a_day = read.times / days
    return a_day >= database.value(_LEAST_READS) and a_day * read.size_bytes >= database.value(_LEAST_BYTES)


def _read(parts: Sequence[Relation]) -> _Read | None:
    """Add up the counters; None where one is not known, or the table has no rows by any count."""
    if any(each.activity is None or each.size_bytes is None for each in parts):
        return None
    counted = [(each, each.activity) for each in parts if each.activity is not None]
    rows = sum(max(each.tuples, float(activity.live_rows), 0.0) for each, activity in counted)
    held = sum(each.size_bytes or 0 for each in parts)
    read = sum(max(0, activity.seq_rows_read) for _, activity in counted)
    if held and read and rows < 1:
        return None
    return _Read(
        size_bytes=held, rows=rows, scans=sum(max(0, activity.seq_scans) for _, activity in counted), rows_read=read
    )


def _scanned(name: str, parts: Sequence[Relation], read: _Read, days: float, database: Database) -> Flagged:
    asked = _heaviest(parts, database)
    unserved = [
        each for each in asked if _has_conditions(each[1]) and not _may_be_served(each, parts, database.catalog)
    ]
    whole = [each for each in asked if not _has_conditions(each[1])]
    named = [f"statement {statement.id}" for statement in dict.fromkeys(each for each, _ in (*unserved, *whole))]
    if unserved:
        who = f"; no index has a column that {_listed(unserved)} compares"
    elif whole:
        who = f"; {_listed(whole)} has no condition on it"
    else:
        who = ""
    return Flagged(
        object=name,
        message=f"{plural(read.scans, 'sequential scan')} read {plural(read.rows_read, 'row')}, as many as "
        f"{short(read.times)} times all {read.rows:,.0f} rows ({size(read.size_bytes)}){who}",
        severity="info" if whole and not unserved else None,
        evidence=(
            Fact(name="sequential_scans", value=read.scans),
            Fact(name="rows_read", value=read.rows_read, unit="rows"),
            Fact(name="read_whole", value=round(read.times / days, 3), unit="times a day"),
            Fact(name="size", value=read.size_bytes, unit="bytes"),
            *(Fact(name="statement", value=each) for each in named[:_NAMED]),
        ),
        caveats=(
            "reports, dumps and index builds read whole tables on purpose",
            *(() if asked else ("no recorded statement names it, so that who reads it is not known",)),
        ),
        rewrite="twindex propose shows which indexes the recorded statements lack",
        confidence="estimate",
    )


def _listed(asked: Sequence[Asked]) -> str:
    found = list(dict.fromkeys(statement.id for statement, _ in asked))
    more = f" (and {plural(len(found) - 1, 'more statement')})" if len(found) > 1 else ""
    return f"statement {found[0]}{more}"


def _heaviest(parts: Sequence[Relation], database: Database) -> list[Asked]:
    """Return the recorded statements that read a table, heaviest first."""
    found = [each for part in parts for each in (database.asked or {}).get(part.full_name, ())]
    return sorted(
        (each for each in found if each[1].target != "insert"), key=lambda each: (-each[0].weight, each[0].id)
    )


def _has_conditions(table: TableShape) -> bool:
    return bool(_compared(table) or table.expressions or table.conditions or table.residual)


def _compared(table: TableShape) -> set[str]:
    """Return the columns by which an index could find rows, or give them in order."""
    found = {*table.equalities, *table.lists, *table.nulls, *table.ranges, *table.alternatives}
    found |= {each.column for each in (*table.joins, *table.operators)}
    found |= {column for each in table.keysets for column in each}
    return found.union(*(_compared(each) for each in table.arms))


def _may_be_served(asked: Asked, parts: Sequence[Relation], catalog: Catalog) -> bool:
    """Say whether an index may serve a statement; only that none can is certain."""
    table = asked[1]
    if table.sorts or table.groups or table.nearest:
        return True
    return any(_may_serve(index, table) for part in parts for index in catalog.indexes(part) if index.valid)


def _may_serve(index: Index, table: TableShape) -> bool:
    definition = index.definition
    if definition.where is not None or any(each.expression is not None for each in definition.keys):
        return True
    named = {column for each in (*table.expressions, *table.conditions) for column in each.columns}
    return not (_compared(table) | named).isdisjoint(definition.columns)


RULES = (
    HealthRule(
        code="TX501", name="sequential-scans", severity="warning", title="sequential scans read much of a large table",
        examine=sequential_scans, thresholds=(_LEAST_SIZE, _LEAST_BYTES, _LEAST_READS),
    ),
)  # fmt: skip
