"""The changes of a plan that most regressions come from are named, and nothing else is."""

from collections.abc import Mapping
from typing import Any

import pytest

from analyzer.advise.risks import risks
from analyzer.workload.plan_tree import PlanNode
from tests.unit.catalogs import snapshot

NEW = "ix_new"


def node(kind: str, *below: PlanNode, cost: float = 100.0, rows: float = 100.0, **more: object) -> dict[str, Any]:
    properties = {name.replace("_", " "): value for name, value in more.items()}
    plan = {"Node Type": kind, "Total Cost": cost, "Plan Rows": rows, "Plan Width": 100, **properties}
    return {**plan, "Plans": list(below)} if below else plan


def seq(name: str = "t", **more: Any) -> dict[str, Any]:
    return node("Seq Scan", Schema="public", Relation_Name=name, **more)


def new(kind: str = "Index Scan", **more: Any) -> dict[str, Any]:
    return node(kind, Schema="public", Relation_Name="t", Index_Name=NEW, **more)


def found(before: PlanNode, after: PlanNode, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    captured = snapshot().model_copy(update={"settings": dict(settings or {})})
    return {risk.pattern: risk.text for risk in risks(before, after, {NEW}, captured)}


def loop(*, cost: float, rows: float) -> PlanNode:
    return node("Nested Loop", seq("a", rows=rows, cost=500.0), new(), cost=cost)


def test_a_nested_loop_says_from_how_many_rows_on_the_plan_before_is_cheaper() -> None:
    before = node("Hash Join", seq("a"), node("Hash", seq()), cost=10_000.0)
    # 4,500 for 50 rows: another 5,000 buys 55.6 rows more.
    assert "50 rows: from 106 rows on" in found(before, loop(cost=5_000.0, rows=50))["nested loop"]


@pytest.mark.parametrize(
    "after",
    [
        loop(cost=1_000.0, rows=5),
        loop(cost=900.0, rows=1),
        node("Nested Loop", seq("a"), seq("b"), cost=9_000.0),
        node("Hash Join", seq("a"), node("Hash", new()), cost=9_000.0),
    ],
)
def test_no_risk_where_it_pays_for_many_more_rows_or_is_another_join(after: PlanNode) -> None:
    before = node("Hash Join", seq("a"), node("Hash", seq()), cost=10_000.0)
    assert "nested loop" not in found(before, after)


def test_a_limit_that_hopes_for_early_rows() -> None:
    before = node("Limit", node("Sort", seq()))
    assert set(found(before, node("Limit", new(Filter="(kind = 'rare')")))) == {"limit"}
    assert set(found(before, node("Limit", node("Nested Loop", new(Filter="x"), seq("b"))))) == {"limit"}
    assert found(before, node("Limit", new())) == {}
    assert found(before, node("Limit", node("Sort", new(Filter="x")))) == {}
    assert found(before, node("Limit", node("Nested Loop", seq("b"), new(Filter="x")))) == {}


def test_parallelism_that_is_given_up() -> None:
    before = node("Gather", seq(Parallel_Aware=True), Workers_Planned=2)
    assert found(before, new()) == {"parallel": "runs in one process; the plan before had 2 parallel workers"}
    assert found(before, node("Gather", new(), Workers_Planned=1)) == {}


def test_a_sort_or_a_hash_that_no_longer_fits_into_memory() -> None:
    small, large = node("Sort", seq(), rows=1_000), node("Sort", new(), rows=1_000_000)
    assert set(found(small, large)) == {"memory"}
    assert found(large, large) == {}
    assert found(small, large, {"work_mem": "1000000"}) == {}
    hashed = node("Hash Join", seq("a"), node("Hash", new(), rows=60_000))
    assert found(seq(), hashed) == {}, "6 MB fit into work_mem times hash_mem_multiplier"
    assert set(found(seq(), hashed, {"hash_mem_multiplier": "1"})) == {"memory"}


def test_a_bitmap_that_turns_lossy() -> None:
    heap = node("Bitmap Heap Scan", node("Bitmap Index Scan", Index_Name=NEW), rows=100_000, Schema="public",
                Relation_Name="t")  # fmt: skip
    assert set(found(seq(), heap)) == {"lossy"}
    assert found(seq(), {**heap, "Plan Rows": 60_000}) == {}
    assert found(seq(), heap, {"work_mem": "8192"}) == {}


def test_partitions_that_are_no_longer_pruned() -> None:
    before = node("Append", seq("p1"), seq("p2"))
    assert found(before, node("Append", seq("p1"), new(), seq("p3"))) == {
        "partitions": "reads 3 tables or partitions, 2 before"
    }
    assert found(before, before) == {}


@pytest.mark.parametrize("setting", ["", "much", "nan", "-1"])
def test_a_setting_that_is_no_number_costs_nothing(setting: str) -> None:
    found(seq(), node("Sort", new(), rows=1_000_000), {"work_mem": setting, "hash_mem_multiplier": setting})
