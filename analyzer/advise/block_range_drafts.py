"""Draft BRIN indexes of large tables."""

from collections.abc import Iterator

from analyzer.advise.draft import MOST_EXPRESSIONS, Draft
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import Key
from analyzer.workload.shapes import TableShape

#: Smallest table and correlation for BRIN: it pays by its size, which needs an order on disk.
BRIN_PAGES = 4096
BRIN_CORRELATION = 0.95


def block_range_drafts(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    """Draft an index for each range over a column in whose order the table lies."""
    if catalog.pages(relation) < BRIN_PAGES:
        return
    for name in shape.ranges[:MOST_EXPRESSIONS]:
        column, statistics = relation.column(name), catalog.statistics(relation, name)
        if column is None or statistics is None or catalog.family(column) not in ("scalar", "text", "network"):
            continue
        if abs(statistics.correlation or 0) >= BRIN_CORRELATION:
            reason = f"range on {name}, in whose order the table lies"
            yield Draft(method="brin", keys=(Key(column=name),), reason=reason)
