"""TableObject, what every kind of object on a table has: its names."""

from dataclasses import dataclass, field, replace
from typing import Self

from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import Sql, ident


@dataclass(frozen=True, slots=True, kw_only=True)
class TableObject:
    """An object in the schema of its table. The name is no part of its identity: two that differ in it are equal."""

    schema: str
    table: str
    name: str = field(compare=False)

    @property
    def full_name(self) -> QualifiedName:
        """The object's name with its schema, unquoted."""
        return QualifiedName(self.schema, self.name)

    @property
    def full_table(self) -> QualifiedName:
        """The table's name with its schema, unquoted."""
        return QualifiedName(self.schema, self.table)

    @property
    def qualified_table(self) -> Sql:
        """The table's name, quoted and qualified."""
        return ident(self.schema, self.table)

    @property
    def qualified_name(self) -> Sql:
        """The object's name, quoted and qualified."""
        return ident(self.schema, self.name)

    def renamed(self, name: str) -> Self:
        """Return the same definition under another name."""
        return replace(self, name=name)
