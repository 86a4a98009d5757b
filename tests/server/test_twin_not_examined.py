"""A statement whose plan on the twin is not the captured server's is not examined, however it reads what is lacking."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import fresh_database
from tests.server.capture_zoo import run
from tests.server.live_plans import Live, assert_same
from tests.server.test_twin_lacking import error, without


@pytest.fixture(scope="module")
def url(any_server: str) -> Iterator[str]:
    with fresh_database(any_server) as made, connect(made, autocommit=True) as connection:
        for statement in (
            "CREATE EXTENSION postgres_fdw",
            "CREATE EXTENSION pg_trgm",
            "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw",
            "CREATE TABLE p (a integer, b text) PARTITION BY LIST (b)",
            "CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('b1') PARTITION BY RANGE (a)",
            "CREATE TABLE p1_low PARTITION OF p1 FOR VALUES FROM (0) TO (1000)",
            "CREATE FOREIGN TABLE p1_high PARTITION OF p1 FOR VALUES FROM (1000) TO (2000) SERVER elsewhere",
            "CREATE FOREIGN TABLE p2 PARTITION OF p FOR VALUES IN ('b7') SERVER elsewhere",
            "CREATE TABLE kept (a integer, b text)",
            "ANALYZE kept",
            "CREATE FOREIGN TABLE child () INHERITS (kept) SERVER elsewhere",
            "CREATE VIEW seen AS SELECT a FROM p",
            "INSERT INTO p SELECT i, 'b1' FROM generate_series(1, 999) AS i",
            "CREATE TABLE texts (a integer, body text, n integer) PARTITION BY RANGE (a)",
            "CREATE TABLE texts_1 PARTITION OF texts FOR VALUES FROM (0) TO (1000)",
            "CREATE INDEX ON texts_1 USING gin (body gin_trgm_ops)",
            "ANALYZE p1_low",
        ):
            run(connection, statement)
        yield made


@pytest.fixture(scope="module")
def twin(url: str) -> Iterator[Twin]:
    with open_twin(capture(url, statements=False)) as opened:
        yield opened


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT a FROM p2",
        "SELECT a FROM p WHERE b = 'b7'",
        "SELECT a FROM p WHERE a = $1",
        "SELECT a FROM p1 WHERE a > 10",
        "SELECT a FROM seen WHERE a = $1",
        "SELECT count(*) FROM (SELECT a FROM p UNION SELECT 1) AS u",
        "SELECT a FROM kept WHERE a = $1",
        "UPDATE p SET a = 7 WHERE b = 'b7'",
        "DELETE FROM kept",
        "INSERT INTO p2 VALUES (1, 'b7')",
    ],
)
def test_a_statement_whose_plan_has_a_foreign_table_is_not_examined(twin: Twin, statement: str) -> None:
    found = error(twin, statement)
    assert found is not None
    assert "it is a foreign table, whose costs only its foreign-data wrapper knows" in found


@pytest.mark.parametrize(
    "statement", ["SELECT a FROM p WHERE b = 'b1' AND a < 1000", "SELECT a FROM ONLY kept WHERE a = 7"]
)
def test_a_plan_without_the_foreign_tables_is_the_servers(url: str, twin: Twin, statement: str) -> None:
    assert error(twin, statement) is None
    assert_same(twin.plan(statement), Live(url=url, role="postgres").plan(statement, as_owner=True))


def test_a_missing_index_of_a_partition_is_missed_through_its_parent(url: str) -> None:
    with open_twin(without(capture(url, statements=False), "pg_trgm")) as twin:
        found = error(twin, "SELECT a FROM texts WHERE body LIKE '%x%'")
        assert found is not None
        assert found.startswith("it may need what the twin lacks: extension not_pg_trgm (")
        assert error(twin, "SELECT a FROM texts WHERE n = 7") is None
