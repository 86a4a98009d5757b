"""Capture a database: read everything a plan depends on, once, into a snapshot.

One read-only repeatable-read transaction. What another session holds, or the role may not see, is named in the snapshot
and does not stop the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass

from psycopg import errors

from analyzer import __version__
from analyzer.capture.catalog import Catalog, read_catalog, read_settings
from analyzer.capture.gin import read_gin_pages
from analyzer.capture.heights import read_heights
from analyzer.capture.indexes import read_index_rows, read_indexes
from analyzer.capture.reader import Reader
from analyzer.capture.relations import Blocked, read_blocked, read_relations
from analyzer.capture.snapshot import Index, NotExamined, Relation, Snapshot
from analyzer.capture.statements import Statements, read_statements
from analyzer.capture.statistics import Extremes, read_extremes, read_statistics, read_unreadable
from analyzer.db import reading
from analyzer.errors import NotExaminableError

#: How often to look for locks again when somebody took one between the look and the reading.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """Relations by oid, and all that hangs on them."""

    relations: dict[int, Relation]
    indexes: tuple[Index, ...]
    index_oids: tuple[int, ...]
    unreadable: frozenset[int]
    not_examined: tuple[NotExamined, ...]


def capture(
    url: str, *, values: bool = True, statements: bool = True, progress: Callable[[str], None] | None = None
) -> Snapshot:
    """Read one database into a snapshot; without `values`, no value of a row and no literal of a statement.

    Raises UnreachableError, and CapabilityError when `statements` are wanted and the server cannot give them.
    """
    tell = progress or _silent
    with reading(url, application="twindex capture") as connection:
        reader = Reader(connection=connection, major=connection.info.server_version // 10_000)
        tell("catalog")
        settings = read_settings(reader)
        search_path = reader.row("search_path")["schemas"]
        reader.fix_session()
        catalog = read_catalog(reader)
        counted = _read_statements(reader, catalog, values=values, tell=tell) if statements else Statements()
        tables = _read_tables(reader, catalog, search_path, tell)
        tell("statistics")
        columns = read_statistics(reader, tuple(tables.relations), tables.index_oids, values=values)
        extremes = _read_extremes(reader, tables, values=values)
    return Snapshot(
        tool_version=__version__,
        captured_at=catalog.captured_at,
        values=values,
        server=catalog.server,
        settings=settings,
        extensions=catalog.extensions,
        schemas=catalog.schemas,
        types=catalog.types,
        functions=catalog.functions,
        relations=tuple(tables.relations.values()),
        indexes=tables.indexes,
        statistics=columns,
        extremes=extremes.extremes,
        statements=counted.statements,
        statements_reset=counted.reset,
        statements_evicted=counted.evicted,
        not_examined=(
            *catalog.not_examined, *tables.not_examined, *extremes.not_examined, *counted.not_examined,
        ),
    )  # fmt: skip


def _silent(what: str) -> None:
    """Tell nobody."""


def _read_statements(reader: Reader, catalog: Catalog, *, values: bool, tell: Callable[[str], None]) -> Statements:
    tell("statements")
    return read_statements(reader, server=catalog.server, extensions=catalog.extensions, values=values)


def _read_extremes(reader: Reader, tables: _Tables, *, values: bool) -> Extremes:
    if not values:
        reason = "they are values of rows, and the capture was to leave values out"
        return Extremes(extremes=(), not_examined=(NotExamined(what="extremes of columns", reason=reason),))
    return read_extremes(reader, tables.relations, tables.indexes, tables.unreadable)


def _read_tables(reader: Reader, catalog: Catalog, search_path: list[str], tell: Callable[[str], None]) -> _Tables:
    tell("relations")
    for _ in range(_ATTEMPTS):
        blocked = read_blocked(reader)
        try:
            return _read_unblocked(reader, catalog, search_path, blocked, tell)
        except errors.LockNotAvailable:
            continue
    raise NotExaminableError(
        f"database {catalog.server.database} cannot be read because other sessions keep taking exclusive locks; "
        "capture again when no schema change runs"
    )


def _read_unblocked(
    reader: Reader, catalog: Catalog, search_path: list[str], blocked: Blocked, tell: Callable[[str], None]
) -> _Tables:
    relations = read_relations(reader, blocked)
    oids = tuple(relations)
    rows = read_index_rows(reader, oids, blocked, search_path)
    unreadable = read_unreadable(reader, oids)
    tell("indexes")
    heights = read_heights(
        reader, rows, server=catalog.server, extensions=catalog.extensions, unreadable=unreadable.oids
    )
    gin_pages = read_gin_pages(
        reader, rows, server=catalog.server, extensions=catalog.extensions, unreadable=unreadable.oids
    )
    return _Tables(
        relations=relations,
        indexes=read_indexes(reader, rows, oids, heights, gin_pages),
        index_oids=tuple(row["oid"] for row in rows),
        unreadable=unreadable.oids,
        not_examined=(*blocked.not_examined, *unreadable.not_examined),
    )
