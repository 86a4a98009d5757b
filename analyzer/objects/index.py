"""IndexDef, the value every stage speaks of.

Its identity is its definition: two indexes of one table that differ only in name are equal. Size, cost, reason and
state live in records around it.
"""

from dataclasses import dataclass
from typing import Literal

from analyzer.objects.table_object import TableObject
from analyzer.sql import render_text

#: When a unique constraint is checked: at once, or at the end of the transaction where that is asked for, or always.
Timing = Literal["not deferrable", "deferrable", "initially deferred"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of an index: a column or an expression."""

    column: str | None = None
    #: SQL without the parentheses that CREATE INDEX wants around it.
    expression: str | None = None
    #: None means the default operator class of the type; may be schema-qualified.
    opclass: str | None = None
    #: Parameters of the operator class, such as siglen, as written.
    opclass_parameters: tuple[tuple[str, str], ...] = ()
    #: None means the collation of the column.
    collation: str | None = None
    descending: bool = False
    #: None means PostgreSQL's default: last when ascending, first when descending.
    nulls: Literal["first", "last"] | None = None

    def __post_init__(self) -> None:
        if (self.column is None) == (self.expression is None):
            raise ValueError("a key is either a column or an expression")
        if self.nulls == ("first" if self.descending else "last"):
            object.__setattr__(self, "nulls", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDef(TableObject):
    """The definition of one index."""

    method: str = "btree"
    keys: tuple[Key, ...]
    include: tuple[str, ...] = ()
    #: Predicate of a partial index, without the word WHERE.
    where: str | None = None
    unique: bool = False
    nulls_not_distinct: bool = False
    #: Storage parameters as written, sorted by name.
    parameters: tuple[tuple[str, str], ...] = ()
    tablespace: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(sorted(self.parameters)))

    @property
    def columns(self) -> tuple[str, ...]:
        """Key columns in order, expressions left out."""
        return tuple(key.column for key in self.keys if key.column is not None)

    @property
    def expressions(self) -> tuple[str, ...]:
        """The SQL in it: expressions of keys, and the predicate."""
        found = (*(key.expression for key in self.keys), self.where)
        return tuple(text for text in found if text is not None)

    def ddl(self, *, concurrently: bool = False, if_not_exists: bool = False) -> str:
        """Render CREATE INDEX through the template of its access method."""
        return render_text(
            f"index/create_{self.method}", index=self, concurrently=concurrently, if_not_exists=if_not_exists
        )
