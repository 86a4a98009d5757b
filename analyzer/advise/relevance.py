"""How an index that exists can matter to a statement's plan, told from the words of both."""

from collections.abc import Iterable, Iterator, Sequence

from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef
from analyzer.postgres.lex import words
from analyzer.twin.predict.key_statistics import named_columns
from analyzer.twin.schema.named import named_in, words_led_to


class Relevance:
    """What the statements on a snapshot's tables lead to by name."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._led_to = words_led_to(snapshot)
        self._functions = frozenset(function.name for function in snapshot.functions)
        #: Of each expression of an index, those that it reads.
        self._columns: dict[IndexDef, Sequence[frozenset[str]]] = {}
        #: By table: the words that plans on it can have without the statement's saying them.
        self._implied = {name: frozenset[str]().union(*map(words, texts)) for name, texts in self._texts()}

    def _texts(self) -> Iterator[tuple[str, list[str]]]:
        policies = {
            (each.schema_name, each.table): [text for policy in each.policies for text in (policy.using, policy.check)]
            for each in self._snapshot.row_security
        }
        for relation in self._snapshot.relations:
            texts = [column.default or "" for column in relation.columns if column.generated]
            texts += [text or "" for text in policies.get((relation.schema_name, relation.name), ())]
            if any(texts):
                yield relation.name, texts

    def named(self, texts: Iterable[str]) -> frozenset[str]:
        """Return all that some statements name, by themselves, through views, policies or generated columns."""
        found = frozenset[str]().union(*(named_in(text, self._led_to) for text in texts))
        return found.union(*(self._implied[name] for name in found & self._implied.keys()))

    def can_change(self, index: IndexDef, named: frozenset[str]) -> bool:
        """Say whether an index may change what the planner expects without being used.

        The planner uses uniqueness, and the statistics of an index's expression wherever the statement has that.
        """
        expressions = [key.expression for key in index.keys if key.expression is not None]
        if not expressions:
            return index.unique
        return any(named.issuperset(columns) for columns in self._read_by(index, expressions))

    def _read_by(self, index: IndexDef, expressions: Sequence[str]) -> Sequence[frozenset[str]]:
        """Return the columns that each expression of an index reads; none of a table that is not known."""
        if (known := self._columns.get(index)) is None:
            relation = self._snapshot.relation(index.schema, index.table)
            known = self._columns[index] = [
                frozenset(named_columns(each, relation) if relation is not None else ()) for each in expressions
            ]
        return known

    def is_unrelated(self, index: IndexDef, named: frozenset[str]) -> bool:
        """Say whether a statement names nothing of an index: no condition, order or join can be about it.

        It can only be read from end to end in its table's place, whatever the other indexes are. A function's body may
        name what its caller doesn't.
        """
        is_plain = index.where is None and all(key.column is not None for key in index.keys)
        columns = {*index.columns, *index.include}
        return is_plain and named.isdisjoint(columns) and named.isdisjoint(self._functions)
