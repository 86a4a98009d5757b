"""Make one index exist, on a table that is not partitioned, and clear away what an earlier attempt left of it."""

import time
from collections.abc import Iterator
from dataclasses import replace

from analyzer.migrate.deploy import preflight
from analyzer.migrate.deploy.backends import read_backends
from analyzer.migrate.deploy.catalog import (
    State,
    Table,
    read_indexes,
    read_marked,
    read_state,
    read_table,
    refuse_foreign,
    same,
)
from analyzer.migrate.deploy.create_index import parse_create
from analyzer.migrate.deploy.deployment import Deploy
from analyzer.migrate.deploy.driver import QUERY_CANCELED, sqlstate
from analyzer.migrate.deploy.next_action import Action, decide
from analyzer.migrate.deploy.retry import poll
from analyzer.migrate.deploy.serving import serves_within
from analyzer.migrate.deploy.session import LOG, execute, milliseconds, rows, settings
from analyzer.migrate.deploy.target import DeployError, Target
from analyzer.objects.temporary_names import (
    is_concurrent_leftover,
    is_on_behalf,
    is_replaced,
    mark,
    temporary_name,
)
from analyzer.postgres.access_methods import SLOW_BUILDS
from analyzer.sql import ident, render_text

AGAIN = "run alembic upgrade again: it drops the INVALID index and rebuilds it"
_FINISH = "an interrupted drop leaves the index INVALID, run alembic again to finish it"
#: A build that is plain though it need not be waits only so long for writers, who wait behind it.
_PLAIN_LOCK_TIMEOUT = "1s"
#: What short transactions that were running during a plain build may take to end.
_SERVING_SECONDS = 2.0
#: lock_not_available and deadlock_detected leave nothing behind of a plain build; query_canceled does not either.
_BETTER_CONCURRENTLY = frozenset({"55P03", "40P01"})


def settled(deploy: Deploy, target: Target, *, constraints: bool = False) -> State | None:
    """Read the object with the target's name, once no session is working on it; `constraints`: it may belong to one.

    Raises DeployError when that takes longer than the step may wait for locks, or the object is not ours.
    """

    def ask() -> State | None:
        state = read_state(deploy.connection, target)
        if state is not None:
            refuse_foreign(target, state, constraints=constraints)
            if state.busy_pid is not None and state.busy_pid not in told:
                told.add(state.busy_pid)
                LOG.warning("%s is being built or dropped by %s; waiting", target.qualified_name, _who(deploy, state))
        return state

    told: set[int] = set()
    limit = milliseconds(deploy.connection, "lock_timeout")
    found = poll(
        deploy.connection, ask, done=lambda state: state is None or state.busy_pid is None,
        seconds=limit / 1000 if limit else None,
    )  # fmt: skip
    if found is not None and found.busy_pid is not None:
        raise DeployError(
            f"{target.qualified_name} is being built by the backend with {_who(deploy, found)}; wait for it, or end it "
            f"with SELECT pg_cancel_backend({found.busy_pid}), then run alembic again"
        )
    return found


def ensure(deploy: Deploy, target: Target, *, part: bool = False) -> bool:
    """Make the index exist; False when its build is postponed.

    A `part` of a partitioned index has been looked at before, and is built plainly on an empty partition only: their
    writers would wait for one after the other.
    Raises DeployError when the name is taken by something else, or the build fails.
    """
    state = settled(deploy, target)
    match decide(state, lambda found: same(deploy.connection, target, found)):
        case Action.SKIP:
            LOG.info("%s is there already", target.qualified_name)
            return True
        case Action.REPLACE if state is not None:
            raise conflict(target, state)
        case Action.REBUILD if state is not None:
            LOG.warning(
                "%s is INVALID, left by an earlier attempt; dropping and building it again", target.qualified_name
            )
            drop(deploy, state)
        case _:
            pass
    if not part and not preflight.ready(deploy, target):
        return False
    _build(deploy, target, plain_bytes=0 if part else deploy.options.plain_build)
    return True


def conflict(target: Target, state: State) -> DeployError:
    """Say that the name is taken by an index of another definition."""
    invalid = "" if state.valid else "INVALID and "
    place = state.tablespace or state.own_tablespace
    return DeployError(
        f"{target.qualified_name} exists {invalid}with a different definition: {state.definition} in tablespace "
        f"{ident(place)}; expected: "
        f"{' '.join(target.sql.split())}; drop or rename the existing one, or change the spec"
    )


def drop(deploy: Deploy, state: State) -> None:
    """Drop an index that was found INVALID or ours, by whatever name it has now; finish it when interrupted.

    Plainly, with ACCESS EXCLUSIVE on its tables for a moment, a partitioned index, and a unique one of a small table: a
    concurrent drop maintains it for a while though INSERT … ON CONFLICT does not look at it any more, and fails on it.
    """
    what = f"dropping {state.qualified_name}"
    small = (state.table_bytes or 0) <= deploy.options.plain_build
    concurrently = not state.partitioned and state.table_kind != "p" and not (state.is_unique and small)

    def step() -> None:
        now = _again(deploy, state)
        if now is None:
            return
        if now.valid and not state.valid:
            raise DeployError(f"{state.qualified_name} became valid in the meantime; run alembic upgrade again")
        sql = render_text("index/drop_index", schema=now.schema, name=now.name, concurrently=concurrently)
        execute(deploy.connection, sql, failed=f"{what} failed", remedy=_FINISH)

    deploy.short(step, what=what, concurrent=concurrently)


def _again(deploy: Deploy, state: State) -> State | None:
    """Read an index again, which somebody may have renamed or moved with its table; None when it is gone."""
    found = read_indexes(deploy.connection, [state.table_oid or 0])
    return next((each for each in found if each.oid == state.oid), None)


def sweep(deploy: Deploy, target: Target, table: Table | None) -> None:
    """Drop what earlier attempts left of an index: what is INVALID or says by its comment that it is ours, and idle.

    `table` is the one the step began with, whatever its name is now. What deploys left elsewhere goes as well, if it
    can be dropped at once.
    """
    if table is not None:
        tree = rows(deploy.connection, "read_partitions", table=table.oid) if table.kind == "p" else ()
        _sweep_tables(deploy, target, read_indexes(deploy.connection, {table.oid, *(each["oid"] for each in tree)}))
    for state in _orphans(deploy):
        try:
            LOG.info("dropping %s, left by an earlier deploy", state.qualified_name)
            drop(deploy, state)
        except DeployError as error:
            LOG.warning("%s", error)


def _orphans(deploy: Deploy) -> tuple[State, ...]:
    """Return marked indexes that no rerun needs: replaced ones, and new ones of an index that is not there any more.

    A replaced one that is kept for a while is needed until then.
    """
    found = read_marked(deploy.connection)
    idle = tuple(state for state in found if state.busy_pid is None and state.parent_oid is None)
    if not idle:
        return ()
    tables = read_indexes(deploy.connection, {state.table_oid for state in idle if state.table_oid is not None})
    awaited = {(each.table_oid, mark(each.schema, each.name, "new")) for each in tables}
    return tuple(
        each
        for each in idle
        if not each.kept and (is_replaced(each.comment) or (each.table_oid, each.comment) not in awaited)
    )


def _sweep_tables(deploy: Deploy, target: Target, found: tuple[State, ...]) -> None:
    for state in tuple(_leftovers(target, found)):
        if state.busy_pid is not None:
            LOG.warning("%s is not dropped: %s is working on it", state.qualified_name, _who(deploy, state))
        elif state.valid and not is_ours(target, state):
            LOG.warning(
                "%s looks like a leftover of %s, but is valid and was not marked by twindex; drop it if it is unused: "
                "%s",
                state.qualified_name, target.qualified_name,
                render_text("index/drop_index", schema=state.schema, name=state.name, concurrently=True),
            )  # fmt: skip
        else:
            left = (
                f"replaced by {target.qualified_name}" if is_replaced(state.comment) else "left by an earlier attempt"
            )
            LOG.info("dropping %s, %s", state.qualified_name, left)
            drop(deploy, state)


def is_ours(target: Target, state: State) -> bool:
    """Say whether an index says by its comment that it is there on behalf of the target."""
    return is_on_behalf(state.comment, target.schema, target.name)


def _leftovers(target: Target, found: tuple[State, ...]) -> Iterator[State]:
    """Yield what is left of an index, among those of its table and of the partitions, and of REINDEX of its parts."""
    temporary = {temporary_name(target.name, "new"), temporary_name(target.name, "old")}
    parts = set(_parts(target, found))
    for state in found:
        if state in parts or state.constraint_name is not None or state.kept:
            continue
        rebuilt = not state.valid and any(
            state.table_oid == part.table_oid and is_concurrent_leftover(state.name, part.name) for part in parts
        )
        if rebuilt or state.name in temporary or is_ours(target, state):
            yield state


def _parts(target: Target, found: tuple[State, ...]) -> Iterator[State]:
    """Yield an index and, of a partitioned one, the parts it consists of."""
    above = tuple(state for state in found if state.name == target.name)
    while above:
        yield from above
        oids = {state.oid for state in above}
        above = tuple(state for state in found if state.parent_oid in oids)


def _build(deploy: Deploy, target: Target, *, plain_bytes: int) -> None:
    started = time.monotonic()
    LOG.info("building %s", target.qualified_name)
    table = read_table(deploy.connection, target)
    if table is None or table.size_bytes > plain_bytes or not _plainly(deploy, target, table):
        what = f"building {target.qualified_name}"
        deploy.build(
            with_concurrently(target).sql,
            what=what, remedy=AGAIN, clear=lambda: _clear(deploy, target),
        )  # fmt: skip
    built = read_state(deploy.connection, target)
    if built is None or not built.valid:
        raise DeployError(f"{target.qualified_name} is not valid after its build; {AGAIN}")
    tell_built(target, time.monotonic() - started)


def _clear(deploy: Deploy, target: Target) -> None:
    """Drop the INVALID index that a canceled build left."""
    left = settled(deploy, target)
    if left is not None and not left.valid:
        drop(deploy, left)


def tell_built(target: Target, seconds: float) -> None:
    """Log a finished build; the record carries `built_index` and `build_seconds`."""
    facts = {"built_index": target.qualified_name, "build_seconds": seconds}
    LOG.info("built %s in %.1f s", target.qualified_name, seconds, extra=facts)


def _plainly(deploy: Deploy, target: Target, table: Table) -> bool:
    """Build plainly where the table is small enough that writers hardly notice; False when it was not to be."""
    create = parse_create(target.sql)
    if create is None or create.method in SLOW_BUILDS:
        return False
    sql = target.sql if not create.concurrently else render_like(target, concurrently=False)
    limits = {"lock_timeout": _PLAIN_LOCK_TIMEOUT, "statement_timeout": deploy.options.lock_timeout}
    what = f"building {target.qualified_name}"
    deploy.limits.wait(deploy.connection, what)
    LOG.info("%s holds %d kB: a plain build", target.qualified_table, table.size_bytes // 1024)
    with settings(deploy.connection, limits), deploy.watcher.watching(deploy.pid, what):
        limit, began = milliseconds(deploy.connection, "statement_timeout"), time.monotonic()
        try:
            execute(deploy.connection, sql, failed=f"{what} failed", remedy="run alembic upgrade again")
        except DeployError as error:
            # Before the timeout, somebody has canceled it; the message that says so is in the server's language.
            timed_out = sqlstate(error) == QUERY_CANCELED and (time.monotonic() - began) * 1000 >= limit
            if not timed_out and sqlstate(error) not in _BETTER_CONCURRENTLY:
                raise
            LOG.info("%s: writers would have waited too long; building concurrently", target.qualified_name)
            return False
    built = read_state(deploy.connection, target)
    if built is None or serves_within(deploy, built, _SERVING_SECONDS):
        return True
    LOG.info("%s: queries do not use it until older transactions end; building concurrently", target.qualified_name)
    drop(deploy, built)
    return False


def with_concurrently(target: Target) -> Target:
    """Return the target with a statement that blocks no writers."""
    create = parse_create(target.sql)
    if create is None or create.concurrently:
        return target
    return replace(target, sql=render_like(target, concurrently=True))


def render_like(target: Target, *, concurrently: bool, name: str | None = None, only: bool = False) -> str:
    """Write the target's CREATE INDEX again, in another manner or under another name."""
    create = parse_create(target.sql)
    if create is None:
        raise DeployError(f"{target.qualified_name}: its SQL is not a CREATE INDEX statement; fix the revision")
    return render_text(
        "online/create_like",
        unique=create.unique, concurrently=concurrently, only=only, name=name or target.name,
        schema=target.schema, table=target.table, rest=create.rest,
    )  # fmt: skip


def _who(deploy: Deploy, state: State) -> str:
    (backend,) = read_backends(deploy.connection, [state.busy_pid or 0])
    return backend.describe(private=deploy.options.private)
