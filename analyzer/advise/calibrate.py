"""Find values for a statement's parameters that let through as many rows as the server counted.

A recorded statement has lost its constants, and the planner's guess for an unknown one can be far off: a hundredth of
the rows for `@>`, a third for `>`. What pg_stat_statements kept is how many rows the statement returned.
"""

import math

import psycopg

from analyzer.twin.planner import PlanTree, Twin, walk
from analyzer.workload.bindings import alternatives, bound_text
from analyzer.workload.parse import Statement
from analyzer.workload.shapes import Shape

_SUMMARISING = frozenset({"Aggregate", "Group", "Unique", "WindowAgg", "SetOp", "ModifyTable"})
#: A mean this close to a whole number of rows is a LIMIT that was met by every call.
_WHOLE = 0.01


def calibrate(text: str, statement: Statement, shape: Shape, twin: Twin) -> str | None:
    """Return the text with values under which the planner expects the rows that were counted.

    None when nothing was counted, the count says nothing about the filters, or no values can be drawn.
    """
    if not statement.rows or not statement.calls:
        return None
    counted = statement.rows / statement.calls
    best: tuple[float, str] | None = None
    for binding in alternatives(statement, shape, twin.snapshot):
        query = bound_text(text, binding)
        try:
            plan = twin.plan(query, generic=False)
        except psycopg.Error:
            return None
        expected = _filtered_rows(plan.tree, counted)
        if expected is None:
            return None
        distance = abs(math.log(max(expected, 1.0) / max(counted, 1.0)))
        if best is None or distance < best[0]:
            best = (distance, query)
    return best[1] if best else None


def _filtered_rows(tree: PlanTree, counted: float) -> float | None:
    """Return how many rows the planner expects before any LIMIT; None when they cannot be compared with the count."""
    if any(node["Node Type"] in _SUMMARISING for node in walk(tree)):
        return None
    if tree["Node Type"] != "Limit":
        return float(tree["Plan Rows"])
    if abs(counted - round(counted)) < _WHOLE:
        return None
    return float(tree["Plans"][0]["Plan Rows"])
