"""Patterns in, what an index can use of them out."""

import pytest

from analyzer.postgres.patterns import has_prefix, has_trigram, is_anchored


@pytest.mark.parametrize(
    ("pattern", "expected"), [("abc%", True), ("%abc", False), ("_bc", False), (r"\%a", False), ("", False)]
)
def test_a_prefix_of_like_is_a_plain_character(pattern: str, *, expected: bool) -> None:
    assert has_prefix(pattern) == expected
    assert not has_prefix(None)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("^abc", True),
        ("abc", False),
        ("^a*bc", False),
        ("^a?", False),
        ("^(ab)", False),
        ("^ab|cd", False),
        ("^", False),
    ],
)
def test_an_anchored_expression_has_a_letter_that_nothing_makes_optional(pattern: str, *, expected: bool) -> None:
    assert is_anchored(pattern) == expected
    assert not is_anchored(None)


@pytest.mark.parametrize(
    ("pattern", "expected"), [("%abc%", True), ("%ab%", False), ("%a_c%", False), ("%äöü%", True), ("ab c", False)]
)
def test_a_trigram_is_three_letters_in_a_row(pattern: str, *, expected: bool) -> None:
    assert has_trigram(pattern) == expected
    assert has_trigram(None)
