"""Find the literals of SQL by the server's own lexical rules, and remove them from a statement.

pg_stat_statements has replaced nearly all of them; what it leaves are entries that were evicted while they ran, whose
text it stores as it came, and comments.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.capture.number_places import places_of_numbers
from analyzer.errors import InputError
from analyzer.postgres.lex import IncompleteError, Token, lex, significant, string_end

#: What would become one token with a parameter beside it.
_SOLID = re.compile(r"[\w$\u0080-\U0010ffff]")
#: The server's parameters have 16 bits.
_LONGEST_PARAMETER = 10


class UnreadableStatementError(InputError):
    """The text cannot be split into tokens, or not in one way only; its text says why, and nothing of the statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """Where a constant stands in a text; its UESCAPE belongs to it."""

    start: int
    end: int
    text: str
    is_number: bool


def without_literals(query: str) -> str:
    """Replace every literal by a parameter, numbered after the existing ones, and remove comments.

    Numbers that are no values stay: parameters, positions in ORDER BY and GROUP BY, and lengths in types.
    Raises UnreadableStatementError.
    """
    tokens = _tokens_of_statement(query)
    found = {literal.start: literal for literal in literals(tokens)}
    number = _highest_parameter(tokens)
    parts: list[str] = []
    end = 0
    for token in tokens:
        if token.start < end:
            continue  # UESCAPE of the literal before
        text = token.text
        literal = found.get(token.start)
        if literal is not None:
            number += 1
            text = f"${number}"
        touches = parts and _SOLID.match(parts[-1][-1]) and _SOLID.match(text[0])
        if parts and (token.start > end or touches):
            parts.append(" ")
        parts.append(text)
        end = token.end if literal is None else literal.end
    return "".join(parts)


def literals(tokens: Sequence[Token]) -> tuple[Literal, ...]:
    """Return the constants among tokens without comments, in their order."""
    places = places_of_numbers(tokens)
    found: list[Literal] = []
    for index, token in enumerate(tokens):
        if token.kind == "string" and not _is_escape(tokens, index):
            last = tokens[index + 2] if _is_escape(tokens, index + 2) and token.text[0] in "uU" else token
            found.append(Literal(start=token.start, end=last.end, text=token.text, is_number=False))
        elif token.kind == "number" and index not in places:
            found.append(Literal(start=token.start, end=token.end, text=token.text, is_number=True))
    return tuple(found)


def _is_escape(tokens: Sequence[Token], index: int) -> bool:
    """Tell whether a string is the UESCAPE of the Unicode string or name before it."""
    return (
        2 <= index < len(tokens)
        and tokens[index].kind == "string"
        and len(tokens[index].text) == len("'!'")
        and tokens[index - 1].word == "uescape"
        and tokens[index - 2].text[:2] in ("u&", "U&")
    )


def check_strings(query: str, tokens: Sequence[Token]) -> None:
    """Refuse a recorded statement whose strings end elsewhere where standard_conforming_strings is off.

    A session may have switched it off. Raises UnreadableStatementError.
    """
    for token in tokens:
        depends = token.kind == "string" and token.text[0] in "'nN" and "\\" in token.text
        if depends and not _ends_alike(query, token):
            raise UnreadableStatementError(
                f"where the string at character {token.start + 1} ends depends on standard_conforming_strings, "
                "which is not recorded"
            )


def _ends_alike(query: str, token: Token) -> bool:
    try:
        return string_end(query, query.index("'", token.start) + 1, escapes=True) == token.end
    except IncompleteError:
        return False


def _tokens_of_statement(query: str) -> tuple[Token, ...]:
    try:
        tokens = significant(lex(query))
    except IncompleteError as error:
        raise UnreadableStatementError(str(error)) from None
    check_strings(query, tokens)
    return tokens


def _highest_parameter(tokens: Sequence[Token]) -> int:
    parameters = [token.text[1:] for token in tokens if token.kind == "parameter"]
    if any(len(number) > _LONGEST_PARAMETER for number in parameters):
        raise UnreadableStatementError("the number of a parameter is out of range")
    return max(map(int, parameters), default=0)
