"""Specs written from a database agree with it, whatever it holds."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.cli.check import command as check_command
from analyzer.cli.lint import command as lint_command
from analyzer.cli.pull import command as pull_command
from analyzer.db import connect
from analyzer.errors import InputError
from analyzer.objects.index import IndexDef, Key
from analyzer.specs.file import load_specs
from analyzer.specs.spec_file import json_schema
from analyzer.sql import render
from analyzer.twin.server import cluster
from tests.conftest import fresh_database
from tests.server.capture_zoo import build, run
from tests.server.servers import VERSIONS, server_of

#: What the capture's zoo lacks.
MORE = (
    "COMMENT ON INDEX sales.i_multi IS 'it''s \\ \"100 %\"'",
    "ALTER INDEX sales.i_expression ALTER COLUMN 1 SET STATISTICS 500",
    "ALTER INDEX sales.i_expression ALTER COLUMN 3 SET STATISTICS 0",
    "CREATE UNIQUE INDEX i_moods ON sales.moods (mood)",
    "CREATE INDEX ON sales.event_2025 (what, at)",
    'CREATE INDEX "i.dot ted" ON "Odd Schema"."Mixed ""Case" (abs("per%cent"))',
    'CREATE INDEX "sales.i_dotted" ON sales.customer (born, id)',
    'CREATE STATISTICS sales."sales.s_dotted" ON born, name FROM sales.customer',
    'CREATE TABLE sales."a(b)" ("x (y)" int, "true" bool, "null" int, "1" int)',
    'CREATE INDEX "(i)" ON sales."a(b)" ("x (y)", "true", "null", "1")',
    "CREATE INDEX i_comment ON sales.cat (name) WHERE name <> '-- # : {' AND name !~ '^\\s*;'",
    "CREATE INDEX i_types ON sales.customer ((doc #>> '{a,\"b c\"}'::text[]), (tags[1:2]), ((born + 1)))",
    'CREATE TABLE sales."Größe" ("Höhe" int, "日本" text, "q""uote" int)',
    """CREATE UNIQUE INDEX "ix_Größe ""x""\" ON sales."Größe" ("Höhe" DESC, "q""uote") INCLUDE ("日本")
       WHERE "日本" <> 'ß'""",
    'CREATE INDEX "ix_日本" ON sales."Größe" (lower("日本") COLLATE "C" text_pattern_ops)',
    "COMMENT ON INDEX sales.\"ix_日本\" IS E'two\\nlines: # - ß'",
    'CREATE INDEX i_whole ON sales."Größe" (("Größe" IS NULL)) WHERE "Größe".* IS NOT NULL',
    "CREATE INDEX i_event_expression ON sales.event (lower(what) DESC NULLS LAST, at) WITH (fillfactor = 60)",
    "ALTER INDEX sales.i_event_expression ALTER COLUMN 1 SET STATISTICS 33",
    "COMMENT ON INDEX sales.i_event_expression IS 'on a partitioned table'",
    "CREATE INDEX i_gist_cover ON sales.customer USING gist (id) INCLUDE (name) WITH (fillfactor = 80)",
    "CREATE INDEX i_lists ON sales.customer USING gist (name gist_trgm_ops (siglen = 24)) WITH (buffering = auto)",
)


@pytest.fixture(scope="module", params=VERSIONS)
def zoo(request: pytest.FixtureRequest) -> Iterator[str]:
    with server_of(request) as server, fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            build(connection)
            for statement in MORE:
                run(connection, statement)
        yield url


def twindex(command: str, url: str, specs: Path, *more: str) -> Result:
    """Run a command and let nothing but its exit status pass."""
    commands = {"pull": pull_command, "check": check_command}
    return CliRunner().invoke(
        commands[command], ["-d", url, "--allow-superuser", "--specs", str(specs), *more], catch_exceptions=False
    )


def test_check_finds_nothing_after_pull_and_a_second_pull_writes_nothing(zoo: str, tmp_path: Path) -> None:
    specs = tmp_path / "new" / "specs"
    specs.parent.mkdir()
    pulled = twindex("pull", zoo, specs)
    assert pulled.exit_code == 0, pulled.output
    assert (specs / "schema.json").read_text() == json_schema()
    checked = twindex("check", zoo, specs, "--format", "json")
    assert checked.exit_code == 0, checked.output
    document = json.loads(checked.stdout)
    assert document["findings"] == []
    names = {spec.spec.name for spec in load_specs(specs).specs}
    assert document["objects"] == len(names) >= 30
    assert {"I Mixed", "i.dot ted", "(i)", "i_event", "i_moods", "event_2025_what_at_idx"} <= names
    assert {"ix_日本", 'ix_Größe "x"', "i_whole", "i_event_expression"} <= names
    assert not {"code_once", "event_2025_what_idx", "customer_pkey"} & names
    indexes = [spec for spec in load_specs(specs).specs if spec.kind == "index"]
    assert all(check["examined"] == len(indexes) for check in document["checks"] if check["code"] == "TX302")
    options = [str(specs), "-d", zoo, "--allow-superuser", "--format", "json"]
    linted = json.loads(CliRunner().invoke(lint_command, options, catch_exceptions=False).stdout)
    assert not {"TX114", "TX135"} & {finding["code"] for finding in linted["findings"]}
    before = {path: path.read_bytes() for path in specs.iterdir()}
    again = twindex("pull", zoo, specs)
    assert again.stdout == ""
    assert {path: path.read_bytes() for path in specs.iterdir()} == before


def test_a_file_that_exists_gets_what_is_missing_and_keeps_every_byte(zoo: str, tmp_path: Path) -> None:
    written = "# By hand.\ntable:   sales.customer   # people\nindexes:\n  - name: i_cover\n    keys: [whatever]\n"
    path = tmp_path / "people.yaml"
    path.write_text(written)
    pulled = twindex("pull", zoo, tmp_path, "--table", "sales.customer", "--quiet")
    assert pulled.stdout.split() == [str(path)]
    assert path.read_text().startswith(written)
    assert {spec.table for spec in load_specs(tmp_path).specs} == {"customer"}
    checked = twindex("check", zoo, tmp_path)
    assert checked.exit_code == 1, checked.output
    assert checked.stdout.count("TX3") == 1
    assert f"{path}:4: error TX310" in checked.stdout


def test_a_tablespace_makes_the_round_trip_and_what_auto_and_build_say_is_no_drift(tmp_path: Path) -> None:
    with cluster.temporary(settings={"fsync": "off"}) as running, fresh_database(running.url()) as url:
        location = running.home / "Fast Disk"
        location.mkdir()
        account = running.data.stat()
        os.chown(location, account.st_uid, account.st_gid)
        with connect(url, autocommit=True) as connection:
            run(connection, f"CREATE TABLESPACE \"Fast Disk\" LOCATION '{location}'")
            run(connection, "CREATE EXTENSION vector")
            run(connection, "CREATE TABLE t (a int, v vector(3))")
            run(connection, 'CREATE INDEX ix_fast ON t (a) TABLESPACE "Fast Disk"')
            run(connection, "CREATE INDEX ix_lists ON t USING ivfflat (v) WITH (lists = 77)")
        twindex("pull", url, tmp_path)
        (path,) = tmp_path.glob("*.yaml")
        assert "tablespace: Fast Disk" in path.read_text()
        assert twindex("check", url, tmp_path).exit_code == 0
        path.write_text(
            path.read_text().replace("lists: 77", "lists: auto") + "    build: {maintenance_work_mem: 1GB}\n"
        )
        assert load_specs(tmp_path).indexes[1].spec.build.maintenance_work_mem == "1GB"
        assert twindex("check", url, tmp_path).exit_code == 0
        path.write_text(path.read_text().replace("    tablespace: Fast Disk\n", ""))
        assert "TX307" in twindex("check", url, tmp_path).stdout


def test_only_the_tables_asked_for_are_pulled(zoo: str, tmp_path: Path) -> None:
    twindex("pull", zoo, tmp_path, "--table", "sales.event", "--table", '"Odd Schema"."Mixed ""Case"')
    assert {spec.table for spec in load_specs(tmp_path).specs} == {"event", 'Mixed "Case'}
    with pytest.raises(InputError, match=r"--table: table sales\.nothing does not exist in database "):
        twindex("pull", zoo, tmp_path, "--table", "sales.nothing")
    with pytest.raises(InputError, match=r"--table: 'event' is not schema\.table"):
        twindex("pull", zoo, tmp_path, "--table", "event")


def test_what_no_spec_can_say_is_named_and_not_written(database: str, tmp_path: Path) -> None:
    with connect(database, autocommit=True) as connection:
        for statement in (
            "CREATE TABLE t (a int)",
            "CREATE ACCESS METHOD theirs TYPE INDEX HANDLER pg_catalog.bthandler",
            """CREATE OPERATOR CLASS theirs_ops DEFAULT FOR TYPE int USING theirs AS
               OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
               FUNCTION 1 btint4cmp(int, int)""",
            "CREATE INDEX i_theirs ON t USING theirs (a)",
            "INSERT INTO t VALUES (1), (1)",
        ):
            run(connection, statement)
        with pytest.raises(psycopg.errors.UniqueViolation):
            run(connection, "CREATE UNIQUE INDEX CONCURRENTLY i_invalid ON t (a)")
    pulled = twindex("pull", database, tmp_path)
    assert pulled.stdout == ""
    assert "not declared: public.i_theirs: no spec can say USING theirs" in pulled.stderr
    assert "not declared: public.i_invalid: it is INVALID" in pulled.stderr


COLUMNS = ("a", "b", "s", "v", "Größe")
EXPRESSIONS = ("lower(s)", "a + b", "s || ' ' || v", "coalesce(a, 0)", "CASE WHEN a > 1 THEN s END", "(b - a) * 2")
WHERES = ("a > 1", "s IN ('x', 'y''z')", "b BETWEEN 1 AND 5", "v LIKE 'a%' OR v IS NULL", "NOT (a = ANY ('{1,2}'))")
PLAIN_KEYS = st.builds(Key, column=st.sampled_from(COLUMNS)) | st.builds(
    Key, expression=st.sampled_from(("a + b", "(b - a) * 2", "coalesce(a, 0)"))
)
KEYS = st.builds(
    Key,
    column=st.sampled_from(COLUMNS),
    descending=st.booleans(),
    nulls=st.sampled_from([None, "first", "last"]),
) | st.builds(Key, expression=st.sampled_from(EXPRESSIONS), descending=st.booleans())
TEXT_KEYS = st.builds(
    Key,
    column=st.sampled_from(("s", "v")),
    opclass=st.sampled_from((None, "text_pattern_ops", "text_ops", "varchar_ops")),
    collation=st.sampled_from((None, "C", "POSIX", "default")),
)
GIN_KEYS = st.sampled_from(
    (
        Key(column="s", opclass="gin_trgm_ops"),
        Key(column="j"),
        Key(column="j", opclass="jsonb_path_ops"),
        Key(expression="to_tsvector('english', s)"),
        Key(expression="lower(v)", opclass="gin_trgm_ops"),
    )
)
GIST_KEYS = st.sampled_from(
    (
        Key(column="s", opclass="gist_trgm_ops"),
        Key(column="s", opclass="gist_trgm_ops", opclass_parameters=(("siglen", "32"),)),
        Key(column="r"),
        Key(expression="int4range(a, b)"),
    )
)
BRIN_KEYS = PLAIN_KEYS | st.sampled_from(
    (Key(column="a", opclass="int4_minmax_multi_ops", opclass_parameters=(("values_per_range", "16"),)),)
)
#: Of each method: its keys, how many, its INCLUDE, and its storage parameters.
METHODS: dict[str, tuple[st.SearchStrategy[Key], int, bool, tuple[tuple[str, str], ...]]] = {
    "btree": (KEYS | TEXT_KEYS, 4, True, (("fillfactor", "50"), ("deduplicate_items", "false"))),
    "hash": (PLAIN_KEYS, 1, False, (("fillfactor", "90"),)),
    "gin": (GIN_KEYS, 3, False, (("fastupdate", "false"), ("gin_pending_list_limit", "128"))),
    "gist": (GIST_KEYS, 2, True, (("fillfactor", "70"), ("buffering", "off"))),
    "spgist": (st.just(Key(column="r")) | st.just(Key(column="s")), 1, True, (("fillfactor", "60"),)),
    "brin": (BRIN_KEYS, 3, False, (("pages_per_range", "8"), ("autosummarize", "true"))),
}
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0%", exclude_categories=("Cs",)), min_size=1, max_size=12
)


@st.composite
def definitions(draw: st.DrawFn) -> IndexDef:
    method = draw(st.sampled_from(("btree", *METHODS)))
    keys, most, covers, parameters = METHODS[method]
    unique = method == "btree" and draw(st.booleans())
    return IndexDef(
        schema="public",
        table="t",
        name="ix",
        method=method,
        keys=tuple(draw(st.lists(keys, min_size=1, max_size=most))),
        include=tuple(draw(st.lists(st.sampled_from(COLUMNS), max_size=2, unique=True))) if covers else (),
        where=draw(st.none() | st.sampled_from(WHERES)),
        unique=unique,
        nulls_not_distinct=unique and draw(st.booleans()),
        parameters=tuple(draw(st.lists(st.sampled_from(parameters), unique=True))),
    )


@settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=st.lists(definitions(), min_size=25, max_size=25),
    names=st.lists(NAMES, min_size=25, max_size=25, unique=True),
    comments=st.lists(st.none() | NAMES, min_size=25, max_size=25),
)
@pytest.mark.slow
def test_any_definitions_survive_the_round_trip(
    server: str,
    tmp_path_factory: pytest.TempPathFactory,
    found: list[IndexDef],
    names: list[str],
    comments: list[str | None],
) -> None:
    specs = tmp_path_factory.mktemp("specs")
    with fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            run(connection, "CREATE EXTENSION pg_trgm")
            run(connection, 'CREATE TABLE t (a int, b int, s text, v varchar, "Größe" int, j jsonb, r int4range)')
            for name, index, comment in zip(names, found, comments, strict=True):
                run(connection, index.renamed(f"ix {name}").ddl().replace("%", "%%"), none=None)
                if comment is not None:
                    connection.execute(render("index/comment", schema="public", name=f"ix {name}", comment=comment))
                for position, key in enumerate(index.keys, start=1):
                    if key.expression is not None and comment is not None:
                        facts = {"schema": "public", "name": f"ix {name}", "position": position, "target": 7}
                        connection.execute(render("index/set_statistics", **facts))
        twindex("pull", url, specs)
        assert len(load_specs(specs).specs) == len(found)
        checked = twindex("check", url, specs)
        assert checked.exit_code == 0, checked.stdout
