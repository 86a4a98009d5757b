"""Extend: from nothing, step by step, a new index of one column or one more column for a chosen one.

R. Schlosser, J. Kossmann, M. Boissier, "Efficient scalable multi-attribute index selection using recursive strategies",
ICDE 2019, algorithm 1. Of all steps that fit, the one is taken that saves most cost per byte it adds; the remark on
indexes that are not used any more once others have grown is followed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.advise.cost import Configuration
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.twin.twin import TwinIndex
from benchmarks.baselines.problem import LEAST, Found, Problem, fits, size_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    added: TwinIndex
    #: The chosen index that it extends.
    replaced: TwinIndex | None = None

    def taken(self, chosen: Configuration) -> Configuration:
        """Return the set after the step."""
        return (chosen - {self.replaced} if self.replaced is not None else chosen) | {self.added}

    @property
    def bytes_added(self) -> int:
        """Return how much larger the set becomes, a page at least: a longer index may be no larger."""
        before = self.replaced.size_bytes if self.replaced is not None else 0
        return max(self.added.size_bytes - before, BLOCK_BYTES)


def extend(problem: Problem, budget_bytes: int | None, *, width: int = 2) -> Found:
    """Choose indexes of up to so many columns."""
    least = LEAST * problem.total(frozenset())
    chosen: Configuration = frozenset()
    complete = True
    while (step := _best(problem, chosen, budget_bytes, width=width, least=least)) is not None:
        chosen = _without_unused(problem, step.taken(chosen))
        if problem.is_late:
            complete = False
            break
    return Found(chosen=problem.ordered(chosen), complete=complete and not problem.is_late)


def _best(
    problem: Problem, chosen: Configuration, budget_bytes: int | None, *, width: int, least: float
) -> _Step | None:
    best, most = None, 0.0
    for step in _steps(problem, chosen, width):
        after = step.taken(chosen)
        if problem.is_late or not fits(size_of(after), budget_bytes):
            continue
        saving = problem.saving(chosen, after)
        if saving > least and saving / step.bytes_added > most:
            best, most = step, saving / step.bytes_added
    return best


def _steps(problem: Problem, chosen: Configuration, width: int) -> Iterator[_Step]:
    for index in problem.candidates.of_width(1):
        if index not in chosen:
            yield _Step(added=index)
    for index in problem.ordered(chosen):
        if len(problem.candidates.columns(index)[1]) < width:
            for longer in problem.candidates.longer(index):
                if longer not in chosen:
                    yield _Step(added=longer, replaced=index)


def _without_unused(problem: Problem, chosen: Configuration) -> Configuration:
    for index in problem.ordered(chosen):
        if problem.saving(chosen - {index}, chosen) <= 0:
            chosen -= {index}
    return chosen
