"""Stop the twin's clock at the moment of the capture.

The planner computes now() while it estimates, so plans of a snapshot would change from day to day. now() itself cannot
be replaced (the server knows it by its oid); functions of our own with the same name, volatility and cost can stand for
it. They are not SQL functions: those would be inlined, and a constant prunes partitions earlier than now() does.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from psycopg import sql

from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.lex import IncompleteError, Token, lex, significant
from analyzer.sql import render

#: What the twin answers in place of, and the type it has.
_FUNCTIONS = {
    "now": "timestamptz",
    "transaction_timestamp": "timestamptz",
    "statement_timestamp": "timestamptz",
}
#: Reserved words that are read as calls, with or without a precision in brackets.
_WORDS = {
    "current_timestamp": "timestamptz",
    "current_date": "date",
    "current_time": "timetz",
    "localtimestamp": "timestamp",
    "localtime": "time",
}
_SCHEMA = "twindex_own"


def clock_functions(snapshot: Snapshot) -> Iterator[sql.SQL]:
    """Yield the statements that make the functions."""
    moment = snapshot.captured_at.isoformat()
    for name, kind in (_FUNCTIONS | _WORDS).items():
        for precision in (False, True) if name in _WORDS and name != "current_date" else (False,):
            yield render("twin/own_clock", name=name, type=kind, moment=moment, precision=precision)


@lru_cache(maxsize=4096)
def freeze_clock(text: str) -> str:
    """Return SQL with its calls of the clock replaced; text that cannot be read comes back as it is.

    clock_timestamp() stays: it is volatile, and the planner does not ask it.
    """
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return text
    parts: list[str] = []
    position = 0
    for start, end, replacement in _calls(tokens):
        parts += [text[position:start], replacement]
        position = end
    return "".join(parts) + text[position:]


def added_before(text: str, place: int) -> int:
    """Return how many characters replacing the clock adds to a text before a place of what comes of it."""
    added = 0
    for start, end, replacement in _calls(significant(lex(text))):
        if start + added < place:
            added += len(replacement) - (end - start)
    return added


def asks_clock(snapshot: Snapshot) -> bool:
    """Say whether a view or a policy of a snapshot asks what time it is."""
    policies = [policy for security in snapshot.row_security for policy in security.policies]
    texts = [each.definition for each in snapshot.relations if each.kind == "v"]
    texts += [text for policy in policies for text in (policy.using, policy.check)]
    return any(freeze_clock(text) != text for text in texts if text is not None)


def _calls(tokens: tuple[Token, ...]) -> Iterator[tuple[int, int, str]]:
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        following = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if token.word in _FUNCTIONS and following == "(":
            if before is None or before.text != ".":
                yield token.start, token.end, f"{_SCHEMA}.{token.word}"
            elif at > 1 and tokens[at - 2].word == "pg_catalog":
                yield tokens[at - 2].start, token.end, f"{_SCHEMA}.{token.word}"
        elif token.word in _WORDS and (before is None or (before.text != "." and before.word != "as")):
            yield token.start, token.end, f'{_SCHEMA}."{token.word}"' + ("" if following == "(" else "()")


def thaw_clock(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan with the calls of the clock as people write them."""
    return {key: _running(value) for key, value in tree.items()}


def _running(value: Any) -> Any:
    if isinstance(value, str):
        if _SCHEMA in value:
            for word in _WORDS:
                value = value.replace(f'{_SCHEMA}."{word}"()', word.upper())
                value = value.replace(f'{_SCHEMA}."{word}"', word.upper())
            value = value.replace(f"{_SCHEMA}.", "")
        return value
    if isinstance(value, dict):
        return thaw_clock(value)  # pyright: ignore[reportUnknownArgumentType] - JSON
    if isinstance(value, list):
        return [_running(each) for each in value]  # pyright: ignore[reportUnknownVariableType] - JSON
    return value
