"""Execute index steps on a server in use: decide from the catalog what is left to do, build outside a transaction.

Every verb may be repeated after any failure. What was set for the session is restored, also on an error.
"""

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from alembic.runtime.migration import MigrationContext

from analyzer.migrate.deploy import jobs, offline
from analyzer.migrate.deploy.build import drop, ensure, is_ours, render_like, settled, sweep
from analyzer.migrate.deploy.catalog import (
    State,
    Table,
    read_state,
    read_table,
    refuse_needed,
    refuse_undeclarable,
    same,
)
from analyzer.migrate.deploy.create_index import is_concurrent, is_concurrent_drop, parse_create
from analyzer.migrate.deploy.deployment import Deploy, deploying
from analyzer.migrate.deploy.options import read_options
from analyzer.migrate.deploy.partitions import ensure_partitioned, rebuild_parts
from analyzer.migrate.deploy.serving import await_serving
from analyzer.migrate.deploy.session import LOG, execute, row, transaction
from analyzer.migrate.deploy.target import DeployError, Target
from analyzer.objects.temporary_names import kept_mark, mark, temporary_name
from analyzer.sql import render_text

__all__ = [
    "BUILD_LOCK_TIMEOUT", "SHORT_LOCK_TIMEOUT", "DeployError", "Target",
    "alter_index", "build_index", "drop_index", "reindex_index", "rename_index", "replace_index", "side_by_side",
]  # fmt: skip

#: Renamings and drops hold up whoever comes after them while they wait, so they give up soon.
SHORT_LOCK_TIMEOUT = "5s"
#: Concurrent builds wait for every older transaction; cut short they leave something INVALID.
BUILD_LOCK_TIMEOUT = "10min"
_AGAIN = "run alembic again"
_FINISH = "an interrupted drop leaves the index INVALID, run alembic again to finish it"


def build_index(context: MigrationContext, target: Target) -> None:
    """Make an index exist: build it, skip it when it is there, or rebuild an INVALID leftover.

    Raises DeployError when the name is taken by something else, or another backend builds it for too long.
    """
    if context.as_sql:
        offline.write(context, target, _then(offline.build(target), target.attributes))
    elif not jobs.collected(context, target):
        with deploying(context, target) as deploy:
            _build(deploy, target)


@contextlib.contextmanager
def side_by_side(context: MigrationContext) -> Generator[None]:
    """Build the indexes of the block at its end, those of different tables side by side.

    As many tables at a time as `twindex_jobs` says. Raises DeployError as build_index does, when the others are done.
    """
    with jobs.collecting(context) as targets:
        yield
    groups = jobs.by_table(targets)
    if len(groups) < 2 or read_options(context).jobs == 1:
        for target in targets:
            build_index(context, target)
        return
    with deploying(context, targets[0]) as deploy:
        jobs.run(deploy, groups, _build)


def _build(deploy: Deploy, target: Target) -> None:
    table = read_table(deploy.connection, target)
    if make(deploy, target, table):
        set_attributes(deploy, target)
    sweep(deploy, target, table)


def replace_index(context: MigrationContext, target: Target) -> None:
    """Exchange an index's definition without a moment without it: build beside it, swap the names, drop the old one.

    An old one that is kept, and has the definition wanted now, takes the place of the build.
    Raises DeployError as build_index does, and before anything is built when something else needs the old one.
    """
    new = temporary_name(target.name, "new")
    beside = replace(target, name=new, definition=None, attributes=(), sql=under_name(target, new))
    if context.as_sql:
        offline.write(context, target, offline.replacement(target, beside))
        return
    with deploying(context, target) as deploy:
        table, state = read_table(deploy.connection, target), settled(deploy, target)
        different = state is not None and (state.valid or state.partitioned)
        if state is None or not different or same(deploy.connection, target, state):
            if make(deploy, target, table):
                set_attributes(deploy, target)
        else:
            refuse_needed(target, state, replaces=True)
            _take_back(deploy, target, beside)
            make_room(deploy, target, beside)
            if make(deploy, beside, table, comment=mark(target.schema, target.name, "new")):
                _swap(deploy, target, beside)
        sweep(deploy, target, table)


def drop_index(context: MigrationContext, target: Target) -> None:
    """Drop an index concurrently; nothing to do when it is gone.

    Raises DeployError when it backs a constraint, something else needs it, or another backend builds it for too long.
    """
    if context.as_sql:
        offline.write(context, target, offline.drop(target.sql))
        return
    with deploying(context, target) as deploy:
        table, state = read_table(deploy.connection, target), settled(deploy, target)
        if state is None:
            LOG.info("%s is gone already", target.qualified_name)
        else:
            refuse_needed(target, state, replaces=False)
            sql = target.sql
            if is_concurrent_drop(sql) and state.partitioned:
                sql = render_text("index/drop_index", schema=target.schema, name=target.name, concurrently=False)
            deploy.short_sql(
                sql,
                what=f"dropping {target.qualified_name}", remedy=_FINISH,
                lock_timeout=target.lock_timeout, concurrent=is_concurrent_drop(sql),
            )  # fmt: skip
        sweep(deploy, target, table)


def rename_index(context: MigrationContext, target: Target, new_name: str) -> None:
    """Rename an index; nothing to do when it has the new name already.

    Raises DeployError when both names are taken, or none is.
    """
    if context.as_sql:
        offline.write(context, target, iter((target.sql, *target.attributes)))
        return
    renamed = target.named(new_name)
    with deploying(context, target) as deploy:
        old, new = read_state(deploy.connection, target), read_state(deploy.connection, renamed)
        if old is not None and new is not None:
            raise DeployError(
                f"{target.qualified_name} cannot be renamed, {renamed.qualified_name} exists; drop or rename one of "
                "them"
            )
        if old is None and new is None:
            raise DeployError(
                f"neither {target.qualified_name} nor {renamed.qualified_name} exists; write the revision again"
            )
        if old is not None:
            refuse_undeclarable(target, old)
            what = f"renaming {target.qualified_name}"
            deploy.short_sql(target.sql, what=what, remedy=_AGAIN, lock_timeout=target.lock_timeout)
        else:
            refuse_undeclarable(renamed, new)
            LOG.info("%s already has the new name", renamed.qualified_name)
        set_attributes(deploy, renamed)


def alter_index(context: MigrationContext, target: Target) -> None:
    """Give an index its comment and statistics targets.

    Raises DeployError when there is no such index on the table.
    """
    if context.as_sql:
        offline.write(context, target, iter(target.attributes))
        return
    with deploying(context, target) as deploy:
        refuse_undeclarable(target, read_state(deploy.connection, target))
        set_attributes(deploy, target)


def reindex_index(context: MigrationContext, target: Target) -> None:
    """Rebuild an index concurrently, and drop the leftovers of an earlier attempt; it stays in use.

    Raises DeployError when there is no such index on the table, or the build fails.
    """
    if context.as_sql:
        offline.write(context, target, iter((target.sql, *target.attributes)))
        return
    with deploying(context, target) as deploy:
        table, state = read_table(deploy.connection, target), settled(deploy, target, constraints=True)
        if state is None:
            raise DeployError(f"there is no index {target.qualified_name}; write the revision again")
        sweep(deploy, target, table)
        remedy = (
            f"{target.qualified_name} is as it was; run alembic again, it drops what this attempt left and repeats it"
        )
        if table is not None and state.partitioned:
            rebuild_parts(deploy, target, table, state)
        else:
            deploy.build(
                target.sql, what=f"rebuilding {target.qualified_name}", remedy=remedy,
                clear=lambda: sweep(deploy, target, table),
            )  # fmt: skip
        after = read_state(deploy.connection, target)
        if after is None or not (after.valid or state.partitioned):
            raise DeployError(f"{target.qualified_name} is not valid after the rebuild; {_AGAIN}")
        await_serving(deploy, target)
        set_attributes(deploy, target)
        sweep(deploy, target, table)


def make(deploy: Deploy, target: Target, table: Table | None, *, comment: str | None = None) -> bool:
    """Make an index exist that queries use, whatever its `table` is, and give a new one a comment.

    False when that is postponed.
    """
    if table is not None and table.kind == "p":
        made = ensure_partitioned(deploy, target, table, comment=comment)
    else:
        made = ensure(deploy, target)
        if made and comment is not None:
            sql = render_text("index/comment", schema=target.schema, name=target.name, comment=comment)
            deploy.short_sql(sql, what=f"marking {target.qualified_name}", remedy=_AGAIN)
    if made:
        await_serving(deploy, target)
    return made


def set_attributes(deploy: Deploy, target: Target) -> None:
    """Give an index its comment and statistics targets."""
    what = f"setting comment or statistics of {target.qualified_name}"
    for statement in target.attributes:
        deploy.short_sql(statement, what=what, remedy=_AGAIN)


def _take_back(deploy: Deploy, target: Target, beside: Target) -> None:
    """Let a replaced index that is still there be the new one, if it is as that is to be."""
    old = target.named(temporary_name(target.name, "old"))
    state = settled(deploy, old)
    if state is None or not state.valid or not is_ours(target, state) or not same(deploy.connection, beside, state):
        return
    if read_state(deploy.connection, beside) is not None:
        return
    LOG.info("%s is still there; it takes its place again", old.qualified_name)
    comment = mark(target.schema, target.name, "new")
    exchange(deploy, target, (
        render_text("online/rename_index", schema=old.schema, name=old.name, new_name=beside.name),
        render_text("index/comment", schema=beside.schema, name=beside.name, comment=comment),
    ))  # fmt: skip


def make_room(deploy: Deploy, target: Target, beside: Target) -> None:
    """Clear the names that the replacement needs of what an earlier attempt left there.

    Raises DeployError when one is taken by a valid index that does not say it is ours.
    """
    for word in ("new", "old"):
        other = target.named(temporary_name(target.name, word))
        state = settled(deploy, other)
        if state is None or (word == "new" and _goes_on(deploy, beside, state)):
            continue
        if state.valid and not is_ours(target, state):
            drop_sql = render_text("index/drop_index", schema=state.schema, name=state.name, concurrently=True)
            raise DeployError(
                f"{state.qualified_name} blocks the replacement of {target.qualified_name}; it is valid and was not "
                f"marked by twindex; if it is unused, run {drop_sql}"
            )
        drop(deploy, state)


def _goes_on(deploy: Deploy, beside: Target, state: State) -> bool:
    """Tell whether an index left by an earlier attempt has the declared definition, or is a part of it."""
    return (state.valid or state.partitioned) and same(deploy.connection, beside, state)


def _swap(deploy: Deploy, target: Target, beside: Target) -> None:
    """Exchange the names in one short transaction, comments and statistics targets with them."""
    comment = mark(target.schema, target.name, "old")
    if target.keep_old is not None:
        now = datetime.fromtimestamp(row(deploy.connection, "read_clock")["now"], UTC)
        comment = kept_mark(target.schema, target.name, now + target.keep_old)
    old = temporary_name(target.name, "old")
    exchange(deploy, target, tuple(offline.swap_statements(target, old, beside.name, comment)))


def exchange(deploy: Deploy, target: Target, statements: tuple[str, ...]) -> None:
    """Let the new index take the place of the old one in one short transaction."""
    what = f"exchanging {target.qualified_name}"

    def step() -> None:
        with transaction(deploy.connection):
            for statement in statements:
                execute(
                    deploy.connection, statement,
                    failed=f"{what} failed", remedy="the old index is still in use; run alembic upgrade again",
                )  # fmt: skip

    deploy.short(step, what=what)


def under_name(target: Target, name: str) -> str:
    """Write the target's CREATE INDEX under another name."""
    create = parse_create(target.sql)
    only = create is not None and create.only
    return render_like(target, concurrently=is_concurrent(target.sql), name=name, only=only)


def _then(statements: Iterator[str], more: tuple[str, ...]) -> Iterator[str]:
    yield from statements
    yield from more
