"""Find the tables whose statistics are missing or stale: the server's own plans, and the twin's, rest on them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analyzer.advise.autovacuum import analyze_after, is_off_for
from analyzer.advise.benefit import PricedStatement
from analyzer.documents.snapshot import Relation, Snapshot
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import ident
from analyzer.workload.parse import Statement

#: The smallest table that is looked at, in rows: of others the planner is seldom wrong by much.
_FEWEST_ROWS = 1_000.0
#: Tables that are named.
_MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleTable:
    """A table whose statistics are missing or stale."""

    table: QualifiedName
    #: None where it was never analysed, or the server has forgotten it.
    last_analyze: datetime | None
    #: Whether the planner has no statistics of its columns.
    is_missing: bool
    #: Rows inserted, updated or deleted since; rows of which on autovacuum analyses; and rows.
    modified_rows: float
    threshold_rows: float
    rows: float
    #: Whether autovacuum is off for the table.
    is_disabled: bool
    share: float
    statements: tuple[Statement, ...]


def stale_tables(
    snapshot: Snapshot, priced: Sequence[PricedStatement], shares: Mapping[Statement, float]
) -> tuple[StaleTable, ...]:
    """Return the tables that statements read and whose statistics are stale, those with the largest share first."""
    readers: dict[QualifiedName, dict[Statement, None]] = {}
    for item in priced:
        for shape in item.shapes:
            for table in shape.tables:
                if table.target != "insert":
                    readers.setdefault(QualifiedName(table.schema, table.table), {})[item.statement] = None
    found = [
        each
        for relation in snapshot.relations
        for name in _read_by_name(relation, readers)
        for each in _stale(snapshot, relation, tuple(readers[name]), shares)
    ]
    return tuple(sorted(found, key=lambda each: (-each.share, each.table))[:_MOST])


def _read_by_name(relation: Relation, readers: Mapping[QualifiedName, object]) -> Iterator[QualifiedName]:
    """Yield the name under which a table is read: its own, or that of the table it is a part of."""
    names = [relation.full_name, *(QualifiedName(*parent) for parent in relation.parents)]
    yield from [name for name in names if name in readers][:1]


def _stale(
    snapshot: Snapshot, relation: Relation, statements: tuple[Statement, ...], shares: Mapping[Statement, float]
) -> Iterator[StaleTable]:
    activity = relation.activity
    if relation.kind not in "rm" or activity is None or not relation.size_bytes:
        return
    rows = max(relation.tuples, 0.0)
    threshold = analyze_after(snapshot, relation)
    is_missing = has_no_statistics(snapshot, relation)
    modified = float(activity.modified_since_analyze)
    is_large = max(rows, modified, float(activity.live_rows)) >= _FEWEST_ROWS
    if is_large and (is_missing or modified > threshold):
        yield StaleTable(
            table=relation.full_name,
            last_analyze=activity.last_analyze,
            is_missing=is_missing,
            modified_rows=modified,
            threshold_rows=threshold,
            rows=max(rows, float(activity.live_rows)),
            is_disabled=is_off_for(relation),
            share=sum(shares.get(statement, 0.0) for statement in statements),
            statements=tuple(sorted(statements, key=lambda each: -shares.get(each, 0.0))),
        )


def has_no_statistics(snapshot: Snapshot, relation: Relation) -> bool:
    """Say whether the planner has no statistics of a table's columns, as far as the capture could read them."""
    return relation.tuples < 0 or not (
        snapshot.statistics_by_relation.get(relation.full_name) or are_hidden(snapshot, relation.full_name)
    )


def are_hidden(snapshot: Snapshot, table: QualifiedName) -> bool:
    """Say whether the capture could not read some statistics, which may be those of a table."""
    own = f"statistics of {ident(*table)}"
    gaps = [each.what for each in snapshot.not_examined if each.what.startswith("statistics of ")]
    return any(what == own or what.startswith(f"{own} (") or what.endswith(" more tables") for what in gaps)
