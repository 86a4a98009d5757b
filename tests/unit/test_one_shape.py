"""Statements of one shape are one for pricing and one in what people read; each keeps its ID."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli import cli
from analyzer.documents.member import Member
from analyzer.documents.server_log import LoggedBinding, LoggedStatement
from analyzer.documents.snapshot import Snapshot, StatementCounters, dump
from analyzer.render.formats import Format
from analyzer.render.output import render
from analyzer.render.query_text import with_query_text
from analyzer.workload.log_workload import recorded_workload
from analyzer.workload.one_shape import by_shape
from analyzer.workload.parse import Statement, parse_file, parse_statements
from tests.unit.catalogs import recorded, snapshot, table
from tests.unit.sample_report import predicted

HIBERNATE = "select o1_0.id, o1_0.total from orders o1_0 where o1_0.status = $1 and o1_0.kind = $2"
DJANGO = 'SELECT "orders"."total", "orders"."id" FROM "orders" WHERE ("orders"."status" = $1 AND "orders"."kind" = $2)'
OTHER = "SELECT id FROM orders WHERE total > $1"
TABLE = table("orders", "id int, status text, kind text, total numeric")


def shop(*statements: StatementCounters) -> Snapshot:
    return snapshot(TABLE, statements=statements)


RECORDED = shop(
    recorded(HIBERNATE, queryid="1", calls=10, total_ms=300),
    recorded(DJANGO, queryid="2", calls=40, total_ms=500),
    recorded(OTHER, queryid="3", calls=5, total_ms=200),
)


def shapes(snapshot: Snapshot) -> tuple[Statement, ...]:
    return by_shape(recorded_workload(snapshot), snapshot).statements


def test_statements_of_one_shape_are_one_with_the_counters_of_all() -> None:
    own = {each.queryid: each.id for each in parse_statements(RECORDED).statements}
    one, other = shapes(RECORDED)
    assert (one.id, one.calls, one.total_ms, one.rows, one.text) == (own["2"], 50, 800, 2000, DJANGO)
    assert [each.id for each in one.members] == [own["2"], own["1"]]
    assert (other.id, other.members) == (own["3"], ())
    workload = by_shape(recorded_workload(RECORDED), RECORDED)
    assert workload.shares[one] == pytest.approx(0.8)


def test_paths_that_lead_to_the_same_tables_are_of_no_consequence() -> None:
    paths = [("a", "public"), ("b", "public")]
    entries = [
        recorded("SELECT id FROM orders", queryid=path[0]).model_copy(update={"search_path": path}) for path in paths
    ]
    elsewhere = snapshot(TABLE.model_copy(update={"schema_name": "b"}), TABLE, statements=entries)
    assert [len(each.members) for each in shapes(elsewhere)] == [0, 0]
    entries.append(entries[1].model_copy(update={"search_path": ("b",), "queryid": "9"}))
    more = elsewhere.model_copy(update={"statements": tuple(entries)})
    assert sorted(len(each.members) for each in shapes(more)) == [0, 2]


def test_values_of_all_members_are_put_in_the_places_of_the_heaviest() -> None:
    asks = "SELECT id FROM orders o WHERE o.status || $1 = $2"
    same = "SELECT x.id FROM orders x WHERE x.status || $1 = $2"
    one, other = (
        replace(each, logged=LoggedStatement(query=each.text, calls=1, bindings=(binding,), constants=constants))
        for each, binding, constants in zip(
            parse_statements(shop(recorded(asks, calls=30), recorded(same, calls=10, total_ms=10))).statements,
            (LoggedBinding(values=("a", "b"), share=1), LoggedBinding(values=("c", None), share=1)),
            ((1, 2), (2,)),
            strict=True,
        )
    )
    workload = replace(parse_statements(RECORDED), statements=(one, other))
    (found,) = by_shape(workload, RECORDED).statements
    assert found.logged is not None
    assert [(each.values, each.share) for each in found.logged.bindings] == [(("a", "b"), 0.75), (("c", None), 0.25)]
    assert found.logged.constants == (2,)


def test_statements_of_a_file_are_one_only_with_the_same_constants() -> None:
    text = "SELECT id FROM orders WHERE id = 1; SELECT o.id FROM orders o WHERE o.id = 1; TABLE orders;"
    text += "SELECT id FROM orders WHERE id = 2"
    assert [each.calls for each in by_shape(parse_file(text), RECORDED).statements] == [2, 1, 1]


def test_the_list_of_statements_has_one_row_and_its_members(tmp_path: Path) -> None:
    dump(RECORDED, tmp_path / "a.snapshot")

    def said(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["statements", str(tmp_path / "a.snapshot"), *arguments]).stdout

    first, second = json.loads(said("--format", "json"))["statements"]
    assert (first["calls"], first["total_ms"], first["queryids"]) == (50, 800, ["2", "1"])
    assert [each["query"] for each in first["members"]] == [DJANGO, HIBERNATE]
    assert sum(each["share_of_time"] for each in first["members"]) == pytest.approx(first["share_of_time"])
    assert second["members"] == []
    assert "(2\N{MULTIPLICATION SIGN}) SELECT" in said()
    assert "10 calls, 30.0 %" in said(first["members"][1]["id"]).replace("30 %", "30.0 %")
    hidden = said("--format", "json", "--query-text", "hash")
    assert "orders" not in hidden
    assert first["members"][1]["id"] in hidden


def test_a_report_shows_one_row_that_opens() -> None:
    first, *rest = predicted().statements
    hostile = "SELECT '</details><script>' FROM t"
    members = tuple(
        Member(id=f"s{n}", queryid=str(n), query=query, calls=3, total_ms=1.0, share_of_time=0.1)
        for n, query in enumerate((first.query, hostile))
    )
    report = predicted().model_copy(
        update={"statements": (first.model_copy(update={"members": members}), *rest), "weighed_by": "calls"}
    )
    assert "(2\N{MULTIPLICATION SIGN}) " in render(report, "text")
    assert "Statements by calls" in render(report, "text")
    page = render(report, "html")
    assert '<details class="members"><summary>2 statements of one shape</summary>' in page
    assert "</details><script>" not in page
    assert "by calls" in page
    assert "<details><summary>2 statements of one shape: " in render(report, "markdown")
    assert "script" not in with_query_text(report, "hash").model_dump_json()
    forms: tuple[Format, ...] = ("text", "html", "markdown", "json")
    for form in forms:
        assert "FROM t" not in render(report, form, query_text="hash")
