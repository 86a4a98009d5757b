"""Plans that hope to stop early are priced without that hope, but only for proposed indexes."""

from typing import Any

import pytest

from analyzer.advise.limit_cost import cautious_cost
from analyzer.twin.twin import Plan


def node(kind: str, cost: float, *below: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Node Type": kind, "Total Cost": cost, "Plan Rows": 10, "Plans": list(below), **more}


def scan(cost: float, name: str = "ix", **more: Any) -> dict[str, Any]:
    return node("Index Scan", cost, **{"Index Name": name, **more})


FILTERED = scan(2200, Filter="(color = 'teal')")


@pytest.mark.parametrize(
    ("tree", "cost"),
    [
        pytest.param(node("Limit", 40, FILTERED), 2200, id="a filtering scan under a limit counts in full"),
        pytest.param(node("Limit", 40, scan(2200)), 40, id="a scan that refuses nothing may stop early"),
        pytest.param(
            node("Limit", 40, scan(2200, "existing", Filter="x")), 40, id="an existing index is the planner's affair"
        ),
        pytest.param(
            node("Limit", 2300, node("Sort", 2300, FILTERED)), 2300, id="below a sort everything is read anyway"
        ),
        pytest.param(
            node("Limit", 40, node("Incremental Sort", 2250, FILTERED)), 2250, id="an incremental sort stops early too"
        ),
        pytest.param(
            node("Limit", 50, node("Nested Loop", 9000, FILTERED, scan(1, **{"Parent Relationship": "Inner"}))),
            9000,
            id="the outer side of a nested loop streams",
        ),
        pytest.param(
            node("Limit", 50, node("Nested Loop", 9000, scan(5, "a"), {**FILTERED, "Parent Relationship": "Inner"})),
            50,
            id="the inner side is run per row",
        ),
        pytest.param(FILTERED, 2200, id="without a limit nothing changes"),
    ],
)
def test_the_cost_of_a_plan_with_caution(tree: dict[str, Any], cost: float) -> None:
    assert cautious_cost(Plan(cost=tree["Total Cost"], rows=10, tree=tree), {"ix"}) == cost
