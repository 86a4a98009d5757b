"""What the catalog says of an index, and whether that is the one wanted."""

import contextlib
from collections.abc import Collection, Generator
from dataclasses import dataclass, replace

from sqlalchemy.engine import Connection

from analyzer.migrate.deploy.create_index import by_value, parts_of_create, tablespace_of, unqualified
from analyzer.migrate.deploy.driver import DriverError, ended, plain
from analyzer.migrate.deploy.session import call, rollback, row_of_transaction, rows
from analyzer.migrate.deploy.table_copy import as_on_table, build_beside, owner_for_copy
from analyzer.migrate.deploy.target import DeployError, Target
from analyzer.objects.fixpoint import fixpoint, printed_once
from analyzer.objects.index import Timing
from analyzer.objects.temporary_names import MARK, kept_until
from analyzer.sql import ident, render_text

_COPY_INDEX = "twindex_copy_index"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the catalog says of a name."""

    oid: int
    schema: str
    name: str
    #: `relkind`: i index, I partitioned index, anything else is no index.
    kind: str
    table_oid: int | None
    table_schema: str | None
    table_name: str | None
    table_kind: str | None
    #: The heap; a partitioned table has none.
    table_bytes: int | None
    is_unique: bool
    valid: bool
    #: pg_get_indexdef.
    definition: str | None
    #: None for the database's own.
    tablespace: str | None
    #: The database's.
    own_tablespace: str
    comment: str | None
    #: Of the partitioned index that this one is a part of.
    parent_oid: int | None
    constraint_name: str | None
    #: Of a unique constraint, when it is checked; None of any other.
    constraint_timing: Timing | None
    #: A foreign key that refers to the columns of this index, its table quoted and qualified, and what it says.
    foreign_key: str | None
    foreign_key_table: str | None
    foreign_key_definition: str | None
    replica_identity: bool
    clustered: bool
    #: Backend that builds or drops it now, when it is INVALID.
    busy_pid: int | None
    #: By the server's clock, in seconds since 1970.
    read_at: float

    @property
    def qualified_name(self) -> str:
        """Return the name, quoted and qualified."""
        return ident(self.schema, self.name)

    @property
    def kept(self) -> bool:
        """Say whether it has been replaced and is kept, now and for some time, for the way back."""
        until = kept_until(self.comment)
        return until is not None and self.valid and self.read_at < until.timestamp()

    @property
    def partitioned(self) -> bool:
        """Say whether it consists of its partitions' indexes."""
        return self.kind == "I"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What the catalog says of a table."""

    oid: int
    #: `relkind`: p partitioned, r table, m materialised view.
    kind: str
    #: Estimated rows; -1 when never analysed.
    tuples: float
    #: The heap; of a partitioned table all its partitions'.
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """An index as it came to be on an empty copy of its table."""

    definition: str
    method: str
    #: The extension its access method comes from.
    extension: str | None
    version: str | None
    #: Type and type modifier of the first key: a vector's is its number of dimensions.
    key_type: str
    key_modifier: int
    #: Column of the first key; None for an expression.
    key_column: str | None
    #: Whether it has a WHERE.
    partial: bool


def read_state(connection: Connection, target: Target) -> State | None:
    """Read what has the target's name; None when nothing has."""
    found = tuple(rows(connection, "read_index", schema=target.schema, name=target.name))
    return State(**found[0]) if found else None


def read_indexes(connection: Connection, tables: Collection[int]) -> tuple[State, ...]:
    """Read every index of some tables, given by oid."""
    return tuple(State(**each) for each in rows(connection, "read_table_indexes", tables=sorted(tables)))


def read_marked(connection: Connection) -> tuple[State, ...]:
    """Read every index of the database that has a comment of ours and is the role's to drop."""
    return tuple(State(**each) for each in rows(connection, "read_marked_indexes", prefix=MARK))


def read_table(connection: Connection, target: Target) -> Table | None:
    """Read the target's table; None if it does not exist."""
    found = tuple(rows(connection, "read_table", schema=target.schema, name=target.table))
    return Table(**found[0]) if found else None


def same(connection: Connection, target: Target, state: State) -> bool:
    """Say whether an existing index is the one wanted, by this server's own deparse of both and its tablespace.

    Raises DeployError when the server cannot say.
    """
    if (tablespace_of(target.sql) or state.own_tablespace) != (state.tablespace or state.own_tablespace):
        return False
    if state.definition is None or target.definition == state.definition:
        return state.definition is not None
    if (
        target.definition is not None
        and target.definition == call(connection, "read_definition", index=state.oid)["definition"]
    ):
        return True  # as the session itself prints it, where its search_path finds what is not pg_catalog's
    if parts_of_create(target.sql) is None:
        return False
    printed = printed_once(lambda create: build_on_copy(connection, replace(target, sql=create)).definition)
    with comparing(connection, target):
        wanted, existing = (fixpoint(create, printed) for create in (target.sql, state.definition))
    return by_value(wanted) == by_value(existing)


def build_on_copy(connection: Connection, target: Target) -> Copy:
    """Build the index on an empty temporary copy of its table and read it back; leaves nothing behind.

    The table itself is touched with ACCESS SHARE. A superuser's copy is given to the table's owner, with whose rights
    the server then runs the functions of the definition. Raises what the server says against it.
    """
    unique, rest = parts_of_create(target.sql) or (False, "")
    create = render_text(
        "online/create_like",
        unique=unique, concurrently=False, only=False, name=_COPY_INDEX, schema="pg_temp", table=target.table,
        rest=unqualified(rest, target.schema, target.table),
    )  # fmt: skip
    with on_copy(connection, target, create):
        found = row_of_transaction(connection, "read_copy", table=target.table)
        return Copy(**as_on_table(dict(found), target.schema, target.table))


@contextlib.contextmanager
def on_copy(connection: Connection, target: Target, create: str) -> Generator[None]:
    """Run a statement on an empty temporary copy of the target's table; the block looks at it, nothing is left."""
    owner = owner_for_copy(connection, target.schema, target.table)
    plain(connection, render_text("online/begin"))
    try:
        build_beside(connection, target.schema, target.table, owner, create)
        yield
    finally:
        rollback(connection)


@contextlib.contextmanager
def comparing(connection: Connection, target: Target) -> Generator[None]:
    """Turn what the server says against the expected definition into a DeployError: the existing one may be another."""
    try:
        yield
    except DriverError as error:
        if ended(connection, error):
            raise
        raise DeployError(
            f"{target.qualified_name} exists, and its definition cannot be compared with the expected one: "
            f"{error}; compare them manually: {' '.join(target.sql.split())}"
        ) from error


def refuse_foreign(target: Target, state: State | None, *, constraints: bool = False) -> State:
    """Refuse what is not ours to build over, to drop or to rename; return what is. `constraints`: a constraint's is."""
    name = target.qualified_name
    if state is None:
        raise DeployError(f"there is no index {name}; write the revision again")
    if state.kind not in {"i", "I"}:
        raise DeployError(f"{name} is not an index (relkind {state.kind}); choose another name for the index")
    if (state.table_schema, state.table_name) != (target.schema, target.table):
        table = ident(state.table_schema or "", state.table_name or "")
        raise DeployError(f"{name} is an index of {table}, not of {target.qualified_table}; rename one")
    if state.constraint_name is not None and not constraints:
        raise DeployError(f"{name} belongs to the constraint {state.constraint_name}; change the constraint instead")
    return state


def refuse_undeclarable(target: Target, state: State | None) -> None:
    """Refuse what `refuse_foreign` does, but not the index of a unique constraint, which a spec may declare."""
    refuse_foreign(target, state, constraints=state is not None and state.constraint_timing is not None)


def refuse_needed(target: Target, state: State, *, replaces: bool) -> None:
    """Refuse to drop, or to replace and then drop, what something else needs."""
    name, table = target.qualified_name, target.qualified_table
    if state.foreign_key is not None and replaces:
        key, of = ident(state.foreign_key), f"ALTER TABLE {state.foreign_key_table}"
        raise DeployError(
            f"the foreign key {key} of {state.foreign_key_table} needs {name}; run {of} DROP CONSTRAINT {key} first, "
            f"and afterwards {of} ADD CONSTRAINT {key} {state.foreign_key_definition} NOT VALID and {of} VALIDATE "
            f"CONSTRAINT {key}"
        )
    if state.foreign_key is not None:
        raise DeployError(f"the foreign key {state.foreign_key} needs {name}; drop or change that first")
    if state.replica_identity:
        raise DeployError(
            f"{name} is the replica identity of {table}; choose another one with ALTER TABLE {table} REPLICA IDENTITY"
        )
    if state.parent_oid is not None:
        raise DeployError(f"{name} is a part of the index of a partitioned table; change that one instead")
    if replaces and state.clustered:
        raise DeployError(
            f"{table} is clustered on {name}, and a new index would lose that; run ALTER TABLE {table} SET WITHOUT "
            f"CLUSTER first, and ALTER TABLE {table} CLUSTER ON {ident(target.name)} afterwards"
        )
