"""What the twin's installation lacks costs what depends on it, object by object and statement by statement; no more."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from alembic import command

from analyzer.advise.whatif import try_indexes
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Column, Extension, FunctionDef, Relation, Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.twin import PlannerChoice, Twin, open_twin
from analyzer.workload.parse import parse_listed
from tests.conftest import fresh_database, lacking
from tests.server.capture_zoo import new_database, run
from tests.server.live_plans import assert_same
from tests.server.test_migrations import config


def without(snapshot: Snapshot, *names: str) -> Snapshot:
    """Return the snapshot of a server with extensions that no installation has, in the place of these."""
    extensions = tuple(
        each.model_copy(update={"name": f"not_{each.name}"}) if each.name in names else each
        for each in snapshot.extensions
    )
    return snapshot.model_copy(update={"extensions": extensions})


@pytest.fixture(scope="module")
def platform(server: str) -> Iterator[Snapshot]:
    with fresh_database(server) as url:
        command.upgrade(config(url), "head")
        yield capture(url, statements=False)


def told(twin: Twin) -> dict[str, str]:
    return {gap.what: gap.reason for gap in lacking(twin)}


def error(twin: Twin, statement: str) -> str | None:
    """Return why `twindex whatif` would not examine a statement."""
    (trial,) = try_indexes(twin, parse_listed(statement))
    return trial.error


def test_the_reference_platform_is_planned_without_its_vectors(platform: Snapshot) -> None:
    assert "vector" in {extension.name for extension in platform.extensions}
    tables = [relation for relation in platform.relations if relation.kind in "rp"]
    with_vectors = [each for each in tables if any(column.type.startswith("public.vector") for column in each.columns)]
    with open_twin(without(platform, "vector")) as twin:
        lost = told(twin)
        assert lost["type public.vector"].startswith("the twin has a stand-in without operators")
        # Each of them by what it lacks, once.
        assert lost.keys() == {"extension not_vector", "type public.vector"}
        reason = lost["extension not_vector"]
        assert reason.startswith('the twin cannot create it: extension "not_vector" is not available; without it ')
        of_vectors = [each for each in platform.indexes if each.definition.method in {"hnsw", "ivfflat"}]
        assert all(f"index {each.definition.schema}.{each.definition.name}" in reason for each in of_vectors)
        for relation in tables:
            assert error(twin, f'SELECT count(*) FROM {relation.schema_name}."{relation.name}"') is None
        table = with_vectors[0]
        (column,) = [column.name for column in table.columns if column.type.startswith("public.vector")][:1]
        name = f'{table.schema_name}."{table.name}"'
        nearest = error(twin, f"SELECT 1 FROM {name} ORDER BY {column} <=> $1 LIMIT 5")
        assert nearest is not None
        assert nearest.startswith("it may need what the twin lacks: extension not_vector (")
        assert twin.plan(f"SELECT {column} FROM {name}").cost > 0


def test_a_statement_that_a_missing_index_may_serve_is_not_examined(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE EXTENSION pg_trgm")
        run(connection, "CREATE TABLE note (id integer PRIMARY KEY, body text, kind integer)")
        run(connection, "CREATE INDEX note_body ON note USING gin (body gin_trgm_ops)")
        run(connection, "CREATE VIEW notes AS SELECT id, body AS words FROM note")
    with open_twin(without(capture(database, statements=False), "pg_trgm")) as twin:
        assert told(twin).keys() == {"extension not_pg_trgm"}
        assert told(twin)["extension not_pg_trgm"].endswith("; without it there is no index public.note_body")
        reason = "it may need what the twin lacks: extension not_pg_trgm (the twin cannot create it: "
        for statement in ("SELECT id FROM note WHERE body LIKE '%x%'", "SELECT id FROM notes WHERE words LIKE '%x%'"):
            found = error(twin, statement)
            assert found is not None
            assert found.startswith(reason)
        assert error(twin, "SELECT id FROM note WHERE kind = 7") is None


def test_a_table_keeps_what_it_can_without_the_functions_of_its_defaults(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE TABLE t (id uuid, n integer, CHECK (n > 1))")
        run(connection, "CREATE INDEX t_id ON t (id)")
    snapshot = capture(database, statements=False)
    (table,) = snapshot.relations
    made = Column(name="id", number=1, type="uuid", default="public.uuid_generate_v4()")
    doubled = Column(name="n", number=2, type="integer", default="public.twice(3)", generated="s")
    odd = table.model_copy(update={"columns": (made, doubled)})
    with open_twin(snapshot.model_copy(update={"relations": (odd,)})) as twin:
        assert told(twin)["public.t"].startswith("created on the twin without defaults and with plain")
        assert twin.plan("SELECT n FROM t WHERE id = $1").indexes == {"t_id"}


@pytest.mark.parametrize("language", ["plperl", "plpython3u", "c"])
def test_a_function_without_its_language_keeps_what_the_planner_heeds(database: str, language: str) -> None:
    body = "'$libdir/nothing', $function$nothing$function$" if language == "c" else "$function$ nonsense { $function$"
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE TABLE t (n integer)")
        run(connection, "INSERT INTO t SELECT generate_series(1, 1000)")
        run(connection, "ANALYZE t")
        options = "STABLE STRICT PARALLEL SAFE COST 321"
        run(connection, f"CREATE FUNCTION f(integer) RETURNS boolean LANGUAGE plpgsql {options} AS 'BEGIN END'")
        (expected,) = run(connection, "EXPLAIN (FORMAT JSON) SELECT 1 FROM t WHERE f(n)")
        snapshot = capture(database, statements=False)
    definition = (
        f"CREATE OR REPLACE FUNCTION public.f(integer)\n RETURNS boolean\n LANGUAGE {language}\n"
        f" STABLE PARALLEL SAFE STRICT COST 321\nAS {body}\n"
    )
    lacking = FunctionDef(schema_name="public", name="f", arguments="integer", definition=definition, language=language)
    with open_twin(snapshot.model_copy(update={"functions": (lacking,)})) as twin:
        assert told(twin)["function public.f(integer)"].startswith(f"the twin cannot create its body ({language})")
        assert twin.plan("SELECT 1 FROM t WHERE f(n)").cost == expected["QUERY PLAN"][0]["Plan"]["Total Cost"]
        refused = error(twin, "SELECT 1 FROM t WHERE n > 3 AND f(7)")
        assert refused is None or "whose body the twin omits" in refused
        compared = error(twin, "SELECT 1 FROM t WHERE (n > 5) = f(7)")
        assert compared is not None
        assert "planning runs public.f(), whose body the twin omits" in compared


def test_a_collation_the_twin_lacks_is_stood_in_for_and_said(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE TABLE t (a text, b text)")
        run(connection, "CREATE INDEX t_b ON t (b)")
    snapshot = capture(database, statements=False)
    (table,) = snapshot.relations
    collations = ('pg_catalog."xx-x-nowhere"', 'public."Own"')
    columns = tuple(
        column.model_copy(update={"collation": collation})
        for column, collation in zip(table.columns, collations, strict=True)
    )
    odd: Relation = table.model_copy(update={"columns": columns})
    with open_twin(snapshot.model_copy(update={"relations": (odd,)})) as twin:
        assert told(twin).keys() == {f"collation {name}" for name in collations}
        assert twin.plan("SELECT a FROM t WHERE b = $1 ORDER BY a").indexes == {"t_b"}


def test_what_views_are_made_of_is_missed_with_them(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE VIEW v AS SELECT 1 AS one")
        run(connection, "CREATE VIEW w AS SELECT one FROM v")
    snapshot = capture(database, statements=False)
    views = tuple(
        each.model_copy(update={"definition": " SELECT nothing.one FROM nothing;"}) if each.name == "v" else each
        for each in snapshot.relations
    )
    with open_twin(snapshot.model_copy(update={"relations": views})) as twin:
        assert told(twin).keys() == {"public.v"}
        assert told(twin)["public.v"].endswith("; without it there is no public.w")
        found = twin.obstacle("SELECT one FROM w")
        assert found is not None
        assert 'relation "nothing" does not exist' in found
        assert twin.obstacle("SELECT 1") is None


def test_tablespace_costs_are_the_captured_ones(server: str) -> None:
    with new_database(server) as url, connect(url, autocommit=True) as connection:
        run(connection, "SET allow_in_place_tablespaces = on")
        for name, cost in (("a fast disk", 1), ("Slow disk", 40), ("another", 3)):
            run(
                connection,
                f"CREATE TABLESPACE \"{name}\" LOCATION '' WITH (random_page_cost = {cost}, seq_page_cost = 9)",
            )
        try:
            run(connection, 'CREATE TABLE t (i integer) TABLESPACE "Slow disk"')
            run(connection, "CREATE TABLE fast (i integer)")
            run(connection, "INSERT INTO t SELECT generate_series(1, 20000)")
            run(connection, "INSERT INTO fast SELECT generate_series(1, 20000)")
            run(connection, 'CREATE INDEX t_i ON t (i) TABLESPACE "Slow disk"')
            run(connection, "CREATE INDEX fast_i ON fast (i)")
            run(connection, "ANALYZE")
            with open_twin(capture(url, statements=False)) as twin:
                assert lacking(twin) == ()
                for table in ("t", "fast"):
                    for where in ("i = 7", "i < 300", "i % 2 = 1"):
                        statement = f"SELECT i FROM {table} WHERE {where}"
                        (expected,) = run(connection, f"EXPLAIN (FORMAT JSON) {statement}")
                        assert twin.plan(statement).cost == expected["QUERY PLAN"][0]["Plan"]["Total Cost"]
        finally:
            run(connection, "DROP TABLE IF EXISTS t")
            for name in ("a fast disk", "Slow disk", "another"):
                run(connection, f'DROP TABLESPACE "{name}"')


def test_an_extension_that_plans_do_not_depend_on_may_be_missing(database: str) -> None:
    snapshot = capture(database, statements=False)
    added = Extension(name="pg_cron", version="1.6", schema_name="pg_catalog")
    with open_twin(snapshot.model_copy(update={"extensions": (*snapshot.extensions, added)})) as twin:
        assert told(twin).keys() <= {"extension pg_cron"}


def test_a_predicate_that_only_a_body_could_tell_is_a_guess(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE TABLE t (n integer)")
        run(connection, "INSERT INTO t SELECT generate_series(1, 1000)")
        run(
            connection,
            "CREATE FUNCTION f(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END'",
        )
        run(connection, "ANALYZE t")
        snapshot = capture(database, statements=False)
    told_by_body = IndexDef(schema="public", table="t", name="a", keys=(Key(column="n"),), where="n < f(10)")
    told_by_statistics = replace(told_by_body, name="b", where="n < 10")
    with open_twin(snapshot) as twin:
        assert [added.guessed for added in twin.add([told_by_body, told_by_statistics])] == [True, False]
    with open_twin(snapshot, wanted=PlannerChoice(run_user_code=True)) as twin:
        assert [added.guessed for added in twin.add([told_by_body, told_by_statistics])] == [False, False]


def test_what_a_lost_table_takes_with_it_is_told_once(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        for statement in (
            "CREATE TYPE odd AS ENUM ('a', 'b')",
            "CREATE TABLE lost (id integer PRIMARY KEY, kind odd, n integer CHECK (n > 0), r int4range)",
            "CREATE TABLE kept (id integer PRIMARY KEY, lost integer REFERENCES lost, n integer)",
            "INSERT INTO lost SELECT i, 'a', i, int4range(i, i + 1) FROM generate_series(1, 100) AS i",
            "INSERT INTO kept SELECT i, i, i FROM generate_series(1, 100) AS i",
            "CREATE INDEX lost_n ON lost ((n + 1))",
            "CREATE STATISTICS both_of ON id, n FROM lost",
            "ALTER TABLE lost ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY few ON lost USING (n > 7)",
            "ANALYZE",
        ):
            run(connection, statement)
    snapshot = capture(database, statements=False)
    broken = tuple(each.model_copy(update={"labels": ("a", "a")}) for each in snapshot.types)
    with open_twin(snapshot.model_copy(update={"types": broken})) as twin:
        found = told(twin)
        reason = found.pop("type public.odd")
        assert found.keys() == {"row security of public.lost"}
        for what in ("public.lost", "index public.lost_n", "constraint lost_pkey of public.lost",
                     "constraint kept_lost_fkey of public.kept", "extended statistics public.both_of"):  # fmt: skip
            assert what in reason
        assert error(twin, "SELECT id FROM kept WHERE n = 7") is None


def test_a_twin_of_some_statements_has_what_its_types_and_operators_rest_on(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        for statement in (
            "CREATE SCHEMA apart",
            "CREATE FUNCTION apart.days(date, date) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT ($1-$2)::float8'",
            "CREATE TYPE stay AS RANGE (SUBTYPE = date, SUBTYPE_DIFF = apart.days, MULTIRANGE_TYPE_NAME = apart.stays)",
            "CREATE TABLE held (id integer)",
            "CREATE DOMAIN row_of AS held",
            "CREATE TABLE t (id integer PRIMARY KEY, s stay, m apart.stays, h row_of)",
            "INSERT INTO t SELECT i, stay(date '2026-01-01' + i, NULL) FROM generate_series(1, 1000) AS i",
            "ANALYZE t",
        ):
            run(connection, statement)
        (expected,) = run(connection, "EXPLAIN (FORMAT JSON) SELECT 1 FROM t WHERE id = 7")
        snapshot = capture(database, statements=False)
    with open_twin(snapshot, statements=["SELECT 1 FROM t WHERE id = 7"]) as twin:
        assert told(twin) == {}
        assert twin.plan("SELECT 1 FROM t WHERE id = 7").cost == expected["QUERY PLAN"][0]["Plan"]["Total Cost"]


@pytest.mark.parametrize("rows", [0, 100])
def test_a_stand_in_is_as_wide_as_the_type_it_stands_for(database: str, rows: int) -> None:
    kinds = {
        "char": "'a'", "int2": "'1'", "int4": "'7'", "int8": "'8'", "macaddr": "'08:00:2b:01:02:03'", "tid": "'(0,1)'",
        "uuid": "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "box": "'((0,0),(1,1))'", "name": "'n'", "text": "'long'",
    }  # fmt: skip
    with connect(database, autocommit=True) as connection:
        for kind, value in kinds.items():
            own, code = f"own_{kind}", kind + "_" * (kind in {"macaddr", "uuid", "box"})
            like, properties = ('"char"' if kind == "char" else kind), "LANGUAGE internal IMMUTABLE STRICT"
            for statement in (
                f"CREATE TYPE {own}",
                f"CREATE FUNCTION in_{kind}(cstring) RETURNS {own} {properties} AS '{code}in'",
                f"CREATE FUNCTION out_{kind}({own}) RETURNS cstring {properties} AS '{code}out'",
                f"CREATE TYPE {own} (INPUT = in_{kind}, OUTPUT = out_{kind}, LIKE = {like})",
                f"CREATE DOMAIN of_{kind} AS {own}",
                f"CREATE TABLE t_{kind} (a {own} DEFAULT {value}, b of_{kind} DEFAULT {value}, c {own}[])",
                f"INSERT INTO t_{kind} (c) SELECT ARRAY[{value}]::{own}[] FROM generate_series(1, {rows})",
                *([f"ANALYZE t_{kind}"] if rows else []),
            ):
                run(connection, statement)
        asked = [f"SELECT {what} FROM t_{kind} WHERE b IS NOT NULL" for kind in kinds for what in ("a", "b, c", "*")]
        live = {each: run(connection, f"EXPLAIN (FORMAT JSON) {each}")[0]["QUERY PLAN"][0]["Plan"] for each in asked}
        snapshot = capture(database, statements=False)
    with open_twin(snapshot) as twin:
        for statement, expected in live.items():
            found = twin.plan(statement)
            assert_same(found, expected)
            assert found.tree["Plan Width"] == expected["Plan Width"]


def test_a_stand_in_says_that_it_is_not_as_long(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        for statement in (
            "CREATE TYPE long",
            "CREATE FUNCTION long_in(cstring) RETURNS long LANGUAGE internal IMMUTABLE STRICT AS 'namein'",
            "CREATE FUNCTION long_out(long) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'nameout'",
            "CREATE TYPE long (INPUT = long_in, OUTPUT = long_out, INTERNALLENGTH = 100)",
            "CREATE TABLE t (a long)",
        ):
            run(connection, statement)
    with open_twin(capture(database, statements=False)) as twin:
        assert told(twin)["type public.long"].endswith("as if it had no fixed length of 100 bytes")


def test_a_table_with_a_stand_in_still_gives_its_row_type(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        for statement in (
            "CREATE TYPE own",
            "CREATE FUNCTION own_in(cstring) RETURNS own LANGUAGE internal IMMUTABLE STRICT AS 'int4in'",
            "CREATE FUNCTION own_out(own) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'",
            "CREATE TYPE own (INPUT = own_in, OUTPUT = own_out, LIKE = integer)",
            "CREATE TABLE part (a own, b integer UNIQUE)",
            "CREATE TABLE whole (id integer, part part, parts part[])",
            "CREATE TABLE of_whole (id integer, wholes whole[])",
        ):
            run(connection, statement)
    with open_twin(capture(database, statements=False)) as twin:
        assert told(twin).keys() == {"type public.own"}
        for table in ("part", "whole", "of_whole"):
            assert twin.plan(f"SELECT * FROM {table}").cost > 0
        assert twin.plan("SELECT (parts[1]).b FROM whole JOIN part ON part.b = whole.id WHERE (part).b = 1").cost > 0
