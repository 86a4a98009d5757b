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
    visits, price, prefixes, joins, subscripts = 0.0, 1.0, 0, 0, 0
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
        if len(levels) + prefixes + joins > MOST_LEVELS:
            return f"it is nested more than {MOST_LEVELS} levels deep"
        if visits > MOST_VISITS:
            return f"reading it would take more than {MOST_VISITS:,} steps"
        before = token
    return None
