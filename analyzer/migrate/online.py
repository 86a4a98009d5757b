"""Execute index steps on a server in use: decide from the catalog what is left to do, build outside a transaction.

Every verb may be repeated after any failure. What was set for the session is restored, also on an error.
"""

import contextlib
import logging
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from analyzer.errors import ConflictError
from analyzer.migrate.statement import (
    DEFAULT_TABLESPACE,
    is_concurrent,
    parts_of_create,
    tablespace_of,
    temporary_name,
)
from analyzer.sql import ident, render_text

LOG = logging.getLogger(__name__)

#: Swaps and drops hold up whoever comes after them while they wait, so they give up soon.
SHORT_LOCK_TIMEOUT = "5s"
#: Largest partitioned table whose index is built plainly: its writers wait for about as long as this takes to read.
PLAIN_BUILD_BYTES = 16 * 1024**2
_COPY = "twindex_copy"
_AGAIN = "run alembic upgrade again: it drops the INVALID index and builds it anew"


class DeployError(ConflictError, CommandError):
    """A ConflictError in a deploy; Alembic prints its own CommandErrors as one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An index that a step is about, and the literal statement of the step."""

    schema: str
    table: str
    name: str
    sql: str
    #: PostgreSQL's notation, such as 10min.
    lock_timeout: str
    #: pg_get_indexdef as expected, when known.
    definition: str | None = None
    #: Statements that follow and may be repeated: comment and statistics targets.
    attributes: tuple[str, ...] = ()
    #: Settings of the building session.
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def qualified_name(self) -> str:
        """Return the index's name, quoted and qualified."""
        return ident(self.schema, self.name)

    def session(self) -> dict[str, str]:
        """Return every setting the step changes while it runs."""
        return {"lock_timeout": self.lock_timeout, "statement_timeout": "0"} | dict(self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the catalog says of a name."""

    oid: int
    #: `relkind`: i index, I partitioned index, anything else is no index.
    kind: str
    table_schema: str | None
    table_name: str | None
    valid: bool
    #: pg_get_indexdef.
    definition: str | None
    #: None for the database's own.
    tablespace: str | None
    constraint_name: str | None
    #: Backend that is building it now.
    builder_pid: int | None


def build_index(context: MigrationContext, target: Target) -> None:
    """Make an index exist: build it, skip it when it is there, or rebuild an INVALID leftover.

    Raises DeployError when the name is taken by something else, or being built by another backend.
    """
    if context.as_sql:
        written = (_leftover_comment(target.qualified_name), target.sql) if is_concurrent(target.sql) else (target.sql,)
        _write_offline(context, target, (*written, *target.attributes))
        return
    with _alone(context) as connection, _session(connection, target.session()):
        _ensure(connection, target)
        _set_attributes(connection, target)


def replace_index(context: MigrationContext, target: Target) -> None:
    """Exchange an index's definition without a moment without it: build beside it, swap the names, drop the old one."""
    new, old = (temporary_name(target.name, word) for word in ("new", "old"))
    beside = replace(target, name=new, sql=_under_name(target, new), definition=None)
    if context.as_sql:
        swap = (_swap_sql(target, old, new), _drop_sql(target.schema, old, concurrently=is_concurrent(target.sql)))
        built = (_leftover_comment(beside.qualified_name), beside.sql)
        _write_offline(context, target, (*built, *swap, *target.attributes))
        return
    with _alone(context) as connection, _session(connection, target.session()):
        state = _read(connection, target)
        if state is not None:
            _droppable(target, state)
        if state is None or not state.valid or _same(connection, target, state):
            _ensure(connection, target)
            _sweep(connection, target, new)
        else:
            if (leftover := _read(connection, beside)) and leftover.valid and not _same(connection, beside, leftover):
                _sweep(connection, target, new)
            _ensure(connection, beside)
            with _session(connection, {"lock_timeout": SHORT_LOCK_TIMEOUT}):
                _swap(connection, target, old, new)
        with _session(connection, {"lock_timeout": SHORT_LOCK_TIMEOUT}):
            _set_attributes(connection, target)
            _sweep(connection, target, old)


def drop_index(context: MigrationContext, target: Target) -> None:
    """Drop an index concurrently; nothing to do when it is gone.

    Raises DeployError when it backs a constraint or is being built.
    """
    if context.as_sql:
        _write_offline(context, target, (target.sql,))
        return
    with _alone(context) as connection, _session(connection, target.session()):
        state = _read(connection, target)
        if state is None:
            LOG.info("%s is gone already", target.qualified_name)
            return
        _droppable(target, state)
        again = "an interrupted drop leaves the index INVALID, run alembic again to finish it"
        _execute(connection, target.sql, failed=f"dropping {target.qualified_name} failed", remedy=again)


def rename_index(context: MigrationContext, target: Target, new_name: str) -> None:
    """Rename an index; nothing to do when it has the new name already.

    Raises DeployError when both names are taken, or none is.
    """
    if context.as_sql:
        _write_offline(context, target, (target.sql, *target.attributes))
        return
    renamed = replace(target, name=new_name)
    with _alone(context) as connection, _session(connection, target.session()):
        old, new = _read(connection, target), _read(connection, renamed)
        if old is not None and new is not None:
            raise DeployError(
                f"{target.qualified_name} cannot be renamed, {renamed.qualified_name} exists; drop or rename the one"
            )
        if old is None and new is None:
            raise DeployError(
                f"there is neither {target.qualified_name} nor {renamed.qualified_name}; write the revision again"
            )
        if old is not None:
            _droppable(target, old)
            failed = f"renaming {target.qualified_name} failed"
            _execute(connection, target.sql, failed=failed, remedy="run alembic again")
        else:
            _droppable(renamed, new)
            LOG.info("%s has its name already", renamed.qualified_name)
        _set_attributes(connection, renamed)


def alter_index(context: MigrationContext, target: Target) -> None:
    """Give an index its comment and statistics targets.

    Raises DeployError when there is no such index on the table.
    """
    if context.as_sql:
        _write_offline(context, target, target.attributes)
        return
    with _alone(context) as connection, _session(connection, target.session()):
        _droppable(target, _read(connection, target))
        _set_attributes(connection, target)


def _set_attributes(connection: Connection, target: Target) -> None:
    failed = f"setting comment or statistics of {target.qualified_name} failed"
    for statement in target.attributes:
        _execute(connection, statement, failed=failed, remedy="run alembic again")


def _ensure(connection: Connection, target: Target) -> None:
    state = _read(connection, target)
    if state is not None:
        _droppable(target, state)
        if state.valid and _same(connection, target, state):
            LOG.info("%s is there already", target.qualified_name)
            return
        if state.valid:
            raise DeployError(
                f"{target.qualified_name} exists with another definition: {state.definition}; wanted: "
                f"{' '.join(target.sql.split())}; drop or rename the one, or change the spec"
            )
        LOG.warning("%s is INVALID, left by an earlier attempt; dropping and building it again", target.qualified_name)
        _sweep(connection, target, target.name)
    if not is_concurrent(target.sql):
        _refuse_large(connection, target)
    started = time.monotonic()
    LOG.info("building %s", target.qualified_name)
    _execute(connection, target.sql, failed=f"building {target.qualified_name} failed", remedy=_AGAIN)
    built = _read(connection, target)
    if built is None or not built.valid:
        raise DeployError(f"{target.qualified_name} is not valid after its build; {_AGAIN}")
    LOG.info("built %s in %.1f s", target.qualified_name, time.monotonic() - started)


def _refuse_large(connection: Connection, target: Target) -> None:
    """Refuse a plain build that would block writers for more than a moment."""
    table = ident(target.schema, target.table)
    query = render_text("online/read_table_size")
    size_bytes = int(connection.exec_driver_sql(query, {"table": table}).scalar_one())
    if size_bytes > PLAIN_BUILD_BYTES:
        raise DeployError(
            f"{target.qualified_name} would be built while writers of {table} wait, and it holds "
            f"{size_bytes / 1024**2:.0f} MB; build it on the partitions concurrently and attach those by hand"
        )


def _droppable(target: Target, state: State | None) -> None:
    """Refuse what is not ours to drop, to rename or to build over."""
    name = target.qualified_name
    if state is None:
        raise DeployError(f"there is no index {name}; write the revision again")
    if state.kind not in {"i", "I"}:
        raise DeployError(f"{name} is not an index (relkind {state.kind}); choose another name for the index")
    if (state.table_schema, state.table_name) != (target.schema, target.table):
        table = ident(state.table_schema or "", state.table_name or "")
        raise DeployError(f"{name} is an index of {table}, not of {ident(target.schema, target.table)}; rename one")
    if state.builder_pid is not None:
        raise DeployError(
            f"{name} is being built by the backend with pid {state.builder_pid}; wait for it, or end it with "
            f"SELECT pg_cancel_backend({state.builder_pid}), then run alembic again"
        )
    if state.constraint_name is not None:
        raise DeployError(f"{name} belongs to the constraint {state.constraint_name}; change the constraint instead")


def _read(connection: Connection, target: Target) -> State | None:
    query = render_text("online/read_index")
    row = connection.exec_driver_sql(query, {"schema": target.schema, "name": target.name}).mappings().one_or_none()
    return None if row is None else State(**row)


def _same(connection: Connection, target: Target, state: State) -> bool:
    """Say whether an existing index is the one wanted, by this server's own deparse of both and its tablespace."""
    if tablespace_of(target.sql) != (state.tablespace or DEFAULT_TABLESPACE):
        return False
    if state.definition is None or state.definition == target.definition:
        return state.definition is not None
    wanted = parts_of_create(target.sql)
    return wanted is not None and _copied(connection, target, wanted) == parts_of_create(state.definition)


def _copied(connection: Connection, target: Target, wanted: tuple[bool, str]) -> tuple[bool, str] | None:
    """Build a definition on an empty temporary copy of its table and read it back; leaves nothing behind."""
    unique, rest = wanted
    create = render_text(
        "online/create_like",
        unique=unique, concurrently=False, name=f"{_COPY}_index", schema="pg_temp", table=_COPY, rest=rest,
    )  # fmt: skip
    _plain(connection, render_text("online/begin"))
    try:
        _plain(connection, render_text("online/create_copy", copy=_COPY, schema=target.schema, table=target.table))
        _plain(connection, create)
        query = render_text("online/read_copy_definition")
        return parts_of_create(str(connection.exec_driver_sql(query, {"table": _COPY}).scalar_one()))
    except DBAPIError as error:
        raise DeployError(
            f"{target.qualified_name} exists, and its definition cannot be compared with the one wanted: "
            f"{_reason(error)}; compare them by hand: {' '.join(target.sql.split())}"
        ) from error
    finally:
        if not connection.invalidated:
            _plain(connection, render_text("online/rollback"))


def _under_name(target: Target, name: str) -> str:
    parts = parts_of_create(target.sql)
    if parts is None:
        raise DeployError(f"{target.qualified_name}: its SQL is no CREATE INDEX; mend the revision")
    return render_text(
        "online/create_like",
        unique=parts[0], concurrently=is_concurrent(target.sql), name=name,
        schema=target.schema, table=target.table, rest=parts[1],
    )  # fmt: skip


def _swap(connection: Connection, target: Target, old: str, new: str) -> None:
    remedy = "the old index is still in use; run alembic upgrade again"
    failed = f"exchanging {target.qualified_name} failed"
    _plain(connection, render_text("online/begin"))
    try:
        for name, new_name in ((target.name, old), (new, target.name)):
            sql = render_text("online/rename_index", schema=target.schema, name=name, new_name=new_name)
            _execute(connection, sql, failed=failed, remedy=remedy)
        _execute(connection, render_text("online/commit"), failed=failed, remedy=remedy)
    except BaseException:
        if not connection.invalidated:
            _plain(connection, render_text("online/rollback"))
        raise


def _swap_sql(target: Target, old: str, new: str) -> str:
    renames = (
        render_text("online/rename_index", schema=target.schema, name=name, new_name=new_name)
        for name, new_name in ((target.name, old), (new, target.name))
    )
    return ";\n".join((render_text("online/begin"), *renames, render_text("online/commit")))


def _sweep(connection: Connection, target: Target, name: str) -> None:
    """Drop an index that is ours to drop, if it is there."""
    other = replace(target, name=name)
    if (state := _read(connection, other)) is not None:
        _droppable(other, state)
        failed = f"dropping {other.qualified_name} failed"
        sql = _drop_sql(target.schema, name, concurrently=state.kind == "i")
        _execute(connection, sql, failed=failed, remedy="run alembic again to finish it")


def _drop_sql(schema: str, name: str, *, concurrently: bool) -> str:
    return render_text("index/drop_index", schema=schema, name=name, concurrently=concurrently)


@contextlib.contextmanager
def _alone(context: MigrationContext) -> Generator[Connection]:
    """Leave Alembic's transaction for the block; what ran before it is committed."""
    failure: DeployError | None = None
    try:
        with contextlib.ExitStack() as stack:
            _enter_autocommit(context, stack)
            connection = context.connection
            if connection is None:
                raise DeployError("there is no connection; give Alembic one, or run it with --sql")
            try:
                yield connection
            except DeployError as error:
                failure = error
                raise
    except PendingRollbackError:
        # The connection is lost, and Alembic trips over that on the way out; what matters is why.
        if failure is None:
            raise
        raise failure  # noqa: B904 - it carries its own cause


def _enter_autocommit(context: MigrationContext, stack: contextlib.ExitStack) -> None:
    try:
        stack.enter_context(context.autocommit_block())
    except AssertionError as error:
        raise DeployError(
            "an index cannot be built inside a transaction that Alembic did not begin; in env.py, run no "
            "statement on the connection before context.configure(), and use engine.connect() instead of begin()"
        ) from error


@contextlib.contextmanager
def _session(connection: Connection, settings: dict[str, str]) -> Generator[None]:
    """Change settings for the block and restore each of them, also on an error."""
    before = {name: _setting(connection, "read", name=name) for name in settings}
    try:
        for name, value in settings.items():
            _setting(connection, "write", name=name, value=value)
        yield
    finally:
        if not connection.invalidated:
            for name, value in before.items():
                _setting(connection, "write", name=name, value=value)


def _setting(connection: Connection, verb: str, **values: str) -> str:
    return str(connection.exec_driver_sql(render_text(f"online/{verb}_setting"), values).scalar_one())


def _execute(connection: Connection, sql: str, *, failed: str, remedy: str) -> None:
    try:
        _plain(connection, sql)
    except DBAPIError as error:
        raise DeployError(f"{failed}: {_reason(error)}; {remedy}") from error


def _plain(connection: Connection, sql: str) -> None:
    """Send a statement as it is; a per cent sign in it is no placeholder."""
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def _reason(error: DBAPIError) -> str:
    """Say what the server said, its DETAIL in parentheses."""
    original: Any = error.orig
    detail = getattr(getattr(original, "diag", None), "message_detail", None)
    return str(original).strip().partition("\n")[0] + (f" ({detail.rstrip('.')})" if detail else "")


def _leftover_comment(name: str) -> str:
    schema_and_name = name.replace("\n", " ")
    return (
        f'-- If an earlier attempt left {schema_and_name} INVALID, the next statement fails with "already exists";\n'
        f"-- then run DROP INDEX CONCURRENTLY IF EXISTS {schema_and_name} and repeat it."
    )


def _write_offline(context: MigrationContext, target: Target, statements: tuple[str, ...]) -> None:
    """Write the step as SQL for psql, outside the transaction that Alembic writes around it."""
    session = target.session()
    lines = [render_text("online/set", name=name, value=value) for name, value in session.items()]
    lines += [*statements, *(render_text("online/reset", name=name) for name in session)]
    with context.autocommit_block():
        for line in lines:
            context.impl.static_output(line if line.startswith("--") else line.strip() + ";")
