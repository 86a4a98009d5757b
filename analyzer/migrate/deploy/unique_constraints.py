"""Execute the steps of unique constraints: the index is built as any other, the rest is one short transaction.

A constraint takes over a unique index by ALTER TABLE … ADD CONSTRAINT … USING INDEX, which reads no rows.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from alembic.runtime.migration import MigrationContext

from analyzer.migrate.deploy import offline
from analyzer.migrate.deploy.build import conflict, drop, settled, sweep
from analyzer.migrate.deploy.catalog import State, read_table, refuse_needed, refuse_undeclarable, same
from analyzer.migrate.deploy.deployment import Deploy, deploying
from analyzer.migrate.deploy.online import exchange, make, make_room, set_attributes, under_name
from analyzer.migrate.deploy.session import LOG, rows
from analyzer.migrate.deploy.target import DeployError, Target
from analyzer.objects.index import Timing
from analyzer.objects.temporary_names import mark, temporary_name
from analyzer.postgres.lex import lex, significant
from analyzer.sql import render_text

_AGAIN = "run alembic again"


def build_unique_constraint(context: MigrationContext, target: Target) -> None:
    """Make a unique constraint exist: build its index or take the one that is there, then add the constraint.

    Raises DeployError when the name is taken by something else, or the build fails.
    """
    if context.as_sql:
        offline.write(context, target, itertools.chain(offline.build(target), _then(target)))
        return
    with deploying(context, target) as deploy:
        table, state = read_table(deploy.connection, target), _settled(deploy, target)
        if state is None or state.constraint_timing is None:
            _refuse_obstacles(deploy, target)
            make(deploy, target, table)
            _add(deploy, target)
        elif not _as_wanted(deploy, target, state):
            raise conflict(target, state)
        set_attributes(deploy, target)
        sweep(deploy, target, table)


def replace_unique_constraint(context: MigrationContext, target: Target) -> None:
    """Exchange a unique constraint or a unique index for the other, or for one of another definition.

    The new index is built beside the old one; one transaction drops that and gives the new one its name. A unique index
    that has the definition becomes the constraint's as it is. Raises DeployError as build_unique_constraint does, and
    before anything is built when something else needs the old one.
    """
    new = temporary_name(target.name, "new")
    sql = under_name(target, new)
    beside = replace(target, name=new, definition=None, attributes=(), constraint=None, sql=sql)
    if context.as_sql:
        swap = ";\n".join((render_text("online/begin"), *_exchange(target, beside), render_text("online/commit")))
        offline.write(context, target, itertools.chain(offline.build(beside), (swap,)))
        return
    with deploying(context, target) as deploy:
        table, state = read_table(deploy.connection, target), _settled(deploy, target)
        if state is None or not state.valid or _takes_over(deploy, target, state):
            _refuse_obstacles(deploy, target)
            make(deploy, target, table)
            _add(deploy, target)
            set_attributes(deploy, replace(target, attributes=tuple(_attributes(target))))
        elif _as_wanted(deploy, target, state):
            LOG.info("%s is there already", target.qualified_name)
            set_attributes(deploy, replace(target, attributes=tuple(_attributes(target))))
        else:
            refuse_needed(target, state, replaces=True)
            _refuse_obstacles(deploy, target)
            make_room(deploy, target, beside)
            make(deploy, beside, table, comment=mark(target.schema, target.name, "new"))
            exchange(deploy, target, tuple(_exchange(target, beside)))
        sweep(deploy, target, table)


def drop_unique_constraint(context: MigrationContext, target: Target) -> None:
    """Drop a unique constraint and its index; nothing to do when it is gone.

    Raises DeployError when something else needs it.
    """
    if context.as_sql:
        offline.write(context, target, iter((target.sql,)))
        return
    with deploying(context, target) as deploy:
        table, state = read_table(deploy.connection, target), _settled(deploy, target)
        if state is None:
            LOG.info("%s is gone already", target.qualified_name)
        else:
            refuse_needed(target, state, replaces=False)
            _refuse_obstacles(deploy, target)
            if state.constraint_timing is None:
                drop(deploy, state)
            else:
                what = f"dropping {target.qualified_name}"
                deploy.short_sql(target.sql, what=what, remedy=_AGAIN, lock_timeout=target.lock_timeout)
        sweep(deploy, target, table)


def _refuse_obstacles(deploy: Deploy, target: Target) -> None:
    """Refuse, before anything is built, what the last statement of the step would fail at."""
    name, table = target.qualified_name, target.qualified_table
    names = {"schema": target.schema, "table": target.table, "name": target.name}
    for found in rows(deploy.connection, "read_constraint_obstacles", **names):
        if found["dependent"] is not None:
            remedy = "drop or change that first, and create it again afterwards"
            raise DeployError(f"{found['dependent']} depends on the constraint {name} of {table}; {remedy}")
        if target.constraint is None:
            continue
        if found["table_kind"] == "m":
            raise DeployError(
                f"{table} is a materialized view, which has no constraints; write unique: true in the spec"
            )
        if found["namesake"] is not None:
            remedy = "choose another name in the spec"
            raise DeployError(f"{name} is the name of another constraint of {table}, {found['namesake']}; {remedy}")


def _settled(deploy: Deploy, target: Target) -> State | None:
    """Read the index as `settled` does; it may be a unique constraint's, and no other's."""
    state = settled(deploy, target, constraints=True)
    if state is not None:
        refuse_undeclarable(target, state)
    return state


def _as_wanted(deploy: Deploy, target: Target, state: State) -> bool:
    return state.constraint_timing == _timing(target) and same(deploy.connection, target, state)


def _takes_over(deploy: Deploy, target: Target, state: State) -> bool:
    """Say whether the index that is there lacks nothing but the constraint."""
    wanted = target.constraint is not None and state.constraint_timing is None
    return wanted and same(deploy.connection, target, state)


def _timing(target: Target) -> Timing | None:
    if target.constraint is None:
        return None
    words = [token.word for token in significant(lex(target.constraint))]
    if words[-2:] == ["initially", "deferred"]:
        return "initially deferred"
    deferrable = "deferrable" in words and words[words.index("deferrable") - 1] != "not"
    return "deferrable" if deferrable else "not deferrable"


def _add(deploy: Deploy, target: Target) -> None:
    if target.constraint is not None:
        deploy.short_sql(target.constraint, what=f"adding the constraint {target.qualified_name}", remedy=_AGAIN)


def _exchange(target: Target, beside: Target) -> Iterator[str]:
    """Yield what drops the old constraint or index and gives the new index its name."""
    names = {"schema": target.schema, "table": target.table, "name": target.name}
    yield render_text("index/drop_constraint", **names)
    dropped = render_text("index/drop_index", schema=target.schema, name=target.name, concurrently=False)
    yield f"-- squawk-ignore require-concurrent-index-deletion\n{dropped}"
    timing = _timing(target)
    if timing is None:
        yield render_text("online/rename_index", schema=target.schema, name=beside.name, new_name=target.name)
    else:
        yield render_text("index/add_unique_constraint", **names, index=beside.name, timing=timing)
    yield from _attributes(target)


def _attributes(target: Target) -> Iterator[str]:
    """Yield what gives an index its comment and takes away the one it had before."""
    yield render_text("index/comment", schema=target.schema, name=target.name, comment=None)
    yield from target.attributes


def _then(target: Target) -> Iterator[str]:
    if target.constraint is not None:
        yield target.constraint
    yield from target.attributes
