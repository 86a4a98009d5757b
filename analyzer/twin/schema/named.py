"""Which names a statement holds, by itself and through the views, partitions and children it reads."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.lex import IncompleteError, lex, significant, words

_WORD = re.compile(r"[^\W\d]\w*")
_OPENING = re.compile(r"(?:[a-zA-Z]|[uU]&)?'|\$\w*\$")

#: Strings within strings that are read as SQL.
_DEEPEST = 20


class Mention(NamedTuple):
    """A name in a text, with what stands before its dot."""

    qualifier: str | None
    name: str


def words_led_to(snapshot: Snapshot) -> dict[str, frozenset[str]]:
    """Return the names in a view's definition, and those of a table's partitions or children, by its name."""
    found: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    for relation in snapshot.relations:
        if relation.kind == "v":
            found[relation.name] |= words(relation.definition or "")
        for _, parent in relation.parents:
            found[parent] |= {relation.name}
    return dict(found)


def named_in(statement: str, led_to: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return all a statement names, by itself or through what it names."""
    named = words(statement)
    while more := frozenset(_through(named, led_to)) - named:
        named |= more
    return named


def _through(named: frozenset[str], led_to: Mapping[str, frozenset[str]]) -> Iterator[str]:
    for name in named & led_to.keys():
        yield from led_to[name]


def mentions(text: str, depth: int = _DEEPEST) -> Iterator[Mention]:
    """Yield the names in a text, in its strings too; of what cannot be read, or is deeper in strings, every word."""
    try:
        tokens = significant(lex(text)) if depth else None
    except IncompleteError:
        tokens = None
    if tokens is None:
        yield from (Mention(None, word) for found in _WORD.findall(text) for word in {found, found.lower()})
        return
    for at, token in enumerate(tokens):
        if token.kind == "string":
            opening = _OPENING.match(token.text)
            start = opening.end() if opening else 0
            end = len(token.text) - (1 if token.text.endswith("'") else start)
            yield from mentions(token.text[start:end], depth - 1)
        elif name := token.name:
            is_qualified = at > 1 and tokens[at - 1].text == "."
            yield Mention(tokens[at - 2].name if is_qualified else None, name)
