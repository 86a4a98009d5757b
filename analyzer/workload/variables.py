"""Put parameters in the place of a function's variables, whose names stand in the texts of its statements."""

import re
from collections.abc import Iterator, Sequence

import psycopg
from psycopg import errors

from analyzer.postgres.lex import Token, lex, significant
from analyzer.workload.plannable import Edit, apply

_COLUMN = re.compile(r'column "(.+)" does not exist')
_QUALIFIED = re.compile(r"column (.+)\.(.+) does not exist")
_RECORD = re.compile(r'missing FROM-clause entry for table "(.+)"')


def without_variables(text: str, error: psycopg.Error) -> str | None:
    """Replace the name that the server takes for a column it does not find; None when the error is another."""
    message = error.diag.message_primary or ""
    tokens = significant(lex(text))
    places = list[tuple[int, int]]()
    if isinstance(error, errors.UndefinedColumn):
        if found := _COLUMN.fullmatch(message):
            places = list(_bare(tokens, found[1]))
        elif found := _QUALIFIED.fullmatch(message):
            places = [place for place in _fields(tokens, found[1]) if tokens[place[1]].name == found[2]]
    elif isinstance(error, errors.UndefinedTable) and (found := _RECORD.fullmatch(message)):
        places = list(_fields(tokens, found[1]))
    if not places:
        return None
    number = max((int(token.text[1:]) for token in tokens if token.kind == "parameter"), default=0)
    numbers: dict[str, int] = {}
    edits: list[Edit] = []
    for first, last in places:
        name = tokens[last].name
        numbers.setdefault(name, number + len(numbers) + 1)
        edits.append(Edit(tokens[first].start, tokens[last].end, f"${numbers[name]}"))
    return apply(text, edits)


def _bare(tokens: Sequence[Token], name: str) -> Iterator[tuple[int, int]]:
    """Yield the places of a name without a qualifier that is neither a qualifier nor a function."""
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        after = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if token.name == name and after not in (".", "(") and (before is None or before.text != "."):
            yield at, at


def _fields(tokens: Sequence[Token], record: str) -> Iterator[tuple[int, int]]:
    """Yield the places of the fields of a record: first and last token."""
    for at in range(len(tokens) - 2):
        if tokens[at].name == record and tokens[at + 1].text == "." and (at == 0 or tokens[at - 1].text != "."):
            yield at, at + 2
