"""A schema while it grows: what it has so far, fresh names, and choices that hypothesis makes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st

from analyzer.sql import ident, literal
from tests.server.zoo.inventory import Inventory, Type

T = TypeVar("T")

_SCHEMAS = ("zoo", "Zoo Ä", "select", 'quo"te %s')
_STEMS = ("{kind}_{number}", "{Kind} {number}", 'ö"{kind}%{number}', "{kind}.{number}", "{kind}_{number}_" + "x" * 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table and how its values are written."""

    name: str
    type: Type
    #: SQL over `i`, of the column's type; None where the server fills it.
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table and its columns."""

    #: Both quoted.
    schema: str
    bare: str
    columns: tuple[Column, ...]
    rows: int
    is_plain: bool = True

    @property
    def name(self) -> str:
        """Its qualified name."""
        return f"{self.schema}.{self.bare}"


@dataclass(slots=True, kw_only=True)
class Growth:
    """A schema that grows; its statements need not all be taken by the server, which is the judge."""

    draw: st.DrawFn
    inventory: Inventory
    statements: list[str] = field(default_factory=list[str])
    types: list[Type] = field(default_factory=list[Type])
    tables: list[Table] = field(default_factory=list[Table])
    #: Qualified names by kind: collation, configuration, function, operator class with its type, view.
    made: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _numbers: int = 0

    @property
    def major(self) -> int:
        """Return the server's major version."""
        return self.inventory.major

    def add(self, statement: str) -> None:
        """Add a statement."""
        self.statements.append(statement)

    def pick(self, choices: Sequence[T]) -> T:
        """Choose one of several."""
        return self.draw(st.sampled_from(choices))

    def some(self, choices: Sequence[T], *, least: int = 1, most: int = 3) -> list[T]:
        """Choose several."""
        return self.draw(st.lists(st.sampled_from(choices), min_size=least, max_size=most, unique_by=id))

    def number(self, first: int, last: int) -> int:
        """Choose a number."""
        return self.pick(range(first, last + 1))

    def maybe(self, text: str, *, since: int = 0) -> str:
        """Return the text, where the server knows it, or nothing."""
        return text if self.major >= since and self.pick((False, True)) else ""

    def fresh(self, kind: str) -> str:
        """Return a quoted name that nothing has."""
        self._numbers += 1
        stem = self.pick(_STEMS)
        return ident(stem.format(kind=kind, Kind=kind.capitalize(), number=self._numbers)[:55])

    def schema(self) -> str:
        """Choose a schema, quoted."""
        return ident(self.pick(_SCHEMAS))

    def qualified(self, kind: str) -> str:
        """Return a qualified name that nothing has."""
        return f"{self.schema()}.{self.fresh(kind)}"

    def remember(self, kind: str, name: str) -> str:
        """Let others use what was made."""
        self.made.setdefault(kind, []).append(name)
        return name

    def known(self, kind: str) -> list[str]:
        """Return what there is of a kind, the server's own and what was made."""
        return [*self.inventory.names.get(kind, ()), *self.made.get(kind, ())]

    def any_type(self) -> Type:
        """Choose a type; one that was made here, or an ordinary one, more often than its share."""
        ordinary = [each for each in self.inventory.types if each.name in _ORDINARY]
        found = self.pick((self.inventory.types, ordinary, ordinary, self.types or ordinary))
        return self.pick(found)

    def table(self, *, plain: bool = False) -> Table:
        """Choose a table."""
        return self.pick([each for each in self.tables if each.is_plain or not plain])


_ORDINARY = frozenset(
    {"integer", "bigint", "text", "numeric", "date", "timestamp with time zone", "boolean", "uuid", "jsonb", "text[]"}
)


def start(draw: st.DrawFn, inventory: Inventory) -> Growth:
    """Begin with schemas."""
    growth = Growth(draw=draw, inventory=inventory)
    for schema in _SCHEMAS:
        growth.add(f"CREATE SCHEMA {ident(schema)}")
    return growth


def value_of(kind: Type, text: str) -> str:
    """Return SQL over `i` of a type."""
    return f"({text})::{kind.name}"


def constant(kind: Type) -> str:
    """Return a constant of a type."""
    return f"{literal(kind.sample)}::{kind.name}"
