"""Take the literals out of a statement's text.

pg_stat_statements has replaced nearly all of them; what it leaves are entries that were evicted while they ran, whose
text it stores as it came, and comments.
"""

import itertools
from collections.abc import Sequence

from sqlglot import tokenize
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

_STRINGS = frozenset({
    TokenType.STRING, TokenType.NATIONAL_STRING, TokenType.BYTE_STRING, TokenType.BIT_STRING, TokenType.HEX_STRING,
    TokenType.HEREDOC_STRING, TokenType.UNICODE_STRING, TokenType.RAW_STRING,
})  # fmt: skip
_BEFORE_ORDINAL = frozenset({TokenType.ORDER_BY, TokenType.GROUP_BY})
_WITHIN_ORDINALS = frozenset({TokenType.NUMBER, TokenType.COMMA, TokenType.ASC, TokenType.DESC})


class UnreadableStatementError(ValueError):
    """The text cannot be split into tokens."""


def without_literals(query: str) -> str:
    """Replace every literal by a parameter numbered after the ones that are there, and leave comments out.

    Numbers that are no values stay: parameters, positions in ORDER BY and GROUP BY, and lengths in types.
    Raises UnreadableStatementError.
    """
    try:
        tokens = tokenize(query, read="postgres")
    except TokenError as error:
        raise UnreadableStatementError(query) from error
    number = max((int(token.text) for token in _parameters(tokens)), default=0)
    parts: list[str] = []
    end = 0
    for position, token in enumerate(tokens):
        if parts and token.start > end:
            parts.append(" ")
        end = token.end + 1
        if is_literal(tokens, position):
            number += 1
            if parts and parts[-1] == ".":
                parts.pop()  # .5 comes as two tokens
            parts.append(f"${number}")
        else:
            parts.append(query[token.start : end])
    return "".join(parts)


def _parameters(tokens: Sequence[Token]) -> list[Token]:
    return [
        token
        for before, token in itertools.pairwise(tokens)
        if before.token_type is TokenType.PARAMETER and token.token_type is TokenType.NUMBER
    ]


def is_literal(tokens: Sequence[Token], position: int) -> bool:
    """Say whether a token is a constant: not a parameter, a position in ORDER BY, or a length in a type."""
    token = tokens[position]
    if token.token_type in _STRINGS:
        return True
    if token.token_type is not TokenType.NUMBER or position == 0:
        return token.token_type is TokenType.NUMBER
    return not (
        tokens[position - 1].token_type is TokenType.PARAMETER
        or _is_ordinal(tokens, position)
        or _is_type_length(tokens, position)
    )


def _is_ordinal(tokens: Sequence[Token], position: int) -> bool:
    """Say whether only numbers and directions stand between this number and its ORDER BY or GROUP BY."""
    if len(tokens[position].text) > 2:
        return False
    while position > 0 and tokens[position - 1].token_type in _WITHIN_ORDINALS:
        position -= 1
    return position > 0 and tokens[position - 1].token_type in _BEFORE_ORDINAL


def _is_type_length(tokens: Sequence[Token], position: int) -> bool:
    """Say whether the number stands in parentheses after a cast's type, as in x::numeric(10, 2)."""
    while position > 0 and tokens[position - 1].token_type in {TokenType.NUMBER, TokenType.COMMA}:
        position -= 1
    if position < 3 or tokens[position - 1].token_type is not TokenType.L_PAREN:
        return False
    before = tokens[position - 3]
    return before.token_type in {TokenType.DCOLON, TokenType.DOT} or before.text.upper() == "AS"
