"""DB2Advis: what the planner uses of all candidates, by benefit per byte, and then random variations of that.

G. Valentin, M. Zuliani, D. C. Zilio, G. Lohman, A. Skelley, "DB2 advisor: an optimizer smart enough to recommend its
own indexes", ICDE 2000. Each statement is planned once with all of its candidates there; each index that the plan uses
is credited with all that the statement saves. An index that begins another one of higher rank is left out in its
favour, as the paper combines them. TRY_VARIATION swaps a few chosen indexes for others; it runs for a number of tries
here and not for a time, so that the same input gives the same set.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.advise.cost import Configuration
from analyzer.twin.twin import TwinIndex
from benchmarks.baselines.problem import Found, Problem, fits, size_of

_TRIES = 300
#: Chosen indexes that one variation takes away at most.
_MOST_REMOVED = 4
_SEED = 1


@dataclass(slots=True, kw_only=True)
class _Ranked:
    """An index that plans use."""

    index: TwinIndex
    benefit: float

    @property
    def ratio(self) -> float:
        """Return the benefit per byte."""
        return self.benefit / max(self.index.size_bytes, 1)


def db2advis(problem: Problem, budget_bytes: int | None, *, width: int = 2) -> Found:
    """Choose indexes of up to so many columns."""
    ranked = _combined(problem, _ranked(problem, width))
    chosen = _filled(frozenset(), ranked, budget_bytes)
    chosen = _varied(problem, chosen, ranked, budget_bytes)
    return Found(chosen=problem.ordered(chosen), complete=not problem.is_late)


def _ranked(problem: Problem, width: int) -> list[_Ranked]:
    """Credit what plans use, the highest benefit per byte first."""
    found: dict[TwinIndex, _Ranked] = {}
    for item in problem.statements:
        if problem.is_late:
            break
        candidates = frozenset(problem.candidates.of_statement(item, width))
        saving = problem.cost(item, frozenset()) - problem.cost(item, candidates)
        for index in problem.used(item, candidates):
            found.setdefault(index, _Ranked(index=index, benefit=0.0)).benefit += saving
    return sorted(found.values(), key=lambda each: (-each.ratio, problem.candidates.columns(each.index)))


def _combined(problem: Problem, ranked: Sequence[_Ranked]) -> list[_Ranked]:
    """Merge each index that begins another one of higher rank into that one, with its benefit."""
    kept: list[_Ranked] = []
    for each in ranked:
        table, columns = problem.candidates.columns(each.index)
        longer = (
            other
            for other in kept
            if (known := problem.candidates.columns(other.index))[0] == table and known[1][: len(columns)] == columns
        )
        if (other := next(longer, None)) is None:
            kept.append(each)
        else:
            other.benefit += each.benefit
    return sorted(kept, key=lambda each: (-each.ratio, problem.candidates.columns(each.index)))


def _filled(chosen: Configuration, ranked: Sequence[_Ranked], budget_bytes: int | None) -> Configuration:
    """Add what still fits, in order."""
    for each in ranked:
        if each.benefit > 0 and fits(size_of(chosen | {each.index}), budget_bytes):
            chosen |= {each.index}
    return chosen


def _varied(
    problem: Problem, chosen: Configuration, ranked: Sequence[_Ranked], budget_bytes: int | None
) -> Configuration:
    """Swap a few chosen indexes for some of the others at random, and keep what is cheaper."""
    chance = random.Random(_SEED)
    for _ in range(_TRIES):
        inside = problem.ordered(chosen)
        outside = [each for each in ranked if each.index not in chosen and each.benefit > 0]
        if problem.is_late or not inside or not outside:
            break
        removed = chance.sample(inside, min(len(inside), chance.randint(1, _MOST_REMOVED)))
        added = chance.sample(outside, min(len(outside), chance.randint(1, _MOST_REMOVED)))
        varied = _filled(chosen.difference(removed), added, budget_bytes)
        if problem.saving(chosen, varied) > 0:
            chosen = varied
    return chosen
