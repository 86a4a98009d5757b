"""A twin's clock stands at the moment of the capture, whenever it is asked."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.hypothetical.explain import walk
from analyzer.twin.twin import Twin, open_twin
from tests.server.capture_zoo import as_role, new_database, new_role, run
from tests.server.live_plans import Live, assert_same
from tests.server.servers import VERSIONS, server_of

#: Rows up to now, and partitions on both sides of it; what is asked for moves by tens of rows an hour.
TABLES = (
    "CREATE TABLE seen (id integer PRIMARY KEY, at timestamptz, local timestamp, day date, minute time)",
    """INSERT INTO seen
       SELECT i, t, t, t, t
       FROM generate_series(1, 40000) AS i, LATERAL (SELECT now() - i * interval '4 minutes') AS x (t)""",
    "CREATE INDEX seen_at ON seen (at)",
    "CREATE INDEX seen_local ON seen (local)",
    "CREATE INDEX seen_day ON seen (day)",
    "CREATE TABLE event (at timestamptz NOT NULL, n integer) PARTITION BY RANGE (at)",
    """DO $$ BEGIN
           FOR i IN -5..5 LOOP
               EXECUTE format('CREATE TABLE event_%s PARTITION OF event FOR VALUES FROM (%L) TO (%L)', i + 5,
                              date_trunc('day', now()) + i * interval '1 day',
                              date_trunc('day', now()) + (i + 1) * interval '1 day');
           END LOOP;
       END $$""",
    """INSERT INTO event
       SELECT date_trunc('day', now()) - interval '5 days' + i * interval '30 seconds', i
       FROM generate_series(1, 20000) AS i""",
    "CREATE VIEW recent AS SELECT id, at FROM seen WHERE at > now() - interval '5 hours'",
    "ANALYZE",
)
#: {now} and {day} are what the live server is asked with; the twin is asked with now() and CURRENT_DATE.
STATEMENTS = {
    "the last hours": "SELECT id FROM seen WHERE at > {now} - interval '7 hours'",
    "a window": "SELECT id FROM seen WHERE at BETWEEN {now} - interval '3 days' AND {now} - interval '2 days'",
    "the future": "SELECT id FROM seen WHERE at > {now} + interval '1 hour'",
    "today": "SELECT count(*) FROM seen WHERE day = {day}",
    "a week of days": "SELECT count(*) FROM seen WHERE day > {day} - 7",
    "of a local time": "SELECT id FROM seen WHERE local > {now}::timestamp - interval '7 hours'",
    "partitions pruned at start": "SELECT sum(n) FROM event WHERE at > {now} - interval '30 hours'",
    "with a parameter": "SELECT id FROM seen WHERE at > {now} - interval '7 hours' AND id < $1",
    "in a subquery": "SELECT n FROM (SELECT {now} AS n, id FROM seen) AS s WHERE s.id = 5 AND s.n > '2020-01-01'",
}
SPELLINGS = (
    "now()", "pg_catalog.now()", "CURRENT_TIMESTAMP", "current_timestamp(3)", "transaction_timestamp()",
    "statement_timestamp( )", "NOW /* of all times */ ()",
)  # fmt: skip


@pytest.fixture(scope="module", params=VERSIONS)
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    with server_of(request) as server, new_database(server) as url, new_role(url, "pg_read_all_data") as role:
        with connect(url, autocommit=True) as connection:
            for statement in TABLES:
                run(connection, statement)
        yield Live(url=url, role=role)


@pytest.fixture(scope="module")
def captured(live: Live) -> Snapshot:
    """A snapshot; the live server is given what can stand for its clock a day before: as cheap, stable and parallel."""
    snapshot = capture(as_role(live.url, live.role), statements=False)
    then = f"timestamptz '{snapshot.captured_at - dt.timedelta(days=1)}'"
    with connect(live.url, autocommit=True) as connection:
        for name, kind in (("then", "timestamptz"), ("day", "date")):
            run(
                connection,
                f'CREATE FUNCTION "{name}"() RETURNS {kind} LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1 '
                f"AS $$BEGIN RETURN {then}::{kind}; END$$",
            )
    return snapshot


@pytest.fixture(scope="module")
def twin(captured: Snapshot) -> Iterator[Twin]:
    with open_twin(captured) as opened:
        yield opened


@pytest.fixture(scope="module")
def yesterday(captured: Snapshot) -> Iterator[Twin]:
    """A twin of a snapshot that was captured a day ago."""
    earlier = captured.captured_at - dt.timedelta(days=1)
    with open_twin(captured.model_copy(update={"captured_at": earlier})) as opened:
        yield opened


def of_twin(statement: str) -> str:
    return statement.format(now="now()", day="CURRENT_DATE")


@pytest.mark.parametrize("claim", STATEMENTS)
def test_the_functions_of_the_clock_cost_what_the_servers_own_do(claim: str, live: Live, twin: Twin) -> None:
    found, expected = twin.plan(of_twin(STATEMENTS[claim])), live.plan(of_twin(STATEMENTS[claim]))
    # The live server's clock went on for some seconds, of which each is a part of a row.
    assert found.cost == pytest.approx(expected["Total Cost"], rel=0.002)
    assert [node["Node Type"] for node in walk(found.tree)] == [node["Node Type"] for node in walk(expected)]


@pytest.mark.parametrize("claim", STATEMENTS)
def test_a_day_after_the_capture_the_plans_are_those_of_the_capture(claim: str, live: Live, yesterday: Twin) -> None:
    expected = live.plan(STATEMENTS[claim].format(now='public."then"()', day="public.day()"))
    assert_same(yesterday.plan(of_twin(STATEMENTS[claim])), expected)
    changed = yesterday.plan(of_twin(STATEMENTS["the last hours"])).cost
    assert changed > 1.5 * live.plan(of_twin(STATEMENTS["the last hours"]))["Total Cost"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_now_is_stopped(spelling: str, yesterday: Twin) -> None:
    asked = "SELECT id FROM seen WHERE at > {} - interval '7 hours'"
    assert yesterday.plan(asked.format(spelling)).cost == yesterday.plan(asked.format("now()")).cost


@pytest.mark.parametrize(
    ("column", "spelling"),
    [("local", "LOCALTIMESTAMP"), ("local", "localtimestamp(0)"), ("day", "current_date"), ("minute", "localtime")],
)
def test_the_other_clocks_are_stopped_too(column: str, spelling: str, yesterday: Twin) -> None:
    at = yesterday.snapshot.captured_at
    literal = {
        "local": f"timestamp '{at:%Y-%m-%d %H:%M:%S}'",
        "day": f"date '{at:%Y-%m-%d}'",
        "minute": f"time '{at:%H:%M:%S}'",
    }
    asked = f"SELECT count(*) FROM seen WHERE {column} <= {{}}"
    freeze_clock, constant = yesterday.plan(asked.format(spelling)), yesterday.plan(asked.format(literal[column]))
    assert freeze_clock.tree["Plans"][0]["Plan Rows"] == pytest.approx(
        constant.tree["Plans"][0]["Plan Rows"], rel=0.001
    )


def test_views_are_stopped(live: Live, yesterday: Twin) -> None:
    expected = live.plan("SELECT id FROM seen WHERE at > public.\"then\"() - interval '5 hours' AND id < 50000")
    found = yesterday.plan("SELECT id FROM recent WHERE id < 50000")
    assert "now()" in str(found.tree)
    assert "twindex_own" not in str(found.tree)
    assert found.cost == pytest.approx(expected["Total Cost"], rel=0.002)


def test_nobody_reads_of_the_twins_own_functions(twin: Twin) -> None:
    plan = twin.plan("SELECT id FROM seen WHERE at > now() AND day = CURRENT_DATE AND local < LOCALTIMESTAMP(2)")
    text = str(plan.tree)
    assert "twindex_own" not in text
    assert re.search(r"at > now\(\)", text)
    assert "CURRENT_DATE" in text


def test_what_only_looks_like_the_clock_stays(twin: Twin) -> None:
    tree = twin.plan("SELECT 'now()' AS now, s.\"current_date\" FROM (SELECT 1 AS current_date) AS s -- now()").tree
    assert tree["Node Type"] == "Result"
