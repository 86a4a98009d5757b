"""What statements cost without some of the indexes that exist, asked of the twin as seldom as will tell.

A plan that reads none of the indexes that are taken away beyond those it was made without stays the same plan.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from analyzer.advise.benefit import Costs, ExecutionCost, PricedStatement, statement_cost
from analyzer.advise.cost import CostModel
from analyzer.advise.plan_cache import Configuration
from analyzer.advise.question import Question
from analyzer.documents.snapshot import Index
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import ident
from analyzer.twin.pool import run_alone
from analyzer.twin.twin import Plan, Twin
from analyzer.workload.parse import Statement

Hidden = frozenset[QualifiedName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a statement costs, and the names of the indexes that its plans read."""

    costs: Costs
    names: frozenset[str]
    #: Of the indexes that may be taken away, those that its plans rest on.
    needed: Hidden


def _ask(twin: Twin, question: Question) -> ExecutionCost | None:
    """Price a statement on a twin or a copy of it; None where it cannot be planned so."""
    shown = [twin.added[place] for place in question.visible]
    twin.show(shown, without=question.without, tables=question.tables)
    try:
        return statement_cost(twin, question.execution, shown)
    except psycopg.Error:
        return None


class PlansWithout:
    """The plans of statements with some added indexes, as some that exist are taken away."""

    def __init__(self, model: CostModel, added: Configuration, trees: Mapping[QualifiedName, Sequence[Index]]) -> None:
        """Take away what `trees` name, each with the parts that a partitioned index has."""
        self._model = model
        self._added = added - model.unusable
        self._tables = {name: tree[0].definition.full_table for name, tree in trees.items()}
        self._definitions = {name: tree[0].definition for name, tree in trees.items()}
        self._named: dict[str, set[QualifiedName]] = {}
        for name, tree in trees.items():
            for each in tree:
                self._named.setdefault(each.definition.name, set()).add(name)
        self._by_table: dict[QualifiedName, list[QualifiedName]] = {}
        for name, table in self._tables.items():
            self._by_table.setdefault(table, []).append(name)
        #: Places of the added indexes in the twin's list, by table.
        self._places: dict[QualifiedName, list[int]] = {}
        for place, each in enumerate(model.twin.added):
            if each in self._added:
                self._places.setdefault(each.index.full_table, []).append(place)
        self._answers: dict[Statement, dict[Hidden, Answer | None]] = {}

    def learn(self, items: Iterable[PricedStatement], hidden: Hidden) -> None:
        """Plan what is not known yet, in parallel where the model has a pool."""
        model, unknown = self._model, [item for item in items if self._find(item, hidden) is _UNKNOWN]

        def one(item: PricedStatement) -> Generator[Question, ExecutionCost | None]:
            found = yield self._question(item, hidden)
            self._keep(item, self._own(item, hidden), found)

        chains = [one(item) for item in unknown]
        if model.pool is None:
            run_alone(model.twin, _ask, chains)
        else:
            model.pool.run(_ask, chains)

    def answer(self, item: PricedStatement, hidden: Hidden) -> Answer | None:
        """Return what is known, which `learn` has found out; None for what cannot be planned so."""
        found = self._find(item, hidden)
        if found is _UNKNOWN:
            self.learn([item], hidden)
            found = self._find(item, hidden)
        return found if isinstance(found, Answer) else None

    def plan(self, item: PricedStatement, hidden: Hidden) -> Plan:
        """Return the plan to show to people."""
        question = self._question(item, hidden)
        twin, query = self._model.twin, item.execution.queries[0]
        twin.show([twin.added[place] for place in question.visible], without=question.without, tables=item.tables)
        return twin.plan(query.text, generic=query.generic, search_path=item.execution.search_path)

    def _own(self, item: PricedStatement, hidden: Hidden) -> Hidden:
        return hidden if item.tables is None else hidden.intersection(self._names_of(item))

    def _names_of(self, item: PricedStatement) -> Iterator[QualifiedName]:
        """Yield the indexes that may be taken away of the tables of a statement."""
        tables = self._by_table if item.tables is None else item.tables
        return (name for table in tables for name in self._by_table.get(table, ()))

    def _find(self, item: PricedStatement, hidden: Hidden) -> "Answer | _Unknown | None":
        own = self._own(item, hidden)
        known = self._answers.get(item.statement, {})
        if own in known:
            return known[own]
        for without, answer in known.items():
            if answer is not None and without <= own and answer.needed.isdisjoint(own - without):
                return answer
        return _UNKNOWN

    def _keep(self, item: PricedStatement, hidden: Hidden, found: ExecutionCost | None) -> None:
        answer = None
        if found is not None:
            read = frozenset[QualifiedName]().union(*(self._named.get(name, ()) for name in found.indexes))
            noticed = {name for name in self._names_of(item) if self._model.notices(item, self._definitions[name])}
            answer = Answer(costs=found.costs, names=found.indexes, needed=(read | noticed) - hidden)
        self._answers.setdefault(item.statement, {})[hidden] = answer

    def _question(self, item: PricedStatement, hidden: Hidden) -> Question:
        tables = self._places if item.tables is None else item.tables
        return Question(
            execution=item.execution,
            tables=item.tables,
            visible=tuple(sorted(place for table in tables for place in self._places.get(table, ()))),
            without=tuple(ident(*name) for name in sorted(self._own(item, hidden))),
        )


class _Unknown:
    """Stands for what was not asked yet."""


_UNKNOWN = _Unknown()
