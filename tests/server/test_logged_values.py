"""Values of a server's log in proposals: what the log says wins over what is drawn from the statistics."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.price import shaped_and_priced
from analyzer.advise.proposal import Advice, propose
from analyzer.capture.capture import capture
from analyzer.cli import main
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot, dump, load
from analyzer.render.output import render
from analyzer.twin.twin import open_twin
from analyzer.workflows.advice import propose_document, report_document
from analyzer.workflows.server_log import add_log
from analyzer.workload.log_workload import recorded_workload
from tests.conftest import fresh_database, trusting

#: Most tasks are done, and the application never asks for these.
SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE task (id integer PRIMARY KEY, state text, note text);
INSERT INTO task SELECT i, CASE WHEN i % 400 = 0 THEN 'failed' ELSE 'done' END, repeat('n', 80)
FROM generate_series(1, 80000) AS i;
VACUUM ANALYZE task;
SELECT pg_stat_statements_reset()
"""
ASKED = "SELECT note FROM task WHERE state = %s"
LINE = "2026-11-29 16:{minute:02}:07.123 UTC [12] app@{database} LOG:  duration: {ms} ms  {text}\n"
MORE = "2026-11-29 16:{minute:02}:07.123 UTC [12] app@{database} DETAIL:  Parameters: {parameters}\n"


@pytest.fixture(scope="module")
def snapshot(server: str) -> Iterator[Snapshot]:
    """Capture tasks after a statement that ran for a rare value."""
    with fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement.encode())
            for _ in range(3):
                connection.execute(ASKED.encode(), ("failed",))
        yield capture(url)


def logged(snapshot: Snapshot, path: Path, *values: str, values_kept: bool = True) -> Snapshot:
    """Add a log in which the statement ran for these values."""
    database = snapshot.server.database
    lines = [
        LINE.format(minute=minute, database=database, ms=10 + minute, text="execute <unnamed>: " + ASKED % "$1")
        + MORE.format(minute=minute, database=database, parameters=f"$1 = '{value}'")
        for minute, value in enumerate(values)
    ]
    lines.append(
        LINE.format(minute=59, database=database, ms=40, text="statement: SELECT id FROM task WHERE note = 'a'")
    )
    lines.append(LINE.format(minute=59, database="another", ms=40, text="statement: SELECT 1 FROM elsewhere"))
    path.write_text("".join(lines))
    return add_log(snapshot, [path], values=values_kept)


def advise(snapshot: Snapshot) -> Advice:
    with open_twin(snapshot) as twin:
        return propose(twin, recorded_workload(snapshot))


def on_state(advice: Advice) -> list[str]:
    found = [each.built.index for each in advice.proposals]
    return [
        index.where or "" for index in found if "state" in (index.columns[:1] or ()) or "state" in (index.where or "")
    ]


def test_the_values_that_ran_decide_what_is_proposed(snapshot: Snapshot, tmp_path: Path) -> None:
    rare = logged(snapshot, tmp_path / "rare.log", "failed", "failed", "failed")
    common = logged(snapshot, tmp_path / "common.log", "done", "done", "done")
    assert on_state(advise(rare))
    assert not on_state(advise(common))


def test_cost_is_the_mean_weighted_by_calls(snapshot: Snapshot, tmp_path: Path) -> None:
    mixed = logged(snapshot, tmp_path / "mixed.log", "done", "failed", "failed", "failed")
    (statement,) = [each for each in recorded_workload(mixed).statements if "WHERE state" in each.text]
    assert statement.queryid is not None
    assert statement.calls == 3  # as pg_stat_statements counted it
    with open_twin(mixed) as twin:
        _, item = shaped_and_priced(twin, statement)
    assert isinstance(item, PricedStatement)
    queries = item.execution.queries
    weights = {"failed" if "'failed'" in query.text else "done": query.times for query in queries}
    assert weights == {"failed": pytest.approx(0.75, abs=0.1), "done": pytest.approx(0.25, abs=0.1)}
    assert not any(query.generic for query in queries)


def test_statements_that_only_the_log_has_are_added_once(snapshot: Snapshot, tmp_path: Path) -> None:
    found = logged(snapshot, tmp_path / "added.log", "failed")
    before = {each.id for each in recorded_workload(snapshot).statements}
    added = [each for each in recorded_workload(found).statements if each.id not in before]
    assert [(each.text, each.calls, each.total_ms, each.only_logged) for each in added] == [
        ("SELECT id FROM task WHERE note = $1", 1, 40.0, True)
    ]
    assert sum("WHERE state" in each.text for each in recorded_workload(found).statements) == 1


def test_a_snapshot_keeps_the_log_and_without_values_none_of_its_constants(snapshot: Snapshot, tmp_path: Path) -> None:
    for values_kept in (True, False):
        found = logged(snapshot, tmp_path / "kept.log", "failed", values_kept=values_kept)
        dump(found, tmp_path / "kept.snapshot")
        again = load(tmp_path / "kept.snapshot")
        assert again == found
        logs = again.model_dump_json(include={"log_files", "log_statements", "log_events"})
        assert ("failed" in logs) == values_kept
        assert recorded_workload(again) == recorded_workload(found)


def test_documents_say_what_the_log_told(snapshot: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "said.log"
    logged(snapshot, path, "failed")
    with path.open("a") as file:
        at = f"2026-11-29 18:00:07.123 UTC [12] app@{snapshot.server.database} "
        file.write(f"{at}ERROR:  canceling statement due to statement timeout\n")
        file.write(f"{at}STATEMENT:  SELECT note FROM task WHERE state = 'secret'\n")
    advice = advise(found := add_log(snapshot, [path]))
    report = report_document(advice, found)
    assert report.log is not None
    assert (report.log.added, report.log.bound) == (1, 2)
    for output in ("text", "markdown", "html"):
        text = render(report, output)
        assert "1 canceled statement (statement" in text.replace("\\", "").replace("\n", " ")
        assert "secret" not in text
    document = json.loads(render(propose_document(advice, found), "json"))
    assert document["log"]["events"][0]["kind"] == "canceled statement"
    hidden = json.loads(render(report, "json", query_text="hash"))
    assert "task" not in hidden["log"]["events"][0]["query"]
    assert [each["only_logged"] for each in hidden["statements"]].count(True) == 1


def test_the_commands_take_logs(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "logs").mkdir()
    with fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement.encode())
        database = str(url).split("?", maxsplit=1)[0].rsplit("/", maxsplit=1)[1]
        log = tmp_path / "logs/postgresql.log"
        text = "statement: " + ASKED.replace("%s", "'failed'")
        log.write_text(LINE.format(minute=1, database=database, ms=9, text=text))
        for more in (["--no-values"], []):
            arguments = ["-d", url, "--allow-superuser", "-o", str(tmp_path / "x.snapshot"), *more]
            assert run(["capture", *arguments, "--logs", str(tmp_path / "logs")]) == 0
            kept = load(tmp_path / "x.snapshot")
            assert [each.calls for each in kept.log_statements] == [1]
            assert bool(kept.log_statements[0].bindings) == (not more)
    source = [str(tmp_path / "x.snapshot"), "--specs", str(tmp_path / "specs"), "--logs", str(log), "--format", "json"]
    for command in ("propose", "report"):
        capsys.readouterr()
        assert run([command, *source]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["log"]["added"] == 1
        assert "state" in document["proposals"][0]["ddl"]
    assert run(["propose", *source, "--workload", str(log)]) == 2
    assert run(["report", *source, "--logs", str(tmp_path / "none")]) == 2


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(trusting(arguments))
    assert isinstance(leaving.value.code, int)
    return leaving.value.code
