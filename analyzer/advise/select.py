"""Choose indexes: greedy by benefit per byte, and drop what a later choice made superfluous."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analyzer.advise.benefit import LEAST_RATIO, LEAST_SHARE, Gain
from analyzer.advise.cost import CostModel
from analyzer.advise.integer_program import solve
from analyzer.advise.sameness import covers, places
from analyzer.progress import Progress, silent
from analyzer.twin.twin import TwinIndex

#: Of what the best candidate saves: what saves as much may be chosen in its place if it is smaller.
_ABOUT_AS_MUCH = 0.95

#: Why a candidate that saves something was not chosen.
Refusal = Literal["share", "ratio", "budget", "most"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be proposed; None means no limit."""

    budget_bytes: int | None = None
    most: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A candidate that would save something on top of what was chosen, and what stood against it."""

    index: TwinIndex
    because: Refusal
    #: Of the workload's cost without any choice, upkeep deducted.
    share: float
    #: How many times cheaper it would make what it helps.
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was chosen, in the order of application, and what was not."""

    chosen: tuple[TwinIndex, ...]
    #: The largest saving first; empty when the time ran out.
    refused: tuple[Refused, ...]
    #: The time ran out before every candidate was tried.
    complete: bool


def select(
    model: CostModel,
    candidates: Sequence[TwinIndex],
    limits: Limits | None = None,
    *,
    progress: Progress = silent,
) -> Selection:
    """Choose candidates one by one, each time the one that saves most per byte of what is still to save.

    Under a budget the search is run again from what an integer program would build, and where no more may be chosen, by
    what each saves alone; the cheaper outcome is taken.
    """
    bounds = limits or Limits()
    budget_bytes, most, seconds = bounds.budget_bytes, bounds.most, bounds.seconds
    deadline = time.monotonic() + seconds if seconds is not None else float("inf")
    model.prepare([frozenset(), *(frozenset([each]) for each in candidates)], deadline=deadline)
    search = _Search(model, candidates, budget_bytes, deadline)
    _run(search, model, most, progress)
    if budget_bytes is not None and most is None and time.monotonic() < deadline:
        seeded = _Search(model, candidates, budget_bytes, deadline)
        seeded.start_from(solve(model, candidates, budget_bytes))
        _run(seeded, model, most, progress)
        search = min(search, seeded, key=lambda each: each.cost())
    if most is not None and len(search.chosen) >= most and time.monotonic() < deadline:
        largest = _Search(model, candidates, budget_bytes, deadline, per_byte=False)
        _run(largest, model, most, progress)
        search = min(search, largest, key=lambda each: each.cost())
    complete = time.monotonic() < deadline
    refused = search.refused(full=most is not None and len(search.chosen) >= most) if complete else ()
    chosen = tuple(each for each in search.chosen if each not in model.unusable)
    return Selection(chosen=chosen, refused=refused, complete=complete)


def _run(search: "_Search", model: CostModel, most: int | None, progress: Progress) -> None:
    while True:
        while most is None or len(search.chosen) < most:
            progress(f"advise: {len(search.chosen)} chosen, {model.questions} plans tried")
            if not search.choose():
                break
        if not search.drop_superfluous():
            break


class _Search:
    """The greedy's state; a candidate's last known saving is taken for an upper bound (lazy greedy)."""

    def __init__(
        self,
        model: CostModel,
        candidates: Sequence[TwinIndex],
        budget_bytes: int | None,
        deadline: float,
        *,
        per_byte: bool = True,
    ) -> None:
        self._model = model
        self._per_byte = per_byte
        self._budget = budget_bytes
        self._deadline = deadline
        self._total = model.total(frozenset())
        self._least = LEAST_SHARE * self._total
        self._bounds: dict[TwinIndex, float] = dict.fromkeys(candidates, float("inf"))
        #: Of two that save the same, the one whose table and columns come first.
        self._places = {each: places(each.index, model.twin.snapshot) for each in candidates}
        self.chosen: list[TwinIndex] = []

    def start_from(self, seed: Sequence[TwinIndex]) -> None:
        """Take what another search found, as far as each index pays on top of the ones before it."""
        for index in sorted(
            seed, key=lambda each: (-self._model.gain(each, frozenset()).saving / _size(each), self._places[each])
        ):
            if not self._is_redundant(index) and self._pays(self._model.gain(index, frozenset(self.chosen))):
                self.chosen.append(index)
                del self._bounds[index]

    def cost(self) -> float:
        """Return what the workload costs with what was chosen, its upkeep included."""
        chosen = frozenset(self.chosen)
        return self._model.total(chosen) + sum(self._model.upkeep(index, chosen - {index}) for index in self.chosen)

    def choose(self) -> bool:
        """Choose the next index; return whether there was one worth it."""
        best = self._best_per_byte() if self._per_byte else self._best()
        if best is None:
            return False
        self.chosen.append(best)
        del self._bounds[best]
        return True

    def _best_per_byte(self) -> TwinIndex | None:
        configuration = frozenset(self.chosen)
        best: TwinIndex | None = None
        best_ratio = 0.0
        for index in sorted(self._bounds, key=lambda each: (-self._bounds[each] / _size(each), self._places[each])):
            if time.monotonic() > self._deadline or self._bounds[index] / _size(index) <= best_ratio:
                break
            if not self._fits(index) or self._is_redundant(index):
                continue
            gain = self._model.gain(index, configuration)
            self._bounds[index] = gain.saving
            if self._pays(gain) and gain.saving / _size(index) > best_ratio:
                best, best_ratio = index, gain.saving / _size(index)
        return best

    def _best(self) -> TwinIndex | None:
        """Return what saves most, or of those that save about as much the one that does per byte."""
        configuration = frozenset(self.chosen)
        savings: dict[TwinIndex, float] = {}
        enough = 0.0
        for index in sorted(self._bounds, key=lambda each: (-self._bounds[each], self._places[each])):
            if time.monotonic() > self._deadline or self._bounds[index] < enough:
                break
            if not self._fits(index) or self._is_redundant(index):
                continue
            gain = self._model.gain(index, configuration)
            self._bounds[index] = gain.saving
            if self._pays(gain):
                savings[index] = gain.saving
                enough = max(enough, _ABOUT_AS_MUCH * gain.saving)
        close = [index for index, saving in savings.items() if saving >= enough]
        return min(close, key=lambda each: (-savings[each] / _size(each), self._places[each]), default=None)

    def drop_superfluous(self) -> bool:
        """Drop, earliest first, what another choice serves or what is hardly missed; return whether to choose again."""
        kept = list(self.chosen)
        for index in self.chosen:
            rest = [each for each in kept if each is not index]
            if any(_serves(other, index) for other in rest) or self._is_hardly_missed(index, kept, rest):
                kept = rest
        dropped = len(kept) < len(self.chosen)
        self.chosen = kept
        if dropped:  # what a dropped index had made unnecessary may pay again
            self._bounds = dict.fromkeys(self._bounds, float("inf"))
        return dropped

    def refused(self, *, full: bool) -> tuple[Refused, ...]:
        """Say what each candidate left would still save, and why it was not chosen; leave out what saves nothing."""
        configuration = frozenset(self.chosen)
        self._model.prepare([configuration | {each} for each in self._bounds], deadline=self._deadline)
        found: list[Refused] = []
        for index in self._bounds:
            if self._is_redundant(index):
                continue
            gain = self._model.gain(index, configuration)
            if gain.saving <= 0:
                continue
            because: Refusal = "most" if full else "budget"
            if gain.saving < self._least:
                because = "share"
            elif gain.ratio < LEAST_RATIO:
                because = "ratio"
            share = gain.saving / self._total if self._total else 0.0
            found.append(Refused(index=index, because=because, share=share, ratio=gain.ratio))
        return tuple(sorted(found, key=lambda each: (-each.share, self._places[each.index])))

    def _fits(self, index: TwinIndex) -> bool:
        used = sum(each.size_bytes for each in self.chosen)
        return self._budget is None or used + index.size_bytes <= self._budget

    def _is_redundant(self, index: TwinIndex) -> bool:
        return any(_serves(other, index) for other in self.chosen)

    def _pays(self, gain: Gain) -> bool:
        return gain.saving > 0 and gain.saving >= self._least and gain.ratio >= LEAST_RATIO

    def _is_hardly_missed(self, index: TwinIndex, kept: Sequence[TwinIndex], rest: Sequence[TwinIndex]) -> bool:
        with_it, without_it = self._model.total(frozenset(kept)), self._model.total(frozenset(rest))
        return without_it - with_it - self._model.upkeep(index, frozenset(rest)) < self._least


def _size(index: TwinIndex) -> int:
    return max(index.size_bytes, 1)


def _serves(other: TwinIndex, index: TwinIndex) -> bool:
    """Say whether another choice makes an index unnecessary: it holds the same, or begins with it."""
    same_table = other.index.full_table == index.index.full_table
    return same_table and covers(other.index, index.index)
