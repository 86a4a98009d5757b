"""Extended statistics: captured by the documented role, restored on the twin, and heeded by its planner as live."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg
import pytest

from analyzer.capture.capture import capture
from analyzer.db import Connection, connect
from analyzer.documents.snapshot import ExtendedStatistics, Snapshot
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.server.cluster import find_binaries
from analyzer.twin.twin import Twin, open_twin
from tests.server.capture_zoo import as_role, new_database, new_role, run
from tests.server.servers import VERSIONS, server_of

OBJECTS = (
    "CREATE SCHEMA sales",
    "CREATE TYPE sales.mood AS ENUM ('sad', 'it''s ok', 'happy')",
    """CREATE TABLE sales.visit (
           gone int, city int, region int, country text, mood sales.mood, fee numeric, day date, code char(4)
       )""",
    "ALTER TABLE sales.visit DROP COLUMN gone",
    """INSERT INTO sales.visit
       SELECT i % 50, i % 50 / 5, CASE WHEN i % 17 > 0 THEN 'x, ' || i % 50 / 10 END,
              (ARRAY['sad', 'it''s ok', 'happy'])[1 + i % 50 % 3]::sales.mood, (i % 50) / 7.0,
              date '2020-01-01' + i % 50, 'c' || i % 25
       FROM generate_series(1, 20000) AS i""",
    "CREATE STATISTICS sales.all_kinds (ndistinct, dependencies, mcv) ON city, region, country, mood FROM sales.visit",
    "CREATE STATISTICS sales.expressions ON (city + region), (lower(country)), day FROM sales.visit",
    "CREATE STATISTICS sales.single ON (fee * 2) FROM sales.visit",
    "CREATE STATISTICS sales.blanks (mcv) ON code, city FROM sales.visit",
    "CREATE TABLE sales.order_line (a int, b int) PARTITION BY RANGE (a)",
    "CREATE TABLE sales.order_line_1 PARTITION OF sales.order_line FOR VALUES FROM (0) TO (500)",
    "CREATE TABLE sales.order_line_2 PARTITION OF sales.order_line FOR VALUES FROM (500) TO (1000)",
    "INSERT INTO sales.order_line SELECT i % 1000, i % 1000 / 10 FROM generate_series(1, 20000) AS i",
    "CREATE STATISTICS sales.partitioned ON a, b FROM sales.order_line",
    "CREATE TABLE sales.unseen (a int, b int)",
    "CREATE STATISTICS sales.unseen_both ON a, b FROM sales.unseen",
    "ANALYZE sales.visit",
    "ANALYZE sales.order_line",
)
STATEMENTS = {
    "group by four columns": "SELECT count(*) FROM sales.visit GROUP BY city, region, country, mood",
    "group by two columns": "SELECT city, region, count(*) FROM sales.visit GROUP BY 1, 2",
    "group by expressions": "SELECT lower(country), city + region, count(*) FROM sales.visit GROUP BY 1, 2",
    "group by one expression": "SELECT fee * 2 FROM sales.visit GROUP BY 1",
    "correlated equality": "SELECT * FROM sales.visit WHERE city = 12 AND region = 2 AND country = 'x, 1'",
    "enum among the most common": "SELECT * FROM sales.visit WHERE city = 12 AND mood = 'sad'",
    "null among the most common": "SELECT * FROM sales.visit WHERE city = 3 AND region = 0 AND country IS NULL",
    "blank-padded": "SELECT * FROM sales.visit WHERE code = 'c7' AND city = 7",
    "in lists": "SELECT * FROM sales.visit WHERE city IN (1, 2, 3) AND region = 0 AND mood IN ('sad', 'it''s ok')",
    "ranges": "SELECT * FROM sales.visit WHERE city < 20 AND region < 4",
    "expression": "SELECT * FROM sales.visit WHERE city + region = 14",
    "expression beyond equality": "SELECT * FROM sales.visit WHERE fee * 2 > 10",
    "expressions and a column": """SELECT * FROM sales.visit
                                   WHERE city + region = 14 AND day = '2020-01-13' AND lower(country) = 'x, 1'""",
    "join": "SELECT * FROM sales.visit AS v JOIN sales.visit AS w USING (city, region) WHERE v.mood = 'happy'",
    "partitioned": "SELECT * FROM sales.order_line WHERE a = 777 AND b = 77",
    "partitioned group by": "SELECT a, b FROM sales.order_line GROUP BY a, b",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A database with extended statistics."""

    url: str
    snapshot: Snapshot


@pytest.fixture(scope="module", params=VERSIONS)
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """The database, captured by the documented role."""
    with server_of(request) as server, new_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in OBJECTS:
                run(connection, statement)
        with new_role(url, "pg_monitor", "pg_read_all_data") as role:
            yield Live(url=url, snapshot=capture(as_role(url, role), statements=False))


@pytest.fixture(scope="module")
def twin(live: Live) -> Iterator[Twin]:
    """A twin of the same major version."""
    with open_twin(live.snapshot) as opened:
        yield opened


@pytest.fixture
def connection(live: Live) -> Iterator[Connection]:
    """The live database."""
    with connect(live.url, autocommit=True) as opened:
        yield opened


def named(snapshot: Snapshot, name: str) -> ExtendedStatistics:
    """Return the extended statistics of that name."""
    return next(found for found in snapshot.extended_statistics if found.name == name)


def live_plan(connection: Connection, statement: str) -> dict[str, Any]:
    """Plan a statement on the live server."""
    row = connection.execute(cast("LiteralString", f"EXPLAIN (FORMAT JSON) {statement}")).fetchone()
    assert row is not None
    return row["QUERY PLAN"][0]["Plan"]


@pytest.mark.parametrize("claim", STATEMENTS)
def test_the_twin_estimates_with_them_as_the_live_planner(claim: str, connection: Connection, twin: Twin) -> None:
    plan, planned = live_plan(connection, STATEMENTS[claim]), twin.plan(STATEMENTS[claim])
    assert planned.cost == pytest.approx(plan["Total Cost"], abs=1e-6)
    assert planned.rows == plan["Plan Rows"]


@pytest.mark.parametrize("kind", ["pg_mcv_list", "pg_ndistinct", "pg_dependencies"])
def test_no_bytes_pass_for_coefficients_once_they_are_restored(twin: Twin, kind: str) -> None:
    for connection in (twin.built.inflated.captured, twin.built.inflated.superuser):
        with pytest.raises((psycopg.errors.CannotCoerce, psycopg.errors.FeatureNotSupported)):
            connection.execute(f"SELECT '\\x00'::bytea::{kind}".encode())


def test_they_change_what_is_estimated(live: Live, twin: Twin) -> None:
    """Without this, statements that no extended statistics serve would prove nothing."""
    with open_twin(live.snapshot.model_copy(update={"extended_statistics": ()})) as bare:
        differing = [claim for claim, sql in STATEMENTS.items() if bare.plan(sql).rows != twin.plan(sql).rows]
    assert len(differing) >= 12


def test_an_older_server_is_estimated_alike_on_the_embedded_twin(live: Live, connection: Connection) -> None:
    if live.snapshot.server.major >= 18:
        pytest.skip("this server has the embedded twin's version")
    with open_twin(live.snapshot, wanted=PlannerChoice(bin_dir=find_binaries().bin_dir)) as newest:
        # Joins and sorts cost otherwise on another version; estimates of one table's rows do not.
        for claim, statement in STATEMENTS.items():
            if claim not in {"join", "ranges"}:
                assert newest.plan(statement).rows == live_plan(connection, statement)["Plan Rows"], claim


def test_everything_is_restored(live: Live, twin: Twin) -> None:
    assert not [gap for gap in (*live.snapshot.not_examined, *twin.not_examined) if "statistics" in gap.what]
    expressions = named(live.snapshot, "expressions")
    assert expressions.columns == ("day",)
    assert len(expressions.expressions) == len(expressions.data[0].expressions) == 2
    assert named(live.snapshot, "unseen_both").data == ()
    assert named(live.snapshot, "partitioned").data[0].inherited


def test_the_table_s_owner_sees_them_as_the_superuser_does(live: Live) -> None:
    with new_role(live.url, "pg_monitor") as role, connect(live.url, autocommit=True) as connection:
        run(connection, f"ALTER TABLE sales.visit OWNER TO {role}")
        run(connection, f"GRANT USAGE ON SCHEMA sales TO {role}")
        try:
            snapshot = capture(as_role(live.url, role), statements=False)
        finally:
            run(connection, "ALTER TABLE sales.visit OWNER TO CURRENT_USER")
    seen, whole = named(snapshot, "all_kinds").data[0], named(live.snapshot, "all_kinds").data[0]
    assert (seen.distinct, seen.most_common) == (whole.distinct, whole.most_common)
    assert seen.dependencies is not None
    assert whole.dependencies is not None
    assert [each.keys for each in seen.dependencies] == [each.keys for each in whole.dependencies]
    degrees = [each.degree for each in whole.dependencies]
    assert [each.degree for each in seen.dependencies] == pytest.approx(degrees, abs=1e-6)
    assert named(snapshot, "expressions").data[0].expressions == named(live.snapshot, "expressions").data[0].expressions


def test_a_role_that_may_only_select_is_told_what_it_misses(live: Live) -> None:
    with new_role(live.url, "pg_monitor") as role, connect(live.url, autocommit=True) as connection:
        run(connection, f"GRANT USAGE ON SCHEMA sales TO {role}")
        run(connection, f"GRANT SELECT ON ALL TABLES IN SCHEMA sales TO {role}")
        snapshot = capture(as_role(live.url, role), statements=False)
    gaps = {gap.what: gap.reason for gap in snapshot.not_examined}
    assert "GRANT pg_read_all_data" in gaps["extended statistics sales.all_kinds"]
    assert named(snapshot, "all_kinds").data == ()
    assert named(snapshot, "all_kinds").definition == named(live.snapshot, "all_kinds").definition


def test_no_values_leaves_the_coefficients_alone(live: Live) -> None:
    snapshot = capture(live.url, statements=False, values=False)
    data = named(snapshot, "all_kinds").data[0]
    assert data.most_common is None
    assert data.distinct == named(live.snapshot, "all_kinds").data[0].distinct
    (first, _) = named(snapshot, "expressions").data[0].expressions
    assert first is not None
    assert first.most_common_values is None
    assert first.distinct == 50
