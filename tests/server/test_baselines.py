"""The known algorithms find the best set where it is known."""

from collections.abc import Callable, Iterator

import pytest
from psycopg import sql

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.twin.twin import TwinIndex, open_twin
from analyzer.workload.parse import parse_file
from benchmarks.baselines.autoadmin import autoadmin
from benchmarks.baselines.db2advis import db2advis
from benchmarks.baselines.extend import extend
from benchmarks.baselines.problem import Candidates, Found, Problem, candidates
from tests.conftest import fresh_database

#: Four queries, each with an index of its own that is best; one of them serves two.
SETUP = (
    "CREATE TABLE t (a integer, b integer, c integer, d text)",
    "INSERT INTO t SELECT i, i % 5000, i % 300, repeat('x', 40) FROM generate_series(1, 60000) AS i",
    "CREATE TABLE u (a integer, e integer)",
    "INSERT INTO u SELECT i, i % 9 FROM generate_series(1, 20000) AS i",
    "VACUUM ANALYZE",
)
QUERIES = """
    SELECT d FROM t WHERE a = 1;
    SELECT d FROM t WHERE b = 2 AND c = 3;
    SELECT d FROM t WHERE c = 4 ORDER BY b LIMIT 5;
    SELECT e FROM u WHERE a = 7
"""
ALGORITHMS = (extend, db2advis, autoadmin)
Algorithm = Callable[[Problem, int | None], Found]


@pytest.fixture(scope="module")
def given(server: str) -> Iterator[Candidates]:
    """Build a twin of a small schema."""
    with fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in SETUP:
                connection.execute(sql.SQL(statement))
        with open_twin(capture(url, statements=False)) as twin:
            yield candidates(twin, parse_file(QUERIES))


def columns(indexes: tuple[TwinIndex, ...]) -> set[tuple[str, tuple[str, ...]]]:
    return {(index.index.table, index.index.columns) for index in indexes}


def test_candidates_are_on_the_columns_that_a_statement_compares_or_sorts_by(given: Candidates) -> None:
    second = given.statements[1]
    assert columns(tuple(given.of_statement(second, 2))) == {
        ("t", each) for each in (("b",), ("c",), ("b", "c"), ("c", "b"))
    }
    (alone,) = given.of_statement(given.statements[0], 2)
    assert given.longer(alone) == []
    assert columns(tuple(given.of_width(1))) == {("t", ("a",)), ("t", ("b",)), ("t", ("c",)), ("u", ("a",))}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_without_a_budget_each_query_has_its_index(given: Candidates, algorithm: Algorithm) -> None:
    problem = Problem(given)
    found = algorithm(problem, None)
    assert found.complete
    assert {("t", ("a",)), ("t", ("c", "b")), ("u", ("a",))} <= columns(found.chosen)
    assert problem.total(frozenset(found.chosen)) < 0.02 * problem.total(frozenset())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_chosen_fits_and_is_the_same_again(given: Candidates, algorithm: Algorithm) -> None:
    whole = algorithm(Problem(given), None).size_bytes
    for budget_bytes in (0, whole // 3, whole // 2, whole - 1):
        found = algorithm(Problem(given), budget_bytes)
        assert found.size_bytes <= budget_bytes
        assert found == algorithm(Problem(given), budget_bytes)
        assert bool(found.chosen) == (budget_bytes > 0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_algorithm_ends_when_its_time_is_up(given: Candidates, algorithm: Algorithm) -> None:
    found = algorithm(Problem(given, deadline=0), None)
    assert not found.complete


def test_extend_takes_what_saves_most_per_byte(given: Candidates) -> None:
    problem = Problem(given)
    found = extend(problem, min(each.size_bytes for each in given.of_width(1)))
    saved = {
        index: problem.saving(frozenset(), frozenset({index})) / index.size_bytes
        for index in given.of_width(1)
        if index.size_bytes <= found.size_bytes
    }
    assert found.chosen == (max(saved, key=saved.__getitem__),)
