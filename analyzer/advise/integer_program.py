"""Seed the choice under a budget with an integer program.

A greedy by benefit per byte can fill a small budget with small indexes and then lack the room for a better large one.
The program assigns each statement to at most one candidate, by what that candidate alone would save it, and so prices
what overlaps once (the atomic configurations of CoPhy: Dash, Polyzotis, Ailamaki, "CoPhy: a scalable, portable, and
interactive index advisor for large workloads", VLDB 2011, cut down to one index each).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analyzer import stdout
from analyzer.advise.cost import CostModel
from analyzer.twin.twin import TwinIndex
from analyzer.workload.parse import Statement

if TYPE_CHECKING:
    from highspy.highs import highs_var

#: Bound on the solver's own time; what it has by then is taken.
_SECONDS = 10.0


@stdout.silenced()  # a new solver prints its version before it can be given an option
def solve(model: CostModel, candidates: Sequence[TwinIndex], budget_bytes: int) -> tuple[TwinIndex, ...]:
    """Return the candidates of the best assignment that fits the budget, in their order; always the same."""
    import highspy  # noqa: PLC0415 - of the twin extra; every other command works without

    usable = [index for index in candidates if index.size_bytes <= budget_bytes]
    solver = highspy.Highs()
    for option, value in (("output_flag", False), ("log_to_console", False), ("threads", 1), ("time_limit", _SECONDS)):
        solver.setOptionValue(option, value)
    built = [solver.addBinary(obj=-model.upkeep(index, frozenset())) for index in usable]
    served: dict[Statement, list[highs_var]] = {}
    for index, is_built in zip(usable, built, strict=True):
        for change in model.changes(index, frozenset()):
            if change.saving > 0:
                serves = solver.addVariable(lb=0, ub=1, obj=change.saving)
                solver.addConstr(serves <= is_built)
                served.setdefault(change.item.statement, []).append(serves)
    for alternatives in served.values():
        solver.addConstr(solver.qsum(alternatives) <= 1)
    if not built:
        return ()
    sizes = [index.size_bytes * one for index, one in zip(usable, built, strict=True)]
    solver.addConstr(solver.qsum(sizes) <= budget_bytes)
    solver.maximize()
    if solver.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return ()
    return tuple(index for index, one in zip(usable, built, strict=True) if solver.val(one) > 0.5)
