"""Make the text that pg_stat_statements records acceptable to EXPLAIN (GENERIC_PLAN).

The server replaces every constant by a parameter, also where its grammar wants a constant (`date $1`). Each rewrite is
an edit at the tokens concerned; the rest of the text stays as recorded. Parameters keep their numbers: gaps do not
disturb EXPLAIN (tried on 18.6).
"""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.postgres.lex import Token, closing, lex, significant

#: Stands for the field of an EXTRACT whose name was replaced by a parameter; every date and time type has it.
UNKNOWN_FIELD = "'epoch'"
#: Elements the planner assumes in an array that it cannot see (estimate_array_length), taken for a squashed list.
ASSUMED_ELEMENTS = 10

#: Keywords after which an expression starts, so that a parameter behind them is not a typed constant.
BEFORE_EXPRESSION = frozenset(
    [
        "all",
        "and",
        "any",
        "as",
        "asymmetric",
        "between",
        "both",
        "by",
        "case",
        "content",
        "distinct",
        "document",
        "else",
        "escape",
        "except",
        "fetch",
        "filter",
        "first",
        "for",
        "from",
        "groups",
        "having",
        "ilike",
        "in",
        "intersect",
        "is",
        "isnull",
        "leading",
        "like",
        "limit",
        "next",
        "not",
        "notnull",
        "offset",
        "on",
        "only",
        "or",
        "overlaps",
        "passing",
        "placing",
        "range",
        "repeatable",
        "returning",
        "rows",
        "select",
        "set",
        "similar",
        "symmetric",
        "then",
        "to",
        "trailing",
        "union",
        "using",
        "values",
        "variadic",
        "when",
        "where",
        "with",
        "zone",
    ]
)
_UNITS = frozenset(["year", "month", "day", "hour", "minute", "second"])
#: What is added to or taken from a date or a timestamp, when the text no longer says.
_DISTANCES = {"date": "integer", "timestamp": "interval", "timestamptz": "interval"}


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text between two positions."""

    start: int
    end: int
    text: str


def apply(text: str, edits: Sequence[Edit]) -> str:
    """Apply edits that do not overlap; of two at the same place the earlier in the sequence comes first."""
    parts: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join(parts) + text[position:]


def make_plannable(text: str, *, rows_per_call: float | None) -> str:
    """Rewrite what the grammar or the planner cannot take; a text without such places comes back unchanged.

    A LIMIT by parameter would be planned as a tenth of the rows: the rows really returned stand in for it.
    """
    tokens = lex(text)
    plain = significant(tokens)
    edits = [*_squashed_lists(tokens), *_typed_constants(plain), *_extract_fields(plain), *_arrays(plain)]
    if rows_per_call is not None:
        edits += _limits(plain, rows_per_call)
    return apply(text, edits)


def _is_bare(tokens: Sequence[Token], index: int) -> bool:
    return (
        0 <= index < len(tokens)
        and tokens[index].kind == "parameter"
        and (index + 1 == len(tokens) or tokens[index + 1].text != "::")
    )


def _squashed_lists(tokens: Sequence[Token]) -> Iterator[Edit]:
    """PostgreSQL 18 keeps the first element of a list, and a comment for the others."""
    for before, comment in itertools.pairwise(tokens):
        if comment.kind == "comment" and comment.text == "/*, ... */" and before.kind == "parameter":
            yield Edit(comment.start, comment.end, f", {before.text}" * (ASSUMED_ELEMENTS - 1))


def _arrays(tokens: Sequence[Token]) -> Iterator[Edit]:
    """`= ANY (ARRAY[$1])` has no element type, and would be text; `IN ($1)` is the same and takes the column's."""
    for index, token in enumerate(tokens):
        words = [each.text.lower() for each in tokens[index : index + 5]]
        if words != ["=", "any", "(", "array", "["]:
            continue
        end = index + 5
        while end < len(tokens) and (tokens[end].kind == "parameter" or tokens[end].text == ","):
            end += 1
        after = tokens[end + 1 : end + 2]
        if end > index + 5 and after and (tokens[end].text, after[0].text) == ("]", ")"):
            yield Edit(token.start, tokens[index + 4].end, "IN (")
            yield Edit(tokens[end].start, after[0].end, ")")


def _typed_constants(tokens: Sequence[Token]) -> Iterator[Edit]:
    """`date $1` becomes `$1::date`, `interval $1 month` becomes `$1::interval`."""
    for index, token in enumerate(tokens):
        start = _type_start(tokens, index) if token.kind == "parameter" else index
        if start == index:
            continue
        name = " ".join(each.text for each in tokens[start:index]).replace(" . ", ".")
        name = name.replace(" ( ", "(").replace(" )", ")").replace(" , ", ", ")
        name = re.sub(r"^(char|bit)$", r"\1 varying", name, flags=re.IGNORECASE)
        after = _units_end(tokens, index + 1) if tokens[start].word == "interval" else index + 1
        yield Edit(tokens[start].start, tokens[after - 1].end, f"{token.text}::{name}")
        distance = _DISTANCES.get(tokens[start].word)
        if distance and after < len(tokens) and tokens[after].text in ("+", "-") and _is_bare(tokens, after + 1):
            yield Edit(tokens[after + 1].end, tokens[after + 1].end, f"::{distance}")


def _type_start(tokens: Sequence[Token], index: int) -> int:
    """Return where the type's name before a parameter starts, or the place of the parameter itself."""
    place = index - 1
    if place >= 0 and tokens[place].text == ")":
        while place > 0 and (tokens[place].kind == "number" or tokens[place].text in (",", ")")):
            if tokens[place].text == ")" and place < index - 1:
                return index
            place -= 1
        if tokens[place].text != "(":
            return index
        place -= 1
    if place >= 2 and [tokens[place - i].word for i in (1, 0)] == ["time", "zone"]:
        place -= 3
        if tokens[place].text == ")":
            place -= 3
        return place if tokens[place].word in ("time", "timestamp") else index
    if place < 0 or tokens[place].kind not in ("word", "quoted") or tokens[place].word in BEFORE_EXPRESSION:
        return index
    if place >= 1 and tokens[place - 1].word in ("double", "character", "bit", "national"):
        place -= 1
    while place >= 2 and tokens[place - 1].text == "." and tokens[place - 2].kind in ("word", "quoted"):
        place -= 2
    return place


def _units_end(tokens: Sequence[Token], index: int) -> int:
    """Skip the fields of an interval: `year to month`, `second(3)`."""
    while index < len(tokens) and tokens[index].word in _UNITS:
        index += 1
        if index < len(tokens) and tokens[index].text == "(":
            index = closing(tokens, index) + 1
        if index + 1 < len(tokens) and tokens[index].word == "to" and tokens[index + 1].word in _UNITS:
            index += 1
    return index


def _extract_fields(tokens: Sequence[Token]) -> Iterator[Edit]:
    for function, opening, field, keyword in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        if function.word == "extract" and opening.text == "(" and field.kind == "parameter" and keyword.word == "from":
            yield Edit(field.start, field.end, UNKNOWN_FIELD)


def _limits(tokens: Sequence[Token], rows_per_call: float) -> Iterator[Edit]:
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth or index + 1 == len(tokens) or tokens[index + 1].kind != "parameter":
            continue
        place = index + 2
        while place + 1 < len(tokens) and tokens[place].text == "::":  # SQLAlchemy writes LIMIT $1::INTEGER
            place += 2
        after = tokens[place].text.lower() if place < len(tokens) else ";"
        value = tokens[index + 1]
        if (token.word == "limit" and after in (";", "offset", "for", ")")) or (
            token.word in ("first", "next") and after in ("row", "rows")
        ):
            yield Edit(value.start, value.end, str(max(1, math.ceil(rows_per_call))))
        elif token.word == "offset" and after in (";", "limit", "row", "rows", "fetch", "for", ")"):
            yield Edit(value.start, value.end, "0")
