"""Find the tables whose statistics are missing or stale: the server's own plans, and the twin's, rest on them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analyzer.advise.benefit import PricedStatement
from analyzer.documents.snapshot import Relation, Snapshot
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import ident
from analyzer.workload.parse import Statement

#: Of autovacuum_analyze_threshold and autovacuum_analyze_scale_factor.
_THRESHOLD, _SCALE_FACTOR = 50.0, 0.1
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
    options = {name: value for name, _, value in (each.partition("=") for each in relation.parameters)}
    rows = max(relation.tuples, 0.0)
    threshold = _number(options, snapshot, "autovacuum_analyze_threshold", _THRESHOLD)
    threshold += _number(options, snapshot, "autovacuum_analyze_scale_factor", _SCALE_FACTOR) * rows
    is_missing = relation.tuples < 0 or not (
        snapshot.statistics_by_relation.get(relation.full_name) or _are_hidden(snapshot, relation.full_name)
    )
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
            is_disabled=options.get("autovacuum_enabled", "true").lower() in ("false", "off", "no", "0"),
            share=sum(shares.get(statement, 0.0) for statement in statements),
            statements=tuple(sorted(statements, key=lambda each: -shares.get(each, 0.0))),
        )


def _are_hidden(snapshot: Snapshot, table: QualifiedName) -> bool:
    """Say whether the capture could not read some statistics, which may be those of a table."""
    own = f"statistics of {ident(*table)}"
    gaps = [each.what for each in snapshot.not_examined if each.what.startswith("statistics of ")]
    return any(what == own or what.startswith(f"{own} (") or what.endswith(" more tables") for what in gaps)


def _number(options: Mapping[str, str], snapshot: Snapshot, name: str, default: float) -> float:
    """Return a setting: of the table, else of the server, else the built-in default."""
    for text in (options.get(name), snapshot.settings.get(name)):
        try:
            value = float(text) if text is not None else math.nan
        except ValueError:
            continue
        if math.isfinite(value) and value >= 0:
            return value
    return default
