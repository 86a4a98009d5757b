"""Parse statements, recorded by pg_stat_statements or from a file.

A statement's identity is twindex's own, since queryid changes between major versions and with the catalog's oids.
"""

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from analyzer.documents.snapshot import LoggedStatement, NotExamined, Snapshot, StatementCounters
from analyzer.postgres.lex import MOST_TOKENS, IncompleteError, Token, lex, significant, tokens_of
from analyzer.sql import shortened
from analyzer.workload.fingerprint import fingerprint
from analyzer.workload.kept_constants import put_back
from analyzer.workload.plannable import closing, make_plannable

__all__ = ["Statement", "Workload", "parse_file", "parse_statements"]

StatementKind = Literal["select", "insert", "update", "delete", "merge"]
_KINDS: dict[str, StatementKind] = {
    "select": "select",
    "values": "select",
    "table": "select",
    "insert": "insert",
    "update": "update",
    "delete": "delete",
    "merge": "merge",
}
#: Characters of a statement that was not examined; all of it is in the snapshot.
_MOST_QUOTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One normalised query with its counters."""

    #: twindex's fingerprint: the same for every constant, comment and major version.
    id: str
    #: None for a statement that no server recorded.
    queryid: str | None
    #: As recorded.
    text: str
    #: What EXPLAIN (GENERIC_PLAN) is given.
    plannable: str
    calls: float
    #: None when no server measured it.
    total_ms: float | None
    rows: int | None
    #: Standard deviation of one execution's time over all of them, as pg_stat_statements has it.
    stddev_ms: float | None = None
    #: Pages it read that were not in shared buffers, in all executions.
    blocks_read: int | None = None
    #: A select whose WITH clause writes has the kind of the write.
    kind: StatementKind
    #: Highest parameter number in `plannable`.
    parameters: int
    #: What the server's log tells of it, with bindings for the parameters of this text.
    logged: LoggedStatement | None = field(default=None, compare=False)
    #: Whether the log alone has it.
    only_logged: bool = False

    @property
    def weight(self) -> float:
        """The weight of the statement: its time if it was measured, else its calls."""
        return self.calls if self.total_ms is None else self.total_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class UnparsedStatement:
    """A statement that cannot be planned, and the reason."""

    #: Of this very text, which has no fingerprint.
    id: str
    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The statements to optimise, and those that were not examined."""

    statements: tuple[Statement, ...]
    not_examined: tuple[NotExamined, ...] = ()


def parse_statements(snapshot: Snapshot) -> Workload:
    """Read the statements that a snapshot recorded, merged by fingerprint, heaviest first."""
    merged: dict[str, Statement] = {}
    not_examined: list[NotExamined] = []
    total_ms = sum(entry.total_ms for entry in snapshot.statements)
    for entry, each in parse_recorded(snapshot):
        if isinstance(each, UnparsedStatement):
            what = describe(each.id, entry.total_ms / total_ms if total_ms else 0.0)
            not_examined.append(NotExamined(what=what, reason=each.reason, query=quoted(each.text)))
        else:
            merged[each.id] = _merge(merged[each.id], each) if each.id in merged else each
    ordered = sorted(merged.values(), key=lambda statement: (-statement.weight, statement.id))
    return Workload(statements=tuple(ordered), not_examined=tuple(not_examined))


def parse_recorded(snapshot: Snapshot) -> Iterator[tuple[StatementCounters, Statement | UnparsedStatement]]:
    """Read each entry of pg_stat_statements that a snapshot holds, in the order of the snapshot."""
    for entry in snapshot.statements:
        yield entry, _recorded(entry)


def quoted(text: str) -> str:
    """Return as much of a statement as a reader needs to know it; a NUL, which no document holds, is replaced."""
    return shortened(text.replace("\0", "\N{REPLACEMENT CHARACTER}"), _MOST_QUOTED)


def describe(identity: str, share_of_time: float) -> str:
    """Name a recorded statement that was not examined, with what is lost with it."""
    return f"the statement {identity} with {share_of_time:.1%} of the recorded time"


def parse_file(text: str) -> Workload:
    """Read the statements of a .sql file in their order, each with weight 1; nothing is merged, constants differ."""
    listed = _listed(text)
    return Workload(
        statements=tuple(each for _, each in listed if isinstance(each, Statement)),
        not_examined=tuple(
            NotExamined(what=f"the statement in line {line}", reason=each.reason, query=quoted(each.text))
            for line, each in listed
            if isinstance(each, UnparsedStatement)
        ),
    )


def parse_listed(text: str) -> tuple[Statement | UnparsedStatement, ...]:
    """Read every statement of a .sql file in its order, also those that cannot be planned."""
    return tuple(each for _, each in _listed(text))


def _listed(text: str) -> tuple[tuple[int, Statement | UnparsedStatement], ...]:
    """Read every statement of a file, with the line it begins in."""
    try:
        pieces = tuple(_split(text))
    except IncompleteError as error:
        return ((1, _unread(text, str(error))),)
    found: list[tuple[int, Statement | UnparsedStatement]] = []
    line, counted = 1, 0
    for start, piece in pieces:
        line, counted = line + text.count("\n", counted, start), start
        found.append((line, parse_statement(piece)))
    return tuple(found)


def _unread(text: str, reason: str) -> UnparsedStatement:
    return UnparsedStatement(id=f"s{hashlib.sha256(text.encode()).hexdigest()[:12]}", text=text, reason=reason)


def _merge(first: Statement, second: Statement) -> Statement:
    heavier = max(first, second, key=lambda statement: statement.weight)
    return replace(
        heavier,
        calls=first.calls + second.calls,
        total_ms=None if first.total_ms is None or second.total_ms is None else first.total_ms + second.total_ms,
        rows=None if first.rows is None or second.rows is None else first.rows + second.rows,
        stddev_ms=_merged_stddev(first, second),
        blocks_read=None
        if first.blocks_read is None or second.blocks_read is None
        else first.blocks_read + second.blocks_read,
    )


def _merged_stddev(first: Statement, second: Statement) -> float | None:
    """Return the deviation over the executions of both: what each spreads, and how far their means lie apart."""
    calls = first.calls + second.calls
    if None in (first.stddev_ms, second.stddev_ms, first.total_ms, second.total_ms) or not calls:
        return None
    apart = _mean_ms(first) - _mean_ms(second)
    spread = first.calls * (first.stddev_ms or 0) ** 2 + second.calls * (second.stddev_ms or 0) ** 2
    return math.sqrt(spread / calls + apart**2 * first.calls * second.calls / calls**2)


def _mean_ms(statement: Statement) -> float:
    return (statement.total_ms or 0) / statement.calls if statement.calls else 0.0


def _split(text: str) -> Iterator[tuple[int, str]]:
    """Cut at the semicolons that are tokens; SQL-standard function bodies (BEGIN ATOMIC) are not statements we plan."""
    piece: list[Token] = []
    for token in tokens_of(text):
        if token.text == ";" and token.kind == "punctuation":
            if piece:
                yield piece[0].start, text[piece[0].start : piece[-1].end]
            piece = []
        elif piece or token.kind != "comment":
            piece.append(token)
    if piece:
        yield piece[0].start, text[piece[0].start : piece[-1].end]


def _recorded(entry: StatementCounters) -> Statement | UnparsedStatement:
    return parse_statement(
        entry.query,
        queryid=entry.queryid,
        calls=entry.calls,
        total_ms=entry.total_ms,
        rows=entry.rows,
        stddev_ms=entry.stddev_ms,
        blocks_read=entry.shared_blocks_read,
    )


def parse_statement(
    text: str,
    *,
    queryid: str | None = None,
    calls: float = 1,
    total_ms: float | None = None,
    rows: int | None = None,
    stddev_ms: float | None = None,
    blocks_read: int | None = None,
) -> Statement | UnparsedStatement:
    """Read one statement, with what was counted of it."""
    try:
        tokens = lex(text)
        reason = _obstacle(significant(tokens))
        if reason is not None:
            return _unread(text, reason)
        explained = _without_cursor(text.rstrip().rstrip(";"))
        plain = significant(lex(explained))
        if not plain:
            return _unread(text, "it is empty")
        kind = _kind(plain)
        if kind is None:
            return _unread(text, f"{plain[0].text.upper()} is a utility statement, which has no plan")
        per_call = rows / calls if rows is not None and calls > 0 and kind == "select" else None
        plannable = make_plannable(put_back(explained), rows_per_call=per_call)
    except IncompleteError as error:
        return _unread(text, str(error))
    return Statement(
        id=fingerprint(plain),
        queryid=queryid,
        text=text,
        plannable=plannable,
        calls=calls,
        total_ms=total_ms,
        rows=rows,
        stddev_ms=stddev_ms,
        blocks_read=blocks_read,
        kind=kind,
        parameters=max((int(t.text[1:]) for t in lex(plannable) if t.kind == "parameter"), default=0),
    )


def _obstacle(tokens: tuple[Token, ...]) -> str | None:
    if not tokens:
        return "it is empty"
    if any(token.text == ";" for token in tokens[:-1]):
        return "it is several statements recorded as one, whose times cannot be separated"
    if any(token.kind == "parameter" and _number(token) > MOST_TOKENS for token in tokens):
        return f"the number of one of its parameters is out of range (at most {MOST_TOKENS})"
    if any(token.text == "..." for token in tokens) or tokens[-1].text.endswith("..."):
        return "its text is truncated"
    depth = 0
    for token in tokens:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth < 0:
            return "its brackets do not match"
    return "its text is truncated: a bracket is not closed" if depth else None


def _number(parameter: Token) -> int:
    """Return the number of a parameter; one of very many digits is just a large one."""
    return int(parameter.text[1:12])


def _without_cursor(text: str) -> str:
    """A cursor's query is what is planned: DECLARE name … CURSOR … FOR query."""
    tokens = significant(lex(text))
    if tokens and tokens[0].word == "declare":
        cursor = next((index for index, token in enumerate(tokens) if token.word == "cursor"), len(tokens))
        for token, query in itertools.pairwise(tokens[cursor:]):
            if token.word == "for":
                return text[query.start :]
    return text


def _kind(tokens: Sequence[Token]) -> StatementKind | None:
    start = next((i for i, token in enumerate(tokens) if token.text != "("), len(tokens))
    if start == len(tokens):
        return None
    if tokens[start].word != "with":
        return _KINDS.get(tokens[start].word)
    index, main, written = start + 1, None, None
    while index < len(tokens) and main is None:
        if tokens[index].text == "(":
            inner = _KINDS.get(tokens[index + 1].word)
            written = written or (inner if inner != "select" else None)
            index = closing(tokens, index)
        main = _KINDS.get(tokens[index].word) if index < len(tokens) else None
        index += 1
    return written or main
