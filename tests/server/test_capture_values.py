"""`--no-values`: no secret leaves, but the ones that people wrote where the planner compares; those are named."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents import snapshot as snapshots
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.twin import open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import new_database, run
from tests.server.servers import VERSIONS, server_of

#: A secret in every place a constant can be in; {…} numbers it, so that each can be told apart.
OBJECTS = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE SCHEMA s",
    "CREATE TYPE s.level AS ENUM ('secret enum', 'secret enum of the predicate')",
    "CREATE DOMAIN s.word AS text DEFAULT 'secret domain default' CHECK (VALUE <> 'secret domain check')",
    """CREATE FUNCTION s.plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower($1) $$""",
    """CREATE FUNCTION s.told(a text DEFAULT 'secret argument') RETURNS text LANGUAGE sql IMMUTABLE STRICT COST 7
       AS $$ SELECT $1 || 'secret sql body' $$""",
    """CREATE FUNCTION s.quoting(text) RETURNS text LANGUAGE sql IMMUTABLE SET s.setting = 'a
       secret setting' AS $$ SELECT $1 $$""",
    """CREATE FUNCTION s.nested(text) RETURNS text LANGUAGE sql IMMUTABLE
       AS $$ SELECT $1 || 'secret nested body' || length($function$lower$function$) $$""",
    """CREATE FUNCTION s.procedural(text) RETURNS text LANGUAGE plpgsql STABLE COST 9 SET work_mem = '4321kB'
       AS $$ BEGIN -- secret comment
              RETURN 'secret plpgsql body'; END $$""",
    """CREATE FUNCTION s.standard(a int) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'secret standard body'""",
    """CREATE TABLE s.person (
           id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number serial, name text DEFAULT 'secret default',
           common text, level s.level, word s.word, at date DEFAULT '2001-02-03', amount int DEFAULT 987654321,
           made text GENERATED ALWAYS AS ('secret generated' || 1) STORED, tags text[], spans int4range,
           CONSTRAINT ok CHECK (name <> 'secret check'), CONSTRAINT fine CHECK (amount IS NOT NULL)
       )""",
    """INSERT INTO s.person (name, common, level, word, at, amount, tags, spans)
       SELECT 'secret histogram ' || i, 'secret common ' || i % 3, 'secret enum', 'secret word ' || i,
              '1901-01-01', 123450000 + i, ARRAY['secret element ' || i % 3],
              int4range(123460000 + i, 123470000 + i)
       FROM generate_series(1, 500) AS i""",
    "CREATE INDEX person_name ON s.person (name)",
    "CREATE INDEX person_amount ON s.person (amount)",
    """CREATE INDEX person_partial ON s.person (at)
       WHERE name = 'kept predicate' AND level = 'secret enum of the predicate'""",
    "CREATE INDEX person_expression ON s.person ((name || 'kept expression'))",
    "CREATE INDEX person_function ON s.person (s.plain(name))",
    "CREATE STATISTICS s.both (mcv, ndistinct, dependencies) ON common, level FROM s.person",
    "COMMENT ON INDEX s.person_name IS 'secret index comment'",
    "COMMENT ON TABLE s.person IS 'secret table comment'",
    "COMMENT ON COLUMN s.person.name IS 'secret column comment'",
    "CREATE TABLE s.parted (a text, b int) PARTITION BY LIST (a)",
    "CREATE TABLE s.parted_1 PARTITION OF s.parted FOR VALUES IN ('kept bound')",
    "INSERT INTO s.parted VALUES ('kept bound', 1)",
    "CREATE VIEW s.seen AS SELECT id, name FROM s.person WHERE name = 'secret view' AND amount > 111222333 LIMIT 4444",
    """CREATE MATERIALIZED VIEW s.stored AS
       SELECT id, name COLLATE "C" AS n FROM s.person WHERE name < 'secret stored'""",
    "ALTER TABLE s.parted ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON s.parted USING (a = 'secret policy') WITH CHECK (a <> 'secret policy check')",
    "ANALYZE",
)
STATEMENTS = (
    "SELECT * FROM s.person WHERE name = 'secret query' -- secret query comment",
    "SELECT * FROM s.person WHERE name = $q$secret dollar$q$ AND amount > 555666777",
    "SELECT name FROM s.seen WHERE id = 5",
    "SELECT id FROM s.person WHERE id IN (1,2) AND name = 'secret between' AND amount IN (3,4)",
    "SELECT count(*) FROM s.person WHERE level = 'secret enum'",
    "SELECT s.told(name) FROM s.person WHERE s.plain(name) = 'x'",
    "PREPARE p AS SELECT * FROM s.person WHERE name = 'secret prepared'",
    "EXECUTE p",
    "DO $$ BEGIN PERFORM 1 FROM s.person WHERE name = 'secret do'; END $$",
    "SET search_path = s, public",
    "SELECT * FROM person WHERE common = 'secret relative'",
)
#: Written by people, needed by the planner, and named in the snapshot.
KEPT = {"kept predicate", "kept expression", "kept bound", "secret enum of the predicate"}
NUMBERS = ("987654321", "123450", "123460", "123470", "111222333", "4444", "555666777", "4321kB", "1901-01-01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripped:
    """A snapshot without values, as a file and read again, and the same database's with them."""

    text: str
    snapshot: Snapshot
    whole: Snapshot


@pytest.fixture(scope="module", params=VERSIONS)
def stripped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stripped]:
    """The database with secrets."""
    with server_of(request) as server, new_database(server) as url:
        with connect(url, autocommit=True, application="secret application") as connection:
            for statement in OBJECTS:
                run(connection, statement)
            (database,) = run(connection, "SELECT current_database() AS name")
            run(connection, f"ALTER DATABASE {database['name']} SET my.setting = 'secret database setting'")
            run(connection, f"COMMENT ON DATABASE {database['name']} IS 'secret database comment'")
            run(connection, "SELECT pg_stat_statements_reset()")
        with connect(url, autocommit=True) as connection:
            for statement in STATEMENTS:
                run(connection, statement)
        path: Path = tmp_path_factory.mktemp("values") / "without.snapshot"
        snapshots.dump(capture(url, values=False, sample_rows=100), path)
        yield Stripped(
            text=gzip.decompress(path.read_bytes()).decode(),
            snapshot=snapshots.load(path),
            whole=capture(url, sample_rows=100),
        )


def test_the_secrets_are_where_a_snapshot_with_values_has_them(stripped: Stripped) -> None:
    """Without this a scan that finds nothing would prove nothing."""
    text = stripped.whole.model_dump_json()
    places = ("histogram", "common", "word", "element", "enum", "domain default", "domain check", "argument",
              "default", "sql body", "setting", "nested body", "plpgsql body", "standard body", "generated",
              "check", "index comment", "view", "stored", "policy", "policy check")  # fmt: skip
    assert [place for place in places if f"secret {place}" not in text] == []
    assert stripped.whole.samples


def test_no_secret_leaves(stripped: Stripped) -> None:
    text = stripped.text
    for kept in KEPT:
        assert kept in text
        text = text.replace(kept, "")
    found = text.find("secret")
    assert found < 0, text[max(0, found - 200) : found + 100]
    for number in NUMBERS:
        found = text.find(number)
        assert found < 0, text[max(0, found - 200) : found + 100]


def test_what_stays_and_what_went_is_named(stripped: Stripped) -> None:
    gaps = {gap.what: gap.reason for gap in stripped.snapshot.not_examined}
    kept = gaps["constants in index keys and predicates"]
    assert "s.person_partial" in kept
    assert "s.person_expression" in kept
    assert "s.parted_1" in gaps["constants in partition keys and bounds"]
    (lost,) = [what for what in gaps if what.startswith("constants in the definitions of")]
    for kind in ("1 materialised views", "1 tables", "1 views", "2 types", "5 functions", "1 policies"):
        assert kind in lost
    assert "extremes of columns" in gaps


def test_what_holds_no_constant_is_left_alone(stripped: Stripped) -> None:
    person, whole = (each.relation("s", "person") for each in (stripped.snapshot, stripped.whole))
    assert person is not None
    assert whole is not None
    assert {c.name for c in whole.constraints} - {c.name for c in person.constraints} == {"ok"}
    number = person.column("number")
    assert number is not None
    assert number.default == "nextval('s.person_number_seq'::regclass)"
    functions = {function.name: function.definition for function in stripped.snapshot.functions}
    assert "SELECT lower($1)" in functions["plain"]
    assert "COST 7" in functions["told"]
    assert "IMMUTABLE STRICT" in functions["told"]
    assert stripped.snapshot.indexes[0].ddl == stripped.whole.indexes[0].ddl
    # PostgreSQL 18 leaves one parameter of a list, and a comment.
    between = re.compile(r"id IN \(\$1.*\) AND name = \$\d AND amount IN \(\$\d.*\)$")
    assert any(between.search(each.query) for each in stripped.snapshot.statements)
    counted = [[(each.queryid, each.calls) for each in s.statements] for s in (stripped.snapshot, stripped.whole)]
    assert set(counted[0]) <= set(counted[1])


def test_its_twin_has_everything_and_plans(stripped: Stripped) -> None:
    with open_twin(stripped.snapshot) as twin:
        names = [
            gap.what
            for gap in lacking(twin)
            if not gap.what.startswith(("collation", "planner", "statistics", "row security"))
        ]
        assert names == []
        for statement in (
            "SELECT name FROM s.seen WHERE id = $1",
            "SELECT n FROM s.stored WHERE id = $1",
            "SELECT s.told(name), s.procedural(name) FROM s.person WHERE s.plain(name) = $1",
            "SELECT * FROM s.parted WHERE a = $1",
            "SELECT common, level FROM s.person WHERE amount > $1 GROUP BY common, level",
        ):
            assert twin.plan(statement).cost > 0
