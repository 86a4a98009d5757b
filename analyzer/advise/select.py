"""Choose indexes: an integer program over the plans that are known, and a search around its answer that learns more.

The program (`integer_program`) is exact about what it knows: the plan of each statement without any candidate, with all
of them, with some of those left out that it then uses, and with each alone. What it chooses is planned; indexes are
added to it and dropped from it one by one as long as that pays, which shows the program further plans, until its answer
stays.
"""

import functools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analyzer.advise.cost import CostModel
from analyzer.advise.integer_program import Program, solve
from analyzer.advise.sameness import covers, places
from analyzer.progress import Progress, silent
from analyzer.twin.twin import TwinIndex

#: The knee: of what is saved where all candidates are there, an index must save at least this part of its share of the
#: bytes and number of those that are used then. So what is chosen saves at least 95 % of that.
KNEE = 0.05
#: The same under a budget, which is there to be used.
_KNEE_OF_BUDGET = 0.002
#: The program is asked again so often at most.
_ROUNDS = 6
#: So many indexes are tried in addition to those chosen, in each round.
_TRIED = 24
#: Of the workload's cost, what a further round has to save.
_LEAST_BETTER = 1e-3
#: Sums of costs differ in their last digits.
_LEAST = 1e-9

#: Why a candidate that saves something was not chosen.
Refusal = Literal["share", "knee", "budget", "most"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be proposed; None means no limit."""

    budget_bytes: int | None = None
    most: int | None = None
    seconds: float | None = None
    #: Of the workload's cost without any choice: what each index must save on top of the others.
    least_saving: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A candidate that would save something on top of what was chosen, and what stood against it."""

    index: TwinIndex
    because: Refusal
    #: Of the workload's cost without any choice, upkeep deducted.
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was chosen, in the order of application, and what was not."""

    chosen: tuple[TwinIndex, ...]
    #: The largest saving first; empty when the time ran out.
    refused: tuple[Refused, ...]
    #: The time ran out before every candidate was tried.
    complete: bool
    #: How much less the workload could cost with the best set within the same limits, as a share of its cost with the
    #: choice, upkeep and what an index must save included, as far as plans are known; None when the time ran out.
    gap: float | None


def select(
    model: CostModel,
    candidates: Sequence[TwinIndex],
    limits: Limits | None = None,
    *,
    progress: Progress = silent,
) -> Selection:
    """Choose the set that saves most within the limits, upkeep deducted; without a budget, that of the knee."""
    bounds = limits or Limits()
    deadline = time.monotonic() + bounds.seconds if bounds.seconds is not None else float("inf")
    progress(f"advise: {len(candidates)} candidates")
    model.prepare([frozenset()], deadline=deadline)
    model.explore(frozenset(candidates), deadline=deadline)
    model.compare(deadline=deadline)
    if time.monotonic() >= deadline:
        return Selection(chosen=(), refused=(), complete=False, gap=None)
    search = _Search(model, [each for each in candidates if each not in model.unusable], deadline, progress)
    search.run(bounds)
    complete = time.monotonic() < deadline
    return Selection(
        chosen=tuple(each for each in search.ordered() if each not in model.unusable),
        refused=search.refused(bounds) if complete else (),
        complete=complete,
        gap=search.gap() if complete else None,
    )


class _Search:
    """The search's state: the best set so far, and what an index has to save."""

    def __init__(self, model: CostModel, candidates: Sequence[TwinIndex], deadline: float, progress: Progress) -> None:
        self._model = model
        self._deadline = deadline
        self._progress = progress
        self.total = model.total(frozenset())
        #: Of two that save the same, the one whose table and columns come first.
        found = {each: places(each.index, model.twin.snapshot) for each in candidates}
        self._candidates = sorted(candidates, key=found.__getitem__)
        self._places = {each: place for place, each in enumerate(self._candidates)}
        self._upkeep = {each: model.upkeep(each, frozenset()) for each in candidates}
        self._prices: Mapping[TwinIndex, float] = dict.fromkeys(candidates, 0.0)
        self._conflicts: dict[tuple[TwinIndex, TwinIndex], None] = {}
        self.chosen: frozenset[TwinIndex] = frozenset()
        self._bound = 0.0

    def run(self, limits: Limits) -> None:
        """Find the best set within the limits."""
        if limits.least_saving is not None:
            self._prices = dict.fromkeys(self._candidates, limits.least_saving * self.total)
        else:
            everything = self._model.wanted(frozenset(self._candidates))
            knee = KNEE if limits.budget_bytes is None else _KNEE_OF_BUDGET
            saved = self.total - self.cost(everything)
            if not everything or saved <= 0:
                return
            whole = sum(map(_size, everything))
            self._prices = {
                each: knee * saved * (_size(each) / whole + 1 / len(everything)) / 2 for each in self._candidates
            }
        best = 0.0
        for _ in range(_ROUNDS):
            found, self._bound = self._solved(limits)
            value = self._value(found)
            if time.monotonic() > self._deadline or value <= best + _LEAST_BETTER * self.total:
                break
            self.chosen, best = found, value
            self._progress(f"advise: {len(found)} chosen, {self._model.questions} plans tried")
            self._model.prepare(self._neighbours(found, limits), deadline=self._deadline)

    def gap(self) -> float:
        """Return how much less the best set could cost, as a share of what the choice costs."""
        cost = self.cost(self.chosen)
        return max(0.0, self._bound - self._value(self.chosen)) / cost if cost else 0.0

    def cost(self, chosen: frozenset[TwinIndex]) -> float:
        """Return what the workload costs with a set, its upkeep included."""
        return self._model.total(chosen) + sum(self._model.upkeep(index, chosen - {index}) for index in chosen)

    def _value(self, chosen: frozenset[TwinIndex]) -> float:
        return self.total - self.cost(chosen) - sum(self._prices[each] for each in chosen)

    def _solved(self, limits: Limits) -> tuple[frozenset[TwinIndex], float]:
        """Return the program's set, none of which another one serves, and what no set is worth more than."""
        plans = [known for _, known in self._model.known_plans()]
        useful = {index for known in plans for plan in known for index in plan.uses}
        program = Program(
            indexes=[each for each in self._candidates if each in useful],
            plans=plans,
            prices={each: self._upkeep[each] + self._prices[each] for each in self._candidates},
            budget_bytes=limits.budget_bytes,
            most=limits.most,
            conflicts=self._conflicts,
        )
        while True:
            found = solve(program)
            served = [
                (index, other)
                for index in found.chosen
                for other in found.chosen
                if index is not other and _serves(other, index)
            ]
            if not served:
                return frozenset(found.chosen), found.bound
            self._conflicts.update(dict.fromkeys(served))

    def _neighbours(self, chosen: frozenset[TwinIndex], limits: Limits) -> list[frozenset[TwinIndex]]:
        """Return the sets with one index more or fewer that are most likely to be better than a set.

        What a candidate could save on top is what the best known plans with it save; it competes for the budget.
        """
        budget = limits.budget_bytes
        per_byte = self._value(chosen) / budget if budget else 0.0
        worth = {
            index: saving - self._prices[index] - per_byte * _size(index)
            for index, saving in self._promises(chosen).items()
            if not _is_redundant(index, chosen) and (budget is None or index.size_bytes <= budget)
        }
        added = sorted(worth, key=lambda each: (-worth[each], self._places[each]))[:_TRIED]
        return [*(chosen | {each} for each in added if worth[each] > 0), *(chosen - {each} for each in chosen)]

    def _promises(self, chosen: frozenset[TwinIndex]) -> dict[TwinIndex, float]:
        """Return what each index could save on top of a set: by the best known plan of each statement that uses it."""
        found: dict[TwinIndex, float] = {}
        for _, plans in self._model.known_plans():
            now = max((plan.saving for plan in plans if plan.uses <= chosen), default=0.0)
            best: dict[TwinIndex, float] = {}
            for plan in plans:
                for index in plan.uses - chosen:
                    best[index] = max(best.get(index, 0.0), plan.saving - now)
            for index, saving in best.items():
                found[index] = found.get(index, 0.0) + saving
        return {each: found[each] for each in self._candidates if each in found}

    def ordered(self) -> tuple[TwinIndex, ...]:
        """Return the choice in the order of application: first what saves most per byte on top of those before it."""
        left = dict.fromkeys(sorted(self.chosen, key=self._places.__getitem__), float("inf"))
        order: list[TwinIndex] = []
        while left:
            best, most = None, float("-inf")
            for index in sorted(left, key=lambda each: (-left[each], self._places[each])):
                if left[index] <= most:
                    break
                left[index] = self._model.saving(index, frozenset(order)) / _size(index)
                if left[index] > most:
                    best, most = index, left[index]
            assert best is not None  # noqa: S101 - something is left
            order.append(best)
            del left[best]
        return tuple(order)

    def refused(self, limits: Limits) -> tuple[Refused, ...]:
        """Say what each candidate left would still save, and why it was not chosen; leave out what saves nothing."""
        others = [each for each, saving in self._promises(self.chosen).items() if saving > _LEAST * self.total]
        self._model.prepare([self.chosen | {each} for each in others], deadline=self._deadline)
        found = [
            Refused(
                index=index,
                because=self._because(index, saving, limits),
                share=saving / self.total if self.total else 0.0,
            )
            for index in others
            if not _is_redundant(index, self.chosen)
            and (saving := self._model.saving(index, self.chosen)) > _LEAST * self.total
        ]
        return tuple(sorted(found, key=lambda each: (-each.share, self._places[each.index])))

    def _because(self, index: TwinIndex, saving: float, limits: Limits) -> Refusal:
        if limits.most is not None and len(self.chosen) >= limits.most and saving > self._prices[index]:
            return "most"
        if not _fits(index, self.chosen, limits) and saving > self._prices[index]:
            return "budget"
        return "knee" if limits.least_saving is None else "share"


def _fits(index: TwinIndex, chosen: Iterable[TwinIndex], limits: Limits) -> bool:
    used = sum(each.size_bytes for each in chosen)
    return limits.budget_bytes is None or used + index.size_bytes <= limits.budget_bytes


def _is_redundant(index: TwinIndex, chosen: Iterable[TwinIndex]) -> bool:
    return any(_serves(other, index) for other in chosen)


def _size(index: TwinIndex) -> int:
    return max(index.size_bytes, 1)


def _serves(other: TwinIndex, index: TwinIndex) -> bool:
    """Say whether another choice makes an index unnecessary: it holds the same, or begins with it."""
    return other.index.full_table == index.index.full_table and _covers(other.index, index.index)


#: The search asks about the same pairs again and again.
_covers = functools.lru_cache(maxsize=1 << 16)(covers)
