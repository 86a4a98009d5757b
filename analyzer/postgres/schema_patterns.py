"""Patterns over schemas, written as psql and pg_dump take them: `tenant_*`, `"Tenant "*`.

A star stands for any characters and a question mark for one, except between double quotes. Text that is written for
each of several schemas has OWN in their place, as in `CREATE INDEX i ON "*".orders (day)`.
"""

import fnmatch
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from analyzer.postgres.identifiers import QualifiedName, quote, unquote
from analyzer.postgres.lex import IncompleteError, lex, significant

#: Stands for the name of each schema.
OWN: Final = "*"
#: A schema as a pattern: pieces in double quotes, and unquoted ones with the two signs; for use between other patterns.
PATTERN: Final = r'(?:[a-z0-9_$*?]|"(?:[^"]|"")+")+'
_TABLES = re.compile(rf"({PATTERN})\.({PATTERN})\Z")
_PIECE = re.compile(r'[*?]|[a-z0-9_$]+|"(?:[^"]|"")+"')
_SIGNS = frozenset({"*", "?"})
#: No schema of a user: PostgreSQL reserves the first part.
_SYSTEM = re.compile(r"pg_.*|information_schema\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schemas:
    """Those schemas of a database that one of the patterns matches, and none of the exceptions."""

    patterns: tuple[str, ...]
    exceptions: tuple[str, ...] = ()

    @classmethod
    def named(cls, names: Iterable[str]) -> "Schemas":
        """Return those with these names."""
        return cls(patterns=tuple(quote(name) for name in sorted(names)))

    def match(self, schema: str) -> bool:
        """Say whether a schema is one of them; those of the system never are."""
        if _SYSTEM.match(schema):
            return False
        taken = any(_compiled(pattern).fullmatch(schema) for pattern in self.patterns)
        return taken and not any(_compiled(pattern).fullmatch(schema) for pattern in self.exceptions)

    def likes(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return patterns and exceptions as LIKE takes them."""
        return tuple(map(_like, self.patterns)), tuple(map(_like, self.exceptions))

    def __str__(self) -> str:
        """Write the patterns."""
        shown = ", ".join(self.patterns)
        return f"{shown} except {', '.join(self.exceptions)}" if self.exceptions else shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables that a pattern over both parts of their names matches: `audit.*`, `tenant_*.orders`."""

    schemas: Schemas
    name: str

    @classmethod
    def of(cls, text: str) -> "Tables":
        """Read a pattern; raises ValueError."""
        if (found := _TABLES.match(text)) is None:
            raise ValueError(
                "is not schema.table; * stands for any characters, names with capitals are in double quotes"
            )
        return cls(schemas=Schemas(patterns=(found[1],)), name=found[2])

    def match(self, table: QualifiedName) -> bool:
        """Say whether a table is one of them."""
        return self.schemas.match(table.schema) and _compiled(self.name).fullmatch(table.name) is not None


def is_pattern(text: str) -> bool:
    """Say whether a schema's name as written stands for several."""
    return any(piece in _SIGNS for piece in _PIECE.findall(text))


def pieces_around(text: str) -> tuple[str, ...]:
    """Cut SQL where the name of each schema belongs."""
    ends = [0, *(position for found in _qualifiers(text, OWN) for position in found), len(text)]
    return tuple(text[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True))


def specialized(text: str, schema: str) -> str:
    """Write SQL for one schema: its name wherever OWN qualifies something."""
    if quote(OWN) not in text:
        return text
    return _renamed(text, OWN, quote(schema))


def generalized(text: str, schema: str) -> str:
    """Write SQL of one schema for each of several: OWN wherever the schema qualifies something."""
    return _renamed(text, schema, quote(OWN))


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = (piece if piece in _SIGNS else _literal(unquote(piece)) for piece in _PIECE.findall(pattern))
    return re.compile(fnmatch.translate("".join(pieces)))  # takes no more than linear time, whatever the pattern


def _like(pattern: str) -> str:
    signs = {"*": "%", "?": "_"}
    return "".join(signs.get(p) or re.sub(r"[\\%_]", r"\\\g<0>", unquote(p)) for p in _PIECE.findall(pattern))


def _literal(text: str) -> str:
    return re.sub(r"[*?[]", r"[\g<0>]", text)


def _renamed(text: str, schema: str, new: str) -> str:
    for start, end in reversed(tuple(_qualifiers(text, schema))):
        text = text[:start] + new + text[end:]
    return text


def _qualifiers(text: str, schema: str) -> Iterator[tuple[int, int]]:
    """Find where a schema stands before a dot, and is itself part of no longer name."""
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return
    before = ["", *(token.text for token in tokens)]
    for number, token in enumerate(tokens[:-1]):
        is_name = token.kind in {"word", "quoted"} and token.name == schema
        if is_name and tokens[number + 1].text == "." and before[number] != ".":
            yield token.start, token.end
