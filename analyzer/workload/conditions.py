"""Write the conditions of a statement as the predicate of a partial index."""

import re

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.postgres.arrays import parse_array
from analyzer.sql import ident
from analyzer.workload.expressions import Own, constant, is_of_now
from analyzer.workload.names import unwrapped

_COMPARED: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}

#: Elements of a list that a predicate may have.
_MOST_LISTED = 100
_VARCHAR = re.compile(r"character varying(\(\d+\))?\Z")


def condition(tree: exp.Expr, own: Own, relation: Relation, catalog: Catalog) -> str | None:
    """Write a condition without parameters as the predicate of a partial index; None when it is not one."""
    tree = unwrapped(tree)
    match tree:
        case exp.Column():
            return _boolean(tree, own, relation)
        case exp.Not():
            return _negated(unwrapped(tree.this), own, relation)
        case exp.Is():
            return _is(tree, own, negated=bool(tree.args.get("negate")))
        case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
            return _compared(tree, own, relation, catalog)
        case exp.In():
            return _listed(tree.this, tree.expressions, own, relation, catalog)
        case _:
            return None


def _boolean(tree: exp.Column, own: Own, relation: Relation) -> str | None:
    name = own(tree)
    column = relation.column(name) if name is not None else None
    return ident(column.name) if column is not None and column.type == "boolean" else None


def _negated(inner: exp.Expr, own: Own, relation: Relation) -> str | None:
    if isinstance(inner, exp.Column):
        name = _boolean(inner, own, relation)
        return None if name is None else f"NOT {name}"
    return _is(inner, own, negated=True) if isinstance(inner, exp.Is) else None


def _is(tree: exp.Is, own: Own, *, negated: bool) -> str | None:
    inner, what = unwrapped(tree.this), tree.expression
    name = own(inner) if isinstance(inner, exp.Column) else None
    if name is None:
        return None
    word = "NULL" if isinstance(what, exp.Null) else str(what.this).upper() if isinstance(what, exp.Boolean) else None
    return None if word is None else f"{ident(name)} IS {'NOT ' if negated else ''}{word}"


def _compared(tree: exp.Expr, own: Own, relation: Relation, catalog: Catalog) -> str | None:
    right = unwrapped(tree.args["expression"])
    if isinstance(tree, exp.EQ) and isinstance(right, exp.Any):
        return _listed(tree.this, _elements(unwrapped(right.this)), own, relation, catalog)
    name = _column(tree.args["this"], own, relation)
    value = None if name is None else _value(right, name, relation, catalog)
    if name is None or value is None:
        return None
    if isinstance(right, exp.Boolean) and isinstance(tree, exp.EQ):
        return ident(name) if right.this else f"NOT {ident(name)}"
    # A date written as text depends on DateStyle; what the server prints of it does not, so the server may decide.
    return f"{ident(name)} {_COMPARED[type(tree)]} {value}"


def _column(tree: exp.Expr, own: Own, relation: Relation) -> str | None:
    """Return the name of a column, also under the cast from varchar that a server prints."""
    tree = unwrapped(tree)
    inner = unwrapped(tree.this) if isinstance(tree, exp.Cast) and tree.to.sql("postgres") == "TEXT" else tree
    name = own(inner) if isinstance(inner, exp.Column) else None
    found = relation.column(name) if name is not None else None
    return name if inner is tree or (found is not None and _VARCHAR.match(found.type)) else None


def _value(tree: exp.Expr, name: str, relation: Relation, catalog: Catalog) -> str | None:
    """Write the constant that a column is compared with; no value of a composite type, which needs its cast."""
    column = relation.column(name)
    if column is None or catalog.is_composite(column.type) or is_of_now(tree, column.type, catalog):
        return None
    return constant(tree)


def _listed(tree: exp.Expr, values: list[exp.Expr], own: Own, relation: Relation, catalog: Catalog) -> str | None:
    name = _column(tree, own, relation)
    if name is None or not 0 < len(values) <= _MOST_LISTED:
        return None
    written = [_value(unwrapped(each), name, relation, catalog) for each in values]
    known = [value for value in written if value is not None]
    return f"{ident(name)} IN ({', '.join(known)})" if len(known) == len(values) else None


def _elements(tree: exp.Expr) -> list[exp.Expr]:
    """Return the elements of an array, also of one that is written as text."""
    if isinstance(tree, exp.Cast):
        tree = unwrapped(tree.this)
    if isinstance(tree, exp.Literal) and tree.is_string and "{" not in tree.name[1:] and "NULL" not in tree.name:
        return [exp.Literal.string(each) for each in parse_array(tree.name)]
    return tree.expressions if isinstance(tree, exp.Array) else []
