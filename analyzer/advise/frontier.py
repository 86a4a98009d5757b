"""Sets of candidates of different sizes, none of which is as small as another one and costs more."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from analyzer.advise.cost import CostModel
from analyzer.twin.twin import TwinIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A set on the frontier: none that is known is as small and saves as much."""

    size_bytes: int
    indexes: int
    #: Of the workload, upkeep included, as a share of that without any choice.
    cost: float
    is_chosen: bool = False


def point(chosen: Collection[TwinIndex], cost: float, *, is_chosen: bool = False) -> Point:
    """Describe a set, given its cost as a share."""
    return Point(size_bytes=bytes_of(chosen), indexes=len(chosen), cost=cost, is_chosen=is_chosen)


def bytes_of(indexes: Iterable[TwinIndex]) -> int:
    """Return the size of a set."""
    return sum(each.size_bytes for each in indexes)


def with_choice(points: Sequence[Point], chosen: Collection[TwinIndex], model: CostModel) -> tuple[Point, ...]:
    """Return a frontier with another choice in the place of that it was found with."""
    total, every = model.total(frozenset()), frozenset(chosen)
    if not points or not total:
        return tuple(points)
    cost = (model.total(every) + model.upkeep_of(every)) / total
    return worth_showing([*(each for each in points if not each.is_chosen), point(every, cost, is_chosen=True)])


def worth_showing(points: Iterable[Point]) -> tuple[Point, ...]:
    """Return the choice, and the sets of which no smaller one costs as little."""
    found = sorted(points, key=lambda each: (each.size_bytes, each.cost, not each.is_chosen))
    least = itertools.accumulate((each.cost for each in found), min, initial=1.0)
    return tuple(each for each, before in zip(found, least, strict=False) if each.is_chosen or each.cost < before)
