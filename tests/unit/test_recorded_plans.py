"""Plans, samples of activity and rows of pg_qualstats that nobody meant well: bounded, and one costs no other."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.db import MARKER
from analyzer.documents.server_log import LoggedStatement
from analyzer.workload import kept_plans as keeping
from analyzer.workload import log_plans
from analyzer.workload.kept_plans import keep_plans, kept_plans
from analyzer.workload.log_plans import logged_query
from analyzer.workload.log_reader import ServerLog, read_log
from analyzer.workload.parse import Statement, parse_statement
from analyzer.workload.plan_files import find_plans
from analyzer.workload.qualstats_values import qualstats_statements
from analyzer.workload.sampled_activity import SampledActivity
from analyzer.workload.seen_values import with_values

NODE = "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = 'b'::text)"
JSON_PLAN = json.dumps(
    {"Query Text": "SELECT 1\nFROM t WHERE a = 'b'", "Plan": {"Node Type": "Seq Scan", "Relation Name": "t"}}, indent=2
)
XML_PLAN = (
    '<explain xmlns="http://www.postgresql.org/2009/explain">\n'
    "  <Query-Text>SELECT 1\nFROM t WHERE a = 'b'</Query-Text>\n"
    "  <Plan>\n    <Node-Type>Seq Scan</Node-Type>\n    <Relation-Name>t</Relation-Name>\n  </Plan>\n</explain>"
)
YAML_PLAN = 'Query Text: "SELECT 1\\nFROM t WHERE a = \'b\'"\nPlan: \n  Node Type: "Seq Scan"\n  Relation Name: "t"'
PLANS = (f"Query Text: SELECT 1\nFROM t WHERE a = 'b'\n{NODE}", JSON_PLAN, XML_PLAN, YAML_PLAN)


def logged(tmp_path: Path, *plans: str, ms: float = 7.5, database: str = "shop") -> ServerLog:
    lines = ""
    for plan in plans:
        message = f"duration: {ms} ms  plan:\n{plan}".replace("\n", "\n\t")
        lines += f"2026-11-29 16:07:07.123 UTC [12] bob@{database} LOG:  {message}\n"
    (tmp_path / "a.log").write_text(lines)
    return read_log([tmp_path / "a.log"], database="shop")


@pytest.mark.parametrize("plan", PLANS, ids=["text", "json", "xml", "yaml"])
def test_a_plan_of_each_format_has_its_query(plan: str, tmp_path: Path) -> None:
    assert logged_query(plan) == ("SELECT 1\nFROM t WHERE a = 'b'", None)
    log = logged(tmp_path, plan, plan)
    assert [(each.query, each.calls, each.total_ms) for each in log.statements] == [
        ("SELECT $1 FROM t WHERE a = $2", 2, 15.0)
    ]
    assert [each.values for each in log.statements[0].bindings] == [("1", "b")]
    assert [(each.calls, each.tree["Node Type"]) for each in log.plans] == [(2, "Seq Scan")]


@pytest.mark.parametrize(
    ("text", "query", "parameters"),
    [
        (f"Query Text: SELECT $1\nQuery Parameters: $1 = '5'\n{NODE}", "SELECT $1", "$1 = '5'"),
        ('{\n  "Query Text": "SELECT $1",\n  "Query Parameters": "$1 = \'a\\"b\'",\n', "SELECT $1", "$1 = 'a\"b'"),
        (
            "<explain>\n<Query-Text>a &lt; $1</Query-Text>\n<Query-Parameters>$1 = '&amp;'</Query-Parameters>",
            "a < $1",
            "$1 = '&'",
        ),
        (f"Query Text: PREPARE p(int) AS SELECT id FROM t WHERE a = $1\n{NODE}", "SELECT id FROM t WHERE a = $1", None),
        ("Query Text: SELECT 1\nno node at all", None, None),
        ('{"Query Text": "SELECT', None, None),
        ('{"Query Text": "SELECT \\u12"}', None, None),
        ("", None, None),
    ],
)  # fmt: skip
def test_what_stands_with_a_plan(text: str, query: str | None, parameters: str | None) -> None:
    assert logged_query(text) == (query, parameters)


def test_plans_of_other_databases_and_of_twindex_are_left_out(tmp_path: Path) -> None:
    assert logged(tmp_path, *PLANS, database="other").plans == ()
    assert logged(tmp_path, f"Query Text: SELECT 1 FROM t {MARKER}\n{NODE}").statements == ()


def test_plans_of_a_log_are_bounded_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_plans, "MOST_PLANS", 3)
    log = logged(tmp_path, *(f"Query Text: SELECT c{n} FROM t\n{NODE}" for n in range(10)), *PLANS[:1], "nothing")
    assert len(log.plans) == 3
    told = [gap.what for gap in log.not_examined]
    assert "server log: 9 plans of auto_explain" in told
    assert "server log: 1 plans of auto_explain" in told


def test_long_plans_are_read_in_linear_time() -> None:
    started = time.process_time()
    for text in (
        "Query Text: " + "\n(cost=" * 200_000,
        "Query Text: " + "\nx  (cost=1" * 100_000,
        '{"Query Text": "' + '\\"' * 500_000,
        "{" * 500_000 + '"Query Text',
        " " * 1_000_000 + "<explain",
        "<explain" + " " * 500_000 + "<Query-Text>" * 50_000,
    ):
        logged_query(text)
    assert time.process_time() - started < 5


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutilated_plans_of_a_log_cost_themselves(tmp_path: Path, data: st.DataObject) -> None:
    plan = data.draw(st.sampled_from(PLANS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, max(len(plan) - 1, 0)))
        junk = data.draw(st.sampled_from(["", "\\", '"', "'", "<", "{", "\0", "(cost=", "$1", "Query Text: "]))
        plan = plan[:start] + junk + plan[start + data.draw(st.integers(0, 9)) :]
    log = logged(tmp_path, plan, f"Query Text: SELECT good FROM t\n{NODE}")
    assert any(each.query == "SELECT good FROM t" for each in log.statements)
    assert any(each.query == "SELECT good FROM t" for each in log.plans)


def test_what_is_kept_of_plans_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_PLANS", 2)
    read = find_plans(f"{NODE}\n\n" * 5, "a.txt").plans
    kept, gaps = keep_plans(((plan, 1) for plan in read), values=True)
    assert len(kept) == 2
    assert [gap.what for gap in gaps] == ["3 plans"]
    assert [plan.tree for plan in kept_plans(kept).plans] == [plan.tree for plan in read[:2]]


def test_no_constant_of_a_plan_is_kept_without_values() -> None:
    plan = """EXPLAIN SELECT * FROM t WHERE a = 'secret' AND b = 4711;
Sort  (cost=1.00..2.00 rows=1 width=4)
  Output: a, 'secret'::text
  Sort Key: (COALESCE(a, 'secret'::text)) DESC
  ->  Index Scan using i on public.t secret_alias  (cost=0.00..1.00 rows=4711 width=4)
        Index Cond: ((t.a = 'secret'::text) AND (t.b = 4711))
        Filter: (t.c ~ 'secr\\et'::text)
Settings: work_mem = '64kB', my.password = 'secret'
"""
    read = find_plans(plan, "a.txt").plans
    kept, _ = keep_plans(((each, 1) for each in read), values=False)
    text = kept[0].model_dump_json()
    assert "'secret'" not in text
    assert "secr\\\\et" not in text
    assert "4711)" not in text
    assert kept[0].settings == {"work_mem": "64kB"}
    assert kept[0].without_constants
    assert '"Plan Rows":4711' in text
    plain = find_plans("Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)", "b").plans
    bare, _ = keep_plans(((each, 1) for each in plain), values=False)
    assert not bare[0].without_constants


# Samples


def row(pid: int, start: int, query: str | None, **more: Any) -> dict[str, Any]:
    usual = {"is_active": True, "is_hidden": False, "queryid": "7", "wait": None, "is_cut": False}
    return {"pid": pid, "query_start": start, "query": query} | usual | more


def test_an_execution_that_is_seen_again_counts_once() -> None:
    activity = SampledActivity()
    asked = "SELECT id FROM t WHERE a = 'b'"
    activity.see(0, [row(1, 5, asked), row(2, 5, asked, is_active=False)])
    activity.see(0, [row(1, 5, None, wait="Lock: tuple"), row(2, 5, None, is_active=False)])
    activity.see(0, [row(1, 9, asked.replace("'b'", "'c'")), row(2, 5, None, is_active=False)])
    activity.see(1, [row(1, 9, asked)])
    (found,) = activity.statements(values=True)
    assert (found.query, found.samples, found.executions) == ("SELECT id FROM t WHERE a = $1", 4, 4)
    assert {each.event: each.samples for each in found.waits} == {None: 3, "Lock: tuple": 1}
    assert {each.values[0]: each.share for each in found.bindings} == {"b": 0.75, "c": 0.25}
    assert activity.gaps("r") == ()
    assert activity.statements(values=False)[0].bindings == ()


def test_what_cannot_be_used_is_counted_once() -> None:
    activity = SampledActivity()
    for _ in range(3):
        activity.see(
            0,
            [
                row(1, 5, None, is_cut=True), row(2, 5, None), row(3, 5, "SELECT '"), row(4, 5, "BEGIN"),
                row(5, 5, None, is_hidden=True, is_active=None), row(6, 5, "SELECT '\\' FROM t"),
            ],
        )  # fmt: skip
    assert [gap.what for gap in activity.gaps("r")] == [
        "sampled activity: 1 statement that is cut",
        "sampled activity: 1 statement that is too long",
        "sampled activity: 1 statement that cannot be read as SQL",
        "sampled activity: 1 session",
    ]


# pg_qualstats


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        ([], {("b",): 1.0}),
        ([(27, "'b'::text", 10), (99, "'c'::text", 30)], {("b",): 0.25, ("c",): 0.75}),
        ([(27, "'x'::text", 10)], {("b",): 1.0}),  # another text stands there
        ([(28, "'b'::text", 10)], {("b",): 1.0}),
        ([(None, "'b'::text", 10), (27, "'b", 5), (27, "b'::text", float("nan")), (27, "", 1)], {("b",): 1.0}),
        ([(27, "'b'::text", 10), (27, "'it''s'::text", 10)], {("b",): 0.5, ("it's",): 0.5}),
    ],
)
def test_constants_take_the_place_of_that_of_the_example(
    rows: list[tuple[int | None, str, float]], values: dict[tuple[str], float]
) -> None:
    query = "SELECT id FROM t WHERE a = 'b'"
    constants = [
        {"queryid": "7", "predicate": "1", "position": place, "constant": constant, "occurrences": times}
        for place, constant, times in rows
    ]
    (found,) = qualstats_statements([{"queryid": "7", "query": query}, {"queryid": "8", "query": None}], constants)
    assert {each.values: each.share for each in found.bindings} == pytest.approx(values, abs=0.02)


def test_sources_weigh_as_their_calls() -> None:
    statement = parse_statement("SELECT id FROM t WHERE a = $1")
    assert isinstance(statement, Statement)

    def seen(value: str, calls: int) -> LoggedStatement:
        bindings = ({"values": [value], "share": 1.0},)
        query = "SELECT id FROM t WHERE a = $1"
        return LoggedStatement.model_validate({"query": query, "calls": calls, "bindings": bindings})

    found = with_values(with_values(statement, seen("a", 3)), seen("b", 1))
    assert found.logged is not None
    assert {each.values[0]: each.share for each in found.logged.bindings} == {"a": 0.75, "b": 0.25}
    for each in range(20):
        found = with_values(found, seen(str(each), 1))
    assert found.logged is not None
    assert len(found.logged.bindings) == 8
    assert sum(each.share for each in found.logged.bindings) == pytest.approx(1)
    assert found.logged.bindings[0].values[0] == "a"
