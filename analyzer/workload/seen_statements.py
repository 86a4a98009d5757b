"""Turn what was added up of statements that were seen to run into records: normalised, with their values apart."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from analyzer.capture.literals import UnreadableStatementError, without_literals
from analyzer.documents.server_log import MOST_NAMES, LoggedBinding, LoggedStatement
from analyzer.postgres.identifiers import MOST_BYTES
from analyzer.postgres.lex import Token, lex
from analyzer.workload.log_statements import StatementTable
from analyzer.workload.log_totals import Run, StatementTotals
from analyzer.workload.log_values import Values, logged_parameters, values_of

_NULL_BYTE = "\0"
#: Stands for the value of a parameter: no text of a statement has it.
_PARAMETER = _NULL_BYTE


def normalised(totals: StatementTotals) -> str | None:
    """Return the statement without constants and comments; None where these cannot be told apart."""
    try:
        query = without_literals(totals.text)
    except UnreadableStatementError:
        return None
    return None if _NULL_BYTE in query else query


def by_time(table: StatementTable) -> list[StatementTotals]:
    """Return the statements of a table, the most expensive first."""
    table.settle()
    return sorted(table.statements.values(), key=lambda each: (-each.total_ms, -each.calls, each.id))


def seen_statement(
    totals: StatementTotals,
    query: str,
    *,
    values: bool,
    first_seen: datetime | None = None,
    last_seen: datetime | None = None,
) -> LoggedStatement:
    """Return the record of a statement, whose normalised text is `query`; without `values`, with none of them."""
    timed = totals.timed
    return LoggedStatement(
        query=query,
        queryids=_names(each.query_id for each in totals.sessions if each.query_id != "0"),
        calls=totals.calls,
        total_ms=totals.total_ms / timed * totals.calls if timed else None,
        stddev_ms=totals.stddev_ms if timed else None,
        parses=totals.parses,
        parse_ms=totals.parse_ms,
        binds=totals.binds,
        bind_ms=totals.bind_ms,
        prepared=totals.prepared,
        first_seen=first_seen,
        last_seen=last_seen,
        users=_names(each.user for each in totals.sessions),
        databases=_names(each.database for each in totals.sessions),
        applications=_names(each.application for each in totals.sessions) if values else (),
        bindings=tuple(_bindings(totals, query)) if values else (),
        constants=_constants(totals, query) if values and not totals.has_others else (),
        other_calls=totals.other_calls,
    )


def since_counters(seen: LoggedStatement, totals: StatementTotals, since: datetime) -> LoggedStatement:
    """Leave of a record the executions since the counters began; one that has none of these stays whole."""
    earlier = totals.earlier
    if earlier is None or not (calls := totals.calls - earlier.calls):
        return seen
    timed, total_ms = totals.timed - earlier.timed, max(totals.total_ms - earlier.total_ms, 0.0)
    mean_ms = total_ms / timed if timed else 0.0
    spread = max((totals.squares - earlier.squares) / timed - mean_ms**2, 0.0) if timed else 0.0
    return seen.model_copy(
        update={
            "calls": calls,
            "total_ms": mean_ms * calls if timed else None,
            "stddev_ms": math.sqrt(spread) if timed else None,
            "prepared": min(seen.prepared, calls),
            "first_seen": since,
            "other_calls": min(seen.other_calls, calls),
        }
    )


def seen_statements(table: StatementTable, *, values: bool = True) -> Iterator[tuple[str, LoggedStatement]]:
    """Yield the ID and record of each statement of a table, the most expensive first."""
    for totals in by_time(table):
        if (query := normalised(totals)) is not None:
            yield totals.id, seen_statement(totals, query, values=values)


def _bindings(totals: StatementTotals, query: str) -> Iterator[LoggedBinding]:
    recorded = lex(query)
    bound = [(run, found) for run in totals.runs() if (found := _values(run, recorded))]
    shares = totals.shares([run for run, _ in bound]) if bound else []
    for (_, found), share in zip(bound, shares, strict=True):
        yield LoggedBinding(values=tuple(found.get(number) for number in range(1, max(found) + 1)), share=share)


def _constants(totals: StatementTotals, query: str) -> tuple[int, ...]:
    """Return the parameters of a query that are constants in its own text."""
    text = lex(totals.text)
    own = {int(token.text[1:]): _PARAMETER for token in text if token.kind == "parameter"}
    found = values_of(lex(query), text, own) or {}
    return tuple(sorted(number for number, value in found.items() if value != _PARAMETER))


def _values(run: Run, recorded: Sequence[Token]) -> Values | None:
    parameters = logged_parameters(run.parameters) if run.parameters is not None else {}
    if parameters is None:
        return None
    values = values_of(recorded, lex(run.text), parameters)
    broken = values is not None and any("\ufffd" in value or "\0" in value for value in values.values() if value)
    return None if broken else values


def _names(names: Iterable[str | None]) -> tuple[str, ...]:
    plain = {each.replace(_NULL_BYTE, "\ufffd")[:MOST_BYTES] for each in names if each}
    return tuple(sorted(plain)[:MOST_NAMES])
