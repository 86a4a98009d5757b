"""Write the expressions and conditions of a statement as an index may hold them.

Only what is known to be immutable is written; the rest is None. Each piece is rewritten from names and constants, so
that nothing of the statement reaches DDL unread.
"""

import re
from collections.abc import Callable

from sqlglot import exp

from analyzer.documents.snapshot import Relation
from analyzer.sql import Sql, conforming, expression, ident, literal
from analyzer.workload.expression_types import type_of
from analyzer.workload.names import unwrapped

Own = Callable[[exp.Column], str | None]

_FUNCTIONS: dict[type[exp.Expr], str] = {exp.Lower: "lower", exp.Upper: "upper", exp.MD5: "md5", exp.Abs: "abs"}
JSON_OPERATORS = frozenset({"->", "->>", "#>", "#>>"})
#: Casts from text that no setting changes.
_CASTS: dict[exp.DType, str] = {
    exp.DType.INT: "integer",
    exp.DType.BIGINT: "bigint",
    exp.DType.DECIMAL: "numeric",
    exp.DType.DOUBLE: "double precision",
    exp.DType.BOOLEAN: "boolean",
    exp.DType.UUID: "uuid",
}
_FIELDS = frozenset(
    ["millennium", "century", "decade", "year", "quarter", "month", "week", "day", "hour", "minute", "second"]
)
_COMPARED: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}

_TEXT_TYPE = re.compile(r"(text|character varying(\(\d+\))?)\Z", re.IGNORECASE)
#: A type of pgvector with its dimensions, maybe with its schema; a schema in quotes is left.
_VECTOR_TYPE = re.compile(r"(?:[a-z_][a-z0-9_]*\.)?(?P<type>vector|halfvec|bit)\(\d{1,6}\)", re.IGNORECASE)
#: Parts of an expression, and elements of a list, that an index's definition may have.
_MOST_PARTS, _MOST_LISTED = 200, 100


def index_expression(tree: exp.Expr, own: Own, relation: Relation) -> str | None:
    """Write an expression over one table's columns as an index key; None when it may not be one."""
    tree = unwrapped(tree)
    written = None if isinstance(tree, exp.Column) or _is_large(tree) else _written(tree, own, relation)
    return None if written is None else expression(conforming(written))


def vector_expression(tree: exp.Expr, own: Own) -> str | None:
    """Write a column cast to another type of vector, or quantised, as an index key; None for anything else.

    pgvector's casts and its binary_quantize() are immutable.
    """
    found = _VECTOR_TYPE.fullmatch(tree.to.sql("postgres")) if isinstance(tree, exp.Cast) else None
    if found is None:
        return None
    inner, function = unwrapped(tree.this), None
    if isinstance(inner, exp.Anonymous) and inner.name.lower() == "binary_quantize" and len(inner.expressions) == 1:
        inner, function = unwrapped(inner.expressions[0]), "binary_quantize"
    name = own(inner) if isinstance(inner, exp.Column) else None
    if name is None or (function is None) == (found["type"].lower() == "bit"):
        return None
    written = ident(name) if function is None else f"{function}({ident(name)})"
    return expression(f"{written}::{found[0].lower()}")


def _is_large(tree: exp.Expr) -> bool:
    """Say whether an expression has more parts than an index should."""
    parts, waiting = 0, [tree]
    while waiting and parts <= _MOST_PARTS:
        parts += 1
        waiting += waiting.pop().iter_expressions()
    return parts > _MOST_PARTS


def _written(  # noqa: PLR0911 - one return a kind of expression
    tree: exp.Expr, own: Own, relation: Relation
) -> str | None:
    tree = unwrapped(tree)
    match tree:
        case exp.Column():
            name = own(tree)
            return None if name is None else ident(name)
        case exp.Literal() | exp.Neg() | exp.Boolean():
            return _constant(tree)
        case exp.Lower() | exp.Upper() | exp.MD5() | exp.Abs():
            return _call(_FUNCTIONS[type(tree)], [tree.this], own, relation)
        case exp.Coalesce():
            return _call("coalesce", [tree.this, *tree.expressions], own, relation)
        case exp.Operator() if str(tree.args["operator"]) in JSON_OPERATORS:
            return _json_path(tree, own, relation)
        case exp.Cast():
            return _cast(tree, own, relation)
        case exp.TimestampTrunc():
            return _truncated(tree, own, relation)
        case exp.Anonymous() if tree.name.lower() == "to_tsvector" and len(tree.expressions) == 2:
            return _to_tsvector(tree, own, relation)
        case exp.DPipe():
            return _joined(tree, own, relation)
        case _:
            return None


def _call(function: str, arguments: list[exp.Expr], own: Own, relation: Relation) -> str | None:
    written = [_written(argument, own, relation) for argument in arguments]
    known = [each for each in written if each is not None]
    return f"{function}({', '.join(known)})" if len(known) == len(written) else None


def _json_path(tree: exp.Operator, own: Own, relation: Relation) -> str | None:
    base, key = _written(tree.this, own, relation), _constant(unwrapped(tree.expression))
    return None if base is None or key is None else f"{base} {tree.args['operator']} {key}"


def _cast(tree: exp.Cast, own: Own, relation: Relation) -> str | None:
    inner = unwrapped(tree.this)
    name = _CASTS.get(tree.to.this) if not tree.to.expressions else None
    if name is None or not isinstance(inner, exp.Operator) or not str(inner.args["operator"]).endswith(">>"):
        return None
    written = _written(inner, own, relation)
    return None if written is None else f"({written})::{name}"


def _truncated(tree: exp.TimestampTrunc, own: Own, relation: Relation) -> str | None:
    """date_trunc is immutable on timestamps without time zone alone."""
    inner, unit = unwrapped(tree.this), tree.args.get("unit")
    name = own(inner) if isinstance(inner, exp.Column) else None
    column = relation.column(name) if name is not None else None
    field = unit.name.lower() if isinstance(unit, exp.Expr) else ""
    if column is None or not re.fullmatch(r"timestamp(\(\d\))? without time zone", column.type) or field not in _FIELDS:
        return None
    return f"date_trunc({literal(field)}, {ident(column.name)})"


def _to_tsvector(tree: exp.Anonymous, own: Own, relation: Relation) -> str | None:
    """to_tsvector is immutable with a configuration that is a constant."""
    configuration, text = (unwrapped(each) for each in tree.expressions)
    if isinstance(configuration, exp.Cast) and configuration.to.sql("postgres").lower() == "regconfig":
        configuration = unwrapped(configuration.this)
    return _call("to_tsvector", [configuration, text], own, relation) if _is_text(configuration) else None


def _joined(tree: exp.DPipe, own: Own, relation: Relation) -> str | None:
    """|| is immutable between texts; with another type it prints a value, as settings have it."""

    def of_column(column: exp.Column) -> str | None:
        name = own(column)
        found = relation.column(name) if name is not None else None
        return None if found is None else found.type

    parts = [unwrapped(tree.left), unwrapped(tree.right)]
    if not all(_is_text(each) or _TEXT_TYPE.match(type_of(each, of_column) or "") for each in parts):
        return None
    written = [_written(each, own, relation) for each in parts]
    known = [each for each in written if each is not None]
    return f"({' || '.join(known)})" if len(known) == len(parts) else None


def _is_text(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Literal) and bool(tree.is_string)


def _constant(tree: exp.Expr) -> Sql | None:
    match tree:
        case exp.Literal() if tree.is_string:
            return literal(tree.name)
        case exp.Literal() if re.fullmatch(r"[0-9]+(\.[0-9]*)?([eE][0-9]+)?|\.[0-9]+", tree.name):
            return Sql(tree.name)
        case exp.Neg():
            inner = _constant(unwrapped(tree.this))
            return None if inner is None or not inner[0].isdigit() else Sql(f"-{inner}")
        case exp.Boolean():
            return Sql("true" if tree.this else "false")
        case _:
            return None


def condition(tree: exp.Expr, own: Own, relation: Relation) -> str | None:
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
            return _compared(tree, own, relation)
        case exp.In() if 0 < len(tree.expressions) <= _MOST_LISTED and isinstance(unwrapped(tree.this), exp.Column):
            values = [_constant(unwrapped(each)) for each in tree.expressions]
            name = own(unwrapped(tree.this))  # pyright: ignore[reportArgumentType] - a Column, by the guard
            known = [value for value in values if value is not None]
            return None if name is None or len(known) != len(values) else f"{ident(name)} IN ({', '.join(known)})"
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


def _compared(tree: exp.Expr, own: Own, relation: Relation) -> str | None:
    column, constant = unwrapped(tree.args["this"]), unwrapped(tree.args["expression"])
    name = own(column) if isinstance(column, exp.Column) else None
    value = _constant(constant)
    if name is None or value is None or relation.column(name) is None:
        return None
    if isinstance(constant, exp.Boolean) and isinstance(tree, exp.EQ):
        return ident(name) if constant.this else f"NOT {ident(name)}"
    # A date written as text depends on DateStyle; what the server prints of it does not, so the server may decide.
    return f"{ident(name)} {_COMPARED[type(tree)]} {value}"
