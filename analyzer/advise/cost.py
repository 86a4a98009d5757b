"""What the workload costs under a configuration of indexes, asked of the twin and remembered."""

import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import psycopg

from analyzer.advise.benefit import (
    Change,
    Costs,
    PricedStatement,
    recorded_cost,
    saving,
    statement_cost,
)
from analyzer.advise.integer_program import KnownPlan
from analyzer.advise.ledger import Ledger
from analyzer.advise.plan_cache import Answer, Configuration, PlanCache
from analyzer.advise.question import Question
from analyzer.advise.relevance import Relevance
from analyzer.advise.upkeep import of_existing
from analyzer.advise.write_costs import Upkeep, WriteCosts
from analyzer.documents.snapshot import Index
from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import QualifiedName
from analyzer.twin.pool import TwinPool, run_alone
from analyzer.twin.schema.function_bodies import NO_BODY
from analyzer.twin.twin import Plan, Twin, TwinIndex
from analyzer.workload.parse import Statement

#: Of all statements together: sets of candidates without one that was used.
_MOST_OTHERS = 500
#: Of all statements together: indexes of other statements.
_MOST_ALONE = 3_000
#: The part of the largest index used that the next ones may have; a larger one takes more plans.
_SMALLER = 0.5


#: A table, and what an index of it begins with.
_Start = tuple[QualifiedName, str]


def _start(index: TwinIndex) -> _Start:
    key = index.index.keys[0]
    return index.index.full_table, key.column or key.expression or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """What came of it."""

    #: Places of the indexes that the plans read.
    read: tuple[int, ...]
    costs: Costs


def _plan(twin: Twin, question: Question) -> _Planned | None:
    """Ask a twin; None where one of the visible indexes has the planner run a function whose body the twin omits."""
    visible = [(place, twin.added[place]) for place in question.visible]
    shown = [index for _, index in visible]
    twin.show(shown, without=question.without, tables=question.tables)
    try:
        found = statement_cost(twin, question.execution, shown)
    except psycopg.Error as error:
        if error.sqlstate != NO_BODY or not shown:
            raise
        return None
    read = tuple(place for place, index in visible if not index.names.isdisjoint(found.indexes))
    return _Planned(read=read, costs=found.costs)


@dataclass(slots=True)
class CostModel:
    """Prices of statements under configurations; one at a time may ask."""

    twin: Twin
    statements: Sequence[PricedStatement]
    #: Indexes that are taken for granted: declared, not yet deployed.
    base: Configuration = frozenset()
    #: Existing indexes that are done without, as `schema.name`.
    without: tuple[str, ...] = ()
    #: What is going to be asked about; of these, what a statement has nothing to do with is looked at once.
    candidates: Configuration = frozenset()
    #: What cannot be priced: with it the planner would run a function whose body the twin omits.
    unusable: set[TwinIndex] = field(default_factory=set["TwinIndex"])
    #: Copies of the twin, to prepare answers on.
    pool: TwinPool | None = None
    #: Whether the snapshot recorded the statements, so that its counters of tables are of the same time.
    recorded: bool = False
    #: By the identity of each statement: to hash one takes longer than all the rest of a look-up.
    _answers: dict[int, PlanCache] = field(default_factory=dict[int, PlanCache])
    _relevance: Relevance = field(init=False)
    _write_costs: WriteCosts = field(init=False)
    #: What each statement names.
    _words: dict[int, frozenset[str]] = field(default_factory=dict[int, frozenset[str]])
    #: Of an index among the twin's.
    _places: dict[TwinIndex, int] = field(default_factory=dict[TwinIndex, int])
    _by_table: dict[QualifiedName, list[TwinIndex]] = field(default_factory=dict[QualifiedName, list[TwinIndex]])
    #: By the tables of a statement: the twin's indexes of these, and the base's among them.
    _own: dict[frozenset[QualifiedName], tuple[Configuration, Configuration]] = field(
        default_factory=dict[frozenset[QualifiedName], tuple[Configuration, Configuration]]
    )
    _ledger: Ledger | None = None
    #: Costs of a query under a configuration that were asked for, and how many the planner was asked for them.
    answered: int = 0
    questions: int = 0

    def __post_init__(self) -> None:
        self._relevance = Relevance(self.twin.snapshot)
        self._write_costs = WriteCosts(
            self.twin.snapshot,
            [(item.statement, item.shape) for item in self.statements if item.shape is not None],
            base=self.base,
            recorded=self.recorded,
        )

    def total(self, configuration: Configuration) -> float:
        """Return the cost of the whole workload: the sum over statements of calls times cost, or as weighed."""
        ledger = self._current()
        places = range(len(self.statements))
        if ledger.configuration is not None:
            places = ledger.places(configuration ^ ledger.configuration)
        ledger.configuration = None  # until all of it is known
        for place in places:
            ledger.costs[place] = self._recorded(self.statements[place], configuration)
        if ledger is not self._current():  # an index turned out to be unusable
            return self.total(configuration)
        ledger.configuration = configuration
        return sum(ledger.costs)

    def _recorded(self, item: PricedStatement, configuration: Configuration) -> float:
        return recorded_cost(item, self.cost(item, configuration))

    def _current(self) -> Ledger:
        """Return what was worked out for these statements, of which nothing holds when another index is unusable."""
        known, unusable = self._ledger, len(self.unusable)
        if known is None or known.statements is not self.statements or known.unusable != unusable:
            known = self._ledger = Ledger(self.statements, unusable)
        return known

    def weigh(self, shares: Mapping[Statement, float]) -> None:
        """Divide the cost of the workload, as things are, among its statements by their shares instead of calls."""
        costs = [self.cost(item, frozenset()) for item in self.statements]
        total = self.total(frozenset())
        whole = sum(shares[item.statement] for item in self.statements)
        self.statements = [
            replace(item, factor=shares[item.statement] / whole * total / cost if cost and whole else 0.0)
            for item, cost in zip(self.statements, costs, strict=True)
        ]

    def affected(self, table: QualifiedName) -> list[PricedStatement]:
        """Return the statements to which an index of that table can matter."""
        return [self.statements[place] for place in self._current().affected(table)]

    def cost(self, item: PricedStatement, configuration: Configuration) -> float:
        """Return the cost of one execution, foreign-key triggers included."""
        return sum(self.costs(item, configuration))

    def costs(self, item: PricedStatement, configuration: Configuration) -> Costs:
        """Return the cost of one execution in parts: the statement itself, then each of its foreign-key triggers."""
        self.answered += len(item.execution.asked)
        relevant = self._relevant(item, configuration)
        known = self._known(item)
        if (costs := known.find(relevant)) is None:
            run_alone(self.twin, _plan, [self._asking(item, configuration)])
            costs = known.find(relevant - self.unusable)
        assert costs is not None  # noqa: S101 - just settled
        return costs

    def changes(self, index: TwinIndex, configuration: Configuration) -> Iterator[Change]:
        """Yield what an index, added to a configuration, does to each statement that it can matter to."""
        larger = configuration | {index}
        for item in self.affected(index.index.full_table):
            yield Change(item=item, before=self.costs(item, configuration), after=self.costs(item, larger))

    def notices(self, item: PricedStatement, index: IndexDef) -> bool:
        """Say whether an index may change what the planner expects of a statement that does not read it."""
        return self._relevance.can_change(index, self._named(item))

    def saving(self, index: TwinIndex, configuration: Configuration) -> float:
        """Return what adding an index to a configuration saves, its upkeep deducted."""
        ledger = self._current()
        key = index, self._around(index.index.full_table, configuration, ledger)
        if (known := ledger.savings.get(key)) is None:
            known = saving(self.changes(index, configuration), self.upkeep(index, configuration))
            ledger.savings[key] = known
        return known

    def _around(self, table: QualifiedName, configuration: Configuration, ledger: Ledger) -> Configuration:
        """Return the part of a configuration that is about the tables of the statements which read or change one."""
        tables = ledger.around(table)
        return configuration if tables is None else configuration & self._of(tables)[0]

    def prepare(self, configurations: Sequence[Configuration], *, deadline: float = math.inf) -> None:
        """Find out what every statement costs under some configurations, side by side where there is a pool.

        It ends early when time.monotonic() reaches the deadline.
        """
        if not configurations:
            return
        ledger = self._current()
        asked = ledger.turns(configurations)
        self._run([self._each(self.statements[place], some, deadline) for place, some in asked.items()])
        if time.monotonic() < deadline and ledger is self._current():
            ledger.prepared = configurations[-1]

    def _run(self, chains: Sequence[Generator[Question, _Planned | None]]) -> None:
        if self.pool is None:
            run_alone(self.twin, _plan, chains)
        else:
            self.pool.run(_plan, chains)

    def explore(self, candidates: Configuration, *, deadline: float = math.inf) -> None:
        """Find out which plans each statement has: with all candidates, and then with smaller and smaller ones.

        What is more than half as large as the largest index that the last plan uses is left out next, until none is
        used. Then it is asked what takes the place of each index that was used on the way.
        """
        self._run([self._exploring(item, candidates, deadline) for item in self.statements])

    def _exploring(
        self, item: PricedStatement, candidates: Configuration, deadline: float
    ) -> Generator[Question, _Planned | None]:
        known, base = self._known(item), self._relevant(item, frozenset())
        visible = self._relevant(item, candidates)
        others: list[Configuration] = []
        while time.monotonic() < deadline:
            yield from self._asking(item, visible)
            visible -= self.unusable
            read = sorted(known.read(visible) - base, key=self._places.__getitem__)
            if not read:
                break
            yield from self._asking(item, base.union(read))
            others += [visible - {index} for index in read]
            most = _SMALLER * max(index.size_bytes for index in read)
            visible = base.union(index for index in visible - base if index.size_bytes <= most)
        yield from self._each(item, others[: _MOST_OTHERS // len(self.statements)], deadline)

    def compare(self, *, deadline: float = math.inf) -> None:
        """Find out what each statement costs with one index that another statement uses, where it could read that too.

        It could if it uses another index of the table that begins with the same key.
        """
        if (most := _MOST_ALONE // max(1, len(self.statements))) == 0:
            return
        known = list(self.known_plans())
        worth: dict[TwinIndex, float] = {}
        for _, plans in known:
            best: dict[TwinIndex, float] = {}
            for plan in plans:
                for index in plan.uses:
                    best[index] = max(best.get(index, 0.0), plan.saving / math.sqrt(max(index.size_bytes, 1)))
            for index, saved in best.items():
                worth[index] = worth.get(index, 0.0) + saved
        by_start: dict[_Start, list[TwinIndex]] = {}
        for index in sorted(worth, key=lambda each: (-worth[each], self._places[each])):
            by_start.setdefault(_start(index), []).append(index)
        chains: list[Generator[Question, _Planned | None]] = []
        for item, plans in known:
            starts = dict.fromkeys(_start(index) for plan in plans for index in plan.uses)
            alike = sorted(
                (index for start in starts for index in by_start[start]),
                key=lambda each: (-worth[each], self._places[each]),
            )
            alone = [self.base | {index} for index in alike[:most]]
            chains.append(self._each(item, alone, deadline))
        self._run(chains)

    def _each(
        self, item: PricedStatement, configurations: Sequence[Configuration], deadline: float
    ) -> Generator[Question, _Planned | None]:
        for relevant in dict.fromkeys(self._relevant(item, each) for each in configurations):
            if time.monotonic() < deadline:
                yield from self._asking(item, relevant)

    def _asking(self, item: PricedStatement, configuration: Configuration) -> Generator[Question, _Planned | None]:
        """Yield what is to be planned until the costs of a statement under a configuration are known."""
        known = self._known(item)
        while known.find(wanted := self._relevant(item, configuration)) is None:
            visible = known.shown(wanted) - self.unusable
            if (planned := (yield self._question(item, visible))) is None:
                yield from self._set_aside(item, sorted(visible, key=self._places.__getitem__))
            else:
                self._learn(item, visible, planned)

    def read(self, candidates: Configuration) -> Configuration:
        """Return what the plans read with all candidates there, as far as they have been explored."""
        found = (self._known(item).read(self._relevant(item, candidates)) for item in self.statements)
        return frozenset[TwinIndex]().union(*found)

    def total_without_base(self) -> float:
        """Return the cost of the whole workload without what is taken for granted."""
        if not self.base:
            return self.total(frozenset())
        bare = CostModel(
            twin=self.twin, statements=self.statements, without=self.without, candidates=self.base, pool=self.pool
        )
        bare.prepare([frozenset()])
        return bare.total(frozenset())

    def known_plans(self) -> Iterator[tuple[PricedStatement, list[KnownPlan]]]:
        """Yield each statement with the known plans of it that save something against that without any index."""
        for place, item in enumerate(self.statements):
            before, ledger, answers = self.cost(item, frozenset()), self._current(), self._known(item)
            listed = ledger.plans.get(place)
            if listed is None or listed[0] != answers.learned:
                plans = [
                    KnownPlan(uses=plan.used - self.base, saving=recorded_cost(item, before - sum(plan.costs)))
                    for plan in answers.plans()
                    if sum(plan.costs) < before and plan.used.isdisjoint(self.unusable)
                ]
                listed = ledger.plans[place] = answers.learned, plans
            yield item, listed[1]

    def _set_aside(self, item: PricedStatement, visible: Sequence[TwinIndex]) -> Generator[Question, _Planned | None]:
        """Find out which of the visible indexes a statement cannot be planned with."""
        known, waiting = len(self.unusable), [visible]
        while waiting:
            some = waiting.pop()
            if (yield self._question(item, frozenset(some))) is None:
                if len(some) == 1:
                    self.unusable.update(some)
                else:
                    waiting += some[: len(some) // 2], some[len(some) // 2 :]
        if len(self.unusable) == known:
            self.unusable.update(visible)  # none alone

    def _known(self, item: PricedStatement) -> PlanCache:
        if (known := self._answers.get(id(item.statement))) is None:
            known = self._answers[id(item.statement)] = self._nothing_known(item)
        return known

    def _nothing_known(self, item: PricedStatement) -> PlanCache:
        base = self._relevant(item, frozenset())
        if item.tables is None:
            return PlanCache(base, frozenset())
        named, candidates = self._named(item), self._relevant(item, self.candidates) - base
        is_unrelated = self._relevance.is_unrelated
        return PlanCache(base, frozenset(each for each in candidates if is_unrelated(each.index, named)))

    def _learn(self, item: PricedStatement, visible: Configuration, planned: _Planned) -> None:
        self.questions += len(item.execution.asked)
        read, named = frozenset(self.twin.added[place] for place in planned.read), self._named(item)
        used = read | {each for each in visible if self._relevance.can_change(each.index, named)}
        self._known(item).learn(Answer(read=read, used=used, visible=visible, costs=planned.costs))

    def _question(self, item: PricedStatement, visible: Configuration) -> Question:
        self._look_at_added()
        return Question(
            execution=item.execution,
            tables=item.tables,
            visible=tuple(sorted(self._places[each] for each in visible)),
            without=self.without,
        )

    def _named(self, item: PricedStatement) -> frozenset[str]:
        if (named := self._words.get(id(item.statement))) is None:
            named = self._words[id(item.statement)] = self._relevance.named(
                query.text for query in item.execution.asked
            )
        return named

    def plan(self, item: PricedStatement, configuration: Configuration) -> Plan:
        """Return the plan to show to people: the generic one, or of the first binding where that is what is priced."""
        self.twin.show(self._relevant(item, configuration), without=self.without, tables=item.tables)
        query = item.execution.queries[0]
        return self.twin.plan(query.text, generic=query.generic, search_path=item.execution.search_path)

    def upkeep(self, index: TwinIndex, beside: Configuration) -> float:
        """Return what the workload's own writes pay for an index on top of the existing ones and those beside it."""
        return self._write_costs.cost(index, beside - self.base)

    def upkeep_of_existing(self, index: Index, beside: Configuration) -> float:
        """Return what the workload's own writes pay for the entries of an index that exists."""
        relation = self.twin.snapshot.relation(*index.definition.full_table)
        return 0.0 if relation is None else self.upkeep(of_existing(index, relation), beside)

    def upkeep_of(self, chosen: Configuration) -> float:
        """Return what the workload's own writes pay for a set of indexes."""
        return self._write_costs.total(chosen - self.base)

    def upkeep_in_detail(self, index: TwinIndex, beside: Configuration) -> Upkeep:
        """Return all that an index costs writers on top of the existing ones and those beside it."""
        return self._write_costs.upkeep(index, beside - self.base)

    def existing(self, table: QualifiedName) -> int:
        """Return how many indexes a table has, those taken for granted included."""
        declared = sum(each.index.full_table == table for each in self.base)
        return sum(each.valid for each in self.twin.catalog.indexes_of(table)) + declared

    def _relevant(self, item: PricedStatement, configuration: Configuration) -> Configuration:
        """Return the part of a configuration, with the base, that is about the tables of a statement."""
        if item.tables is None:
            return (self.base | configuration) - self.unusable
        own, base = self._of(item.tables)
        return (base | (configuration & own)) - self.unusable

    def _of(self, tables: frozenset[QualifiedName]) -> tuple[Configuration, Configuration]:
        """Return the twin's indexes of some tables, and the base's among them."""
        self._look_at_added()
        if (known := self._own.get(tables)) is None:
            own = frozenset(each for table in tables for each in self._by_table.get(table, ()))
            known = self._own[tables] = own, self.base & own
        return known

    def _look_at_added(self) -> None:
        """Take note of indexes that were added to the twin since."""
        added = self.twin.added
        if len(added) > len(self._places):
            self._own.clear()
            for each in added[len(self._places) :]:
                self._by_table.setdefault(each.index.full_table, []).append(each)
            self._places |= {added[place]: place for place in range(len(self._places), len(added))}
