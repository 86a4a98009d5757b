"""What an index can have as a key: columns and expressions with the operator classes for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import Key
from analyzer.objects.operator_classes import OperatorClass
from analyzer.postgres.access_methods import VECTOR_METHODS, MethodName

#: Columns compared with = that are put before the key that an index is drafted for.
MOST_LEADING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A column, or an expression, that an index can have as a key."""

    column: str | None
    expression: str | None
    #: As the table declares it, or as SQL names it.
    type: str
    #: Of an explicit COLLATE, with its schema.
    collation: str | None = None

    @property
    def text(self) -> str:
        """Return it as a reason names it."""
        return self.expression or self.column or ""

    def key(self, operator_class: OperatorClass, catalog: Catalog) -> Key:
        """Return the key with an operator class, unnamed where it is the default; those of vectors are always named."""
        is_default = catalog.operators.default_class(self.type, operator_class.method) == operator_class
        is_named = not is_default or operator_class.method in VECTOR_METHODS
        opclass = catalog.opclass(operator_class) if is_named else None
        column = None if self.expression else self.column
        return Key(column=column, expression=self.expression, collation=self.collation, opclass=opclass)


def target_of(column: str, expression: str | None, kind: str | None, relation: Relation) -> Target | None:
    """Return what an operator is about; None when its type is unknown."""
    if expression is not None:
        return None if kind is None else Target(column=column, expression=expression, type=kind)
    found = relation.column(column)
    return None if found is None else Target(column=column, expression=None, type=found.type)


def leading(names: Sequence[str], method: MethodName, relation: Relation, catalog: Catalog) -> tuple[Key, ...]:
    """Return keys of columns compared with =, the most selective first, which a method's default classes serve."""
    keys: list[Key] = []
    for name in sorted(dict.fromkeys(names), key=lambda name: (-catalog.distinct(relation, name), name)):
        column = relation.column(name)
        if column is None or not catalog.sortable(relation, name) or catalog.distinct(relation, name) <= 1:
            continue
        found = catalog.operators.default_class(column.type, method)
        if found is not None and catalog.operators.serves(found, "="):
            keys.append(Key(column=name))
    return tuple(keys[:MOST_LEADING])
