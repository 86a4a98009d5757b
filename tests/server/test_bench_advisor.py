"""The advisor's benchmark builds each index once, and sees only those of the set that it judges."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

pytest.importorskip("duckdb", reason="pip install 'twindex[bench]'")

from analyzer.db import Connection, connect
from analyzer.objects.index import IndexDef, Key
from analyzer.sql import render
from analyzer.twin.server import cluster
from benchmarks.advisor import Parts, measure, render_page
from benchmarks.advisor_recorded import PRELOADED
from benchmarks.advisor_shelf import Shelf, outline
from benchmarks.advisor_suites import SUITES, Suite
from benchmarks.setting import read_setting
from benchmarks.twin_compare import explain, indexes_of
from benchmarks.twin_live import READER, SETTINGS

SETUP = (
    "CREATE TABLE t (id integer PRIMARY KEY, a integer, b text)",
    "INSERT INTO t SELECT i, i % 5000, repeat('x', i % 40) FROM generate_series(1, 20000) AS i",
    "VACUUM ANALYZE t",
)
QUERY = "SELECT id FROM t WHERE a = 7"


def on(*keys: Key) -> IndexDef:
    return IndexDef(schema="public", table="t", name="any", keys=keys)


A, BOTH, LENGTH = on(Key(column="a")), on(Key(column="a"), Key(column="id")), on(Key(expression="length(b)"))


@pytest.fixture
def live(database: str) -> Iterator[Connection]:
    """Connect to a server with rows."""
    with connect(database, autocommit=True) as connection:
        for statement in SETUP:
            connection.execute(sql.SQL(statement))
        yield connection


def test_an_index_that_is_not_shown_is_not_planned_with_and_comes_back_without_a_build(live: Connection) -> None:
    bare = explain(live, QUERY)
    shelf = Shelf(live)
    sizes = shelf.show([A])
    with_a = explain(live, QUERY)
    assert sizes[0] > 0
    assert [shelf.definition(name) for name in indexes_of(with_a)] == [A]
    shelf.show([BOTH])
    assert [shelf.definition(name) for name in indexes_of(explain(live, QUERY))] == [BOTH]
    shelf.show([])
    assert explain(live, QUERY) == bare
    assert shelf.show([A]) == sizes
    assert explain(live, QUERY) == with_a
    shelf.close()
    assert explain(live, QUERY) == bare


def test_what_an_interrupted_run_left_is_dropped_and_keys_stay(live: Connection) -> None:
    Shelf(live).show([A])
    Shelf(live)
    rows = live.execute(sql.SQL("SELECT indexname AS name FROM pg_indexes WHERE tablename = 't'")).fetchall()
    assert [row["name"] for row in rows] == ["t_pkey"]


def test_no_more_is_kept_than_there_is_room_for(live: Connection) -> None:
    shelf = Shelf(live, most_bytes=1)
    for index in (A, BOTH, A):
        shelf.show([index])
        rows = live.execute(sql.SQL("SELECT indexname FROM pg_indexes WHERE tablename = 't'")).fetchall()
        assert len(rows) == 2
    assert [shelf.definition(name) for name in indexes_of(explain(live, QUERY))] == [A]


def test_an_expression_has_statistics_and_the_columns_keep_theirs(live: Connection) -> None:
    read = sql.SQL(
        "SELECT tablename, attname, n_distinct, histogram_bounds::text AS b FROM pg_stats WHERE schemaname = 'public'"
    )
    before = live.execute(read).fetchall()
    Shelf(live).show([LENGTH])
    after = live.execute(read).fetchall()
    assert [row for row in after if row["tablename"] == "t"] == before
    assert [row["n_distinct"] for row in after if row["tablename"] != "t"] == [40]
    assert explain(live, "SELECT id FROM t WHERE length(b) = 7")["Plan Rows"] == pytest.approx(500, rel=0.2)


def test_an_index_is_told_in_a_line() -> None:
    partial = replace(BOTH, include=("b",), where="a > 1", method="gist")
    assert outline(partial) == "t(a, id) gist INCLUDE (b) WHERE a > 1"


def few(name: str, *queries: str) -> Suite:
    suite = SUITES[name]()
    return replace(suite, queries=tuple(query for query in suite.queries if query.name in queries))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "scale"), [(few("tpch", "6", "12", "14"), 0.01), (few("job", "1a", "2d", "6a", "32b"), 0.002)],
    ids=["tpch", "job"],
)  # fmt: skip
def test_the_benchmark_runs_at_a_tiny_scale(tmp_path: Path, suite: Suite, scale: float) -> None:
    settings = SETTINGS | PRELOADED
    with cluster.temporary(settings=settings) as server, connect(server.url(), autocommit=True) as connection:
        connection.execute(render("demo/create_reader", role=READER))
        setting = read_setting(connection, settings)
        parts = Parts(scale=scale, budgets=(500, None), seconds=30, timeout=30, normalised=True)
        *_, results = measure(server, suite, parts)
        page = render_page(setting, [results])
    own = results.own()
    assert [each.chosen.budget_bytes for each in own] == [int(500 * 1024**2 * scale), None]
    assert own[-1].cost < 1
    assert own[-1].cost == pytest.approx(own[-1].chosen.predicted, abs=0.05)
    assert len(results.baselines()) == 6
    assert len(results.own(of="normalised")) == 2
    assert all(each.times is not None for each in own)
    for head in ("The known algorithms:", "Execution time", "Without any limit", "pg_stat_statements"):
        assert head in page
