"""Find the sort order and the groups that a query requires of one table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.workload.collations import collation_of, without_collation
from analyzer.workload.expression_types import type_in
from analyzer.workload.expressions import (
    JSON_OPERATORS,
    index_expression,
    vector_expression,
)
from analyzer.workload.names import Occurrence, Scope, folded, own_column, single_reference, unwrapped
from analyzer.workload.select_list import is_limit

#: An order or groups of more keys than this are not read: no index has them.
_MOST_KEYS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SortKey:
    """One key of an ORDER BY."""

    column: str | None
    expression: str | None = None
    descending: bool = False
    nulls_first: bool = False
    #: Of an explicit COLLATE, with its schema.
    collation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """An ORDER BY that refers to one table only."""

    keys: tuple[SortKey, ...]
    #: The rows are cut off, so that an index in this order can stop early.
    limited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """An ORDER BY distance with LIMIT: any operator between what an index can hold and a value."""

    column: str
    operator: str
    #: SQL of the indexed expression when it is not the bare column, and its type.
    expression: str | None = None
    expression_type: str | None = None
    #: The column is on the right of the operator.
    is_commuted: bool = False
    #: Type of the other side, as SQL names it, if the text tells.
    other_type: str | None = None


def orders_of(scope: Scope, catalog: Catalog, select: exp.Select) -> Iterator[tuple[Occurrence, Sort | Nearest]]:
    """Yield the orders that a SELECT has rows of one table in: its own, those of its windows, the ends it reads."""
    order = select.args.get("order")
    if isinstance(order, exp.Order):
        ordered = [each for each in order.expressions if isinstance(each, exp.Ordered)]
        if (found := _order(scope, catalog, select, ordered)) is not None:
            yield found
    yield from _extremes(scope, catalog, select)
    yield from _windows(scope, catalog, select)


def _order(
    scope: Scope, catalog: Catalog, select: exp.Select, ordered: Sequence[exp.Ordered]
) -> tuple[Occurrence, Sort | Nearest] | None:
    limited = is_limit(select.args.get("limit")) and _is_plain(select)
    if not 0 < len(ordered) <= _MOST_KEYS:
        return None
    first = _projected(select, ordered[0].this)
    if isinstance(first, exp.Operator) and operator_of(first) not in JSON_OPERATORS:
        return _nearest(scope, catalog, first) if limited and not ordered[0].args.get("desc") else None
    return _sort([_sort_key(scope, catalog, select, each) for each in ordered], limited=limited)


def _sort(keys: Sequence[tuple[Occurrence, SortKey] | None], *, limited: bool) -> tuple[Occurrence, Sort] | None:
    """Return the leading keys that are of one table: the rows of each are then sorted by the others."""
    known: list[SortKey] = []
    owner: Occurrence | None = None
    for key in keys:
        if key is None or (owner is not None and key[0] is not owner):
            break
        owner = key[0]
        known.append(key[1])
    return None if owner is None else (owner, Sort(keys=tuple(known), limited=limited))


def _windows(scope: Scope, catalog: Catalog, select: exp.Select) -> Iterator[tuple[Occurrence, Sort]]:
    """Yield the orders that window functions go through their rows in."""
    named = [each for each in select.args.get("windows") or () if isinstance(each, exp.Window)]
    used = [each for part in select.expressions for each in _aggregates(part) if isinstance(each, exp.Window)]
    for window in (*used, *named):
        order = window.args.get("order")
        parts = [exp.Ordered(this=each) for each in window.args.get("partition_by") or ()]
        ordered = [*parts, *(order.expressions if isinstance(order, exp.Order) else ())]
        keys = [
            _sort_key(scope, catalog, select, each) for each in ordered[:_MOST_KEYS] if isinstance(each, exp.Ordered)
        ]
        if (found := _sort(keys, limited=False)) is not None:
            yield found


def groups_of(scope: Scope, catalog: Catalog, select: exp.Select) -> tuple[Occurrence, tuple[SortKey, ...]] | None:
    """Return the keys of a GROUP BY or DISTINCT that refers to one table only."""
    group, distinct = select.args.get("group"), select.args.get("distinct")
    if isinstance(group, exp.Group):
        grouped = [_projected(select, each) for each in group.expressions[: _MOST_KEYS + 1]]
    elif isinstance(distinct, exp.Distinct):
        on = distinct.args.get("on")
        listed = on.expressions if isinstance(on, exp.Tuple) else select.expressions
        grouped = [_projected(select, each) for each in listed[: _MOST_KEYS + 1]]
    else:
        return None
    if len(grouped) > _MOST_KEYS:
        return None
    keys = [_sort_key(scope, catalog, select, exp.Ordered(this=each)) for each in grouped]
    known = [key for key in keys if key is not None]
    if not known or len(known) < len(keys) or len({id(owner) for owner, _ in known}) != 1:
        return None
    return known[0][0], tuple(dict.fromkeys(key for _, key in known))


def operator_of(tree: exp.Operator) -> str:
    """Return an operator without its schema."""
    return str(tree.args["operator"]).rpartition(".")[2].strip()


def _sort_key(
    scope: Scope, catalog: Catalog, select: exp.Select, ordered: exp.Ordered
) -> tuple[Occurrence, SortKey] | None:
    inner = _projected(select, ordered.this)
    reference = single_reference(scope, inner)
    if reference is None:
        return None
    descending, nulls_first = bool(ordered.args.get("desc")), bool(ordered.args.get("nulls_first"))
    inner, collation = without_collation(inner, catalog)
    column, sql = reference.column, None
    if not isinstance(inner, exp.Column):
        column, sql = (
            None,
            index_expression(inner, lambda each: own_column(scope, each), reference.occurrence.relation, catalog),
        )
        if sql is None:
            return None
    if column is not None and collation == collation_of(reference, catalog):
        collation = None
    key = SortKey(column=column, expression=sql, descending=descending, nulls_first=nulls_first, collation=collation)
    return reference.occurrence, key


def _nearest(scope: Scope, catalog: Catalog, distance: exp.Operator) -> tuple[Occurrence, Nearest] | None:
    left, right = unwrapped(distance.this), unwrapped(distance.expression)
    for key, other in ((left, right), (right, left)):
        near, far = single_reference(scope, key), single_reference(scope, other)
        if near is None or (far is not None and far.occurrence is near.occurrence):
            continue
        sql = None
        if not isinstance(key, exp.Column):
            own, relation = partial(own_column, scope), near.occurrence.relation
            sql = index_expression(key, own, relation, catalog) or vector_expression(key, own)
            if sql is None:
                continue
        return near.occurrence, Nearest(
            column=near.column,
            operator=operator_of(distance),
            expression=sql,
            expression_type=None if sql is None else type_in(scope, key, catalog),
            is_commuted=key is right,
            other_type=type_in(scope, other, catalog),
        )
    return None


def _extremes(scope: Scope, catalog: Catalog, select: exp.Select) -> Iterator[tuple[Occurrence, Sort]]:
    """min() and max() without GROUP BY are read from an end of an index, as ORDER BY … LIMIT 1 is."""
    found = [each for part in select.expressions for each in _aggregates(part)]
    if select.args.get("group") is not None or not all(isinstance(each, exp.Min | exp.Max) for each in found):
        return
    for each in dict.fromkeys(unwrapped(each.this) for each in found):
        key = _sort_key(scope, catalog, select, exp.Ordered(this=each))
        if key is not None:
            yield key[0], Sort(keys=(key[1],), limited=True)


def _is_plain(select: exp.Select) -> bool:
    """Say whether a LIMIT reaches down to the rows: no grouping, aggregate or DISTINCT between."""
    if select.args.get("group") is not None or select.args.get("distinct") is not None:
        return False
    return not any(True for projection in select.expressions for _ in _aggregates(projection))


def _aggregates(expression: exp.Expr) -> Iterator[exp.Expr]:
    waiting = [expression]
    while waiting:
        each = waiting.pop()
        if isinstance(each, exp.AggFunc | exp.Window):
            yield each
        elif not isinstance(each, exp.Query):
            waiting += each.iter_expressions()


def _projected(select: exp.Select, expression: exp.Expr) -> exp.Expr:
    """Follow an ordinal or an alias of the select list."""
    expression = unwrapped(expression)
    if isinstance(expression, exp.Literal) and not expression.is_string:
        place = int(expression.name) - 1 if expression.name.isdigit() else -1
        return unwrapped(select.expressions[place]) if 0 <= place < len(select.expressions) else expression
    if isinstance(expression, exp.Column) and not expression.table:
        for projection in select.expressions:
            if isinstance(projection, exp.Alias) and folded(projection.args["alias"]) == folded(expression.this):
                return unwrapped(projection)
    return expression
