"""Read from the literal CREATE INDEX of a step what its execution depends on."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.postgres.access_methods import plain_value
from analyzer.postgres.identifiers import unquote
from analyzer.postgres.lex import IncompleteError, Token, lex, significant
from analyzer.sql import literal

_CREATE = re.compile(r"\s*CREATE\s+(?P<unique>UNIQUE\s+)?INDEX\s+(?P<concurrently>CONCURRENTLY\b)?", re.IGNORECASE)
_NAME = r'(?:"(?:[^"]|"")+"|[^\s"(.]+)'
_ONLY = re.compile(rf"\bON\s+(?P<only>ONLY\s+)?{_NAME}(?:\.{_NAME})?\s*\Z", re.IGNORECASE)
_METHOD = re.compile(r'USING\s+"?(?P<method>\w+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """A CREATE INDEX, taken apart."""

    unique: bool
    concurrently: bool
    #: ON ONLY: the partitions get theirs by themselves.
    only: bool
    #: The text from USING on.
    rest: str

    @property
    def method(self) -> str:
        """Return the access method."""
        found = _METHOD.match(self.rest)
        return found["method"].lower() if found is not None else "btree"

    def parameter(self, name: str) -> int | None:
        """Return a whole number of the WITH clause; None when it is not given."""
        found = re.search(rf"\bWITH\s*\([^)]*\b{name}\s*=\s*'?(\d+)", self.rest, re.IGNORECASE)
        return int(found[1]) if found is not None else None


def parse_create(create: str) -> Create | None:
    """Parse a CREATE INDEX; None for any other statement."""
    head, parts = _CREATE.match(create), parts_of_create(create)
    if head is None or parts is None:
        return None
    unique, rest = parts
    before = create.strip().removesuffix(rest).rstrip()
    if not create.strip().endswith(rest):  # USING was left out
        before = create.strip().removesuffix(rest.removeprefix("USING btree ")).rstrip()
    only = _ONLY.search(before)
    return Create(
        unique=unique,
        concurrently=head["concurrently"] is not None,
        only=only is not None and only["only"] is not None,
        rest=rest,
    )


def parts_of_create(create: str) -> tuple[bool, str] | None:
    """Split a CREATE INDEX into whether it is UNIQUE and the text from USING on; None when it is not one."""
    try:
        tokens = significant(lex(create))
    except IncompleteError:
        return None
    unique = any(token.word == "unique" for token in tokens[:2])
    for token in tokens:
        if token.word == "using":
            return unique, create[token.start :].strip()
        if token.text == "(":
            return unique, "USING btree " + create[token.start :].strip()
    return None


def by_value(create: str) -> tuple[bool, str] | None:
    """Split a printed CREATE INDEX as parts_of_create does, storage parameters in their plainest spelling."""
    parsed = parse_create(create)
    if parsed is None:
        return None
    tokens, rest, depth = significant(lex(parsed.rest)), parsed.rest, 0
    for number, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.word == "with":
            for name, value in reversed(tuple(_options(tokens[number + 1 :]))):
                plain = literal(plain_value(parsed.method, name, value.text.strip("'")))
                rest = rest[: value.start] + plain + rest[value.end :]
            break
    return parsed.unique, rest


def _options(tokens: Sequence[Token]) -> Iterator[tuple[str, Token]]:
    """Yield name and value of each parameter of a WITH clause, which ends with its bracket."""
    for name, equals, value in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if name.text == ")":
            return
        if equals.text == "=":
            yield _name(name), value


def tablespace_of(create: str) -> str | None:
    """Find the tablespace a CREATE INDEX names; None for the database's own."""
    found = _tablespace(create)
    return _name(found[1]) if found is not None else None


def without_tablespace(create: str) -> str:
    """Take the tablespace off a CREATE INDEX."""
    found = _tablespace(create)
    return create if found is None else create[: found[0].start].rstrip() + create[found[1].end :]


def _tablespace(create: str) -> tuple[Token, Token] | None:
    """Find the keyword and the name of the tablespace."""
    depth = 0
    try:
        tokens = significant(lex(create))
    except IncompleteError:
        return None
    for token, following in itertools.pairwise(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.word == "tablespace":
            return token, following
    return None


def is_concurrent(create: str) -> bool:
    """Tell whether the statement is a concurrent one; that of a partitioned index is not."""
    head = _CREATE.match(create)
    return head is not None and head["concurrently"] is not None


def is_concurrent_drop(sql: str) -> bool:
    """Say whether a DROP INDEX is a concurrent one."""
    return sql.upper().split()[:3] == ["DROP", "INDEX", "CONCURRENTLY"]


def unqualified(text: str, schema: str, table: str) -> str:
    """Take the schema off columns written `schema.table.column`, for a copy of the table in another schema."""
    tokens = significant(lex(text))
    names = [_name(token) for token in tokens]
    for number in reversed(range(len(tokens) - 4)):
        dotted = (tokens[number + 1].text, tokens[number + 3].text) == (".", ".")
        if dotted and (names[number], names[number + 2]) == (schema, table):
            text = text[: tokens[number].start] + text[tokens[number + 2].start :]
    return text


def names_relation(create: str, table: str) -> bool:
    """Say whether a statement names a relation without its schema, as expressions do that speak of its rows."""
    tokens = significant(lex(create))
    before = ["", *(token.text for token in tokens)]
    return any(_name(token) == table and before[number] != "." for number, token in enumerate(tokens))


def _name(token: Token) -> str:
    if token.kind == "quoted" and token.text.startswith('"'):
        return unquote(token.text)
    return token.word or token.text.lower()
