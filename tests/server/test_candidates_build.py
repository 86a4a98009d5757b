"""Every candidate is an index the server builds."""

import psycopg
import pytest

from analyzer.advise.candidates import candidates
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.postgres.pgvector import kmeans_bytes
from analyzer.workload.bindings import bindings, bound_text
from analyzer.workload.parse import parse_file, parse_statements
from analyzer.workload.shapes import shapes
from tests.conftest import fresh_database
from tests.operator_classes import of_extensions

INSTALLED = ("vector", "pg_trgm")
SCHEMA = """
CREATE EXTENSION vector;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION pg_stat_statements;
CREATE SCHEMA "Shop";
CREATE TYPE "Shop".mood AS ENUM ('fine', 'bad');
CREATE DOMAIN "Shop".code AS varchar(20);
CREATE TABLE "Shop"."Vendor" (id bigint PRIMARY KEY, name text, region text);
CREATE TABLE "Shop"."Item" (
    id bigint PRIMARY KEY, "vendorId" bigint REFERENCES "Shop"."Vendor", "Status" text, price numeric,
    created_at timestamp, is_active boolean, deleted_at timestamptz, attributes jsonb, tags text[], name varchar(80),
    embedding vector(3), document tsvector, period int4range, address inet, mood "Shop".mood, code "Shop".code);
INSERT INTO "Shop"."Vendor" SELECT i, 'vendor ' || i, 'region ' || i % 7 FROM generate_series(1, 2000) i;
INSERT INTO "Shop"."Item"
SELECT i, i % 2000 + 1, 'status ' || i % 4, i % 100, timestamp '2020-01-01' + i * interval '1 hour', i % 10 > 0,
       CASE WHEN i % 3 = 0 THEN now() END, jsonb_build_object('brand', i % 9), ARRAY['t' || i % 5], 'name ' || i,
       ARRAY[i % 7, i % 5, i % 3]::vector, to_tsvector('english', 'word ' || i), int4range(i, i + 5),
       ('10.0.0.' || i % 250)::inet, 'fine', 'c' || i % 50
FROM generate_series(1, 5000) i;
ANALYZE
"""
WORKLOAD = """
SELECT id FROM "Shop"."Item" WHERE "vendorId" = 5 AND "Status" = 'status 1' AND is_active
ORDER BY created_at DESC LIMIT 5;
SELECT i.name FROM "Shop"."Item" i JOIN "Shop"."Vendor" v ON v.id = i."vendorId"
WHERE v.region = 'region 1' AND price > 3;
SELECT id FROM "Shop"."Item" WHERE attributes @> '{"brand": 1}' AND tags && ARRAY['t1'] AND attributes ? 'brand';
SELECT id FROM "Shop"."Item" WHERE name ILIKE '%name 12%' OR code = 'c1' OR mood = 'bad';
SELECT id FROM "Shop"."Item" WHERE is_active ORDER BY embedding <=> '[1,2,3]' LIMIT 5;
SELECT id FROM "Shop"."Item" ORDER BY embedding <-> '[1,2,3]' LIMIT 5;
SELECT id FROM "Shop"."Item" WHERE document @@ to_tsquery('word')
AND period && int4range(1, 5) AND address << '10.0.0.0/24';
SELECT id FROM "Shop"."Item" WHERE lower(name) = 'name 1' AND deleted_at IS NOT NULL AND created_at > '2020-02-01';
SELECT id FROM "Shop"."Item" WHERE attributes ->> 'brand' = '1' AND date_trunc('day', created_at) = '2020-01-05';
SELECT "Status", count(*) FROM "Shop"."Item" GROUP BY "Status";
SELECT id FROM "Shop"."Item" WHERE "Status" = 'status 2' AND price BETWEEN 3 AND 5;
DELETE FROM "Shop"."Vendor" WHERE id = 1999999
"""


@pytest.fixture
def shop(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute("SELECT pg_stat_statements_reset()")
        for statement in WORKLOAD.split(";"):
            connection.execute(statement.strip().encode())
    return database


def test_every_candidate_can_be_built(shop: str) -> None:
    snapshot = capture(shop)
    as_recorded, _ = shapes(parse_statements(snapshot).statements, snapshot)
    as_written, not_examined = shapes(parse_file(WORKLOAD).statements, snapshot)
    assert not not_examined
    found = candidates((*as_recorded, *as_written), snapshot, of_extensions(INSTALLED))
    assert {each.index.method for each in found} >= {"btree", "gin", "gist", "hnsw", "ivfflat"}
    assert any(each.foreign_key for each in found)
    with psycopg.connect(shop, autocommit=True) as connection:
        for each in found:
            connection.execute(each.index.ddl().encode())
        rows = connection.execute("SELECT relname FROM pg_catalog.pg_class WHERE relkind = 'i'").fetchall()
    assert {each.index.name for each in found} <= {row[0] for row in rows}


def test_what_was_built_is_not_proposed_again(shop: str) -> None:
    snapshot = capture(shop)
    statements = parse_statements(snapshot).statements
    found = candidates(shapes(statements, snapshot)[0], snapshot, of_extensions(INSTALLED))
    with psycopg.connect(shop, autocommit=True) as connection:
        for each in found:
            connection.execute(each.index.ddl().encode())
    after = capture(shop)
    again = candidates(shapes(statements, after)[0], after, of_extensions(INSTALLED))
    assert {each.index for each in again}.isdisjoint({each.index for each in found})


def test_bound_statements_are_planned_with_the_values_of_the_statistics(shop: str) -> None:
    snapshot = capture(shop)
    bound: list[str] = []
    for statement in parse_statements(snapshot).statements:
        for shape in shapes([statement], snapshot)[0]:
            bound += [bound_text(statement.plannable, each) for each in bindings(statement, shape, snapshot)]
    assert bound
    with psycopg.connect(shop) as connection:
        for text in bound:
            connection.execute(b"EXPLAIN " + text.encode())


@pytest.mark.parametrize(
    ("key", "key_type", "lists"),
    [
        ("v vector_l2_ops", "vector", 20),
        ("(v::halfvec(50)) halfvec_l2_ops", "halfvec", 20),
        ("(binary_quantize(v)::bit(50)) bit_hamming_ops", "bit", 100),
    ],
)
def test_clustering_takes_the_memory_that_is_predicted(server: str, key: str, key_type: str, lists: int) -> None:
    predicted = round(kmeans_bytes(2000, key_type=key_type, dimensions=50, lists=lists) / 1024)
    with fresh_database(server) as url, connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE TABLE t AS SELECT i, NULL::vector(50) AS v FROM generate_series(1, 2000) AS i")
        connection.execute(
            "UPDATE t SET v = (SELECT array_agg(sin(i * k)) FROM generate_series(1, 50) AS k)::real[]::vector"
        )
        connection.execute("ALTER TABLE t ALTER v TYPE vector(50)")
        build = f"CREATE INDEX ON t USING ivfflat ({key}) WITH (lists = {lists})".encode()
        connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", [f"{predicted - 2}kB"])
        with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="memory required is"):
            connection.execute(build)
        connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", [f"{predicted + 2}kB"])
        connection.execute(build)
