"""Try given indexes: plan each statement before and after."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psycopg

from analyzer.advise.benefit import PricedStatement, statement_cost
from analyzer.advise.price import shaped_and_priced
from analyzer.documents.snapshot import NotExamined
from analyzer.errors import InputError
from analyzer.twin.schema.function_bodies import NO_BODY
from analyzer.twin.twin import Plan, Twin, TwinIndex
from analyzer.workload.parse import Statement, UnparsedStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One statement before and after; None where the planner had no answer, and then `error` says why.

    The plans are the generic ones. A cost is of one execution, as `propose` and `verify` price it: the weighted mean
    over the bindings where there are any, foreign-key triggers included.
    """

    id: str
    text: str
    cost_before: float | None = None
    cost_after: float | None = None
    plan_before: Plan | None = None
    plan_after: Plan | None = None
    error: str | None = None


def try_indexes(
    twin: Twin,
    statements: Sequence[Statement | UnparsedStatement],
    *,
    create: Sequence[str] = (),
    added: Sequence[TwinIndex] = (),
    drop: Collection[str] = (),
) -> tuple[Trial, ...]:
    """Plan the statements, in their order, without and with the given changes.

    `create` are CREATE INDEX statements, `added` indexes that the twin has beyond the captured ones, `drop` names as
    `schema.name`. Raises InputError for one the server rejects.
    """
    added = (*added, *twin.add(twin.parse_ddl(create)))
    try:  # a name to drop that does not exist fails before anything is planned
        twin.show(added, without=drop)
    except psycopg.Error as error:
        reason = error.diag.message_primary or str(error)
        raise InputError(f"{', '.join(drop)} cannot be dropped ({reason}); specify an index as schema.name") from None
    return tuple(_try(twin, statement, added, drop) for statement in statements)


def _try(
    twin: Twin, statement: Statement | UnparsedStatement, added: Sequence[TwinIndex], drop: Collection[str]
) -> Trial:
    if isinstance(statement, UnparsedStatement):
        return Trial(id=statement.id, text=statement.text, error=statement.reason)
    twin.show(())
    _, item = shaped_and_priced(twin, statement)
    if isinstance(item, NotExamined):
        return Trial(id=statement.id, text=statement.text, error=item.reason)
    cost_before, plan_before = _ask(twin, item, ())
    twin.show(added, without=drop)
    try:
        cost_after, plan_after = _ask(twin, item, added)
    except psycopg.Error as error:
        if error.sqlstate != NO_BODY or not added:
            raise
        return Trial(id=statement.id, text=statement.text, error=f"with the indexes, {error.diag.message_primary}")
    return Trial(
        id=statement.id,
        text=statement.text,
        cost_before=cost_before,
        cost_after=cost_after,
        plan_before=plan_before,
        plan_after=plan_after,
    )


def _ask(twin: Twin, item: PricedStatement, shown: Sequence[TwinIndex]) -> tuple[float, Plan]:
    return statement_cost(twin, item.execution, shown).total, twin.plan(
        item.generic, search_path=item.execution.search_path
    )
