"""Count the time of statements that functions run once: it is in the time of the statement that calls the function too.

pg_stat_statements does not say which statement called which. The text of a nested one stands in the body of a function,
and those that name the function share its time.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from analyzer.documents.snapshot import FunctionDef, Snapshot, StatementCounters
from analyzer.postgres.lex import IncompleteError, Token, lex, significant, words

#: Languages whose functions run the texts of their bodies.
_LANGUAGES = frozenset({"plpgsql", "sql"})
#: Strings within a body that are read as SQL of their own, such as that of EXECUTE: what is shorter is a constant.
_SHORTEST_QUERY = 12
_CONSTANTS = frozenset({"string", "number", "parameter"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """What a function, or a DO statement, runs."""

    #: None for a DO statement, which is its own caller.
    function: str | None
    caller: int | None
    outline: str


class _Holders:
    """The bodies that statements can stand in."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @cached_property
    def bodies(self) -> Sequence[_Body]:
        functions = (each for each in self._snapshot.functions if each.language in _LANGUAGES)
        own = [_Body(function=each.name, caller=None, outline=_of_function(each)) for each in functions]
        blocks = (
            _Body(function=None, caller=at, outline=_outlines(entry.query))
            for at, entry in enumerate(self._snapshot.statements)
            if entry.query.lstrip()[:2].lower() == "do"
        )
        return [*own, *blocks]

    def holding(self, query: str) -> list[_Body]:
        outline = _outline(query)
        return [body for body in self.bodies if outline and outline in body.outline]


def nested_times(snapshot: Snapshot) -> Mapping[int, float]:
    """Return how many ms of each entry, by its place, are those of nested entries."""
    entries = snapshot.statements
    holders, found = _Holders(snapshot), defaultdict[int, float](float)
    for at, entry in enumerate(entries):
        if entry.toplevel:
            continue
        holding = holders.holding(entry.query)
        callers = {body.caller for body in holding if body.caller is not None}
        callers |= _calling({body.function for body in holding if body.function is not None}, holders, entries) - {at}
        total = math.fsum(entries[caller].total_ms for caller in callers)
        for caller in callers if total else ():
            found[caller] += entry.total_ms * entries[caller].total_ms / total
    return found


def _calling(functions: Collection[str], holders: _Holders, entries: Sequence[StatementCounters]) -> set[int]:
    """Return the entries that name a function; where none does, those that name one which calls it."""
    named, seen = set(functions), set(functions)
    while named:
        callers = {at for at, entry in enumerate(entries) if not named.isdisjoint(words(entry.query))}
        if callers:
            return callers
        named = {
            body.function
            for body in holders.bodies
            if body.function is not None and not named.isdisjoint(body.outline.split(" "))
        } - seen
        seen |= named
    return set()


def _of_function(function: FunctionDef) -> str:
    return _outlines(function.definition)


def _outlines(text: str) -> str:
    """Return the outline of a text, and of what its strings hold."""
    return " ; ".join(_every_outline(text))


def _every_outline(text: str) -> Iterator[str]:
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return
    yield _words(tokens)
    for token in tokens:
        if token.kind == "string" and len(token.text) > _SHORTEST_QUERY:
            yield from _every_outline(_content(token.text))


def _content(string: str) -> str:
    """Return what a string holds, its doubled quotes as one."""
    if string.startswith("$"):
        start = string.index("$", 1) + 1
        return string[start : len(string) - start]
    return string[string.index("'") + 1 : -1].replace("''", "'")


def _outline(text: str) -> str:
    try:
        return _words(significant(lex(text.rstrip().rstrip(";"))))
    except IncompleteError:
        return ""


def _words(tokens: Sequence[Token]) -> str:
    """Return a text as PL/pgSQL hands it to the server: without its INTO, a PERFORM as a SELECT, constants alike."""
    found: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.word == "into" and (not found or found[-1] not in ("insert", "merge")):
            at = _behind_targets(tokens, at + 1)
            continue
        is_constant = token.kind in _CONSTANTS
        found.append("?" if is_constant else "select" if token.word == "perform" else token.name or token.text)
        at += 1
    return " ".join(found)


def _behind_targets(tokens: Sequence[Token], at: int) -> int:
    """Return the place behind `[STRICT] target [, …]`."""
    if at < len(tokens) and tokens[at].word == "strict":
        at += 1
    at += 1
    while at + 1 < len(tokens) and tokens[at].text in (",", "."):
        at += 2
    return at
