"""AutoAdmin: the best indexes of each statement alone, then greedily the best of these together, column by column.

S. Chaudhuri, V. Narasayya, "An efficient, cost-driven index selection tool for Microsoft SQL Server", VLDB 1997.
Candidates are what Greedy(m, k) chooses for each statement as a workload of its own; Greedy(m, k) over their union
chooses the set. Indexes of more columns begin with what was chosen of fewer (the paper's MC-LEAD). The bound is the
storage.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.cost import Configuration
from analyzer.twin.twin import TwinIndex
from benchmarks.baselines.problem import LEAST, Found, Problem, fits, size_of

#: Indexes that are chosen together, by trying all sets of so many; others one by one.
_TOGETHER = 2
#: Of a single statement.
_MOST_OF_STATEMENT = 6
_MOST = 200
#: Sets of two that are tried at most, those of the indexes that are best alone.
_MOST_PAIRED = 30


def autoadmin(problem: Problem, budget_bytes: int | None, *, width: int = 2) -> Found:
    """Choose indexes of up to so many columns."""
    greedy = _Greedy(problem=problem, budget_bytes=budget_bytes)
    candidates = problem.candidates.of_width(1)
    found: Configuration = frozenset()
    for columns in range(1, width + 1):
        useful = dict.fromkeys(
            index
            for item in problem.statements
            for index in greedy.of_statement(item, _admissible(problem, item, candidates, columns))
        )
        pool = problem.ordered(found.union(useful))
        found = greedy.of_all(pool)
        if problem.is_late:
            break
        candidates = [
            *pool,
            *itertools.chain.from_iterable(map(problem.candidates.longer, _of_width(problem, found, columns))),
        ]
    return Found(chosen=problem.ordered(found), complete=not problem.is_late)


def _of_width(problem: Problem, indexes: Configuration, width: int) -> list[TwinIndex]:
    return [index for index in problem.ordered(indexes) if len(problem.candidates.columns(index)[1]) == width]


def _admissible(
    problem: Problem, item: PricedStatement, candidates: Sequence[TwinIndex], width: int
) -> list[TwinIndex]:
    """Return the candidates whose columns are all relevant to a statement."""
    own = set(problem.candidates.of_statement(item, width))
    return [index for index in dict.fromkeys(candidates) if index in own]


#: By how much one set is cheaper than another.
_Saving = Callable[[Configuration, Configuration], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Greedy:
    """Greedy(m, k): the best of all sets of m indexes, then one by one what saves most, up to k."""

    problem: Problem
    budget_bytes: int | None

    def of_all(self, candidates: Sequence[TwinIndex]) -> Configuration:
        """Choose for the whole workload."""
        total = self.problem.total(frozenset())
        return self._chosen(candidates, self.problem.saving, least=LEAST * total, most=_MOST)

    def of_statement(self, item: PricedStatement, candidates: Sequence[TwinIndex]) -> Configuration:
        """Choose for one statement."""

        def saving(before: Configuration, after: Configuration) -> float:
            return self.problem.cost(item, before) - self.problem.cost(item, after)

        total = self.problem.cost(item, frozenset())
        return self._chosen(candidates, saving, least=LEAST * total, most=_MOST_OF_STATEMENT)

    def _chosen(self, candidates: Sequence[TwinIndex], saving: _Saving, *, least: float, most: int) -> Configuration:
        nothing: Configuration = frozenset()
        fitting = [index for index in candidates if fits(index.size_bytes, self.budget_bytes)]
        alone = {index: saving(nothing, frozenset({index})) for index in fitting if not self.problem.is_late}
        chosen = self._seed(alone, saving, least)
        while chosen and len(chosen) < most and not self.problem.is_late:
            added = [each for each in alone if each not in chosen and self._fits(chosen | {each})]
            values = {each: saving(chosen, chosen | {each}) for each in added if not self.problem.is_late}
            index = min(values, key=lambda each: (-values[each], self.problem.candidates.columns(each)), default=None)
            if index is None or values[index] <= least:
                break
            chosen |= {index}
        return chosen

    def _seed(self, alone: Mapping[TwinIndex, float], saving: _Saving, least: float) -> Configuration:
        first = sorted(alone, key=lambda each: (-alone[each], self.problem.candidates.columns(each)))[:_MOST_PAIRED]
        chosen: Configuration = frozenset()
        best = least
        for size in range(1, _TOGETHER + 1):
            for several in map(frozenset, itertools.combinations(first, size)):
                if not self.problem.is_late and self._fits(several):
                    value = saving(frozenset(), several)
                    if value > best:
                        chosen, best = several, value
        return chosen

    def _fits(self, indexes: Configuration) -> bool:
        return fits(size_of(indexes), self.budget_bytes)
