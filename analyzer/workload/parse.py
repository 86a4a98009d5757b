"""Parse statements, recorded by pg_stat_statements or from a file.

A statement's identity is twindex's own, since queryid changes between major versions and with the catalog's oids.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from analyzer.documents.snapshot import NotExamined, Snapshot, StatementCounters
from analyzer.documents.weights import Weight
from analyzer.postgres.carried_queries import CALLS, Carried, carried_query, is_query, refreshed_view
from analyzer.postgres.lex import MOST_TOKENS, IncompleteError, Token, closing, lex, significant, tokens_of
from analyzer.workload.fingerprint import fingerprint
from analyzer.workload.gaps import Missed, gaps, quoted
from analyzer.workload.json_keys import JsonKeys
from analyzer.workload.kept_constants import put_back
from analyzer.workload.nested import nested_times
from analyzer.workload.plannable import Edit, apply, make_plannable
from analyzer.workload.search_paths import AmbiguousNameError, SearchPaths
from analyzer.workload.statement import Statement, StatementKind, UnparsedStatement, Workload, add_up, weight_of

__all__ = [
    "Statement",
    "UnparsedStatement",
    "Workload",
    "parse_file",
    "parse_listed",
    "parse_recorded",
    "parse_statement",
    "parse_statements",
]

_KINDS: dict[str, StatementKind] = {
    "select": "select",
    "values": "select",
    "table": "select",
    "insert": "insert",
    "update": "update",
    "delete": "delete",
    "merge": "merge",
}


#: An entry of pg_stat_statements, and the statement that it is.
Read = tuple[StatementCounters, Statement | UnparsedStatement]


def parse_statements(snapshot: Snapshot, weigh_by: Weight = "time", entries: Iterable[Read] | None = None) -> Workload:
    """Read the statements that a snapshot recorded, merged by fingerprint, heaviest first.

    `entries` are what `parse_recorded` says of it, where that is known.
    """
    merged: dict[str, Statement] = {}
    unread: list[UnparsedStatement] = []
    identities: dict[str, str] = {}
    for entry, each in parse_recorded(snapshot, weigh_by) if entries is None else entries:
        identities[entry.queryid] = each.id
        if isinstance(each, UnparsedStatement):
            unread.append(each)
        else:
            merged[each.id] = add_up(merged[each.id], each) if each.id in merged else each
    unread_weight = sum(each.weight for each in unread)
    total = sum(each.weight for each in merged.values()) + unread_weight
    return Workload(
        statements=tuple(sorted(merged.values(), key=lambda statement: (-statement.weight, statement.id))),
        not_examined=tuple(gaps((_missed(each, each.weight / total if total else 0.0) for each in unread), weigh_by)),
        unread_weight=unread_weight,
        identities=identities,
        weigh_by=weigh_by,
    )


def _missed(statement: UnparsedStatement, share_of_time: float) -> Missed:
    return Missed(id=statement.id, text=statement.text, share_of_time=share_of_time, reason=statement.reason)


def parse_recorded(snapshot: Snapshot, weigh_by: Weight = "time") -> Iterator[Read]:
    """Read each entry of pg_stat_statements that a snapshot holds, in the order of the snapshot.

    A statement that carries a query which is recorded as nested in it is left out.
    """
    paths, nested_ms, keys = SearchPaths(snapshot), nested_times(snapshot), JsonKeys(snapshot)
    read = [
        (entry, _recorded(entry, paths, keys, nested_ms[at], weigh_by)) for at, entry in enumerate(snapshot.statements)
    ]
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
    entry: StatementCounters, paths: SearchPaths, keys: JsonKeys, nested_ms: float, weigh_by: Weight
) -> Statement | UnparsedStatement:
    per_call = entry.rows / entry.calls if entry.calls > 0 else None
    blocks = entry.shared_blocks_hit + entry.shared_blocks_read
    weight = weight_of(weigh_by, calls=entry.calls, total_ms=entry.total_ms, nested_ms=nested_ms, blocks=blocks)
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
        blocks=blocks,
        weigh_by=weigh_by,
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
