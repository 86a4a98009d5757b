"""How the benchmark of the twin compares plans, and what it lists."""

from datetime import date

import pytest

pytest.importorskip("duckdb", reason="pip install 'twindex[bench]'")

from analyzer.twin.twin import Plan, PlanTree
from benchmarks.setting import Setting
from benchmarks.targets import Section, Target
from benchmarks.twin import render_page
from benchmarks.twin_compare import compare
from benchmarks.twin_listed import load_listed


def scan(cost: float, *, index: str = "a_pkey", condition: str = "(id = 1)") -> PlanTree:
    return {
        "Node Type": "Index Scan", "Index Name": index, "Index Cond": condition, "Relation Name": "a",
        "Startup Cost": 0.0, "Total Cost": cost, "Plan Rows": 1, "Plan Width": 8,
    }  # fmt: skip


def loop(*plans: PlanTree) -> PlanTree:
    cost = sum(plan["Total Cost"] for plan in plans)
    return {
        "Node Type": "Nested Loop", "Plans": list(plans),
        "Startup Cost": 0.0, "Total Cost": cost, "Plan Rows": 1, "Plan Width": 8,
    }  # fmt: skip


def plan(tree: PlanTree) -> Plan:
    return Plan(cost=tree["Total Cost"], rows=1, tree=tree)


def test_the_same_tree_has_no_difference() -> None:
    found = compare("q", loop(scan(2), scan(3)), plan(loop(scan(2), scan(3))))
    assert (found.difference, found.drift, found.error) == (None, None, 0)


def test_another_condition_below_is_a_difference() -> None:
    found = compare("q", loop(scan(2), scan(3)), plan(loop(scan(2), scan(3, condition="(id = 2)"))))
    assert found.difference == "Index Scan of a_pkey, Index Cond: (id = 1) live, (id = 2) on the twin"


def test_another_number_of_children_is_a_difference() -> None:
    found = compare("q", loop(scan(2), scan(3)), plan(loop(scan(5))))
    assert found.difference == "Nested Loop: 2 children live, 1 on the twin"


def test_the_innermost_cost_that_differs_is_named() -> None:
    found = compare("q", loop(scan(2), scan(2)), plan(loop(scan(2), scan(3))))
    assert found.difference is None
    assert found.error == pytest.approx(0.25)
    assert found.drift == "Index Scan of a_pkey, Total Cost: 2 live, 3 on the twin"


def test_between_versions_conditions_may_be_printed_differently_and_nodes_may_not() -> None:
    live = loop(scan(2), scan(3))
    other: PlanTree = {**loop(scan(2), scan(3, condition="(id = (InitPlan 1).col1)")), "Disabled": False}
    assert compare("q", live, plan(other)).difference is not None
    assert compare("q", live, plan(other), outline=True).difference is None
    hashed = plan(loop(scan(2), {**scan(3), "Node Type": "Hash Join"}))
    found = compare("q", live, hashed, outline=True)
    assert found.difference == "Index Scan of a_pkey, Node Type: Index Scan live, Hash Join on the twin"


def test_the_page_begins_with_what_was_wanted_and_what_came_out() -> None:
    setting = Setting(
        day=date(2026, 3, 1), processor="a processor", cores=2, memory_bytes=8 << 30, load=0.1, system="Linux x86_64",
        python="3.11.0", server="18.6", extensions=(), file_system="ext4", settings=(),
    )  # fmt: skip
    sections = [
        Section(text="## First", targets=(Target(name="cost", wanted="within 1 %", measured="2 %", met=False),)),
        Section(text="## Second", targets=(Target(name="time", wanted="≤ 2 s", measured="1 s", met=True),)),
    ]
    page = render_page(setting, sections)
    assert "1 of 2 are met." in page
    assert "| cost | within 1 % | 2 % | **no** |\n| time | ≤ 2 s | 1 s | yes |" in page
    assert page.index("## Targets") < page.index("## First") < page.index("## Second")


def test_every_access_method_and_shape_is_listed() -> None:
    listed = load_listed()
    indexes = [each.index for suite in listed.values() for each in suite]
    assert len(indexes) >= 60
    assert {index.method for index in indexes} == {
        "btree", "hash", "gin", "gist", "spgist", "brin", "ivfflat", "hnsw",
    }  # fmt: skip
    assert any(index.where for index in indexes)
    assert any(index.include for index in indexes)
    assert any(key.expression for index in indexes for key in index.keys)
    for suite in listed.values():
        assert len({each.index.name for each in suite}) == len(suite)
