"""A capture succeeds while other sessions create, alter and drop objects, and names what it left out.

Its transaction goes on showing what was dropped, while whatever prints a definition looks at the newest catalog.
"""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Final

import pytest

from analyzer.capture.capture import capture
from analyzer.db import Connection, connect
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import NotExaminableError
from tests.server.capture_zoo import new_database, run

#: Objects that do not change, among which those that do are to be found.
KEPT: Final = (
    "CREATE TABLE kept (a int PRIMARY KEY, b int CHECK (b > 0))",
    "CREATE INDEX kept_b ON kept (b)",
    "INSERT INTO kept SELECT n, n FROM generate_series(1, 100) AS n",
    "CREATE STATISTICS kept_statistics ON a, b FROM kept",
    "ANALYZE kept",
    "CREATE RULE kept_rule AS ON UPDATE TO kept DO ALSO NOTHING",
    "CREATE VIEW kept_view AS SELECT * FROM kept",
    "CREATE TYPE kept_type AS ENUM ('a')",
    "CREATE FUNCTION kept_function(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
    "CREATE OPERATOR ??? (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)",
)
#: What the objects that change depend on, and some change themselves.
BASE: Final = (
    "CREATE TABLE base (a int, b int)",
    "INSERT INTO base SELECT n, n FROM generate_series(1, 100) AS n",
    "CREATE TABLE parted (a int PRIMARY KEY, b int) PARTITION BY LIST (a)",
)
FUNCTION: Final = "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'"
#: What there is in a schema when the capture begins, how it is changed, and what is then reported as left out.
CHANGES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...], str | None]]] = {
    "view": (("CREATE VIEW v AS SELECT * FROM base",), ("DROP VIEW v",), "view {schema}.v"),
    "materialised view": (
        ("CREATE MATERIALIZED VIEW m AS SELECT * FROM base",), ("DROP MATERIALIZED VIEW m",),
        "materialised view {schema}.m",
    ),
    "view of another table": (
        ("CREATE TABLE t (a int)", "CREATE OR REPLACE VIEW v AS SELECT a FROM t"),
        ("CREATE OR REPLACE VIEW v AS SELECT a FROM base", "DROP TABLE t"),
        "view {schema}.v",
    ),
    "view with a function": (
        (FUNCTION, "CREATE VIEW v AS SELECT f(a) FROM base"), ("DROP FUNCTION f CASCADE",), "view {schema}.v"
    ),
    "columnless": (("CREATE TABLE t ()",), ("DROP TABLE t",), "table {schema}.t"),
    "table": (("CREATE TABLE t (a int PRIMARY KEY, b text)",), ("DROP TABLE t",), "table {schema}.t"),
    "partition": (
        ("CREATE TABLE p PARTITION OF parted FOR VALUES IN (1)",),
        ("ALTER TABLE parted DETACH PARTITION p", "DROP TABLE p"),
        "table {schema}.p",
    ),
    "primary key": (
        ("ALTER TABLE base ADD CONSTRAINT k PRIMARY KEY (a)",), ("ALTER TABLE base DROP CONSTRAINT k",),
        "constraint k of table {schema}.base",
    ),
    "foreign key": (
        ("CREATE TABLE t (a int PRIMARY KEY)", "ALTER TABLE parted ADD CONSTRAINT fk FOREIGN KEY (b) REFERENCES t"),
        ("DROP TABLE t CASCADE",), "constraint fk of table {schema}.parted",
    ),
    "check with a function": (
        (FUNCTION, "ALTER TABLE base ADD CONSTRAINT c CHECK (f(a) > 0)"), ("DROP FUNCTION f CASCADE",),
        "constraint c of table {schema}.base",
    ),
    "default with a function": (
        (FUNCTION, "ALTER TABLE base ALTER a SET DEFAULT f(1)"), ("DROP FUNCTION f CASCADE",), "table {schema}.base"
    ),
    "policy with a function": (
        (FUNCTION, "ALTER TABLE base ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON base USING (f(a) > 0)"),
        ("DROP FUNCTION f CASCADE", "ALTER TABLE base DISABLE ROW LEVEL SECURITY"), "table {schema}.base",
    ),
    "index with a function": (
        (FUNCTION, "CREATE INDEX i ON base (f(a))"), ("DROP FUNCTION f CASCADE",), "index {schema}.i"
    ),
    "function": ((FUNCTION,), ("DROP FUNCTION f",), "function {schema}.f"),
    "statistics": (
        ("CREATE STATISTICS s ON a, b FROM base",), ("DROP STATISTICS s",), "extended statistics {schema}.s"
    ),
    "type": (
        ("CREATE TYPE e AS ENUM ('a', 'b')", "CREATE TABLE t (e) AS SELECT 'a'::e", "ANALYZE t"),
        ("DROP TYPE e CASCADE", "DROP TABLE t"), "table {schema}.t",
    ),
    "type of a column": (
        (
            "CREATE TYPE e AS ENUM ('a', 'b')", "ALTER TABLE base ADD e e, ADD es e[]",
            "UPDATE base SET e = (ARRAY['a', 'b'])[a % 2 + 1]::e", "ANALYZE base",
        ),
        ("ALTER TABLE base DROP e, DROP es", "DROP TYPE e"), "table {schema}.base",
    ),
    "type of a domain": (
        ("CREATE TYPE e AS ENUM ('a')", "CREATE DOMAIN d AS e CHECK (VALUE <> 'a')"), ("DROP TYPE e CASCADE",),
        "type {schema}.d",
    ),
    "type of an attribute": (
        ("CREATE TYPE e AS ENUM ('a')", "DROP TYPE IF EXISTS d", "CREATE TYPE d AS (x int, e e)"),
        ("ALTER TYPE d DROP ATTRIBUTE e", "DROP TYPE e"), "type {schema}.d",
    ),
    "text search": (
        ("CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)",), ("DROP TEXT SEARCH CONFIGURATION c",),
        "text search configuration {schema}.c",
    ),
    "dictionary": (
        ("CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)",), ("DROP TEXT SEARCH DICTIONARY d",),
        "text search dictionary {schema}.d",
    ),
    "parser": (
        (
            """CREATE TEXT SEARCH PARSER tp
               (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)""",
            "CREATE TEXT SEARCH CONFIGURATION c (PARSER = tp)",
            "ALTER TEXT SEARCH CONFIGURATION c ADD MAPPING FOR asciiword WITH simple",
        ),
        ("DROP TEXT SEARCH PARSER tp CASCADE",), "text search configuration {schema}.c",
    ),
    "operator": (
        ("CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)",), ("DROP OPERATOR === (int, int)",),
        'operator {schema}."==="',
    ),
    "operator class": (
        ("CREATE OPERATOR CLASS oc FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 btint4cmp(int, int)",),
        ("DROP OPERATOR FAMILY oc USING btree CASCADE",), "operator class {schema}.oc",
    ),
    "operator family": (
        ("CREATE OPERATOR FAMILY of USING btree",), ("DROP OPERATOR FAMILY of USING btree",),
        "operator family {schema}.of",
    ),
    "aggregate": (
        ("CREATE AGGREGATE ag(int) (SFUNC = int4pl, STYPE = int)",), ("DROP AGGREGATE ag(int)",),
        "aggregate {schema}.ag",
    ),
    "rule": (
        ("CREATE RULE r AS ON UPDATE TO base DO ALSO NOTHING",), ("DROP RULE r ON base",), "rule {schema}.r"
    ),
    "rule on another table": (
        ("CREATE TABLE t (a int)", "CREATE RULE r AS ON INSERT TO base DO ALSO INSERT INTO t VALUES (1)"),
        ("DROP TABLE t CASCADE",), "rule {schema}.r",
    ),
    "collation": (('CREATE COLLATION co FROM "C"',), ("DROP COLLATION co",), "collation {schema}.co"),
    "cast": (
        ("CREATE TYPE ct AS (a int)", "CREATE CAST (ct AS text) WITH INOUT"), ("DROP TYPE ct CASCADE",),
        "cast with OID ",
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
        do(found, *KEPT)
        yield found


def do(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    with connect(url, autocommit=True) as connection:
        for statement in statements:
            run(connection, statement)


def schema_of(kind: str) -> str:
    """Return the name of the schema in which a kind of object changes."""
    return f"of_{kind.replace(' ', '_')}"


def within(kind: str, statements: tuple[str, ...]) -> tuple[str, ...]:
    """Return statements, to be run in the schema of the kind."""
    return (f"SET search_path = {schema_of(kind)}", *statements)


def started(kind: str) -> tuple[str, ...]:
    """Return what makes the schema of a kind."""
    return (f"CREATE SCHEMA {schema_of(kind)}", *within(kind, BASE))


def captured(url: str, at: str, act: Callable[[], object]) -> Snapshot:
    """Capture, and act when the capture comes to a part."""

    def progress(what: str) -> None:
        if what == at:
            act()

    return capture(url, statements=False, progress=progress)


def check_kept(snapshot: Snapshot) -> None:
    """Make sure that what did not change is complete, except what planning tells: the guard is stricter than that."""
    assert [gap for gap in snapshot.not_examined if "kept" in gap.what and not gap.what.startswith("values of")] == []
    assert snapshot.relation("public", "kept_view")
    assert [each.kind for each in snapshot.relations_by_name["public", "kept"].constraints] == ["c", "p"]
    assert {"kept_b", "kept_pkey"} <= {index.definition.name for index in snapshot.indexes}
    assert {"???", "kept_rule"} <= {each.name for each in snapshot.objects}
    assert "kept_type" in {each.name for each in snapshot.types}
    assert "kept_function" in {each.name for each in snapshot.functions}
    assert snapshot.column_statistics("public", "kept", "a")
    (statistics,) = (each for each in snapshot.extended_statistics if each.name == "kept_statistics")
    assert statistics.data


@pytest.mark.parametrize("moment", ["catalog", "relations", "statistics", "indexes"])
def test_what_is_dropped_after_the_capture_began_costs_only_itself(url: str, moment: str) -> None:
    for kind, (create, _, _) in CHANGES.items():
        do(url, *started(kind), *within(kind, create))

    def drop() -> None:
        do(url, *(statement for kind, (_, dropping, _) in CHANGES.items() for statement in within(kind, dropping)))

    snapshot = captured(url, moment, drop)
    check_kept(snapshot)
    if moment == "catalog":
        expected = [what.format(schema=schema_of(kind)) for kind, (_, _, what) in CHANGES.items() if what is not None]
        reported = {gap.what: gap.reason for gap in snapshot.not_examined}
        assert [what for what in expected if not any(found.startswith(what) for found in reported)] == []
        assert [reason for reason in reported.values() if "changed during the capture" not in reason] == []


@contextlib.contextmanager
def changing(url: str, kind: str) -> Generator[None]:
    """Create and drop objects of a kind, again and again."""
    create, drop, _ = CHANGES[kind]
    stop = threading.Event()
    do(url, *started(kind))

    def change() -> None:
        with connect(url, autocommit=True) as connection:
            connection.prepare_threshold = None  # what is prepared names a type that was dropped
            run(connection, f"SET search_path = {schema_of(kind)}")
            while not stop.is_set():
                for statement in (*create, *drop):
                    run(connection, statement)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("kind", ["view", "partition", "type of a column", "aggregate"])
def test_a_capture_succeeds_while_objects_come_and_go(url: str, kind: str) -> None:
    with changing(url, kind):
        for _ in range(3):
            check_kept(capture(url, statements=False))


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHANGES)
def test_a_capture_succeeds_while_objects_of_any_kind_come_and_go(url: str, kind: str) -> None:
    with changing(url, kind):
        for _ in range(10):
            check_kept(capture(url, statements=False))


@contextlib.contextmanager
def locker(url: str) -> Generator[Connection]:
    """Another session, and a rule for whose definition its lock is waited for."""
    do(url, *started("lock"), "CREATE RULE locked AS ON UPDATE TO base DO ALSO NOTHING")
    with connect(url) as connection:
        yield connection


def test_a_capture_begins_again_when_a_table_is_locked_before_it_is_printed(url: str) -> None:
    with locker(url) as other:
        snapshot = captured(url, "statistics", lambda: run(other, "LOCK TABLE of_lock.base"))
        check_kept(snapshot)
        (gap,) = snapshot.not_examined
        assert gap.what == "table of_lock.base"
        other.rollback()


@pytest.mark.slow
def test_a_capture_gives_up_when_every_attempt_meets_a_lock(url: str) -> None:
    with locker(url) as other:

        def progress(what: str) -> None:
            if what == "catalog":
                other.rollback()
            elif what == "statistics":
                run(other, "LOCK TABLE of_lock.base")

        with pytest.raises(NotExaminableError, match=r"other sessions keep changing or locking its objects .*lock"):
            capture(url, statements=False, progress=progress)
        other.rollback()
