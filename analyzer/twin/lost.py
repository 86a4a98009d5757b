"""What of a snapshot the twin could not have, and which statements that keeps from being examined."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from analyzer.capture.snapshot import Index, Relation, Snapshot
from analyzer.lex import IncompleteError, Token, lex, significant


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A table that is missing, or something of a table's without which it may be planned otherwise."""

    #: Name of the table, view or foreign table, without its schema.
    table: str
    #: A statement that names the table is concerned when it names one of these too; all are when there are none.
    columns: frozenset[str] = frozenset()
    reason: str


def lost_relation(relation: Relation, reason: str) -> Lost:
    """Describe a relation that is missing."""
    return Lost(table=relation.name, reason=f"{relation.schema_name}.{relation.name}: {reason}")


def lost_index(index: Index, reason: str) -> Lost:
    """Describe an index that is missing: it could serve statements that name what it is about."""
    definition = index.definition
    columns = {key.column for key in definition.keys if key.column is not None}
    texts = [key.expression for key in definition.keys if key.expression] + (
        [definition.where] if definition.where else []
    )
    return Lost(
        table=definition.table,
        columns=frozenset(columns.union(*map(words, texts))),
        reason=f"the index {definition.schema}.{definition.name} may serve it, and {reason}",
    )


@lru_cache(maxsize=4096)
def words(text: str) -> frozenset[str]:
    """Return the names and keywords in SQL, unquoted and folded; nothing for text that cannot be read."""
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return frozenset()
    return frozenset(map(_name, tokens)) - {""}


def _name(token: Token) -> str:
    return token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.word


class Losses:
    """Tells which statements meet something that was lost."""

    def __init__(self, lost: Iterable[Lost], snapshot: Snapshot) -> None:
        self._lost = tuple(lost)
        self._views = view_words(snapshot)

    def obstacle(self, statement: str) -> str | None:
        """Say what a statement would need of what was lost; None when nothing."""
        if not self._lost:
            return None
        named = named_in(statement, self._views)
        return next((each.reason for each in self._lost if _concerns(each, named)), None)


def _concerns(lost: Lost, named: frozenset[str]) -> bool:
    return lost.table in named and (not lost.columns or bool(lost.columns & named))


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
