"""No question to a server is answered by what somebody put in the way of PostgreSQL's own functions and operators.

Every function, aggregate, operator and type that a template names is shadowed, in a schema that stands before
pg_catalog in the search_path of everybody: whatever resolves there raises. A control shows that each kind does.
"""

import contextlib
import re
import subprocess
from collections.abc import Generator, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from alembic.runtime.migration import MigrationContext
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from analyzer.capture.capture import capture
from analyzer.capture.reader import Reader
from analyzer.db import connect, libpq_url, reading, sqlalchemy_url
from analyzer.migrate.deploy.driver import DriverError
from analyzer.migrate.deploy.online import (
    Target,
    alter_index,
    build_index,
    drop_index,
    reindex_index,
    rename_index,
    replace_index,
)
from analyzer.migrate.deploy.session import call, rows
from analyzer.migrate.plan.alembic_catalog import Live
from analyzer.objects.index import IndexDef, Key
from analyzer.sql import render_text, template_dir
from analyzer.twin.server import cluster
from tests.conftest import database_url
from tests.server.capture_zoo import build, new_database, run
from tests.server.executor import configured, state, upgrade
from tests.server.spec_project import SpecProject
from tests.server.test_qualstats import EXTENSION

CANARY = "a shadow was called"
ROOMS = ("capture", "session", "online", "specs")
READS = re.compile(r"(SELECT|WITH|EXPLAIN|COPY)\b")
#: In these nothing is looked up, so that they are asked under any search_path.
UNGUARDED = {
    "online/read_pid", "online/read_setting", "online/read_known_settings", "online/write_settings", "online/try_lock",
    "online/unlock", "online/keep_lock", "online/cancel_backend", "online/read_definition", "online/read_timeout",
    "session/trust_names", "session/restore_names", "session/set_limits",
}  # fmt: skip
#: psql runs these, and sets the search_path for them itself.
OFFLINE = {
    "online/write_kept_comment", "online/write_partition_attachments", "online/write_partition_builds",
    "online/write_partition_parents", "online/trust_path", "online/return_path", "online/write_for_each_schema",
}  # fmt: skip

SHADOWS = """
DO $do$
DECLARE
    f record;
    made int := 0;
    arguments text;
    result text;
BEGIN
    CREATE SCHEMA evil;
    CREATE FUNCTION evil.sing() RETURNS boolean LANGUAGE plpgsql AS
        $f$ BEGIN RAISE EXCEPTION 'a shadow was called'; END $f$;
    FOR f IN
        SELECT p.* FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY (string_to_array('{functions}', ' '))
    LOOP
        SELECT string_agg(
            CASE WHEN f.provariadic <> 0 AND a.n = f.pronargs THEN 'VARIADIC ' ELSE '' END || format_type(a.t, NULL),
            ', ' ORDER BY a.n
        ) INTO arguments FROM unnest(f.proargtypes::oid[]) WITH ORDINALITY AS a (t, n);
        result := CASE WHEN f.prorettype IN ('record'::regtype, 'anyelement'::regtype, 'void'::regtype)
                  THEN 'text' ELSE format_type(f.prorettype, NULL) END;
        BEGIN
            EXECUTE format(
                'CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.proname, coalesce(arguments, ''),
                CASE WHEN f.proretset THEN 'SETOF ' ELSE '' END || result,
                'BEGIN PERFORM evil.sing(); RETURN NULL; END'
            );
            made := made + 1;
        EXCEPTION WHEN OTHERS THEN NULL;  -- one that only C can be written in
        END;
    END LOOP;
    FOR f IN
        SELECT o.*, row_number() OVER () AS n FROM pg_catalog.pg_operator AS o
        WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprname = ANY (string_to_array('{operators}', ' '))
    LOOP
        BEGIN
            arguments := concat_ws(
                ', ', CASE WHEN f.oprleft <> 0 THEN format_type(f.oprleft, NULL) END, format_type(f.oprright, NULL)
            );
            EXECUTE format(
                'CREATE FUNCTION evil.op_%s(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.n, arguments,
                format_type(f.oprresult, NULL), 'BEGIN PERFORM evil.sing(); RETURN NULL; END'
            );
            EXECUTE format(
                'CREATE OPERATOR evil.%s (FUNCTION = evil.op_%s, %s RIGHTARG = %s)', f.oprname, f.n,
                CASE WHEN f.oprleft <> 0 THEN 'LEFTARG = ' || format_type(f.oprleft, NULL) || ',' ELSE '' END,
                format_type(f.oprright, NULL)
            );
            made := made + 1;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    FOR f IN
        SELECT t.typname FROM pg_catalog.pg_type AS t
        WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typname = ANY (string_to_array('{types}', ' '))
    LOOP
        EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.%I CHECK (evil.sing())', f.typname, f.typname);
        made := made + 1;
    END LOOP;
    IF made < 200 THEN RAISE 'only % shadows', made; END IF;
END $do$
"""
TABLES = (
    "CREATE TABLE public.t (a int, b text, c int PRIMARY KEY)",
    "INSERT INTO public.t SELECT n, n::text, n FROM generate_series(1, 3000) AS n",
    "CREATE TABLE public.parts (a int, b text) PARTITION BY RANGE (a)",
    "CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES FROM (0) TO (10)",
    "CREATE SEQUENCE public.numbers",
    "CREATE STATISTICS public.s ON a, b, (lower(b)) FROM public.t",
    "CREATE INDEX ix_old ON public.t (lower(b))",
    "ANALYZE",
)


def templates() -> list[str]:
    """List the templates that ask a server of somebody's something."""
    found = (path.relative_to(template_dir()).as_posix().removesuffix(".sql.jinja") for path in _files())
    return sorted(name for name in found if not name.rpartition("/")[2].startswith("_"))


def _files() -> Iterator[Path]:
    for room in ROOMS:
        yield from (template_dir() / room).glob("*.sql.jinja")


def _mentioned() -> dict[str, str]:
    text = "\n".join(re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL) for path in _files())
    return {
        "functions": " ".join(sorted({match[1] for match in re.finditer(r"([a-z_][a-z0-9_]+)\s*\(", text)})),
        "operators": " ".join(sorted({*re.findall(r"[+*/<>=~!@#%^&|`?-]+", text), "<>", "=", "~~", "||"})),
        "types": "text oid regclass name int4 int8 float8 bool regproc bytea",
    }


def as_root(url: str) -> str:
    """Return a connection string by which names are resolved as ever."""
    return url + ("&" if "?" in url else "?") + "options=-csearch_path%3Dpublic"


@pytest.fixture(scope="module")
def shadowed(server: str) -> Iterator[str]:
    """URL of a database in which everybody's search_path begins with the shadows."""
    with new_database(server) as conninfo:
        url = database_url(server, str(conninfo_to_dict(conninfo)["dbname"]))
        with connect(url, autocommit=True) as connection:
            build(connection)
            for statement in (*TABLES, EXTENSION):
                run(connection, statement)
            text = SHADOWS
            for name, value in _mentioned().items():
                text = text.replace("{" + name + "}", value)
            connection.execute(text.encode())
            run(connection, f"ALTER DATABASE {conninfo_to_dict(conninfo)['dbname']} SET search_path = evil, pg_catalog")
        yield url


@pytest.mark.parametrize(
    "question",
    [
        "SELECT 1 WHERE 'pg_class'::pg_catalog.name = 'x'::pg_catalog.name",
        "SELECT min(c.relname::pg_catalog.text) FROM pg_catalog.pg_class AS c",
        "SELECT 'a'::pg_catalog.text || 'b'::pg_catalog.text",
        "SELECT pg_size_bytes('1kB')",
        "SELECT 'a'::text",
    ],
)
def test_the_shadows_sing(shadowed: str, question: str) -> None:
    with connect(shadowed) as connection, pytest.raises(Exception, match=CANARY):
        run(connection, question)


OIDS = "SELECT c.oid::pg_catalog.int8 AS oid, c.relname AS name FROM pg_catalog.pg_class AS c"


@pytest.fixture(scope="module")
def values(shadowed: str) -> dict[str, Any]:
    """Values for whatever a template is given."""
    with connect(as_root(shadowed)) as connection:
        oids = {row["name"]: row["oid"] for row in run(connection, OIDS)}
        statistics = [row["oid"] for row in run(connection, "SELECT oid::int8 AS oid FROM pg_statistic_ext")]
    tables = [oids["t"], oids["parts"], oids["customer"], oids["embedding"]]
    return {
        "relations": tables, "indexes": [oids["t_pkey"]], "gin": [oids["i_gin"]], "statistics": statistics,
        "tables": tables, "pids": [1], "parts": oids["parts"],
        "blocked": [0], "values": True, "search_path": ["public"], "pid": 1, "key": 1, "name": "work_mem",
        "value": "4MB", "schema": "public", "table": "t", "column": "a", "index": oids["t_pkey"], "enough": 5,
        "seconds": 0.0, "page_cost": "1", "operator_cost": "1", "tuple_cost": "1", "seq_page_cost": "1",
        "statement_timeout": "0", "lock_timeout": "0", "client_encoding": "UTF8", "schemas": ["public"],
        "names": ["t_statistics"], "prefix": "twindex", "own": [1], "tablespace": "pg_default", "chosen": [1],
        "roles": [10], "longest": 8000, "since": None, "most": 10, "application": "twindex",
    }  # fmt: skip


NAMES: dict[str, dict[str, Any]] = {
    "capture/btree_heights": {"schema": "public"},
    "capture/gin_metapages": {"schema": "public", "block_type": "pg_catalog.int8"},
    "capture/statements": {"schema": "public", "without_text": False, "has_toplevel": True, "has_stats_since": True},
    "capture/statements_elsewhere": {"schema": "public"},
    "capture/qualstats_constants": {"schema": "public"},
    "capture/qualstats_examples": {"schema": "public"},
    "capture/statements_info": {"schema": "public"},
    "capture/some": {"template": "types", "naming": ("oid",), "chosen": True},
    "capture/extended_data": {"direct": False},
    "capture/extended_expressions": {"direct": False},
    "capture/extremes": {"tables": [("public", "t", [("c", False), ("b", True)])]},
    "capture/sample": {
        "schema": "public", "table": "t", "columns": ["a", "b"], "value_bytes": 100, "percent": 100, "share": 1,
        "rows": 5,
    },
    "capture/explain_index": {
        "schema": "public", "table": "t", "predicate": None, "covered": ["c"],
        "keys": [
            {"column": "c", "raw": None, "collation": None, "operator": "OPERATOR(pg_catalog.<)", "nulls_first": False}
        ],
    },
    "capture/explain_gin": {
        "schema": "sales", "table": "customer", "predicate": None, "key": "doc", "loops": 10, "everything": None,
        "conditions": [("OPERATOR(pg_catalog.@>)", "pg_catalog.jsonb")],
    },
    "capture/last_values": {"sequences": [("public", "numbers")]},
    "online/count_rows": {"schema": "public", "table": "t"},
    "online/read_table_indexes": {},
}  # fmt: skip

#: Values of those that are given settings.
SETTINGS: dict[str, dict[str, str | list[str]]] = {
    "online/read_known_settings": {"names": ["work_mem"]},
    "online/read_timeout": {"name": "lock_timeout"},
    "online/write_settings": {"names": ["work_mem"], "values": ["4MB"]},
}


def _query(template: str, pg: int) -> str | None:
    """Render a template that reads; None for one that does not."""
    try:
        text = render_text(template, pg=pg, **NAMES.get(template, {}))
    except Exception:  # noqa: BLE001 - one that is given names, none of which is looked up by a read
        return None
    return text if READS.match(text) else None


def test_every_template_that_reads_is_asked() -> None:
    """What this suite cannot render must not read."""
    left = {name for name in templates() if _query(name, 18) is None} - OFFLINE
    reading_ones = {name for name in left if READS.match(_body(name))}
    assert reading_ones == set()


def _body(template: str) -> str:
    text = (template_dir() / f"{template}.sql.jinja").read_text()
    return re.sub(r"\{[#%].*?[#%]\}", "", text, flags=re.DOTALL).strip()


@pytest.mark.parametrize("template", [name for name in templates() if name.startswith(("capture/", "session/"))])
def test_a_question_of_a_capture_is_answered_by_postgresql(
    shadowed: str, values: dict[str, Any], template: str
) -> None:
    with reading(shadowed) as connection:
        query = _query(template, connection.info.server_version // 10_000)
        if query is None:
            pytest.skip("it reads nothing")
        if query.startswith("COPY"):
            with connection.cursor() as cursor, cursor.copy(query.encode()) as copy:
                assert list(copy)
        else:
            given = values if template != "capture/gin_metapages" else {**values, "indexes": values["gin"]}
            connection.execute(query.encode(), given if "%(" in query else None)


@pytest.mark.parametrize("template", [name for name in templates() if name.startswith(("online/", "specs/"))])
@pytest.mark.parametrize("commits", [True, False])
def test_a_question_of_a_deploy_is_answered_by_postgresql(
    shadowed: str, values: dict[str, Any], template: str, *, commits: bool
) -> None:
    query = _query(template, 18)
    if query is None or template in OFFLINE or template == "online/count_rows":
        pytest.skip("it reads nothing, or is asked elsewhere")
    asked = {name: values[name] for name in re.findall(r"%\((\w+)\)s", query)} | SETTINGS.get(template, {})
    with deployer(shadowed) as begins:
        connection = begins.execution_options(isolation_level="AUTOCOMMIT") if commits else begins
        before = connection.exec_driver_sql("SHOW search_path").scalar_one()
        if template == "online/read_partitions":
            asked["table"] = values["parts"]
        ask = call if template in UNGUARDED else rows
        ask(connection, template, **asked)
        assert connection.exec_driver_sql("SHOW search_path").scalar_one() == before == "evil, pg_catalog"
        connection.exec_driver_sql("SET work_mem = '4MB'")
        connection.rollback()


def test_the_control_of_a_deploys_questions_sings(shadowed: str) -> None:
    with deployer(shadowed) as connection:
        with pytest.raises(DriverError, match=CANARY):
            call(connection, "read_table", schema="public", name="t")
        connection.rollback()


def test_a_whole_capture_is_answered_by_postgresql(shadowed: str) -> None:
    snapshot = capture(shadowed, sample_rows=10)
    assert snapshot.settings["search_path"] == "evil, pg_catalog"
    assert {("t", "c"), ("t", "b")} & {(each.table, each.column) for each in snapshot.extremes}
    assert snapshot.samples
    with reading(shadowed) as connection:
        assert Reader(connection=connection, major=18).row("former_search_path")["schemas"] == ["evil", "pg_catalog"]


def test_a_revision_is_written_by_postgresqls_own(shadowed: str) -> None:
    with deployer(shadowed) as connection:
        found = Live(connection, ())
        index = IndexDef(schema="public", table="t", name="ix", keys=(Key(column="a"),))
        assert found.canonical(index).keys == (Key(column="a"),)
        connection.rollback()


@contextlib.contextmanager
def deployer(url: str) -> Generator[Connection]:
    """Yield a connection as env.py has one; without what SQLAlchemy asks by an operator when it connects."""
    engine = create_engine(sqlalchemy_url(url), use_native_hstore=False)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def target(name: str, sql: str, **more: Any) -> Target:
    return Target(schema="public", table=more.pop("table", "t"), name=name, lock_timeout="10s", sql=sql, **more)


@pytest.fixture
def context(shadowed: str) -> Iterator[MigrationContext]:
    with deployer(shadowed) as connection:
        yield configured(connection, progress="off")


def test_a_deploy_is_done_by_postgresqls_own(shadowed: str, context: MigrationContext) -> None:
    build_index(context, target("ix_a", "CREATE INDEX CONCURRENTLY ix_a ON public.t USING btree (a)"))
    build_index(context, target("ix_a", "CREATE INDEX CONCURRENTLY ix_a ON public.t USING btree (a)"))
    replace_index(context, target("ix_a", "CREATE INDEX CONCURRENTLY ix_a ON public.t USING btree (a, c)"))
    reindex_index(context, target("ix_a", "REINDEX INDEX CONCURRENTLY public.ix_a"))
    alter_index(context, target("ix_a", "", attributes=("COMMENT ON INDEX public.ix_a IS 'x'",)))
    rename_index(context, target("ix_a", "ALTER INDEX public.ix_a RENAME TO ix_b"), "ix_b")
    build_index(
        context, target("ix_parts", "CREATE INDEX ix_parts ON ONLY public.parts USING btree (a)", table="parts")
    )
    with connect(as_root(shadowed)) as connection:
        found = run(connection, "SELECT indexdef AS ddl FROM pg_indexes WHERE indexname = 'ix_b'")
    assert [row["ddl"] for row in found] == ["CREATE INDEX ix_b ON public.t USING btree (a, c)"]
    drop_index(context, target("ix_b", "DROP INDEX CONCURRENTLY public.ix_b"))
    drop_index(context, target("ix_parts", "DROP INDEX public.ix_parts", table="parts"))


def test_a_script_for_psql_asks_postgresqls_own(shadowed: str) -> None:
    buffer = StringIO()
    options = {"as_sql": True, "output_buffer": buffer, "literal_binds": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    build_index(context, target("ix_o", "CREATE INDEX ix_o ON ONLY public.parts USING btree (b)", table="parts"))
    program = cluster.find_binaries().bin_dir / "psql"
    arguments = [program, "-X", "-q", "-t", "-v", "ON_ERROR_STOP=1", "-d", shadowed, "-f", "-"]
    script = buffer.getvalue() + "\nSHOW search_path;"
    done = subprocess.run(arguments, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "evil, pg_catalog"
    with connect(as_root(shadowed), autocommit=True) as connection:
        found = run(connection, "SELECT indexname AS name FROM pg_indexes WHERE tablename = 'parts_1'")
        assert {row["name"] for row in found} >= {"parts_1_b_idx"}
        run(connection, "DROP INDEX public.ix_o")


def test_an_upgrade_by_a_superuser_calls_no_overload_of_a_schema_of_his_name(tmp_path: Path, database: str) -> None:
    """The default search_path begins with "$user"; a better match there beats pg_catalog's though that comes first."""
    user = conninfo_to_dict(libpq_url(database)).get("user") or "postgres"
    project = SpecProject(tmp_path, database)
    with connect(database, autocommit=True) as connection:
        for statement in (
            f"CREATE SCHEMA {user}",
            f"CREATE SEQUENCE {user}.sung",
            f"""CREATE FUNCTION {user}.same(oid, regclass) RETURNS boolean LANGUAGE plpgsql AS
                $f$ BEGIN PERFORM nextval('{user}.sung'); RETURN oideq($1, $2); END $f$""",
            f"CREATE OPERATOR {user}.= (FUNCTION = {user}.same, LEFTARG = oid, RIGHTARG = regclass)",
            f"""CREATE FUNCTION {user}.least_of(text, name) RETURNS text LANGUAGE plpgsql AS
                $f$ BEGIN PERFORM nextval('{user}.sung'); RETURN $2; END $f$""",
            f"CREATE AGGREGATE {user}.min(name) (SFUNC = {user}.least_of, STYPE = text)",
            "SELECT 1::oid = 'pg_class'::regclass",
        ):
            run(connection, statement)
        (control,) = run(connection, f"SELECT last_value AS n, is_called FROM {user}.sung")
        assert control["is_called"]
    (project.versions / "0001_build.py").write_text(REVISION)
    process = upgrade(project)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert state(database)["ix"][0]
    with connect(database) as connection:
        (after,) = run(connection, f"SELECT last_value AS n FROM {user}.sung")
    assert after["n"] == control["n"]


REVISION = """
from alembic import op
import analyzer.migrate.alembic_plugin

revision, down_revision = "0001", None


def upgrade():
    op.build_index("ix", "t", schema="public", sql="CREATE INDEX CONCURRENTLY ix ON public.t (a)", lock_timeout="10s")
    op.build_index("ix", "t", schema="public", sql="CREATE INDEX CONCURRENTLY ix ON public.t (a)", lock_timeout="10s")
"""
