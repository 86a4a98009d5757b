"""Choose indexes, and say what was not chosen and why."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.advise.cost import CostModel
from analyzer.advise.frontier import Point, frontier
from analyzer.advise.limits import Limit, Limits
from analyzer.advise.problem import LEAST, Problem
from analyzer.advise.redundancy import by_table, is_redundant
from analyzer.advise.search import Search
from analyzer.progress import Progress, silent
from analyzer.twin.twin import TwinIndex

#: So many of the candidates that were not chosen are planned beside those that were.
_TRIED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A candidate that would save something on top of what was chosen, and what stood against it."""

    index: TwinIndex
    #: None where it saves too little.
    because: Limit | None
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
        refused=_refused(problem, search.chosen) if complete else (),
        frontier=frontier(problem, search.chosen) if complete else (),
        complete=complete,
        gap=search.gap() if complete else None,
    )


def _refused(problem: Problem, chosen: frozenset[TwinIndex]) -> tuple[Refused, ...]:
    """Say what each candidate left would still save, and why it was not chosen; leave out what saves nothing.

    The first ones are planned; what the others save is that of known plans, in which they are not alone.
    """
    model, least, beside = problem.model, LEAST * problem.total, by_table(chosen)
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
        Refused(index=index, because=_because(problem, index, saving, chosen), share=saving / problem.total)
        for index, saving in (
            *((each, savings[each]) for each in tried),
            *((each, promises[each]) for each in rest),
        )
    )


def _because(problem: Problem, index: TwinIndex, saving: float, chosen: frozenset[TwinIndex]) -> Limit | None:
    return problem.obstacle(index, chosen) if saving > problem.prices[index] else None
