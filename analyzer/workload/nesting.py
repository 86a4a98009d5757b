"""Decide in one pass over its tokens whether a statement can be parsed.

The parser descends by recursion, compiled, so that too deep a statement ends the process and not just the statement.
It tries what may be a type (`date (`, `array [`) twice at every level, so that a hundred characters can take for ever.
"""

from collections.abc import Sequence
from typing import Final

from sqlglot.dialects.postgres import Postgres

from analyzer.postgres.lex import Token

#: Levels of brackets, CASE, NOT, signs and joins that wait for their ON; some 490 fit the interpreter's stack.
MOST_LEVELS: Final = 200
#: Tokens the parser may look at, those it tries again counted again: some 3 seconds.
MOST_VISITS: Final = 400_000
#: In proportion to the statement's own tokens: a snapshot may hold thousands of short ones.
_VISITS_A_TOKEN: Final = 40
#: Levels that the tokens are deep, beyond the first ones, summed up; and in proportion to the tokens. What resolves
#: names and types walks all levels above an expression.
_MOST_DEPTHS: Final = 200_000
_FREE_LEVELS: Final = 10
_LEVELS_A_TOKEN: Final = 12
#: Of both, whatever the number of tokens.
_ALWAYS: Final = 1_000
#: How much longer one level of what may be a type takes (2.0 to 2.4 measured, sqlglot 30.30).
_RETRIES: Final = 2.5
_TYPES: Final = frozenset(
    word
    for name, kind in Postgres.Tokenizer.KEYWORDS.items()
    if kind in Postgres.Parser.TYPE_TOKENS
    for word in name.lower().split()
) | {"nested", "tuple", "struct", "map", "decimal", "enum"}


def obstacle(tokens: Sequence[Token]) -> str | None:
    """Return why the parser cannot process these tokens; None if it can."""
    levels: list[float] = []
    visits, price, prefixes, joins, subscripts, depths = 0.0, 1.0, 0, 0, 0, 0
    most_visits = min(MOST_VISITS, _ALWAYS + _VISITS_A_TOKEN * len(tokens))
    most_depths = min(_MOST_DEPTHS, _ALWAYS + _LEVELS_A_TOKEN * len(tokens))
    before: Token | None = None
    for token in tokens:
        word = token.word
        if token.text in ("(", "["):
            subscripts = subscripts + 1 if token.text == "[" and before is not None and before.text == "]" else 0
            visits += subscripts * price
            levels.append(price)
            price *= _RETRIES if before is not None and before.word in _TYPES else 1
        elif word == "case":
            levels.append(price)
        elif (token.text in (")", "]") or word == "end") and levels:
            price = levels.pop()
        elif word == "join":
            joins += before is None or before.word not in ("cross", "natural")
        elif word in ("on", "using") and joins:
            joins -= 1
        prefixes = prefixes + 1 if word == "not" or token.kind == "operator" else 0
        visits += price
        level = len(levels) + prefixes + joins
        depths += max(0, level - _FREE_LEVELS)
        if level > MOST_LEVELS:
            return f"it is nested more than {MOST_LEVELS} levels deep"
        if depths > most_depths:
            return f"too much of it is nested more than {_FREE_LEVELS} levels deep"
        if visits > most_visits:
            return f"reading it would take more than {most_visits:,} steps"
        before = token
    return None
