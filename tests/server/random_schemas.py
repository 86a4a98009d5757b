"""Schemas of random tables, with the names that people should not give and the server takes all the same."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.sql import ident

#: Types, each with how a constant of it is written.
TYPES = {
    "integer": "7",
    "bigint": "7000000000",
    "text": "'some text'",
    "character varying(80)": "'some name'",
    "numeric(10,2)": "7.25",
    "double precision": "0.5",
    "boolean": "true",
    "date": "date '2024-02-29'",
    "timestamp with time zone": "timestamptz '2024-02-29 12:00+00'",
    "uuid": "uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
    "jsonb": """jsonb '{"k": 1}'""",
    "integer[]": "ARRAY[1, 2]",
    "text[]": "ARRAY['a', 'b']",
    "inet": "inet '10.0.0.1'",
    "int4range": "int4range '[1,5)'",
    "tsvector": "to_tsvector('simple', 'word')",
}
#: Types that have an order, an equality, and a hash.
SCALARS = tuple(kind for kind in TYPES if "[" not in kind and kind not in {"jsonb", "tsvector"})

_WORDS = ("select", "user", "order", "table", "group", "by", "where", "from", "limit", "end", "row", "default", "all")
_CHARACTERS = "aAzZ09_ .,;:'\"`$%\\/*-+()[]{}<>|&?!#@~^=\t\néßöÅ名前שבת🦊\u200b"


def plain_name(number: int) -> str:
    """Return a name that nobody objects to."""
    return f"n{number}"


def hostile_name(number: int, chance: random.Random) -> str:
    """Return a name of up to 63 bytes; each number has others."""
    tag = f"{number:x}"
    kind = chance.randrange(6)
    if kind == 0:
        return f"{chance.choice(_WORDS)}{tag if chance.random() < 0.5 else f' {tag}'}"
    if kind == 1:
        return f"{tag}${chance.randrange(9)}"
    if kind == 2:
        return ("N" + tag + "x" * 63)[:63]
    if kind == 3:
        return f'"{tag}"'
    name = "".join(chance.choice(_CHARACTERS) for _ in range(chance.randint(1, 12))) + tag
    while len(name.encode()) > 63:
        name = name[1:]
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column, by its bare name."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table, whose first column is its key."""

    schema: str
    name: str
    columns: tuple[Column, ...]

    @property
    def full_name(self) -> tuple[str, str]:
        return self.schema, self.name

    @property
    def key(self) -> Column:
        return self.columns[0]


def random_tables(chance: random.Random) -> tuple[Table, ...]:
    """Return some tables in two schemas; a few names stand in more than one place."""
    numbers = iter(range(10_000))

    def name() -> str:
        return hostile_name(next(numbers), chance)

    schemas = name(), name()
    shared = [name() for _ in range(4)]
    tables: list[Table] = []
    for _ in range(chance.randint(3, 5)):
        names = list(dict.fromkeys([name(), *(chance.choice(shared) for _ in range(2)), *(name() for _ in range(6))]))
        kinds = ["integer", *(chance.choice(list(TYPES)) for _ in names[1:])]
        columns = tuple(Column(name=each, type=kind) for each, kind in zip(names, kinds, strict=True))
        tables.append(Table(schema=chance.choice(schemas), name=name(), columns=columns))
    return tuple(tables)


def created(tables: tuple[Table, ...]) -> Iterator[str]:
    """Write the DDL of some tables."""
    for schema in sorted({table.schema for table in tables}):
        yield f"CREATE SCHEMA {ident(schema)}"
    for table in tables:
        columns = [f"{ident(each.name)} {each.type}" for each in table.columns]
        yield f"CREATE TABLE {ident(*table.full_name)} ({', '.join(columns)}, PRIMARY KEY ({ident(table.key.name)}))"
