"""Expected times: the fixed part stays, the rest changes as the cost does."""

from dataclasses import replace

import pytest

from analyzer.advise.timing import Times, expected_ms, learn_times
from analyzer.workload.parse import Statement, parse_file


def measured(mean_ms: float, query: str = "SELECT a FROM t WHERE b = 1", calls: float = 10) -> Statement:
    (statement,) = parse_file(query).statements
    return replace(statement, calls=calls, total_ms=mean_ms * calls)


def test_the_floor_is_the_cheapest_fiftieth_of_reads_and_of_writes() -> None:
    reads = [(measured(ms), 1.0) for ms in (0.02, 0.03, *range(1, 49))]
    writes = [(measured(ms, "DELETE FROM t WHERE b = 1"), 9.0) for ms in (0.1, 0.2, 9)]
    assert learn_times(reads + writes) == Times(read_ms=0.03, write_ms=0.1, reads=50, writes=3)


def test_what_ran_hardly_ever_sets_no_floor() -> None:
    assert learn_times([(measured(0.001, calls=1), 1.0), (measured(0.5), 1.0)]) == Times(read_ms=0.5, reads=1)


COSTS = [10.0 * 1.3**step for step in range(30)]


@pytest.mark.parametrize("growth", [0.8, 0.9, 1.0])
def test_the_growth_is_read_off_the_workload(growth: float) -> None:
    reads = [(measured(0.01), 1.0) for _ in range(4)]
    reads += [(measured(0.01 + 0.003 * cost**growth), cost) for cost in COSTS]
    assert learn_times(reads).growth == pytest.approx(growth)


def test_times_are_never_taken_to_grow_faster_than_costs() -> None:
    assert learn_times([(measured(cost**1.5), cost) for cost in COSTS]).growth == 1.0


@pytest.mark.parametrize(
    "reads",
    [
        [(measured(cost**0.8), cost) for cost in COSTS[:10]],
        [(measured(cost**0.8), cost) for cost in COSTS[:5] * 10],
        [(measured(1 + 10 * (step % 7)), cost) for step, cost in enumerate(COSTS)],
    ],
    ids=["few", "alike", "uncorrelated"],
)
def test_without_a_line_times_follow_costs_in_proportion(reads: list[tuple[Statement, float]]) -> None:
    assert learn_times(reads).growth == 1.0


@pytest.mark.parametrize(
    ("mean_ms", "cost_after", "expected"),
    [(10.0, 1.0, 0.03 + 9.97 / 1000), (10.0, 1000.0, 10.0), (10.0, 2000.0, 0.03 + 9.97 * 2), (0.02, 1.0, 0.02)],
)
def test_the_part_above_the_floor_follows_the_cost(mean_ms: float, cost_after: float, expected: float) -> None:
    times = Times(read_ms=0.03, write_ms=0.1, reads=3, writes=3)
    assert expected_ms(measured(mean_ms), 1000.0, cost_after, times) == pytest.approx(expected)


@pytest.mark.parametrize(
    "others",
    [[], [(measured(10.0), 2000.0)], [(measured(4.9), 500.0)], [(measured(0.02, "DELETE FROM t WHERE b = 1"), 1.0)]],
    ids=["alone", "dearer", "as fast for half the cost", "a write"],
)
def test_the_time_of_a_dear_statement_is_all_work_unless_a_cheap_one_tells(
    others: list[tuple[Statement, float]],
) -> None:
    times = learn_times([(measured(5.0), 1000.0), *others])
    assert expected_ms(measured(5.0), 1000.0, 10.0, times) == pytest.approx(0.05)


def test_one_cheap_statement_sets_the_floor_of_others_and_not_its_own() -> None:
    cheap = measured(0.04)
    times = learn_times([(cheap, 8.0), (measured(5.0), 1000.0)])
    assert expected_ms(measured(5.0), 1000.0, 10.0, times) == pytest.approx(0.04 + 4.96 / 100)
    assert expected_ms(cheap, 8.0, 4.0, times) == pytest.approx(0.02)


def test_nothing_is_expected_of_what_was_not_measured() -> None:
    (statement,) = parse_file("SELECT 1 FROM t").statements
    assert expected_ms(statement, 10.0, 1.0, Times()) is None
