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

import psycopg

from analyzer.postgres.lex import Token, lex, significant

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
#: Date and time functions that cannot be resolved without the type of their last argument.
_TIME_FUNCTIONS = frozenset({"date_trunc", "date_part", "extract", "age", "date_bin"})


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


def repair(text: str, error: psycopg.Error, *, offset: int = 0) -> str | None:
    """Cast the parameter whose type the server could not determine; None when the error is another.

    `offset` counts the characters sent before the text, such as `EXPLAIN (GENERIC_PLAN) `. Without it the place is
    found by the message alone.
    """
    message = error.diag.message_primary or ""
    position = int(error.diag.statement_position or 0) - 1 - offset
    tokens = significant(lex(text))
    edit: Edit | None = None
    if found := re.search(r"could not determine data type of parameter \$(\d+)", message):
        edit = _cast(_bare(tokens, f"${found[1]}", position), "text")
    elif found := re.search(r"operator is not unique: .*?(\S+) unknown$", message):
        edit = _cast(_operand(tokens, found[1], position), "integer")
    elif found := re.search(r"function (?:\w+\.)?(\w+)\(.*\) is not unique", message):
        kind = "timestamptz" if found[1] in _TIME_FUNCTIONS else "numeric"
        edit = _cast(_last_argument(tokens, found[1], position), kind)
    elif found := re.search(r"operator does not exist: (.+) (\S+) (.+)$", message):
        at = _nearest([token for token in tokens if token.text == found[2]], position)
        kind = found[3] if found[1] == "text" else found[1]
        edit = (
            None if at is None else _cast(_listed(tokens, tokens.index(at) + (-1 if found[1] == "text" else 1)), kind)
        )
    elif found := re.search(r'column ".*" is of type (.+) but expression is of type text', message):
        at = _nearest(tokens, position)
        edit = None if at is None else _cast(_listed(tokens, tokens.index(at)), found[1])
    return None if edit is None else apply(text, [edit])


def _cast(token: Token | None, kind: str) -> Edit | None:
    return None if token is None else Edit(token.end, token.end, f"::{kind}")


def _is_bare(tokens: Sequence[Token], index: int) -> bool:
    return (
        0 <= index < len(tokens)
        and tokens[index].kind == "parameter"
        and (index + 1 == len(tokens) or tokens[index + 1].text != "::")
    )


def _nearest(tokens: Sequence[Token], position: int) -> Token | None:
    return min(tokens, key=lambda token: (abs(token.start - position), token.start), default=None)


def _bare(tokens: Sequence[Token], text: str, position: int) -> Token | None:
    found = [token for index, token in enumerate(tokens) if token.text == text and _is_bare(tokens, index)]
    return _nearest(found, position)


def _operand(tokens: Sequence[Token], operator: str, position: int) -> Token | None:
    """Find the operator with an uncast parameter beside it, and return the parameter, the right one first."""
    beside: dict[int, Token] = {}
    for index, token in enumerate(tokens):
        if token.text == operator and (side := next((i for i in (index + 1, index - 1) if _is_bare(tokens, i)), None)):
            beside[token.start] = tokens[side]
    return beside[min(beside, key=lambda start: (abs(start - position), start))] if beside else None


def _last_argument(tokens: Sequence[Token], function: str, position: int) -> Token | None:
    calls = [
        index
        for index, token in enumerate(tokens)
        if token.word == function and index + 1 < len(tokens) and tokens[index + 1].text == "("
    ]
    arguments = {
        tokens[call].start: bare
        for call in calls
        if (bare := [i for i in range(call + 2, closing(tokens, call + 1)) if _is_bare(tokens, i)])
    }
    if not arguments:
        return None
    return tokens[arguments[min(arguments, key=lambda start: (abs(start - position), start))][-1]]


def _listed(tokens: Sequence[Token], index: int) -> Token | None:
    """Return the first row's parameter behind a column of `(VALUES …) v (a, b)`, whose type the server took as text."""
    while index + 2 < len(tokens) and tokens[index + 1].text == ".":
        index += 2
    name = tokens[index].text.lower() if 0 <= index < len(tokens) else ""
    for start, token in enumerate(tokens):
        if token.word != "values" or start == 0 or tokens[start - 1].text != "(":
            continue
        after = closing(tokens, start - 1) + 1
        after += after < len(tokens) and tokens[after].word == "as"
        names = [each.text.lower() for each in tokens[after + 2 : closing(tokens, after + 1)] if each.text != ","]
        row = [i for i in range(start + 2, closing(tokens, start + 1)) if tokens[i].kind == "parameter"]
        if name in names and len(row) == len(names) and _is_bare(tokens, row[names.index(name)]):
            return tokens[row[names.index(name)]]
    return None


def closing(tokens: Sequence[Token], opening: int) -> int:
    """Return the index of the bracket that closes the one at `opening`, or the number of tokens."""
    depth = 0
    for index in range(opening, len(tokens)):
        if tokens[index].text in ("(", "["):
            depth += 1
        elif tokens[index].text in (")", "]"):
            depth -= 1
            if depth == 0:
                return index
    return len(tokens)


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
