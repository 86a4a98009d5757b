"""Rows as COPY reads them in its text format: for the tables of so many rows that a tuple of each costs too much."""

from datetime import datetime
from decimal import Decimal

#: What a field may be; text must not hold a tab, a line end or a backslash.
Field = str | int | float | Decimal | bool | datetime | None


def line(*fields: Field) -> str:
    """Write one row, its end included."""
    return "\t".join(["\\N" if field is None else str(field) for field in fields]) + "\n"


def listed(words: list[str]) -> str:
    """Write a text array whose elements need no quotes."""
    return "{" + ",".join(words) + "}"
