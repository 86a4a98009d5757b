"""The query inside a statement is found whatever the statement says around it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.postgres.carried_queries import Carried, carried_query, refreshed_view
from analyzer.postgres.lex import IncompleteError

QUERIES = (
    "SELECT 1",
    "(SELECT a FROM t) UNION (SELECT b FROM u)",
    "WITH x AS (SELECT 1 AS as_of) SELECT * FROM x FOR UPDATE",
    "VALUES (1, 'for as select')",
    'TABLE "as"',
    "SELECT /* for */ a AS b FROM t WHERE c = 'x' -- as\n AND d",
)
WRAPPED = (
    "DECLARE c CURSOR FOR {}",
    "declare c binary no scroll cursor with hold for {}",
    "PREPARE p AS {}",
    "EXPLAIN ANALYZE {}",
    "explain (analyze, costs off, format json) {}",
    "EXPLAIN ANALYZE VERBOSE {}",
    "EXPLAIN (ANALYZE on) {}",
    "COPY ({}) TO STDOUT",
    "copy ({}) to '/dev/null' with (format csv)",
    "CREATE TABLE a.b AS {}",
    "CREATE TEMP TABLE IF NOT EXISTS t (a, b) WITH (fillfactor = 70) ON COMMIT DROP AS {} WITH DATA",
    "create unlogged table t as {}",
    "CREATE MATERIALIZED VIEW v AS {} WITH DATA",
    "EXPLAIN ANALYZE CREATE TABLE t AS {}",
    "explain (analyze) declare c cursor for {}",
)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_query_is_found_as_it_stands(wrapped: str, query: str) -> None:
    assert carried_query(wrapped.format(query)) == Carried(text=query)


@pytest.mark.parametrize(
    "text",
    [
        *QUERIES,
        "EXPLAIN SELECT 1",
        "EXPLAIN (ANALYZE off) SELECT 1",
        "EXPLAIN (ANALYZE false, VERBOSE) SELECT 1",
        "CREATE TABLE t AS SELECT 1 WITH NO DATA",
        "CREATE TABLE t AS EXECUTE p(1)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE t (a integer DEFAULT 1)",
        "COPY t TO STDOUT",
        "COPY t (a) FROM STDIN",
        "CALL p((SELECT 1))",
        "DO 'SELECT 1'",
        "REFRESH MATERIALIZED VIEW v",
        "DECLARE",
        "PREPARE",
        "PREPARE p(",
        "EXPLAIN (",
        "EXPLAIN ANALYZE",
        "",
    ],
)
def test_none_is_carried(text: str) -> None:
    assert carried_query(text) is None


def test_types_of_parameters_are_kept() -> None:
    carried = carried_query('PREPARE p(int, numeric(10, 2), text[], "my type", double precision) AS SELECT $1')
    assert carried == Carried(
        text="SELECT $1", types=("int", "numeric(10, 2)", "text[]", '"my type"', "double precision")
    )


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("REFRESH MATERIALIZED VIEW v", (None, "v")),
        ('refresh materialized view concurrently "S".V with data', ("S", "v")),
        ("REFRESH MATERIALIZED VIEW v WITH NO DATA", None),
        ("REFRESH", None),
        ("REFRESH MATERIALIZED VIEW", None),
        ("SELECT 1", None),
    ],
)
def test_a_refreshed_view_is_named(text: str, view: tuple[str | None, str] | None) -> None:
    assert refreshed_view(text) == view


_PIECES = st.sampled_from(
    ["prepare", "p", "(", ")", ",", "as", "select", "explain", "analyze", "copy", "create", "table", "for", "declare",
     "cursor", "with", "data", "no", "refresh", "materialized", "view", ".", "$1", "'x'", '"', "int", "into", "strict"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=14).map(" ".join))
def test_any_text_has_an_answer(text: str) -> None:
    with contextlib.suppress(IncompleteError):
        found = carried_query(text)
        assert found is None or found.text in text
        refreshed_view(text)
