"""How wide the values of a column are, from the values that its statistics show."""

from collections.abc import Callable, Iterable
from functools import lru_cache

from analyzer.documents.snapshot import ColumnStatistics
from analyzer.postgres.arrays import parse_array

#: Widths in bytes, each with the share of values that have it.
Widths = tuple[tuple[float, float], ...]

#: More different widths than that are gathered: an index has up to 32 columns, and their widths multiply.
_MOST = 12
#: A value of up to 126 bytes has one byte of header, a longer one four.
_SHORT = 126
#: Shown values that are this far from the average, relative or in bytes, do not stand for the others: statistics leave
#: out values above a kilobyte.
_TRUSTED_SHARE, _TRUSTED_BYTES = 0.15, 1.0


def value_widths(column_type: str, row: ColumnStatistics) -> Widths:
    """Return the widths of a variable-length column's values, the average alone where statistics show too little."""
    average: Widths = ((row.average_width, 1.0),)
    if column_type.startswith("numeric"):
        width_of = _numeric_bytes
    elif column_type.startswith(("text", "character", "citext")):
        width_of = _text_bytes
    else:
        return average
    try:
        widths = _weighed(
            width_of, row.null_fraction, row.most_common_values, row.most_common_frequencies, row.histogram_bounds
        )
    except ValueError:
        return average
    mean = sum(width * share for width, share in widths)
    if not widths or abs(mean - row.average_width) > max(_TRUSTED_BYTES, _TRUSTED_SHARE * row.average_width):
        return average
    return _gathered(widths)


@lru_cache(maxsize=1024)  # every index of a column asks for them
def _weighed(
    width_of: Callable[[str], int],
    null_fraction: float,
    most_common_values: str | None,
    frequencies: tuple[float, ...] | None,
    histogram_bounds: str | None,
) -> Widths:
    common = parse_array(most_common_values or "{}")
    others = parse_array(histogram_bounds or "{}")
    present = max(1e-9, 1 - null_fraction)
    weighed = [(value, frequency / present) for value, frequency in zip(common, frequencies or (), strict=False)]
    rest = max(0.0, 1 - sum(share for _, share in weighed))
    weighed += [(value, rest / len(others)) for value in others]
    total = sum(share for _, share in weighed)
    shares: dict[float, float] = {}
    for value, share in weighed:
        width = width_of(value)
        shares[width] = shares.get(width, 0.0) + share / total
    return tuple(sorted(shares.items()))


def _gathered(widths: Iterable[tuple[float, float]]) -> Widths:
    """Put neighbours together until there are few: those that make up the same twelfth."""
    widths = tuple(widths)
    if len(widths) <= _MOST:
        return widths
    groups: dict[int, list[tuple[float, float]]] = {}
    below = 0.0
    for width, share in widths:
        groups.setdefault(min(_MOST - 1, int((below + share / 2) * _MOST)), []).append((width, share))
        below += share
    return tuple(
        (
            round(sum(width * share for width, share in group) / sum(share for _, share in group)),
            sum(s for _, s in group),
        )
        for group in groups.values()
    )


def _text_bytes(value: str) -> int:
    length = len(value.encode())
    return length + (1 if length <= _SHORT - 1 else 4)


def _numeric_bytes(value: str) -> int:
    """Return the size of a numeric: digits in groups of four on either side of the point, without zeros at the ends."""
    if value in {"NaN", "Infinity", "-Infinity"}:
        return 3
    whole, _, fraction = value.lstrip("-").partition(".")
    if not (whole + fraction).isdigit():
        raise ValueError(value)
    whole = whole.lstrip("0")
    groups = "".join((whole.zfill(-(-len(whole) // 4) * 4), fraction.ljust(-(-len(fraction) // 4) * 4, "0")))
    digits = [groups[start : start + 4] for start in range(0, len(groups), 4)]
    while digits and digits[-1] == "0000":
        digits.pop()
    while digits and digits[0] == "0000":
        digits.pop(0)
    return 3 + 2 * len(digits)
