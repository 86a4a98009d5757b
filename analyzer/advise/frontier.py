"""Sets of candidates of different sizes, none of which is as small as another one and costs more."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from analyzer.advise.cost import CostModel
from analyzer.advise.integer_program import solve_all
from analyzer.advise.problem import ROUGH_GAP, Problem
from analyzer.twin.twin import TwinIndex

#: Sets of the frontier, each within half the bytes of the one before.
_SETS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A set on the frontier: none that is known is as small and saves as much."""

    size_bytes: int
    indexes: int
    #: Of the workload, upkeep included, as a share of that without any choice.
    cost: float
    is_chosen: bool = False


def frontier(problem: Problem, chosen: frozenset[TwinIndex]) -> tuple[Point, ...]:
    """Return what the workload costs with the best sets of other sizes than a choice, as far as plans are known."""
    model, total = problem.model, problem.total
    if not chosen or not total:
        return ()
    most = max(map(_bytes_of, (chosen, model.read(frozenset(problem.candidates)) - model.base)))
    rules, program = replace(problem.limits, most=None), problem.simplified()
    every = [replace(rules, budget_bytes=most >> part) for part in range(_SETS)]
    found = [_point(chosen, problem.cost(chosen) / total, is_chosen=True)]
    for solved in solve_all([problem.within_others(each, program) for each in every], gap=ROUGH_GAP):
        other = frozenset(solved.chosen)
        if other != chosen:
            found.append(_point(other, problem.known_cost(other) / total))
    return _worth_showing(found)


def _point(chosen: Collection[TwinIndex], cost: float, *, is_chosen: bool = False) -> Point:
    """Describe a set, given its cost as a share."""
    return Point(size_bytes=_bytes_of(chosen), indexes=len(chosen), cost=cost, is_chosen=is_chosen)


def _bytes_of(indexes: Iterable[TwinIndex]) -> int:
    """Return the size of a set."""
    return sum(each.size_bytes for each in indexes)


def with_choice(points: Sequence[Point], chosen: Collection[TwinIndex], model: CostModel) -> tuple[Point, ...]:
    """Return a frontier with another choice in the place of that it was found with."""
    total, every = model.total(frozenset()), frozenset(chosen)
    if not points or not total:
        return tuple(points)
    cost = (model.total(every) + model.upkeep_of(every)) / total
    return _worth_showing([*(each for each in points if not each.is_chosen), _point(every, cost, is_chosen=True)])


def _worth_showing(points: Iterable[Point]) -> tuple[Point, ...]:
    """Return the choice, and the sets of which no smaller one costs as little."""
    found = sorted(points, key=lambda each: (each.size_bytes, each.cost, not each.is_chosen))
    least = itertools.accumulate((each.cost for each in found), min, initial=1.0)
    return tuple(each for each, before in zip(found, least, strict=False) if each.is_chosen or each.cost < before)
