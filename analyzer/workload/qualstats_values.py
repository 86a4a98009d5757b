"""Make statements with values of what pg_qualstats has sampled: one text of each, and constants of its predicates."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from analyzer.capture.literals import Literal, literals
from analyzer.documents.server_log import LoggedStatement
from analyzer.postgres.carried_queries import query_inside
from analyzer.postgres.lex import IncompleteError, lex, significant
from analyzer.sql import literal
from analyzer.workload.log_events import Execution
from analyzer.workload.log_lines import LogRecord, Session
from analyzer.workload.log_statements import StatementTable
from analyzer.workload.plannable import Edit, apply
from analyzer.workload.seen_statements import seen_statements

Row = Mapping[str, Any]

_MOST_BYTES: Final = 16 * 1024**2
#: Executions that all values of a statement stand for: their shares are multiples of one of them.
_EXECUTIONS: Final = 64
#: Constants of one predicate: the most frequent.
_MOST_CONSTANTS: Final = 8
_CONSTANT = re.compile(r"(?:'((?:[^']|'')*)'|(-?[0-9][0-9.eE+-]*))(?:::.*)?", re.DOTALL)


def qualstats_statements(examples: Sequence[Row], constants: Sequence[Row]) -> tuple[LoggedStatement, ...]:
    """Return the statements of `capture/qualstats_examples`, with the values of `capture/qualstats_constants`.

    A text has one set of constants. Those that one of its predicates had at other times take their place there, one
    predicate at a time: which constants of several predicates were together is not recorded.
    """
    by_statement: defaultdict[str, list[Row]] = defaultdict(list)
    for row in constants:
        by_statement[row["queryid"]].append(row)
    table = StatementTable(most_bytes=_MOST_BYTES)
    for row in examples:
        if row["query"] is None:
            continue
        record = LogRecord("LOG", "", session=Session(query_id=row["queryid"]))
        for text, times in _texts(row["query"], by_statement[row["queryid"]]):
            for _ in range(times):
                table.add(record, Execution(query_inside(text), None))
    return tuple(seen for _, seen in seen_statements(table))


def _texts(query: str, constants: Sequence[Row]) -> Iterator[tuple[str, int]]:
    """Yield a text under the constants that were sampled, each with a number of executions."""
    weights: defaultdict[str, float] = defaultdict(float)
    for found, predicate in _predicates(query, constants):
        for value, occurrences in predicate[:_MOST_CONSTANTS]:
            edits = [] if value == _value(found.text) else [Edit(found.start, found.end, literal(value))]
            weights[apply(query, edits)] += occurrences
    whole = sum(weights.values())
    if not whole:
        yield query, 1
    for text, weight in weights.items():
        yield text, max(round(_EXECUTIONS * weight / whole), 1)


def _predicates(query: str, constants: Sequence[Row]) -> Iterator[tuple[Literal, list[tuple[str, float]]]]:
    """Yield each constant of a text that one of its predicates is known by, with all values of the predicate."""
    try:
        written = {len(query[: each.start].encode()): each for each in literals(significant(lex(query)))}
    except IncompleteError:
        return
    by_predicate: defaultdict[str, list[tuple[int, str, float]]] = defaultdict(list)
    for row in constants:
        if (value := _value(row["constant"])) is not None and row["occurrences"] > 0:
            by_predicate[row["predicate"]].append((row["position"] or 0, value, float(row["occurrences"])))
    for rows in by_predicate.values():
        places = {place for place, value, _ in rows if place in written and _value(written[place].text) == value}
        if len(places) == 1:
            values: defaultdict[str, float] = defaultdict(float)
            for _, value, occurrences in rows:
                values[value] += occurrences
            yield written[places.pop()], sorted(values.items(), key=lambda each: -each[1])


def _value(constant: str) -> str | None:
    """Return the value of a constant; None of one that is cut, or of another form."""
    found = _CONSTANT.fullmatch(constant)
    if found is None:
        return None
    return found[2] if found[1] is None else found[1].replace("''", "'")
