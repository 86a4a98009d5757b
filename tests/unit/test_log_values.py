"""Values of logged statements: which constant stands in the place of which parameter, and which spellings are one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.postgres.lex import IncompleteError, lex, significant
from analyzer.workload.fingerprint import fingerprint
from analyzer.workload.log_spelling import spelling
from analyzer.workload.log_values import logged_parameters, values_of


@pytest.mark.parametrize(
    ("recorded", "logged", "values"),
    [
        (
            "SELECT * FROM t WHERE a = $1 AND b = $2",
            "select * from T where a = -5 and b = E'a\\'b'",
            {1: "-5", 2: "a'b"},
        ),
        ("SELECT * FROM t WHERE a IN ($1 /*, ... */)", "SELECT * FROM t WHERE a IN (4, 5, 6)", {1: "4"}),
        ("SELECT * FROM t WHERE a IN ($1, $2, $3)", "SELECT * FROM t WHERE a IN (4, 5)", {1: "4", 2: "5", 3: "4"}),
        ("INSERT INTO t VALUES ($1, $2)", "INSERT INTO t VALUES (1, NULL), (2, 'x')", {1: "1", 2: None}),
        ("SELECT extract($1 FROM d) > $2", "SELECT extract(year FROM d) > true", {1: "year", 2: "true"}),
        (
            "SELECT date $1 + interval $2 month",
            "SELECT date '2026-01-01' + interval '3' month",
            {1: "2026-01-01", 2: "3"},
        ),
        ("SELECT a FROM t WHERE a <> $1 LIMIT $2", "SELECT a FROM t WHERE a != $$x$$ LIMIT 5;", {1: "x", 2: "5"}),
        ("SELECT a FROM t WHERE a = $1", "SELECT a FROM t WHERE b = 1", None),
        ("SELECT a FROM t WHERE a = $1", "SELECT a FROM t WHERE a = B'101'", None),
        ("SELECT a FROM t WHERE a = $1", "SELECT a FROM t WHERE a = $1", None),
        ("SELECT a FROM t WHERE a = $1", "SELECT a FROM t", None),
        ("SELECT a FROM t WHERE a = $1", "SELECT a FROM t WHERE a = 1 AND b", None),
    ],
)
def test_values_are_those_in_the_place_of_the_parameters(
    recorded: str, logged: str, values: dict[int, str | None] | None
) -> None:
    assert values_of(lex(recorded), lex(logged), {}) == values


def test_logged_parameters() -> None:
    assert logged_parameters("$1 = 'a, $2 = ''x''', $2 = NULL, $3 = ''") == {1: "a, $2 = 'x'", 2: None, 3: ""}
    assert logged_parameters("$1 = 'cut...'") is None
    assert logged_parameters("$1 = 'a' and more") is None


PIECES = (
    "select", "a", '"Odd ""1"', '"2"', "= 1", "= 2", "'x'", "'it''s'", "E'a\\'b'", "$1", "$$q'$$", "order by 1",
    ", 2", "order by a, 2", "/* c '1 */", "-- c\n", "in (1, 2)", "-5", "1.5e3", "x'1f'", "by", "1", "b2", "\n",
    "limit 3", "/* * '", "*/", "/* x */", "lower(a)", ", 7", "abE'x\\'", "'", '"', "\n'y'", "(", ")", "é",
    "by /* c */ 4",
)  # fmt: skip
STATEMENTS = st.lists(st.sampled_from(PIECES), max_size=12)


def identity(text: str) -> str:
    try:
        return fingerprint(significant(lex(text)))
    except IncompleteError:
        return "incomplete"


@settings(max_examples=500, deadline=None)
@given(STATEMENTS, st.data())
def test_two_of_one_spelling_have_one_fingerprint(first: list[str], data: st.DataObject) -> None:
    second = [data.draw(st.sampled_from((piece, *PIECES))) if data.draw(st.booleans()) else piece for piece in first]
    for space in (" ", ""):
        one, other = space.join(first), space.join(second)
        if spelling(one) == spelling(other):
            assert identity(one) == identity(other)
