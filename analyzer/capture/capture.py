"""Capture a database: read everything a plan depends on, once, into a snapshot.

One read-only repeatable-read transaction. What another session holds, or the role may not see, is named in the snapshot
and does not stop the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg import errors

from analyzer import __version__
from analyzer.capture.catalog import Catalog, read_catalog, read_settings
from analyzer.capture.extended import read_extended
from analyzer.capture.gin import read_gin_pages
from analyzer.capture.heights import read_heights
from analyzer.capture.indexes import read_index_rows, read_indexes
from analyzer.capture.placement import read_row_security, read_tablespaces
from analyzer.capture.reader import Reader
from analyzer.capture.relations import Blocked, read_blocked, read_relations
from analyzer.capture.replicas import Oids, add_replicas, check_servers
from analyzer.capture.samples import read_samples
from analyzer.capture.snapshot import Index, NotExamined, Relation, Snapshot
from analyzer.capture.statements import Statements, read_statements
from analyzer.capture.statistics import Extremes, Unreadable, read_extremes, read_statistics, read_unreadable
from analyzer.capture.user_code import UserCode, read_user_code
from analyzer.capture.without_values import without_values
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
    unreadable: Unreadable
    #: Tables on which nothing may be planned.
    user_code: frozenset[int]
    not_examined: tuple[NotExamined, ...]

    @property
    def to_plan_on(self) -> dict[int, Relation]:
        """Return the relations about which the planner may be asked."""
        return {oid: relation for oid, relation in self.relations.items() if oid not in self.user_code}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What to read."""

    values: bool
    statements: bool
    run_user_code: bool


def capture(
    url: str,
    *,
    replicas: Sequence[str] = (),
    values: bool = True,
    statements: bool = True,
    sample_rows: int = 0,
    statement_timeout_ms: int = 30_000,
    run_user_code: bool = False,
    allow_superuser: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Snapshot:
    """Read one database into a snapshot; without `values`, no value of a row and no literal of a statement.

    `sample_rows` of each table are read too, where values are. What takes longer than the timeout is named in the
    snapshot and left out. What the `replicas` counted is added to the first server's counters. Unless `run_user_code`,
    nothing is asked that could run a function of a user of the database.

    Raises UnreachableError, InputError for a superuser unless `allow_superuser`, CapabilityError when `statements` are
    wanted and the server cannot give them, and ConflictError when a replica is none.
    """
    tell = progress or _silent
    if replicas:
        check_servers((url, *replicas), allow_superuser=allow_superuser)
    limits = {"statement_timeout_ms": statement_timeout_ms}
    with reading(url, application="twindex capture", allow_superuser=allow_superuser, **limits) as connection:
        reader = Reader(connection=connection, major=connection.info.server_version // 10_000)
        wanted = _Wanted(values=values, statements=statements, run_user_code=run_user_code)
        snapshot, tables = _read(reader, wanted, tell)
        if values and sample_rows:
            tell("samples")
            block_bytes = snapshot.server.block_size_bytes
            sampled = read_samples(
                reader, tables.to_plan_on, sample_rows, unreadable=tables.unreadable.oids, block_bytes=block_bytes
            )
            gaps = (*snapshot.not_examined, *sampled.not_examined)
            snapshot = snapshot.model_copy(update={"samples": sampled.samples, "not_examined": gaps})
        unread = (*snapshot.not_examined, *reader.unread())
        snapshot = snapshot.model_copy(update={"not_examined": unread})
    if replicas:
        tell("replicas")
        oids = Oids(relations=tuple(tables.relations), indexes=tables.index_oids)
        snapshot = add_replicas(
            snapshot, oids, (url, *replicas), statements=statements, allow_superuser=allow_superuser
        )
    return snapshot if values else without_values(snapshot)


def _read(reader: Reader, wanted: _Wanted, tell: Callable[[str], None]) -> tuple[Snapshot, _Tables]:
    values = wanted.values
    tell("catalog")
    settings = read_settings(reader)
    search_path = reader.row("former_search_path")["schemas"]
    reader.fix_session()
    catalog = read_catalog(reader)
    counted = _read_statements(reader, catalog, values=values, tell=tell) if wanted.statements else Statements()
    tables = _read_tables(reader, catalog, search_path, wanted, tell)
    tell("statistics")
    columns, refused = read_statistics(reader, tuple(tables.relations), tables.index_oids, values=values)
    extended = read_extended(reader, tuple(tables.relations), values=values)
    extremes = _read_extremes(reader, tables, values=values)
    snapshot = Snapshot(
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
        extended_statistics=extended.statistics,
        extremes=extremes.extremes,
        row_security=read_row_security(reader, tuple(tables.relations)),
        tablespaces=read_tablespaces(reader, tuple(tables.relations)),
        statements=counted.statements,
        statements_reset=counted.reset,
        statements_evicted=counted.evicted,
        not_examined=(
            *catalog.not_examined, *tables.not_examined, *extended.not_examined, *extremes.not_examined,
            *counted.not_examined, *refused,
        ),
    )  # fmt: skip
    return snapshot, tables


def _silent(what: str) -> None:
    """Tell nobody."""


def _read_statements(reader: Reader, catalog: Catalog, *, values: bool, tell: Callable[[str], None]) -> Statements:
    tell("statements")
    return read_statements(reader, server=catalog.server, extensions=catalog.extensions, values=values)


def _read_extremes(reader: Reader, tables: _Tables, *, values: bool) -> Extremes:
    if not values:
        reason = "they are values of rows, and the capture was to leave values out"
        return Extremes(extremes=(), not_examined=(NotExamined(what="extremes of columns", reason=reason),))
    return read_extremes(reader, tables.to_plan_on, tables.indexes, tables.unreadable)


def _read_tables(
    reader: Reader, catalog: Catalog, search_path: list[str], wanted: _Wanted, tell: Callable[[str], None]
) -> _Tables:
    tell("relations")
    for _ in range(_ATTEMPTS):
        blocked = read_blocked(reader)
        try:
            return _read_unblocked(reader, catalog, search_path, wanted, blocked=blocked, tell=tell)
        except errors.LockNotAvailable:
            continue
    raise NotExaminableError(
        f"database {catalog.server.database} cannot be read because other sessions keep taking exclusive locks; "
        "capture again when no schema change runs"
    )


def _read_unblocked(
    reader: Reader,
    catalog: Catalog,
    search_path: list[str],
    wanted: _Wanted,
    *,
    blocked: Blocked,
    tell: Callable[[str], None],
) -> _Tables:
    relations = read_relations(reader, blocked)
    oids = tuple(relations)
    rows = read_index_rows(reader, oids, blocked, search_path)
    unreadable = read_unreadable(reader, oids)
    user_code = UserCode() if wanted.run_user_code else read_user_code(reader, relations)
    tell("indexes")
    closed = unreadable.oids | user_code.oids
    heights = read_heights(reader, rows, server=catalog.server, extensions=catalog.extensions, unreadable=closed)
    gin_pages = read_gin_pages(reader, rows, server=catalog.server, extensions=catalog.extensions, unreadable=closed)
    return _Tables(
        relations=relations,
        indexes=read_indexes(reader, rows, oids, heights, gin_pages),
        index_oids=tuple(row["oid"] for row in rows),
        unreadable=unreadable,
        user_code=user_code.oids,
        not_examined=(*blocked.not_examined, *unreadable.not_examined, *user_code.not_examined),
    )
