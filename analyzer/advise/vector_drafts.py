"""Draft the indexes that give rows in the order of a distance, for ORDER BY … LIMIT."""

from collections.abc import Iterator

from analyzer.advise.draft import Draft
from analyzer.advise.targets import Target, leading, target_of
from analyzer.catalog import Catalog, dimensions, type_name
from analyzer.documents.snapshot import Relation
from analyzer.objects.operator_classes import OperatorClass
from analyzer.postgres.access_methods import METHODS, VECTOR_METHODS
from analyzer.postgres.pgvector import MOST_DIMENSIONS, advised_lists, fewest_rows
from analyzer.workload.shapes import TableShape


def nearest_drafts(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Draft an index for each operator class that has the distance as an ordering operator."""
    nearest = shape.nearest
    if nearest is None:
        return
    target = target_of(nearest.column, nearest.expression, nearest.expression_type, relation)
    if target is None:
        return
    reason = f"ORDER BY {target.text} {nearest.operator} with LIMIT"
    found = catalog.operators.serving(
        nearest.operator, target.type, nearest.other_type, is_commuted=nearest.is_commuted, purpose="o"
    )
    default = {each.operator_class.method for each in found if each.is_default}
    for each in found:
        operator_class = each.operator_class
        if operator_class.method in VECTOR_METHODS:
            yield from _approximate(operator_class, target, reason, relation, catalog)
        elif operator_class.method in METHODS and (each.is_default or operator_class.method not in default):
            method, key = METHODS[operator_class.method].name, target.key(operator_class, catalog)
            draft = Draft(method=method, keys=(key,), reason=reason)
            yield draft
            yield from _behind_equalities(draft, shape, relation, catalog)


def _behind_equalities(draft: Draft, shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Draft the key behind what must be equal: else the scan passes over the rows that differ there."""
    if METHODS[draft.method].multicolumn and (equal := leading(shape.equalities, draft.method, relation, catalog)):
        names = ", ".join(each.column or "" for each in equal)
        yield Draft(method=draft.method, keys=(*equal, *draft.keys), reason=f"equality on {names}; {draft.reason}")


def _approximate(
    operator_class: OperatorClass, target: Target, reason: str, relation: Relation, catalog: Catalog
) -> Iterator[Draft]:
    kind, size = type_name(catalog.operators.base(target.type)), dimensions(_declared(target.type, catalog))
    if size is None or size > MOST_DIMENSIONS.get(kind, size):
        return
    key = target.key(operator_class, catalog)
    if operator_class.method != "ivfflat":
        yield Draft(method=METHODS[operator_class.method].name, keys=(key,), reason=reason)
        return
    statistics = catalog.statistics(relation, target.column or "")
    rows = catalog.rows(relation) * (1 - (statistics.null_fraction if statistics is not None else 0))
    if rows >= fewest_rows(advised_lists(rows)):
        yield Draft(method="ivfflat", keys=(key,), parameters=(("lists", str(advised_lists(rows))),), reason=reason)


def _declared(kind: str, catalog: Catalog) -> str:
    """Return a type with the dimensions that it, or the domain's base type, is declared with."""
    return kind if dimensions(kind) is not None else catalog.underlying(kind)
