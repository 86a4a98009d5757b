"""What pg_stat_statements records can be planned, on the server that recorded it."""

import psycopg
import pytest
from psycopg import sql

from analyzer.capture.capture import capture
from analyzer.workload.parse import Statement, parse_statements, repair

EXPLAIN = "EXPLAIN (GENERIC_PLAN) "
REPAIRS = 20

SCHEMA = """
CREATE TABLE item (id int, d date, at timestamptz, n numeric, x text, j jsonb, tags text[]);
CREATE TABLE part (id int, item_id int, f float8)
"""
STATEMENTS = (
    "SELECT id FROM item WHERE d >= date '1994-01-01' AND d < date '1994-01-01' + interval '1' year",
    "SELECT id FROM item WHERE d <= date '1998-12-01' - interval '90' day",
    "SELECT id FROM item WHERE d < date '2020-01-01' - 30 AND d > date '2010-01-01' + 5",
    "SELECT id FROM item WHERE at > timestamp with time zone '2020-01-01' AND at < timestamptz '2030-01-01'",
    "SELECT interval '1:2' hour to minute, interval(0) '3 seconds', timestamp(3) '2020-01-01', time '10:00'",
    "SELECT extract(year FROM d) AS y, extract(epoch FROM at), count(*) FROM item GROUP BY 1, 2 ORDER BY y",
    "SELECT id FROM item WHERE n BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 AND n < 24",
    "SELECT sum(n * (1 - n)), - 5, 100.00 * sum(CASE WHEN x LIKE 'PROMO%' THEN n ELSE 0 END) FROM item",
    "SELECT id FROM item WHERE id IN (1, 2, 3) AND x NOT IN ('a', 'b') AND id = ANY (ARRAY[1, 2, 3])",
    "SELECT id FROM item WHERE id = ANY ('{1,2}'::int[]) AND tags && ARRAY['a', 'b']",
    "SELECT substring(x FROM 1 FOR 2), trim(both 'x' FROM x), position('a' IN x) FROM item",
    "SELECT overlay(x PLACING 'a' FROM 1) FROM item",
    "SELECT char 'x', bit '1', character varying(3) 'abc', double precision '1.5', pg_catalog.date '2020-01-01'",
    "SELECT id FROM item ORDER BY at DESC LIMIT 10 OFFSET 20",
    "SELECT id FROM item ORDER BY at OFFSET 2 ROWS FETCH FIRST 3 ROWS ONLY",
    "SELECT date_trunc('month', d), to_char(at, 'YYYY'), coalesce(x, 'none') FROM item WHERE x = 'a' || 'b'",
    "SELECT date_trunc('day', '2020-01-01'::timestamptz), round(10.0 / 3, 2), jsonb_build_object('a', x) FROM item",
    "SELECT id FROM item WHERE j @> '{\"a\": 1}' AND j ? 'a' AND j ->> 'b' = 'c' AND x ~* 'abc' /* tag='x' */",
    "SELECT i.id FROM item i JOIN part p ON p.item_id = i.id WHERE p.f > 1.5 AND at > now() - interval '7 days'",
    "SELECT id, lag(n, 1) OVER (ORDER BY at ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM item",
    "SELECT null, true, x IS NULL, '{1,2}'::int[], 5::text FROM item WHERE id = 1 + 1 AND true",
    "INSERT INTO item (id, x, d) VALUES (1, 'a', '2020-01-01'), (2, 'b', date '2020-01-02')",
    "UPDATE item SET n = n * 2, x = 'new' WHERE id = 1",
    "DELETE FROM part WHERE item_id IN (SELECT id FROM item WHERE x = 'gone')",
    "MERGE INTO item USING (VALUES (1, 'a')) v (id, x) ON item.id = v.id WHEN MATCHED THEN UPDATE SET x = v.x",
    "WITH w AS (SELECT id FROM item WHERE n > 5) SELECT count(*) FROM w WHERE id < 100",
    "SELECT id FROM item TABLESAMPLE system (10) WHERE (id, n) > (1, 2.5)",
    "VALUES (1, 'a'), (2, 'b')",
)


@pytest.fixture
def recorded(database: str) -> tuple[str, tuple[Statement, ...]]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        for statement in SCHEMA.split(";"):
            connection.execute(statement.encode())
        connection.execute("SELECT pg_stat_statements_reset()")
        for statement in STATEMENTS:
            connection.execute(statement.encode())
    return database, parse_statements(capture(database)).statements


def planned(connection: psycopg.Connection, text: str) -> str:
    """Plan a text as it is or as it is mended, and return the text that was planned."""
    for _ in range(REPAIRS):
        try:
            with connection.transaction():
                connection.execute(sql.SQL(EXPLAIN).as_bytes() + text.encode())
        except psycopg.Error as error:
            mended = repair(text, error, offset=len(EXPLAIN))
            if mended is None:
                pytest.fail(f"{error}\n{text}")
            text = mended
        else:
            return text
    raise AssertionError(f"still not plannable: {text}")


def test_every_recorded_statement_is_plannable(recorded: tuple[str, tuple[Statement, ...]]) -> None:
    url, statements = recorded
    of_ours = [each for each in statements if "pg_stat" not in each.text]
    assert len(of_ours) == len(STATEMENTS)
    with psycopg.connect(url) as connection:
        for statement in of_ours:
            planned(connection, statement.plannable)


def test_a_gap_in_the_parameters_does_not_disturb_the_planner(recorded: tuple[str, tuple[Statement, ...]]) -> None:
    url, _ = recorded
    with psycopg.connect(url) as connection:
        assert planned(connection, "SELECT $3 FROM item WHERE id = $5") == "SELECT $3 FROM item WHERE id = $5"


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("SELECT id FROM item WHERE n > $1 - $2", "SELECT id FROM item WHERE n > $1 - $2::integer"),
        ("SELECT sum($1) FROM item", "SELECT sum($1::numeric) FROM item"),
        ("SELECT date_trunc($1, $2)", "SELECT date_trunc($1, $2::timestamptz)"),
        ("SELECT - $1", "SELECT - $1::integer"),
        (
            "UPDATE item SET n = v.n FROM (VALUES ($1, $2), ($3, $4)) v (id, n) WHERE item.id = v.id",
            "UPDATE item SET n = v.n FROM (VALUES ($1::integer, $2::numeric), ($3, $4)) v (id, n) WHERE item.id = v.id",
        ),
    ],
)
def test_a_parameter_without_a_type_is_cast_where_the_server_points(
    recorded: tuple[str, tuple[Statement, ...]], text: str, mended: str
) -> None:
    url, _ = recorded
    with psycopg.connect(url) as connection:
        assert planned(connection, text) == mended


def test_an_error_of_another_kind_is_not_repaired(recorded: tuple[str, tuple[Statement, ...]]) -> None:
    url, _ = recorded
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.UndefinedColumn) as caught:
        connection.execute("SELECT nothing FROM item")
    assert repair("SELECT nothing FROM item", caught.value) is None
