"""What the platform's benchmark makes of plans and times: an index used or not, a target met or not."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from analyzer.demo.data import Loaded
from analyzer.demo.statements import STATEMENTS
from analyzer.demo.workload import Timing, percentile, sender
from benchmarks.platform_indexes import Builds
from benchmarks.platform_page import render_page
from benchmarks.platform_plans import Plan, find_scanned
from benchmarks.platform_rates import Rate, Rates
from benchmarks.platform_recall import Recall, Search
from benchmarks.platform_targets import Measured, gains, judge
from benchmarks.setting import Setting, render_table

ROOT = Path(__file__).parents[2]
SETTING = Setting(
    day=date(2026, 3, 1),
    processor="a processor",
    cores=2,
    memory_bytes=8 << 30,
    load=0.1,
    system="Linux x86_64",
    python="3.11.0",
    server="18.6",
    extensions=(("plpgsql", "1.0"), ("vector", "0.8.1")),
    file_system="ext4",
    settings=(("random_page_cost", "1.1"),),
)


def node(
    kind: str, *children: dict[str, Any], relation: str | None = None, ms: float = 1.0, loops: int = 1
) -> dict[str, Any]:
    """Return a node as EXPLAIN (ANALYZE, FORMAT JSON) prints it."""
    found = {} if relation is None else {"Relation Name": relation}
    return {"Node Type": kind, "Actual Total Time": ms, "Actual Loops": loops, "Plans": list(children), **found}


def scan(kind: str, relation: str, *, ms: float = 1.0, loops: int = 1) -> dict[str, Any]:
    return {**node(kind, relation=relation, ms=ms, loops=loops), "Index Name": f"ix_{relation}"}


def plan(tree: dict[str, Any], *, name: str = "product_page", sql: str = "SELECT 1", **document: object) -> Plan:
    return Plan(
        name=name,
        kind="read",
        sql=sql,
        document={
            "Plan": {"Shared Hit Blocks": 7, "Shared Read Blocks": 1, **tree},
            "Execution Time": 2.5,
            **document,
        },
        scanned=find_scanned(tree, frozenset({"large", "huge"})),
    )


SEQ_SCAN = node("Seq Scan", relation="large")


@pytest.mark.parametrize(
    ("tree", "uses_index"),
    [
        (scan("Index Scan", "large"), True),
        (scan("Index Only Scan", "large"), True),
        (node("Bitmap Heap Scan", node("Bitmap Index Scan"), relation="large"), True),
        (SEQ_SCAN, False),
        (node("Nested Loop", SEQ_SCAN, scan("Index Scan", "huge")), False),
        (node("Append", node("Seq Scan", relation="small"), scan("Index Scan", "huge")), True),
        # What was never executed was not read.
        (node("Append", scan("Seq Scan", "large", loops=0), scan("Index Scan", "huge")), True),
        # A small table alone needs no index, and so it uses none.
        (node("Seq Scan", relation="small"), False),
        (node("Result"), False),
        (node("Append", scan("Index Scan", "large", loops=0)), False),
    ],
)
def test_an_index_is_used_when_every_large_table_is_read_through_one(tree: dict[str, Any], *, uses_index: bool) -> None:
    assert plan(tree).uses_index is uses_index


def test_what_took_the_most_is_without_its_children_and_may_be_a_trigger() -> None:
    tree = node("Sort", scan("Index Scan", "large", ms=2, loops=4), ms=10)
    assert plan(tree).dominant == ("Index Scan ix_large", 0.8)
    slow = {"Trigger Name": "RI_ConstraintTrigger_a_1", "Constraint Name": "fk_large", "Time": 30.0}
    assert plan(tree, Triggers=[slow]).dominant == ("trigger fk_large", 0.75)
    assert plan(tree).blocks == 8


def test_a_join_is_what_the_plan_joins() -> None:
    assert plan(node("Limit", node("Hash Join", SEQ_SCAN, SEQ_SCAN))).joins
    assert not plan(node("Append", SEQ_SCAN, SEQ_SCAN)).joins


def test_percentiles_are_never_below_their_share() -> None:
    taken = [float(number) for number in range(1, 101)]
    assert [percentile(taken, share) for share in (0.5, 0.95, 0.99, 1.0)] == [51, 96, 100, 100]
    assert percentile([3.0], 0.5) == 3.0


def test_every_kind_of_client_sends_statements() -> None:
    sent = {spec.name: sender(spec) for spec in STATEMENTS}
    assert set(sent.values()) == {
        "psycopg, prepared",
        "psycopg, never prepared",
        "SQLAlchemy Core",
        "SQLAlchemy ORM",
    }
    assert sent["product_detail"] == "SQLAlchemy ORM"
    assert sent["product_search"] == "SQLAlchemy Core"
    assert sent["customers_by_trait"] == "psycopg, never prepared"


def timings(factor: float) -> tuple[Timing, ...]:
    """Return times of a direct read, a join, a search by distance, and the same of agents."""
    names = ("product_page", "product_detail", "cache_similar", "batch_fetch", "run_report")
    return tuple(Timing(name=name, kind="read", taken_ms=(factor, factor, 2 * factor)) for name in names)


def measured() -> Measured:
    """Return a run that meets every target."""
    join = node("Nested Loop", scan("Index Scan", "large"), scan("Index Scan", "huge"))
    return Measured(
        setting=SETTING,
        loaded=(
            Loaded(table="product", rows=20_000, seconds=1),
            Loaded(table="document", rows=1_000, seconds=1),
        ),
        builds=Builds(indexes=87, seconds=9),
        bare=timings(60),
        indexed=timings(6),
        timed=timings(6),
        timed_seconds=2,
        clients=4,
        plans=(
            plan(scan("Index Scan", "large"), name="product_page"),
            plan(join, name="product_detail"),
            plan(scan("Index Scan", "large"), name="cache_similar", sql="SELECT 1 ORDER BY e <=> %(e)s"),
            plan(scan("Index Scan", "large"), name="batch_fetch"),
            plan(join, name="run_report"),
        ),
        recalls=(
            Recall(search=Search(table="document"), index="ix_document (hnsw)", share=0.95, worst=0.6),
            Recall(search=Search(table="document", between=True), index="ix_document (hnsw)", share=0.1, worst=0),
        ),
        rates=Rates(
            inserts=(Rate(what="rows", rows=6_000, seconds=1),),
            updates=(Rate(what="rows", rows=6_000, seconds=1),),
            fetches=(Rate(what="rows", rows=60_000, seconds=1),),
        ),
    )


def missed(run: Measured) -> list[str]:
    """Name the targets that a run misses."""
    return [target.name for target in judge(run) if not target.met]


def test_a_fast_platform_meets_every_target() -> None:
    run = measured()
    assert missed(run) == []
    # A search for something between two things is shown, and is no target.
    assert sum(target.name.startswith("recall") for target in judge(run)) == 1


def test_tables_full_of_embeddings_may_load_slowly_and_no_other() -> None:
    run = measured()
    slow = Loaded(table="quote", rows=9_999, seconds=1)
    assert missed(replace(run, loaded=(*run.loaded, slow))) == [
        "load with all indexes in place (COPY, tables without embeddings)"
    ]


def test_the_slowest_way_counts_for_batches() -> None:
    run = measured()
    slow = (Rate(what="rows", rows=2_999, seconds=1),)
    rates = replace(run.rates, updates=(*run.rates.updates, *slow), inserts=slow, fetches=slow)
    assert missed(replace(run, rates=rates)) == [
        "batch insert",
        "batch update",
        "training fetch (cursor on the server)",
    ]


def test_one_slow_statement_is_enough_to_miss() -> None:
    run = measured()
    assert missed(replace(run, timed=timings(30))) == ["pipeline: direct queries, p95 of the slowest"]
    assert missed(replace(run, timed=timings(60))) == [
        "pipeline: direct queries, p95 of the slowest",
        "single read statement, p95 of the slowest",
    ]
    assert len(missed(replace(run, timed=timings(200)))) == 4


def test_what_was_not_measured_is_not_met() -> None:
    assert missed(replace(measured(), timed=())) == [
        "pipeline: direct queries, p95 of the slowest",
        "pipeline: joins, p95 of the slowest",
        "reads that use an index, by call",
        "single read statement, p95 of the slowest",
        "similarity search, p95 of the slowest",
    ]


def test_scans_count_by_statement_and_by_call() -> None:
    run = measured()
    plans = (plan(SEQ_SCAN, name="product_page"), *run.plans[1:])
    assert missed(replace(run, plans=plans)) == [
        "reads that use an index, by statement",
        "reads that use an index, by call",
    ]
    seldom = tuple(each for each in run.timed if each.name != "product_page")
    assert missed(replace(run, plans=plans, timed=seldom)) == ["reads that use an index, by statement"]


def test_recall_without_an_index_is_no_recall() -> None:
    run = measured()
    exact = replace(run.recalls[0], index=None, share=1.0)
    assert missed(replace(run, recalls=(exact,))) == ["recall@10 of `document`, as shipped"]
    low = replace(run.recalls[0], share=0.89)
    assert missed(replace(run, recalls=(low,))) == ["recall@10 of `document`, as shipped"]


def test_gains_compare_the_same_statements() -> None:
    run = measured()
    assert gains(run.bare, run.indexed[:1]) == {"product_page": 0.9}
    assert missed(replace(run, indexed=timings(25))) == ["whole workload, against primary keys only"]
    assert missed(replace(run, indexed=timings(31))) == [
        "joins, against primary keys only",
        "whole workload, against primary keys only",
    ]


def test_the_page_says_what_was_missed_and_on_what() -> None:
    run = replace(measured(), indexed=timings(25))
    page = render_page(run, judge(run))
    assert "12 of 13 are met" in page
    assert "| whole workload, against primary keys only | ≥ 5 times faster | 2.4 times | **no** |" in page
    assert "2026-03-01" in page
    assert "PostgreSQL 18.6 (vector 0.8.1), Python 3.11.0" in page
    assert "| `product_page` | psycopg, prepared | 3 | 6.0 | 12.0 | 12.0 | 60.00 | 25.00 | 58 % |" in page


def test_the_page_that_is_kept_is_measured_as_the_code_says() -> None:
    kept = (ROOT / "docs" / "benchmarks" / "platform.md").read_text(encoding="utf-8")
    page = render_page(measured(), judge(measured()))
    heads = [line for line in page.splitlines() if line.startswith(("#", "| target", "| statement", "| what"))]
    assert [line for line in kept.splitlines() if line.startswith(("#", "| target", "| statement", "| what"))] == heads
    assert kept.partition("## How")[2] == page.partition("## How")[2]
    assert [f"`{spec.name}`" for spec in STATEMENTS if f"| `{spec.name}` |" not in kept] == []


def test_a_table_keeps_its_columns() -> None:
    assert render_table(("a", "b:"), [("x|y", "1")]) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |"
