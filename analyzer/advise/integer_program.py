"""Choose a set of indexes with an integer program over the plans that are known.

Each statement takes one of its known plans, of which the indexes must be in the set: the atomic configurations of CoPhy
(Dash, Polyzotis, Ailamaki, "CoPhy: a scalable, portable, and interactive index advisor for large workloads", VLDB
2011). The planner takes the cheapest plan it can, so the cost of a set is that of its best assignment, and no set of
the same indexes can cost less than the bound as far as the known plans go.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from analyzer import stdout
from analyzer.processes import usable_cores
from analyzer.twin.twin import TwinIndex

if TYPE_CHECKING:
    import highspy
    from highspy.highs import highs_var

T = TypeVar("T")

#: Of the value of the best set: a search that is this close to its bound ends.
_GAP = 5e-3
#: Where the bound is not reached the search ends after as many nodes, which is the same on every machine.
_NODES = 2_000
#: The largest coefficient of the objective, and of the sizes.
_SCALE = 1e4
#: Of a part of a program, its sets times its plans, up to which each set is looked at.
_MOST_ENUMERATED = 4_000
#: Sums of the same numbers differ in their last digits.
_LEAST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPlan:
    """A plan of one statement."""

    #: Without those that are there in any case.
    uses: frozenset[TwinIndex]
    #: Of all executions, against the plan without any new index.
    saving: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a set may take of something, such as bytes or places, at most."""

    #: By the indexes that take any.
    needs: Mapping[TwinIndex, float]
    most: float

    def taken(self, chosen: Iterable[TwinIndex]) -> float:
        """Return what a set takes of it."""
        return sum(self.needs.get(each, 0.0) for each in chosen)

    def admits(self, index: TwinIndex, taken: float = 0.0) -> bool:
        """Say whether an index fits in beside what is taken."""
        needed = self.needs.get(index, 0.0)
        return not needed or needed + taken <= self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is to be chosen from, and what counts."""

    #: In the order that decides between sets of equal value.
    indexes: Sequence[TwinIndex]
    #: Of each statement.
    plans: Sequence[Sequence[KnownPlan]]
    #: What an index must save: its upkeep, and what its size and its number count.
    prices: Mapping[TwinIndex, float]
    capacities: Sequence[Capacity] = ()
    #: Pairs of which only one may be chosen.
    conflicts: Collection[tuple[TwinIndex, TwinIndex]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The best set found, in the order of the indexes."""

    chosen: tuple[TwinIndex, ...]
    #: What it saves, prices deducted, and what no set of the same indexes saves more than with the known plans.
    value: float
    bound: float


@stdout.silenced()  # a new solver prints its version before it can be given an option
def solve(program: Program, *, gap: float = _GAP) -> Solution:
    """Return a set of the largest saving, prices deducted, within the gap of its bound; the same for equal input."""
    return _solved(program, gap)


@stdout.silenced()
def solve_all(programs: Sequence[Program], *, gap: float = _GAP) -> list[Solution]:
    """Solve several programs, side by side where there are processors for it."""
    with ThreadPoolExecutor(max_workers=max(1, min(len(programs), usable_cores()))) as threads:
        return list(threads.map(functools.partial(_solved, gap=gap), programs))


def _solved(program: Program, gap: float) -> Solution:
    found = [_solve(part, gap) for part in _independent(program)]
    chosen = {index for each in found for index in each.chosen}
    return Solution(
        chosen=tuple(index for index in program.indexes if index in chosen),
        value=sum(each.value for each in found),
        bound=sum(each.bound for each in found),
    )


def _independent(program: Program) -> Sequence[Program]:
    """Divide a program into those whose answers together are its own: what no statement, pair or limit connects."""
    groups = _Groups(program.indexes)
    # What cannot be exceeded connects nothing.
    limits = [limit for limit in program.capacities if limit.taken(program.indexes) > limit.most]
    for together in (*map(_uses_of, program.plans), *program.conflicts, *(limit.needs for limit in limits)):
        groups.connect(together)
    plans = groups.divided((_uses_of(plans), plans) for plans in program.plans)
    conflicts = groups.divided((pair, pair) for pair in program.conflicts)
    capacities = groups.divided((limit.needs, limit) for limit in limits)
    return [
        replace(
            program,
            indexes=indexes,
            plans=plans.get(group, ()),
            capacities=capacities.get(group, ()),
            conflicts=conflicts.get(group, ()),
        )
        for group, indexes in groups.divided(([index], index) for index in program.indexes).items()
    ]


class _Groups:
    """Indexes that have to be chosen together."""

    def __init__(self, indexes: Sequence[TwinIndex]) -> None:
        self._places = {index: place for place, index in enumerate(indexes)}
        self._above = list(range(len(indexes)))

    def _first(self, place: int) -> int:
        while self._above[place] != place:
            self._above[place] = place = self._above[self._above[place]]
        return place

    def _found(self, indexes: Iterable[TwinIndex]) -> list[int]:
        return [self._first(self._places[index]) for index in indexes if index in self._places]

    def connect(self, indexes: Iterable[TwinIndex]) -> None:
        """Put the groups of these indexes together."""
        found = self._found(indexes)
        for place in found:
            self._above[self._first(place)] = self._first(found[0])

    def divided(self, items: Iterable[tuple[Iterable[TwinIndex], T]]) -> dict[int, list[T]]:
        """Return what is about each group, by the indexes it is about; leave out what is about none."""
        by_group: dict[int, list[T]] = {}
        for indexes, item in items:
            if found := self._found(indexes):
                by_group.setdefault(self._first(found[0]), []).append(item)
        return by_group


def _uses_of(plans: Sequence[KnownPlan]) -> frozenset[TwinIndex]:
    """Return the indexes that plans use which save something."""
    return frozenset[TwinIndex]().union(*(plan.uses for plan in plans if plan.saving > 0))


def _solve(program: Program, gap: float) -> Solution:
    usable = [each for each in program.indexes if all(limit.admits(each) for limit in program.capacities)]
    largest = max((plan.saving for plans in program.plans for plan in plans), default=0.0)
    if not usable or largest <= 0:
        return Solution(chosen=(), value=0.0, bound=0.0)
    if sum(map(len, program.plans)) << len(usable) <= _MOST_ENUMERATED:
        return _enumerated(program, usable)
    return _optimised(program, usable, largest, gap)


def _enumerated(program: Program, usable: Sequence[TwinIndex]) -> Solution:
    """Look at every set of a few indexes, which takes less time than a solver needs to begin; a set is a bit mask."""
    bits = {index: 1 << place for place, index in enumerate(usable)}
    every = ((each, [index for index, bit in bits.items() if each & bit]) for each in range(1 << len(usable)))
    allowed = [each for each, chosen in every if _is_allowed(program, chosen)]
    values = {each: -sum(program.prices[index] for index, bit in bits.items() if each & bit) for each in allowed}
    for plans in program.plans:
        known = [plan for plan in plans if plan.saving > 0 and plan.uses <= bits.keys()]
        masks = [(sum(bits[index] for index in plan.uses), plan.saving) for plan in known]
        masks.sort(key=lambda each: -each[1])
        for each in allowed:
            values[each] += next((saving for mask, saving in masks if not mask & ~each), 0.0)
    most = max(values.values())
    alike = (each for each in allowed if values[each] >= most - _LEAST * abs(most))
    best = min(alike, key=lambda each: (each.bit_count(), each))
    chosen = tuple(index for index, bit in bits.items() if best & bit)
    return Solution(chosen=chosen, value=values[best], bound=most)


def _is_allowed(program: Program, chosen: Collection[TwinIndex]) -> bool:
    """Say whether a set keeps to the limits, and has none that another one of it makes unnecessary."""
    if any(one in chosen and other in chosen for one, other in program.conflicts):
        return False
    return all(limit.taken(chosen) <= limit.most for limit in program.capacities)


def _optimised(program: Program, usable: Sequence[TwinIndex], largest: float, gap: float) -> Solution:
    import highspy  # noqa: PLC0415 - of the twin extra; every other command works without

    solver, scale = _solver(gap), _SCALE / largest
    built = {index: solver.addBinary(obj=-program.prices[index] * scale) for index in usable}
    places = {index: place for place, index in enumerate(usable)}
    for plans in program.plans:
        _assign(solver, plans, built, places, scale)
    for limit in program.capacities:
        needed = [(limit.needs[index] / limit.most, one) for index, one in built.items() if limit.needs.get(index)]
        if needed:
            solver.addConstr(solver.qsum([_SCALE * need * one for need, one in needed]) <= _SCALE)
    for one, other in program.conflicts:
        if one in built and other in built:
            solver.addConstr(built[one] + built[other] <= 1)
    solver.maximize()
    info = solver.getInfo()
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Solution(chosen=(), value=0.0, bound=float("inf"))
    chosen = tuple(index for index, one in built.items() if solver.val(one) > 0.5)
    return Solution(
        chosen=chosen, value=info.objective_function_value / scale, bound=max(info.mip_dual_bound, 0.0) / scale
    )


def simplified(program: Program, tolerance: float) -> Program:
    """Leave out plans that save hardly more than one with fewer indexes, and those that save hardly anything.

    Both are measured by the tolerance: of the other plan's saving, and a hundredth of it of all savings.
    """
    least = tolerance / 100 * sum(max((plan.saving for plan in plans), default=0.0) for plans in program.plans)
    kept: list[list[KnownPlan]] = []
    for plans in program.plans:
        few: list[KnownPlan] = []
        for plan in sorted(plans, key=lambda each: (len(each.uses), -each.saving)):
            enough = (1 - tolerance) * plan.saving
            if plan.saving > least and not any(each.uses <= plan.uses and each.saving >= enough for each in few):
                few.append(plan)
        kept.append(few)
    used = {index for plans in kept for plan in plans for index in plan.uses}
    return replace(program, plans=kept, indexes=[each for each in program.indexes if each in used])


def _solver(gap: float) -> highspy.Highs:
    import highspy  # noqa: PLC0415

    solver = highspy.Highs()
    for option, value in (
        ("output_flag", False),
        ("log_to_console", False),
        ("threads", 1),
        ("mip_rel_gap", gap),
        ("mip_max_nodes", _NODES),
        ("mip_heuristic_effort", 0.0),
    ):
        solver.setOptionValue(option, value)
    return solver


def _assign(
    solver: highspy.Highs,
    plans: Sequence[KnownPlan],
    built: Mapping[TwinIndex, highs_var],
    places: Mapping[TwinIndex, int],
    scale: float,
) -> None:
    """Let a statement take one plan, of indexes that are built."""
    taken: list[highs_var] = []
    using: dict[TwinIndex, list[highs_var]] = {}
    for plan in plans:
        if plan.saving > 0 and all(index in built for index in plan.uses):
            takes = solver.addVariable(lb=0, ub=1, obj=plan.saving * scale)
            taken.append(takes)
            for index in plan.uses:
                using.setdefault(index, []).append(takes)
    if taken:
        solver.addConstr(solver.qsum(taken) <= 1)
    # Of all plans with an index one is taken at most: a tighter bound than each plan's own would give.
    for index in sorted(using, key=places.__getitem__):  # so that equal input gives equal output
        solver.addConstr(solver.qsum(using[index]) <= built[index])
