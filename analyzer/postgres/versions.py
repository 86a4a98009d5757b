"""Major versions of PostgreSQL that twindex works with."""

import re
from typing import Final

OLDEST: Final = 14
#: The newest that the suite runs on; a newer server is read as this one.
NEWEST: Final = 18


def numbers(version: str | None) -> tuple[int, ...]:
    """Return the numbers of a version, which compare as the versions do: `0.8.2` is (0, 8, 2)."""
    return tuple(int(part) for part in re.findall(r"\d+", version or "0"))
