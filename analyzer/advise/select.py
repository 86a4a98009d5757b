"""Choose indexes: greedy by benefit per byte under a budget, then drop what a later choice made superfluous."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analyzer.advise.cost import Configuration, CostModel
from analyzer.twin.planner import TwinIndex

#: A choice must save this share of what the workload costs without any.
LEAST_SHARE = 0.005
#: And make the statements it helps this many times cheaper.
LEAST_RATIO = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was chosen, in the order of application, and what was not."""

    chosen: tuple[TwinIndex, ...]
    #: Candidates that would have helped but do not fit the budget.
    over_budget: tuple[TwinIndex, ...]
    #: The time ran out before every candidate was tried.
    complete: bool


def select(
    model: CostModel,
    candidates: Sequence[TwinIndex],
    *,
    budget_bytes: int | None = None,
    most: int | None = None,
    seconds: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> Selection:
    """Choose candidates one by one, each time the one that saves most per byte of what is still to save."""
    deadline = time.monotonic() + seconds if seconds is not None else float("inf")
    search = _Search(model, candidates, budget_bytes, deadline)
    while most is None or len(search.chosen) < most:
        if progress:
            progress(f"advise: {len(search.chosen)} chosen, {model.questions} plans tried")
        if not search.choose():
            break
    return Selection(
        chosen=_without_superfluous(model, search.chosen),
        over_budget=tuple(search.over_budget),
        complete=time.monotonic() < deadline,
    )


class _Search:
    """The greedy's state; a candidate's last known saving is taken for an upper bound (lazy greedy)."""

    def __init__(
        self, model: CostModel, candidates: Sequence[TwinIndex], budget_bytes: int | None, deadline: float
    ) -> None:
        self._model = model
        self._budget = budget_bytes
        self._deadline = deadline
        self._least = LEAST_SHARE * model.total(frozenset())
        self._bounds: dict[TwinIndex, float] = dict.fromkeys(candidates, float("inf"))
        self.chosen: list[TwinIndex] = []
        self.over_budget: list[TwinIndex] = []

    def choose(self) -> bool:
        """Choose the next index; return whether there was one worth it."""
        configuration = frozenset(self.chosen)
        used = sum(index.size_bytes for index in self.chosen)
        best: TwinIndex | None = None
        best_ratio = 0.0
        for index in sorted(self._bounds, key=lambda each: (-self._bounds[each] / _size(each), each.index.name)):
            if time.monotonic() > self._deadline or self._bounds[index] / _size(index) <= best_ratio:
                break
            saving = self._bounds[index] = self._saving(index, configuration)
            if saving < self._least or saving / _size(index) <= best_ratio:
                continue
            if self._budget is not None and used + index.size_bytes > self._budget:
                if index not in self.over_budget:
                    self.over_budget.append(index)
                continue
            best, best_ratio = index, saving / _size(index)
        if best is None:
            return False
        self.chosen.append(best)
        del self._bounds[best]
        return True

    def _saving(self, index: TwinIndex, configuration: Configuration) -> float:
        """Return what adding an index saves, its upkeep deducted; nothing when it helps its statements too little."""
        larger = configuration | {index}
        helped_before = helped_after = hurt = 0.0
        for item in self._model.affected((index.index.schema, index.index.table)):
            calls = item.statement.calls
            before, after = self._model.cost(item, configuration), self._model.cost(item, larger)
            if after < before:
                helped_before += calls * before
                helped_after += calls * after
            else:
                hurt += calls * (after - before)
        if helped_before < LEAST_RATIO * helped_after:
            return 0.0
        return helped_before - helped_after - hurt - self._model.upkeep(index)


def _size(index: TwinIndex) -> int:
    return max(index.size_bytes, 1)


def _without_superfluous(model: CostModel, chosen: Sequence[TwinIndex]) -> tuple[TwinIndex, ...]:
    """Drop, earliest first, what is hardly missed once the later choices are there."""
    kept = list(chosen)
    least = LEAST_SHARE * model.total(frozenset())
    for index in chosen:
        rest = [each for each in kept if each is not index]
        with_it, without_it = model.total(frozenset(kept)), model.total(frozenset(rest))
        if without_it - with_it - model.upkeep(index) < least:
            kept = rest
    return tuple(kept)
