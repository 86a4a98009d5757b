"""Find the values that a logged statement ran with, for the parameters of its normalised text.

Both texts are one statement under two spellings: where the one has a parameter, the other has a constant, or a
parameter whose value the log has apart. Lists of constants may differ in length.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from analyzer.postgres.identifiers import unquote
from analyzer.postgres.lex import Token, significant
from analyzer.workload.plannable import closing

#: The server ends a value that log_parameter_max_length has cut so.
_CUT: Final = "...'"
_VALUE = re.compile(r"\$(\d{1,5}) = (NULL|'(?:[^']|'')*')(?:, |$)")
_LISTS: Final = frozenset({"in", "array", "values"})
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_BACKSLASH = re.compile(r"\\(.)", re.DOTALL)
#: An escape that is a number.
_CODE = re.compile(r"(?<!\\)(?:\\\\)*\\[0-7xuU]")
_QUOTED = re.compile(r"[nN]?'(?P<plain>(?:[^']|'')*)'|[eE]'(?P<escaped>(?:[^'\\]|\\.|'')*)'", re.DOTALL)

Values = dict[int, str | None]


class _NoValueError(Exception):
    """A constant has no value that is known."""


def logged_parameters(text: str) -> Values | None:
    """Read `$1 = '…', $2 = NULL`; None where one is cut, or the text is something else."""
    found: Values = {}
    end = 0
    for value in _VALUE.finditer(text):
        if value.start() != end or value[2].endswith(_CUT):
            return None
        found[int(value[1])] = None if value[2] == "NULL" else value[2][1:-1].replace("''", "'")
        end = value.end()
    return found if end == len(text) else None


def values_of(
    recorded: Sequence[Token], logged: Sequence[Token], parameters: Mapping[int, str | None]
) -> Values | None:
    """Return the values of the recorded statement's parameters; None where the two do not match.

    `parameters` are those of the logged statement.
    """
    found: Values = {}
    try:
        for number, value in _pairs(_plain(recorded), _plain(logged), parameters):
            found[number] = value
    except _NoValueError:
        return None
    return found


def _plain(tokens: Sequence[Token]) -> tuple[Token, ...]:
    return tuple(token for token in significant(tuple(tokens)) if token.text != ";")


def _pairs(
    recorded: tuple[Token, ...], logged: tuple[Token, ...], parameters: Mapping[int, str | None]
) -> Iterator[tuple[int, str | None]]:
    mine, theirs = 0, 0
    while mine < len(recorded):
        if theirs >= len(logged):
            raise _NoValueError
        token, other = recorded[mine], logged[theirs]
        if token.kind == "parameter":
            before_from = recorded[mine + 1 : mine + 2]
            is_field = bool(before_from) and before_from[0].word == "from" and other.kind == "word"
            theirs, value = _constant(logged, theirs, parameters, is_field=is_field)
            yield int(token.text[1:]), value
            mine += 1
            continue
        if not _same(token, other):
            raise _NoValueError
        mine, theirs = mine + 1, theirs + 1
        if token.word in _LISTS and _opens(recorded, mine) and _opens(logged, theirs):
            end, their_end = _list_end(recorded, mine), _list_end(logged, theirs)
            if end - mine != their_end - theirs:
                yield from _listed(recorded[mine:end], logged[theirs:their_end], parameters)
                mine, theirs = end, their_end
    if theirs != len(logged):
        raise _NoValueError


def _same(token: Token, other: Token) -> bool:
    return token.text == other.text or _key(token) == _key(other)


def _key(token: Token) -> str:
    if token.kind == "word":
        return token.word
    if token.kind == "quoted" and token.text[0] == '"':
        return unquote(token.text)
    if token.kind == "number":
        return token.text
    return "<>" if token.text == "!=" else token.text


def _opens(tokens: Sequence[Token], place: int) -> bool:
    return place < len(tokens) and tokens[place].text in ("(", "[")


def _list_end(tokens: Sequence[Token], place: int) -> int:
    """Return the place behind a list, or behind the rows of VALUES."""
    while True:
        place = closing(tokens, place) + 1
        if not (_opens(tokens, place + 1) and tokens[place].text == ","):
            return min(place, len(tokens))
        place += 1


def _listed(
    recorded: Sequence[Token], logged: Sequence[Token], parameters: Mapping[int, str | None]
) -> Iterator[tuple[int, str | None]]:
    """Spread the constants of a list over the parameters of one that has another length."""
    numbers = [int(token.text[1:]) for token in recorded if token.kind == "parameter"]
    values: list[str | None] = []
    place = 0
    while place < len(logged):
        if logged[place].text in ("(", ")", "[", "]", ","):
            place += 1
        else:
            place, value = _constant(logged, place, parameters)
            values.append(value)
    if not values:
        raise _NoValueError
    for place, number in enumerate(numbers):
        yield number, values[place % len(values)]


def _constant(
    tokens: Sequence[Token], place: int, parameters: Mapping[int, str | None], *, is_field: bool = False
) -> tuple[int, str | None]:
    """Return the value of the constant at a place, and the place behind it."""
    token = tokens[place]
    if token.kind == "parameter":
        number = int(token.text[1:11])
        if number not in parameters:
            raise _NoValueError
        return place + 1, parameters[number]
    if token.kind == "number":
        return place + 1, token.text
    if token.text in ("-", "+") and tokens[place + 1 : place + 2] and tokens[place + 1].kind == "number":
        return place + 2, f"{token.text}{tokens[place + 1].text}".removeprefix("+")
    if token.kind == "string":
        return place + 1, _string(token.text)
    if token.word in ("true", "false") or is_field:
        return place + 1, token.word
    if token.word == "null":
        return place + 1, None
    raise _NoValueError


def _string(text: str) -> str:
    """Return what a string holds; raises _NoValueError for bits, Unicode escapes and strings in pieces."""
    if text[0] == "$":
        tag = text.index("$", 1) + 1
        return text[tag:-tag]
    found = _QUOTED.fullmatch(text)
    if found is None:
        raise _NoValueError
    if (plain := found["plain"]) is not None:
        return plain.replace("''", "'")
    if _CODE.search(found["escaped"]):
        raise _NoValueError
    return _BACKSLASH.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), found["escaped"].replace("''", "'"))
