"""Estimate a column's statistics from a sample, as ANALYZE does from its own (compute_scalar_stats() in analyze.c).

ANALYZE of a table that is only a sample takes it for the whole: what it says of the number of distinct values, and of
which values are common, must be recalculated for the sampled table.
"""

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A sample's values: how often each occurs, in the values' order."""

    #: (place in the order, count), without NULLs and what is too wide to be looked at.
    counts: tuple[tuple[int, int], ...]
    rows: int
    absent: int
    wide: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the sample says of the table."""

    #: As pg_stats has it: negative is a share of the rows.
    distinct: float
    #: Places of the most common values, and the values' frequencies.
    common: tuple[int, ...]
    frequencies: tuple[float, ...]
    #: Places of the bounds of the histogram over the other values.
    bounds: tuple[int, ...]


def estimate(counted: Counted, *, total_rows: float, target: int) -> Estimate:
    """Estimate for a table of so many rows with so many most common values and bins at most."""
    distinct = _distinct(counted, total_rows)
    several = sorted((item for item in counted.counts if item[1] > 1), key=lambda item: (-item[1], item[0]))
    complete = len(several) == len(counted.counts) and not counted.wide and distinct > 0 and len(several) <= target
    common = several if complete else _common(several[:target], counted, distinct, total_rows)
    listed = set(common)
    return Estimate(
        distinct=distinct,
        common=tuple(place for place, _ in common),
        frequencies=tuple(count / counted.rows for _, count in common),
        bounds=spread_bounds([item for item in counted.counts if item not in listed], target),
    )


def _distinct(counted: Counted, total_rows: float) -> float:
    """Estimate with Haas and Stokes' Duj1 (IBM Research Report RJ 10025, 1996), as ANALYZE does."""
    present = counted.rows - counted.absent
    once = sum(1 for _, count in counted.counts if count == 1) + counted.wide
    found = len(counted.counts) + counted.wide
    null_fraction = counted.absent / counted.rows
    if once == found:
        return -(1 - null_fraction)
    if not once:
        distinct = float(found)
    else:
        of = total_rows * (1 - null_fraction)
        estimated = present * found / (present - once + once * present / of) if of > 0 else 0
        distinct = math.floor(min(max(estimated, found), max(of, found)) + 0.5)
    return -distinct / total_rows if distinct > 0.1 * total_rows else distinct


def _common(
    several: Sequence[tuple[int, int]], counted: Counted, distinct: float, total_rows: float
) -> list[tuple[int, int]]:
    """Keep the values that are significantly more common than the ones left out (analyze_mcv_list())."""
    kept = list(several)
    rows, total = counted.rows, total_rows
    if rows >= total or total <= 1:
        return kept
    of_table = -distinct * total if distinct < 0 else distinct
    while kept:
        others = sum(count for _, count in kept[:-1])
        left = min(1.0, max(0.0, 1 - others / rows - counted.absent / rows))
        left /= max(1.0, of_table - (len(kept) - 1))
        count = kept[-1][1]
        expected = total * count / rows
        variance = rows * expected * (total - expected) * (total - rows) / (total * total * (total - 1))
        if count > left * rows + 2 * math.sqrt(max(0.0, variance)) + 0.5:
            break
        kept.pop()
    return kept


def spread_bounds(counts: Sequence[tuple[int, int]], target: int) -> tuple[int, ...]:
    """Spread bounds evenly over (place, count), the values that are not common, with their repetitions."""
    number = min(len(counts), target + 1)
    if number < 2:
        return ()
    ends = list(itertools.accumulate(count for _, count in counts))
    positions = (step * (ends[-1] - 1) // (number - 1) for step in range(number))
    return tuple(counts[bisect.bisect_right(ends, position)][0] for position in positions)
