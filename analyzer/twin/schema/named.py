"""Which names a statement holds, by itself and through the views it reads."""

from collections.abc import Iterator

from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.lex import words


def view_words(snapshot: Snapshot) -> dict[str, frozenset[str]]:
    """Return the names in each view's definition, by its name."""
    views = (relation for relation in snapshot.relations if relation.kind == "v")
    return {view.name: words(view.definition or "") for view in views}


def named_in(statement: str, views: dict[str, frozenset[str]]) -> frozenset[str]:
    """Return all a statement names, by itself or through views."""
    named = words(statement)
    while more := frozenset(_through(named, views)) - named:
        named |= more
    return named


def _through(named: frozenset[str], views: dict[str, frozenset[str]]) -> Iterator[str]:
    for view in named & views.keys():
        yield from views[view]
