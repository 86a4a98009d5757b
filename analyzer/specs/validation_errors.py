"""Say in the words of a spec file what the model refuses in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from analyzer.specs.fields import DURATION_PATTERN, SIZE_PATTERN
from analyzer.specs.yaml_tree import MOST_SHOWN
from analyzer.sql import shortened

#: Pydantic's kind of error: what is wrong, and what to do.
_WORDS: Mapping[str, tuple[str, str]] = {
    "extra_forbidden": ("unknown key", "check its spelling against schema.json"),
    "missing": ("missing", "add it"),
    "tuple_type": ("must be a list", "put it in brackets: [a]"),
    "too_short": ("empty", "name at least one"),
    "string_type": ("must be a string", "put it in quotes"),
    "string_too_short": ("empty", "write a value, or omit the key"),
    "string_too_long": ("too long", "shorten it"),
    "model_type": ("must be a mapping", "write its keys in braces, such as {column: a, order: desc}"),
    "date_type": ("must be a date (YYYY-MM-DD)", "write it as 2027-01-31"),
    "date_parsing": ("must be a date (YYYY-MM-DD)", "write it as 2027-01-31"),
    "date_from_datetime_parsing": ("must be a date (YYYY-MM-DD)", "write it as 2027-01-31"),
    "date_from_datetime_inexact": ("must be a date (YYYY-MM-DD)", "write it as 2027-01-31"),
}
#: What a text must be that does not match a pattern.
_PATTERNS: Mapping[str, tuple[str, str]] = {
    SIZE_PATTERN: ("must be a size with kB, MB or GB", "write it as 2GB"),
    DURATION_PATTERN: ("must be a duration with min, h or d", "write it as 90min, 12h or 1d"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing the model refuses."""

    location: tuple[int | str, ...]
    what: str
    remedy: str
    #: The value refused.
    value: object

    @property
    def place(self) -> str:
        """Return where it stands, `keys.1.opclass`, counted from 1; empty for the whole."""
        return ".".join(
            shortened(str(step + 1 if isinstance(step, int) else step), MOST_SHOWN) for step in self.location
        )


def mistakes(error: ValidationError) -> Iterator[Mistake]:
    """Yield what is wrong; not that a list is too short because its only member is wrong."""
    found = error.errors()
    for each in found:
        location = each["loc"]
        inner = any(other["loc"][: len(location)] == location != other["loc"] for other in found)
        if each["type"] == "too_short" and inner:
            continue
        pattern = each.get("ctx", {}).get("pattern", "")
        what, remedy = _WORDS.get(each["type"]) or _PATTERNS.get(pattern) or ("", "")
        if not what:
            what, _, remedy = each["msg"].removeprefix("Value error, ").partition("; ")
        yield Mistake(
            location=location,
            what=what.replace("Input should be", "it should be"),
            remedy=remedy or "see schema.json for what it takes",
            value=each["input"],
        )
