"""The snapshot: everything captured from a server at one time, as one file.

The file is gzip-compressed JSON, written atomically with mode 0600. `version` rises with every change that an older
twindex could misread.
"""

import gzip
import json
import os
import tempfile
import zlib
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError

from analyzer.capture.measured import (
    ColumnStatistics,
    ExtendedStatistics,
    Extreme,
    Sample,
    ServerCounters,
    StatementCounters,
)
from analyzer.capture.record import Record
from analyzer.errors import InputError
from analyzer.index import IndexDef

FORMAT = "twindex-snapshot"
VERSION = 1


class Server(Record):
    """The server as a whole."""

    #: `server_version_num`, such as 180006.
    version_num: int
    #: `version()`, as printed.
    version: str
    database: str
    encoding: str
    collate: str
    ctype: str
    #: `datlocprovider`: b builtin, c libc, i ICU.
    locale_provider: str
    #: Name of the locale when the provider is builtin or ICU.
    locale: str | None
    #: The role that captured, and what it may see.
    role: str
    is_superuser: bool
    reads_all_statistics: bool
    in_recovery: bool
    started_at: datetime
    #: Start of the counters' window; None when the server cannot say.
    stats_reset: datetime | None
    block_size_bytes: int = 8192
    #: What a build gets unless it is given more; None, like the two below, in a snapshot from before they were asked.
    maintenance_work_mem_bytes: int | None = None
    tablespaces: tuple[str, ...] | None = None
    #: Extensions that CREATE EXTENSION would find.
    available_extensions: tuple[str, ...] | None = None

    @property
    def major(self) -> int:
        """Return the major version, such as 18."""
        return self.version_num // 10_000


class Extension(Record):
    """An installed extension."""

    name: str
    version: str
    schema_name: str


class TypeDef(Record):
    """An enum, domain, composite or range type."""

    schema_name: str
    name: str
    #: e enum, d domain, c composite, r range.
    kind: Literal["e", "d", "c", "r"]
    #: Enum labels in order.
    labels: tuple[str, ...] = ()
    #: Base type of a domain, subtype of a range.
    base_type: str | None = None
    not_null: bool = False
    default: str | None = None
    #: Check constraints of a domain as pg_get_constraintdef prints them: (name, definition).
    checks: tuple[tuple[str, str], ...] = ()
    #: Attributes of a composite type: (name, type).
    attributes: tuple[tuple[str, str], ...] = ()
    #: Options of a range type other than its subtype, as CREATE TYPE takes them: (option, SQL).
    options: tuple[tuple[str, str], ...] = ()


class FunctionDef(Record):
    """A function that does not belong to an extension."""

    schema_name: str
    name: str
    #: pg_get_function_identity_arguments.
    arguments: str
    #: pg_get_functiondef, which holds volatility, cost, rows and strictness.
    definition: str
    language: str


class Column(Record):
    """A live column, in attnum order."""

    name: str
    number: int
    #: format_type with typmod.
    type: str
    not_null: bool = False
    #: pg_get_expr of the default or of the generation expression.
    default: str | None = None
    #: `attgenerated`: s stored, v virtual, empty otherwise.
    generated: str = ""
    #: `attidentity`: a always, d by default, empty otherwise.
    identity: str = ""
    #: Quoted, qualified collation when it is not the type's own.
    collation: str | None = None
    statistics_target: int | None = None


class Constraint(Record):
    """A table constraint other than NOT NULL."""

    name: str
    #: p primary key, u unique, x exclusion, f foreign key, c check.
    kind: Literal["p", "u", "x", "f", "c"]
    #: pg_get_constraintdef.
    definition: str
    columns: tuple[str, ...]
    #: Foreign keys: the referenced table and columns, and the actions ('a' none, 'r' restrict, 'c' cascade, …).
    referenced_schema: str | None = None
    referenced_table: str | None = None
    referenced_columns: tuple[str, ...] = ()
    on_delete: str | None = None
    on_update: str | None = None
    #: Name of the index behind a primary key, unique or exclusion constraint.
    index: str | None = None
    validated: bool = True
    #: It came from a parent, by partitioning or inheritance.
    inherited: bool = False


class TableActivity(Record):
    """Counters of pg_stat_all_tables since the window began."""

    seq_scans: int
    seq_rows_read: int
    index_scans: int
    rows_inserted: int
    rows_updated: int
    rows_hot_updated: int
    rows_deleted: int
    live_rows: int
    dead_rows: int
    modified_since_analyze: int
    last_vacuum: datetime | None
    last_analyze: datetime | None


class Relation(Record):
    """A table, partitioned table, view, materialised view or foreign table."""

    schema_name: str
    name: str
    #: `relkind`: r table, p partitioned, v view, m materialised view, f foreign table.
    kind: Literal["r", "p", "v", "m", "f"]
    #: Its oid, for its order: children are planned in it.
    oid: int = 0
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...] = ()
    #: pg_class.relpages, reltuples (-1 never analysed), relallvisible.
    pages: int = 0
    tuples: float = -1
    all_visible_pages: int = 0
    #: Current size of the main fork; None for relations without storage or when it could not be read.
    size_bytes: int | None = None
    #: Heap, TOAST and indexes together.
    total_size_bytes: int | None = None
    parameters: tuple[str, ...] = ()
    #: pg_get_partkeydef of a partitioned table.
    partition_key: str | None = None
    #: pg_get_expr(relpartbound) of a partition.
    partition_bound: str | None = None
    #: Parents by partitioning or inheritance: (schema, name).
    parents: tuple[tuple[str, str], ...] = ()
    #: pg_get_viewdef of a view or materialised view.
    definition: str | None = None
    activity: TableActivity | None = None

    def column(self, name: str) -> Column | None:
        """Return the column of that name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)


class GinPages(Record):
    """What the planner takes a GIN index to hold, which its cost is made of (gincostestimate()).

    From a metapage, or numbers found by asking the planner. The latter reproduce its arithmetic: exact on servers from
    16 whose operator class can ask for every entry, else one choice among those that cost the same.
    """

    pending_pages: int
    entry_pages: int
    data_pages: int
    entries: int

    @classmethod
    def invented(cls, *, pages: int, pending_pages: int) -> "GinPages":
        """Return the numbers the planner makes up when it does not trust the metapage."""
        pages = max(pages, 10)
        entry_pages = (pages - pending_pages) * 9 // 10
        return cls(
            pending_pages=pending_pages,
            entry_pages=entry_pages,
            data_pages=pages - pending_pages - entry_pages,
            entries=entry_pages * 100,
        )


class Index(Record):
    """An index as it exists."""

    definition: IndexDef
    #: pg_get_indexdef, the server's own deparse.
    ddl: str
    #: Its oid, for its order: of two indexes that cost the same, it decides.
    oid: int = 0
    #: Name of the constraint it backs.
    constraint: str | None = None
    primary: bool = False
    valid: bool = True
    ready: bool = True
    replica_identity: bool = False
    clustered: bool = False
    pages: int = 0
    tuples: float = 0
    size_bytes: int | None = None
    #: btree levels above the leaves; None when the server cannot say.
    height: int | None = None
    #: GIN only; None when the server cannot say.
    gin: GinPages | None = None
    #: Names of the index's own columns in order, as pg_stats shows them (expressions have generated names).
    column_names: tuple[str, ...] = ()
    scans: int | None = None
    #: Index entries returned by those scans: few scans can be much work.
    rows_read: int | None = None
    last_scan: datetime | None = None
    comment: str | None = None
    #: Statistics targets of its expressions: (position from 1, target).
    statistics_targets: tuple[tuple[int, int], ...] = ()
    #: Foreign keys that need it, by name; a unique index serves them without being a constraint's.
    foreign_keys: tuple[str, ...] = ()
    #: Parent partitioned index: (schema, name).
    parent: tuple[str, str] | None = None


class Policy(Record):
    """One policy of a table's row security."""

    name: str
    #: `polcmd`: r select, a insert, w update, d delete, * all.
    command: str
    permissive: bool
    #: Empty for PUBLIC.
    roles: tuple[str, ...] = ()
    #: pg_get_expr of USING and of WITH CHECK.
    using: str | None = None
    check: str | None = None


class RowSecurity(Record):
    """A table whose row security is on."""

    schema_name: str
    table: str
    #: Also for the table's owner.
    forced: bool
    policies: tuple[Policy, ...] = ()


class Tablespace(Record):
    """A tablespace with costs of its own."""

    name: str
    #: `spcoptions`, such as `random_page_cost=1.1`.
    options: tuple[str, ...]
    #: It holds what names no other tablespace.
    is_default: bool
    #: Tables and indexes in it, by schema and name.
    relations: tuple[tuple[str, str], ...] = ()


class NotExamined(Record):
    """Something the capture could not see, and why."""

    what: str
    reason: str


class Snapshot(Record):
    """Everything captured from one database at one time."""

    format: Literal["twindex-snapshot"] = FORMAT
    version: Literal[1] = VERSION
    tool_version: str
    #: The server's clock.
    captured_at: datetime
    #: False when every literal was stripped.
    values: bool
    server: Server
    #: Settings the planner reads, effective for the capturing session, in the units of pg_settings.
    settings: dict[str, str]
    extensions: tuple[Extension, ...]
    schemas: tuple[str, ...]
    types: tuple[TypeDef, ...] = ()
    functions: tuple[FunctionDef, ...] = ()
    relations: tuple[Relation, ...]
    indexes: tuple[Index, ...]
    statistics: tuple[ColumnStatistics, ...]
    extended_statistics: tuple[ExtendedStatistics, ...] = ()
    extremes: tuple[Extreme, ...] = ()
    row_security: tuple[RowSecurity, ...] = ()
    tablespaces: tuple[Tablespace, ...] = ()
    samples: tuple[Sample, ...] = ()
    statements: tuple[StatementCounters, ...] = ()
    #: Since when pg_stat_statements counts, and how many entries it evicted.
    statements_reset: datetime | None = None
    statements_evicted: int | None = None
    #: The primary and its replicas, where several servers were captured; their counters are summed above.
    servers: tuple[ServerCounters, ...] = ()
    not_examined: tuple[NotExamined, ...] = ()

    @cached_property
    def relations_by_name(self) -> dict[tuple[str, str], Relation]:
        """Relations by schema and name."""
        return {(each.schema_name, each.name): each for each in self.relations}

    @cached_property
    def statistics_by_relation(self) -> dict[tuple[str, str], tuple[ColumnStatistics, ...]]:
        """Columns' statistics by schema and name of their table or index."""
        found: dict[tuple[str, str], list[ColumnStatistics]] = {}
        for row in self.statistics:
            found.setdefault((row.schema_name, row.relation), []).append(row)
        return {name: tuple(rows) for name, rows in found.items()}

    def __copy__(self) -> Self:
        """Copy the fields alone: what was looked up in them may not hold for a copy with others."""
        copied = super().__copy__()
        held = vars(copied)
        for name in held.keys() - type(self).model_fields.keys():
            del held[name]
        return copied

    def column_statistics(self, schema: str, relation: str, column: str) -> ColumnStatistics | None:
        """Return the statistics of a column, over its children too where there are such; None when not analysed."""
        found = [row for row in self.statistics_by_relation.get((schema, relation), ()) if row.column == column]
        return max(found, key=lambda each: each.inherited, default=None)

    def relation(self, schema: str, name: str) -> Relation | None:
        """Return the relation of that name, if it was captured."""
        return self.relations_by_name.get((schema, name))


def dump(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot atomically with mode 0600; the same snapshot gives the same bytes."""
    payload = gzip.compress(snapshot.model_dump_json(exclude_defaults=False).encode(), compresslevel=6, mtime=0)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: Path) -> Snapshot:
    """Read a snapshot; raises InputError for a file that is missing, cut short, newer or something else."""
    try:
        raw = gzip.decompress(path.read_bytes())
        document: Any = json.loads(raw)
    except OSError as error:
        reason = error.strerror or "it is not gzip-compressed"
        raise InputError(f"{path} cannot be read as a snapshot ({reason}); capture it with twindex capture") from None
    except (EOFError, zlib.error, ValueError):
        raise InputError(f"{path} is damaged or cut short; capture it again with twindex capture") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:  # pyright: ignore[reportUnknownMemberType]
        raise InputError(f"{path} is not a twindex snapshot; make one with twindex capture -o FILE")
    version: Any = document.get("version")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(version, int) or version > VERSION:
        raise InputError(f"{path} has snapshot version {version}, this twindex reads up to {VERSION}; upgrade twindex")
    try:
        return Snapshot.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path} is not a valid snapshot: {where}: {first['msg']}; capture it again") from None
