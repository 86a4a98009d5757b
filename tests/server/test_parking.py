"""What an index that is only on the twin does to plans that do not use it: nothing."""

from collections.abc import Iterator

import pytest
from psycopg import sql

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import fresh_database

SETUP = (
    "CREATE TABLE event (id bigint PRIMARY KEY, kind integer NOT NULL, made date NOT NULL, note text)",
    "INSERT INTO event SELECT i, i % 9, date '2026-01-01' + i / 100, md5(i::text) FROM generate_series(1, 40000) AS i",
    "CREATE INDEX event_made ON event (made)",
    "CREATE TABLE single (id bigint PRIMARY KEY, code text NOT NULL)",
    "INSERT INTO single VALUES (1, 'one')",
    "VACUUM ANALYZE",
    # Beyond every histogram, so that the planner asks the indexes for their ends.
    "INSERT INTO event SELECT i, i % 9, date '2027-06-01', 'late' FROM generate_series(40001, 41000) AS i",
)
LATE = ("SELECT * FROM event WHERE made > date '2027-01-01'", "SELECT count(*) FROM event WHERE id > 40100")


def index(table: str, *keys: Key, name: str = "candidate", unique: bool = False) -> IndexDef:
    return IndexDef(schema="public", table=table, name=name, keys=keys, unique=unique)


@pytest.fixture(scope="module")
def twin(server: str) -> Iterator[tuple[str, Twin]]:
    with fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in SETUP:
                connection.execute(sql.SQL(statement))
        with open_twin(capture(url, statements=False)) as opened:
            yield url, opened


@pytest.mark.parametrize("statement", LATE)
def test_an_index_on_a_column_whose_extremes_are_known_knows_them_too(twin: tuple[str, Twin], statement: str) -> None:
    url, opened = twin
    with connect(url) as connection:
        text = f"EXPLAIN (FORMAT JSON) {statement}"
        row = connection.execute(sql.SQL(text)).fetchone()  # pyright: ignore[reportArgumentType] - a constant above
    assert row is not None
    live = row["QUERY PLAN"][0]["Plan"]["Total Cost"]
    added = opened.add((
        index("event", Key(column="made"), Key(column="note"), name=f"made_{len(statement)}"),
        index("event", Key(column="id"), Key(column="note"), name=f"id_{len(statement)}"),
    ))  # fmt: skip
    opened.show(())
    assert opened.plan(statement).cost == pytest.approx(live, rel=1e-6)
    opened.show(added)
    assert opened.plan(statement).cost == pytest.approx(live, rel=1e-6)


def test_rows_that_are_in_the_way_of_an_index_are_left_out_of_it(twin: tuple[str, Twin]) -> None:
    _, opened = twin
    candidates = (
        # Of one row the twin has two, with NULLs where no index leads.
        index("single", Key(column="id"), unique=True, name="one"),
        index("event", Key(expression="1 / (kind - kind + 1)"), name="computed"),
        index("event", Key(expression="coalesce(1 / nullif(kind, kind), 1 / (coalesce(kind, 0)))"), name="divided"),
    )
    added, rejected = opened.try_add(candidates)
    assert not rejected
    assert [each.index for each in added] == list(candidates)
