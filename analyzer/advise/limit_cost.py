"""Price plans that hope to stop early at what they cost when they don't.

`WHERE rare ORDER BY x LIMIT 10` over an index on x is cheap only if matching rows come soon. The planner spreads them
evenly; when they are rarer, or lie at the far end, the scan reads the whole index and the table in random order. An
index must not be proposed on that hope.
"""

from collections.abc import Collection

from analyzer.twin.twin import Plan, PlanTree

#: Nodes that pass rows on as they come, so that a LIMIT above stops what is below.
_STREAMING = frozenset(
    """
    Limit|Incremental Sort|Nested Loop|Hash Join|Merge Join|Append|Merge Append|Gather|Gather Merge|Result|LockRows
    """.strip().split("|")
)


def cautious_cost(plan: Plan, proposed: Collection[str]) -> float:
    """Return the cost of a plan; without the LIMIT's discount where it stops a filtering scan of a proposed index."""
    return _cost(plan.tree, proposed)


def _cost(tree: PlanTree, proposed: Collection[str]) -> float:
    if tree["Node Type"] == "Limit" and _stops_filter(tree["Plans"][0], proposed):
        return float(tree["Plans"][0]["Total Cost"])
    return float(tree["Total Cost"])


def _stops_filter(tree: PlanTree, proposed: Collection[str]) -> bool:
    if tree.get("Index Name") in proposed and "Filter" in tree:
        return True
    if tree["Node Type"] in _STREAMING:
        outer = [child for child in tree.get("Plans", ()) if child.get("Parent Relationship") != "Inner"]
        return any(_stops_filter(child, proposed) for child in outer)
    return False
