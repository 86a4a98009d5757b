"""Draft the indexes that serve ORDER BY distance with LIMIT."""

from collections.abc import Iterator

from analyzer.advise.draft import Draft
from analyzer.catalog import Catalog, dimensions, type_name
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import Key
from analyzer.postgres.pgvector import MOST_DIMENSIONS, advised_lists, fewest_rows
from analyzer.workload.shapes import TableShape

#: Operator class suffix of each distance, by type; pgvector's sql/vector.sql.
_DISTANCE_CLASSES = {"<->": "l2_ops", "<#>": "ip_ops", "<=>": "cosine_ops", "<+>": "l1_ops"}
_BIT_CLASSES = {"<~>": "bit_hamming_ops", "<%>": "bit_jaccard_ops"}


def nearest_drafts(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Draft the indexes that walk a table in the order of a distance."""
    column = relation.column(shape.nearest.column) if shape.nearest is not None else None
    if shape.nearest is None or column is None:
        return
    operator, reason = shape.nearest.operator, f"ORDER BY {column.name} {shape.nearest.operator} with LIMIT"
    if catalog.family(column) == "text":
        opclass = catalog.opclass("gist_trgm_ops", "pg_trgm") if operator == "<->" else None
        if opclass is not None:
            yield Draft(method="gist", keys=(Key(column=column.name, opclass=opclass),), reason=reason)
        return
    kind, size = type_name(column.type), dimensions(column.type)
    name = _BIT_CLASSES.get(operator) if kind == "bit" else _distance_class(kind, operator)
    opclass = catalog.opclass(name, "vector") if name is not None else None
    if opclass is None or size is None or size > MOST_DIMENSIONS.get(kind, size):
        return
    key = Key(column=column.name, opclass=opclass)
    yield Draft(method="hnsw", keys=(key,), reason=reason)
    statistics = catalog.statistics(relation, column.name)
    rows = catalog.rows(relation) * (1 - (statistics.null_fraction if statistics is not None else 0))
    if kind == "sparsevec" or operator in ("<+>", "<%>") or rows < fewest_rows(advised_lists(rows)):
        return
    yield Draft(method="ivfflat", keys=(key,), parameters=(("lists", str(advised_lists(rows))),), reason=reason)


def _distance_class(kind: str, operator: str) -> str | None:
    suffix = _DISTANCE_CLASSES.get(operator)
    return f"{kind}_{suffix}" if suffix is not None and kind in ("vector", "halfvec", "sparsevec") else None
