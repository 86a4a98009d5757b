"""Draft BRIN indexes of large tables: what their ranges of blocks can be summarised by.

The planner takes a column's correlation for how few blocks have a value, whatever the summary is. So each kind of
summary is drafted for the correlation at which it holds.
"""

from collections.abc import Iterator

from analyzer.advise.draft import MOST_EXPRESSIONS, Draft
from analyzer.advise.targets import Target, target_of
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.objects.operator_classes import OperatorClass
from analyzer.workload.shapes import TableShape

#: Smallest table for BRIN, which pays by its size.
BRIN_PAGES = 4096
#: A range of blocks has few values in between its least and greatest; with some strays, in between several pairs.
BRIN_CORRELATION = 0.95
MULTI_CORRELATION = 0.5
#: Smallest table, and share of different values, for a Bloom filter a range of blocks.
BLOOM_PAGES = 131_072
BLOOM_DISTINCT = 0.01
#: A table of which more than this share of the rows was updated elsewhere or deleted loses its order.
MOST_CHANGED = 0.1

#: Support functions that say what a summary is; brin_minmax.c and its like.
_MINMAX, _MULTI, _BLOOM, _INCLUSION = (
    f"brin_{name}_opcinfo" for name in ("minmax", "minmax_multi", "bloom", "inclusion")
)


def block_range_drafts(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Draft an index for each column in whose order the table lies, and for values that few blocks have."""
    if catalog.pages(relation) < BRIN_PAGES or not _is_append_mostly(relation, catalog):
        return
    for name in shape.ranges[:MOST_EXPRESSIONS]:
        yield from _ordered(name, "<", "range", relation, catalog)
    for name in shape.equalities[:MOST_EXPRESSIONS]:
        yield from _ordered(name, "=", "equality", relation, catalog)
        yield from _scattered(name, relation, catalog)
    for each in shape.operators[:MOST_EXPRESSIONS]:
        target = target_of(each.column, each.expression, each.expression_type, relation)
        if target is None or target.expression is not None or _correlation(each.column, relation, catalog) is None:
            continue
        found = catalog.operators.serving(each.operator, target.type, each.other_type, is_commuted=each.is_commuted)
        classes = [service.operator_class for service in found if service.operator_class.summary == _INCLUSION]
        reason = f"{each.operator} on {each.column}, in whose order the table lies"
        if classes and (_correlation(each.column, relation, catalog) or 0) >= BRIN_CORRELATION:
            yield _draft(target, classes[0], reason, catalog)


def _is_append_mostly(relation: Relation, catalog: Catalog) -> bool:
    activity = relation.activity
    if activity is None:
        return True
    changed = activity.rows_updated - activity.rows_hot_updated + activity.rows_deleted
    return changed <= MOST_CHANGED * max(activity.rows_inserted, catalog.rows(relation))


def _correlation(name: str, relation: Relation, catalog: Catalog) -> float | None:
    """Return a column's correlation; None when it is unknown, or the column has one value in all blocks."""
    statistics = catalog.statistics(relation, name)
    if statistics is None or catalog.distinct(relation, name) <= 1:
        return None
    return abs(statistics.correlation or 0)


def _ordered(name: str, operator: str, what: str, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    target, correlation = target_of(name, None, None, relation), _correlation(name, relation, catalog)
    if target is None or correlation is None or correlation < MULTI_CORRELATION:
        return
    summary = _MINMAX if correlation >= BRIN_CORRELATION else _MULTI
    order = "in whose order the table lies" if summary == _MINMAX else "in whose order most of the table lies"
    for each in _classes(target, operator, summary, catalog):
        yield _draft(target, each, f"{what} on {name}, {order}", catalog)


def _scattered(name: str, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    target, correlation = target_of(name, None, None, relation), _correlation(name, relation, catalog)
    if target is None or correlation is None or correlation >= MULTI_CORRELATION:
        return
    rows = catalog.rows(relation)
    if catalog.pages(relation) < BLOOM_PAGES or catalog.distinct(relation, name) < BLOOM_DISTINCT * rows:
        return
    for each in _classes(target, "=", _BLOOM, catalog):
        yield _draft(target, each, f"equality on {name}, of which each block has few values", catalog)


def _classes(target: Target, operator: str, summary: str, catalog: Catalog) -> list[OperatorClass]:
    found = catalog.operators.serving(operator, target.type)
    return [each.operator_class for each in found if each.operator_class.summary == summary][:1]


def _draft(target: Target, operator_class: OperatorClass, reason: str, catalog: Catalog) -> Draft:
    return Draft(method="brin", keys=(target.key(operator_class, catalog),), reason=reason)
