"""What a server's catalog says of itself, as the snapshot holds it."""

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from analyzer.documents.bounds import (
    MOST_COLUMNS,
    Blocks,
    BlockSize,
    Bytes,
    ColumnNames,
    Count,
    Counter,
    Height,
    KeyNames,
    Letter,
    Moment,
    Name,
    NameInSchema,
    ObjectName,
    Oid,
    Pages,
    Position,
    Rows,
    StatisticsTarget,
    Text,
    TotalBytes,
    TypeName,
    VersionNumber,
    possible_index,
)
from analyzer.documents.record import SnapshotRecord
from analyzer.objects.index import IndexDef, Timing
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.postgres.tablespaces import DEFAULT_TABLESPACE


class Server(SnapshotRecord):
    """The server as a whole."""

    #: `server_version_num`, such as 180006.
    version_num: VersionNumber
    #: `version()`, as printed.
    version: Text
    database: Name
    encoding: Name
    collate: Text
    ctype: Text
    #: `datlocprovider`: b builtin, c libc, i ICU.
    locale_provider: Letter
    #: Name of the locale when the provider is builtin or ICU.
    locale: Text | None
    #: Of the cluster: a primary and its physical replicas have the same; None where the server does not say.
    system_identifier: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")] | None = None
    #: The role that captured, and what it may see.
    role: Name
    is_superuser: bool
    reads_all_statistics: bool
    in_recovery: bool
    started_at: Moment
    #: Start of the counters' window; None when the server cannot say.
    stats_reset: Moment | None
    block_size_bytes: BlockSize = BLOCK_BYTES
    #: What a build gets unless it is given more; None, like the two below, in a snapshot from before they were asked.
    maintenance_work_mem_bytes: Count | None = None
    tablespaces: tuple[Name, ...] | None = None
    #: Extensions that CREATE EXTENSION would find.
    available_extensions: tuple[Name, ...] | None = None
    #: The database's, of what names none.
    own_tablespace: Name = DEFAULT_TABLESPACE
    #: Physical standbys that stream from it; None in a snapshot from before they were counted.
    standbys: Count | None = None
    #: Sessions in all databases at the capture, and how many there can be; None in a snapshot from before.
    connections: Count | None = None
    max_connections: Count | None = None
    #: When autovacuum vacuums and analyzes, in the units of pg_settings; None in a snapshot from before.
    autovacuum: dict[Name, Text] | None = None

    @property
    def major(self) -> int:
        """Return the major version, such as 18."""
        return self.version_num // 10_000


class Column(SnapshotRecord):
    """A live column, in attnum order."""

    name: Name
    number: Position
    #: format_type with typmod.
    type: TypeName
    not_null: bool = False
    #: pg_get_expr of the default or of the generation expression.
    default: Text | None = None
    #: `attgenerated`: s stored, v virtual, empty otherwise.
    generated: Letter = ""
    #: `attidentity`: a always, d by default, empty otherwise.
    identity: Letter = ""
    #: Quoted, qualified collation when it is not the type's own.
    collation: ObjectName | None = None
    statistics_target: StatisticsTarget | None = None


class Constraint(SnapshotRecord):
    """A table constraint other than NOT NULL."""

    name: Name
    #: p primary key, u unique, x exclusion, f foreign key, c check.
    kind: Literal["p", "u", "x", "f", "c"]
    #: pg_get_constraintdef.
    definition: Text
    columns: ColumnNames
    #: Foreign keys: the referenced table and columns, and the actions ('a' none, 'r' restrict, 'c' cascade, …).
    referenced_schema: Name | None = None
    referenced_table: Name | None = None
    referenced_columns: ColumnNames = ()
    #: Columns that are converted to compare them with the referenced ones; None in a snapshot from before.
    cast_columns: ColumnNames | None = None
    on_delete: Letter | None = None
    on_update: Letter | None = None
    #: Name of the index behind a primary key, unique or exclusion constraint.
    index: Name | None = None
    validated: bool = True
    #: It came from a parent, by partitioning or inheritance.
    inherited: bool = False


class TableActivity(SnapshotRecord):
    """Counters of pg_stat_all_tables since the window began."""

    seq_scans: Counter
    seq_rows_read: Counter
    index_scans: Counter
    rows_inserted: Counter
    rows_updated: Counter
    rows_hot_updated: Counter
    rows_deleted: Counter
    live_rows: Counter
    dead_rows: Counter
    modified_since_analyze: Counter
    last_vacuum: Moment | None
    last_analyze: Moment | None
    #: Of the updated rows those whose new version went to another page; None before 16.
    rows_newpage_updated: Counter | None = None


class Relation(SnapshotRecord):
    """A table, partitioned table, view, materialised view or foreign table."""

    schema_name: Name
    name: Name
    #: `relkind`: r table, p partitioned, v view, m materialised view, f foreign table.
    kind: Literal["r", "p", "v", "m", "f"]
    #: Its oid, for its order: children are planned in it.
    oid: Oid = 0
    columns: Annotated[tuple[Column, ...], Field(max_length=MOST_COLUMNS)]
    #: Numbers of its dropped columns, by which plans that insert whole rows differ; none in a snapshot from before.
    dropped_columns: Annotated[tuple[Position, ...], Field(max_length=MOST_COLUMNS)] = ()
    constraints: tuple[Constraint, ...] = ()
    #: pg_class.relpages, reltuples (-1 never analysed), relallvisible.
    pages: Pages = 0
    tuples: Rows = -1
    all_visible_pages: Pages = 0
    #: Current size of the main fork; None for relations without storage or when it could not be read.
    size_bytes: Bytes | None = None
    #: Heap, TOAST and indexes together.
    total_size_bytes: TotalBytes | None = None
    parameters: tuple[Text, ...] = ()
    #: pg_get_partkeydef of a partitioned table.
    partition_key: Text | None = None
    #: pg_get_expr(relpartbound) of a partition.
    partition_bound: Text | None = None
    #: Parents by partitioning or inheritance: (schema, name).
    parents: tuple[NameInSchema, ...] = ()
    #: pg_get_viewdef of a view or materialised view.
    definition: Text | None = None
    activity: TableActivity | None = None

    @property
    def full_name(self) -> QualifiedName:
        """Its name with its schema, unquoted."""
        return QualifiedName(self.schema_name, self.name)

    @cached_property
    def columns_by_name(self) -> dict[str, Column]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    def column(self, name: str) -> Column | None:
        """Return the column of that name, if there is one."""
        return self.columns_by_name.get(name)


class GinPages(SnapshotRecord):
    """What the planner takes a GIN index to hold, which its cost is made of (gincostestimate()).

    From a metapage, or numbers found by asking the planner. The latter reproduce its arithmetic: exact on servers from
    16 whose operator class can ask for every entry, else one choice among those that cost the same.
    """

    pending_pages: Blocks
    entry_pages: Blocks
    data_pages: Blocks
    entries: Count

    @classmethod
    def invented(cls, *, pages: int, pending_pages: int) -> Self:
        """Return the numbers the planner makes up when it does not trust the metapage."""
        pages = max(pages, 10)
        entry_pages = (pages - pending_pages) * 9 // 10
        return cls(
            pending_pages=pending_pages,
            entry_pages=entry_pages,
            data_pages=pages - pending_pages - entry_pages,
            entries=entry_pages * 100,
        )


class Index(SnapshotRecord):
    """An index as it exists."""

    definition: Annotated[IndexDef, AfterValidator(possible_index)]
    #: pg_get_indexdef, the server's own deparse.
    ddl: Text
    #: Its oid, for its order: of two indexes that cost the same, it decides.
    oid: Oid = 0
    #: Name of the constraint it backs.
    constraint: Name | None = None
    #: Of a unique constraint, when it is checked; None of any other.
    unique_constraint: Timing | None = None
    primary: bool = False
    valid: bool = True
    ready: bool = True
    replica_identity: bool = False
    clustered: bool = False
    pages: Pages = 0
    tuples: Rows = 0
    size_bytes: Bytes | None = None
    #: btree levels above the leaves; None when the server cannot say.
    height: Height | None = None
    #: GIN only; None when the server cannot say.
    gin: GinPages | None = None
    #: Names of the index's own columns in order, as pg_stats shows them (expressions have generated names).
    column_names: KeyNames = ()
    scans: Counter | None = None
    #: Index entries returned by those scans: few scans can be much work.
    rows_read: Counter | None = None
    last_scan: Moment | None = None
    #: A session was seen to build it during the capture.
    building: bool = False
    comment: Text | None = None
    #: Statistics targets of its expressions: (position from 1, target).
    statistics_targets: tuple[tuple[Position, StatisticsTarget], ...] = ()
    #: Foreign keys that need it, by name; a unique index serves them without being a constraint's.
    foreign_keys: tuple[Name, ...] = ()
    #: Parent partitioned index: (schema, name).
    parent: NameInSchema | None = None


class Policy(SnapshotRecord):
    """One policy of a table's row security."""

    name: Name
    #: `polcmd`: r select, a insert, w update, d delete, * all.
    command: Letter
    permissive: bool
    #: Empty for PUBLIC.
    roles: tuple[Name, ...] = ()
    #: pg_get_expr of USING and of WITH CHECK.
    using: Text | None = None
    check: Text | None = None


class RowSecurity(SnapshotRecord):
    """A table whose row security is on."""

    schema_name: Name
    table: Name
    #: Also for the table's owner.
    forced: bool
    policies: tuple[Policy, ...] = ()


class Tablespace(SnapshotRecord):
    """A tablespace with costs of its own."""

    name: Name
    #: `spcoptions`, such as `random_page_cost=1.1`.
    options: tuple[Text, ...]
    #: It holds what names no other tablespace.
    is_default: bool
    #: Tables and indexes in it, by schema and name.
    relations: tuple[NameInSchema, ...] = ()
