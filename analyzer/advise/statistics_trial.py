"""Plan statements with and without extended statistics, as often as may be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.statistics_evidence import Probe, structure
from analyzer.documents.measured import ExtendedStatistics
from analyzer.postgres.identifiers import QualifiedName
from analyzer.twin.twin import Asked, Plan, Twin
from analyzer.workload.parse import Statement

T = TypeVar("T")

#: Values of a statement that it is planned with, and statements of a table.
_MOST_BINDINGS = 4
_MOST_STATEMENTS = 300
#: Plans of all.
MOST_QUESTIONS = 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPlan:
    """What extended statistics do to one statement."""

    item: PricedStatement
    plan_before: Plan
    plan_after: Plan
    #: The estimate that moves most; None where none could be asked for alone.
    probe: Probe | None = None


class ExhaustedError(Exception):
    """The planner has been asked as often as it may be."""


@dataclass(slots=True, kw_only=True)
class Trial:
    """Plans of the statements with extended statistics, those that were kept among them."""

    twin: Twin
    priced: Sequence[PricedStatement]
    kept: list[ExtendedStatistics] = field(default_factory=list["ExtendedStatistics"])
    left: int = MOST_QUESTIONS
    _current: dict[Statement, tuple[Plan, ...]] = field(default_factory=dict[Statement, tuple[Plan, ...]])

    def affected(self, table: QualifiedName) -> list[PricedStatement]:
        """Return the statements whose plans extended statistics of a table can change, the heaviest first."""
        found = [item for item in self.priced if item.tables is None or table in item.tables]
        return found[:_MOST_STATEMENTS]

    def beside(self, more: Sequence[ExtendedStatistics], ask: Callable[[], T]) -> T:
        """Ask while the planner sees some statistics beside those that were kept."""
        while True:
            self.twin.sampled.show([*self.kept, *more])
            answer = ask()
            if self.twin.sampled.is_settled:
                return answer

    def plans(self, item: PricedStatement) -> tuple[Plan, ...]:
        """Plan a statement, with each of its values; nothing where the server cannot."""
        queries = item.execution.queries[:_MOST_BINDINGS]
        self.left -= len(queries)
        if self.left < 0:
            raise ExhaustedError
        asked = [Asked(text=query.text, generic=query.generic) for query in queries]
        try:
            return self.twin.plan_all(asked, search_path=item.execution.search_path)
        except psycopg.Error:
            return ()

    def rows(self, text: str) -> float | None:
        """Return how many rows the planner expects of a query; None where the server rejects it."""
        self.left -= 1
        try:
            return self.twin.plan(text).rows
        except psycopg.Error:
            return None

    def current(self, items: Sequence[PricedStatement]) -> Mapping[Statement, tuple[Plan, ...]]:
        """Return the plans with the statistics that were kept."""
        missing = [item for item in items if item.statement not in self._current]
        if missing:
            self._current |= self.beside((), lambda: {item.statement: self.plans(item) for item in missing})
        return self._current

    def changed(self, items: Sequence[PricedStatement], more: ExtendedStatistics) -> list[ChangedPlan]:
        """Return the statements one of whose plans differs with some statistics."""
        before = self.current(items)
        after = self.beside((more,), lambda: {item.statement: self.plans(item) for item in items})
        found: list[ChangedPlan] = []
        for item in items:
            for old, new in zip(before[item.statement], after[item.statement], strict=False):
                if structure(old.tree) != structure(new.tree):
                    found.append(ChangedPlan(item=item, plan_before=old, plan_after=new))
                    break
        return found

    def keep(self, statistics: ExtendedStatistics) -> None:
        """Plan with some statistics from now on."""
        self.kept.append(statistics)
        table = QualifiedName(statistics.table_schema, statistics.table)
        for item in self.affected(table):
            self._current.pop(item.statement, None)
