"""Draft the indexes that could serve one table's part of one statement.

The drafts are legal (see docs/rules); whether one pays is the twin's to say.
"""

from collections.abc import Iterator, Mapping

from analyzer.advise.block_range_drafts import block_range_drafts
from analyzer.advise.btree_drafts import btree_drafts, is_narrow
from analyzer.advise.draft import Draft
from analyzer.advise.draft_variants import Variants, restricted
from analyzer.advise.equality_drafts import hash_drafts
from analyzer.advise.operator_drafts import operator_drafts
from analyzer.advise.vector_drafts import nearest_drafts
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.postgres.access_methods import VECTOR_METHODS
from analyzer.workload.shapes import TableShape


def drafts(shape: TableShape, relation: Relation, catalog: Catalog, shared: Mapping[str, float]) -> tuple[Draft, ...]:
    """Draft every index worth trying for one table of one statement, without repetition.

    `shared` says of columns, expressions and conditions how many statements have them.
    """
    if shape.target == "insert" or _is_single_row(shape, relation, catalog):
        return ()
    variants = Variants(shape, relation, catalog, shared)
    nearest = nearest_drafts(shape, relation, catalog, variants.of_vectors)
    plain = list(btree_drafts(shape, relation, catalog, shared))
    special = [
        *operator_drafts(shape, relation, catalog),
        *(draft for draft in nearest if draft.obstacle is None),
        *hash_drafts(shape, relation, catalog),
        *block_range_drafts(shape, relation, catalog),
    ]
    varied = [variant for draft in plain for variant in variants.of(draft)]
    parts = [
        part
        for draft in special
        if draft.method != "brin" and draft.method not in VECTOR_METHODS
        for predicate in variants.predicates[:1]
        if (part := restricted(draft, predicate)) is not None
    ]
    alone = () if any(draft.where for draft in varied) else variants.of_conditions()
    found = [*varied, *special, *parts, *alone]
    return tuple(dict.fromkeys(each for each in found if each.method != "btree" or is_narrow(each, relation, catalog)))


def hindered_drafts(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Yield what would be drafted if the server could build it, or the statement used it."""
    if shape.nearest and shape.target != "insert" and not _is_single_row(shape, relation, catalog):
        yield from (draft for draft in nearest_drafts(shape, relation, catalog, ()) if draft.obstacle is not None)


def _is_single_row(shape: TableShape, relation: Relation, catalog: Catalog) -> bool:
    """Say whether a unique index finds the single row already; one that covers more saves a block, and has to be kept.

    A column that is compared in another type, such as `id::numeric`, is not found by the index.
    """
    cast = {name for each in shape.expressions for name in each.columns}
    single = {*shape.equalities} - {*shape.lists} - cast
    return any(
        index.valid
        and index.definition.unique
        and index.definition.where is None
        and all(key.column in single and key.collation is None for key in index.definition.keys)
        for index in catalog.indexes(relation)
    )
