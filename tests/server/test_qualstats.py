"""Values that pg_qualstats has sampled, of an extension in SQL with its functions and the columns of version 2.1."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.price import shaped_and_priced
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot, dump, load
from analyzer.twin.twin import open_twin
from analyzer.workflows.capture import read_database
from analyzer.workload.log_workload import recorded_workload
from tests.conftest import fresh_database
from tests.server.capture_zoo import as_role, new_role

CONTROL = "default_version = '2.1.1'\nrelocatable = false\nschema = 'public'\n"
#: The rows stand in tables, which the functions of the real extension have in shared memory.
EXTENSION = """
CREATE TABLE pg_qualstats_texts (queryid bigint, query text);
CREATE TABLE pg_qualstats_rows (queryid bigint, predicate bigint, place integer, value text, times bigint);
GRANT SELECT ON pg_qualstats_texts, pg_qualstats_rows TO PUBLIC;
CREATE FUNCTION pg_qualstats_example_queries(OUT queryid bigint, OUT query text) RETURNS SETOF record LANGUAGE sql
AS 'SELECT queryid, query FROM public.pg_qualstats_texts';
CREATE FUNCTION pg_qualstats(
  OUT userid oid, OUT dbid oid, OUT lrelid oid, OUT lattnum smallint, OUT opno oid, OUT rrelid oid,
  OUT rattnum smallint, OUT qualid bigint, OUT uniquequalid bigint, OUT qualnodeid bigint,
  OUT uniquequalnodeid bigint, OUT occurences bigint, OUT execution_count bigint, OUT nbfiltered bigint,
  OUT min_err_estimate_ratio double precision, OUT max_err_estimate_ratio double precision,
  OUT mean_err_estimate_ratio double precision, OUT stddev_err_estimate_ratio double precision,
  OUT min_err_estimate_num bigint, OUT max_err_estimate_num bigint, OUT mean_err_estimate_num double precision,
  OUT stddev_err_estimate_num double precision, OUT constant_position int, OUT queryid bigint,
  OUT constvalue varchar, OUT eval_type "char"
) RETURNS SETOF record LANGUAGE sql STRICT VOLATILE AS $$
SELECT NULL::oid, (SELECT oid FROM pg_database WHERE datname = current_database()), NULL::oid, NULL::smallint,
  NULL::oid, NULL::oid, NULL::smallint, NULL::bigint, NULL::bigint, predicate, NULL::bigint, times, times, 0::bigint,
  NULL::float8, NULL::float8, NULL::float8, NULL::float8, NULL::bigint, NULL::bigint, NULL::float8, NULL::float8,
  place, queryid, value::varchar, 'f'::"char"
FROM public.pg_qualstats_rows
$$;
"""
SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE task (id integer PRIMARY KEY, state text, note text);
INSERT INTO task SELECT i, CASE WHEN i % 400 = 0 THEN 'failed' ELSE 'done' END, 'n' FROM generate_series(1, 8000) AS i;
VACUUM ANALYZE task;
SELECT pg_stat_statements_reset()
"""
ASKED = "SELECT note FROM task WHERE state = 'done' AND id > 7"


@pytest.fixture(scope="module")
def share() -> Iterator[Path]:
    """A directory of extensions that any server can read."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "extension").mkdir(mode=0o755)
        (directory / "extension/pg_qualstats.control").write_text(CONTROL)
        (directory / "extension/pg_qualstats--2.1.1.sql").write_text(EXTENSION)
        yield directory


@pytest.fixture(scope="module")
def url(server: str, share: Path) -> Iterator[str]:
    """URL of a database that has the extension, with values of one statement."""
    with fresh_database(server) as found:
        with connect(found, autocommit=True) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement.encode())
            connection.execute("SELECT set_config('extension_control_path', %s, false)", (f"{share}:$system",))
            connection.execute("CREATE EXTENSION pg_qualstats")
            connection.execute(ASKED.encode())
            position = ASKED.index("'done'")
            sampled = (
                "SELECT queryid, %s FROM pg_stat_statements WHERE query LIKE '%%FROM task WHERE state = $1 AND id%%'"
            )
            connection.execute(f"INSERT INTO pg_qualstats_texts {sampled}".encode(), (ASKED,))
            rows = [(1, position, "'done'::text", 10), (1, position + 4, "'failed'::text", 30)]  # another text's place
            rows += [(2, len(ASKED) - 1, "7::integer", 40), (1, position, f"'{'x' * 79}", 50), (3, 0, "odd", 1)]
            for predicate, place, value, times in rows:
                columns = "queryid, %s::bigint, %s::int, %s::text, %s::bigint FROM pg_qualstats_texts"
                connection.execute(
                    f"INSERT INTO pg_qualstats_rows SELECT {columns}".encode(), (predicate, place, value, times)
                )
        yield found


def asked(snapshot: Snapshot) -> dict[tuple[str | None, ...], float]:
    (statement,) = [each for each in snapshot.qualstats_statements if "state" in each.query]
    return {each.values: each.share for each in statement.bindings}


def test_constants_are_values_with_their_shares(url: str, tmp_path: Path) -> None:
    with new_role(url, "pg_read_all_data", "pg_monitor") as role:
        snapshot = read_database(as_role(url, role))
    assert [gap for gap in snapshot.not_examined if "qualstats" in gap.what] == []
    shares = asked(snapshot)
    assert shares == {("done", "7"): pytest.approx(0.625, abs=0.05), ("failed", "7"): pytest.approx(0.375, abs=0.05)}
    dump(snapshot, tmp_path / "a")
    assert load(tmp_path / "a") == snapshot
    (statement,) = [each for each in recorded_workload(snapshot).statements if "WHERE state" in each.text]
    assert statement.calls == 1
    with open_twin(snapshot) as twin:
        _, item = shaped_and_priced(twin, statement)
    assert isinstance(item, PricedStatement)
    priced = {"failed" if "'failed'" in each.text else "done": each.times for each in item.execution.queries}
    assert priced == {"done": pytest.approx(0.625, abs=0.05), "failed": pytest.approx(0.375, abs=0.05)}


def test_without_values_it_is_not_read(url: str) -> None:
    assert read_database(url, allow_superuser=True, values=False).qualstats_statements == ()


def test_functions_that_a_superuser_does_not_own_are_not_called(url: str) -> None:
    with new_role(url) as role, connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER FUNCTION pg_qualstats() OWNER TO {role}".encode())
        try:
            snapshot = read_database(url, allow_superuser=True)
        finally:
            connection.execute("ALTER FUNCTION pg_qualstats() OWNER TO CURRENT_USER")
    assert snapshot.qualstats_statements == ()
    (gap,) = [gap for gap in snapshot.not_examined if "qualstats" in gap.what]
    assert "whose functions a superuser owns" in gap.reason


def test_an_extension_that_fails_does_not_cost_the_capture(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE pg_qualstats_rows RENAME TO pg_qualstats_gone")
        try:
            snapshot = read_database(url, allow_superuser=True)
        finally:
            connection.execute("ALTER TABLE pg_qualstats_gone RENAME TO pg_qualstats_rows")
    assert snapshot.statements
    assert [gap.what for gap in snapshot.not_examined if "qualstats" in gap.what] == ["values of pg_qualstats"]
