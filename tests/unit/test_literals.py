"""No literal leaves: statements without values, normalised statements, definitions without constants."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.capture.constants import is_silent, with_unknowns, without_constants
from analyzer.capture.literals import UnreadableStatementError, without_literals
from analyzer.postgres.lex import IncompleteError, lex, significant
from analyzer.render.query_text import normalise

#: In every literal and comment that is generated, and in nothing else.
SECRET = "zqsecret"
DIGITS = "90817"

Piece = tuple[str, str]


def kept(text: str) -> st.SearchStrategy[Piece]:
    return st.just((text, text))


WORDS = ("SELECT", "a", "Größe", "b$1", "e", "E", "x", "n", "U", "interval", "IN", "nicht", '"Q ""\' $$"', 'U&"d!0061"')
SIGNS = (
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    ".",
    "::",
    ":=",
    "->>",
    "<=>",
    "@>",
    "||",
    "-",
    "+",
    "*",
    "/",
    "<",
    "?",
    "&",
    "|",
)
INSIDE = st.lists(
    st.sampled_from([SECRET, " ", "''", "$", '"', "--", "/*", "*/", "\n", "$1", ";", "(", "é"]), max_size=5
)


def spelt(form: str) -> Callable[[list[str]], str]:
    def spell(parts: list[str]) -> str:
        text = SECRET + "".join(parts)
        return form.format(text.replace("$", "") if form.startswith("$") else text)

    return spell


LITERALS = st.one_of(
    *(
        INSIDE.map(spelt(form))
        for form in ("'{}'", "N'{}'", "U&'{}'", "E'\\'{}\\\\'", "'{}'\n'more'", "E'{}' -- '\n '\\'x'")
    ),
    *(INSIDE.map(spelt(form)) for form in ("$${}$$", "$tag${}'$tag$")),
    st.sampled_from([f"b'{SECRET}'", f"X'{SECRET}'", f"U&'{SECRET}' UESCAPE '!'", f"U&'{SECRET}'\nuescape\n'+'"]),
    st.sampled_from([DIGITS, f"0x{DIGITS}", f"{DIGITS}.5", f".{DIGITS}", f"{DIGITS}e10", f"1_{DIGITS}", f"{DIGITS}."]),
)
COMMENTS = st.sampled_from([f"-- {SECRET} '\n", f"/* {SECRET} /* ' */ $$ */", f"--{SECRET} /*\n"])
PIECES = st.lists(
    st.one_of(
        st.sampled_from([*WORDS, *SIGNS]).flatmap(kept),
        st.integers(1, 99).map(lambda number: (f"${number}", f"${number}")),
        LITERALS.map(lambda text: (text, "?")),
        COMMENTS.map(lambda text: (text, "")),
    ),
    max_size=25,
)


def glued(pieces: list[Piece], spaces: list[bool]) -> str:
    """Write pieces one after another, with nothing between two that stay apart by themselves."""
    text = ""
    for (piece, _), space in zip(pieces, spaces, strict=True):
        apart = not space and text.endswith((",", "(", "[", "]", ")", ";")) and not piece.startswith("'")
        text += piece if apart or not text else f" {piece}"
    return text


def read(text: str) -> list[str]:
    """Return the tokens, whatever stands for a literal as `?`."""
    return [token.text for token in significant(lex(text))]


@given(PIECES.flatmap(lambda pieces: st.tuples(st.just(pieces), st.lists(
    st.booleans(), min_size=len(pieces), max_size=len(pieces)))))  # fmt: skip
def test_no_literal_leaves_and_all_else_stays_in_its_order(drawn: tuple[list[Piece], list[bool]]) -> None:
    drawn_pieces, spaces = drawn
    # Strings in different lines would be one.
    pieces = [each for piece in drawn_pieces for each in (piece, (",", ","))[: 2 if piece[1] == "?" != piece[0] else 1]]
    spaces = spaces + [True] * (len(pieces) - len(spaces))
    query = glued(pieces, spaces)
    highest = max((int(text[1:]) for text, _ in pieces if re.fullmatch(r"\$\d+", text)), default=0)
    stripped = without_literals(query)
    assert SECRET not in stripped
    assert DIGITS not in stripped
    numbers = iter(range(highest + 1, highest + 100))
    assert read(stripped) == [
        f"${next(numbers)}" if stays == "?" and text != "?" else stays for text, stays in pieces if stays
    ]
    shown = normalise(query)
    assert SECRET not in shown
    assert DIGITS not in shown


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("INSERT INTO a(b) VALUES ($1,$2)", "INSERT INTO a(b) VALUES ($1,$2)"),
        ("x IN ($1,$2) AND y = 'secret' AND z IN ($1,$2)", "x IN ($1,$2) AND y = $3 AND z IN ($1,$2)"),
        ("SELECT s.f(12345), s.numeric(5)", "SELECT s.f($1), s.numeric($2)"),
        ("SELECT date'2020-01-01', 5OFFSET 3", "SELECT date $1, $2 OFFSET $3"),
        ("SELECT U&'d!0061' UESCAPE '!', 1", "SELECT $1, $2"),
        ("""SELECT U&"d!0061" UESCAPE '!', 1""", """SELECT U&"d!0061" UESCAPE '!', $1"""),
        ("SELECT E'a'\n '\\'secret' /* ' */", "SELECT $1"),
        ("SELECT a FROM t GROUP BY a, 2 ORDER BY f(7), 2 DESC NULLS LAST LIMIT 9",
         "SELECT a FROM t GROUP BY a, 2 ORDER BY f($1), 2 DESC NULLS LAST LIMIT $2"),
        ("SELECT DISTINCT ON (1, a) a FROM t ORDER BY 1, a + 7",
         "SELECT DISTINCT ON (1, a) a FROM t ORDER BY 1, a + $1"),
        ("SELECT a FROM t GROUP BY ROLLUP (1, 2), GROUPING SETS ((1), (2, 3))",
         "SELECT a FROM t GROUP BY ROLLUP (1, 2), GROUPING SETS ((1), (2, 3))"),
        ("SELECT array_agg(a ORDER BY 7), rank() OVER (ORDER BY 7) FROM (SELECT 1 ORDER BY 1) AS q",
         "SELECT array_agg(a ORDER BY $1), rank() OVER (ORDER BY $2) FROM (SELECT $3 ORDER BY 1) AS q"),
        ('SELECT a::pg_catalog.varchar(3), b::numeric(9,-2)[4], CAST(c AS s."T"(2)), d::int AND f(7)',
         'SELECT a::pg_catalog.varchar(3), b::numeric(9,-2)[4], CAST(c AS s."T"(2)), d::int AND f($1)'),
        ("FROM json_to_recordset($1) AS x(a numeric(10,2), b character varying(20), c timestamp(3) with time zone)",
         "FROM json_to_recordset($1) AS x(a numeric(10,2), b character varying(20), c timestamp(3) with time zone)"),
        ("SELECT a <=> '[1]' -- hush", "SELECT a <=> $1"),
    ],
)  # fmt: skip
def test_what_is_a_literal_is_what_the_server_takes_for_one(query: str, expected: str) -> None:
    assert without_literals(query) == expected


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT 'secret", "is it truncated"),
        ("SELECT E'a''b\\' secret", "is it truncated"),
        ("SELECT 'a'\n'secret", "is it truncated"),
        ("SELECT /* /* */ secret", "does not end"),
        ("SELECT 'it\\'s secret', '' -- '", "standard_conforming_strings"),
        ("SELECT 'a' = '\\', ' secret ', 'x'", "standard_conforming_strings"),
        (f"SELECT ${'9' * 5000}", "out of range"),
        (f"SELECT {'~' * 64}-- secret", "longer than 63"),
    ],
)
def test_a_statement_that_cannot_be_read_in_one_way_is_withheld(query: str, says: str) -> None:
    with pytest.raises(UnreadableStatementError, match=says) as raised:
        without_literals(query)
    assert "secret" not in str(raised.value)
    if "$" not in query:
        assert normalise(query).startswith("(withheld: ")


def test_an_expression_of_a_plan_is_read_as_the_twin_prints_it() -> None:
    assert normalise(r"(a ~~ '\'::text)", is_recorded=False) == "(a ~~ ?::text)"


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a = ANY (ARRAY[$1,$2]) AND b = 'x'::s.t", "a = ANY (ARRAY[$1,$2]) AND b = (SELECT NULL::s.t)"),
        ("s.f(5) <=> 'v'::vector", "s.f((SELECT NULL::integer)) <=> (SELECT NULL::vector)"),
        ("a = " + "9" * 5000, "a = (SELECT NULL::numeric)"),
        ("a = X'1F'", "a = (SELECT NULL::bit varying)"),
    ],
)
def test_constants_of_definitions_are_read_alike(text: str, unknown: str) -> None:
    assert with_unknowns(text) == unknown


HEAD = "CREATE OR REPLACE FUNCTION s.f(a text)\n RETURNS text\n LANGUAGE sql\n IMMUTABLE COST 7\n"


@pytest.mark.parametrize(
    "definition",
    [
        HEAD + "AS $functionx$ SELECT 'secret' || $function$x$function$ || upper('secret') $functionx$\n",
        HEAD + " SET s.x TO 'a\nAS secret', 'b\n secret'\nAS $function$SELECT $1$function$\n",
        HEAD.replace("s.f(a text)", "s.\"a\nAS b\"(a text DEFAULT 'x\nAS secret'::text)") + "RETURN $1\n",
        HEAD + "AS $function$SELECT $1 -- secret\n$function$\n",
        HEAD + "AS 'secret', $function$secret$function$\n",
    ],
)
def test_nothing_of_a_function_hides_behind_its_layout(definition: str) -> None:
    assert not is_silent(definition)
    stub = without_constants(definition)
    assert "secret" not in stub
    assert stub.endswith("AS $twindex$BEGIN RAISE 'the snapshot was captured with --no-values'; END$twindex$\n")
    assert "\n LANGUAGE plpgsql\n" in stub


def test_an_sql_function_without_constants_is_kept() -> None:
    assert is_silent(HEAD + "AS $function$ SELECT concat($1,$1) $function$\n")
    assert is_silent(HEAD + "RETURN lower(a)\n")
    assert not is_silent(HEAD + "RETURN lower('secret')\n")
    with pytest.raises(IncompleteError):
        without_constants("CREATE FUNCTION 'secret")


@pytest.mark.parametrize("piece", ["(", "((SELECT ", "a::int(", "'a',", "ORDER BY 1,"])
def test_reading_takes_time_in_proportion_to_the_text(piece: str) -> None:
    began = time.process_time()
    without_literals("SELECT " + piece * 50_000)
    assert time.process_time() - began < 10
