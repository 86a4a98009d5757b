"""Find the query inside a statement that runs one: of a cursor, of PREPARE, of EXPLAIN ANALYZE, of COPY."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.postgres.lex import IncompleteError, Token, closing, lex, significant

#: Words a query begins with.
QUERIES = frozenset({"select", "insert", "update", "delete", "merge", "with", "values", "table"})
#: Statements that run others, which are not in their text.
CALLS = frozenset({"call", "do"})
_LISTS = {"(": 1, "[": 1, ")": -1, "]": -1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A query inside another statement."""

    text: str
    #: Of its first parameters, as PREPARE declares them.
    types: tuple[str, ...] = ()


def is_query(tokens: Sequence[Token]) -> bool:
    """Say whether a statement is a query itself, perhaps in brackets."""
    first = next((token for token in tokens if token.text != "("), None)
    return first is not None and first.word in QUERIES


def carried_query(text: str) -> Carried | None:
    """Return the query that a statement runs; None where it is one itself, or runs none that its text holds.

    Raises IncompleteError for text that is cut short.
    """
    tokens = significant(lex(text))
    if not tokens:
        return None
    found: Carried | None = None
    match tokens[0].word:
        case "declare":
            found = _behind(text, tokens, _next_word(tokens, "for", _next_word(tokens, "cursor", 0)))
        case "prepare":
            found = _prepared(text, tokens)
        case "explain":
            found = _explained(text, tokens)
        case "copy" if len(tokens) > 1 and tokens[1].text == "(":
            found = _query(text, tokens[2 : closing(tokens, 1)])
        case "create" if {"table", "view"} & {token.word for token in tokens[1:6]}:
            found = _created(text, tokens)
        case _:
            pass
    return found


def query_inside(text: str) -> str:
    """Return the query inside a statement that is not a query; the text itself of any other."""
    try:
        carried = carried_query(text)
    except IncompleteError:
        return text
    return text if carried is None else carried.text


def refreshed_view(text: str) -> tuple[str | None, str] | None:
    """Return schema and name of the materialised view that a statement refreshes."""
    tokens = significant(lex(text))
    words = [token.word for token in tokens[:3]]
    if words != ["refresh", "materialized", "view"]:
        return None
    named = list(tokens[4:] if len(tokens) > 3 and tokens[3].word == "concurrently" else tokens[3:])
    if not named or [token.word for token in tokens[-3:]] == ["with", "no", "data"]:
        return None
    if len(named) > 2 and named[1].text == ".":
        return named[0].name, named[2].name
    return None, named[0].name


def _prepared(text: str, tokens: Sequence[Token]) -> Carried | None:
    at, types = 2, tuple[str, ...]()
    if len(tokens) > at and tokens[at].text == "(":
        end = closing(tokens, at)
        if end == len(tokens):
            return None
        types = _listed(text, tokens, at, end)
        at = end + 1
    query = _behind(text, tokens, _next_word(tokens, "as", at))
    return None if query is None else Carried(text=query.text, types=types)


def _listed(text: str, tokens: Sequence[Token], opening: int, end: int) -> tuple[str, ...]:
    """Return the texts between the commas of a list."""
    depth, separators = 0, [opening]
    for index in range(opening + 1, end):
        depth += _LISTS.get(tokens[index].text, 0)
        if depth == 0 and tokens[index].text == ",":
            separators.append(index)
    pairs = itertools.pairwise([*separators, end])
    return tuple(text[tokens[first].end : tokens[last].start].strip() for first, last in pairs)


def _explained(text: str, tokens: Sequence[Token]) -> Carried | None:
    """Return what is executed; EXPLAIN alone plans it."""
    at, analyzes = 1, False
    if len(tokens) > 1 and tokens[1].text == "(" and not is_query(tokens[1:]):
        end = closing(tokens, 1)
        options = tokens[2:end]
        for index, token in enumerate(options):
            if token.word in ("analyze", "analyse"):
                value = options[index + 1].text.strip("'").lower() if index + 1 < len(options) else ""
                analyzes = value not in ("off", "false", "0", "no")
        at = end + 1
    else:
        while at < len(tokens) and tokens[at].word in ("analyze", "analyse", "verbose"):
            analyzes = analyzes or tokens[at].word != "verbose"
            at += 1
    if not analyzes or at >= len(tokens):
        return None
    rest = text[tokens[at].start :]
    return carried_query(rest) or _query(text, tokens[at:])


def _created(text: str, tokens: Sequence[Token]) -> Carried | None:
    """Return the query of CREATE TABLE AS or CREATE MATERIALIZED VIEW, without WITH DATA; None for WITH NO DATA."""
    words = [token.word for token in tokens]
    if words[-3:] == ["with", "no", "data"] or ("view" in words[:6] and "materialized" not in words[:6]):
        return None
    end = len(tokens) - (2 if words[-2:] == ["with", "data"] else 0)
    at = _next_word(tokens, "as", 0)
    return None if at is None else _query(text, tokens[at + 1 : end])


def _behind(text: str, tokens: Sequence[Token], at: int | None) -> Carried | None:
    return None if at is None else _query(text, tokens[at + 1 :])


def _query(text: str, tokens: Sequence[Token]) -> Carried | None:
    if not is_query(tokens):
        return None
    return Carried(text=text[tokens[0].start : tokens[-1].end])


def _next_word(tokens: Sequence[Token], word: str, start: int | None) -> int | None:
    """Return the place of a word outside brackets."""
    depth = 0
    for index in range(len(tokens) if start is None else start, len(tokens)):
        depth += _LISTS.get(tokens[index].text, 0)
        if depth == 0 and tokens[index].word == word:
            return index
    return None
