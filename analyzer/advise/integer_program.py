"""Choose a set of indexes with an integer program over the plans that are known.

Each statement takes one of its known plans, of which the indexes must be in the set: the atomic configurations of CoPhy
(Dash, Polyzotis, Ailamaki, "CoPhy: a scalable, portable, and interactive index advisor for large workloads", VLDB
2011). The planner takes the cheapest plan it can, so the cost of a set is that of its best assignment, and no set of
the same indexes can cost less than the bound as far as the known plans go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer import stdout
from analyzer.twin.twin import TwinIndex

if TYPE_CHECKING:
    import highspy
    from highspy.highs import highs_var

#: Of the value of the best set: a search that is this close to its bound ends.
_GAP = 5e-3
#: Where the bound is not reached the search ends after as many nodes, which is the same on every machine.
_NODES = 2_000
#: The largest coefficient of the objective, and of the sizes.
_SCALE = 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPlan:
    """A plan of one statement."""

    #: Without those that are there in any case.
    uses: frozenset[TwinIndex]
    #: Of all executions, against the plan without any new index.
    saving: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is to be chosen from, and what counts."""

    #: In the order that decides between sets of equal value.
    indexes: Sequence[TwinIndex]
    #: Of each statement.
    plans: Sequence[Sequence[KnownPlan]]
    #: What an index must save: its upkeep, and what its size and its number count.
    prices: Mapping[TwinIndex, float]
    budget_bytes: int | None = None
    most: int | None = None
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
def solve(program: Program) -> Solution:
    """Return the set of the largest saving, prices deducted; the same for equal input."""
    found = [_solve(part) for part in _independent(program)]
    chosen = {index for each in found for index in each.chosen}
    return Solution(
        chosen=tuple(index for index in program.indexes if index in chosen),
        value=sum(each.value for each in found),
        bound=sum(each.bound for each in found),
    )


def _independent(program: Program) -> Sequence[Program]:
    """Divide a program into those whose answers together are its own: what no statement, pair or limit connects."""
    if program.budget_bytes is not None or program.most is not None:
        return (program,)
    places = {index: place for place, index in enumerate(program.indexes)}
    above = list(range(len(places)))

    def first(place: int) -> int:
        while above[place] != place:
            above[place] = place = above[above[place]]
        return place

    def connect(indexes: Iterable[TwinIndex]) -> int | None:
        found = [first(places[index]) for index in indexes if index in places]
        for place in found:
            above[first(place)] = first(found[0])
        return found[0] if found else None

    connected = [connect(_uses_of(plans)) for plans in program.plans]
    for pair in program.conflicts:
        connect(pair)
    indexes, plans = dict[int, list[TwinIndex]](), dict[int, list[Sequence[KnownPlan]]]()
    for index, place in places.items():
        indexes.setdefault(first(place), []).append(index)
    for place, known in zip(connected, program.plans, strict=True):
        if place is not None:
            plans.setdefault(first(place), []).append(known)
    conflicts: dict[int, list[tuple[TwinIndex, TwinIndex]]] = {}
    for one, other in program.conflicts:
        if one in places and other in places:
            conflicts.setdefault(first(places[one]), []).append((one, other))
    return [
        Program(indexes=some, plans=plans.get(place, ()), prices=program.prices, conflicts=conflicts.get(place, ()))
        for place, some in indexes.items()
    ]


def _uses_of(plans: Sequence[KnownPlan]) -> frozenset[TwinIndex]:
    """Return the indexes that plans use which save something."""
    return frozenset[TwinIndex]().union(*(plan.uses for plan in plans if plan.saving > 0))


def _solve(program: Program) -> Solution:
    import highspy  # noqa: PLC0415 - of the twin extra; every other command works without

    budget = program.budget_bytes
    usable = [each for each in program.indexes if budget is None or each.size_bytes <= budget]
    largest = max((plan.saving for plans in program.plans for plan in plans), default=0.0)
    if not usable or largest <= 0:
        return Solution(chosen=(), value=0.0, bound=0.0)
    solver, scale = _solver(), _SCALE / largest
    built = {index: solver.addBinary(obj=-program.prices[index] * scale) for index in usable}
    places = {index: place for place, index in enumerate(usable)}
    for plans in program.plans:
        _assign(solver, plans, built, places, scale)
    if budget is not None:
        unit = _SCALE / max(budget, 1)
        solver.addConstr(solver.qsum([index.size_bytes * unit * one for index, one in built.items()]) <= _SCALE)
    if program.most is not None:
        solver.addConstr(solver.qsum(list(built.values())) <= program.most)
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


def _solver() -> highspy.Highs:
    import highspy  # noqa: PLC0415

    solver = highspy.Highs()
    for option, value in (
        ("output_flag", False),
        ("log_to_console", False),
        ("threads", 1),
        ("mip_rel_gap", _GAP),
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
