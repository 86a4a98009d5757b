"""What statistics show of a column's values, and what that says of a function of them."""

import math
from collections.abc import Sequence

import pytest

from analyzer.documents.snapshot import ColumnStatistics
from analyzer.twin.predict.column_values import Values, filled_values, shown_values
from analyzer.twin.predict.expression_statistics import Drawn, Image, ImageStatistics, image_statistics


def statistics(**values: object) -> ColumnStatistics:
    given = {"null_fraction": 0.0, "average_width": 4, "distinct": -1.0} | values
    return ColumnStatistics.model_validate(
        {"schema_name": "public", "relation": "t", "column": "c", "inherited": False} | given
    )


def bounds(*values: object) -> str:
    return "{" + ",".join(f'"{value}"' for value in values) + "}"


def numbers(values: Values | None) -> list[int]:
    assert values is not None
    return [int(each.text) for each in values.shown if each.text is not None]


def test_shown_values_stand_for_all_rows() -> None:
    row = statistics(
        null_fraction=0.2, most_common_values="{7}", most_common_frequencies=[0.3], histogram_bounds="{1,5,9}"
    )
    shown = shown_values(row, 1_000)
    assert shown is not None
    assert [(each.text, each.known) for each in shown.shown] == [
        (None, True), ("7", True), ("1", False), ("5", False), ("9", False),
    ]  # fmt: skip
    assert [each.weight for each in shown.shown] == pytest.approx([0.2, 0.3, 0.125, 0.25, 0.125])


def test_nothing_is_shown_without_values() -> None:
    assert shown_values(statistics(most_common_frequencies=[0.5]), 1_000) is None
    assert filled_values("integer", statistics(), 1_000) is None


def test_a_dense_column_has_all_numbers_between_its_bounds_but_the_common_ones() -> None:
    row = statistics(
        distinct=100, most_common_values="{7}", most_common_frequencies=[0.3], histogram_bounds=bounds(1, 50, 100)
    )
    filled = filled_values("integer", row, 10_000)
    assert sorted(numbers(filled)) == list(range(1, 101))
    assert filled is not None
    assert filled.exhaustive
    assert sum(each.weight for each in filled.shown) == pytest.approx(1)


def test_values_lie_on_the_grid_of_the_shown_ones() -> None:
    row = statistics(distinct=31, histogram_bounds=bounds(0, 100, 300))
    assert numbers(filled_values("integer", row, 10_000)) == list(range(0, 301, 10))


def test_bounds_at_even_distances_are_no_grid_when_there_are_more_values() -> None:
    row = statistics(histogram_bounds=bounds(*range(1, 30_002, 300)))
    drawn = numbers(filled_values("integer", row, 30_001))
    assert {number % 10 for number in drawn} == set(range(10))
    assert len(drawn) < 5_000


@pytest.mark.parametrize(
    ("name", "low", "high", "between"),
    [
        ("date", "2024-02-28", "2024-03-01", "2024-02-29"),
        ("numeric(8,2)", "0.10", "0.12", "0.11"),
        ("timestamp without time zone", "2024-01-01 00:00:00", "2024-01-03 00:00:00", "2024-01-02 00:00:00"),
        ("timestamp with time zone", "2024-01-01 01:00:00+01", "2024-01-03 00:00:00+00", "2024-01-02 00:00:00+00:00"),
    ],
)
def test_dates_times_and_numerics_have_a_grid(name: str, low: str, high: str, between: str) -> None:
    filled = filled_values(name, statistics(distinct=3, histogram_bounds=bounds(low, high)), 1_000)
    assert filled is not None
    assert filled.shown[1].text == between
    assert len(filled.shown) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("date", "infinity"), ("date", "0044-03-15 BC"), ("numeric", "NaN"), ("text", "7"), ("uuid", "7")],
)
def test_what_has_no_number_has_no_grid(name: str, value: str) -> None:
    assert filled_values(name, statistics(histogram_bounds=bounds(value, value)), 1_000) is None


def of(
    places: Sequence[int | None], *, weights: Sequence[float] | None = None, known: bool = False, distinct: float,
    rows: float = 1_000_000, correlation: float | None = None, exhaustive: bool = False,
) -> ImageStatistics:  # fmt: skip
    shares = weights or [1 / len(places)] * len(places)
    images = tuple(
        Image(argument=number, place=place, weight=share, known=known, width=4)
        for number, (place, share) in enumerate(zip(places, shares, strict=True))
    )
    found = image_statistics(
        Drawn(
            images=images, distinct=distinct, possible=distinct, exhaustive=exhaustive, rows=rows,
            correlation=correlation,
        ),
        target=100,
    )  # fmt: skip
    assert found is not None
    return found


def test_frequencies_of_values_that_fall_together_are_added() -> None:
    found = of([1, 2, 1, None], weights=[0.5, 0.2, 0.2, 0.1], known=True, distinct=3, exhaustive=True)
    assert (found.distinct, found.common, found.bounds) == (2, (1, 2), ())
    assert found.frequencies == pytest.approx((0.7, 0.2))
    assert found.null_fraction == pytest.approx(0.1)


def test_a_function_that_keeps_values_apart_has_as_many_as_the_column() -> None:
    found = of(list(range(101)), distinct=500_000)
    assert found.distinct == -0.5
    assert found.common == ()
    assert found.bounds == tuple(range(101))


def test_values_seen_several_times_each_are_all_there_are_and_as_frequent() -> None:
    found = of([number * 17 % 101 % 10 for number in range(101)], distinct=1_000_000)
    assert found.distinct == 10
    assert found.frequencies == pytest.approx([0.1] * 10)


def test_differences_that_chance_does_not_explain_stay() -> None:
    found = of([0] * 70 + [1] * 25 + [2] * 6, distinct=1_000_000)
    assert found.frequencies == pytest.approx((0.70, 0.25, 0.05), abs=0.02)


def test_some_values_seen_once_announce_others() -> None:
    found = of([number % 70 for number in range(101)], distinct=1_000_000)
    assert 70 < found.distinct < 200
    assert found.common == ()


@pytest.mark.parametrize("correlation", [1.0, 0.6, 0.0, -1.0])
def test_correlation_follows_a_function_that_keeps_the_order(correlation: float) -> None:
    rising, falling = list(range(101)), list(range(100, -1, -1))
    assert of(rising, distinct=1e6, correlation=correlation).correlation == pytest.approx(correlation, abs=0.01)
    assert of(falling, distinct=1e6, correlation=correlation).correlation == pytest.approx(-correlation, abs=0.01)


def test_rows_of_equal_values_count_as_ordered() -> None:
    # Of two halves in random order, each ascends: half of the correlation of an ordered table.
    assert of([1, 2] * 50, distinct=1e6, correlation=0.0).correlation == pytest.approx(0.5, abs=0.01)
    assert of([1] * 50 + [2] * 50, distinct=1e6, correlation=-1.0).correlation == pytest.approx(-0.5, abs=0.01)
    assert of([1] * 100, distinct=1e6, correlation=-1.0).correlation == pytest.approx(1)


def test_without_any_value_there_are_no_statistics() -> None:
    images = (Image(argument=1, place=None, weight=1.0, known=True, width=0),)
    drawn = Drawn(images=images, distinct=1, possible=1, exhaustive=True, rows=10, correlation=None)
    assert image_statistics(drawn, target=100) is None


def test_occurring_values_are_fewer_than_possible_ones() -> None:
    images = tuple(Image(argument=n, place=n // 4, weight=1 / 4_000, known=False, width=4) for n in range(4_000))
    drawn = Drawn(images=images, distinct=1_000, possible=4_000, exhaustive=True, rows=100_000, correlation=None)
    found = image_statistics(drawn, target=100)
    assert found is not None
    assert found.distinct == pytest.approx(1_000 * (1 - math.pow(0.75, 4)), rel=0.01)
