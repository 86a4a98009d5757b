"""Small snapshots for tests, made of the records themselves."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from analyzer.documents.snapshot import (
    Column,
    ColumnStatistics,
    Constraint,
    Extension,
    Index,
    Relation,
    Server,
    Snapshot,
    StatementCounters,
    TypeDef,
)
from analyzer.objects.index import IndexDef

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def table(
    name: str,
    columns: str,
    *,
    rows: float = 1_000_000,
    pages: int = 20_000,
    schema: str = "public",
    constraints: tuple[Constraint, ...] = (),
    definition: str | None = None,
    partition_bound: str | None = None,
    visible_pages: int | None = None,
) -> Relation:
    """Make a table of `name type, name type`, or a view when it has a definition."""
    named = [re.split(r"\s+", column.strip(), maxsplit=1) for column in re.split(r",(?![^(]*\))", columns)]
    return Relation(
        schema_name=schema,
        name=name,
        kind="v" if definition else "r",
        columns=tuple(Column(name=n.strip('"'), number=i, type=t) for i, (n, t) in enumerate(named, 1)),
        constraints=constraints,
        pages=0 if definition else pages,
        tuples=0 if definition else rows,
        all_visible_pages=0 if definition else visible_pages if visible_pages is not None else pages,
        size_bytes=None if definition else pages * 8192,
        definition=definition,
        partition_bound=partition_bound,
    )


def statistics(
    relation: str,
    column: str,
    *,
    distinct: float = -1,
    width: int = 8,
    nulls: float = 0,
    correlation: float | None = None,
    common: str | None = None,
    frequencies: tuple[float, ...] | None = None,
    histogram: str | None = None,
    elements: str | None = None,
    element_frequencies: tuple[float, ...] | None = None,
    schema: str = "public",
) -> ColumnStatistics:
    """Make one column's statistics."""
    return ColumnStatistics(
        schema_name=schema,
        relation=relation,
        column=column,
        inherited=False,
        null_fraction=nulls,
        average_width=width,
        distinct=distinct,
        most_common_values=common,
        most_common_frequencies=frequencies,
        histogram_bounds=histogram,
        most_common_elements=elements,
        most_common_element_frequencies=element_frequencies,
        correlation=correlation,
    )


def existing(definition: IndexDef, *, valid: bool = True, primary: bool = False) -> Index:
    """Make an index that exists."""
    return Index(definition=definition, ddl="", valid=valid, primary=primary)


def recorded(
    query: str, *, calls: int = 100, total_ms: float = 1000, rows: int = 1000, queryid: str = "1"
) -> StatementCounters:
    """Make an entry of pg_stat_statements."""
    return StatementCounters(
        queryid=queryid,
        query=query,
        calls=calls,
        total_ms=total_ms,
        mean_ms=total_ms / calls,
        stddev_ms=0,
        rows=rows,
        shared_blocks_hit=0,
        shared_blocks_read=0,
        temp_blocks=0,
    )


def snapshot(
    *relations: Relation,
    indexes: Sequence[Index] = (),
    columns: Sequence[ColumnStatistics] = (),
    statements: Sequence[StatementCounters] = (),
    extensions: Sequence[str] = ("vector", "pg_trgm"),
    types: Sequence[TypeDef] = (),
    collate: str = "C",
) -> Snapshot:
    """Make a snapshot of a server of our own."""
    return Snapshot(
        tool_version="0",
        captured_at=NOON,
        values=True,
        server=Server(
            version_num=180006,
            version="PostgreSQL 18.6",
            database="shop",
            encoding="UTF8",
            collate=collate,
            ctype=collate,
            locale_provider="c",
            locale=None,
            role="postgres",
            is_superuser=True,
            reads_all_statistics=True,
            in_recovery=False,
            started_at=NOON,
            stats_reset=None,
        ),
        settings={"search_path": '"$user", public'},
        extensions=tuple(Extension(name=name, version="1", schema_name="public") for name in extensions),
        schemas=("public",),
        types=tuple(types),
        relations=relations,
        indexes=tuple(indexes),
        statistics=tuple(columns),
        statements=tuple(statements),
    )
