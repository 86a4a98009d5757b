"""Plans of files and of auto_explain beside what the server recorded: in a snapshot, in the report, and in prices."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.price import shaped_and_priced
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.report import Report
from analyzer.documents.snapshot import Snapshot, dump, load
from analyzer.render.output import render
from analyzer.specs.file import SpecSet
from analyzer.twin.twin import open_twin
from analyzer.workflows.plans import add_plans
from analyzer.workflows.report import report
from analyzer.workflows.server_log import add_log
from analyzer.workload.log_workload import recorded_workload
from analyzer.workload.parse import Statement
from analyzer.workload.plan_files import find_plans
from analyzer.workload.plan_statements import match_plans
from tests.acceptance.command_line import twindex
from tests.acceptance.document_schema import follows
from tests.conftest import fresh_database

SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE task (id integer PRIMARY KEY, state text, note text, a integer, b integer);
INSERT INTO task
SELECT i, CASE WHEN i % 400 = 0 THEN 'failed' ELSE 'done' END, repeat('n', 80), i % 100, i % 100
FROM generate_series(1, 40000) AS i;
CREATE INDEX ON task (a);
VACUUM ANALYZE task;
SELECT pg_stat_statements_reset()
"""
ASKED = "SELECT note FROM task WHERE state = '{}'"
LINE = "2026-11-29 16:{minute:02}:07.123 UTC [12] app@{database} LOG:  {message}\n"


@pytest.fixture(scope="module")
def url(any_server: str) -> Iterator[str]:
    """URL of a database that has run one statement."""
    with fresh_database(any_server) as found:
        with connect(found, autocommit=True) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement.encode())
            for _ in range(3):
                connection.execute(ASKED.format("failed").encode())
        yield found


@pytest.fixture(scope="module")
def snapshot(url: str) -> Snapshot:
    """That database, captured."""
    return capture(url)


def explained_by_the_server(
    url: str, queries: Sequence[str], output: str = "text", *, bound: Sequence[object] = (), **settings: str
) -> list[str]:
    """Return the messages of auto_explain about some queries."""
    said: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        connection.execute("LOAD 'auto_explain'")
        options = {"log_min_duration": "0", "log_level": "notice", "log_format": output, "log_analyze": "on"}
        for name, value in ({f"auto_explain.{each}": options[each] for each in options} | settings).items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        said.clear()
        for query in queries:
            connection.execute(query.encode(), bound or None)
    return [each for each in said if each.startswith("duration: ")]


def logged(snapshot: Snapshot, path: Path, messages: Sequence[str], *, values: bool = True) -> Snapshot:
    """Add a log that has some messages."""
    lines = [
        LINE.format(minute=minute, database=snapshot.server.database, message=message.replace("\n", "\n\t"))
        for minute, message in enumerate(messages)
    ]
    path.write_text("".join(lines))
    return add_log(snapshot, [path], values=values)


def reported(snapshot: Snapshot) -> Report:
    return report(snapshot, SpecSet(specs=()))


def on_state(statements: Sequence[Statement]) -> Statement:
    (found,) = [each for each in statements if "WHERE state" in each.text]
    return found


def weights(snapshot: Snapshot, statement: Statement) -> dict[str, float]:
    """Return how often each value counts in the price of the statement."""
    with open_twin(snapshot) as twin:
        _, item = shaped_and_priced(twin, statement)
    assert isinstance(item, PricedStatement)
    assert not any(query.generic for query in item.execution.queries)
    return {"failed" if "'failed'" in each.text else "done": each.times for each in item.execution.queries}


@pytest.mark.parametrize("output", ["text", "json", "yaml", "xml"])
def test_plans_of_a_log_have_statements_and_values(url: str, snapshot: Snapshot, tmp_path: Path, output: str) -> None:
    queries = ["SELECT id\nFROM task\nWHERE note = 'it''s\n<\\a\"b> & \u00fc'", "SELECT id FROM task WHERE note = 'x'"]
    said = explained_by_the_server(url, queries, output)
    assert len(said) == 2
    found = logged(snapshot, tmp_path / "a.log", said)
    assert [(each.query, each.calls) for each in found.log_statements] == [("SELECT id FROM task WHERE note = $1", 2)]
    assert {each.values for each in found.log_statements[0].bindings} == {("it's\n<\\a\"b> & \u00fc",), ("x",)}
    (plan,) = found.log_plans
    assert (plan.calls, plan.tree["Node Type"]) == (2, "Seq Scan")
    added = [each for each in recorded_workload(found).statements if "note = " in each.text]
    assert [(each.calls, each.only_logged) for each in added] == [(2, True)]
    assert not [gap for gap in found.not_examined if "plans" in gap.what]


def test_parameters_that_are_logged_with_a_plan_are_values(url: str, snapshot: Snapshot, tmp_path: Path) -> None:
    sql = ASKED.replace("'{}'", "%s")
    said = explained_by_the_server(url, [sql], bound=("failed",))
    (statement,) = logged(snapshot, tmp_path / "a.log", said).log_statements
    has_parameters = snapshot.server.version_num >= 160_000  # auto_explain.log_parameter_max_length
    assert [each.values for each in statement.bindings] == ([("failed",)] if has_parameters else [])


def test_a_call_that_is_logged_with_and_without_its_plan_counts_once(
    url: str, snapshot: Snapshot, tmp_path: Path
) -> None:
    query = ASKED.format("failed")
    said = explained_by_the_server(url, [query])
    both = [*said, f"duration: 3.5 ms  statement: {query}"]
    (statement,) = logged(snapshot, tmp_path / "a.log", both).log_statements
    assert (statement.calls, statement.total_ms, len(statement.bindings)) == (1, 3.5, 1)
    cut = [*said, f"duration: 3.5 ms  execute <unnamed>: {ASKED.replace(chr(39) + '{}' + chr(39), '$1')}"]
    (statement,) = logged(snapshot, tmp_path / "b.log", cut).log_statements
    assert (statement.calls, statement.total_ms) == (1, 3.5)
    assert [each.values for each in statement.bindings] == [("failed",)], "the log has the value with the plan alone"


def test_the_report_says_what_plans_of_a_log_show(url: str, snapshot: Snapshot, tmp_path: Path) -> None:
    usual = explained_by_the_server(url, ["SELECT id FROM task WHERE a = 3 AND b = 3"])
    forced = explained_by_the_server(
        url, ["SELECT b FROM task WHERE a = 7"], enable_bitmapscan="off", enable_seqscan="off"
    )
    sorted_ = explained_by_the_server(url, ["SELECT * FROM task ORDER BY note, b"], work_mem="64kB")
    textless = [each.replace("Query Text: ", "Query: ") for each in explained_by_the_server(url, ["TABLE task"])]
    broken = ["duration: 5.0 ms  plan:\nQuery Text: SELECT 1 FROM task\n{nothing of a plan"]
    document = reported(logged(snapshot, tmp_path / "a.log", [*usual, *forced, *sorted_, *textless, *broken]))
    by_kind = {finding.kind: plan for plan in document.plans for finding in plan.findings}
    assert {"misestimate", "spill", "not reproduced"} <= set(by_kind)
    assert by_kind["misestimate"].reproduced
    assert by_kind["misestimate"].where.startswith("a.log, 2026-11-29 16:00")
    known = {each.id for each in document.statements}
    assert {each.id for each in by_kind["not reproduced"].statements} <= known
    told = {gap.what: gap.reason for gap in document.not_examined}
    assert told["server log: 1 plans of auto_explain"]
    (difference,) = [each for each in by_kind["not reproduced"].findings if each.kind == "not reproduced"]
    assert difference.node == "Index Scan using task_a_idx on task"
    for output in ("text", "markdown", "html"):
        shown = " ".join(render(document, output).replace("\\", "").split())
        assert "the twin does not choose this plan: Index Scan using task_a_idx on task" in shown
    assert "&#x27;" in render(document, "html") or "task" in render(document, "html")
    follows(json.loads(render(document, "json")), "report")


def test_values_of_plans_are_priced_with_their_weights(url: str, snapshot: Snapshot) -> None:
    said = explained_by_the_server(url, [ASKED.format(value) for value in ("failed", "done", "done", "done")])
    text = "\n".join(f"LOG:  {each}" for each in said)
    found = add_plans(snapshot, find_plans(text, "plans.txt"))
    statement = on_state(recorded_workload(found).statements)
    assert (statement.calls, statement.queryid is not None) == (3, True)  # as pg_stat_statements counted
    assert weights(found, statement) == {"failed": pytest.approx(0.25), "done": pytest.approx(0.75)}
    alone = match_plans(find_plans(text, "plans.txt"), snapshot)
    (merged,) = alone.workload.statements
    assert merged.calls == 4
    assert weights(snapshot, merged) == {"failed": pytest.approx(0.25), "done": pytest.approx(0.75)}
    one = match_plans(find_plans(f"LOG:  {said[0]}", "plans.txt"), snapshot)
    assert [each.text for each in one.workload.statements] == [ASKED.format("failed")]


def test_values_of_plans_and_of_a_log_weigh_as_their_calls(url: str, snapshot: Snapshot, tmp_path: Path) -> None:
    durations = [f"duration: 3.5 ms  statement: {ASKED.format('done')}"] * 3
    plans = explained_by_the_server(url, [ASKED.format("failed")])
    found = add_plans(logged(snapshot, tmp_path / "a.log", durations), find_plans(f"LOG:  {plans[0]}", "plans.txt"))
    statement = on_state(recorded_workload(found).statements)
    assert weights(found, statement) == {"failed": pytest.approx(0.25), "done": pytest.approx(0.75)}


def test_a_snapshot_keeps_plans_and_without_values_none_of_their_constants(
    url: str, snapshot: Snapshot, tmp_path: Path
) -> None:
    said = explained_by_the_server(url, ["SELECT id FROM task WHERE state = 'failed' AND a = 777777 AND b = 3"])
    read = find_plans(f"LOG:  {said[0]}", "plans.txt")
    for values in (True, False):
        found = logged(add_plans(snapshot, read, values=values), tmp_path / "a.log", said, values=values)
        dump(found, tmp_path / "kept.snapshot")
        again = load(tmp_path / "kept.snapshot")
        assert again == found
        kept = again.model_dump_json(include={"plans", "log_plans", "log_statements"})
        assert ("failed" in kept, "777777" in kept) == (values, values)
        assert recorded_workload(again) == recorded_workload(found)
        document = reported(again)
        assert len(document.plans) == 2
        assert {each.origin for each in document.plans} == {"text"}
        assert [each.reproduced for each in document.plans] == ([True, True] if values else [None, None])
        if not values:
            assert document.plans[0].not_compared == "its constants are not in the snapshot"


def test_the_commands_take_plans(url: str, snapshot: Snapshot, tmp_path: Path) -> None:
    said = explained_by_the_server(url, ["SELECT id FROM task WHERE a = 3 AND b = 3"])
    (tmp_path / "ticket.txt").write_text(f"It is slow.\nLOG:  {said[0]}\n")
    dump(snapshot, tmp_path / "prod.snapshot")
    told = twindex("report", "prod.snapshot", "--plans", "ticket.txt", "--format", "json", cwd=tmp_path)
    assert (told.status, told.err) == (0, "")
    document = json.loads(told.out)
    follows(document, "report")
    assert [each["where"] for each in document["plans"]] == ["ticket.txt:4"]
    assert any("WHERE state" in each["query"] for each in document["statements"]), "the recorded ones stay"
    for more in ((), ("--no-values",)):
        captured = twindex(
            "capture", "-d", url, "--allow-superuser", "-o", "a.snapshot", "--plans", ".", *more, cwd=tmp_path
        )
        assert captured.status == 0, captured.err
        assert len(load(tmp_path / "a.snapshot").plans) == 1
        proposed = twindex("propose", "a.snapshot", "--format", "json", cwd=tmp_path)
        assert [len(each["findings"]) > 0 for each in json.loads(proposed.out)["plans"]] == [True]
    (tmp_path / "none.txt").write_text("nothing")
    assert twindex("report", "prod.snapshot", "--plans", "none.txt", cwd=tmp_path).status == 2


def test_without_recorded_statements_the_workload_is_that_of_the_plans(url: str) -> None:
    bare = capture(url, statements=False)
    plan = "Seq Scan on task  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (b = 3)\n"
    found = add_plans(bare, find_plans(plan, "plans.txt"))
    assert [each.text.split(" WHERE ")[1] for each in recorded_workload(found).statements] == ["(b = 3)"]


def test_items_that_no_server_wrote_cost_themselves(snapshot: Snapshot) -> None:
    plan = "Seq Scan on task  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (b = 3)\n"
    found = add_plans(snapshot, find_plans(plan, "good.txt"))
    (good,) = found.plans
    bad = good.model_copy(update={"tree": {"Plans": [1, None, {"Node Type": 7}]}, "where": "bad.txt"})
    odd = good.model_copy(update={"tree": dict(good.tree) | {"Node Type": "Scan\0", "Plans": "x", "Plan Rows": 1e300}})
    hostile = found.model_copy(update={"plans": (bad, odd, good), "log_plans": (bad,)})
    document = reported(hostile)
    assert [each.where for each in document.plans] == ["good.txt:1", "good.txt:1"]
    assert [gap.what for gap in document.not_examined].count("the plan in bad.txt") == 2
