"""Count the time of statements that functions run once: it is in the time of the statement that calls the function too.

pg_stat_statements does not say which statement called which. The text of a nested one stands in the body of a function,
and those that name the function share its time.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.lex import IncompleteError, Token, lex, significant, words

#: Languages whose functions run the texts of their bodies.
_LANGUAGES = frozenset({"plpgsql", "sql"})
#: Strings within a body that are read as SQL of their own, such as that of EXECUTE: what is shorter is a constant.
_SHORTEST_QUERY = 12
#: Strings within each other that are read: the body, the text of an EXECUTE in it, and what that quotes.
_DEEPEST = 4
#: Bodies that are looked through for one statement.
_MOST_BODIES = 100
_CONSTANTS = frozenset({"string", "number", "parameter"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """What a function, or a DO statement, runs."""

    #: None for a DO statement, which is its own caller.
    function: str | None
    caller: int | None
    outline: str


class _Bodies:
    """The bodies that statements can stand in, and the entries and functions that name a function."""

    def __init__(self, snapshot: Snapshot) -> None:
        functions = [each for each in snapshot.functions if each.language in _LANGUAGES]
        names = frozenset(each.name for each in functions)
        self._bodies = [
            *(_Body(function=each.name, caller=None, outline=_outlines(each.definition)) for each in functions),
            *(
                _Body(function=None, caller=at, outline=_outlines(entry.query))
                for at, entry in enumerate(snapshot.statements)
                if _outline(entry.query).startswith("do ")
            ),
        ]
        self._by_word: defaultdict[str, set[int]] = defaultdict(set)
        #: By the name of a function: the others that name it, and the entries.
        self._functions: defaultdict[str, set[str]] = defaultdict(set)
        self._entries: defaultdict[str, set[int]] = defaultdict(set)
        for place, body in enumerate(self._bodies):
            for word in set(body.outline.split(" ")):
                self._by_word[word].add(place)
                if word in names and body.function is not None and word != body.function:
                    self._functions[word].add(body.function)
        for at, entry in enumerate(snapshot.statements):
            for name in names & words(entry.query):
                self._entries[name].add(at)

    def callers(self, query: str) -> set[int]:
        """Return the entries that can have run a statement: by a function that they name, or one that calls it."""
        holding = self._holding(_outline(query))
        blocks = {body.caller for body in holding if body.caller is not None}
        return blocks | self._calling({body.function for body in holding if body.function is not None})

    def _holding(self, outline: str) -> list[_Body]:
        sought = [self._by_word.get(word, set[int]()) for word in set(outline.split(" "))]
        likely = sorted(min(sought, key=len)) if outline else []
        return [self._bodies[place] for place in likely[:_MOST_BODIES] if outline in self._bodies[place].outline]

    def _calling(self, functions: Collection[str]) -> set[int]:
        named, seen = set(functions), set(functions)
        while named:
            if found := set[int]().union(*(self._entries.get(name, ()) for name in named)):
                return found
            named = set[str]().union(*(self._functions.get(name, ()) for name in named)) - seen
            seen |= named
        return set()


def nested_times(snapshot: Snapshot) -> Sequence[float]:
    """Return how many ms of each entry of pg_stat_statements are those of nested ones."""
    entries = snapshot.statements
    found = [0.0] * len(entries)
    if all(entry.toplevel for entry in entries):
        return found
    bodies = _Bodies(snapshot)
    for at, entry in enumerate(entries):
        callers = set[int]() if entry.toplevel else bodies.callers(entry.query) - {at}
        total = math.fsum(entries[caller].total_ms for caller in callers)
        for caller in callers if total else ():
            found[caller] += entry.total_ms * entries[caller].total_ms / total
    return found


def _outlines(text: str) -> str:
    """Return the outline of a text, and of what its strings hold."""
    return " ; ".join(_every_outline(text, _DEEPEST))


def _every_outline(text: str, depth: int) -> Iterator[str]:
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return
    yield _words(tokens)
    for token in tokens:
        if depth and token.kind == "string" and len(token.text) > _SHORTEST_QUERY:
            yield from _every_outline(_content(token.text), depth - 1)


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
