"""Find constants in SQL printed by the server from its catalog, and replace them.

Such text is regular: a constant that is not a plain number carries its type, as in `'happy'::sales.mood`.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.capture.literals import literals
from analyzer.documents.bounds import TYPE_PATTERN
from analyzer.postgres.lex import IncompleteError, Token, significant, tokens_of

_TYPE = re.compile(rf"::(?P<type>{TYPE_PATTERN})")
_STUB = "AS $twindex$BEGIN RAISE 'the snapshot was captured with --no-values'; END$twindex$\n"
#: Digits of the largest integer and bigint that are surely in range.
_INTEGER_DIGITS, _BIGINT_DIGITS = 10, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class _Constant:
    """Where a constant stands in a text, its cast included."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    """The parts of what pg_get_functiondef prints: up to the arguments, the lines after them, the body."""

    signature: str
    clauses: tuple[str, ...]
    body: str


def has_constants(text: str | None) -> bool:
    """Tell whether a text contains a constant; true for a text that cannot be parsed."""
    if text is None:
        return False
    try:
        return any(True for _ in _constants(text))
    except IncompleteError:
        return True


def constants_in(text: str) -> frozenset[str]:
    """Return the constants of a text as they are written in it; all of it when it cannot be read."""
    try:
        return frozenset(text[found.start : found.end] for found in _constants(text))
    except IncompleteError:
        return frozenset({text})


def with_unknowns(text: str) -> str | None:
    """Replace every constant by a value unknown until execution; None for text that cannot be parsed.

    The planner estimates `(SELECT NULL::type)` as it does a parameter. A bare NULL it would reason with.
    """
    try:
        return _with(text, "(SELECT NULL::{})")
    except IncompleteError:
        return None


def without_constants(definition: str) -> str:
    """Return pg_get_functiondef's text with a body that raises, in a language that every server has.

    Volatility, cost, rows and strictness stay. Raises IncompleteError for a text that cannot be read.
    """
    function = _parts(definition)
    signature = _with(function.signature, "NULL::{}")
    clauses = [stubbed for clause in function.clauses if (stubbed := _stubbed(clause))]
    return "".join((signature, "\n", *(f" {clause}\n" for clause in clauses), _STUB))


def is_silent(definition: str) -> bool:
    """Tell whether an SQL function contains no constant, no setting and no comment."""
    try:
        function = _parts(definition)
        body = _unquoted(function.body)
        return not (
            has_constants(function.signature)
            or any(clause.lower().startswith("set ") for clause in function.clauses)
            or has_constants(body)
            or any(token.kind == "comment" for token in tokens_of(body))
        )
    except IncompleteError:
        return False


def _unquoted(body: str) -> str:
    """Return what a body holds, which stands in dollar quotes unless it is of the SQL standard's form."""
    quoted = re.fullmatch(r"AS (\$[^$]*\$)(.*)\1\s*", body, re.DOTALL)
    return quoted[2] if quoted else body


def _stubbed(clause: str) -> str:
    """Return a line of a function's head as a stub has it, nothing where it has none."""
    tokens = significant(tuple(tokens_of(clause)))
    match tokens[0].word:
        case "set" | "transform":  # what another language must not have, or may hold a constant
            return ""
        case "language":
            return f"LANGUAGE plpgsql{clause[tokens[1].end :]}"
        case "window":
            return clause[tokens[0].end :].strip()
        case _:
            return clause


def _parts(definition: str) -> _Function:
    """Cut a definition at the line breaks that are in no token; raises IncompleteError."""
    tokens = significant(tuple(tokens_of(definition)))
    closing = _closing(tokens)
    starts = [
        index
        for index in range(closing, len(tokens))
        if index and "\n" in definition[tokens[index - 1].end : tokens[index].start]
    ]
    count = next((count for count, start in enumerate(starts) if _begins_body(tokens[start : start + 2])), None)
    if closing == 0 or count is None or starts[0] != closing:
        raise IncompleteError("it is not a function definition as printed by PostgreSQL")
    return _Function(
        signature=definition[: tokens[closing - 1].end],
        clauses=tuple(
            definition[tokens[start].start : tokens[end - 1].end]
            for start, end in itertools.pairwise(starts[: count + 1])
        ),
        body=definition[tokens[starts[count]].start :],
    )


def _closing(tokens: Sequence[Token]) -> int:
    """Return the index after the bracket that closes the arguments, 0 when none does."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == ")" and depth == 0:
            return index + 1
    return 0


def _begins_body(tokens: Sequence[Token]) -> bool:
    match [token.word for token in tokens]:
        case ["as", _]:
            return tokens[1].kind == "string"
        case ["begin", "atomic"] | ["return", *_]:
            return True
        case _:
            return False


def _with(text: str, unknown: str) -> str:
    parts: list[str] = []
    end = 0
    for found in _constants(text):
        parts += [text[end : found.start], unknown.format(found.type)]
        end = found.end
    return "".join(parts) + text[end:]


def _constants(text: str) -> Iterator[_Constant]:
    last = 0
    for literal in literals(significant(tuple(tokens_of(text)))):
        if literal.start < last:
            continue
        match = _TYPE.match(text, literal.end)
        last = match.end() if match else literal.end
        yield _Constant(start=literal.start, end=last, type=match["type"] if match else _type(literal.text))


def _type(text: str) -> str:
    """Name the type of a constant without a cast."""
    if text[0] in "bBxX":
        return "bit varying"
    if not (text[0].isdigit() or text[0] == "."):
        return "text"
    if not text.isdigit() or len(text) > _BIGINT_DIGITS:
        return "numeric"
    return "integer" if len(text) < _INTEGER_DIGITS or int(text) < 2**31 else "bigint"
