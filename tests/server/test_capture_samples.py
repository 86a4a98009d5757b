"""What a sample of rows adds: the twin estimates expressions, predicates and GIN indexes as if they had been built."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from alembic import command
from alembic.config import Config

from analyzer.capture import samples
from analyzer.capture.capture import capture
from analyzer.db import Connection, connect
from analyzer.demo import data
from analyzer.demo.story import SCHEMA_REVISION
from analyzer.documents import snapshot as snapshots
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.predict.analyze import Counted, estimate
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import fresh_database
from tests.server.capture_zoo import as_role, new_database, new_role, run
from tests.server.servers import VERSIONS, server_of

ROOT = Path(__file__).parents[2]
ROWS = 60_000
SAMPLED = 6_000

OBJECTS = (
    "CREATE SCHEMA shop",
    "CREATE EXTENSION pg_trgm",
    """CREATE TABLE shop.item (
           id int PRIMARY KEY, name text, doc jsonb, tags text[], at timestamptz, status text, amount numeric,
           "Odd ""name" text, huge text, twice int GENERATED ALWAYS AS (1 + 1) STORED, skip text
       )""",
    "ALTER TABLE shop.item DROP COLUMN skip",
    f"""INSERT INTO shop.item
       SELECT i,
              (SELECT string_agg((ARRAY['red', 'blue', 'green', 'wood', 'metal', 'large', 'small', 'chair', 'table',
                                        'lamp', 'phone', 'cover'])[1 + abs(hashint4(i * 4 + g)) % 12], ' ')
               FROM generate_series(1, 4) AS g) || ' ' || substr(md5(i::text), 1, 6),
              jsonb_build_object('brand', 'b' || (abs(hashint4(i)) % 1000) * (abs(hashint4(-i)) % 1000) / 1000,
                                 'size', abs(hashint4(i * 3)) % 40, 'serial', i,
                                 'score', abs(hashint4(i * 5)) / 2.0^31),
              ARRAY['t' || abs(hashint4(i * 7)) % 300, 'u' || i % 7],
              timestamptz '2024-01-01' + i * interval '97 seconds', 'status ' || abs(hashint4(i * 11)) % 12,
              (abs(hashint4(i * 13)) % 1000000) / 100.0, 'o' || i % 9,
              CASE WHEN i % 50 = 0 THEN repeat(md5(i::text), 9000) END
       FROM generate_series(1, {ROWS}) AS i""",
    "CREATE TABLE shop.small (a int, b text)",
    "INSERT INTO shop.small SELECT i, E'tab\\t, back\\\\slash\\n, \\u00e9' || i FROM generate_series(1, 200) AS i",
    "CREATE TABLE shop.secured (a int)",
    "INSERT INTO shop.secured SELECT generate_series(1, 100)",
    "CREATE TABLE shop.never_analysed (a int, b text)",
    "INSERT INTO shop.never_analysed SELECT i, 'x' || i FROM generate_series(1, 50000) AS i",
    "VACUUM ANALYZE shop.item",
    "ANALYZE shop.small",
    "ANALYZE shop.secured",
)
#: Index and query, by what is claimed.
CASES = {
    "jsonb member": ("((doc ->> 'brand'))", "doc ->> 'brand' = 'b17'"),
    "common jsonb member": ("((doc ->> 'brand'))", "doc ->> 'brand' = 'b0'"),
    "cast member": ("(((doc ->> 'size')::int))", "(doc ->> 'size')::int = 3"),
    "range of a cast member": ("(((doc ->> 'score')::float8))", "(doc ->> 'score')::float8 > 0.997"),
    "prefix of lower()": ("(lower(name) text_pattern_ops)", "lower(name) LIKE 'blue%'"),
    "two keys": ("(substr(name, 1, 3), status)", "substr(name, 1, 3) = 'red' AND status = 'status 4'"),
    "element of an array": ["((tags[1]))", "tags[1] = 't55'"],
    "predicate over an expression": ("(at) WHERE (doc ->> 'size')::int = 7", "(doc ->> 'size')::int = 7 AND id > 9"),
    "expression in a partial index": ("((amount * 2)) WHERE status = 'status 3'",
                                      "amount * 2 > 19000 AND status = 'status 3'"),
    "odd name": ("""(upper("Odd ""name"), id)""", """upper("Odd ""name") = 'O3' AND id < 1000"""),
    "text search": (" USING gin (to_tsvector('simple', name))",
                    "to_tsvector('simple', name) @@ to_tsquery('simple', 'chair & lamp')"),
    "gin over jsonb": (" USING gin (doc jsonb_path_ops)", """doc @> '{"brand": "b7"}'"""),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A database with rows nobody has statistics of, and what its planner makes of an index."""

    url: str

    def build(self, index: str, query: str) -> tuple[float, float, int]:
        """Return cost and rows of a query with an index that was really built, and its pages."""
        with connect(self.url, autocommit=True) as connection:
            try:
                run(connection, f"CREATE INDEX built ON shop.item {index}")
                if "jsonb_path_ops" not in index:  # a plain column: other statistics would only blur the comparison
                    run(connection, "ANALYZE shop.item")
                (row,) = run(connection, f"EXPLAIN (FORMAT JSON) SELECT id FROM shop.item WHERE {query}")
                (size,) = run(connection, "SELECT pg_relation_size('shop.built') / 8192 AS pages")
            finally:
                run(connection, "DROP INDEX shop.built")
        plan = row["QUERY PLAN"][0]["Plan"]
        return plan["Total Cost"], plan["Plan Rows"], size["pages"]


@pytest.fixture(scope="module", params=VERSIONS)
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """The database."""
    with server_of(request) as server, new_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in OBJECTS:
                run(connection, statement)
        yield Live(url=url)


@pytest.fixture(scope="module")
def snapshot(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The database with samples, captured by the documented role, written and read again."""
    with new_role(live.url, "pg_monitor", "pg_read_all_data") as role:
        taken = capture(as_role(live.url, role), statements=False, sample_rows=SAMPLED)
    path = tmp_path_factory.mktemp("samples") / "with.snapshot"
    snapshots.dump(taken, path)
    return snapshots.load(path)


@pytest.fixture(scope="module")
def sampled(snapshot: Snapshot) -> Iterator[Twin]:
    """A twin that knows the samples."""
    with open_twin(snapshot) as twin:
        yield twin


@pytest.fixture(scope="module")
def blind(snapshot: Snapshot) -> Iterator[Twin]:
    """A twin of the same snapshot without them."""
    with open_twin(snapshot.model_copy(update={"samples": ()})) as twin:
        yield twin


def predict(twin: Twin, name: str, index: str, query: str) -> tuple[float, float, int, bool]:
    """Return cost and rows of a query on the twin with an index added, its pages, and whether a sample told of it."""
    (added,) = twin.add(twin.parse_ddl([f"CREATE INDEX {name} ON shop.item {index}"]))
    twin.show([added])
    plan = twin.plan(f"SELECT id FROM shop.item WHERE {query}")
    twin.show(())
    return plan.cost, plan.rows, added.size.pages, added.sampled


@pytest.mark.parametrize("claim", CASES)
def test_an_index_is_estimated_as_if_it_had_been_built(claim: str, live: Live, sampled: Twin) -> None:
    index, query = CASES[claim]
    name = f"case_{list(CASES).index(claim)}"
    cost, rows, pages = live.build(index, query)
    predicted_cost, predicted_rows, predicted_pages, from_sample = predict(sampled, name, index, query)
    assert from_sample
    if claim != "gin over jsonb":  # a plain column: its own statistics decide, which ANALYZE has drawn anew meanwhile
        assert predicted_cost / cost == pytest.approx(1, abs=0.3)
        # A few rows more or less of few are no error.
        assert predicted_rows == pytest.approx(rows, rel=0.35, abs=40)
    assert predicted_pages == pytest.approx(pages, rel=0.25, abs=2)


def test_without_the_sample_estimates_are_far_off(live: Live, sampled: Twin, blind: Twin) -> None:
    worst = 1.0
    for number, claim in enumerate(("range of a cast member", "prefix of lower()", "text search")):
        index, query = CASES[claim]
        rows = live.build(index, query)[1]
        predicted = predict(blind, f"blind_{number}", index, query)
        assert not predicted[3]
        worst = max(worst, predicted[1] / rows, rows / predicted[1])
    assert worst > 10
    assert "row samples" in sampled.planner
    assert "row samples" not in blind.planner


def test_samples_are_bounded_and_the_same_each_time(live: Live, snapshot: Snapshot) -> None:
    taken = {sample.table: sample for sample in snapshot.samples}
    assert 0.9 * SAMPLED <= len(taken["item"].lines) <= SAMPLED
    assert taken["item"].incomplete == ("huge",)
    assert all(len(line) < 2_000 for line in taken["item"].lines)
    assert "skip" not in taken["item"].columns
    assert len(taken["small"].lines) == 200
    assert len(taken["never_analysed"].lines) == SAMPLED
    numbers = [int(line.split("\t")[0]) for line in taken["item"].lines]
    assert numbers == sorted(numbers)
    assert numbers[-1] > 0.97 * ROWS
    again = capture(live.url, statements=False, sample_rows=SAMPLED)
    assert again.samples == snapshot.samples


def test_odd_characters_survive(snapshot: Snapshot, sampled: Twin, live: Live) -> None:
    (added,) = sampled.add(sampled.parse_ddl(["CREATE INDEX small_upper ON shop.small (upper(b))"]))
    assert added.sampled
    sampled.show([added])
    found = sampled.plan("SELECT * FROM shop.small WHERE upper(b) > E'TAB\\t'")
    sampled.show(())
    with connect(live.url, autocommit=True) as connection:
        run(connection, "CREATE INDEX small_upper ON shop.small (upper(b))")
        run(connection, "ANALYZE shop.small")
        (row,) = run(connection, r"EXPLAIN (FORMAT JSON) SELECT * FROM shop.small WHERE upper(b) > E'TAB\t'")
        run(connection, "DROP INDEX shop.small_upper")
    # The sample is the whole table here, and so are its statistics.
    assert found.rows == row["QUERY PLAN"][0]["Plan"]["Plan Rows"]


def test_an_expression_over_values_that_were_too_large_is_left_to_guesses(sampled: Twin) -> None:
    (added,) = sampled.add(sampled.parse_ddl(["CREATE INDEX item_huge ON shop.item (md5(huge))"]))
    assert not added.sampled


def test_a_table_the_role_may_not_read_whole_has_no_sample(live: Live) -> None:
    with new_role(live.url, "pg_monitor") as role, connect(live.url, autocommit=True) as connection:
        run(connection, f"GRANT USAGE ON SCHEMA shop TO {role}")
        run(connection, f"GRANT SELECT ON shop.small TO {role}")
        run(connection, f"GRANT SELECT (id) ON shop.item TO {role}")
        taken = capture(as_role(live.url, role), statements=False, sample_rows=10)
    assert [sample.table for sample in taken.samples] == ["small"]
    gaps = {gap.what for gap in taken.not_examined}
    assert {"sample of shop.item", "sample of shop.secured"} <= gaps


def test_wide_rows_make_the_sample_smaller(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "TABLE_BYTES", 100_000)
    taken = capture(live.url, statements=False, sample_rows=SAMPLED)
    (item,) = [sample for sample in taken.samples if sample.table == "item"]
    assert 50 < len(item.lines) < 2_000
    assert sum(map(len, item.lines)) <= 100_000
    numbers = [int(line.split("\t")[0]) for line in item.lines]
    assert numbers[-1] > 0.9 * ROWS


def test_a_sample_that_takes_too_long_is_skipped_and_said(live: Live) -> None:
    with connect(live.url, autocommit=True) as connection:
        for statement in (
            "CREATE TABLE shop.slowly (a int, b text)",
            "CREATE INDEX slowly_b ON shop.slowly (b)",
            "INSERT INTO shop.slowly SELECT i, 'a' FROM generate_series(1, 100) AS i",
            "ANALYZE shop.slowly",
            """CREATE FUNCTION shop.slow_here() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
               BEGIN
                   IF current_setting('transaction_read_only') = 'on' THEN PERFORM pg_sleep(30); END IF;
                   RETURN true;
               END $$""",
            "CREATE INDEX slowly_a ON shop.slowly (a) WHERE shop.slow_here()",
        ):
            run(connection, statement)
        taken = capture(live.url, statements=False, statement_timeout_ms=700)
        run(connection, "DROP TABLE shop.slowly")
    gaps = {gap.what: gap.reason for gap in taken.not_examined}
    assert "longer than the statement timeout" in gaps["extremes of shop.slowly"]
    assert taken.relation("shop", "slowly") is not None
    assert ("item", "id") in {(extreme.table, extreme.column) for extreme in taken.extremes}


@pytest.mark.parametrize(
    ("statement_timeout_ms", "said"), [(30_000, "holds a lock on it"), (450, "longer than the statement timeout")]
)
def test_a_table_that_gets_locked_meanwhile_is_skipped_and_said(
    statement_timeout_ms: int, said: str, live: Live
) -> None:
    with connect(live.url) as holder:

        def lock(part: str) -> None:
            if part == "statistics":
                run(holder, "LOCK TABLE shop.small, shop.item IN ACCESS EXCLUSIVE MODE")

        taken = capture(
            live.url, statements=False, sample_rows=10, statement_timeout_ms=statement_timeout_ms, progress=lock
        )
        holder.rollback()
    gaps = {gap.what: gap.reason for gap in taken.not_examined}
    for what in ("extremes of shop.item", "sample of shop.item", "sample of shop.small"):
        assert said in gaps[what]
    assert {"item", "small"} <= {relation.name for relation in taken.relations}
    assert {"secured", "never_analysed"} <= {sample.table for sample in taken.samples}


def test_estimates_of_a_whole_table_are_those_of_analyze(live: Live) -> None:
    with connect(live.url) as connection:
        for column in ("status", "at", "amount", "name", "id"):
            run(connection, "DROP TABLE IF EXISTS part")
            run(connection, "CREATE TEMPORARY TABLE part AS SELECT * FROM shop.item WHERE id <= 5000")
            run(connection, "ANALYZE part")
            assert_same_as_analyze(connection, column)


def assert_same_as_analyze(connection: Connection, column: str) -> None:
    """Compare with pg_stats, where the sample is the table."""
    counts = run(connection, f"SELECT count(*) AS n, {column}::text AS v FROM part GROUP BY {column} ORDER BY {column}")
    counted = Counted(counts=tuple((n, row["n"]) for n, row in enumerate(counts)), rows=5000, absent=0, wide=0)
    found = estimate(counted, total_rows=5000, target=100)
    (row,) = run(
        connection,
        """SELECT n_distinct, most_common_vals::text::text[] AS common, most_common_freqs AS frequencies,
                  histogram_bounds::text::text[] AS bounds
           FROM pg_stats WHERE tablename = 'part' AND attname = %(column)s""",
        column=column,
    )
    assert found.distinct == pytest.approx(row["n_distinct"], rel=1e-6)
    assert sorted(counts[place]["v"] for place in found.common) == sorted(row["common"] or [])
    assert sorted(found.frequencies) == pytest.approx(sorted(row["frequencies"] or []), rel=1e-5)
    assert [counts[place]["v"] for place in found.bounds] == (row["bounds"] or [])


@pytest.fixture(scope="module")
def platform(server: str) -> Iterator[str]:
    """URL of the reference platform at its fast scale, without indexes on expressions."""
    with fresh_database(server) as url:
        config = Config(ROOT / "alembic.ini", stdout=StringIO())
        config.attributes["url"] = url
        command.upgrade(config, SCHEMA_REVISION)
        with connect(url) as connection:
            data.load(connection, scale=data.FAST, seed=11, progress=lambda _table, _done, _total: None)
        with connect(url, autocommit=True) as connection:
            run(connection, "VACUUM ANALYZE")
        yield url


#: Table, index and condition, of the reference platform; what its own specs declare, and more.
PLATFORM = (
    ("catalog.product", "((attributes ->> 'brand'))", "attributes ->> 'brand' = 'Brand 7'"),
    ("catalog.customer", "(lower(email))", "lower(email) = 'x@example.org'"),
    ("catalog.vendor", "(lower(name))", "lower(name) > 'm'"),
    ("catalog.product", "(date_trunc('month', created_at AT TIME ZONE 'UTC'))",
     "date_trunc('month', created_at AT TIME ZONE 'UTC') = '2025-03-01'"),
    ("catalog.product", "(length(name))", "length(name) > 40"),
    ("catalog.product", "(split_part(name, ' ', 1))", "split_part(name, ' ', 1) = 'Steel'"),
    ("catalog.product", "((price * 2)) WHERE length(name) > 30", "price * 2 > 1900 AND length(name) > 30"),
)  # fmt: skip


@pytest.mark.slow
def test_the_platform_s_expressions_are_estimated_within_a_quarter(platform: str) -> None:
    taken = capture(platform, statements=False, sample_rows=5_000)
    off: dict[bool, list[float]] = {True: [], False: []}
    with connect(platform, autocommit=True) as connection:
        true = [_really(connection, *case) for case in PLATFORM]
    for with_samples in (True, False):
        seen = taken if with_samples else taken.model_copy(update={"samples": ()})
        with open_twin(seen) as twin:
            for number, ((table, index, condition), cost) in enumerate(zip(PLATFORM, true, strict=True)):
                added = twin.add(twin.parse_ddl([f"CREATE INDEX platform_{number} ON {table} {index}"]))
                twin.show(added)
                found = twin.plan(f"SELECT * FROM {table} WHERE {condition}").cost
                off[with_samples].append(max(found / cost, cost / found))
                twin.show(())
    assert max(off[True]) < 1.25, off
    assert max(off[False]) > 2, off


def _really(connection: Connection, table: str, index: str, condition: str) -> float:
    run(connection, f"CREATE INDEX really ON {table} {index}")
    run(connection, f"ANALYZE {table}")
    (row,) = run(connection, f"EXPLAIN (FORMAT JSON) SELECT * FROM {table} WHERE {condition}")
    run(connection, f"DROP INDEX {table.split('.', maxsplit=1)[0]}.really")
    plan: dict[str, Any] = row["QUERY PLAN"][0]["Plan"]
    return cast("float", plan["Total Cost"])


def test_a_table_too_wide_to_be_sampled_does_not_affect_the_others(database: str) -> None:
    columns = ", ".join(f"c{number} integer" for number in range(1600))
    with connect(database, autocommit=True) as connection:
        run(connection, f"CREATE TABLE wide ({columns})")
        run(connection, "CREATE TABLE narrow (id integer)")
        run(connection, "INSERT INTO wide (c1599) SELECT generate_series(1, 50)")
        run(connection, "INSERT INTO narrow SELECT generate_series(1, 50)")
        run(connection, "ANALYZE")
    found = capture(database, statements=False, sample_rows=10)
    assert [each.table for each in found.samples] == ["narrow"]
    assert {gap.what: gap.reason for gap in found.not_examined}["sample of public.wide"].startswith("number of columns")
