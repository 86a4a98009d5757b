"""Say of which type an expression is, as far as its text tells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.objects.volatility import Function
from analyzer.workload.names import Scope, folded, unwrapped

#: Returns the type of a column as its table declares it.
ColumnType = Callable[[exp.Column], str | None]

_TEXT = (exp.Lower, exp.Upper, exp.MD5, exp.DPipe, exp.Concat, exp.Substring, exp.Trim, exp.Left, exp.Right)
_TEXT_OPERATORS = frozenset({"->>", "#>>"})
_SAME_OPERATORS = frozenset({"->", "#>"})
#: What functions return whose name is not that of a type, as those of ranges and geometry are.
_RETURNED = {
    "to_tsvector": "tsvector",
    "to_tsquery": "tsquery",
    "plainto_tsquery": "tsquery",
    "phraseto_tsquery": "tsquery",
    "websearch_to_tsquery": "tsquery",
    "jsonb_build_object": "jsonb",
    "to_jsonb": "jsonb",
    "binary_quantize": "bit",
}


def type_in(scope: Scope, tree: exp.Expr, catalog: Catalog) -> str | None:
    """Return the type of an expression in a query; see `type_of`."""

    def of_column(column: exp.Column) -> str | None:
        references = scope.resolve(column)
        found = references[0].occurrence.relation.column(references[0].column) if len(references) == 1 else None
        return None if found is None else found.type

    return type_of(tree, of_column, catalog)


def type_of(  # noqa: PLR0911 - one return a kind of expression
    tree: exp.Expr, of_column: ColumnType, catalog: Catalog
) -> str | None:
    """Return the type of an expression as SQL names it, maybe a name that is no type; None when it is unknown."""
    tree = unwrapped(tree)
    while isinstance(tree, exp.Coalesce | exp.Collate) or (
        isinstance(tree, exp.Operator) and _operator(tree) in _SAME_OPERATORS
    ):
        tree = unwrapped(tree.this)
    match tree:
        case exp.Column():
            return of_column(tree)
        case exp.Cast():
            return tree.to.sql("postgres")
        case exp.Operator() if _operator(tree) in _TEXT_OPERATORS:
            return "text"
        case exp.Array() if tree.expressions:
            element = type_of(tree.expressions[0], of_column, catalog) or _of_literal(unwrapped(tree.expressions[0]))
            return None if element is None else f"{element}[]"
        case exp.Literal() if not tree.is_string:
            return _of_literal(tree)
        case exp.Boolean():
            return "boolean"
        case exp.Length():
            return "integer"
        case exp.TimestampTrunc() | exp.Neg() | exp.Abs() | exp.Greatest() | exp.Least():
            return type_of(tree.this, of_column, catalog)
        case exp.Dot() | exp.Anonymous():
            return _of_name(tree, of_column, catalog)
        case _ if isinstance(tree, _TEXT):
            return "text"
        case _:
            return None


def _of_name(tree: exp.Expr, of_column: ColumnType, catalog: Catalog) -> str | None:
    """Return the type of an attribute, or of what a function returns."""
    if isinstance(tree, exp.Dot) and isinstance(tree.expression, exp.Identifier):
        base = type_of(tree.this, of_column, catalog)
        return None if base is None else catalog.attribute(base, folded(tree.expression))
    if (call := called(tree, of_column, catalog)) is not None:
        return None if call.function.returns.startswith("any") else call.function.returns
    return None if isinstance(tree, exp.Dot) else _RETURNED.get(tree.name.lower(), tree.name.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A function with the types of the arguments of a call, in which None is a plain constant."""

    function: Function
    kinds: tuple[str | None, ...]


def called(tree: exp.Expr, of_column: ColumnType, catalog: Catalog) -> Called | None:
    """Return the immutable function that an expression calls, maybe by its schema."""
    schema = folded(tree.this) or None if isinstance(tree, exp.Dot) else None
    call = tree.expression if isinstance(tree, exp.Dot) else tree
    if not isinstance(call, exp.Anonymous) or (isinstance(tree, exp.Dot) and schema is None):
        return None
    name = folded(call.this) if isinstance(call.this, exp.Identifier) else call.name.lower()
    kinds = _argument_types(call.expressions, of_column, catalog)
    function = None if kinds is None else catalog.function(schema, name, kinds)
    return None if kinds is None or function is None else Called(function=function, kinds=kinds)


def _argument_types(
    arguments: Sequence[exp.Expr], of_column: ColumnType, catalog: Catalog
) -> tuple[str | None, ...] | None:
    """Return the types of the arguments of a call; None when one is unknown."""
    kinds: list[str | None] = []
    for each in map(unwrapped, arguments):
        kind = type_of(each, of_column, catalog)
        if kind is None and not (isinstance(each, exp.Literal) and each.is_string):
            return None
        kinds.append(kind)
    return tuple(kinds)


def _operator(tree: exp.Operator) -> str:
    return str(tree.args["operator"]).strip()


def _of_literal(tree: exp.Expr) -> str | None:
    """Return the type of a constant; that of a string in an array, which its other elements may still change."""
    if not isinstance(tree, exp.Literal):
        return None
    return "text" if tree.is_string else "integer" if tree.name.isdigit() else "numeric"
