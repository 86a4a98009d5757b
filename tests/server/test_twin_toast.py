"""Tables of the twin are stored as those of the captured server, but for the TOAST tables that no plan reads."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import as_role
from tests.server.live_plans import Live, assert_same, live_database

#: Text that no compression makes short.
_LONG = "(SELECT string_agg(md5((i * 64 + part)::text), '') FROM generate_series(1, 64) AS part)"
OBJECTS = (
    'CREATE TABLE narrow (id integer PRIMARY KEY, name text COLLATE "C", words varchar[], body jsonb)',
    "INSERT INTO narrow SELECT i, 'n' || i, ARRAY['w' || i % 9], '{}' FROM generate_series(1, 2000) AS i",
    "CREATE INDEX narrow_name ON narrow (name)",
    "CREATE TABLE kin (note text) INHERITS (narrow)",
    "CREATE TABLE part (id integer, name text) PARTITION BY RANGE (id)",
    "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (5000)",
    "INSERT INTO part SELECT id, name FROM narrow",
    "CREATE INDEX part_name ON part (name)",
    f"CREATE TABLE wide (id integer, {', '.join(f'c{n} text' for n in range(6))})",
    f"INSERT INTO wide SELECT i, {', '.join([_LONG] * 6)} FROM generate_series(1, 60) AS i",
    *(f"CREATE INDEX wide_{n} ON wide (c{n})" for n in range(6)),
    "VACUUM ANALYZE",
)
STATEMENTS = (
    "SELECT * FROM narrow WHERE name > 'n999'",
    "SELECT * FROM narrow WHERE name = 'n7' AND words @> '{w1}'",
    "SELECT * FROM part WHERE name BETWEEN 'n1' AND 'n2'",
    *(f"SELECT id FROM wide WHERE c{n} > '{letter}'" for n in range(6) for letter in "af"),
)
_STORAGE = """
    SELECT c.relname AS name, c.reltoastrelid <> 0 AS has_toast,
           bool_or(a.attstorage <> t.typstorage) AS is_changed
      FROM pg_class AS c
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
      JOIN pg_type AS t ON t.oid = a.atttypid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')
     GROUP BY c.oid
"""


@pytest.fixture(scope="module")
def live(any_server: str) -> Iterator[Live]:
    with live_database(any_server, OBJECTS) as database:
        yield database


@pytest.fixture(scope="module")
def twin(live: Live) -> Iterator[Twin]:
    with open_twin(capture(as_role(live.url, live.role), statements=False)) as opened:
        yield opened


def test_plans_are_those_of_the_captured_server(live: Live, twin: Twin) -> None:
    assert lacking(twin) == ()
    for statement in STATEMENTS:
        assert_same(twin.plan(statement), live.plan(statement))


def test_only_rows_that_need_one_have_a_toast_table(twin: Twin) -> None:
    rows = twin.built.inflated.superuser.execute(_STORAGE.encode()).fetchall()
    assert {row["name"] for row in rows if row["is_changed"]} == set()
    with_toast = {row["name"] for row in rows if row["has_toast"]}
    if twin.built.major >= 16:
        assert with_toast == {"wide"}
    else:
        assert {"narrow", "wide"} <= with_toast
