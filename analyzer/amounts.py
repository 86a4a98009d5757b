"""Write numbers with their nouns, and shares in percent."""

import re

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*(B|kB|MB|GB|TB)?", re.IGNORECASE)
_UNITS = {"b": 0, "kb": 1, "mb": 2, "gb": 3, "tb": 4}
_WHOLE = re.compile(r"[0-9]{1,18}")
#: Sums of shares are off by as little.
_ROUNDING = 1e-9


def plural(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def counted(number: int, nouns: str) -> str:
    """Write a number with words that begin with a plural, as in `records that are too long`."""
    if number != 1:
        return f"{number:,} {nouns}"
    noun, blank, rest = nouns.partition(" ")
    rest = f"that is {rest.removeprefix('that are ')}" if rest.startswith("that are ") else rest
    return f"1 {noun.removesuffix('s')}{blank}{rest}"


def percent(share: float, digits: int = 1) -> str:
    """Write a share, 0 to 1, in percent; neither a part as nothing nor one as the whole."""
    least = 10.0**-digits
    value = share * 100
    if 0 < value < least:
        return f"< {least:.{digits}f} %"
    if share >= 1 - _ROUNDING:
        return "100 %"
    return f"> {100 - least:.{digits}f} %" if value >= 100 - least / 2 else f"{value:.{digits}f} %"


def size(size_bytes: int) -> str:
    """Write bytes as PostgreSQL's pg_size_pretty() counts them: 1 kB is 1024 bytes."""
    if abs(size_bytes) < 1000:
        return f"{size_bytes} bytes"
    value = size_bytes / 1024
    for unit in ("kB", "MB", "GB", "TB"):
        if abs(value) < 1000:
            return f"{short(value)} {unit}"
        value /= 1024
    return f"{short(value)} PB"


def short(value: float) -> str:
    """Write a number with three significant digits, two below ten."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 0.95 else f"{value:.2g}"


def whole(text: str | None, otherwise: int) -> int:
    """Read up to 18 digits as a number; return another one for any other text."""
    return int(text) if text is not None and _WHOLE.fullmatch(text) else otherwise


def parse_size(text: str) -> int:
    """Read a size in PostgreSQL's units, 512MB or 2GB (1 kB = 1024 bytes), as bytes; raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; give one such as 512MB or 2GB")
    return int(float(match[1]) * 1024 ** _UNITS[(match[2] or "B").lower()])
