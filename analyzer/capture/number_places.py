"""Find the numbers of a statement that are not values: positions of columns, and lengths in types."""

from collections.abc import Sequence
from typing import Final, Literal

from analyzer.postgres.lex import Token

#: What a bracket holds: items that may be positions, such items in brackets of their own, or neither.
_Items = Literal["columns", "sets", "none"]
#: The longest position of a column that is distinguished from a value.
_POSITION_DIGITS: Final = 2
_QUERY: Final = frozenset({"select", "with", "values", "table"})
#: Keywords that end the list of an ORDER BY or GROUP BY.
_ENDS_LIST: Final = frozenset(
    "having limit offset window union except intersect fetch for returning order".split()  # noqa: SIM905
)
_FOLLOWS_POSITION: Final = _ENDS_LIST | {"asc", "desc", "nulls", "using"}
_BEFORE_POSITION: Final = frozenset({"by", "distinct", "all"})
_SETS: Final = frozenset({"rollup", "cube", "sets"})
#: Names of types that are keywords, so that no function has them unless its schema or a quote stands before.
_TYPES: Final = frozenset(
    "bit char character dec decimal float interval nchar numeric time timestamp varchar".split()  # noqa: SIM905
)
#: What may follow the first word of a type's name.
_MORE_OF_TYPE: Final = frozenset(
    "character char varying precision year month day hour minute second to array".split()  # noqa: SIM905
)


def places_of_numbers(tokens: Sequence[Token]) -> frozenset[int]:
    """Return the indexes of the numbers that are no values; the tokens are without comments."""
    return _positions(tokens) | _lengths(tokens)


def _positions(tokens: Sequence[Token]) -> frozenset[int]:
    """Find the numbers that are an item of a query's ORDER BY, GROUP BY or DISTINCT ON."""
    found: set[int] = set()
    lists: list[_Items] = ["none"]
    queries = [True]
    query_brackets = _query_brackets(tokens)
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        if token.text in ("(", "["):
            lists.append(_items(tokens, index, lists[-1]))
            queries.append(index in query_brackets)
        elif token.text in (")", "]") and len(lists) > 1:
            lists.pop()
            queries.pop()
        elif token.word == "by" and before is not None and before.word in ("order", "group"):
            lists[-1] = "columns" if queries[-1] else "none"
        elif token.word in _ENDS_LIST:
            lists[-1] = "none"
        elif token.kind == "number" and lists[-1] != "none" and _is_alone(tokens, index):
            found.add(index)
    return frozenset(found)


def _items(tokens: Sequence[Token], index: int, around: _Items) -> _Items:
    """Say what the bracket holds: columns of DISTINCT ON, or grouping sets of a list that it stands in."""
    before = tokens[index - 1] if index else None
    if before is None:
        return "none"
    if before.word == "on" and index > 1 and tokens[index - 2].word == "distinct":
        return "columns"
    if (around != "none" and before.word in _SETS) or (around == "sets" and before.text in ("(", ",")):
        return "sets"
    return "none"


def _query_brackets(tokens: Sequence[Token]) -> frozenset[int]:
    """Find the brackets that hold a query, whose ORDER BY counts columns, and not arguments or a window."""
    found: set[int] = set()
    for index in range(len(tokens) - 2, -1, -1):
        if tokens[index].text == "(" and (tokens[index + 1].word in _QUERY or index + 1 in found):
            found.add(index)
    return frozenset(found)


def _is_alone(tokens: Sequence[Token], index: int) -> bool:
    before = tokens[index - 1] if index else None
    after = tokens[index + 1] if index + 1 < len(tokens) else None
    return (
        len(tokens[index].text) <= _POSITION_DIGITS
        and tokens[index].text.isdigit()
        and before is not None
        and (before.text in (",", "(") or before.word in _BEFORE_POSITION)
        and (after is None or after.text in (",", ")", ";") or after.word in _FOLLOWS_POSITION)
    )


def _lengths(tokens: Sequence[Token]) -> frozenset[int]:
    """Find the numbers in types: after a cast's `::` or AS, and after names that only types have."""
    found: set[int] = set()
    for index, token in enumerate(tokens):
        before = tokens[index - 1].text if index else ""
        if token.text == "::" or (token.word == "as" and _is_name(tokens, index + 1)):
            found |= _of_type(tokens, _after_name(tokens, index + 1), is_array_too=token.text == "::")
        elif token.word in _TYPES and before != ".":
            found |= _of_type(tokens, _after_name(tokens, index), is_array_too=False)
    return frozenset(found)


def _is_name(tokens: Sequence[Token], index: int) -> bool:
    return index < len(tokens) and tokens[index].kind in ("word", "quoted")


def _after_name(tokens: Sequence[Token], index: int) -> int:
    """Return the index after a type's name, which has a schema, more words, or neither."""
    if _is_name(tokens, index):
        index += 1
        while index < len(tokens) and tokens[index].text == "." and _is_name(tokens, index + 1):
            index += 2
        while index < len(tokens) and tokens[index].word in _MORE_OF_TYPE:
            index += 1
    return index


def _of_type(tokens: Sequence[Token], index: int, *, is_array_too: bool) -> set[int]:
    """Return the numbers in the brackets that begin here, if they hold nothing but numbers."""
    found: set[int] = set()
    if index < len(tokens) and tokens[index].text == "(" and tokens[index - 1].kind in ("word", "quoted"):
        numbers, index = _numbers(tokens, index + 1, ")")
        found |= numbers
        while index < len(tokens) and tokens[index].word in ("with", "without", "time", "zone"):
            index += 1
    while is_array_too and index < len(tokens) and tokens[index].text == "[":
        numbers, index = _numbers(tokens, index + 1, "]")
        found |= numbers
    return found


def _numbers(tokens: Sequence[Token], index: int, closing: str) -> tuple[set[int], int]:
    start = index
    while index < len(tokens) and (tokens[index].kind == "number" or tokens[index].text in (",", "-")):
        index += 1
    if index == len(tokens) or tokens[index].text != closing:
        return set(), len(tokens)
    return {each for each in range(start, index) if tokens[each].kind == "number"}, index + 1
