"""Which names a statement holds, by itself and through the views, partitions and children it reads."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.lex import words


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
