"""Draft hash and bloom indexes: equality where a btree cannot, or would take one for each combination."""

from collections.abc import Iterator, Sequence

from analyzer.advise.draft import MOST_EXPRESSIONS, Draft
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import Key
from analyzer.workload.shapes import TableShape

#: Combinations of columns that the statements of a table must compare for one bloom index of them, and its columns.
FEWEST_SETS = 3
MOST_COLUMNS = 8


def hash_drafts(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Draft an index for each column compared with =, of which a btree's entries could become too long."""
    names = dict.fromkeys((*shape.equalities, *(join.column for join in shape.joins), *shape.alternatives))
    for name in list(names)[:MOST_EXPRESSIONS]:
        column = relation.column(name)
        if column is None or catalog.distinct(relation, name) <= 1:
            continue
        if catalog.sortable(relation, name) and not catalog.operators.is_open_ended(column.type):
            continue
        if catalog.operators.default_class(column.type, "hash") is not None:
            why = "whose values may be too long for a btree" if catalog.operators.is_sortable(column.type) else ""
            yield Draft(method="hash", keys=(Key(column=name),), reason=f"equality on {name}, {why}".rstrip(", "))


def bloom_draft(shapes: Sequence[TableShape], relation: Relation, catalog: Catalog) -> Draft | None:
    """Draft one index for all mentions of a table, where they compare many combinations of columns with =."""
    sets = {names for shape in shapes if len(names := _served(shape, relation, catalog)) > 1}
    columns = sorted(frozenset[str]().union(*sets))
    if len(sets) < FEWEST_SETS or not 2 < len(columns) <= MOST_COLUMNS:
        return None
    keys = tuple(Key(column=name) for name in columns)
    return Draft(method="bloom", keys=keys, reason=f"equality on {len(sets)} combinations of {', '.join(columns)}")


def _served(shape: TableShape, relation: Relation, catalog: Catalog) -> frozenset[str]:
    """Return the columns compared with = that the extension bloom has an operator class for."""
    return frozenset(
        name
        for name in shape.equalities[:MOST_EXPRESSIONS]
        if (column := relation.column(name)) is not None
        and catalog.operators.default_class(column.type, "bloom") is not None
        and catalog.distinct(relation, name) > 1
    )
