"""Statements whose plans have every node and property that PostgreSQL can be made to print, and their plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

SCHEMA = """
CREATE SCHEMA "My Shop";
CREATE TABLE "My Shop"."Order Items" (id integer PRIMARY KEY, "Größe" text, customer integer, amount numeric, at date);
INSERT INTO "My Shop"."Order Items"
SELECT i, 'g' || i % 90, i % 700, i % 13, date '2026-01-01' + i % 300 FROM generate_series(1, 20000) AS i;
CREATE INDEX "By customer" ON "My Shop"."Order Items" (customer);
CREATE INDEX by_at ON "My Shop"."Order Items" (at);
CREATE TABLE customer (id integer PRIMARY KEY, name text, tags text[]);
INSERT INTO customer SELECT i, 'customer ' || i, ARRAY['a', 'b' || i % 5] FROM generate_series(0, 699) AS i;
CREATE TABLE event (id integer, at date, kind text) PARTITION BY RANGE (at);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE event_3 PARTITION OF event DEFAULT;
INSERT INTO event SELECT i, date '2026-01-01' + i % 90, 'k' || i % 4 FROM generate_series(1, 9000) AS i;
CREATE INDEX ON event (at);
CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES customer ON DELETE CASCADE);
INSERT INTO child SELECT i, i % 700 FROM generate_series(1, 700) AS i;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER noted AFTER UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION note();
CREATE VIEW expensive AS SELECT customer, sum(amount) AS total FROM "My Shop"."Order Items" GROUP BY customer;
VACUUM ANALYZE
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A statement, and the settings under which its plan is worth a look."""

    sql: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


def case(sql: str, **settings: str) -> Case:
    """Name the settings as arguments."""
    return Case(sql=sql, settings=settings)


_ITEMS = '"My Shop"."Order Items"'
_PARALLEL = {
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0",
    "max_parallel_workers_per_gather": "2",
}
CASES: Sequence[Case] = (
    case(f'SELECT * FROM {_ITEMS} AS i WHERE "Größe" = \'it\'\'s, (a) "test"\' AND amount > 3'),
    case(f"SELECT id FROM {_ITEMS} WHERE customer = 7 AND amount > 3"),
    case(f"SELECT count(*) FROM {_ITEMS} WHERE customer = 7 OR at = '2026-02-02'"),
    case(f"SELECT 1 FROM {_ITEMS} WHERE customer IN (7, 8) AND at < '2026-01-20'", enable_indexscan="off"),
    case(f"SELECT amount FROM {_ITEMS} WHERE at < '2026-08-01'", work_mem="64kB", enable_seqscan="off"),
    case(f"SELECT id FROM {_ITEMS} ORDER BY id DESC LIMIT 5"),
    case(f"SELECT at FROM {_ITEMS} WHERE at > '2026-10-01'", enable_seqscan="off", enable_bitmapscan="off"),
    case(f'SELECT * FROM {_ITEMS} ORDER BY "Größe" DESC NULLS LAST, lower("Größe"), amount', work_mem="64kB"),
    case(f"SELECT * FROM {_ITEMS} ORDER BY at, amount LIMIT 50", enable_seqscan="off"),
    case(f'SELECT * FROM {_ITEMS} i JOIN customer c ON c.id = i.customer AND c.name <> i."Größe"', work_mem="64kB"),
    case(f"SELECT * FROM {_ITEMS} i LEFT JOIN customer c ON c.id = i.customer", enable_hashjoin="off"),
    case(f"SELECT * FROM customer c JOIN {_ITEMS} i ON c.id = i.customer WHERE c.id < 3"),
    case(
        f"SELECT * FROM {_ITEMS} i JOIN customer c ON c.id = i.customer",
        enable_hashjoin="off", enable_mergejoin="off",
    ),
    case("SELECT * FROM customer c WHERE EXISTS (SELECT FROM child WHERE parent = c.id)"),
    case("SELECT * FROM customer c WHERE NOT EXISTS (SELECT FROM child WHERE parent = c.id)"),
    case("SELECT * FROM customer a FULL JOIN child b ON a.id = b.parent"),
    case("SELECT * FROM event WHERE at BETWEEN '2026-01-30' AND '2026-02-03'"),
    case("SELECT * FROM event ORDER BY at"),
    case("SELECT kind, count(*) FROM event GROUP BY kind"),
    case("SELECT kind, at, count(*) FROM event GROUP BY GROUPING SETS ((kind), (at), ())"),
    case("SELECT kind, at, count(*) FROM event GROUP BY ROLLUP (kind, at), CUBE (id)", enable_hashagg="off"),
    case(f"SELECT customer, at, sum(amount) FROM {_ITEMS} GROUP BY 1, 2", work_mem="64kB"),
    case("WITH c AS MATERIALIZED (SELECT * FROM customer) SELECT * FROM c a JOIN c b ON a.id = b.id + 1"),
    case("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT * FROM t"),
    case("SELECT (SELECT max(id) FROM child), (SELECT name FROM customer WHERE id = c.id) FROM child c"),
    case("SELECT * FROM child WHERE id = (SELECT min(parent) FROM child) OR id IN (SELECT id FROM customer)"),
    case("SELECT * FROM child WHERE parent NOT IN (SELECT id FROM customer WHERE id > 690)"),
    case("SELECT name, row_number() OVER (PARTITION BY tags ORDER BY id), sum(id) OVER (ORDER BY name) FROM customer"),
    case("SELECT * FROM (SELECT *, rank() OVER (ORDER BY name) AS r FROM customer) AS s WHERE r < 5"),
    case("SELECT * FROM customer a JOIN child b ON a.id < b.id WHERE a.id < 5"),
    case("SELECT * FROM customer a CROSS JOIN child b LIMIT 10", enable_indexscan="off"),
    case("SELECT * FROM customer a JOIN child b ON a.id = b.id", enable_hashjoin="off", enable_nestloop="off"),
    case("SELECT * FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM customer) AS s WHERE n % 2 = 0"),
    case("SELECT id FROM customer EXCEPT SELECT parent FROM child"),
    case("SELECT id FROM customer INTERSECT ALL SELECT parent FROM child", enable_hashagg="off"),
    case("SELECT id FROM customer UNION SELECT parent FROM child"),
    case("SELECT DISTINCT name FROM customer", enable_hashagg="off"),
    case("SELECT * FROM generate_series(1, 10) AS g(n), unnest(ARRAY[1, 2]) WITH ORDINALITY AS u"),
    case("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(a, b) JOIN customer ON id = a"),
    case("SELECT * FROM customer TABLESAMPLE bernoulli (10) REPEATABLE (3)"),
    case("SELECT * FROM customer WHERE ctid = '(0,1)'"),
    case("SELECT * FROM customer WHERE ctid < '(2,1)'"),
    case("SELECT id, unnest(tags) FROM customer"),
    case("SELECT * FROM expensive e JOIN customer c ON c.id = e.customer WHERE total > 100"),
    case("SELECT * FROM xmltable('/a/b' PASSING '<a><b>1</b></a>' COLUMNS x integer PATH '.')"),
    case("SELECT * FROM customer FOR UPDATE"),
    case("SELECT 1 WHERE false"),
    case("SELECT * FROM customer WHERE random() < 2 AND (SELECT count(*) FROM child) > 3"),
    case(f"SELECT count(*) FROM {_ITEMS}", **_PARALLEL),
    case(f"SELECT * FROM {_ITEMS} ORDER BY amount, id", **_PARALLEL, work_mem="256kB"),
    case(f"SELECT count(*) FROM {_ITEMS} i JOIN customer c ON c.id = i.customer", **_PARALLEL),
    case(f"SELECT count(*) FROM {_ITEMS} WHERE amount > 3", **_PARALLEL, jit="on", jit_above_cost="0"),
    case(
        f"SELECT sum(amount) FROM {_ITEMS} WHERE customer < 400",
        jit="on", jit_above_cost="0", jit_optimize_above_cost="0",
    ),
    case("INSERT INTO customer SELECT 1000 + n FROM generate_series(1, 5) AS n"),
    case("INSERT INTO customer VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y' WHERE customer.name > 'a'"),
    case("UPDATE customer SET name = 'x' WHERE id < 10"),
    case("UPDATE event SET kind = 'x' WHERE at = '2026-02-20'"),
    case("DELETE FROM customer WHERE id < 20"),
    case("DELETE FROM event WHERE at = '2026-02-02' RETURNING *"),
    case("WITH gone AS (DELETE FROM child RETURNING *) SELECT count(*) FROM gone"),
    case(
        "MERGE INTO customer c USING child ON c.id = child.id WHEN MATCHED THEN UPDATE SET name = 'm' "
        "WHEN NOT MATCHED THEN INSERT VALUES (child.id + 5000, 'n')"
    ),
)  # fmt: skip
#: What EXPLAIN prints beside the plan.
OPTIONS = (
    "",
    "COSTS OFF",
    "ANALYZE, BUFFERS, WAL, VERBOSE, SETTINGS",
    "ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF",
)


def explain(connection: psycopg.Connection[Any], each: Case, options: str, output: str) -> Any:
    """Return what EXPLAIN prints, one text or the value of JSON; what the statement does is taken back."""
    with connection.transaction(force_rollback=True):
        for name, value in each.settings.items():
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        listed = ", ".join(filter(None, (options, f"FORMAT {output}")))
        rows = connection.execute(f"EXPLAIN ({listed}) {each.sql}".encode()).fetchall()
    return rows[0][0] if output == "JSON" else "\n".join(row[0] for row in rows)
