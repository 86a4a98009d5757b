"""Patterns of LIKE and regular expressions, as far as an index can use them."""

import re


def has_prefix(pattern: str | None) -> bool:
    """Say whether a pattern of LIKE begins with a plain character, so that what it finds lies together."""
    return bool(re.match(r"[^%_\\]", pattern or ""))


def is_anchored(pattern: str | None) -> bool:
    """Say whether a regular expression begins with `^` and a plain letter, which nothing makes optional."""
    return bool(re.match(r"\^\w(?![*?{|])", pattern or "")) and "|" not in (pattern or "")


def has_trigram(pattern: str | None) -> bool:
    """Say whether a pattern has three letters in a row; without them, a trigram index is read whole."""
    return pattern is None or re.search(r"[^\W_]{3}", pattern) is not None
