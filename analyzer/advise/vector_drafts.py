"""Draft the indexes that give rows in the order of a distance, for ORDER BY … LIMIT.

pgvector's indexes have one key, so that what else a statement filters is applied to the nearest rows, of which few may
be left. For a filter with few values, pgvector's README advises a partial index for each value.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analyzer.advise.draft import MOST_EXPRESSIONS, Draft
from analyzer.advise.draft_variants import Predicate, restricted, share_of
from analyzer.advise.targets import Target, leading, target_of
from analyzer.catalog import Catalog, dimensions, type_name
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import Key
from analyzer.objects.operator_classes import OperatorClass, Service
from analyzer.postgres.access_methods import METHODS, VECTOR_METHODS
from analyzer.postgres.pgvector import MOST_DIMENSIONS, advised_lists, fewest_rows, hnsw_bytes, kmeans_bytes
from analyzer.sql import expression, ident
from analyzer.workload.ordering import Nearest
from analyzer.workload.shapes import TableShape

_HAMMING = "<~>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """An order by distance, and what can be the key of an index for it."""

    nearest: Nearest
    target: Target
    #: The operator classes of vectors that serve it.
    classes: tuple[OperatorClass, ...]
    relation: Relation
    catalog: Catalog

    @property
    def reason(self) -> str:
        return f"ORDER BY {self.target.text} {self.nearest.operator} with LIMIT"

    @property
    def declared(self) -> str:
        """Return the type with the dimensions that it, or the domain's base type, is declared with."""
        kind = self.target.type
        return kind if dimensions(kind) is not None else self.catalog.underlying(kind)

    @property
    def kind(self) -> str:
        return type_name(self.catalog.operators.base(self.target.type))

    @property
    def dimensions(self) -> int | None:
        return dimensions(self.declared)

    @property
    def is_indexable(self) -> bool:
        """Say whether an index takes the dimensions."""
        return self.dimensions is not None and self.dimensions <= MOST_DIMENSIONS.get(self.kind, self.dimensions)

    def key(self, operator_class: OperatorClass) -> Key:
        return self.target.key(operator_class, self.catalog)


def nearest_drafts(
    shape: TableShape, relation: Relation, catalog: Catalog, predicates: Sequence[Predicate]
) -> Iterator[Draft]:
    """Draft an index for each operator class that has the distance as an ordering operator.

    Those of vectors are drafted for the rows of each predicate as well. What cannot be built or used has an obstacle.
    """
    orders: list[_Order] = []
    for nearest in shape.nearest[:MOST_EXPRESSIONS]:
        target = target_of(nearest.column, nearest.expression, nearest.expression_type, relation)
        if target is None:
            continue
        found = catalog.operators.serving(
            nearest.operator, target.type, nearest.other_type, is_commuted=nearest.is_commuted, purpose="o"
        )
        classes = tuple(each.operator_class for each in found if each.operator_class.method in VECTOR_METHODS)
        order = _Order(nearest=nearest, target=target, classes=classes, relation=relation, catalog=catalog)
        orders += [order] if classes else []
        yield from _exact(order, found, shape)
    indexable = [each for each in orders if each.is_indexable]
    for order in indexable:
        yield from _approximate(order, predicates)
    # A statement that sorts again what it finds by an expression needs no other index.
    served = {each.target.column for each in indexable}
    yield from (_unindexable(each) for each in orders if not each.is_indexable and each.target.column not in served)


def _exact(order: _Order, found: Sequence[Service], shape: TableShape) -> Iterator[Draft]:
    default = {each.operator_class.method for each in found if each.is_default}
    for each in found:
        operator_class = each.operator_class
        if operator_class in order.classes or operator_class.method not in METHODS:
            continue
        if each.is_default or operator_class.method not in default:
            method = METHODS[operator_class.method].name
            draft = Draft(method=method, keys=(order.key(operator_class),), reason=order.reason)
            yield draft
            yield from _behind_equalities(draft, shape, order.relation, order.catalog)


def _behind_equalities(draft: Draft, shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Draft the key behind what must be equal: else the scan passes over the rows that differ there."""
    if METHODS[draft.method].multicolumn and (equal := leading(shape.equalities, draft.method, relation, catalog)):
        names = ", ".join(each.column or "" for each in equal)
        yield Draft(method=draft.method, keys=(*equal, *draft.keys), reason=f"equality on {names}; {draft.reason}")


def _approximate(order: _Order, predicates: Sequence[Predicate]) -> Iterator[Draft]:
    statistics = order.catalog.statistics(order.relation, order.target.column or "")
    filled = 1 - (statistics.null_fraction if statistics is not None else 0)
    yield from _of_share(order, filled)
    for predicate in predicates:
        share = filled * share_of(predicate, order.relation, order.catalog, without=order.target.column)
        for draft in _of_share(order, share):
            part = restricted(draft, predicate)
            if part is not None and part.obstacle is None:
                yield part


def _of_share(order: _Order, share: float) -> Iterator[Draft]:
    """Draft ivfflat and hnsw for a share of the rows, with what the memory of the build makes of them."""
    rows, at_once = order.catalog.rows(order.relation) * share, _most_at_once(order.relation, order.catalog) * share
    lists, size, untried = advised_lists(rows), order.dimensions or 0, None
    for operator_class in sorted(order.classes, key=lambda each: (each.method != "ivfflat", each.name)):
        if operator_class.method == "ivfflat" and rows >= fewest_rows(lists):
            need = kmeans_bytes(at_once, key_type=order.kind, dimensions=size, lists=lists)
            failure = _shortage(need, f"clustering into {lists} lists", "fails", order.catalog)
            untried = None if failure is None else f"ivfflat was not tried: {failure}"
            yield Draft(
                method="ivfflat",
                keys=(order.key(operator_class),),
                parameters=(("lists", str(lists)),),
                reason=order.reason,
                obstacle=failure,
            )
        elif operator_class.method != "ivfflat":
            need = hnsw_bytes(at_once, key_type=order.kind, dimensions=size, m=None)
            slowness = _shortage(need, "the graph", "is many times slower", order.catalog)
            yield Draft(
                method=METHODS[operator_class.method].name,
                keys=(order.key(operator_class),),
                reason=order.reason,
                notes=tuple(each for each in (slowness, untried) if each is not None),
            )


def _most_at_once(relation: Relation, catalog: Catalog) -> float:
    """Return the rows of a table, or of its largest partition: the indexes of partitions are built one by one."""
    partitions = (max(each.tuples, 0) for each in catalog.partitions(relation) if each.kind != "p")
    return max(partitions, default=catalog.rows(relation))


def _shortage(need: float, what: str, otherwise: str, catalog: Catalog) -> str | None:
    """Say what a build needs that the server's maintenance_work_mem does not give; None where it is enough."""
    given = catalog.snapshot.server.maintenance_work_mem_bytes
    if given is None or need <= given:
        return None
    wanted, setting = (f"{size / 1024**2:,.0f} MB" for size in (math.ceil(need), given))
    return f"{what} takes {wanted}: with maintenance_work_mem = {setting}, the build {otherwise}"


# What the statement would have to order by instead


def _unindexable(order: _Order) -> Draft:
    """Say why no index can have a key, and which one could if the statement ordered by it."""
    name, operator, size = order.target.text, order.nearest.operator, order.dimensions
    operator_class = max(order.classes, key=lambda each: (each.method == "hnsw", each.name))
    method = METHODS[operator_class.method].name
    draft = Draft(method=method, keys=(order.key(operator_class),), reason=order.reason)
    if size is None:
        return replace(
            draft,
            obstacle=f"{name} has no fixed dimensions, which an index needs: declare them, or index and order by "
            f"{name}::{order.kind}(n) {operator} …",
        )
    most = MOST_DIMENSIONS.get(order.kind, size)
    limit = f"{name} is {order.kind}({size}), and an index takes up to {most:,} dimensions of {order.kind}"
    smaller = _smaller(order, size)
    if smaller is None:
        return replace(draft, obstacle=limit)
    rewritten, operator_class, instead = smaller
    again = "" if instead == operator else f", and sorts some more rows than it needs by {name} {operator} … again"
    return replace(
        draft,
        method=METHODS[operator_class.method].name,
        keys=(rewritten.key(operator_class, order.catalog),),
        obstacle=f"{limit}; this one is used only if the statement orders by {rewritten.text} {instead} …{again}",
    )


def _smaller(order: _Order, size: int) -> tuple[Target, OperatorClass, str] | None:
    """Return the expression that an index can hold of a column with many dimensions, its class and its operator."""
    column = order.target.column
    if column is None or order.target.expression is not None or order.kind not in ("vector", "halfvec"):
        return None
    for kind, written, operator in (
        ("halfvec", "{name}::{schema}halfvec({size})", order.nearest.operator),
        ("bit", "{schema}binary_quantize({name})::bit({size})", _HAMMING),
    ):
        found = order.catalog.operators.serving(operator, kind, purpose="o")
        hnsw = next((each.operator_class for each in found if each.operator_class.method == "hnsw"), None)
        if hnsw is not None and size <= MOST_DIMENSIONS[kind]:
            schema = "" if hnsw.schema in order.catalog.search_path else f"{ident(hnsw.schema)}."
            sql = expression(written.format(name=ident(column), schema=schema, size=size))
            return Target(column=column, expression=sql, type=f"{kind}({size})"), hnsw, operator
    return None
