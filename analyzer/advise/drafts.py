"""Draft the indexes that could serve one table's part of one statement.

The drafts are legal (see docs/rules); whether one pays is the twin's to say.
"""

from collections.abc import Mapping

from analyzer.advise.block_range_drafts import block_range_drafts
from analyzer.advise.btree_drafts import btree_drafts, is_narrow
from analyzer.advise.draft import Draft
from analyzer.advise.draft_variants import Variants, restricted
from analyzer.advise.equality_drafts import hash_drafts
from analyzer.advise.operator_drafts import operator_drafts
from analyzer.advise.vector_drafts import nearest_drafts
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.workload.shapes import TableShape


def drafts(shape: TableShape, relation: Relation, catalog: Catalog, shared: Mapping[str, float]) -> tuple[Draft, ...]:
    """Draft every index worth trying for one table of one statement, without repetition.

    `shared` says of columns, expressions and conditions how many statements have them.
    """
    if shape.target == "insert" or _is_single_row(shape, relation, catalog):
        return ()
    plain = list(btree_drafts(shape, relation, catalog, shared))
    special = [
        *operator_drafts(shape, relation, catalog),
        *nearest_drafts(shape, relation, catalog),
        *hash_drafts(shape, relation, catalog),
        *block_range_drafts(shape, relation, catalog),
    ]
    variants = Variants(shape, relation, catalog, shared)
    varied = [variant for draft in plain for variant in variants.of(draft)]
    parts = [
        part
        for draft in special
        if draft.method != "brin"
        for predicate in variants.predicates[:1]
        if (part := restricted(draft, predicate)) is not None
    ]
    alone = () if any(draft.where for draft in varied) else variants.of_conditions()
    found = [*varied, *special, *parts, *alone]
    return tuple(dict.fromkeys(each for each in found if each.method != "btree" or is_narrow(each, relation, catalog)))


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
