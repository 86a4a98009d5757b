"""Choose indexes, and say what was not chosen and why."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.advise.benefit import LEAST_GAIN
from analyzer.advise.cost import CostModel
from analyzer.advise.frontier import Point, frontier
from analyzer.advise.limits import Limits
from analyzer.advise.problem import LEAST, Problem
from analyzer.advise.redundancy import by_table, is_redundant, rival
from analyzer.advise.search import Search
from analyzer.progress import Progress, silent
from analyzer.twin.twin import TwinIndex

#: So many of the candidates that were not chosen are planned beside those that were.
_TRIED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A candidate that would save something on top of what was chosen, and what stood against it."""

    index: TwinIndex
    #: A clause; None where it saves too little.
    because: str | None
    #: Of the workload's cost without any choice, upkeep deducted.
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was chosen, in the order of application, and what was not."""

    chosen: tuple[TwinIndex, ...]
    #: The largest saving first; empty when the time ran out.
    refused: tuple[Refused, ...]
    #: The smallest set first; empty when the time ran out, or nothing was chosen.
    frontier: tuple[Point, ...]
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
    problem = Problem(model, [each for each in candidates if each not in model.unusable], bounds, deadline)
    search = Search(problem, progress)
    search.run()
    complete = time.monotonic() < deadline
    chosen = tuple(each for each in problem.order(search.chosen) if each not in model.unusable)
    return Selection(
        chosen=chosen,
        refused=_refused(problem, search) if complete else (),
        frontier=frontier(problem, search.chosen) if complete else (),
        complete=complete,
        gap=search.gap() if complete else None,
    )


def _refused(problem: Problem, search: Search) -> tuple[Refused, ...]:
    """Say what each candidate left would still save, and why it was not chosen; leave out what saves nothing.

    The first ones are planned; what the others save is that of known plans, in which they are not alone.
    """
    model, chosen, least = problem.model, search.chosen, LEAST * problem.total
    beside = by_table(chosen)
    promises = problem.promises(chosen, problem.candidates)
    others = [
        each
        for each in promises
        if promises[each] > least and not is_redundant(each, beside.get(each.index.full_table, ()))
    ]
    others.sort(key=lambda each: (-promises[each], problem.places[each]))
    tried, rest = others[:_TRIED], others[_TRIED:]
    model.prepare([chosen | {each} for each in tried], deadline=problem.deadline)
    savings = {each: model.saving(each, chosen) for each in tried}
    tried = sorted((each for each in tried if savings[each] > least), key=lambda each: -savings[each])
    return tuple(
        Refused(index=index, because=_because(problem, search, index, saving), share=saving / problem.total)
        for index, saving in (
            *((each, savings[each]) for each in tried),
            *((each, promises[each]) for each in rest),
        )
    )


def _because(problem: Problem, search: Search, index: TwinIndex, saving: float) -> str | None:
    if saving <= problem.prices[index]:
        return None
    if index in search.unnoticed:
        return f"it makes the statements that it changes less than {LEAST_GAIN} times cheaper"
    if (other := rival(index, search.chosen)) is not None:
        return f"{other.index.name}, which it begins with, is proposed"
    obstacle = problem.obstacle(index, search.chosen)
    return obstacle.refuse(index) if obstacle is not None else None
