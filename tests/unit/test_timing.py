"""Expected times: the fixed part stays, the rest changes as the cost does."""

from dataclasses import replace

import pytest

from analyzer.advise.timing import Floors, expected_ms, floors
from analyzer.workload.parse import Statement, parse_file


def measured(mean_ms: float, query: str = "SELECT a FROM t WHERE b = 1", calls: float = 10) -> Statement:
    (statement,) = parse_file(query).statements
    return replace(statement, calls=calls, total_ms=mean_ms * calls)


def test_the_floor_is_the_cheapest_tenth_of_reads_and_of_writes() -> None:
    reads = [measured(ms) for ms in (0.02, 0.03, 1, 2, 3, 4, 5, 6, 7, 8)]
    writes = [measured(ms, "DELETE FROM t WHERE b = 1") for ms in (0.1, 0.2, 9)]
    assert floors(reads + writes) == Floors(read_ms=0.03, write_ms=0.1)


def test_what_ran_hardly_ever_sets_no_floor() -> None:
    assert floors([measured(0.001, calls=1), measured(0.5)]) == Floors(read_ms=0.5)


@pytest.mark.parametrize(
    ("mean_ms", "cost_after", "expected"),
    [(10.0, 1.0, 0.03 + 9.97 / 1000), (10.0, 1000.0, 10.0), (10.0, 2000.0, 0.03 + 9.97 * 2), (0.02, 1.0, 0.02)],
)
def test_the_part_above_the_floor_follows_the_cost(mean_ms: float, cost_after: float, expected: float) -> None:
    floor = Floors(read_ms=0.03, write_ms=0.1)
    assert expected_ms(measured(mean_ms), 1000.0, cost_after, floor) == pytest.approx(expected)


def test_nothing_is_expected_of_what_was_not_measured() -> None:
    (statement,) = parse_file("SELECT 1 FROM t").statements
    assert expected_ms(statement, 10.0, 1.0, Floors()) is None
