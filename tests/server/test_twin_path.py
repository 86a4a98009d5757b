"""Functions whose bodies find names by the application's search_path, as the server that plans finds them."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.server import cluster
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import as_role, new_database, new_role, run
from tests.server.live_plans import Live, assert_same
from tests.server.servers import DEBIAN_15, SETTINGS, need_15

#: Each finds what it calls in the path alone: a function, a type, an operator, in another schema too.
OBJECTS = (
    "CREATE SCHEMA tools",
    "SET search_path = public, tools",
    "CREATE EXTENSION unaccent",
    "CREATE EXTENSION cube",
    "CREATE EXTENSION earthdistance",
    "CREATE FUNCTION tools.squeezed(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS 'SELECT lower($1)'",
    "CREATE FUNCTION f_unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS 'SELECT unaccent($1)'",
    "CREATE FUNCTION squeezed_twice(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT squeezed(squeezed($1))'",
    "CREATE TABLE t (id integer PRIMARY KEY, a text, b text, s text GENERATED ALWAYS AS (squeezed_twice(b)) STORED)",
    "CREATE TABLE place (id integer PRIMARY KEY, lat float8, lon float8)",
    "INSERT INTO t SELECT i, 'Ä' || i % 300, 'B' || i % 40 FROM generate_series(1, 6000) AS i",
    "INSERT INTO place SELECT i, i % 80, i % 170 FROM generate_series(1, 3000) AS i",
    "CREATE INDEX t1 ON t (f_unaccent(a))",
    "CREATE INDEX t2 ON t (squeezed_twice(b)) WHERE f_unaccent(a) <> 'A7'",
    "CREATE INDEX place_at ON place USING gist (ll_to_earth(lat, lon))",
    "CREATE STATISTICS t_known ON (squeezed_twice(b)), (f_unaccent(a)) FROM t",
    "VACUUM ANALYZE t",
    "VACUUM ANALYZE place",
)
STATEMENTS = (
    "SELECT * FROM t WHERE f_unaccent(a) = 'A7'",
    "SELECT a FROM t WHERE a = 'Ä7'",
    "SELECT * FROM t WHERE f_unaccent(a) = f_unaccent($1)",
    "SELECT * FROM t WHERE squeezed_twice(b) = 'b3' AND f_unaccent(a) <> 'A7'",
    "SELECT f_unaccent(a), count(*) FROM t GROUP BY 1",
    "SELECT f_unaccent(a), squeezed_twice(b) FROM t GROUP BY 1, 2",
    "SELECT count(*) FROM t WHERE s = 'b3'",
    "SELECT id FROM place WHERE earth_box(ll_to_earth(10, 20), 1000) @> ll_to_earth(lat, lon)",
    "UPDATE t SET b = 'x' WHERE id = 3",
)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """On PostgreSQL 15: since 17 the server builds no index with such a function."""
    need_15()
    memberships = ("pg_read_all_data", "pg_write_all_data")
    with (
        cluster.temporary(cluster.find_binaries(DEBIAN_15), settings=SETTINGS) as running,
        new_database(running.url()) as url,
        new_role(url, *memberships) as role,
    ):
        with connect(url, autocommit=True) as connection:
            for statement in (f"ALTER ROLE {role} SET search_path = public, tools", *OBJECTS):
                run(connection, statement)
        yield Live(url=url, role=role)


@pytest.fixture(scope="module")
def snapshot(live: Live) -> Snapshot:
    return capture(as_role(live.url, live.role), statements=False)


@pytest.fixture(scope="module")
def twin(snapshot: Snapshot) -> Iterator[Twin]:
    with open_twin(snapshot) as opened:
        yield opened


def test_nothing_is_missing_but_what_a_capture_cannot_read(snapshot: Snapshot, twin: Twin) -> None:
    assert lacking(twin) == ()
    reasons = {gap.what: gap.reason for gap in snapshot.not_examined}
    assert reasons.keys() == {"extremes of public.place", "extremes of public.t"}
    assert reasons["extremes of public.t"].startswith("function unaccent(text) does not exist (SQL function ")


@pytest.mark.parametrize("statement", STATEMENTS)
def test_they_are_planned_as_there(statement: str, live: Live, twin: Twin) -> None:
    assert twin.obstacle(statement) is None
    assert_same(twin.plan(statement), live.plan(statement))


def test_an_index_with_one_is_added(twin: Twin) -> None:
    (index,) = twin.parse_ddl(["CREATE INDEX more ON public.t (public.f_unaccent(b))"])
    (added,) = twin.add([index])
    twin.show([added])
    assert "more" in twin.plan("SELECT * FROM t WHERE f_unaccent(b) = 'B7'").indexes


def test_what_the_server_builds_with_the_path_of_the_session(any_server: str) -> None:
    """Of every version, and in the schema of the captured role."""
    with new_database(any_server) as url, new_role(url, "pg_read_all_data") as role:
        with connect(url, autocommit=True) as connection:
            run(connection, f"CREATE SCHEMA {role}")
            run(connection, f"SET search_path = {role}")
            run(connection, "CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)'")
            run(connection, "CREATE FUNCTION twice(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT plain($1)'")
            run(
                connection,
                "CREATE TABLE note (id integer, body text CHECK (twice(body) <> ''), "
                "words text GENERATED ALWAYS AS (twice(body)) STORED)",
            )
            run(connection, "INSERT INTO note SELECT i, 'B' || i % 40 FROM generate_series(1, 2000) AS i")
            run(connection, "VACUUM ANALYZE note")
        here = Live(url=url, role=role)
        with open_twin(capture(as_role(url, role), statements=False)) as twin:
            assert lacking(twin) == ()
            for statement in ("SELECT * FROM note WHERE words = 'b7'", "SELECT * FROM note WHERE twice(body) = 'b7'"):
                assert_same(twin.plan(statement), here.plan(statement))
