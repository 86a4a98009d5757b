"""A database nobody designed for twindex, for the capture's tests, on any server from 14 up."""

import contextlib
import secrets
from collections.abc import Generator
from typing import Any, LiteralString, cast

from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from analyzer.db import Connection, connect
from analyzer.sql import render
from analyzer.twin.server.databases import copy_database

EXTENSIONS = ("pg_stat_statements", "pg_trgm", "btree_gin", "btree_gist", "pageinspect", "vector")

OBJECTS = (
    "CREATE SCHEMA sales",
    'CREATE SCHEMA "Odd Schema"',
    "CREATE TYPE sales.mood AS ENUM ('sad', 'it''s ok', 'happy')",
    "CREATE DOMAIN sales.email AS text NOT NULL DEFAULT 'no@body.org' CONSTRAINT has_at CHECK (VALUE LIKE '%@%')",
    'CREATE TYPE sales.point3 AS (x float8, y float8, "Z" numeric(5,2))',
    "CREATE TYPE sales.floatrange AS RANGE (subtype = float8)",
    """CREATE FUNCTION sales.norm(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 7
       AS $$ SELECT lower($1) $$""",
    "CREATE AGGREGATE sales.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
    """CREATE TABLE sales.customer (
           id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
           serial_number serial,
           email sales.email,
           mood sales.mood,
           name text COLLATE "C" DEFAULT 'x',
           code varchar(20),
           doc jsonb,
           tags text[],
           active boolean NOT NULL DEFAULT true,
           born date,
           dropped int,
           twice int GENERATED ALWAYS AS (length('ab') * 2) STORED,
           CONSTRAINT sane CHECK (born > '1900-01-01'),
           CONSTRAINT code_once UNIQUE (code)
       )""",
    "ALTER TABLE sales.customer DROP COLUMN dropped",
    "ALTER TABLE sales.customer ALTER COLUMN name SET STATISTICS 250",
    """CREATE TABLE "Odd Schema"."Mixed ""Case" (
           "Id" bigint PRIMARY KEY,
           "per%cent" int,
           customer int NOT NULL REFERENCES sales.customer (id) ON DELETE CASCADE ON UPDATE RESTRICT,
           during tsrange,
           EXCLUDE USING gist (customer WITH =, during WITH &&)
       )""",
    'CREATE INDEX "Mixed ""Index" ON "Odd Schema"."Mixed ""Case" ("per%cent")',
    "CREATE TABLE sales.event (at date NOT NULL, what text, PRIMARY KEY (at)) PARTITION BY RANGE (at)",
    "CREATE TABLE sales.event_2025 PARTITION OF sales.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
    "CREATE TABLE sales.event_rest PARTITION OF sales.event DEFAULT",
    "CREATE TABLE sales.animal (legs int, CHECK (legs >= 0))",
    "CREATE TABLE sales.cat (name text) INHERITS (sales.animal)",
    "CREATE VIEW sales.happy AS SELECT id, email FROM sales.customer WHERE mood = 'happy'",
    "CREATE VIEW sales.happier AS SELECT id FROM sales.happy",
    "CREATE MATERIALIZED VIEW sales.moods AS SELECT mood, count(*) AS n FROM sales.customer GROUP BY mood",
    "CREATE UNLOGGED TABLE sales.empty (a int PRIMARY KEY, b text)",
    "CREATE FOREIGN DATA WRAPPER nothing",
    "CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing",
    "CREATE FOREIGN TABLE sales.far (a int, b text) SERVER nowhere",
)

ROWS = (
    """INSERT INTO sales.customer (email, mood, name, code, doc, tags, active, born)
       SELECT 'c' || g || '@example.org', (ARRAY['sad', 'it''s ok', 'happy'])[1 + g % 3]::sales.mood,
              'name ' || g % 700,
              'code' || g, jsonb_build_object('brand', 'b' || g % 50), ARRAY['t' || g % 9, 'u' || g % 4], g % 10 = 0,
              '1950-01-01'::date + g
       FROM generate_series(1, 3000) AS g""",
    """INSERT INTO "Odd Schema"."Mixed ""Case"
       SELECT g, g % 100, g, tsrange('2025-01-01', '2025-02-01') FROM generate_series(1, 1000) AS g""",
    "INSERT INTO sales.event SELECT '2025-01-01'::date + g, 'e' FROM generate_series(0, 399) AS g",
    "INSERT INTO sales.cat SELECT 4, 'c' || g FROM generate_series(1, 50) AS g",
)

#: Indexes of every kind, as a DBA may have written them; {vector} marks those that need pgvector.
INDEXES = (
    "CREATE INDEX i_multi ON sales.customer (mood DESC, born NULLS FIRST, code DESC NULLS LAST)",
    "CREATE INDEX i_cover ON sales.customer (born) INCLUDE (email, name)",
    "CREATE INDEX i_partial ON sales.customer (born) WHERE active AND (mood = 'happy' OR name IN ('a)', '(b'))",
    "CREATE INDEX i_expression ON sales.customer ((doc ->> 'brand'), lower(name), ((born - 1)))",
    "CREATE INDEX i_function ON sales.customer (sales.norm(code)) WITH (fillfactor = 70, deduplicate_items = off)",
    "CREATE INDEX i_case ON sales.customer ((CASE WHEN active THEN 'a  b' ELSE code END))",
    'CREATE INDEX i_collation ON sales.customer (code COLLATE "C", name COLLATE "POSIX")',
    'CREATE INDEX i_expression_collation ON sales.customer ((code || name) COLLATE "POSIX")',
    'CREATE INDEX i_inner_collation ON sales.customer (lower(code COLLATE "C"))',
    "CREATE INDEX i_pattern ON sales.customer (code varchar_pattern_ops, name text_pattern_ops)",
    "CREATE INDEX i_varchar ON sales.customer (code varchar_ops, born)",
    "CREATE UNIQUE INDEX i_unique ON sales.customer (id, code)",
    "CREATE INDEX i_hash ON sales.customer USING hash (code)",
    "CREATE INDEX i_gin ON sales.customer USING gin (doc)",
    "CREATE INDEX i_path ON sales.customer USING gin (doc jsonb_path_ops) WITH (fastupdate = off)",
    "CREATE INDEX i_array ON sales.customer USING gin (tags, active)",
    "CREATE INDEX i_trigram ON sales.customer USING gin (name gin_trgm_ops)",
    "CREATE INDEX i_siglen ON sales.customer USING gist (name gist_trgm_ops (siglen = 32))",
    "CREATE INDEX i_brin ON sales.customer USING brin (born, id) WITH (pages_per_range = 16)",
    "CREATE INDEX i_bloom ON sales.customer USING brin (id int4_bloom_ops (n_distinct_per_range = 500))",
    "CREATE INDEX i_spgist ON sales.customer USING spgist (name)",
    'CREATE INDEX "I Mixed" ON "Odd Schema"."Mixed ""Case" ("Id", "per%cent") WHERE "per%cent" > 5',
    "CREATE INDEX i_event ON sales.event (what)",
)
INDEXES_15 = ("CREATE UNIQUE INDEX i_nulls ON sales.customer (born, code) NULLS NOT DISTINCT",)
INDEXES_VECTOR = (
    "CREATE TABLE sales.embedding (id int, v vector(3), w vector(3))",
    "INSERT INTO sales.embedding SELECT g, ARRAY[g, 1, 2]::vector, ARRAY[1, g, 2]::vector FROM generate_series(1, 9) g",
    "CREATE INDEX i_hnsw ON sales.embedding USING hnsw (v vector_cosine_ops) WITH (m = 8, ef_construction = 32)",
    "CREATE INDEX i_ivfflat ON sales.embedding USING ivfflat (w vector_l2_ops) WITH (lists = 5)",
)


def run(connection: Connection, text: str, **bind: Any) -> list[dict[str, Any]]:
    """Execute a constant of the tests."""
    cursor = connection.execute(cast("LiteralString", text), bind or None)
    return cursor.fetchall() if cursor.description else []


def as_role(url: str, role: str) -> str:
    """Return the same database's connection string for another role."""
    return make_conninfo(url, user=role)


@contextlib.contextmanager
def new_database(server_url: str) -> Generator[str]:
    """Create an empty database and drop it afterwards."""
    name = f"capture_{secrets.token_hex(4)}"
    with connect(server_url, autocommit=True) as connection:
        copy_database(connection, name)
    try:
        yield make_conninfo(server_url, dbname=name)
    finally:
        with connect(server_url, autocommit=True) as connection:
            connection.execute(render("twin/drop_database", database=name))


@contextlib.contextmanager
def new_role(url: str, *memberships: str) -> Generator[str]:
    """Create a role that may log in, and drop it with its privileges afterwards."""
    name = f"reader_{secrets.token_hex(4)}"
    with connect(url, autocommit=True) as connection:
        run(connection, f"CREATE ROLE {name} LOGIN")
        for membership in memberships:
            run(connection, f"GRANT {membership} TO {name}")
    try:
        yield name
    finally:
        with connect(url, autocommit=True) as connection:
            run(connection, f"DROP OWNED BY {name}")
            run(connection, f"DROP ROLE {name}")


def build(connection: Connection) -> None:
    """Fill an empty database; the connection is a superuser's, in autocommit."""
    available = {row["name"] for row in connection.execute("SELECT name FROM pg_available_extensions")}
    for extension in EXTENSIONS:
        if extension in available:
            connection.execute(SQL("CREATE EXTENSION {}").format(Identifier(extension)))
    statements = (*OBJECTS, *ROWS, *INDEXES)
    if connection.info.server_version >= 150_000:
        statements += INDEXES_15
    if "vector" in available:
        statements += INDEXES_VECTOR
    for statement in statements:
        run(connection, statement)
    connection.execute("VACUUM ANALYZE")
