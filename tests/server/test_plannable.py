"""What pg_stat_statements records can be planned, on the server that recorded it."""

import psycopg
import pytest
from psycopg import sql

from analyzer.capture.capture import capture
from analyzer.workload.parse import Statement, parse_statements
from analyzer.workload.repair import repair

EXPLAIN = "EXPLAIN (GENERIC_PLAN) "
REPAIRS = 20

SCHEMA = """
CREATE TABLE item (id int, d date, at timestamptz, n numeric, x text, j jsonb, tags text[], nums int[]);
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
    "SELECT id FROM item WHERE id IN (VALUES (1), (2))",
    "SELECT p.id FROM unnest(ARRAY[1, 2]) u(k) JOIN part p ON p.id = u.k",
    "SELECT p.id FROM unnest(ARRAY[1, 2]) k JOIN part p ON k = p.id",
    "SELECT id FROM item WHERE nums && ARRAY[1, 2] OR nums @> ARRAY[3] OR ARRAY[4, 5] <@ nums OR nums = ARRAY[1]",
    "SELECT id FROM item WHERE id = ANY (ARRAY[1, 2])",
    "UPDATE part SET item_id = CASE id WHEN 1 THEN 2 WHEN 3 THEN 4 END",
    "UPDATE part SET item_id = CASE WHEN id = 1 THEN 2 WHEN id = 3 THEN CASE WHEN f > 1 THEN 4 ELSE 5 END END",
    "INSERT INTO part (id, item_id) SELECT 1, 2 UNION ALL SELECT 3, 4",
    "INSERT INTO part (id, item_id) SELECT 1, 2",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT count(*) FROM t",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t JOIN part ON id = n",
    "SELECT id FROM item WHERE id = coalesce(NULL, 5) AND n > greatest(1, 2.5) AND id <> nullif(1, 2)",
    "SELECT id FROM item WHERE id = (SELECT 7) AND (SELECT 8) > id OR (id, n) IN (VALUES (1, 2), (3, 4.5))",
    "UPDATE part SET f = v.r FROM (VALUES (1, 2.5), (2, 3.5)) v(id, r) WHERE part.id = v.id",
    "UPDATE part SET f = r FROM (SELECT 1 AS key, 2.5 AS r) AS v WHERE part.id = key",
    "SELECT sum(CASE WHEN x = 'a' THEN 1 ELSE 0 END), avg(CASE WHEN x = 'a' THEN 1.5 END) FROM item",
    "SELECT g FROM generate_series(1, 10) g JOIN part ON part.id = g",
    "WITH w (a, b) AS (VALUES (1, 'x'), (2, 'y')) SELECT i.id FROM w JOIN item i ON i.id = w.a AND i.x = w.b",
    "WITH w AS (SELECT 1 AS a) SELECT i.id FROM w, item i WHERE w.a = i.id",
    "SELECT id FROM item WHERE (id, n) = (1, 2.5) OR (id, d) > (2, '2020-01-01')",
    "SELECT CASE WHEN n > 1 THEN n ELSE 0 END + 1, coalesce(n, 0), coalesce(id, 0) + 1 FROM item",
    "SELECT id, 'part' AS kind FROM part UNION ALL SELECT 5, 'none' ORDER BY 1",
    "SELECT id FROM item WHERE id BETWEEN least(1, 2) AND (SELECT max(9))",
    "MERGE INTO part USING (VALUES (1, 2), (3, 4)) v (a, b) ON id = a WHEN NOT MATCHED THEN INSERT VALUES (a, b)",
    "INSERT INTO part (id, f) VALUES (1, 1.5) ON CONFLICT DO NOTHING",
    "SELECT date_trunc('month', at), count(*) FROM item GROUP BY date_trunc('month', at)",
    "SELECT DISTINCT date_trunc('day', at) FROM item ORDER BY date_trunc('day', at)",
    "SELECT j ->> 'a', count(*) FROM item GROUP BY j ->> 'a'",
    "SELECT n + 1, max(id) FROM item GROUP BY n + 1 ORDER BY n + 1",
    "SELECT coalesce(x, 'none') AS c, count(*) FROM item GROUP BY coalesce(x, 'none') HAVING count(*) > 5",
    "SELECT id / 10 * 10 FROM item GROUP BY id / 10 * 10",
    "SELECT CASE WHEN n > 1 THEN 'a' ELSE 'b' END, count(*) FROM item GROUP BY CASE WHEN n > 1 THEN 'a' ELSE 'b' END",
    "SELECT count(*) FILTER (WHERE n > 5), extract(year FROM d) FROM item WHERE id > 7 GROUP BY extract(year FROM d)",
    "SELECT DISTINCT ON (date_trunc('day', at)) id, date_trunc('day', at) FROM item ORDER BY date_trunc('day', at), id",
    "SELECT x || 'a' AS k, sum(n) FROM item GROUP BY k ORDER BY x || 'a'",
    "SELECT to_char(at, 'MM'), count(*) FROM item GROUP BY to_char(at, 'MM') ORDER BY to_char(at, 'MM') DESC LIMIT 5",
    "SELECT 1 AS a, 'x' AS b, count(*) FROM item GROUP BY a, b",
    "SELECT substring(x FROM 1 FOR 2), count(*) FROM item GROUP BY substring(x FROM 1 FOR 2)",
    # An unknown constant decides a type of any kind.
    "SELECT to_jsonb(5), to_json(id), json_build_object('a', to_json(1)) FROM item",
    "SELECT array_fill(0, ARRAY[3, 4]), array_append('{1}', 2), array_append(nums, 3) FROM item",
    "UPDATE item SET j = jsonb_set(j, '{a}', to_jsonb(25)), id = least(25, id + 1)",
    # Text is passed to a function that takes numbers alone.
    "SELECT percentile_cont(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY n) FROM item",
    "SELECT sum(points) FROM (SELECT CASE WHEN n > 1 THEN 3 ELSE 1 END AS points FROM item) s WHERE points > 1",
    "SELECT abs(a), round(a, 1) FROM (VALUES (1.5, 1), (2.5, 2)) v (a, b)",
    # A third arm of a set operation has another type than two of constants.
    "SELECT k, sum(c) FROM (SELECT 'a' AS k, 1 AS c UNION SELECT 'b', 2 UNION SELECT 'c', n FROM item) s GROUP BY k",
    "(SELECT 1 AS a, 'x' AS b) UNION ALL (SELECT 2, 'y') UNION ALL (SELECT id, x FROM item)",
    "SELECT s.a FROM ((SELECT 1 AS a) UNION (SELECT 2) EXCEPT (SELECT id FROM item)) s",
    # A column of constants is a condition.
    "WITH RECURSIVE t AS (SELECT id AS i, false AS g FROM item UNION SELECT i, true FROM t WHERE NOT g) TABLE t",
    "SELECT id FROM item WHERE NOT (CASE WHEN id = 1 THEN false ELSE true END)",
    # Joins without an operator to point at.
    "SELECT f FROM part JOIN (VALUES (1, 'a'), (2, 'b')) v (item_id, t) USING (item_id)",
    "SELECT f FROM (SELECT 1 AS id, 2 AS k) v JOIN part USING (id) JOIN item USING (id)",
    "SELECT p.id FROM unnest(ARRAY[1, 2]) WITH ORDINALITY u (k, place) JOIN part p ON p.id = u.k",
    "SELECT id FROM item WHERE id = ANY (ARRAY(SELECT 2)) OR (x, id) IN (SELECT x, 5 FROM item)",
    "SELECT v.w FROM (SELECT coalesce(NULL, 5) AS w) v JOIN item ON id = w",
    # A date less a number is a date, and less a date a number.
    "SELECT id FROM item WHERE at > current_date - 30 AND d BETWEEN current_date - 7 AND current_date",
    "SELECT id FROM item WHERE current_date - 30 < d",
    # Names as often as people qualify them, and the place that is meant among many of the same operator.
    'MERGE INTO part "p" USING (SELECT 1 AS "id", 2 AS "k") "s" ON "p"."id" = "s"."id" WHEN MATCHED THEN DELETE',
    "UPDATE part SET (f, item_id) = (SELECT f * 1.1, 3 FROM part WHERE id = 2) WHERE id = 4",
    # Lists of GROUPING SETS hold lists.
    "SELECT coalesce(x, 'none'), count(*) FROM item GROUP BY GROUPING SETS ((coalesce(x, 'none'), id), ())",
    "SELECT id, n + 1, count(*) FROM item GROUP BY ROLLUP ((id, n + 1))",
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
            "UPDATE item SET n = m FROM (VALUES ($1), ($2)) v (m)",
            "UPDATE item SET n = m FROM (VALUES ($1::numeric), ($2::numeric)) v (m)",
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
