"""What sessions run while a database is captured: which statements, with which values, waiting for what."""

import contextlib
import json
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import psycopg
import pytest

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.price import shaped_and_priced
from analyzer.db import connect
from analyzer.documents.activity import SampledStatement
from analyzer.documents.snapshot import Snapshot, dump, load
from analyzer.twin.twin import open_twin
from analyzer.workflows.capture import read_database
from analyzer.workload.log_workload import recorded_workload
from tests.acceptance.command_line import twindex
from tests.conftest import fresh_database
from tests.server.capture_zoo import as_role, new_role

SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE task (id integer PRIMARY KEY, state text, note text);
INSERT INTO task SELECT i, CASE WHEN i % 400 = 0 THEN 'failed' ELSE 'done' END, 'n' FROM generate_series(1, 8000) AS i;
VACUUM ANALYZE task;
SELECT pg_stat_statements_reset()
"""
SECONDS = 0.7
#: Of a sampling that meets the same statement in several executions, also on a busy machine.
LONG_SECONDS = 2.5
ASKED = "SELECT note FROM task WHERE state = 'failed'"
SLOW = "SELECT pg_sleep(0.2) FROM task WHERE id = 17"


@pytest.fixture(scope="module")
def url(any_server: str) -> Iterator[str]:
    """URL of a database with tasks."""
    with fresh_database(any_server) as found:
        with connect(found, autocommit=True) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement.encode())
        yield found


@contextlib.contextmanager
def running(url: str, *statements: str, bound: tuple[object, ...] | None = None) -> Generator[None]:
    """Run statements again and again, each in a session of its own."""
    stop, started = threading.Event(), threading.Barrier(len(statements) + 1)

    def run(statement: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode(), bound)
            started.wait()
            while not stop.wait(0.02):
                with contextlib.suppress(psycopg.errors.QueryCanceled):
                    connection.execute(statement.encode(), bound)

    threads = [threading.Thread(target=run, args=(statement,)) for statement in statements]
    for thread in threads:
        thread.start()
    started.wait()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def sampled(url: str, *, values: bool = True, seconds: float = SECONDS) -> Snapshot:
    return read_database(url, sample_seconds=seconds, allow_superuser=True, values=values)


def by_query(snapshot: Snapshot) -> dict[str, SampledStatement]:
    return {each.query: each for each in snapshot.sampled_statements}


def told(snapshot: Snapshot) -> dict[str, str]:
    return {gap.what: gap.reason for gap in snapshot.not_examined if "activity" in gap.what}


def test_statements_are_sampled_with_values_and_waits(url: str, tmp_path: Path) -> None:
    with running(url, ASKED, SLOW, "EXPLAIN ANALYZE SELECT id FROM task WHERE note = 'explained'", "BEGIN; COMMIT"):
        snapshot = sampled(url, seconds=LONG_SECONDS)
    (sampling,) = snapshot.activity_samplings
    assert sampling.samples >= 2
    assert sampling.seconds >= LONG_SECONDS * 0.9
    found = by_query(snapshot)
    assert set(found) >= {"SELECT note FROM task WHERE state = $1", "SELECT pg_sleep($1) FROM task WHERE id = $2"}
    slow = found["SELECT pg_sleep($1) FROM task WHERE id = $2"]
    assert "Timeout: PgSleep" in {each.event for each in slow.waits}
    assert slow.samples >= sum(each.samples for each in slow.waits) > 0
    assert slow.executions >= 2
    assert [each.values for each in slow.bindings] == [("0.2", "17")]
    assert found["SELECT id FROM task WHERE note = $1"].bindings[0].values == ("explained",)
    assert not [query for query in found if "pg_catalog" in query or "BEGIN" in query], "neither ours nor utilities"
    assert told(snapshot) == {}
    dump(snapshot, tmp_path / "a")
    assert load(tmp_path / "a") == snapshot


def test_what_first_runs_during_the_sampling_is_counted(url: str) -> None:
    first = "SELECT max(id) FROM task WHERE note = 'first'"

    def run() -> None:
        time.sleep(LONG_SECONDS * 0.7)  # a capture of one table has read the rest by then
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(first.encode())

    thread = threading.Thread(target=run)
    thread.start()
    snapshot = sampled(url, seconds=LONG_SECONDS)
    thread.join()
    (entry,) = [each for each in snapshot.statements if "max(id)" in each.query]
    assert entry.calls == 1
    assert not [gap for gap in snapshot.not_examined if "sample-activity" in gap.what]


def test_values_that_were_sampled_are_priced(url: str) -> None:
    with running(url, ASKED):
        snapshot = sampled(url)
    (statement,) = [each for each in recorded_workload(snapshot).statements if "WHERE state" in each.text]
    with open_twin(snapshot) as twin:
        _, item = shaped_and_priced(twin, statement)
    assert isinstance(item, PricedStatement)
    assert [(query.times, "'failed'" in query.text) for query in item.execution.queries] == [(1.0, True)]


def test_without_values_no_constant_is_kept(url: str) -> None:
    with running(url, ASKED, SLOW):
        snapshot = sampled(url, values=False)
    assert by_query(snapshot)["SELECT note FROM task WHERE state = $1"].executions
    assert "failed" not in snapshot.model_dump_json(include={"sampled_statements"})
    assert not any(each.bindings for each in snapshot.sampled_statements)


def test_parameters_have_no_values_and_cut_texts_are_counted(url: str) -> None:
    long = f"SELECT id FROM task WHERE note = '{'x' * 3000}'"
    with running(url, long), running(url, "SELECT id FROM task WHERE note = %s", bound=("secret",)):
        snapshot = sampled(url)
    assert by_query(snapshot)["SELECT id FROM task WHERE note = $1"].bindings == ()
    (what,) = told(snapshot)
    assert what.endswith(("statement that is cut", "statements that are cut"))
    assert "track_activity_query_size" in told(snapshot)[what]


def test_statements_of_others_are_said_to_be_hidden(url: str) -> None:
    with new_role(url, "pg_read_all_data") as role, running(url, ASKED):
        snapshot = read_database(as_role(url, role), sample_seconds=SECONDS, statements=False)
    assert "state" not in str(snapshot.sampled_statements)
    (what,) = told(snapshot)
    assert what.endswith((" session", " sessions"))
    assert told(snapshot)[what].endswith(f"GRANT pg_read_all_stats (or pg_monitor) TO {role}")


def test_another_database_is_not_sampled(url: str, any_server: str) -> None:
    with fresh_database(any_server) as other, running(other, "SELECT 1 FROM pg_class WHERE relname = 'elsewhere'"):
        snapshot = sampled(url)
    assert "pg_class" not in str(snapshot.sampled_statements)


def test_a_session_that_cannot_be_sampled_does_not_cost_the_capture(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("too many connections")

    monkeypatch.setattr("analyzer.workflows.sampling.sample_activity", refused)
    snapshot = sampled(url)
    assert told(snapshot) == {"activity of the server": "too many connections"}
    assert snapshot.relations


def test_the_command_samples(url: str, tmp_path: Path) -> None:
    with running(url, ASKED):
        said = twindex(
            "capture", "-d", url, "--allow-superuser", "--sample-activity", str(SECONDS), "-o", "a.snapshot",
            cwd=tmp_path,
        )  # fmt: skip
    assert said.status == 0
    assert load(tmp_path / "a.snapshot").sampled_statements
    assert twindex("capture", "--sample-activity", "0", "-o", "b", cwd=tmp_path).status == 2
    assert json.loads(twindex("report", "a.snapshot", "--format", "json", cwd=tmp_path).out)["statements"]
