"""Find values for a statement's parameters that let through as many rows as the server counted.

A recorded statement has lost its constants, and the planner's guess for an unknown one can be far off: a hundredth of
the rows for `@>`, a third for `>`. What pg_stat_statements kept is how many rows the statement returned.
"""

import math
from collections.abc import Sequence

import psycopg

from analyzer.twin.twin import Asked, PlanTree, Twin, walk
from analyzer.workload.bindings import alternatives, bound_text
from analyzer.workload.parse import Statement
from analyzer.workload.shapes import Shape

_SUMMARISING = frozenset({"Aggregate", "Group", "Unique", "WindowAgg", "SetOp", "ModifyTable"})
#: A mean this close to a whole number of rows is a LIMIT that was met by every call.
_WHOLE = 0.01
#: How many values to price where several are as likely.
_FEW = 3


def calibrate(text: str, statement: Statement, shape: Shape, twin: Twin) -> tuple[str, ...]:
    """Return the text with values under which the planner expects the rows that were counted; each weighs the same.

    Values that fit equally well are as likely as one another, and so are all that let through enough where every call
    met its LIMIT. None when nothing was counted, the count says nothing about the filters, or no values can be drawn.
    """
    if not statement.rows or not statement.calls:
        return ()
    counted = statement.rows / statement.calls
    queries = [bound_text(text, binding) for binding in alternatives(statement, shape, twin.snapshot)]
    if not queries:
        return ()
    try:
        planned = twin.plan_all(
            [Asked(text=query, generic=False) for query in queries], search_path=statement.search_path
        )
    except psycopg.Error:
        return ()
    plans = [(plan.tree, query) for plan, query in zip(planned, queries, strict=True)]
    if any(node["Node Type"] in _SUMMARISING for tree, _ in plans for node in walk(tree)):
        return ()
    found = sorted(map(_filtered, plans))
    if all(tree["Node Type"] == "Limit" for tree, _ in plans) and abs(counted - round(counted)) < _WHOLE:
        return _evenly([query for rows, query in found if rows >= counted])
    distances = [abs(math.log(max(rows, 1.0) / max(counted, 1.0))) for rows, _ in found]
    return _evenly([query for (_, query), distance in zip(found, distances, strict=True) if distance == min(distances)])


def _filtered(plan: tuple[PlanTree, str]) -> tuple[float, str]:
    """Return how many rows the planner expects before any LIMIT, and the query."""
    tree, query = plan
    return float((tree["Plans"][0] if tree["Node Type"] == "Limit" else tree)["Plan Rows"]), query


def _evenly(queries: Sequence[str]) -> tuple[str, ...]:
    """Take a few from the whole length."""
    return tuple(
        dict.fromkeys(queries[(2 * place + 1) * len(queries) // (2 * _FEW)] for place in range(_FEW) if queries)
    )
