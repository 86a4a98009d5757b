"""A capture runs nothing that a user of the database planted, whoever captures, and says what it left alone for that.

Each planted function writes a file in the server's own directory, which a superuser's session may: the canary. A
capture that is allowed to run such functions shows that the place is one where they do run.
"""

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from tests.server.capture_zoo import as_role, new_role, run
from tests.server.hostile_schema import MALLORY, ROWS, TABLE, Hostile, hostile_database

PLACES: dict[str, tuple[str, ...]] = {
    "predicate": (TABLE, ROWS, "CREATE INDEX ON app.planted (b) WHERE app.quiet('predicate') = 1"),
    "expression": (TABLE, ROWS, "CREATE INDEX ON app.planted ((app.quiet('expression')))"),
    "statistics": (TABLE, ROWS, "CREATE STATISTICS app.s ON (app.quiet('statistics') + id), c FROM app.planted"),
    "gin": (TABLE, ROWS, "CREATE INDEX ON app.planted USING gin ((ARRAY[app.quiet('gin'), c]))"),
    "operator": (
        """CREATE FUNCTION app.same(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
           $f$ BEGIN RETURN app.run($1) = 1; END $f$""",
        "CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = text, RIGHTARG = text)",
        TABLE,
        ROWS,
        "CREATE INDEX ON app.planted (b) WHERE 'operator'::text OPERATOR(app.===) 'x'::text",
    ),
    "cast": (
        "CREATE TYPE app.mood AS ENUM ('low', 'high')",
        """CREATE FUNCTION app.told(app.mood) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
           $f$ BEGIN PERFORM app.run('cast'); RETURN 'x'; END $f$""",
        "CREATE CAST (app.mood AS text) WITH FUNCTION app.told(app.mood) AS IMPLICIT",
        "CREATE TABLE app.planted (id int PRIMARY KEY, mood app.mood)",
        "CREATE INDEX ON app.planted ((mood::text))",
        "INSERT INTO app.planted SELECT n, 'low' FROM generate_series(1, 9) AS n",
        "CREATE INDEX ON app.planted (id) WHERE 'low'::app.mood::text = 'x'",
    ),
    "check": (TABLE, ROWS, "ALTER TABLE app.planted ADD CHECK (id > 0 OR app.quiet('check') = 2)"),
    "partition": (
        "CREATE TABLE app.whole (id int, b text) PARTITION BY RANGE ((id + app.quiet('partition')))",
        "CREATE TABLE app.planted PARTITION OF app.whole FOR VALUES FROM (0) TO (100000)",
        "CREATE INDEX ON app.planted (b)",
        "INSERT INTO app.planted SELECT n, 'b' || n FROM generate_series(1, 3000) AS n",
    ),
    "inherited check": (
        "CREATE TABLE app.top (id int PRIMARY KEY, CHECK (id > 0 OR app.quiet('inherited check') = 2))",
        "CREATE TABLE app.planted (b text) INHERITS (app.top)",
        "CREATE INDEX ON app.planted (b)",
        "INSERT INTO app.planted SELECT n, 'b' || n FROM generate_series(1, 3000) AS n",
    ),
    "member of an extension": (
        "CREATE EXTENSION citext SCHEMA app",
        TABLE,
        ROWS,
        "CREATE INDEX ON app.planted (b) WHERE app.quiet('member of an extension') = 1",
        "ALTER EXTENSION citext ADD FUNCTION app.quiet(text)",
    ),
}


@pytest.fixture
def hostile(server: str) -> Iterator[Hostile]:
    with hostile_database(server) as found:
        yield found


def read(url: str, **options: Any) -> Snapshot:
    return capture(url, statements=False, sample_rows=20, **options)


def left_alone(snapshot: Snapshot) -> dict[str, str]:
    return {gap.what: gap.reason for gap in snapshot.not_examined if gap.what.startswith("values of ")}


@pytest.mark.parametrize("place", PLACES)
def test_a_superusers_capture_runs_nothing_that_was_planted(hostile: Hostile, place: str) -> None:
    unique = f"{place} {secrets.token_hex(4)}"
    hostile.plant(*(statement.replace(f"'{place}'", f"'{unique}'") for statement in PLACES[place]))
    snapshot = read(hostile.url)
    assert unique not in hostile.sung()
    reason = left_alone(snapshot)["values of app.planted"]
    assert "app." in reason
    assert "--run-user-code" in reason
    assert {sample.table for sample in snapshot.samples} >= {"fine"}
    assert "planted" not in {each.table for each in (*snapshot.samples, *snapshot.extremes)}
    allowed = read(hostile.url, run_user_code=True)
    assert unique in hostile.sung(), "the planted code cannot be reached there, so the test proves nothing"
    assert left_alone(allowed) == {}
    assert "planted" in {sample.table for sample in allowed.samples}


def test_a_readers_rights_do_not_leak_what_it_may_read(hostile: Hostile) -> None:
    with connect(hostile.url, autocommit=True) as connection:
        run(connection, "CREATE TABLE public.salaries AS SELECT 'salary is 5000' AS note")
    hostile.plant(
        TABLE,
        ROWS,
        """CREATE OR REPLACE FUNCTION app.quiet(place text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $f$
           BEGIN
               PERFORM set_config('application_name', (SELECT note FROM public.salaries), false), pg_sleep(0.3);
               RETURN 1;
           EXCEPTION WHEN insufficient_privilege THEN RETURN 1; END $f$""",
        "CREATE INDEX ON app.planted (b) WHERE app.quiet('x') = 1",
    )
    seen: set[str] = set()
    begun, done = threading.Event(), threading.Event()

    def look() -> None:
        with connect(hostile.url, autocommit=True) as connection:
            while not done.wait(0.005):
                found = run(connection, "SELECT application_name AS name FROM pg_stat_activity")
                seen.update(row["name"] for row in found)
                begun.set()

    with new_role(hostile.url, "pg_monitor", "pg_read_all_data") as role, ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            assert begun.wait(30)
            read(as_role(hostile.url, role))
            assert "twindex capture" in seen
            assert "salary is 5000" not in seen
            read(as_role(hostile.url, role), run_user_code=True)
            assert "salary is 5000" in seen
        finally:
            done.set()
        looking.result()


def test_what_extensions_and_superusers_made_is_examined(hostile: Hostile) -> None:
    with connect(hostile.url, autocommit=True) as connection:
        for statement in (
            "CREATE EXTENSION pg_trgm SCHEMA public",
            "CREATE EXTENSION citext SCHEMA public",
            "CREATE EXTENSION hstore SCHEMA public",
            "CREATE FUNCTION public.norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)'",
            "CREATE DOMAIN public.email AS citext CHECK (VALUE LIKE '%@%')",
            "CREATE TYPE public.state AS ENUM ('on', 'off')",
            "CREATE TABLE public.t (id int PRIMARY KEY, e email, s state, h hstore, r int4range)",
            "CREATE INDEX ON public.t (norm(e::text))",
            "CREATE INDEX ON public.t (e)",
            "CREATE INDEX ON public.t USING gin (h)",
            "CREATE INDEX ON public.t (s) WHERE s = 'on'",
            "CREATE INDEX ON public.t USING gin (lower(e::text) gin_trgm_ops)",
            "CREATE INDEX ON public.t USING gist (r)",
            f"ALTER TABLE public.t OWNER TO {MALLORY}",
            "INSERT INTO public.t SELECT n, n || '@b', 'on', '', int4range(1, n + 1) FROM generate_series(1, 9) AS n",
        ):
            run(connection, statement)
    snapshot = read(hostile.url)
    assert left_alone(snapshot) == {}
    ends = {each.column: (each.minimum, each.maximum) for each in snapshot.extremes if each.table == "t"}
    assert ends == {"id": ("1", "9"), "e": ("1@b", "9@b")}


def test_a_value_is_printed_as_its_type_prints_it(hostile: Hostile) -> None:
    columns = {
        "boolean": "n % 2 = 0", "char(5)": "n", '"char"': "'a'", "name": "'n' || n", "inet": "'10.0.0.' || n",
        "cidr": "'10.0.0.0/8'", "bytea": "'a'", "numeric(6,2)": "n", "float8": "n / 3.0", "timestamptz": "'epoch'",
        "interval": "'1 day'", "int[]": "ARRAY[n, n]", "char(3)[]": "ARRAY['a', 'b']", "boolean[]": "ARRAY[true]",
        "int4range": "int4range(1, n + 1)", "app.mood": "'high'", "app.mood[]": "ARRAY['low', 'high']::app.mood[]",
        "app.grim": "'low'", "app.flag": "true", "app.fixed": "'ab'", "app.host": "'::1'", "app.pair": "ROW(n, 'x y')",
        "app.moods": "app.moods('low', 'high')", "uuid": "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "bit(3)": "'101'",
        "money": "n", "jsonb": "'{\"a\": 1}'", "xid8": "'7'", "macaddr": "'08:00:2b:01:02:03'", "tsvector": "'a b'",
    }  # fmt: skip
    names = {f"c{number}": kind for number, kind in enumerate(columns)}
    hostile.plant(
        "CREATE TYPE app.mood AS ENUM ('low', 'high')", "CREATE DOMAIN app.grim AS app.mood",
        "CREATE DOMAIN app.flag AS boolean", "CREATE DOMAIN app.fixed AS char(4)", "CREATE DOMAIN app.host AS inet",
        "CREATE TYPE app.pair AS (a int, b text)", "CREATE TYPE app.moods AS RANGE (subtype = app.mood)",
        f"CREATE TABLE app.types ({', '.join(f'{name} {kind}' for name, kind in names.items())})",
        "INSERT INTO app.types SELECT "
        + ", ".join(f"({value})::{kind}" for kind, value in columns.items())
        + " FROM generate_series(1, 3) AS n",
        *(f"CREATE INDEX ON app.types ({name})" for name in names),
    )  # fmt: skip
    with connect(hostile.url) as connection:
        run(connection, "SET TimeZone = 'UTC'")
        cast = ", ".join(
            f"(SELECT {name}::text FROM app.types ORDER BY {name} DESC LIMIT 1) AS {name}" for name in names
        )
        (expected,) = run(connection, f"SELECT {cast}")
    printed = {each.column: each.maximum for each in read(hostile.url).extremes if each.table == "types"}
    assert printed == expected
    assert len(printed) == len(columns)
