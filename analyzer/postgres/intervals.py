"""Times in the notation of PostgreSQL's parameters: a number and a unit."""

import re
from datetime import timedelta

_INTERVAL = re.compile(r"(\d{1,5}) ?(ms|s|min|h|d)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


def parse_interval(text: str) -> timedelta:
    """Read a time such as `10s` or `1 d`; raises ValueError."""
    found = _INTERVAL.fullmatch(text.strip())
    if found is None:
        raise ValueError("write a number of up to five digits and a unit: ms, s, min, h or d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
