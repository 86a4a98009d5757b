"""Which words of a statement ask the clock."""

import pytest

from analyzer.twin.schema.clock import freeze_clock


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT now()", "SELECT twindex_own.now()"),
        ("SELECT pg_catalog . now ()", "SELECT twindex_own.now ()"),
        ("SELECT CURRENT_DATE - 1", 'SELECT twindex_own."current_date"() - 1'),
        ("SELECT current_timestamp(3)", 'SELECT twindex_own."current_timestamp"(3)'),
        ("WHERE a<now()AND b>localtime", 'WHERE a<twindex_own.now()AND b>twindex_own."localtime"()'),
    ],
)
def test_calls_of_the_clock_are_replaced(text: str, expected: str) -> None:
    assert freeze_clock(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT now",
        "SELECT shop.now()",
        "SELECT t.now, t.current_date",
        "SELECT 1 AS current_date",
        "SELECT 'now()', $$ now() $$, \"now\" -- now()",
        "SELECT clock_timestamp()",
        "SELECT 'cut short",
    ],
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert freeze_clock(text) == text
