"""What grown databases broke first, each said once by hand."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.twin.twin import open_twin
from tests.conftest import fresh_database, lacking
from tests.server.capture_zoo import run
from tests.server.live_plans import Live, assert_same
from tests.server.test_twin_lacking import error


@pytest.fixture
def empty(any_server: str) -> Iterator[str]:
    with fresh_database(any_server) as url:
        yield url


def execute(url: str, *statements: str) -> None:
    with connect(url, autocommit=True) as connection:
        for statement in statements:
            run(connection, statement)


def test_a_column_that_does_not_sort_costs_only_its_own_extremes(empty: str) -> None:
    execute(
        empty,
        "CREATE TABLE t (a refcursor[], b integer)",
        "CREATE INDEX ON t (a)",
        "CREATE INDEX ON t (b)",
        "INSERT INTO t (b) VALUES (7), (9)",
    )
    snapshot = capture(empty, statements=False)
    assert [(each.column, each.minimum, each.maximum) for each in snapshot.extremes] == [("b", "7", "9")]
    (gap,) = snapshot.not_examined
    assert gap.what == "extremes of public.t"
    assert gap.reason.startswith("could not identify an ordering operator")


def test_a_not_null_that_is_not_validated_proves_nothing(empty: str) -> None:
    with connect(empty) as connection:
        if connection.info.server_version < 180_000:
            pytest.skip("PostgreSQL 18 has NOT NULL NOT VALID")
    execute(
        empty,
        "CREATE TABLE t (a integer, b integer NOT NULL)",
        "INSERT INTO t SELECT NULL, i FROM generate_series(1, 1000) AS i",
        "ALTER TABLE t ADD CONSTRAINT filled NOT NULL a NOT VALID",
        "ANALYZE t",
    )
    snapshot = capture(empty, statements=False)
    assert [column.not_null for column in snapshot.relations[0].columns] == [False, True]
    with open_twin(snapshot) as twin:
        for statement in ("SELECT * FROM t WHERE a IS NULL", "SELECT * FROM t WHERE b IS NULL"):
            assert_same(twin.plan(statement), Live(url=empty, role="postgres").plan(statement))


def test_a_function_that_only_waited_for_a_stand_in_keeps_its_body(empty: str) -> None:
    execute(
        empty,
        "CREATE TYPE odd",
        "CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS 'int4in'",
        "CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'",
        "CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = integer)",
        "CREATE TABLE t (a odd, b integer)",
        "CREATE FUNCTION b_of(t) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ($1).b'",
        "CREATE INDEX ON t (b_of(t))",
        "INSERT INTO t SELECT i::text::odd, i FROM generate_series(1, 3000) AS i",
        "VACUUM ANALYZE t",
    )
    with open_twin(capture(empty, statements=False)) as twin:
        assert [gap.what for gap in lacking(twin)] == ["type public.odd"]
        statement = "SELECT b FROM t WHERE b_of(t) = 7"
        assert_same(twin.plan(statement), Live(url=empty, role="postgres").plan(statement))


def test_statements_that_rules_turn_to_nothing_or_to_several_are_planned(empty: str) -> None:
    execute(
        empty,
        "CREATE TABLE t (a integer)",
        "CREATE TABLE log (a integer)",
        "CREATE RULE quiet AS ON DELETE TO t DO INSTEAD NOTHING",
        "CREATE RULE noted AS ON UPDATE TO t DO ALSO INSERT INTO log SELECT a FROM t",
        "INSERT INTO t SELECT generate_series(1, 1000)",
        "ANALYZE t",
    )
    live = Live(url=empty, role="postgres")
    with open_twin(capture(empty, statements=False)) as twin:
        assert twin.plan("DELETE FROM t").cost == 0
        both = twin.plan("UPDATE t SET a = 7")
        assert len(both.tree["Plans"]) == 2
        assert both.cost == sum(plan["Total Cost"] for plan in both.tree["Plans"])
        assert_same(both, live.plan("UPDATE t SET a = 7"))


def test_what_a_snapshot_has_no_place_for_is_said(empty: str) -> None:
    execute(
        empty,
        "CREATE ACCESS METHOD mine TYPE INDEX HANDLER bthandler",
        "CREATE TYPE odd",
        "CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS 'int4in'",
        "CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'",
        "CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = integer)",
    )
    snapshot = capture(empty, statements=False)
    assert [gap.what for gap in snapshot.not_examined] == ["access method mine", "type public.odd"]


def test_functions_keep_what_only_a_superuser_gives_them(empty: str) -> None:
    execute(
        empty,
        "CREATE SCHEMA s",
        """CREATE FUNCTION s."Of "(integer, b text DEFAULT ' LANGUAGE x LEAKPROOF') RETURNS integer LANGUAGE plpgsql
           IMMUTABLE LEAKPROOF STRICT COST 7 AS 'BEGIN RETURN $1; END'""",
        "CREATE FUNCTION s.plain(integer) RETURNS integer LANGUAGE sql LEAKPROOF IMMUTABLE AS 'SELECT $1'",
        "CREATE FUNCTION s.loud(integer) RETURNS boolean LANGUAGE plpgsql COST 0.1 AS 'BEGIN RETURN $1 > 7; END'",
        "CREATE FUNCTION s.loud(bigint) RETURNS boolean LANGUAGE plpgsql COST 0.1 LEAKPROOF AS 'BEGIN RETURN 1; END'",
        """CREATE FUNCTION s.series(integer, integer) RETURNS SETOF integer LANGUAGE internal IMMUTABLE STRICT
           SUPPORT generate_series_int4_support AS 'generate_series_int4'""",
        """CREATE FUNCTION s.few(integer) RETURNS SETOF integer LANGUAGE plpgsql SUPPORT generate_series_int4_support
           AS 'BEGIN RETURN; END'""",
        'CREATE TABLE t (a integer, b bigint, c integer GENERATED ALWAYS AS (s."Of "(1)) STORED)',
        'CREATE INDEX ON t (s."Of "(a))',
        "CREATE VIEW guarded WITH (security_barrier) AS SELECT a, b FROM t WHERE s.loud(a)",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 3000) AS i",
        "VACUUM ANALYZE t",
    )
    with open_twin(capture(empty, statements=False)) as twin:
        found = {gap.what: gap.reason for gap in lacking(twin)}
        assert found.keys() <= {"function s.few(integer)", "function s.series(integer, integer)", "public.t"}
        assert "the twin lacks its support function" in found["function s.few(integer)"]
        for statement in (
            'SELECT a FROM t WHERE s."Of "(a) = 7',
            "SELECT a FROM t WHERE s.plain(a) = 7",
            "SELECT a FROM guarded WHERE s.loud(b)",
            "SELECT a FROM guarded WHERE a = 7",
            "SELECT * FROM s.series(3, 40)",
        ):
            assert_same(twin.plan(statement), Live(url=empty, role="postgres").plan(statement, as_owner=True))


def test_views_with_triggers_of_their_own_are_changed_by_these(empty: str) -> None:
    execute(
        empty,
        "CREATE SCHEMA s",
        "CREATE TABLE t (id integer PRIMARY KEY, u integer)",
        "CREATE TABLE r (id integer, note text)",
        "CREATE VIEW joined AS SELECT t.id, u, note FROM t JOIN r USING (id)",
        "CREATE VIEW summed AS SELECT u, count(*) AS n FROM t GROUP BY u",
        "CREATE VIEW simple AS SELECT id, u FROM t WHERE u > 7",
        """CREATE FUNCTION s."Do it"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
           AS 'BEGIN DELETE FROM t; RETURN NEW; END'""",
        *(
            f"""CREATE TRIGGER "of {view}" INSTEAD OF INSERT OR UPDATE OR DELETE ON {view}
                FOR EACH ROW EXECUTE FUNCTION s."Do it"('it''s')"""
            for view in ("joined", "summed", "simple")
        ),
        'CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION s."Do it"()',
        "INSERT INTO t SELECT i, i % 50 FROM generate_series(1, 3000) AS i",
        "INSERT INTO r SELECT i, i FROM generate_series(1, 300) AS i",
        "VACUUM ANALYZE t, r",
    )
    statements = (
        "UPDATE joined SET id = 5 WHERE u = 9",
        "DELETE FROM joined WHERE note = $1",
        "INSERT INTO joined VALUES (1, 2, 'c')",
        "DELETE FROM summed WHERE u = 9",
        "UPDATE simple SET u = 9 WHERE id = 7",
        "DELETE FROM simple WHERE id = 7",
        "INSERT INTO simple SELECT id, 8 FROM r",
    )
    snapshot = capture(empty, statements=False)
    assert [each.identity for each in snapshot.objects if each.kind == "trigger"] == [
        f'"of {view}" on public.{view}' for view in ("joined", "summed", "simple")
    ]
    for held in (None, statements):
        with open_twin(snapshot, statements=held) as twin:
            assert not lacking(twin)
            for statement in statements:
                live = Live(url=empty, role="postgres").plan(statement, as_owner=True)
                assert_same(twin.plan(statement), live)
    without = tuple(
        each.model_copy(update={"definition": ("CREATE TRIGGER odd BEFORE UPDATE",)}) for each in snapshot.objects
    )
    with open_twin(snapshot.model_copy(update={"objects": without})) as twin:
        assert {gap.what for gap in lacking(twin)} >= {'trigger "of simple" on public.simple'}


def test_a_trigger_that_the_twin_lacks_is_needed_by_changes_of_its_view(empty: str) -> None:
    execute(
        empty,
        "CREATE TABLE t (id integer PRIMARY KEY, u integer)",
        "CREATE VIEW simple AS SELECT id, u FROM t",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER x INSTEAD OF DELETE ON simple FOR EACH ROW EXECUTE FUNCTION f()",
    )
    snapshot = capture(empty, statements=False)
    with open_twin(snapshot.model_copy(update={"functions": ()})) as twin:
        found = error(twin, "DELETE FROM simple WHERE id = 7")
        assert found is not None
        assert found.startswith("it may need what the twin lacks: trigger x on public.simple (")
        assert error(twin, "SELECT id FROM simple WHERE id = 7") is None


def test_a_column_of_a_domain_has_the_statistics_of_its_base_type(empty: str) -> None:
    with connect(empty) as connection:
        shows_ranges = connection.info.server_version >= 170_000
    execute(
        empty,
        'CREATE SCHEMA "s.Odd"',
        "CREATE TYPE span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi)",
        'CREATE DOMAIN "s.Odd"."Stay" AS int4range NOT NULL',
        'CREATE DOMAIN further AS "s.Odd"."Stay" CHECK (NOT isempty(VALUE))',
        "CREATE DOMAIN stays AS int4multirange",
        "CREATE DOMAIN own AS span",
        "CREATE DOMAIN words AS tsvector",
        "CREATE DOMAIN many AS integer[]",
        'CREATE DOMAIN label AS varchar(20) COLLATE "C"',
        'CREATE TABLE t (r "s.Odd"."Stay", f further, m stays, o own, w words, a many, l label)',
        """INSERT INTO t SELECT int4range(i, i + 2500), int4range(i, i + 2500), int4multirange(int4range(i, i + 2500)),
               span(i, i + 2500), to_tsvector('simple', 'w' || i % 2), ARRAY[i % 3], 'l' || i
           FROM generate_series(1, 5000) AS i""",
        "ANALYZE t",
    )
    statements = [
        "SELECT 1 FROM t WHERE w @@ to_tsquery('simple', 'w1')", "SELECT 1 FROM t WHERE a @> ARRAY[2]",
        "SELECT 1 FROM t WHERE l < 'l3'",
    ]  # fmt: skip
    if shows_ranges:
        statements += [f"SELECT 1 FROM t WHERE {column} @> 3000" for column in ("r", "f", "m")]
        statements.append("SELECT 1 FROM t WHERE o @> 3000.0::float8")
    with open_twin(capture(empty, statements=False)) as twin:
        assert {gap.what for gap in lacking(twin)} == (
            set() if shows_ranges else {f"statistics of public.t.{column}" for column in "rfmo"}
        )
        for statement in statements:
            assert_same(twin.plan(statement), Live(url=empty, role="postgres").plan(statement, as_owner=True))


def test_what_an_extension_no_longer_has_is_on_the_twin_by_the_extension(empty: str) -> None:
    execute(
        empty,
        "CREATE SCHEMA ext",
        "CREATE EXTENSION citext SCHEMA ext",
        "CREATE EXTENSION pg_trgm SCHEMA ext",
        *(
            f"ALTER EXTENSION citext DROP {member}"
            for member in (
                "FUNCTION ext.citext_larger(ext.citext, ext.citext)", "FUNCTION ext.citext_eq(ext.citext, ext.citext)",
                "OPERATOR FAMILY ext.citext_ops USING btree", "OPERATOR CLASS ext.citext_ops USING btree",
                "OPERATOR ext.<(ext.citext, ext.citext)", "CAST (ext.citext AS text)", "AGGREGATE ext.max(ext.citext)",
            )
        ),
        "ALTER EXTENSION pg_trgm DROP OPERATOR CLASS ext.gin_trgm_ops USING gin",
        "ALTER EXTENSION pg_trgm DROP FUNCTION ext.similarity(text, text)",
        "ALTER FUNCTION ext.similarity(text, text) COST 777",
        "CREATE TABLE t (c ext.citext PRIMARY KEY, d text)",
        "CREATE INDEX ON t USING gin (d ext.gin_trgm_ops)",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 3000) AS i",
        "VACUUM ANALYZE t",
    )  # fmt: skip
    statements = (
        "SELECT d FROM t WHERE c = 'X'", "SELECT d FROM t WHERE c < 'X' ORDER BY c", "SELECT ext.max(c) FROM t",
        "SELECT c FROM t WHERE d LIKE '%777%'", "SELECT 1 FROM t WHERE ext.citext_larger(c, 'a') = 'B'",
    )  # fmt: skip
    snapshot = capture(empty, statements=False)
    for held in (None, statements):
        with open_twin(snapshot, statements=held) as twin:
            # It is not what the extension made it.
            expected = {"function ext.similarity(text, text)"} if held is None else set[str]()
            assert {gap.what for gap in lacking(twin)} == expected
            for statement in statements:
                assert_same(twin.plan(statement), Live(url=empty, role="postgres").plan(statement, as_owner=True))
