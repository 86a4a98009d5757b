"""Parse statements, recorded by pg_stat_statements or from a file.

A statement's identity is twindex's own, since queryid changes between major versions and with the catalog's oids.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from analyzer.documents.snapshot import LoggedStatement, NotExamined, Snapshot, StatementCounters
from analyzer.postgres.carried_queries import CALLS, Carried, carried_query, is_query, refreshed_view
from analyzer.postgres.lex import MOST_TOKENS, IncompleteError, Token, closing, lex, significant, tokens_of
from analyzer.workload.fingerprint import fingerprint
from analyzer.workload.gaps import Missed, gaps, quoted
from analyzer.workload.json_keys import JsonKeys
from analyzer.workload.kept_constants import put_back
from analyzer.workload.nested import nested_times
from analyzer.workload.plannable import Edit, apply, make_plannable
from analyzer.workload.search_paths import AmbiguousNameError, SearchPaths

__all__ = ["Statement", "Workload", "parse_file", "parse_statement", "parse_statements"]

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
    #: Schemas in which its tables are looked up; None where they are those of the capturing session.
    search_path: tuple[str, ...] | None = None
    #: False for one that a function runs; what is no column in it is a variable.
    toplevel: bool = True
    #: Of its time, that of statements which its functions run and which are counted themselves.
    nested_ms: float = 0.0
    #: What `plannable` is with known keys of JSON columns in the place of its parameters for keys.
    variants: tuple[str, ...] = ()
    #: Columns of whose keys nothing is known.
    unknown_keys: tuple[str, ...] = ()
    #: What was seen of it in logs and plans, with bindings for the parameters of this text.
    logged: LoggedStatement | None = field(default=None, compare=False)
    #: Whether pg_stat_statements does not have it.
    only_logged: bool = False
    #: Where it stands for several statements of one shape, those, heaviest first; its ID and text are the heaviest's.
    members: "tuple[Statement, ...]" = field(default=(), compare=False)

    @property
    def stands_for(self) -> "tuple[Statement, ...]":
        """Its members, or itself where it stands for no other."""
        return self.members or (self,)

    @property
    def weight(self) -> float:
        """The weight of the statement: its own time if it was measured, else its calls."""
        return self.calls if self.total_ms is None else max(0.0, self.total_ms - self.nested_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnparsedStatement:
    """A statement that cannot be planned, and the reason."""

    #: Of this very text, which has no fingerprint.
    id: str
    text: str
    reason: str
    #: As that of a statement.
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The statements to optimise, and those that were not examined."""

    statements: tuple[Statement, ...]
    not_examined: tuple[NotExamined, ...] = ()
    #: Of the recorded statements that were not examined.
    unread_weight: float = 0.0
    #: The ID of each recorded statement, read or not, by its queryids.
    identities: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def shares(self) -> Mapping[Statement, float]:
        """Return what share of all recorded time each statement takes; of calls where nothing was measured."""
        total = sum(statement.weight for statement in self.statements) + self.unread_weight
        return {each: each.weight / total if total else 0.0 for each in self.statements}


def parse_statements(snapshot: Snapshot) -> Workload:
    """Read the statements that a snapshot recorded, merged by fingerprint, heaviest first."""
    merged: dict[str, Statement] = {}
    unread: list[UnparsedStatement] = []
    identities: dict[str, str] = {}
    for entry, each in parse_recorded(snapshot):
        identities[entry.queryid] = each.id
        if isinstance(each, UnparsedStatement):
            unread.append(each)
        else:
            merged[each.id] = add_up(merged[each.id], each) if each.id in merged else each
    unread_weight = sum(each.weight for each in unread)
    total = sum(each.weight for each in merged.values()) + unread_weight
    return Workload(
        statements=tuple(sorted(merged.values(), key=lambda statement: (-statement.weight, statement.id))),
        not_examined=tuple(gaps(_missed(each, each.weight / total if total else 0.0) for each in unread)),
        unread_weight=unread_weight,
        identities=identities,
    )


def _missed(statement: UnparsedStatement, share_of_time: float) -> Missed:
    return Missed(id=statement.id, text=statement.text, share_of_time=share_of_time, reason=statement.reason)


def parse_recorded(snapshot: Snapshot) -> Iterator[tuple[StatementCounters, Statement | UnparsedStatement]]:
    """Read each entry of pg_stat_statements that a snapshot holds, in the order of the snapshot.

    A statement that carries a query which is recorded as nested in it is left out.
    """
    paths, nested_ms, keys = SearchPaths(snapshot), nested_times(snapshot), JsonKeys(snapshot)
    read = [(entry, _recorded(entry, paths, keys, nested_ms[at])) for at, entry in enumerate(snapshot.statements)]
    nested = {each.id for entry, each in read if not entry.toplevel}
    for entry, each in read:
        if entry.toplevel and each.id in nested and _carried(entry.query, paths) is not None:
            continue
        yield entry, each


def parse_file(text: str, paths: SearchPaths | None = None) -> Workload:
    """Read the statements of a .sql file in their order, each with weight 1; nothing is merged, constants differ."""
    listed = _listed(text, paths)
    return Workload(
        statements=tuple(each for _, each in listed if isinstance(each, Statement)),
        not_examined=tuple(
            NotExamined(what=f"the statement in line {line}", reason=each.reason, query=quoted(each.text))
            for line, each in listed
            if isinstance(each, UnparsedStatement)
        ),
    )


def parse_listed(text: str, paths: SearchPaths | None = None) -> tuple[Statement | UnparsedStatement, ...]:
    """Read every statement of a .sql file in its order, also those that cannot be planned."""
    return tuple(each for _, each in _listed(text, paths))


def _listed(text: str, paths: SearchPaths | None) -> tuple[tuple[int, Statement | UnparsedStatement], ...]:
    """Read every statement of a file, with the line it begins in."""
    try:
        pieces = tuple(_split(text))
    except IncompleteError as error:
        return ((1, _unread(text, str(error))),)
    found: list[tuple[int, Statement | UnparsedStatement]] = []
    line, counted = 1, 0
    for start, piece in pieces:
        line, counted = line + text.count("\n", counted, start), start
        found.append((line, _listed_one(piece, paths)))
    return tuple(found)


def _listed_one(text: str, paths: SearchPaths | None) -> Statement | UnparsedStatement:
    try:
        carried = carried_query(text)
    except IncompleteError as error:
        return _unread(text, str(error))
    read = parse_statement(text, carried)
    return read if paths is None or isinstance(read, UnparsedStatement) else _located(read, carried, paths, own=None)


def _located(
    statement: Statement, carried: Carried | None, paths: SearchPaths, *, own: Sequence[str] | None
) -> Statement | UnparsedStatement:
    """Give a statement the search path under which it finds its tables, and the ID that it has with it."""
    try:
        search_path = paths.find(statement.plannable, own)
    except AmbiguousNameError as error:
        return _unread(statement.text, str(error))
    if search_path is None:
        return statement
    identity = fingerprint(lex(statement.text if carried is None else carried.text), search_path)
    return replace(statement, id=identity, search_path=search_path)


def _unread(text: str, reason: str, *, weight: float = 1.0) -> UnparsedStatement:
    identity = f"s{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return UnparsedStatement(id=identity, text=text, reason=reason, weight=weight)


def add_up(first: Statement, second: Statement) -> Statement:
    """Return one statement for two that are the same to the planner: the heavier, with the counters of both."""
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
        toplevel=first.toplevel and second.toplevel,
        nested_ms=first.nested_ms + second.nested_ms,
        only_logged=first.only_logged and second.only_logged,
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


def _recorded(
    entry: StatementCounters, paths: SearchPaths, keys: JsonKeys, nested_ms: float
) -> Statement | UnparsedStatement:
    per_call = entry.rows / entry.calls if entry.calls > 0 else None
    weight = max(0.0, entry.total_ms - nested_ms)
    try:
        carried = _carried(entry.query, paths)
        if carried is None and not entry.toplevel:
            carried = _expression(entry.query)
    except IncompleteError as error:
        return _unread(entry.query, str(error), weight=weight)
    read = parse_statement(entry.query, carried, rows_per_call=per_call)
    if isinstance(read, Statement):
        read = _located(read, carried, paths, own=entry.search_path)
    if isinstance(read, UnparsedStatement):
        return replace(read, weight=weight)
    variants = keys.variants(read.plannable)
    return replace(
        read,
        queryid=entry.queryid,
        calls=entry.calls,
        total_ms=entry.total_ms,
        rows=entry.rows,
        stddev_ms=entry.stddev_ms,
        blocks_read=entry.shared_blocks_read,
        toplevel=entry.toplevel,
        nested_ms=nested_ms,
        variants=variants.texts,
        unknown_keys=variants.unknown,
    )


def _carried(text: str, paths: SearchPaths) -> Carried | None:
    """Return the query inside a statement that is not a query."""
    view = refreshed_view(text)
    definition = paths.definition(*view) if view is not None else None
    return carried_query(text) if definition is None else Carried(text=definition)


def _expression(text: str) -> Carried | None:
    """Return an expression of PL/pgSQL that holds a query as one: `x := (SELECT …)`, the condition of an IF."""
    tokens = significant(lex(text))
    if not tokens or is_query(tokens) or all(token.word != "select" for token in tokens):
        return None
    assigned = next((at for at, token in enumerate(tokens) if token.text in (":=", "=", "(")), 0)
    start = assigned + 1 if tokens[assigned].text in (":=", "=") else 0
    return Carried(text=f"SELECT {text[tokens[start].start :]}")


def parse_statement(
    text: str, carried: Carried | None = None, *, rows_per_call: float | None = None
) -> Statement | UnparsedStatement:
    """Read a statement by its text alone; of one that carries a query, that query."""
    try:
        tokens = lex(text)
        reason = _obstacle(significant(tokens))
        if reason is not None:
            return _unread(text, reason)
        explained = (text if carried is None else carried.text).rstrip().rstrip(";")
        plain = significant(lex(explained))
        if not plain:
            return _unread(text, "it is empty")
        kind = _kind(plain)
        if kind is None:
            return _unread(text, _utility(plain[0].text.upper()))
        plannable = make_plannable(put_back(explained), rows_per_call=rows_per_call if kind == "select" else None)
        if carried is not None:
            plannable = _typed(plannable, carried.types)
    except IncompleteError as error:
        return _unread(text, str(error))
    return Statement(
        id=fingerprint(plain),
        queryid=None,
        text=text,
        plannable=plannable,
        calls=1,
        total_ms=None,
        rows=None,
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


def _utility(word: str) -> str:
    if word.lower() in CALLS:
        return f"{word} runs statements that are not in its text; record them with pg_stat_statements.track = 'all'"
    return f"{word} is a utility statement, which has no plan"


def _typed(text: str, types: Sequence[str]) -> str:
    """Cast the parameters whose types PREPARE declares."""
    parameters = (token for token in lex(text) if token.kind == "parameter" and 0 < _number(token) <= len(types))
    edits = [Edit(each.end, each.end, f"::{types[_number(each) - 1]}") for each in parameters]
    return apply(text, edits) if edits else text


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
