"""Draft the indexes that give rows in the order of a distance, for ORDER BY … LIMIT."""

from collections.abc import Iterator

from analyzer.advise.draft import Draft
from analyzer.advise.targets import Target, leading, target_of
from analyzer.catalog import Catalog, dimensions, type_name
from analyzer.documents.snapshot import Relation
from analyzer.objects.operator_classes import OperatorClass
from analyzer.postgres.access_methods import METHODS, VECTOR_METHODS
from analyzer.postgres.pgvector import MOST_DIMENSIONS, advised_lists, fewest_rows, hnsw_bytes, kmeans_bytes
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
    statistics = catalog.statistics(relation, target.column or "")
    rows = catalog.rows(relation) * (1 - (statistics.null_fraction if statistics is not None else 0))
    key = target.key(operator_class, catalog)
    if operator_class.method != "ivfflat":
        need = hnsw_bytes(rows, key_type=kind, dimensions=size, m=None)
        notes = _memory_notes(need, "the graph", "is many times slower", catalog)
        yield Draft(method=METHODS[operator_class.method].name, keys=(key,), reason=reason, notes=notes)
        return
    lists = advised_lists(rows)
    if rows >= fewest_rows(lists):
        need = kmeans_bytes(rows, dimensions=size, lists=lists)
        notes = _memory_notes(need, f"clustering into {lists} lists", "fails", catalog)
        parameters = (("lists", str(lists)),)
        yield Draft(method="ivfflat", keys=(key,), parameters=parameters, reason=reason, notes=notes)


def _memory_notes(need: float, what: str, otherwise: str, catalog: Catalog) -> tuple[str, ...]:
    """Say what a build needs that the server's maintenance_work_mem does not give."""
    given = catalog.snapshot.server.maintenance_work_mem_bytes
    if given is None or need <= given:
        return ()
    wanted, setting = (f"{size / 1024**2:,.0f} MB" for size in (need, given))
    return (f"{what} takes {wanted}: with maintenance_work_mem = {setting}, the build {otherwise}",)


def _declared(kind: str, catalog: Catalog) -> str:
    """Return a type with the dimensions that it, or the domain's base type, is declared with."""
    return kind if dimensions(kind) is not None else catalog.underlying(kind)
