"""The values in a column's statistics, each with the fraction of the rows it represents.

The most common values are known with their frequencies. The bounds of the histogram are as many values drawn evenly
from the other rows. Between two bounds of numbers, dates and times there are others: on the grid of the known ones, as
evenly distributed as the planner assumes.
"""

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from analyzer.documents.snapshot import ColumnStatistics
from analyzer.postgres.arrays import parse_array

#: Values to look at between the bounds, altogether.
_MOST = 4_000
#: How many rows' values a step of the grid may hold more than there are steps, for estimates err.
_OVERFULL = 0.9
#: Divisors to try for the step of a grid that is too coarse for the number of different values.
_DIVISORS = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WHOLE = ("smallint", "integer", "bigint")
_TIMES = ("timestamp with time zone", "timestamp without time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One value, or NULL."""

    #: In the type's text form.
    text: str | None
    #: Share of the rows it stands for, 0 to 1.
    weight: float
    #: Whether that is its own frequency, not that of values like it.
    known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The known values of a column, and the total that they are a part of."""

    shown: tuple[Shown, ...]
    #: Different values.
    distinct: float
    #: Different values that there could be, of which the shown ones are drawn.
    possible: float
    #: Whether every value that there could be is shown.
    exhaustive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Whole numbers for values of a type; which unit they count depends on it."""

    type: str
    #: Decimal places of numerics.
    places: int
    first: int
    step: int

    def text(self, position: int) -> str:
        if self.type.startswith("numeric"):
            return str(Decimal(position).scaleb(-self.places))
        if self.type == "date":
            return date.fromordinal(position).isoformat()
        if self.type in _WHOLE:
            return str(position)
        moment = _EPOCH + position * _MICROSECOND
        return (moment if self.type == _TIMES[0] else moment.replace(tzinfo=None)).isoformat(" ")


def shown_values(row: ColumnStatistics, rows: float) -> Values | None:
    """Return the values that statistics show; None where they show none."""
    common, bounds = _common(row), parse_array(row.histogram_bounds or "{}")
    if not common and not bounds:
        return None
    # Bounds lie at even quantiles, those at the ends at the very ends.
    bins = len(bounds) - 1
    ends = (0, bins)
    halves = [1 if place in ends else 2 for place in range(len(bounds))]
    rest = _rest(row, common)
    others = tuple(
        Shown(text=text, weight=rest * half / sum(halves)) for text, half in zip(bounds, halves, strict=True)
    )
    return Values(
        shown=(*_absent(row), *common, *others),
        distinct=_distinct(row, rows),
        possible=_distinct(row, rows),
        exhaustive=not others,
    )


def filled_values(column_type: str, row: ColumnStatistics, rows: float) -> Values | None:
    """Return the most common values and others from between the bounds; None for types that have no grid."""
    bounds, common = parse_array(row.histogram_bounds or "{}"), _common(row)
    if len(bounds) < 2:
        return None
    try:
        places = max((_places(text) for text in bounds), default=0) if column_type.startswith("numeric") else 0
        positions = [_position(column_type, text, places) for text in bounds]
        taken = frozenset(_position(column_type, each.text or "", places) for each in common)
    except (ValueError, InvalidOperation, OverflowError):
        return None
    distinct = _distinct(row, rows)
    grid = _grid(column_type, places, positions, distinct - len(common))
    rest, cells = _rest(row, common), (positions[-1] - positions[0]) // grid.step + 1
    shown = [
        Shown(text=grid.text(position), weight=rest / (len(bounds) - 1) * share)
        for drawn in _between(grid, positions, taken, cells)
        for position, share in drawn
    ]
    return Values(
        shown=(*_absent(row), *common, *shown),
        distinct=distinct,
        possible=max(distinct, len(common) + cells - sum(positions[0] <= each <= positions[-1] for each in taken)),
        exhaustive=cells <= _MOST,
    )


def _absent(row: ColumnStatistics) -> tuple[Shown, ...]:
    return (Shown(text=None, weight=row.null_fraction, known=True),) if row.null_fraction > 0 else ()


def _common(row: ColumnStatistics) -> tuple[Shown, ...]:
    values = parse_array(row.most_common_values or "{}")
    frequencies = row.most_common_frequencies or ()
    return tuple(
        Shown(text=text, weight=frequency, known=True) for text, frequency in zip(values, frequencies, strict=False)
    )


def _rest(row: ColumnStatistics, common: Sequence[Shown]) -> float:
    return max(0.0, 1 - row.null_fraction - sum(each.weight for each in common))


def _distinct(row: ColumnStatistics, rows: float) -> float:
    return max(1.0, row.distinct if row.distinct >= 0 else -row.distinct * rows)


def _places(text: str) -> int:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return max(0, -int(number.as_tuple().exponent))


def _position(column_type: str, text: str, places: int) -> int:
    """Number a value. Raises ValueError for what has no number: infinity, a year before Christ, another type."""
    if column_type in _WHOLE:
        return int(text)
    if column_type == "date":
        return date.fromisoformat(text).toordinal()
    if column_type.startswith("numeric"):
        return int(Decimal(text).scaleb(places))
    if column_type in _TIMES:
        moment = datetime.fromisoformat(text)
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    raise ValueError(column_type)


def _grid(column_type: str, places: int, positions: Sequence[int], different: float) -> _Grid:
    """Find the coarsest grid that contains all bounds and has room for that many distinct values."""
    gaps = [after - before for before, after in itertools.pairwise(positions)]
    step = math.gcd(*gaps) or 1
    fewest = _OVERFULL * (different - 1) / ((positions[-1] - positions[0]) / step or 1)
    first = max(1, math.ceil(fewest))
    divisor = next((each for each in range(first, first + _DIVISORS) if step % each == 0), step)
    return _Grid(type=column_type, places=places, first=positions[0], step=step // divisor)


def _between(
    grid: _Grid, positions: Sequence[int], taken: frozenset[int], cells: int
) -> Iterator[tuple[tuple[int, float], ...]]:
    """Yield positions for every bin, each bin with its upper bound, and the share of the bin each stands for."""
    drawn = random.Random(len(positions))  # noqa: S311 - the same ones each time
    each_bin = math.ceil(_MOST / (len(positions) - 1))
    for number, (low, high) in enumerate(itertools.pairwise(positions)):
        count = (high - low) // grid.step
        first = 0 if number == 0 else 1
        every = cells <= _MOST or count <= each_bin
        steps = range(first, count + 1) if every else sorted({drawn.randint(first, count) for _ in range(each_bin)})
        # Each stands for what is nearer to it than to another: evener than chance, which may draw two neighbours.
        middles = (0.0, *((one + other) / 2 for one, other in itertools.pairwise(steps)), float(count))
        widths = [1.0] * len(steps) if every else [after - before for before, after in itertools.pairwise(middles)]
        within = [(low + step * grid.step, width) for step, width in zip(steps, widths, strict=True)]
        free = [(position, width) for position, width in within if position not in taken] or [(high, 1.0)]
        total = sum(width for _, width in free) or 1.0
        yield tuple((position, width / total) for position, width in free)
