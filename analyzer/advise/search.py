"""Search the best set of indexes: ask the integer program, plan what it chose and what is near, and ask again.

The program (`integer_program`) is exact about what it knows: the plan of each statement without any candidate, with all
of them, with some of those left out that it then uses, and with each alone. What it chooses is planned; indexes are
added to it and dropped from it one by one as long as that pays, which shows the program further plans, until its answer
stays.
"""

import dataclasses
import math

from analyzer.advise.benefit import LEAST_GAIN, recorded_cost
from analyzer.advise.integer_program import solve
from analyzer.advise.knee import least_prices, steeper_prices
from analyzer.advise.limits import Limits
from analyzer.advise.problem import LEAST, ROUGH_GAP, Problem
from analyzer.advise.redundancy import by_table, is_redundant
from analyzer.advise.single_moves import SingleMoves
from analyzer.progress import Progress
from analyzer.twin.twin import TwinIndex

#: The program is asked again so often at most.
_ROUNDS = 6
#: Before, it is asked what it would choose within so many times the budget.
_BEYOND = 4
#: And so often again without what turned out to make hardly anything cheaper.
_REFILLS = 2
#: So many indexes are tried in addition to those chosen, in each round.
_TRIED = 12
#: And so many of them at once, in which plans are found that use several.
_TOGETHER = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
#: Of the workload's cost, what a round has to save for a further one.
_LEAST_BETTER = 1e-3


class Search:
    """The best set so far, and how good any set could be."""

    def __init__(self, problem: Problem, progress: Progress) -> None:
        self._problem = problem
        self._progress = progress
        self._moves = SingleMoves(problem)
        self.chosen: frozenset[TwinIndex] = frozenset()
        #: What was chosen once, and made hardly anything cheaper.
        self.unnoticed: frozenset[TwinIndex] = frozenset()
        #: What no set is worth more than as far as plans are known.
        self._bound = 0.0

    def run(self) -> None:
        """Find the best set within the limits."""
        problem, limits = self._problem, self._problem.limits
        is_knee = limits.least_saving is None and limits.budget_bytes is None
        bare = problem.total
        if limits.least_saving is not None:
            problem.prices = dict.fromkeys(problem.candidates, limits.least_saving * problem.total)
        else:
            bare = problem.model.total_without_base()
            if (prices := least_prices(problem, bare)) is None:
                return
            problem.prices = prices
        if limits.budget_bytes is not None:
            self._look_beyond(dataclasses.replace(limits, budget_bytes=_BEYOND * limits.budget_bytes))
        for _ in range(1 + _REFILLS):
            # What they leave of a budget is for others.
            problem.open = [each for each in problem.open if each not in self.unnoticed]
            self._settle()
            if problem.is_over or not self._drop_unnoticed():
                break
        if is_knee and not problem.is_over:
            self._raise_prices(bare)

    def gap(self) -> float:
        """Return how much less the best set could cost, as a share of what the choice costs."""
        cost = self._problem.cost(self.chosen)
        return max(0.0, self._bound - self._problem.value(self.chosen)) / cost if cost else 0.0

    def _settle(self) -> None:
        """Ask the program until what it chooses is hardly better than the best set so far."""
        problem, best = self._problem, self._problem.value(self.chosen)
        for _ in range(_ROUNDS):
            solved = solve(problem.program())
            self._bound = solved.bound
            found = self._moves.improved(self._moves.affordable(frozenset(solved.chosen)))
            more = problem.value(found) - best
            if more > LEAST * problem.total:
                self.chosen, best = found, best + more
            if more <= _LEAST_BETTER * problem.total or problem.is_over:
                break
            self._progress(f"advise: {len(found)} chosen, {problem.model.questions} plans tried")
            problem.model.prepare(self._larger(found), deadline=problem.deadline)

    def _raise_prices(self, bare: float) -> None:
        """Let an index have to save as much as it can, if the choice saves 95 % of what is possible of this cost."""
        problem = self._problem
        steeper, most = steeper_prices(problem, bare, self.chosen)
        before = problem.prices, self.chosen, self._bound
        for each in steeper:
            problem.prices = each.prices
            self.chosen = self._moves.affordable(each.chosen)
            self._settle()
            self._drop_unnoticed()
            if problem.cost(self.chosen) <= most or problem.is_over:
                return
        problem.prices, self.chosen, self._bound = before

    def _look_beyond(self, limits: Limits) -> None:
        """Plan what the program chooses within wider limits: it shows plans that smaller sets have as well."""
        problem = self._problem
        found = frozenset(solve(problem.within_others(limits, problem.program()), gap=ROUGH_GAP).chosen)
        problem.model.prepare([found, *self._larger(found)], deadline=problem.deadline)

    def _larger(self, chosen: frozenset[TwinIndex]) -> list[frozenset[TwinIndex]]:
        """Return sets that are worth knowing about though they may be too large: for what others could be left out."""
        problem, beside = self._problem, by_table(chosen)
        worth = {
            index: saving - problem.prices[index]
            for index, saving in problem.promises(chosen, problem.open).items()
            if not is_redundant(index, beside.get(index.index.full_table, ())) and problem.obstacle(index, ()) is None
        }
        added = sorted(
            (each for each in worth if worth[each] > 0), key=lambda each: (-worth[each], problem.places[each])
        )
        several = [chosen | {*added[:number]} for number in _TOGETHER if number < len(added)]
        return [*(chosen | {each} for each in added[:_TRIED]), *several]

    def _drop_unnoticed(self) -> bool:
        """Drop what makes the statements that it changes hardly cheaper, neither in its place nor beside all others.

        Return whether there was any.
        """
        chosen = self.chosen
        while True:
            order = self._problem.order(self.chosen)
            before = [frozenset(order[:number]) for number in range(len(order))]
            rest = [self.chosen - {each} for each in order]
            self._problem.model.prepare([*before, self.chosen, *rest])
            unnoticed = {
                each
                for each, smaller, others in zip(order, before, rest, strict=True)
                if max(self._gain(each, smaller), self._gain(each, others)) < LEAST_GAIN
            }
            if not unnoticed:
                return self.chosen != chosen
            self.chosen -= unnoticed
            self.unnoticed |= unnoticed

    def _gain(self, index: TwinIndex, chosen: frozenset[TwinIndex]) -> float:
        """Return how many times cheaper the statements get that adding an index to a set changes."""
        changes = [each for each in self._problem.model.changes(index, chosen) if each.is_notable]
        if not changes:
            return 1.0
        before = sum(recorded_cost(each.item, each.cost_before) for each in changes)
        after = sum(recorded_cost(each.item, each.cost_after) for each in changes)
        return before / after if after else math.inf
