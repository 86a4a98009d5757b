"""Find constants in SQL that the server printed of its catalog, and put something in their place.

Such text is regular: a constant that is not a plain number carries its type, as in `'happy'::sales.mood`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import tokenize
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import TokenType

from analyzer.capture.literals import is_literal

#: A type as format_type() prints it behind a cast: a name with its schema, more words, modifiers, brackets.
_TYPE = re.compile(
    r"""::(?P<type>(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+))?
        (?:\ (?:varying|precision|year|month|day|hour|minute|second|to)\b)*(?:\(\d+(?:,\s*-?\d+)?\))?
        (?:\ with(?:out)?\ time\ zone)?(?:\[\])*)""",
    re.VERBOSE,
)
_LANGUAGE = re.compile(r"^ LANGUAGE \S+", re.MULTILINE)
#: Where the body of a function begins, as pg_get_functiondef prints it.
_BODY = re.compile(r"^(?:AS |BEGIN ATOMIC|RETURN )", re.MULTILINE)
#: Clauses of a function's head that a stub in another language must not have, or that hold constants.
_CLAUSES = re.compile(r"^ (?:SET|TRANSFORM) .*\n|(?<=^ )WINDOW ", re.MULTILINE)
_STUB = "AS $twindex$BEGIN RAISE 'the snapshot was captured with --no-values'; END$twindex$\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Constant:
    """Where a constant stands in a text, its cast included."""

    start: int
    end: int
    type: str


def has_constants(text: str | None) -> bool:
    """Say whether a text holds a constant; one that cannot be read is taken to."""
    if text is None:
        return False
    try:
        return any(True for _ in _constants(text))
    except TokenError:
        return True


def constants_in(text: str) -> frozenset[str]:
    """Return the constants of a text as they are written in it; all of it when it cannot be read."""
    try:
        return frozenset(text[found.start : found.end] for found in _constants(text))
    except TokenError:
        return frozenset({text})


def with_unknowns(text: str) -> str | None:
    """Put a value unknown until execution in the place of every constant; None for text that cannot be read.

    The planner estimates `(SELECT NULL::type)` as it does a parameter. A bare NULL it would reason with.
    """
    return _replaced(text, "(SELECT NULL::{})")


def without_constants(definition: str) -> str:
    """Return pg_get_functiondef's text with a body that raises, in a language that every server has.

    Volatility, cost, rows and strictness stay.
    """
    body = _BODY.search(definition)
    head = definition[: body.start()] if body else definition
    signature, newline, clauses = head.partition("\n")
    clauses = _LANGUAGE.sub(" LANGUAGE plpgsql", _CLAUSES.sub("", clauses))
    return (_replaced(signature, "NULL::{}") or signature) + newline + clauses + _STUB


def sql_body(definition: str) -> str:
    """Return the body of a function, as pg_get_functiondef prints it."""
    body = _BODY.search(definition)
    return definition[body.start() :] if body else ""


def _replaced(text: str, unknown: str) -> str | None:
    parts: list[str] = []
    end = 0
    try:
        for found in _constants(text):
            parts += [text[end : found.start], unknown.format(found.type)]
            end = found.end
    except TokenError:
        return None
    return "".join(parts) + text[end:]


def _constants(text: str) -> Iterator[_Constant]:
    tokens = tokenize(text, read="postgres")
    last = 0
    for position, token in enumerate(tokens):
        start, end = token.start, token.end + 1
        if token.token_type is TokenType.DCOLON and (match := _TYPE.match(text, start)):
            last = match.end()
        if start < last or not is_literal(tokens, position):
            continue  # within a type, whose length is no constant
        if match := _TYPE.match(text, end):
            last = match.end()
            yield _Constant(start=start, end=match.end(), type=match["type"])
        elif token.text.isdigit():
            yield _Constant(start=start, end=end, type="integer" if int(token.text) < 2**31 else "bigint")
        else:
            yield _Constant(start=start, end=end, type="numeric" if _is_number(token.text) else "text")


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[\d.]+(?:[eE][-+]?\d+)?", text) is not None
