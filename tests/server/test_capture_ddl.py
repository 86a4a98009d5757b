"""A capture succeeds while other sessions create, alter and drop objects, and names what it left out.

Its transaction goes on showing what was dropped, while whatever prints a definition looks at the newest catalog.
"""

import contextlib
import threading
from collections.abc import Generator, Iterator
from typing import Final

import psycopg
import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import NotExaminableError
from tests.server.capture_zoo import new_database, run

#: Other objects, among which those that change are to be found.
OTHERS: Final = (
    "CREATE TABLE kept (a int PRIMARY KEY, b int CHECK (b > 0))",
    "CREATE VIEW kept_view AS SELECT * FROM kept",
    "CREATE TYPE kept_type AS ENUM ('a')",
    "CREATE FUNCTION kept_function(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
    "CREATE OPERATOR ??? (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)",
    "CREATE TABLE base (a int, b int)",
    "CREATE INDEX base_a ON base (a)",
    "INSERT INTO base SELECT n, n FROM generate_series(1, 100) AS n",
    "CREATE STATISTICS kept_statistics ON a, b FROM base",
    "ANALYZE base",
    "CREATE TABLE parted (a int PRIMARY KEY, b int) PARTITION BY LIST (a)",
)
FUNCTION: Final = "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'"
#: What is there when the capture begins, how it goes, and what is reported of it: the part that is left out.
CHANGES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...], str | None]]] = {
    "view": (("CREATE VIEW v AS SELECT * FROM base",), ("DROP VIEW v",), "view public.v"),
    "materialised view": (
        ("CREATE MATERIALIZED VIEW m AS SELECT * FROM base",), ("DROP MATERIALIZED VIEW m",),
        "materialised view public.m",
    ),
    "view of another table": (
        ("CREATE TABLE t (a int)", "CREATE VIEW v AS SELECT a FROM t"),
        ("CREATE OR REPLACE VIEW v AS SELECT a FROM base", "DROP TABLE t"),
        "view public.v",
    ),
    "view with a function": ((FUNCTION, "CREATE VIEW v AS SELECT f(a) FROM base"), ("DROP FUNCTION f CASCADE",), "view public.v"),
    "table": (("CREATE TABLE t (a int PRIMARY KEY, b text)",), ("DROP TABLE t",), "table public.t"),
    "partition": (
        ("CREATE TABLE p PARTITION OF parted FOR VALUES IN (1)",), ("ALTER TABLE parted DETACH PARTITION p", "DROP TABLE p"),
        "table public.p",
    ),
    "primary key": (
        ("ALTER TABLE base ADD CONSTRAINT k PRIMARY KEY (a)",), ("ALTER TABLE base DROP CONSTRAINT k",),
        "constraint k of table public.base",
    ),
    "foreign key": (
        ("CREATE TABLE t (a int PRIMARY KEY)", "ALTER TABLE parted ADD CONSTRAINT fk FOREIGN KEY (b) REFERENCES t"),
        ("DROP TABLE t CASCADE",), "constraint fk of table public.parted",
    ),
    "check with a function": (
        (FUNCTION, "ALTER TABLE base ADD CONSTRAINT c CHECK (f(a) > 0)"), ("DROP FUNCTION f CASCADE",),
        "constraint c of table public.base",
    ),
    "default with a function": (
        (FUNCTION, "ALTER TABLE base ALTER a SET DEFAULT f(1)"), ("DROP FUNCTION f CASCADE",), "table public.base"
    ),
    "policy with a function": (
        (FUNCTION, "ALTER TABLE base ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON base USING (f(a) > 0)"),
        ("DROP FUNCTION f CASCADE", "ALTER TABLE base DISABLE ROW LEVEL SECURITY"), "table public.base",
    ),
    "index with a function": (
        (FUNCTION, "CREATE INDEX i ON base (f(a))"), ("DROP FUNCTION f CASCADE",), "index public.i"
    ),
    "function": ((FUNCTION,), ("DROP FUNCTION f",), "function public.f"),
    "statistics": (
        ("CREATE STATISTICS s ON a, b FROM base",), ("DROP STATISTICS s",), "extended statistics public.s"
    ),
    "type": (
        ("CREATE TYPE e AS ENUM ('a', 'b')", "CREATE TABLE t (e) AS SELECT 'a'::e", "ANALYZE t"),
        ("DROP TYPE e CASCADE", "DROP TABLE t"), "table public.t",
    ),
    "type of a column": (
        (
            "CREATE TYPE e AS ENUM ('a', 'b')", "ALTER TABLE base ADD e e, ADD es e[]",
            "UPDATE base SET e = (ARRAY['a', 'b'])[a % 2 + 1]::e", "ANALYZE base",
        ),
        ("ALTER TABLE base DROP e, DROP es", "DROP TYPE e"), "table public.base",
    ),
    "type of a domain": (
        ("CREATE TYPE e AS ENUM ('a')", "CREATE DOMAIN d AS e CHECK (VALUE <> 'a')"), ("DROP TYPE e CASCADE",),
        "type public.d",
    ),
    "type of an attribute": (
        ("CREATE TYPE e AS ENUM ('a')", "CREATE TYPE d AS (x int, e e)"),
        ("ALTER TYPE d DROP ATTRIBUTE e", "DROP TYPE e"), "type public.d",
    ),
    "text search": (
        ("CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)",), ("DROP TEXT SEARCH CONFIGURATION c",),
        "text search configuration public.c",
    ),
    "dictionary": (
        ("CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)",), ("DROP TEXT SEARCH DICTIONARY d",),
        "text search dictionary public.d",
    ),
    "parser": (
        (
            "CREATE TEXT SEARCH PARSER tp (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, "
            "LEXTYPES = prsd_lextype)",
            "CREATE TEXT SEARCH CONFIGURATION c (PARSER = tp)",
            "ALTER TEXT SEARCH CONFIGURATION c ADD MAPPING FOR asciiword WITH simple",
        ),
        ("DROP TEXT SEARCH PARSER tp CASCADE",), "text search configuration public.c",
    ),
    "operator": (
        ("CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)",), ("DROP OPERATOR === (int, int)",),
        'operator public."==="',
    ),
    "operator class": (
        ("CREATE OPERATOR CLASS oc FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 btint4cmp(int, int)",),
        ("DROP OPERATOR FAMILY oc USING btree CASCADE",), "operator class public.oc",
    ),
    "operator family": (
        ("CREATE OPERATOR FAMILY of USING btree",), ("DROP OPERATOR FAMILY of USING btree",), "operator family public.of"
    ),
    "aggregate": (
        ("CREATE AGGREGATE ag(int) (SFUNC = int4pl, STYPE = int)",), ("DROP AGGREGATE ag(int)",), "aggregate public.ag"
    ),
    "rule": (
        ("CREATE RULE r AS ON UPDATE TO base DO ALSO NOTHING",), ("DROP RULE r ON base",), "rule public.r"
    ),
    "rule on another table": (
        ("CREATE TABLE t (a int)", "CREATE RULE r AS ON INSERT TO base DO ALSO INSERT INTO t VALUES (1)"),
        ("DROP TABLE t CASCADE",), "rule public.r",
    ),
    "collation": (('CREATE COLLATION co FROM "C"',), ("DROP COLLATION co",), "collation public.co"),
    "cast": (
        ("CREATE TYPE ct AS (a int)", "CREATE CAST (ct AS text) WITH INOUT"), ("DROP TYPE ct CASCADE",), "cast with OID "
    ),
    "schema": (
        ("CREATE SCHEMA s", "CREATE TABLE s.t (a int PRIMARY KEY)"), ("DROP SCHEMA s CASCADE",), "table s.t"
    ),
    "role": (
        ("CREATE ROLE dropped_role", "ALTER TABLE base ENABLE ROW LEVEL SECURITY",
         "CREATE POLICY p ON base TO dropped_role USING (a > 5)"),
        ("DROP POLICY p ON base", "DROP ROLE dropped_role", "ALTER TABLE base DISABLE ROW LEVEL SECURITY"), None,
    ),
}  # fmt: skip


@pytest.fixture
def url(any_server: str) -> Iterator[str]:
    """URL of a database in which nothing changes yet."""
    with new_database(any_server) as found:
        with connect(found, autocommit=True) as connection:
            for statement in OTHERS:
                run(connection, statement)
        yield found


def captured(url: str, *changes: str, at: str) -> Snapshot:
    """Capture, and change objects when the capture comes to a part."""

    def progress(what: str) -> None:
        if what == at:
            with connect(url, autocommit=True) as connection:
                for change in changes:
                    run(connection, change)

    return capture(url, statements=False, progress=progress)


def check(snapshot: Snapshot, what: str | None) -> None:
    """Make sure that a change cost what changed and nothing else."""
    if what is not None:
        (gap,) = (gap for gap in snapshot.not_examined if gap.what.startswith(what))
        assert "changed during the capture" in gap.reason
    kept = {"kept", "kept_view", "parted"} | ({"base"} if what != "table public.base" else set())
    assert kept <= {relation.name for relation in snapshot.relations}
    assert [constraint.kind for constraint in snapshot.relations_by_name["public", "kept"].constraints] == ["c", "p"]
    assert "kept_type" in {each.name for each in snapshot.types}
    assert "kept_function" in {each.name for each in snapshot.functions}
    assert "???" in {each.name for each in snapshot.objects}
    if what != "table public.base":
        assert "base_a" in {index.definition.name for index in snapshot.indexes}
        assert snapshot.column_statistics("public", "base", "a")
        (statistics,) = (each for each in snapshot.extended_statistics if each.name == "kept_statistics")
        assert statistics.data


@pytest.mark.parametrize("kind", CHANGES)
def test_what_is_dropped_after_the_capture_began_costs_itself(url: str, kind: str) -> None:
    create, drop, what = CHANGES[kind]
    with connect(url, autocommit=True) as connection:
        for statement in create:
            run(connection, statement)
    check(captured(url, *drop, at="catalog"), what)
