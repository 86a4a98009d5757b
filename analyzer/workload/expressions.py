"""Write the expressions of a statement as an index may hold them.

Only what is known to be immutable is written; the rest is None. Each piece is rewritten from names and constants, so
that nothing of the statement reaches DDL unread.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.sql import Sql, conforming, expression, ident, literal
from analyzer.workload.collations import collation_named
from analyzer.workload.expression_types import called, type_of
from analyzer.workload.names import folded, unwrapped
from analyzer.workload.parameters import uncast

Own = Callable[[exp.Column], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Of:
    """Whose columns an expression is over, and what the server knows."""

    own: Own
    relation: Relation
    catalog: Catalog

    def type_of(self, column: exp.Column) -> str | None:
        """Return the type of a column as its table declares it."""
        name = self.own(column)
        found = self.relation.column(name) if name is not None else None
        return None if found is None else found.type


_FUNCTIONS: dict[type[exp.Expr], str] = {
    exp.Lower: "lower",
    exp.Upper: "upper",
    exp.MD5: "md5",
    exp.Abs: "abs",
    exp.Coalesce: "coalesce",
    exp.Greatest: "greatest",
    exp.Least: "least",
}
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
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Mod: "%"}
_TRIMS = {"BOTH": "btrim", "LEADING": "ltrim", "TRAILING": "rtrim"}
#: Fields that EXTRACT takes of a date or timestamp.
_PARTS = _FIELDS - {"millennium", "century", "decade"} | {"dow", "doy", "isodow", "isoyear", "epoch"}
#: Types by what functions of them are immutable.
_KINDS = {
    **dict.fromkeys(
        ["smallint", "integer", "int", "bigint", "numeric", "decimal", "real", "double precision"], "number"
    ),
    **dict.fromkeys(["text", "character varying", "varchar"], "text"),
    **dict.fromkeys(["timestamp without time zone", "timestamp"], "timestamp"),
    **dict.fromkeys(["timestamp with time zone", "timestamptz"], "timestamptz"),
    "date": "date",
}
#: A type of pgvector with its dimensions, maybe with its schema; a schema in quotes is left.
_VECTOR_TYPE = re.compile(r"(?:[a-z_][a-z0-9_]*\.)?(?P<type>vector|halfvec|bit)\(\d{1,6}\)", re.IGNORECASE)
#: The parser counts the elements of an array from 0.
_FIRST_ELEMENT = 1
_MOST_DIGITS = 8
#: Words that the input of a date or time replaces by one.
_OF_NOW = re.compile(r"(?<![a-z])(?:now|today|tomorrow|yesterday)(?![a-z])", re.IGNORECASE)
#: Parts and characters of an expression that an index's definition may have.
_MOST_PARTS = 200
_MOST_CHARACTERS = 2_000


def index_expression(tree: exp.Expr, own: Own, relation: Relation, catalog: Catalog) -> str | None:
    """Write an expression over one table's columns as an index key; None when it may not be one."""
    tree = unwrapped(tree)
    written = (
        None
        if isinstance(tree, exp.Column) or _is_large(tree)
        else _written(tree, Of(own=own, relation=relation, catalog=catalog))
    )
    return None if written is None or len(written) > _MOST_CHARACTERS else expression(conforming(written))


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


def _written(tree: exp.Expr, of: Of) -> str | None:
    tree = unwrapped(tree)
    if isinstance(tree, exp.Column):
        name = of.own(tree)
        return None if name is None else ident(name)
    write = _WRITERS.get(type(tree))
    return None if write is None else write(tree, of)


def _written_constant(tree: exp.Expr, _of: Of) -> str | None:
    return constant(tree)


def _function(tree: exp.Expr, of: Of) -> str | None:
    name, arguments = _FUNCTIONS[type(tree)], [tree.this, *tree.expressions]
    kinds = [type_of(each, of.type_of, of.catalog) for each in arguments if each.find(exp.Column)]
    if any(is_of_now(each, kind, of.catalog) for each in arguments for kind in kinds):
        return None
    if isinstance(tree, exp.Greatest | exp.Least) and (None in kinds or len(set(kinds)) != 1):
        return None  # of several types, one is cast
    return _call(name, arguments, of) if _name_of(tree, name) == name else None


def _name_of(tree: exp.Expr, name: str) -> str:
    """Return the name of a function as the statement has it, or the one given where it has a syntax of its own."""
    return str(tree.meta.get("name", name)).lower()


def _named_function(tree: exp.Expr, of: Of) -> str | None:
    match tree.name.lower(), len(tree.expressions):
        case "to_tsvector", 2:
            return _to_tsvector(tree, of)
        case "timezone", 2:
            return _in_zone(tree.expressions[1], tree.expressions[0], of)
        case _:
            return _immutable_function(tree, of)


def _immutable_function(tree: exp.Expr, of: Of) -> str | None:
    """Write the call of a function that the server says is immutable.

    A constant of the type of another argument, and not of the result, is what that is compared with: similarity(name,
    'x') is not a key, split_part(name, ' ', 1) is.
    """
    call = called(tree, of.type_of, of.catalog)
    if call is None or not of.catalog.is_column_type(call.function.returns):
        return None
    arguments = (tree.expression if isinstance(tree, exp.Dot) else tree).expressions
    kinds = list(zip(arguments, call.function.arguments, strict=False))
    computed = {kind for each, kind in kinds if each.find(exp.Column)} - {call.function.returns}
    if any(kind in computed for each, kind in kinds if not each.find(exp.Column)):
        return None
    if any(is_of_now(each, kind, of.catalog) for each, kind in kinds):
        return None
    return _call(of.catalog.function_name(call.function, call.kinds), arguments, of)


def _collated(tree: exp.Expr, of: Of) -> str | None:
    written, collation = _written(tree.this, of), collation_named(tree, of.catalog)
    return None if written is None or collation is None else f"({written} COLLATE {collation})"


def _at_time_zone(tree: exp.Expr, of: Of) -> str | None:
    return _in_zone(tree.this, tree.args["zone"], of)


def _call(function: str, arguments: list[exp.Expr], of: Of) -> str | None:
    written = [_written(argument, of) for argument in arguments]
    known = [each for each in written if each is not None]
    return f"{function}({', '.join(known)})" if len(known) == len(written) else None


def _json_path(tree: exp.Expr, of: Of) -> str | None:
    if str(tree.args["operator"]) not in JSON_OPERATORS:
        return None
    base, key = _written(tree.this, of), constant(unwrapped(tree.expression))
    return None if base is None or key is None else f"{base} {tree.args['operator']} {key}"


def _attribute(tree: exp.Expr, of: Of) -> str | None:
    """Write an attribute of a composite value: `(home).city`; or a function with its schema."""
    if isinstance(tree.expression, exp.Anonymous):
        return _immutable_function(tree, of)
    base, name = _written(tree.this, of), tree.args["expression"]
    return f"({base}).{ident(folded(name))}" if base is not None and isinstance(name, exp.Identifier) else None


def _element(tree: exp.Expr, of: Of) -> str | None:
    """Write an element of an array, or of a document: `codes[1]`, `props['brand']`; not a slice."""
    base, keys = _written(tree.this, of), tree.expressions
    if base is None or len(keys) != 1:
        return None
    if not isinstance(tree.this, exp.Bracket | exp.Column):
        base = f"({base})"  # in brackets, an element of an element is another expression
    key = unwrapped(keys[0])
    if isinstance(key, exp.Cast):
        key = unwrapped(key.this)
    if _is_text(key):
        return f"{base}[{literal(key.name)}]"
    sign, number = (-1, unwrapped(key.this)) if isinstance(key, exp.Neg) else (1, key)
    if not isinstance(number, exp.Literal) or not number.name.isdecimal() or len(number.name) > _MOST_DIGITS:
        return None
    return f"{base}[{sign * int(number.name) + _FIRST_ELEMENT}]"


def _kind(tree: exp.Expr, of: Of) -> str | None:
    """Return what kind of value an expression has, where that decides whether a function of it is immutable."""
    tree = unwrapped(tree)
    zoned = _zoned(tree)
    if zoned is not None:
        return {"timestamptz": "timestamp", "timestamp": "timestamptz"}.get(_kind(zoned, of) or "")
    kind = re.sub(r"\(.*?\)", "", (type_of(tree, of.type_of, of.catalog) or "").lower()).strip()
    return _KINDS.get(kind)


def _zoned(tree: exp.Expr) -> exp.Expr | None:
    """Return what AT TIME ZONE is of, however it is written."""
    if isinstance(tree, exp.AtTimeZone):
        return tree.this
    is_call = isinstance(tree, exp.Anonymous) and tree.name.lower() == "timezone" and len(tree.expressions) == 2
    return tree.expressions[1] if is_call else None


def _cast(tree: exp.Expr, of: Of) -> str | None:
    inner, target, written = unwrapped(tree.this), tree.args["to"], _written(tree.this, of)
    name = _CASTS.get(target.this) if not target.expressions else None
    if written is None:
        return None
    if isinstance(inner, exp.Literal):
        return written if _kind(tree, of) == "text" else None
    match _kind(inner, of):
        case "text" if name is not None:
            return f"({written})::{name}"
        case "number" if name is not None and name not in ("boolean", "uuid"):
            return f"({written})::{name}"
        case "timestamp" if target.this == exp.DType.DATE:
            return f"({written})::date"
        case _:
            kind = type_of(inner, of.type_of, of.catalog)
            known = None if kind is None or target.expressions else of.catalog.cast(kind, target.sql("postgres"))
            return None if known is None else f"({written})::{known}"


def _truncated(tree: exp.Expr, of: Of) -> str | None:
    """date_trunc is immutable on timestamps without time zone alone."""
    unit, written = tree.args.get("unit"), _written(tree.this, of)
    field = unit.name.lower() if isinstance(unit, exp.Expr) else ""
    if written is None or field not in _FIELDS or tree.args.get("zone") or _kind(tree.this, of) != "timestamp":
        return None
    return f"date_trunc({literal(field)}, {written})"


def _in_zone(tree: exp.Expr, zone: exp.Expr, of: Of) -> str | None:
    """AT TIME ZONE is immutable with a zone that is a constant."""
    name, written = constant(unwrapped(zone)), _written(tree, of)
    if name is None or written is None or _kind(tree, of) not in ("timestamp", "timestamptz"):
        return None
    return f"({written} AT TIME ZONE {name})" if name.startswith("'") else None


def _extracted(tree: exp.Expr, of: Of) -> str | None:
    """The fields of a time without zone depend on no setting."""
    field, written = tree.this.name.lower(), _written(tree.expression, of)
    is_settled = _kind(tree.expression, of) in ("timestamp", "date")
    return f"EXTRACT({field} FROM {written})" if written is not None and is_settled and field in _PARTS else None


def _of_text(tree: exp.Expr, of: Of) -> str | None:
    arguments = [unwrapped(each) for each in tree.iter_expressions()]
    if not arguments or _kind(arguments[0], of) != "text" or len(arguments) > 3:
        return None
    if not all(isinstance(each, exp.Literal) and not each.is_string for each in arguments[1:]):
        return None
    name = _name_of(tree, type(tree).__name__.lower())
    return _call(name, arguments, of) if name.isidentifier() else None


def _trimmed(tree: exp.Expr, of: Of) -> str | None:
    """Write TRIM, which is btrim(), ltrim() or rtrim()."""
    where, characters = str(tree.args.get("position") or "BOTH").upper(), tree.args.get("expression")
    arguments = [tree.this, *([characters] if isinstance(characters, exp.Expr) else [])]
    if where not in _TRIMS or not all(_is_text(unwrapped(each)) or _kind(each, of) == "text" for each in arguments):
        return None
    return _call(_TRIMS[where], arguments, of)


def _arithmetic(tree: exp.Expr, of: Of) -> str | None:
    parts = [unwrapped(tree.args["this"]), unwrapped(tree.args["expression"])]
    written = [_written(each, of) for each in parts]
    if not all(_is_number(each, of) for each in parts):
        return None
    known = [each for each in written if each is not None]
    return f"({known[0]} {_ARITHMETIC[type(tree)]} {known[1]})" if len(known) == 2 else None


def _is_number(tree: exp.Expr, of: Of) -> bool:
    if type(tree) in _ARITHMETIC:
        return True  # it is written where its parts are numbers
    return _kind(tree, of) == "number"


def _to_tsvector(tree: exp.Expr, of: Of) -> str | None:
    """to_tsvector is immutable with a configuration that is a constant."""
    configuration, text = (unwrapped(each) for each in tree.expressions)
    if isinstance(configuration, exp.Cast) and configuration.to.sql("postgres").lower() == "regconfig":
        configuration = unwrapped(configuration.this)
    return _call("to_tsvector", [configuration, text], of) if _is_text(configuration) else None


def _joined(tree: exp.Expr, of: Of) -> str | None:
    """|| is immutable between texts; with another type it prints a value, as settings have it."""
    parts = [unwrapped(tree.args["this"]), unwrapped(tree.args["expression"])]
    if not all(_is_text(each) or _kind(each, of) == "text" for each in parts):
        return None
    written = [_written(each, of) for each in parts]
    known = [each for each in written if each is not None]
    return f"({' || '.join(known)})" if len(known) == len(parts) else None


def _is_text(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Literal) and bool(tree.is_string)


def is_of_now(tree: exp.Expr, kind: str | None, catalog: Catalog) -> bool:
    """Say whether a constant, like `'today'`, is another value tomorrow: an index would keep that of its build."""
    value = uncast(unwrapped(tree))
    return _is_text(value) and _OF_NOW.search(value.name) is not None and (kind is None or catalog.reads_clock(kind))


def constant(tree: exp.Expr) -> Sql | None:
    """Write a constant; the cast that a server prints with it is left to the column's type."""
    if isinstance(tree, exp.Cast):
        tree = unwrapped(tree.this)
    match tree:
        case exp.Literal() if tree.is_string:
            return literal(tree.name)
        case exp.Literal() if re.fullmatch(r"[0-9]+(\.[0-9]*)?([eE][0-9]+)?|\.[0-9]+", tree.name):
            return Sql(tree.name)
        case exp.Neg():
            inner = constant(unwrapped(tree.this))
            return None if inner is None or not inner[0].isdigit() else Sql(f"-{inner}")
        case exp.Boolean():
            return Sql("true" if tree.this else "false")
        case _:
            return None


#: What writes each kind of expression.
_WRITERS: dict[type[exp.Expr], Callable[[exp.Expr, Of], str | None]] = {
    **dict.fromkeys((exp.Literal, exp.Neg, exp.Boolean), _written_constant),
    **dict.fromkeys(_FUNCTIONS, _function),
    exp.Trim: _trimmed,
    **dict.fromkeys((exp.Length, exp.Left, exp.Right, exp.Substring), _of_text),
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
    exp.Operator: _json_path,
    exp.Dot: _attribute,
    exp.Bracket: _element,
    exp.Cast: _cast,
    exp.TimestampTrunc: _truncated,
    exp.AtTimeZone: _at_time_zone,
    exp.Extract: _extracted,
    exp.Anonymous: _named_function,
    exp.DPipe: _joined,
    exp.Collate: _collated,
}
