"""What of a snapshot the twin could not have, and which statements that keeps from being examined."""

from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.documents.snapshot import Index, Relation, Snapshot
from analyzer.postgres.lex import words
from analyzer.twin.schema.named import named_in, view_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A table that is missing, or something of a table's without which it may be planned otherwise."""

    #: Name of the table, view or foreign table, without its schema.
    table: str
    #: A statement that names the table is concerned when it names one of these too; without any, all are.
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
        reason=f"the index {definition.schema}.{definition.name} may be used by it, and {reason}",
    )


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
