"""Improve a set of indexes by one index at a time, which plans what the integer program does not know yet."""

from collections.abc import Sequence

from analyzer.advise.problem import LEAST, Problem
from analyzer.advise.redundancy import by_table, rival
from analyzer.twin.twin import TwinIndex

#: Plans that are tried at most.
_MOST_QUESTIONS = 1_500
#: Additions that are planned side by side.
_AT_ONCE = 8


class SingleMoves:
    """Adds and drops single indexes, and counts the plans that were tried for it."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._tried = 0

    @property
    def _is_over(self) -> bool:
        return self._tried >= _MOST_QUESTIONS or self._problem.is_over

    def affordable(self, chosen: frozenset[TwinIndex]) -> frozenset[TwinIndex]:
        """Leave out what is worth least until the upkeep keeps to its limit: the program adds up that of each alone."""
        while chosen and not self._problem.admits_upkeep(chosen):
            chosen -= {self._least(chosen)}
        return chosen

    def improved(self, chosen: frozenset[TwinIndex]) -> frozenset[TwinIndex]:
        """Add and drop single indexes as long as that pays, until so many plans have been tried."""
        problem = self._problem
        bounds = problem.promises(chosen, problem.open)
        # What an index costs depends on those beside it, so that the moves could go round in a circle.
        seen: set[frozenset[TwinIndex]] = set()
        while not self._is_over and chosen not in seen:
            seen.add(chosen)
            if chosen and problem.missed(dropped := self._least(chosen), chosen) <= 0:
                chosen -= {dropped}
                bounds = problem.promises(chosen, problem.open)
            elif (added := self._best_addition(chosen, bounds)) is not None:
                chosen |= {added}
            else:
                break
        return chosen

    def _least(self, chosen: frozenset[TwinIndex]) -> TwinIndex:
        """Return what is worth least to a set."""
        self._prepare([chosen - {each} for each in chosen])
        return min(chosen, key=lambda each: (self._problem.missed(each, chosen), self._problem.places[each]))

    def _best_addition(self, chosen: frozenset[TwinIndex], bounds: dict[TwinIndex, float]) -> TwinIndex | None:
        """Return what is worth most on top of a set; a candidate's last known worth is taken for an upper bound."""
        problem = self._problem
        best, most = None, LEAST * problem.total
        possible = self._possible(chosen, bounds)
        for begin in range(0, len(possible), _AT_ONCE):
            some = possible[begin : begin + _AT_ONCE]
            if self._is_over or bounds[some[0]] <= most:
                break
            self._prepare([chosen | {each} for each in some])
            for index in some:
                bounds[index] = problem.worth(index, chosen)
                if bounds[index] > most:
                    best, most = index, bounds[index]
        return best

    def _possible(self, chosen: frozenset[TwinIndex], bounds: dict[TwinIndex, float]) -> list[TwinIndex]:
        """Return what may be added to a set, the most promising first."""
        problem = self._problem
        taken, beside = problem.taken(chosen), by_table(chosen)
        possible = [
            each
            for each in bounds
            if each not in chosen
            and all(limit.admits(each, used) for limit, used in taken)
            and rival(each, beside.get(each.index.full_table, ())) is None
            and problem.admits_upkeep(chosen, each)
        ]
        return sorted(possible, key=lambda each: (-bounds[each], problem.places[each]))

    def _prepare(self, configurations: Sequence[frozenset[TwinIndex]]) -> None:
        model = self._problem.model
        before = model.questions
        model.prepare(configurations, deadline=self._problem.deadline)
        self._tried += model.questions - before
