"""Give statements the values that they were seen to run with, of all sources together."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from analyzer.documents.server_log import MOST_BINDINGS, LoggedBinding, LoggedStatement
from analyzer.postgres.carried_queries import query_inside
from analyzer.postgres.lex import IncompleteError, lex
from analyzer.workload.json_keys import key_variant
from analyzer.workload.log_events import Execution
from analyzer.workload.log_lines import LogRecord, Session
from analyzer.workload.log_statements import StatementTable
from analyzer.workload.log_values import values_of
from analyzer.workload.parse import Statement
from analyzer.workload.plan_files import ExplainedPlan
from analyzer.workload.seen_statements import seen_statements

#: Statements that make this share of the time are priced with all of their bindings, the others with one.
HEAVY_SHARE: Final = 0.95


def with_values(statement: Statement, seen: LoggedStatement) -> Statement:
    """Give a statement what was seen of it, beside what it has, with values for the parameters of its own text.

    Each source weighs as the calls that it has seen.
    """
    found = seen.model_copy(
        update={"bindings": tuple(_bindings(statement, seen)), "constants": _constants(statement, seen)}
    )
    known = found if statement.logged is None else _together(statement.logged, found)
    whole = sum(each.share for each in known.bindings)
    shares = tuple(each.model_copy(update={"share": each.share / whole}) for each in known.bindings if whole)
    keyed = [key_variant(statement.plannable, each.values) for each in shares]
    variants = tuple(dict.fromkeys(text for text in keyed if text is not None))
    with_keys = {"variants": variants, "unknown_keys": ()} if variants else {}
    return replace(statement, logged=known.model_copy(update={"bindings": shares}), **with_keys)


def _bindings(statement: Statement, seen: LoggedStatement) -> Iterator[LoggedBinding]:
    try:
        mine, theirs = lex(statement.text), lex(seen.query)
    except IncompleteError:
        return
    for binding in seen.bindings:
        if found := values_of(mine, theirs, dict(enumerate(binding.values, 1))):
            values = tuple(found.get(number) for number in range(1, max(found) + 1))
            yield binding.model_copy(update={"values": values})


def _constants(statement: Statement, seen: LoggedStatement) -> tuple[int, ...]:
    """Return the parameters of a statement that stand for the constants of what was seen of it."""
    if not seen.constants:
        return ()
    try:
        mine, theirs = lex(statement.text), lex(seen.query)
    except IncompleteError:
        return ()
    numbers = {int(token.text[1:]) for token in theirs if token.kind == "parameter"}
    found = values_of(mine, theirs, {number: str(number) for number in numbers}) or {}
    return tuple(sorted(number for number, other in found.items() if int(other or 0) in seen.constants))


def _together(first: LoggedStatement, second: LoggedStatement) -> LoggedStatement:
    weights: defaultdict[tuple[str | None, ...], float] = defaultdict(float)
    for seen in (first, second):
        for each in seen.bindings:
            weights[each.values] += each.share * max(seen.calls, 1)
    heaviest = sorted(weights.items(), key=lambda each: -each[1])[:MOST_BINDINGS]
    whole = sum(weight for _, weight in heaviest)
    return first.model_copy(
        update={
            "calls": first.calls + second.calls,
            "prepared": first.prepared + second.prepared,
            "bindings": tuple(LoggedBinding(values=values, share=weight / whole) for values, weight in heaviest),
        }
    )


def with_fewer_bindings(ordered: Sequence[Statement]) -> Iterator[Statement]:
    """Leave one binding, the most frequent, of the statements beyond those that make most of the time."""
    total, before = sum(statement.weight for statement in ordered), 0.0
    for statement in ordered:
        logged = statement.logged
        if logged is not None and logged.bindings and before >= HEAVY_SHARE * total:
            most = max(logged.bindings, key=lambda binding: binding.share).model_copy(update={"share": 1.0})
            yield replace(statement, logged=logged.model_copy(update={"bindings": (most,)}))
        else:
            yield statement
        before += statement.weight


def seen_in_plans(plans: Iterable[ExplainedPlan]) -> tuple[LoggedStatement, ...]:
    """Return the statements whose text stands with a plan, each plan as one call, with their values."""
    table = StatementTable()
    for plan in plans:
        if plan.query is not None and not plan.without_constants:
            record = LogRecord("LOG", "", session=Session(query_id=plan.queryid))
            table.add(record, Execution(query_inside(plan.query), plan.execution_ms, parameters=plan.parameters))
    return tuple(seen for _, seen in seen_statements(table))
