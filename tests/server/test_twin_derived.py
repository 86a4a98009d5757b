"""Without samples, what a column's statistics show tells of the expressions that read it, and constraints of pairs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from analyzer.capture.capture import capture
from analyzer.db import Connection, connect
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.twin import Twin, TwinIndex, open_twin
from tests.server.capture_zoo import new_database, run
from tests.server.servers import VERSIONS, server_of

#: As many as ANALYZE reads: statistics have no noise then.
ROWS = 30_000

SETUP = (
    """CREATE TABLE item (
           id int PRIMARY KEY, number int NOT NULL, present int, amount numeric(12, 2), name text, phone text,
           doc jsonb, made timestamptz, day date, opened timestamp, word varchar(20), status text, wide text
       )""",
    f"""INSERT INTO item
       SELECT i, abs(hashint4(i)) % 5000, CASE WHEN i % 4 > 0 THEN abs(hashint4(i * 3)) % 40 END,
              (abs(hashint4(i * 5)) % 1000000) / 100.0, 'Name ' || md5((i % 10000)::text),
              (10 + abs(hashint4(i * 7)) % 25) || '-' || lpad((abs(hashint4(i * 9)) % 1000000)::text, 6, '0'),
              jsonb_build_object('brand', 'brand' || abs(hashint4(i * 11)) % 12, 'serial', i),
              timestamptz '2024-01-01 00:00+00' + i * interval '97 seconds',
              date '1992-01-01' + abs(hashint4(i * 13)) % 2500,
              timestamp '2023-01-01 09:00' + abs(hashint4(i * 17)) % 700 * interval '1 day'
                                           + abs(hashint4(i * 19)) % 28800 * interval '1 second',
              'Word' || abs(hashint4(i * 23)) % 700, (ARRAY['New', 'open', 'OPEN', 'Shut'])[1 + (i % 7) % 4],
              CASE WHEN i % 3 > 0 THEN repeat(md5(i::text), 40) ELSE 'narrow' END
         FROM generate_series(1, {ROWS}) AS i""",
    """CREATE FUNCTION slow(given int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
       'BEGIN PERFORM pg_sleep(0.05); RETURN given; END'""",
    "CREATE TABLE part (a int, b int, PRIMARY KEY (a, b))",
    "INSERT INTO part SELECT i, i * 7919 % 1000 + j FROM generate_series(1, 700) AS i, generate_series(0, 1) AS j",
    """CREATE TABLE line (
           number int NOT NULL, place int NOT NULL, a int NOT NULL, b int NOT NULL,
           FOREIGN KEY (a, b) REFERENCES part, UNIQUE (number, place)
       )""",
    """INSERT INTO line
       SELECT i / 7, i % 7, 1 + n / 2, (1 + n / 2) * 7919 % 1000 + n % 2
         FROM generate_series(1, 30000) AS i, LATERAL (SELECT abs(hashint4(i)) % 1400 AS n) AS drawn""",
    "CREATE TABLE told (a int, b int)",
    "INSERT INTO told SELECT abs(hashint4(i)) % 2000, abs(hashint4(i)) % 2000 / 2 FROM generate_series(1, 30000) AS i",
    "CREATE STATISTICS told_together (ndistinct) ON a, b FROM told",
    "CREATE TABLE held (a int, b text)",
    "INSERT INTO held SELECT i % 1000, repeat('x', i % 37) FROM generate_series(1, 30000) AS i",
    "CREATE INDEX held_already ON held (a, (a + length(b)))",
    "CREATE STATISTICS held_extended ON (a * length(b)) FROM held",
    "VACUUM ANALYZE",
)
#: Index and condition, by what is claimed.
CASES = {
    "year of a date": ("(extract(year FROM day))", "extract(year FROM day) = 1995"),
    "last, shorter year of a date": ("(extract(year FROM day))", "extract(year FROM day) = 1998"),
    "date of a moment": ("(((made AT TIME ZONE 'UTC')::date))", "(made AT TIME ZONE 'UTC')::date = '2024-01-20'"),
    "range of dates": ("(((made AT TIME ZONE 'UTC')::date))", "(made AT TIME ZONE 'UTC')::date > '2024-01-28'"),
    "hour, of which few occur": ("(extract(hour FROM opened))", "extract(hour FROM opened) = 10"),
    "first letters": ("(substring(phone, 1, 2))", "substring(phone, 1, 2) = '13'"),
    "letters and a column": ("(substring(phone, 1, 2), amount)", "substring(phone, 1, 2) = '13' AND amount > 9000"),
    "member": ("((doc ->> 'brand'))", "doc ->> 'brand' = 'brand7'"),
    "member that is unique": ("(((doc ->> 'serial')::int))", "(doc ->> 'serial')::int = 77"),
    "lower() of many": ("(lower(name))", "lower(name) = 'name x'"),
    "lower() that brings values together": ("(lower(status))", "lower(status) = 'open'"),
    "lower() of a varchar": ("(lower(word))", "lower(word) = 'word17'"),
    "md5()": ("(md5(name))", "md5(name) = 'x'"),
    "remainder": ("((number % 10))", "number % 10 = 3"),
    "remainder of a serial number": ("((id % 10))", "id % 10 = 3"),
    "quotient": ("((id / 1000))", "id / 1000 > 25"),
    "without NULL": ("(coalesce(present, 0))", "coalesce(present, 0) = 0"),
    "length": ("(length(word))", "length(word) = 6"),
    "whether there is a value": ("((present IS NULL))", "(present IS NULL) = true AND id < 900"),
    "multiple": ("((amount * 2))", "amount * 2 > 19000"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A database, and its planner once an index was built and analysed."""

    connection: Connection

    def build(self, index: str, query: str) -> tuple[dict[str, Any], int]:
        """Return the plan and the index's pages."""
        try:
            run(self.connection, f"CREATE INDEX built ON {index}")
            run(self.connection, f"ANALYZE {index.split(' ', maxsplit=1)[0]}")
            (row,) = run(self.connection, f"EXPLAIN (FORMAT JSON) {query}")
            (size,) = run(self.connection, "SELECT pg_relation_size('built') / 8192 AS pages")
        finally:
            run(self.connection, "DROP INDEX built")
        return row["QUERY PLAN"][0]["Plan"], size["pages"]


@pytest.fixture(scope="module", params=VERSIONS)
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    with server_of(request) as server, new_database(server) as url, connect(url, autocommit=True) as connection:
        for statement in SETUP:
            run(connection, statement)
        yield Live(connection=connection)


def taken(live: Live, *, values: bool = True) -> Snapshot:
    info = live.connection.info
    url = f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}"
    return capture(url, statements=False, values=values)


@pytest.fixture(scope="module")
def twin(live: Live) -> Iterator[Twin]:
    with open_twin(taken(live)) as opened:
        yield opened


def add(twin: Twin, name: str, index: str) -> TwinIndex:
    (added,) = twin.add(twin.parse_ddl([f"CREATE INDEX {name} ON {index}"]))
    return added


def nodes(plan: Mapping[str, Any]) -> list[str]:
    return [plan["Node Type"], *(name for child in plan.get("Plans", ()) for name in nodes(child))]


@pytest.mark.parametrize("claim", CASES)
def test_an_expression_is_planned_as_if_its_index_had_been_built(claim: str, live: Live, twin: Twin) -> None:
    index, condition = CASES[claim]
    query = f"SELECT * FROM item WHERE {condition}"
    plan, pages = live.build(f"item {index}", query)
    added = add(twin, f"case_{list(CASES).index(claim)}", f"item {index}")
    twin.show([added])
    predicted = twin.plan(query)
    twin.show(())
    assert not added.sampled
    assert not added.guessed
    assert nodes(predicted.tree) == nodes(plan)
    assert predicted.cost == pytest.approx(plan["Total Cost"], rel=0.05)
    assert added.size.pages == pytest.approx(pages, rel=0.1, abs=1)


GUESSED = (
    "item (lower(wide))",  # most of its values are too wide for statistics
    "item ((number + id))",
    "item (slow(number))",  # to evaluate it over a hundred values takes too long
    "item USING gin (to_tsvector('simple', name))",
)


@pytest.mark.parametrize("index", GUESSED)
def test_what_statistics_do_not_show_is_a_guess(index: str, twin: Twin) -> None:
    assert add(twin, f"guess_{GUESSED.index(index)}", index).guessed


def test_without_values_the_column_that_is_wrapped_tells(live: Live) -> None:
    with open_twin(taken(live, values=False)) as blind:
        wrapping, other = add(blind, "wrapping", "item (lower(name))"), add(blind, "other", "item ((number % 10))")
        assert wrapping.guessed
        assert other.guessed
        blind.show([wrapping])
        query = "SELECT * FROM item WHERE lower(name) = 'name x'"
        plan, pages = live.build("item (lower(name))", query)
        assert wrapping.size.pages == pytest.approx(pages, rel=0.1)
        assert blind.plan(query).rows == pytest.approx(plan["Plan Rows"], rel=0.1)


PAIRS = ("line (a, b)", "line (b, a)", "line (number, place)", "line (place, number)", "line (a, b, place)",
         "told (a, b)")  # fmt: skip


@pytest.mark.parametrize("index", PAIRS)
def test_constraints_and_extended_statistics_tell_how_many_combinations_there_are(
    index: str, live: Live, twin: Twin
) -> None:
    _, pages = live.build(index, "SELECT 1")
    assert add(twin, f"pair_{PAIRS.index(index)}", index).size.pages == pytest.approx(pages, rel=0.1, abs=1)


@pytest.mark.parametrize("expression", ["a + length(b)", "a * length(b)"])
def test_an_expression_that_was_analysed_already_is_known(expression: str, live: Live, twin: Twin) -> None:
    index, query = f"held (({expression}))", f"SELECT * FROM held WHERE {expression} < 30"
    plan, pages = live.build(index, query)
    added = add(twin, f"held_{'+' in expression}", index)
    assert not added.guessed
    twin.show([added])
    found = twin.plan(query)
    twin.show(())
    assert found.rows == pytest.approx(plan["Plan Rows"], rel=0.02)
    assert added.size.pages == pytest.approx(pages, rel=0.2)
