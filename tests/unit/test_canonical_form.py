"""Statements that differ in what is of no consequence have one form; statements that differ in more have not."""

import pytest

from analyzer.catalog import Catalog
from analyzer.workload.canonical_form import Form, canonical_form
from tests.unit.catalogs import snapshot, table

CATALOG = Catalog(
    snapshot(
        table("orders", "id int, customer_id int, status text, total numeric, placed date"),
        table("customer", "id int, name text, city text"),
        table(
            "recent", "id int, status text", definition="SELECT o.id, o.status FROM orders o WHERE o.placed > 'today'"
        ),
    )
)


def form(text: str, *, counted: bool = False) -> Form:
    found = canonical_form(text, CATALOG, is_limit_counted=counted)
    assert found is not None, text
    return found


ALIKE = [
    ("SELECT o.id FROM orders AS o WHERE o.status = $1", "select x.id from ORDERS x where x.status = $1"),
    ("SELECT o.id FROM orders o WHERE o.status = $1", "SELECT orders.id FROM public.orders WHERE orders.status = $1"),
    ("SELECT o.id FROM orders o WHERE o.status = $1", "SELECT id FROM orders WHERE status = $1"),
    ("SELECT id, status FROM orders WHERE id = $1", "SELECT status, id FROM orders WHERE id = $1"),
    ("SELECT id AS a, status AS b FROM orders", "SELECT status AS order_status, id AS order_id FROM orders"),
    ("SELECT id, total FROM orders ORDER BY 1 LIMIT 3", "SELECT total AS t, id AS i FROM orders ORDER BY i LIMIT 3"),
    ("SELECT status s, count(*) FROM orders GROUP BY 1", "SELECT count(*) AS n, status FROM orders GROUP BY status"),
    ("SELECT id FROM orders WHERE id IN ($1, $2, $3)", "SELECT id FROM orders /* three */ WHERE id IN ($1)"),
    ('SELECT "id" FROM "orders" WHERE "status" = $1', "SELECT ID FROM Orders WHERE STATUS = $1 -- x"),
    (
        "SELECT c.name FROM customer c JOIN orders o ON o.customer_id = c.id WHERE o.id = $1",
        "SELECT t0.name FROM customer t0 INNER JOIN orders AS t1 ON t1.customer_id = t0.id WHERE t1.id = $1",
    ),
    (
        "WITH big AS (SELECT id, total AS t FROM orders) SELECT * FROM big WHERE t > $1",
        "WITH q AS (SELECT id, total AS money FROM orders) SELECT * FROM q AS z WHERE z.money > $1",
    ),
    (
        "SELECT s.n FROM (SELECT customer_id c, count(*) AS n FROM orders GROUP BY 1) s WHERE s.n > $1",
        "SELECT u.m FROM (SELECT customer_id, count(*) AS m FROM orders o GROUP BY o.customer_id) u WHERE u.m > $1",
    ),
    (
        "SELECT name FROM customer c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)",
        "SELECT name FROM customer x WHERE EXISTS (SELECT 1 FROM orders y WHERE y.customer_id = x.id)",
    ),
    ("UPDATE orders o SET status = $1 WHERE o.id = $2", "UPDATE orders SET status = $1 WHERE id = $2"),
    ("DELETE FROM orders o WHERE o.id = $1 RETURNING o.id AS x", "DELETE FROM orders WHERE id = $1 RETURNING id"),
    ("SELECT r.id FROM recent r WHERE r.status = $1", "SELECT id FROM recent WHERE status = $1"),
    (
        "SELECT a.x FROM (SELECT id AS x FROM orders) a JOIN (SELECT id AS x FROM customer) b USING (x)",
        "SELECT c.y FROM (SELECT id AS y FROM orders) c JOIN (SELECT id AS y FROM customer) d USING (y)",
    ),
    ("SELECT id FROM orders WHERE id = ANY (ARRAY[$1, $2])", "SELECT id FROM orders WHERE id IN ($1, $2, $3)"),
    ("SELECT id FROM orders WHERE id <> ALL (ARRAY[$1, $2])", "SELECT id FROM orders WHERE id NOT IN ($1)"),
    ("SELECT id FROM orders WHERE total BETWEEN $1 AND $2", "SELECT id FROM orders WHERE total >= $1 AND total <= $2"),
    ("SELECT id FROM orders WHERE status = $1 AND (total BETWEEN $2 AND $3 AND placed < $4)",
     "SELECT id FROM orders WHERE total <= $1 AND placed < $2 AND status = $3 AND total >= $4"),
    ("SELECT o.id FROM orders o, customer c WHERE o.customer_id = c.id AND c.city = $1",
     "SELECT o.id FROM orders o JOIN customer c ON o.customer_id = c.id WHERE c.city = $1"),
    ("SELECT o.id FROM orders o CROSS JOIN customer c WHERE o.customer_id = c.id",
     "SELECT o.id FROM orders o INNER JOIN customer c ON (o.customer_id = c.id)"),
    ("SELECT id FROM orders LIMIT ALL", "SELECT id FROM orders"),
    ("SELECT id FROM orders LIMIT NULL", "SELECT id FROM orders"),
    ("SELECT id FROM orders ORDER BY total ASC", "SELECT id FROM orders ORDER BY total NULLS LAST"),
    ("SELECT max(id) OVER (ORDER BY total ASC) FROM orders", "SELECT max(id) OVER (ORDER BY total) FROM orders"),
    ("SELECT id FROM orders ORDER BY total DESC NULLS FIRST", "SELECT id FROM orders ORDER BY total DESC"),
    ("SELECT id FROM orders o FOR UPDATE OF o", "SELECT id FROM orders x FOR UPDATE OF x"),
    ("SELECT id AS a FROM orders UNION SELECT id FROM customer ORDER BY a",
     "SELECT id AS b FROM orders UNION SELECT id FROM customer ORDER BY 1"),
]  # fmt: skip
APART = [
    ("SELECT id FROM orders WHERE status = $1", "SELECT id FROM orders WHERE status <> $1"),
    ("SELECT id FROM orders", "SELECT id, status FROM orders"),
    ("SELECT id FROM orders", "SELECT id FROM customer"),
    ("SELECT a.id FROM orders a, orders b WHERE a.id = b.id AND a.status = $1 AND b.total = $2",
     "SELECT a.id FROM orders a, orders b WHERE a.id = b.id AND b.status = $1 AND b.total = $2"),
    ("SELECT id FROM orders ORDER BY id", "SELECT id FROM orders ORDER BY id DESC"),
    ("SELECT id FROM orders ORDER BY id ASC", "SELECT id FROM orders ORDER BY id NULLS FIRST"),
    ("WITH q AS MATERIALIZED (SELECT id FROM orders) SELECT * FROM q",
     "WITH q AS NOT MATERIALIZED (SELECT id FROM orders) SELECT * FROM q"),
    ("SELECT id AS x, total AS y FROM orders ORDER BY x", "SELECT id AS y, total AS x FROM orders ORDER BY x"),
    ("SELECT id, total FROM orders ORDER BY 1", "SELECT total, id FROM orders ORDER BY 1"),
    ("SELECT DISTINCT status, total FROM orders", "SELECT DISTINCT total, status FROM orders"),
    ("SELECT id, status FROM orders UNION SELECT id, name FROM customer",
     "SELECT status, id FROM orders UNION SELECT name, id FROM customer"),
    ("INSERT INTO customer (id, name) SELECT id, status FROM orders",
     "INSERT INTO customer (id, name) SELECT status, id FROM orders"),
    ("SELECT id AS x, total AS y FROM orders UNION SELECT id, id FROM customer ORDER BY x",
     "SELECT id AS y, total AS x FROM orders UNION SELECT id, id FROM customer ORDER BY x"),
    ("SELECT * FROM (SELECT id AS x, customer_id AS y FROM orders) a JOIN (SELECT id AS x FROM customer) b USING (x)",
     "SELECT * FROM (SELECT id AS y, customer_id AS x FROM orders) a JOIN (SELECT id AS x FROM customer) b USING (x)"),
    ("SELECT id FROM orders WHERE id = $1 AND total = $1", "SELECT id FROM orders WHERE id = $1 AND total = $2"),
    ("SELECT id FROM orders WHERE id = 1", "SELECT id FROM orders WHERE id = 2"),
    ("SELECT id FROM orders WHERE id IN (1, 2)", "SELECT id FROM orders WHERE id IN (1)"),
    ("SELECT id FROM orders LIMIT 5", "SELECT id FROM orders LIMIT 6"),
    ("WITH q AS MATERIALIZED (SELECT id FROM orders) SELECT * FROM q",
     "WITH q AS NOT MATERIALIZED (SELECT id FROM orders) SELECT * FROM q"),
    ("SELECT name FROM customer c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)",
     "SELECT name FROM customer c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = o.id)"),
    ("SELECT s.x FROM (SELECT id AS x, total AS y FROM orders) s WHERE s.x > $1",
     "SELECT s.x FROM (SELECT id AS x, total AS y FROM orders) s WHERE s.y > $1"),
    ("SELECT id FROM orders WHERE id = ANY ($1)", "SELECT id FROM orders WHERE id IN ($1)"),
    ("SELECT id FROM orders WHERE id < ANY (ARRAY[$1])", "SELECT id FROM orders WHERE id IN ($1)"),
    ("SELECT id FROM orders WHERE id = ALL (ARRAY[$1])", "SELECT id FROM orders WHERE id = ANY (ARRAY[$1])"),
    ("SELECT id FROM orders WHERE total BETWEEN $1 AND $2", "SELECT id FROM orders WHERE total > $1 AND total <= $2"),
    ("SELECT id FROM orders WHERE total BETWEEN SYMMETRIC $1 AND $2",
     "SELECT id FROM orders WHERE total >= $1 AND total <= $2"),
    ("SELECT id FROM orders WHERE total NOT BETWEEN $1 AND $2",
     "SELECT id FROM orders WHERE total BETWEEN $1 AND $2"),
    ("SELECT id FROM orders WHERE id = $1 AND (id = $2 OR id = $3)",
     "SELECT id FROM orders WHERE id = $1 AND id = $2 OR id = $3"),
    ("SELECT o.id FROM orders o LEFT JOIN customer c ON o.customer_id = c.id AND c.city = $1",
     "SELECT o.id FROM orders o LEFT JOIN customer c ON o.customer_id = c.id WHERE c.city = $1"),
    ("SELECT o.id FROM orders o LEFT JOIN customer c ON o.customer_id = c.id",
     "SELECT o.id FROM orders o JOIN customer c ON o.customer_id = c.id"),
    ("SELECT o.id FROM orders o, customer c", "SELECT o.id FROM orders o, orders c"),
    ("SELECT id FROM orders LIMIT ALL", "SELECT id FROM orders LIMIT 1"),
    ("SELECT myf(id) FROM orders", 'SELECT "MyF"(id) FROM orders'),
    ("SELECT u.a FROM unnest($1::int[], $2::int[]) u(a, b)", "SELECT u.b FROM unnest($1::int[], $2::int[]) u(a, b)"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_what_is_of_no_consequence_leaves_no_trace(one: str, other: str) -> None:
    assert form(one).text == form(other).text


@pytest.mark.parametrize(("one", "other"), APART)
def test_statements_that_ask_different_things_have_different_forms(one: str, other: str) -> None:
    assert form(one).text != form(other).text


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM orders ORDER BY 1",
        "SELECT id, status FROM orders GROUP BY ROLLUP (1, 2)",
        "SELECT * FROM orders NATURAL JOIN customer",
        "SELECT id FROM no_such_table",
        "SELECT " + "(" * 150 + "1" + ")" * 150,
    ],
)
def test_what_cannot_be_told_has_no_form_or_one(text: str) -> None:
    canonical_form(text, CATALOG, is_limit_counted=False)


@pytest.mark.parametrize("operator", [" AND ", " OR "])
def test_a_long_chain_has_a_form(operator: str) -> None:
    assert form("SELECT id FROM orders WHERE " + operator.join(f"id <> ${n}" for n in range(1, 2001))).parameters


def test_what_is_nested_is_written_once_at_every_level() -> None:
    text = "id"
    for _ in range(20):
        text = f"(({text}) BETWEEN 1 AND 2)"
    assert len(form(f"SELECT id FROM orders WHERE {text}").text) < 20_000


def test_parameters_are_named_in_the_order_of_the_form() -> None:
    one = form("SELECT id + $1, status || $2 FROM orders WHERE id IN ($3, $4) AND total = $5")
    other = form("SELECT o.status || $1, o.id + $2 FROM orders o WHERE o.id IN ($3, $4) AND o.total = $5")
    assert one.text == other.text
    pairs = dict(zip(one.parameters, other.parameters, strict=True))
    assert pairs == {1: 2, 2: 1, 3: 3, 4: 4, 5: 5}


def test_a_limit_that_was_counted_is_not_part_of_the_form() -> None:
    assert form("SELECT id FROM orders LIMIT 5", counted=True) == form("SELECT id FROM orders LIMIT 6", counted=True)


def test_queries_that_read_one_another_twice_take_no_longer_at_each_step() -> None:
    text = "WITH q0 AS (SELECT id FROM orders)"
    text += "".join(f", q{n} AS (SELECT a.id FROM q{n - 1} a JOIN q{n - 1} b ON a.id = b.id)" for n in range(1, 60))
    assert len(form(f"{text} SELECT id FROM q59 WHERE id = $1").text) < 20_000
