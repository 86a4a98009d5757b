"""Capture a database: read everything a plan depends on, once, into a snapshot.

One read-only repeatable-read transaction for the catalog; then one that sees the present, for the questions that plan
on a table or read its rows: the planner sees it anyway, and so must who watches that nothing of a user's runs. What
another session holds or changes, or the role may not see, is named in the snapshot and does not stop the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import DictRow

from analyzer import __version__
from analyzer.capture.btree_levels import read_heights
from analyzer.capture.catalog import ServerCatalog, read_catalog, read_settings, with_cluster
from analyzer.capture.changing import from_the_start
from analyzer.capture.extended import read_extended
from analyzer.capture.gin import read_gin_pages, unknown_pages
from analyzer.capture.guard import Guard
from analyzer.capture.indexes import as_indexes, read_collation_versions, read_index_activity, read_index_rows
from analyzer.capture.objects import read_dependencies, read_objects
from analyzer.capture.reader import Reader
from analyzer.capture.relations import label, note_dropped, read_blocked, read_relations
from analyzer.capture.replicas import Oids, add_replicas, check_servers
from analyzer.capture.row_security import read_row_security, read_tablespaces
from analyzer.capture.samples import Samples, read_samples
from analyzer.capture.sequences import Sequences, read_sequences, with_last_values
from analyzer.capture.statements import Statements, read_statements
from analyzer.capture.statistics import Extremes, Unreadable, read_extremes, read_statistics, read_unreadable
from analyzer.capture.user_code import UserCode, read_user_code
from analyzer.capture.without_values import without_values
from analyzer.db import describe, reading, see_the_present, without_secrets
from analyzer.documents.snapshot import Index, NotExamined, ObjectDef, Relation, RowSecurity, SequenceDef, Snapshot
from analyzer.errors import TwindexError
from analyzer.progress import Progress, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """Relations by oid, and all that hangs on them."""

    relations: dict[int, Relation]
    #: Of `capture/indexes`, and the counters of each by its oid.
    index_rows: Sequence[DictRow]
    activity: Mapping[int, DictRow]
    row_security: tuple[RowSecurity, ...]
    unreadable: Unreadable
    #: Tables on which nothing may be planned, and how to see that the others are unchanged.
    user_code: UserCode
    sequences: Sequences
    not_examined: tuple[NotExamined, ...]

    @property
    def index_oids(self) -> tuple[int, ...]:
        """Return the oids of the indexes."""
        return tuple(row["oid"] for row in self.index_rows)

    @property
    def to_plan_on(self) -> dict[int, Relation]:
        """Return the relations about which the planner may be asked."""
        return {oid: relation for oid, relation in self.relations.items() if oid not in self.user_code.oids}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What planning on tables and reading rows told."""

    indexes: tuple[Index, ...]
    extremes: Extremes
    samples: Samples
    sequences: tuple[SequenceDef, ...]
    #: Beside what extremes and samples say of themselves.
    not_examined: tuple[NotExamined, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What to read."""

    values: bool
    statements: bool
    planning: bool
    sample_rows: int
    statement_timeout_ms: int
    run_user_code: bool
    #: Told of the server as soon as it is known.
    on_catalog: Callable[[ServerCatalog], None] | None


def capture(
    url: str,
    *,
    replicas: Sequence[str] = (),
    values: bool = True,
    statements: bool = True,
    planning: bool = True,
    sample_rows: int = 0,
    statement_timeout_ms: int = 30_000,
    run_user_code: bool = False,
    allow_superuser: bool = True,
    on_catalog: Callable[[ServerCatalog], None] | None = None,
    before_counters: Callable[[], None] | None = None,
    progress: Progress = silent,
) -> Snapshot:
    """Read one database into a snapshot; without `values`, no value of a row and no literal of a statement.

    With values, `sample_rows` of each table are read as well. Without `planning`, no table is asked about, and what
    only a planner needs is left out. Items that exceed the timeout are omitted and listed in the snapshot. The counters
    of the `replicas` are added to those of the first server. Without `run_user_code`, no query can run a user-defined
    function. `on_catalog` is called while most is still to be read, perhaps more than once; `before_counters` once all
    else is read, with no transaction open: what runs in this time is in the counters of the statements.

    Raises UnreachableError, InputError for a superuser unless `allow_superuser`, CapabilityError if `statements`
    cannot be read, NotExaminableError if other sessions change too much, and ConflictError if a replica is not one.
    """
    if replicas:
        check_servers((url, *replicas), allow_superuser=allow_superuser)
    limits = {"statement_timeout_ms": statement_timeout_ms}
    wanted = _Wanted(
        values=values, statements=statements, planning=planning, sample_rows=sample_rows if values else 0,
        statement_timeout_ms=statement_timeout_ms, run_user_code=run_user_code, on_catalog=on_catalog,
    )  # fmt: skip

    def read() -> tuple[Snapshot, _Tables, Statements]:
        with reading(url, application="twindex capture", allow_superuser=allow_superuser, **limits) as connection:
            reader = Reader(connection=connection, major=connection.info.server_version // 10_000)
            return _read(reader, wanted, progress)

    snapshot, tables, counted = from_the_start(read, database=describe(url))
    if before_counters is not None:
        before_counters()
        if statements:
            snapshot = _counted_again(url, snapshot, counted, allow_superuser=allow_superuser, **limits)
    if replicas:
        progress("replicas")
        oids = Oids(relations=tuple(tables.relations), indexes=tables.index_oids)
        snapshot = add_replicas(
            snapshot, oids, (url, *replicas), statements=statements, allow_superuser=allow_superuser
        )
    return snapshot if values else without_values(snapshot)


def _counted_again(
    url: str, snapshot: Snapshot, counted: Statements, *, allow_superuser: bool, statement_timeout_ms: int
) -> Snapshot:
    """Return the snapshot with the counters that its statements have now; if they cannot be read, with those it had."""
    limits = {"statement_timeout_ms": statement_timeout_ms}
    try:
        with reading(url, application="twindex capture", allow_superuser=allow_superuser, **limits) as connection:
            reader = Reader(connection=connection, major=connection.info.server_version // 10_000)
            reader.fix_session()
            now = read_statements(
                reader,
                server=snapshot.server,
                extensions=snapshot.extensions,
                values=snapshot.values,
                search_path=snapshot.settings["search_path"],
                schemas=snapshot.schemas,
            )
    except (TwindexError, psycopg.Error) as error:
        reason = without_secrets(str(error), url) if snapshot.values else "they could not be read again"
        gap = NotExamined(what="statements of the time of --sample-activity", reason=reason)
        return snapshot.model_copy(update={"not_examined": (*snapshot.not_examined, gap)})
    others = (gap for gap in snapshot.not_examined if gap not in counted.not_examined)
    return snapshot.model_copy(
        update={
            "statements": now.statements,
            "statements_reset": now.reset,
            "statements_evicted": now.evicted,
            "not_examined": (*others, *now.not_examined),
        }
    )


def _read(reader: Reader, wanted: _Wanted, tell: Progress) -> tuple[Snapshot, _Tables, Statements]:
    values = wanted.values
    tell("catalog")
    settings = read_settings(reader)
    search_path = reader.row("former_search_path")["schemas"]
    reader.fix_session()
    catalog = read_catalog(reader)
    if wanted.on_catalog is not None:
        wanted.on_catalog(catalog)
    counted, server = Statements(), catalog.server
    if wanted.statements:
        tell("statements")
        server = with_cluster(server, reader)
        counted = read_statements(
            reader,
            server=catalog.server,
            extensions=catalog.extensions,
            values=values,
            search_path=settings["search_path"],
            schemas=catalog.schemas,
        )
    tables = _read_tables(reader, search_path, wanted, tell)
    tell("statistics")
    columns, refused = read_statistics(reader, tuple(tables.relations), tables.index_oids, values=values)
    extended = read_extended(reader, tuple(tables.relations), values=values)
    objects = read_objects(reader, tuple(tables.relations))
    tablespaces = read_tablespaces(reader, tuple(tables.relations))
    collation_versions = read_collation_versions(reader, tuple(tables.relations))
    asked = _ask(reader, catalog, tables, wanted, tell) if wanted.planning else _unasked(tables)
    snapshot = Snapshot(
        tool_version=__version__,
        captured_at=catalog.captured_at,
        values=values,
        server=server,
        settings=settings,
        extensions=catalog.extensions,
        schemas=catalog.schemas,
        types=catalog.types,
        type_lengths=catalog.type_lengths,
        functions=catalog.functions,
        objects=objects,
        dependencies=read_dependencies(reader, _oids(catalog, tables, objects)),
        relations=tuple(tables.relations.values()),
        indexes=asked.indexes,
        statistics=columns,
        extended_statistics=extended.statistics,
        extremes=asked.extremes.extremes,
        samples=asked.samples.samples,
        sequences=asked.sequences,
        row_security=tables.row_security,
        tablespaces=tablespaces,
        collation_versions=collation_versions,
        statements=counted.statements,
        statements_reset=counted.reset,
        statements_evicted=counted.evicted,
        not_examined=(
            *catalog.not_examined, *tables.not_examined, *extended.not_examined, *asked.extremes.not_examined,
            *counted.not_examined, *refused, *asked.samples.not_examined, *asked.not_examined, *reader.not_examined(),
        ),
    )  # fmt: skip
    return snapshot, tables, counted


def _oids(catalog: ServerCatalog, tables: _Tables, objects: Sequence[ObjectDef]) -> frozenset[int]:
    described = (each.oid for each in (*catalog.extensions, *catalog.types, *catalog.functions, *objects))
    return frozenset((*described, *tables.relations, *tables.index_oids))


def _ask(reader: Reader, catalog: ServerCatalog, tables: _Tables, wanted: _Wanted, tell: Progress) -> _Asked:
    """Ask everything that plans on a table or reads rows of it, which ends the transaction of the catalog."""
    tell("indexes")
    see_the_present(reader.connection, statement_timeout_ms=wanted.statement_timeout_ms)
    reader.fix_session()
    guard = None if wanted.run_user_code else _guard(reader, tables)
    asking = replace(reader, guard=guard)
    closed = tables.unreadable.oids | tables.user_code.oids
    server, extensions, rows = catalog.server, catalog.extensions, tables.index_rows
    heights = read_heights(asking, rows, server=server, extensions=extensions, unreadable=closed)
    gin_pages = read_gin_pages(asking, rows, server=server, extensions=extensions, unreadable=closed)
    indexes = as_indexes(rows, tables.activity, heights, gin_pages)
    tell("extremes")
    extremes = _read_extremes(asking, tables, indexes, values=wanted.values)
    samples = Samples()
    if wanted.sample_rows:
        tell("samples")
        samples = read_samples(
            asking, tables.to_plan_on, wanted.sample_rows,
            unreadable=tables.unreadable.oids, block_bytes=server.block_size_bytes,
        )  # fmt: skip
    counting, gaps = tables.sequences.sequences, tuple[NotExamined, ...]()
    if wanted.values:
        counting, gaps = with_last_values(asking, tables.sequences)
    if guard is not None:
        guard.release()
    unknown = (
        *unknown_pages(rows, gin_pages, closed),
        *gaps,
        *(guard.not_examined() if guard is not None else ()),
    )
    return _Asked(indexes=indexes, extremes=extremes, samples=samples, sequences=counting, not_examined=unknown)


def _unasked(tables: _Tables) -> _Asked:
    indexes = as_indexes(tables.index_rows, tables.activity, {}, {})
    return _Asked(
        indexes=indexes,
        extremes=Extremes(extremes=(), not_examined=()),
        samples=Samples(),
        sequences=tables.sequences.sequences,
    )


def _guard(reader: Reader, tables: _Tables) -> Guard:
    names = {oid: table.full_name for oid, table in tables.relations.items()}
    known = {names[oid]: (oid, fingerprint) for oid, fingerprint in tables.user_code.fingerprints.items()}
    known |= tables.sequences.fingerprints
    guard = Guard(connection=reader.connection, known=known)
    guard.prepare()
    return guard


def _read_extremes(reader: Reader, tables: _Tables, indexes: Sequence[Index], *, values: bool) -> Extremes:
    if not values:
        reason = "they are column values, which --no-values excludes"
        return Extremes(extremes=(), not_examined=(NotExamined(what="extremes of columns", reason=reason),))
    return read_extremes(reader, tables.to_plan_on, indexes, tables.unreadable)


def _read_tables(reader: Reader, search_path: list[str], wanted: _Wanted, tell: Progress) -> _Tables:
    tell("relations")
    blocked = read_blocked(reader)
    relations = read_relations(reader, blocked)
    names = {oid: label(each.kind, each.schema_name, each.name) for oid, each in relations.items()}
    row_security = read_row_security(reader, names)
    note_dropped(reader, names)
    relations = {oid: relation for oid, relation in relations.items() if names[oid] not in reader.changed}
    oids = tuple(relations)
    rows = read_index_rows(reader, oids, blocked, search_path)
    unreadable = read_unreadable(reader, oids)
    is_free = wanted.run_user_code or not wanted.planning
    user_code = UserCode() if is_free else read_user_code(reader, relations)
    return _Tables(
        relations=relations,
        index_rows=rows,
        activity=read_index_activity(reader, oids),
        row_security=tuple(found for oid, found in row_security.items() if oid in relations),
        unreadable=unreadable,
        user_code=user_code,
        sequences=read_sequences(reader, blocked),
        not_examined=(*blocked.not_examined, *unreadable.not_examined, *user_code.not_examined),
    )
