"""Say of which type an expression is, as far as its text tells."""

from collections.abc import Callable

from sqlglot import exp

from analyzer.workload.names import Scope, unwrapped

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


def type_in(scope: Scope, tree: exp.Expr) -> str | None:
    """Return the type of an expression in a query; see `type_of`."""

    def of_column(column: exp.Column) -> str | None:
        references = scope.resolve(column)
        found = references[0].occurrence.relation.column(references[0].column) if len(references) == 1 else None
        return None if found is None else found.type

    return type_of(tree, of_column)


def type_of(  # noqa: PLR0911 - one return a kind of expression
    tree: exp.Expr, of_column: ColumnType
) -> str | None:
    """Return the type of an expression as SQL names it, maybe a name that is no type; None when it is unknown."""
    tree = unwrapped(tree)
    while isinstance(tree, exp.Coalesce) or (isinstance(tree, exp.Operator) and _operator(tree) in _SAME_OPERATORS):
        tree = unwrapped(tree.this)
    match tree:
        case exp.Column():
            return of_column(tree)
        case exp.Cast():
            return tree.to.sql("postgres")
        case exp.Operator() if _operator(tree) in _TEXT_OPERATORS:
            return "text"
        case exp.Array() if tree.expressions:
            element = type_of(tree.expressions[0], of_column) or _of_literal(unwrapped(tree.expressions[0]))
            return None if element is None else f"{element}[]"
        case exp.Literal() if not tree.is_string:
            return _of_literal(tree)
        case exp.Boolean():
            return "boolean"
        case exp.TimestampTrunc():
            return type_of(tree.this, of_column)
        case exp.Anonymous():
            return _RETURNED.get(tree.name.lower(), tree.name.lower())
        case _ if isinstance(tree, _TEXT):
            return "text"
        case _:
            return None


def _operator(tree: exp.Operator) -> str:
    return str(tree.args["operator"]).strip()


def _of_literal(tree: exp.Expr) -> str | None:
    """Return the type of a constant; that of a string in an array, which its other elements may still change."""
    if not isinstance(tree, exp.Literal):
        return None
    return "text" if tree.is_string else "integer" if tree.name.isdigit() else "numeric"
