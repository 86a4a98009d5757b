"""Plans as trees, and numbers for people."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import JsonValue

from analyzer.amounts import counted, percent, plural
from analyzer.render import units
from analyzer.render.plan import compare_plans, parse_plan
from tests.unit.sample_plans import bitmap, explained, index_scan, over, scan


def labels(plan: JsonValue) -> list[tuple[int, str]]:
    return [(node.depth, node.label) for node in parse_plan(plan)]


def test_plan_reads_as_explain_prints_it() -> None:
    plan = over(
        "Aggregate",
        9.0,
        1,
        over(
            "Hash Join",
            8.0,
            10,
            scan("order", filter_="(a = 1)", total=5, rows=10, alias="o", parallel=True),
            bitmap("line", "ix_line", condition="(b = 1)", total=2, rows=1),
            Join_Type="Left",
        ),
        Strategy="Sorted",
        Partial_Mode="Partial",
    )
    assert labels(explained(plan)) == [
        (0, "Partial GroupAggregate"),
        (1, "Hash Left Join"),
        (2, "Parallel Seq Scan on catalog.order o"),
        (2, "Bitmap Heap Scan on catalog.line"),
        (3, "Bitmap Index Scan on ix_line"),
    ]


def test_plan_is_found_in_all_three_wrappings() -> None:
    plan = scan("t", filter_="", total=1, rows=1)
    assert parse_plan(explained(plan)) == parse_plan({"Plan": plan}) == parse_plan(plan) != ()


@pytest.mark.parametrize("nothing", [None, [], {}, "text", [1]])
def test_what_is_no_plan_gives_no_nodes(nothing: JsonValue) -> None:
    assert parse_plan(nothing) == ()


def test_modification_and_subplan_are_named() -> None:
    sub = scan("c", filter_="(x = $0)", total=1, rows=1) | {
        "Parent Relationship": "InitPlan",
        "Subplan Name": "InitPlan 1",
    }
    plan = over("ModifyTable", 1, 0, sub, Operation="Delete", Relation_Name="t", Schema="catalog", Alias="t")
    nodes = parse_plan(plan)
    assert (nodes[0].label, nodes[1].role) == ("Delete on catalog.t", "InitPlan 1")


def test_only_nodes_that_differ_are_marked() -> None:
    def query(child: dict[str, JsonValue]) -> JsonValue:
        return explained(over("Limit", 1, 1, over("Nested Loop", 1, 1, child, scan("b", filter_="", total=1, rows=1))))

    before, after = compare_plans(
        query(scan("a", filter_="(x = 1)", total=900, rows=1)),
        query(index_scan("a", "ix_a", condition="(x = 1)", total=8, rows=1)),
    )
    assert [node.label for node in before if node.changed] == ["Seq Scan on catalog.a"]
    assert [node.label for node in after if node.changed] == ["Index Scan using ix_a on catalog.a"]


def test_cost_alone_is_no_difference() -> None:
    before, after = compare_plans(scan("a", filter_="f", total=9, rows=1), scan("a", filter_="f", total=1, rows=1))
    assert not before[0].changed
    assert not after[0].changed


def test_missing_plan_marks_nothing() -> None:
    before, after = compare_plans(None, scan("a", filter_="", total=1, rows=1))
    assert before == ()
    assert not after[0].changed


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (units.size(999), "999 bytes"),
        (units.size(1024 * 1024), "1.0 MB"),
        (units.size(323_000_000), "308 MB"),
        (units.size(None), "–"),  # noqa: RUF001 - the sign for what is not known
        (units.duration(0.0412), "41.2 µs"),
        (units.duration(999.4), "999 ms"),
        (units.duration(999.6), "1.0 s"),
        (units.duration(7_200_000), "2.0 h"),
        (units.share(0.0004), "< 0.1 %"),
        (units.share(0.324), "32.4 %"),
        (units.share(0.1 + 0.2 + 0.7), "100 %"),
        (units.share(499_959 / 500_000), "> 99.9 %"),
        (units.signed_share(-0.0001), "< −0.1 %"),  # noqa: RUF001 - the sign for minus
        (units.signed_share(0.9999), "> +99.9 %"),
        (percent(0.00492, 2), "0.49 %"),
        (percent(0.00002, 2), "< 0.01 %"),
        (counted(1, "records of other databases"), "1 record of other databases"),
        (counted(1, "lines that are not part of a record"), "1 line that is not part of a record"),
        (counted(1200, "records that cannot be read"), "1,200 records that cannot be read"),
        (units.ratio(4), "4.0× faster"),  # noqa: RUF001 - the sign for times
        (units.ratio(0.5), "2.0× slower"),  # noqa: RUF001 - the sign for times
        (units.ratio(1.01), "unchanged"),
        (units.cheaper(0.5), "2.0× more expensive"),  # noqa: RUF001 - the sign for times
        (units.cost(90.84), "90.84"),
        (units.cost(15377.67), "15,378"),
        (units.cost(684_257_535.5), "684.3 M"),
        (units.cost(2_813_449), "2.813 M"),
        (units.cost(999_999.7), "1.000 M"),
        (plural(1, "call"), "1 call"),
        (units.signed_share(-0.25), "−25.0 %"),  # noqa: RUF001 - the sign for minus
    ],
)
def test_numbers_for_people(written: str, expected: str) -> None:
    assert written == expected


def test_moments_do_not_depend_on_their_zone() -> None:
    here = datetime(2026, 9, 14, 8, 30, tzinfo=timezone(timedelta(hours=2)))
    assert units.moment(here) == units.moment(datetime(2026, 9, 14, 6, 30, tzinfo=UTC)) == "2026-09-14 06:30 UTC"
