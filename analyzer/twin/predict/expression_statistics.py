"""Estimate the statistics of a function's values from the known values of its argument.

What ANALYZE would find of an expression: values onto which several of the argument's fall have their frequencies
together. Of an argument of which only a part is shown, the number of values is extrapolated.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from analyzer.twin.predict.analyze import spread_bounds

#: Shares in whole numbers, of which bounds are spread.
_SCALE = 10_000_000
#: Of a run of equal values in order, either end is somewhere between two drawn ones: twice the variance of that.
_RUN_VARIANCE = 1 / 6
#: Standard deviations from which a difference is not by chance.
_SURE = 2
#: A share that has a logarithm of what is left.
_NEARLY_ALL = 1 - 1e-12
#: Values wider than that are in no statistics (WIDTH_THRESHOLD in analyze.c).
_WIDEST = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What the function makes of one shown value."""

    #: Place of the argument among the shown ones, in their order.
    argument: int
    #: Place of the value among the function's, in their order; None for NULL.
    place: int | None
    #: Share of the rows, 0 to 1.
    weight: float
    #: Whether that is the argument's own frequency.
    known: bool
    #: Bytes of the value as stored.
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """All that was asked, and what the argument's are a part of."""

    images: tuple[Image, ...]
    #: Of the argument: values that there are, values that there could be, and whether all of these were asked.
    distinct: float
    possible: float
    exhaustive: bool
    #: Of the table.
    rows: float
    correlation: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStatistics:
    """What the function's values are, by their places."""

    null_fraction: float
    average_width: float
    #: As pg_stats has it: negative is a share of the rows.
    distinct: float
    common: tuple[int, ...]
    frequencies: tuple[float, ...]
    bounds: tuple[int, ...]
    correlation: float | None


@dataclass(slots=True, kw_only=True)
class _Value:
    """One value of the function."""

    place: int
    width: float
    #: Share of the rows that is known, and share of those that drawn arguments stand for.
    known: float = 0.0
    drawn: float = 0.0
    #: Drawn arguments, of which some may be the same, and different arguments of all.
    draws: int = 0
    arguments: set[int] = field(default_factory=set[int])

    @property
    def share(self) -> float:
        return self.known + self.drawn

    def noise(self) -> float:
        """Return the standard deviation of its share, were arguments drawn at random."""
        return self.drawn / math.sqrt(self.draws) if self.draws else 0.0


def image_statistics(drawn: Drawn, *, target: int) -> ImageStatistics | None:
    """Estimate with so many most common values and bins at most; None where the function has no value at all."""
    values = _gathered(drawn.images)
    total = sum(image.weight for image in drawn.images)
    if not values or not total:
        return None
    for value in values:
        value.known, value.drawn = value.known / total, value.drawn / total
    present = sum(value.share for value in values)
    distinct = _distinct(drawn, values)
    complete = round(distinct) <= len(values) <= target and distinct < present * drawn.rows - 0.5
    if complete:
        _even_out(drawn, values)
    common = sorted(values, key=lambda value: (-value.share, value.place))
    if not complete:
        common = _common(common, distinct, present, target)
    listed = {value.place for value in common}
    rest = [(v.place, max(1, round(v.share * _SCALE))) for v in values if v.place not in listed and v.width <= _WIDEST]
    return ImageStatistics(
        null_fraction=sum(image.weight for image in drawn.images if image.place is None) / total,
        average_width=sum(value.width * value.share for value in values) / present if present else 0.0,
        distinct=-distinct / drawn.rows if distinct > 0.1 * drawn.rows else float(round(distinct)),
        common=tuple(value.place for value in common),
        frequencies=tuple(value.share for value in common),
        bounds=() if complete else spread_bounds(rest, target),
        correlation=_correlation(drawn, values, common, distinct),
    )


def _gathered(images: Sequence[Image]) -> list[_Value]:
    values: dict[int, _Value] = {}
    for image in images:
        if image.place is None:
            continue
        value = values.setdefault(image.place, _Value(place=image.place, width=image.width))
        value.arguments.add(image.argument)
        if image.known:
            value.known += image.weight
        else:
            value.drawn += image.weight
            value.draws += 1
    return sorted(values.values(), key=lambda value: value.place)


def _distinct(drawn: Drawn, values: Sequence[_Value]) -> float:
    """Estimate with Haas and Stokes' Duj1 (IBM Research Report RJ 10025, 1996), the argument's values as the rows."""
    arguments = {image.argument for image in drawn.images}
    seen = sum(len(value.arguments) for value in values)
    present = min(1.0, seen / len(arguments))
    possible = max(seen, drawn.possible * present)
    once = sum(len(value.arguments) == 1 for value in values)
    found = possible if once == seen else seen * len(values) / (seen - once + once * seen / possible)
    occurring = min(possible, drawn.distinct * present)
    if occurring < possible:
        # Some of the values that there could be do not occur, and with them perhaps all that one value is made of.
        found *= -math.expm1(possible / found * math.log1p(-min(_NEARLY_ALL, occurring / possible)))
    return max(1.0, min(found, occurring))


def _even_out(drawn: Drawn, values: Sequence[_Value]) -> None:
    """Take differences between shares that chance explains for none, and the others for smaller than they look."""
    open_ones = [value for value in values if value.draws]
    if drawn.exhaustive or len(open_ones) < 2:
        return
    mean = sum(value.drawn for value in open_ones) / len(open_ones)
    draws = sum(value.draws for value in open_ones)
    each = mean * len(open_ones) / draws
    noise = (_RUN_VARIANCE * len(open_ones) if _in_runs(drawn, open_ones) else draws) * each**2
    noise *= 1 - 1 / len(open_ones)
    spread = sum((value.drawn - mean) ** 2 for value in open_ones)
    chance = noise * (1 + _SURE * math.sqrt(2 / len(open_ones)))
    kept = 1 - noise / spread if spread > chance else 0.0
    for value in open_ones:
        value.drawn = mean + (value.drawn - mean) * kept


def _in_runs(drawn: Drawn, values: Sequence[_Value]) -> bool:
    """Say whether equal values of the function lie together in the argument's order."""
    wanted = {value.place for value in values}
    inner = [i for i in drawn.images if i.place in wanted and not i.known]
    ordered = sorted(inner, key=lambda image: image.argument)
    return sum(1 for _ in itertools.groupby(ordered, key=lambda image: image.place)) == len(values)


def _common(ordered: Sequence[_Value], distinct: float, present: float, target: int) -> list[_Value]:
    """Keep the values that are surely more common than the ones left out, as analyze_mcv_list() does."""
    kept = [v for v in ordered if (v.known or v.draws > 1) and v.width <= _WIDEST][:target]
    while kept:
        left = max(0.0, present - sum(value.share for value in kept[:-1])) / max(1.0, distinct - len(kept) + 1)
        if kept[-1].share > left * 1.001 + _SURE * kept[-1].noise():
            break
        kept.pop()
    return kept


def _correlation(drawn: Drawn, values: Sequence[_Value], common: Sequence[_Value], distinct: float) -> float | None:
    """Follow the argument's correlation through the function.

    Of equal values ANALYZE takes the rows in their physical order: even a random order has some correlation then.
    """
    if drawn.correlation is None:
        return None
    weights: dict[int, float] = {}
    for image in drawn.images:
        if image.place is not None:
            weights[image.argument] = weights.get(image.argument, 0.0) + image.weight
    quantiles = _middles(weights)
    places = _middles({value.place: value.share for value in values})
    pairs = [(quantiles[i.argument], places[i.place], i.weight) for i in drawn.images if i.place is not None]
    total = sum(weight for *_, weight in pairs)
    spread = sum((place - 0.5) ** 2 * weight for _, place, weight in pairs) / total
    along = sum((quantile - 0.5) * (place - 0.5) * weight for quantile, place, weight in pairs) / total
    followed = along / spread if spread else 0.0
    if abs(followed) < 2 * _SURE / math.sqrt(len(pairs)):
        followed = 0.0
    followed = max(-1.0, min(1.0, followed * drawn.correlation))
    rest = max(0.0, sum(value.share for value in values) - sum(value.share for value in common))
    others = max(1.0, distinct - len(common))
    present = rest + sum(value.share for value in common)
    shares = [(value.share / present, 1.0) for value in common] + [(rest / others / present, others)]
    between = 1 - sum(count * share**3 for share, count in shares)
    inside = sum(count * share**2 * math.sqrt(1 - followed**2 * (1 - share**2)) for share, count in shares)
    return max(-1.0, min(1.0, followed * between + inside))


def _middles(weights: dict[int, float]) -> dict[int, float]:
    """Return where in the whole the middle of each place's share lies, 0 to 1."""
    ordered = sorted(weights)
    ends = list(itertools.accumulate(weights[place] for place in ordered))
    return {place: (end - weights[place] / 2) / ends[-1] for place, end in zip(ordered, ends, strict=True)}
