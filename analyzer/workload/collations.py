"""Explicit collations of a statement, and whether what they compare sorts by its bytes."""

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.workload.expression_types import type_in
from analyzer.workload.names import Reference, Scope, folded, unwrapped


def without_collation(tree: exp.Expr, catalog: Catalog) -> tuple[exp.Expr, str | None]:
    """Take an explicit COLLATE off an expression, and return what it names."""
    if not isinstance(tree, exp.Collate):
        return tree, None
    return unwrapped(tree.this), collation_named(tree, catalog)


def collation_of(reference: Reference, catalog: Catalog) -> str | None:
    """Return the collation of a column as COLLATE would name it; None where it has none."""
    column = reference.occurrence.relation.column(reference.column)
    return None if column is None else catalog.collation_of(column) or 'pg_catalog."default"'


def collation_named(tree: exp.Expr, catalog: Catalog) -> str | None:
    """Return the collation that COLLATE names, with its schema."""
    match tree.args["expression"]:
        case exp.Identifier() as name:
            return catalog.collation(None, folded(name))
        case exp.Var() as name:
            return catalog.collation(None, name.name.lower())
        case exp.Column() as name:
            return catalog.collation(folded(name.args.get("table")) or None, folded(name.this))
        case _:
            return None


def collated(scope: Scope, catalog: Catalog, left: exp.Expr, right: exp.Expr) -> tuple[exp.Expr, exp.Expr, str | None]:
    """Take explicit collations off both sides; return the one that counts unless the column has it anyway."""
    left, own = without_collation(left, catalog)
    right, other = without_collation(right, catalog)
    collation = own or other
    references = scope.resolve(left) if isinstance(left, exp.Column) else ()
    if references and all(collation == collation_of(each, catalog) for each in references):
        collation = None
    return left, right, collation


def is_bytewise(scope: Scope, catalog: Catalog, key: exp.Expr, collation: str | None) -> bool | None:
    """Say whether text under COLLATE, or of an attribute, compares by its bytes; None where the column says."""
    if collation is not None:
        return catalog.sorts_by_bytes(collation)
    kind = type_in(scope, key.this, catalog) if isinstance(key, exp.Dot) else None
    if kind is None or not isinstance(key.expression, exp.Identifier):
        return None
    return catalog.sorts_by_bytes(catalog.collation_of_attribute(kind, folded(key.expression)))
