"""Execute the steps of statistics objects, and ANALYZE: short ones, decided from the catalog, that may be repeated."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from analyzer.migrate.deploy import offline
from analyzer.migrate.deploy.catalog import comparing, on_copy
from analyzer.migrate.deploy.create_index import unqualified
from analyzer.migrate.deploy.deployment import Deploy, deploying
from analyzer.migrate.deploy.session import (
    LOG,
    execute,
    row_of_transaction,
    rows,
    transaction,
)
from analyzer.migrate.deploy.target import DeployError, Target
from analyzer.objects.fixpoint import fixpoint, printed_once
from analyzer.objects.statistics import StatisticsDef, parse_statistics
from analyzer.postgres.lex import lex, significant
from analyzer.sql import ident, render_text

_AGAIN = "run alembic again"
_COPY = "twindex_copy_statistics"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsState:
    """What the catalog says of a statistics object."""

    table_schema: str
    table: str
    #: pg_get_statisticsobjdef.
    definition: str
    #: None for the largest of its columns'.
    target: int | None


def create_statistics(context: MigrationContext, target: Target) -> None:
    """Make a statistics object exist; skip it when it is there.

    Raises DeployError when the name is taken by one of another definition.
    """
    if context.as_sql:
        offline.write(context, target, iter((target.sql, *target.attributes)))
        return
    with deploying(context, target, _condition) as deploy:
        state = _own_state(deploy.connection, target)
        if state is None:
            _run(deploy, target, f"creating {target.qualified_name}")
        elif not _same(deploy.connection, target, state):
            raise DeployError(
                f"{target.qualified_name} exists with a different definition: {state.definition}; expected: "
                f"{' '.join(target.sql.split())}; drop or rename the existing one, or change the spec"
            )
        else:
            LOG.info("%s is there already", target.qualified_name)
        _set_target(deploy, target if state is None else _with_target(target, state))


def replace_statistics(context: MigrationContext, target: Target) -> None:
    """Exchange the definition of a statistics object in one transaction, so that a rerun finds the one or the other."""
    statements = (_drop_sql(target), target.sql, *target.attributes)
    if context.as_sql:
        begin, commit = render_text("online/begin"), render_text("online/commit")
        offline.write(context, target, iter((begin, *statements, commit)))
        return
    with deploying(context, target, _condition) as deploy:
        state = _own_state(deploy.connection, target)
        if state is None or not _same(deploy.connection, target, state):
            what = f"replacing {target.qualified_name}"
            deploy.short(
                lambda: _in_transaction(deploy.connection, statements, what),
                what=what, lock_timeout=target.lock_timeout,
            )  # fmt: skip
        else:
            LOG.info("%s is there already", target.qualified_name)
            _set_target(deploy, _with_target(target, state))


def drop_statistics(context: MigrationContext, target: Target) -> None:
    """Drop a statistics object; nothing to do when it is gone."""
    if context.as_sql:
        offline.write(context, target, iter((target.sql,)))
        return
    with deploying(context, target, _condition) as deploy:
        if _own_state(deploy.connection, target) is None:
            LOG.info("%s is gone already", target.qualified_name)
        else:
            _run(deploy, target, f"dropping {target.qualified_name}")


def rename_statistics(context: MigrationContext, target: Target) -> None:
    """Rename a statistics object to `new_name`; nothing to do when it has that already.

    Raises DeployError when both names are taken, or none is.
    """
    if context.as_sql:
        offline.write(context, target, iter((target.sql, *target.attributes)))
        return
    renamed = target.named(target.new_name or target.name)
    with deploying(context, target, _condition) as deploy:
        old, new = _own_state(deploy.connection, target), _own_state(deploy.connection, renamed)
        if old is not None and new is not None:
            raise DeployError(
                f"{target.qualified_name} cannot be renamed, {renamed.qualified_name} exists; drop or rename one"
            )
        if old is None and new is None:
            raise DeployError(
                f"neither {target.qualified_name} nor {renamed.qualified_name} exists; write the revision again"
            )
        if old is not None:
            _run(deploy, target, f"renaming {target.qualified_name}")
        else:
            LOG.info("%s already has the new name", renamed.qualified_name)
        _set_target(deploy, renamed)


def alter_statistics(context: MigrationContext, target: Target) -> None:
    """Give a statistics object its target; raises DeployError when it does not exist."""
    if context.as_sql:
        offline.write(context, target, iter(target.attributes))
        return
    with deploying(context, target, _condition) as deploy:
        if _own_state(deploy.connection, target) is None:
            raise DeployError(f"{target.qualified_name} does not exist; write the revision again")
        _set_target(deploy, target)


def analyze_table(context: MigrationContext, target: Target) -> None:
    """ANALYZE a table, which gives its statistics objects their data; may be repeated at any time."""
    if context.as_sql:
        offline.write(context, target, iter((target.sql,)))
        return
    with deploying(context, target, _condition_of_table) as deploy:
        deploy.short_sql(
            target.sql,
            what=f"analyzing {target.qualified_table}", remedy=f"fix what the server reports, and {_AGAIN}",
            lock_timeout=target.lock_timeout, concurrent=True,
        )  # fmt: skip


def _run(deploy: Deploy, target: Target, what: str) -> None:
    deploy.short_sql(target.sql, what=what, remedy=_AGAIN, lock_timeout=target.lock_timeout)


def _set_target(deploy: Deploy, target: Target) -> None:
    for statement in target.attributes:
        deploy.short_sql(statement, what=f"setting the statistics target of {target.qualified_name}", remedy=_AGAIN)


def _with_target(target: Target, state: StatisticsState) -> Target:
    """Take away the target of an existing object where the one wanted is created without any."""
    if target.attributes or state.target is None:
        return target
    names = {"schema": target.schema, "name": target.name}
    return replace(target, attributes=(render_text("statistics/set_target", **names, target=-1),))


def _in_transaction(connection: Connection, statements: tuple[str, ...], what: str) -> None:
    with transaction(connection):
        for statement in statements:
            execute(connection, statement, failed=f"{what} failed", remedy=f"it is as it was; {_AGAIN}")


def _drop_sql(target: Target) -> str:
    return render_text("statistics/drop_statistics", schema=target.schema, name=target.name)


def read_statistics(connection: Connection, target: Target) -> StatisticsState | None:
    """Read the statistics object that has the target's name; None when none has."""
    found = tuple(_states(connection, target))
    return found[0] if found else None


def _states(connection: Connection, target: Target) -> Iterator[StatisticsState]:
    for row in rows(connection, "read_statistics", schema=target.schema, name=target.name):
        yield StatisticsState(
            table_schema=row["table_schema"], table=row["table"], definition=row["definition"], target=row["target"]
        )


def _own_state(connection: Connection, target: Target) -> StatisticsState | None:
    """Read it, and refuse one of another table."""
    state = read_statistics(connection, target)
    if state is not None and (state.table_schema, state.table) != (target.schema, target.table):
        table = ident(state.table_schema, state.table)
        raise DeployError(
            f"{target.qualified_name} is a statistics object of {table}, not of {target.qualified_table}; rename one"
        )
    return state


def _condition(connection: Connection, target: Target) -> str:
    return "it is not there" if read_statistics(connection, target) is None else "it is there"


def _condition_of_table(_connection: Connection, _target: Target) -> str:
    return "its statistics are as they were"


def _same(connection: Connection, target: Target, state: StatisticsState) -> bool:
    """Say whether an object is the one wanted, by what was expected or by this server's own print of both.

    Raises DeployError when the server cannot say.
    """
    if target.definition is not None and printed_body(target.definition) == printed_body(state.definition):
        return True

    printed = printed_once(lambda create: _printed_on_copy(connection, replace(target, sql=create)))
    with comparing(connection, target):
        wanted, found = (fixpoint(create, printed) for create in (target.sql, state.definition))
    return printed_body(wanted) == printed_body(found)


def printed_body(create: str) -> str:
    """Return the tokens of a CREATE STATISTICS but its name and table, apart from how they are spaced."""
    found = parse_statistics(create)
    return " ".join(token.text for token in significant(lex(create if found is None else found.body)))


def _printed_on_copy(connection: Connection, target: Target) -> str:
    """Create it on an empty temporary copy of its table and read it back; leaves nothing behind."""
    found = parse_statistics(target.sql)
    if found is None:
        raise DeployError(f"{target.qualified_name}: its SQL is no CREATE STATISTICS; fix the revision")
    copy = StatisticsDef(schema="pg_temp", table=target.table, name=_COPY)
    body = unqualified(found.body, target.schema, target.table)
    create = render_text("statistics/create_like", statistics=copy, body=body)
    with on_copy(connection, target, create):
        return str(row_of_transaction(connection, "read_copy_statistics", name=_COPY)["definition"])
