"""Find the keys of JSON columns that a statement asks for where pg_stat_statements has replaced them by parameters.

`props ->> $1` is no expression of an index. Keys stand in the texts that were not normalised: of functions, views and
indexes, and of statements whose GROUP BY or ORDER BY keeps its constants.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.lex import IncompleteError, Token, lex, significant
from analyzer.sql import literal
from analyzer.workload.plannable import Edit, apply

#: The last one is that of a subscript, `props['brand']`.
_OPERATORS = frozenset({"->", "->>", "#>", "#>>", "["})
#: Keys that one parameter may stand for, the most frequent ones, and variants of one statement.
_MOST_KEYS, _MOST_VARIANTS = 8, 16
#: Characters of a key or a path.
_LONGEST_KEY = 200
#: Dollar-quoted bodies of functions, within each other.
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class _Path:
    """A column with the operators and the keys behind it, each a string or a parameter."""

    column: str
    operators: tuple[str, ...]
    keys: tuple[Token, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVariants:
    """What a statement with parameters for keys is with known ones."""

    texts: tuple[str, ...]
    #: Columns of whose keys nothing is known.
    unknown: tuple[str, ...]


class JsonKeys:
    """The keys that the texts of a snapshot name."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @cached_property
    def _known(self) -> Mapping[tuple[str, tuple[str, ...]], Counter[tuple[str, ...]]]:
        """Count the keys by column and operators."""
        found: defaultdict[tuple[str, tuple[str, ...]], Counter[tuple[str, ...]]] = defaultdict(Counter)
        for text in _texts(self._snapshot):
            for path in _paths(text, _DEEPEST):
                if all(key.kind == "string" and len(key.text) <= _LONGEST_KEY for key in path.keys):
                    found[path.column, path.operators][tuple(key.text for key in path.keys)] += 1
        return found

    def variants(self, text: str) -> KeyVariants:
        """Return the texts of a statement with known keys in the place of the parameters that stand for some."""
        paths = [path for path in _paths(text, 0) if any(key.kind == "parameter" for key in path.keys)]
        if not paths:
            return KeyVariants(texts=(), unknown=())
        found = [list(itertools.islice(self._fitting(path), _MOST_KEYS)) for path in paths]
        unknown = dict.fromkeys(path.column for path, keys in zip(paths, found, strict=True) if not keys)
        if unknown:
            return KeyVariants(texts=(), unknown=tuple(unknown))
        chosen = itertools.islice(itertools.product(*found), _MOST_VARIANTS)
        return KeyVariants(texts=tuple(dict.fromkeys(_filled(text, paths, keys) for keys in chosen)), unknown=())

    def _fitting(self, path: _Path) -> Iterator[tuple[str, ...]]:
        known = self._known.get((path.column, path.operators), Counter[tuple[str, ...]]())
        for keys, _ in sorted(known.items(), key=lambda each: (-each[1], each[0])):
            if all(asked.kind == "parameter" or asked.text == key for asked, key in zip(path.keys, keys, strict=True)):
                yield keys


def key_variant(text: str, values: Sequence[str | None]) -> str | None:
    """Return a statement with values of its parameters, from $1 on, in the place of those that stand for keys.

    None where no parameter does, or one of these has no value.
    """
    asked = [key for path in _paths(text, 0) for key in path.keys if key.kind == "parameter"]
    known = dict(enumerate(values, 1))
    found = [known.get(int(key.text[1:])) for key in asked]
    filled = [(key, value) for key, value in zip(asked, found, strict=True) if value is not None]
    if not asked or len(filled) < len(asked):
        return None
    return apply(text, [Edit(key.start, key.end, literal(value)) for key, value in filled])


def _filled(text: str, paths: Sequence[_Path], keys: Sequence[tuple[str, ...]]) -> str:
    edits = [
        Edit(asked.start, asked.end, key)
        for path, chosen in zip(paths, keys, strict=True)
        for asked, key in zip(path.keys, chosen, strict=True)
        if asked.kind == "parameter"
    ]
    return apply(text, edits)


def _texts(snapshot: Snapshot) -> Iterator[str]:
    yield from (each.definition for each in snapshot.functions)
    yield from (each.definition for each in snapshot.relations if each.definition is not None)
    for index in snapshot.indexes:
        yield from (key.expression for key in index.definition.keys if key.expression is not None)
        yield index.definition.where or ""
    for statistics in snapshot.extended_statistics:
        yield from statistics.expressions
    yield from (each.query for each in snapshot.statements)


def _paths(text: str, depth: int) -> Iterator[_Path]:
    if not any(operator in text for operator in ("->", "#>", "[")):
        return
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return
    at = 0
    while at < len(tokens):
        token = tokens[at]
        end = _end(tokens, at)
        if end > at + 1:
            steps = _steps(tokens[at + 1 : end])
            yield _Path(token.name, tuple(step[0].text for step in steps), tuple(step[1] for step in steps))
        elif depth and token.kind == "string" and token.text.startswith("$"):
            start = token.text.index("$", 1) + 1
            yield from _paths(token.text[start : len(token.text) - start], depth - 1)
        at = max(end, at + 1)


def _end(tokens: Sequence[Token], at: int) -> int:
    """Return the place behind a name and the operators and keys that follow it."""
    if not tokens[at].name or tokens[at].text.lower() == "array":
        return at
    end = following = at + 1
    while (
        following + 1 < len(tokens)
        and tokens[following].text in _OPERATORS
        and tokens[following + 1].kind in ("string", "parameter")
    ):
        behind = following + 2
        if tokens[behind : behind + 2] and tokens[behind].text == "::":  # as the server prints a key: 'brand'::text
            behind += 2
        if tokens[following].text == "[":
            if behind == len(tokens) or tokens[behind].text != "]":  # a slice
                break
            behind += 1
        following = end = behind
        while following < len(tokens) and tokens[following].text == ")":  # and a path: (props -> 'a') -> 'b'
            following += 1
    return end


def _steps(tokens: Iterable[Token]) -> list[tuple[Token, Token]]:
    """Return the operators with their keys, without the casts of the keys."""
    listed = [token for token in tokens if token.text in _OPERATORS or token.kind in ("string", "parameter")]
    return list(zip(listed[::2], listed[1::2], strict=False))
