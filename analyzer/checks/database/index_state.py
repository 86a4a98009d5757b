"""Indexes that serve no query, or serve it badly, because of the state that they are in."""

from collections.abc import Iterator

from analyzer.amounts import percent, size
from analyzer.checks.database.remedies import drop, rebuild
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact
from analyzer.documents.snapshot import Index
from analyzer.objects.temporary_names import is_temporary
from analyzer.postgres.access_methods import rests_on_order

_LEAST_LARGER = Threshold(
    name="index-larger-than-table.size", default=10 * 1024**2, unit="bytes", meaning="smaller indexes are not reported"
)
_LEAST_CORRELATION = Threshold(
    name="brin-index-uncorrelated.correlation", default=0.5, unit="",
    meaning="columns whose values follow the order of the rows as closely are not reported",
)  # fmt: skip
_LEAST_PENDING = Threshold(
    name="gin-pending-list-long.pages", default=64, unit="pages", meaning="lists of fewer pages are not reported"
)
_MOST_PENDING = Threshold(
    name="gin-pending-list-long.share",
    default=0.1,
    unit="of the index's pages",
    meaning="shorter lists are not reported",
)


def invalid(database: Database) -> Iterator[Answer]:
    """Flag what an interrupted build left; an index of a partitioned table waits for those of its partitions."""
    catalog = database.catalog
    for index in catalog.snapshot.indexes:
        name = index.definition.qualified_name
        relation = catalog.relations.get(index.definition.full_table)
        if index.valid and index.ready:
            yield Fine(object=name)
        elif relation is not None and relation.kind == "p":
            yield Skipped(object=name, reason="it is of a partitioned table, and waits for indexes to be attached")
        elif is_temporary(index.definition.name, index.comment):
            yield Skipped(object=name, reason="a deploy builds it, and takes it up again or drops it")
        elif index.building:
            yield Skipped(object=name, reason="a session builds it now")
        else:
            yield Flagged(
                object=name,
                message="index is INVALID: no query can use it"
                + (", and each write maintains it" if index.ready else "; writes do not maintain it"),
                severity=None if index.ready else "warning",
                evidence=(
                    Fact(name="ready", value=str(index.ready).lower()),
                    *((Fact(name="size", value=index.size_bytes, unit="bytes"),) if index.size_bytes else ()),
                ),
                caveats=("another session may be building it now: look in pg_stat_progress_create_index",),
                remedy=drop([index])
                if index.constraint is None and index.parent is None
                else rebuild(index, catalog.snapshot.server.version_num),
            )


def larger_than_table(database: Database) -> Iterator[Answer]:
    """Flag a btree of few columns that is larger than its table, which bloat alone explains."""
    catalog, least = database.catalog, database.value(_LEAST_LARGER)
    for index in catalog.snapshot.indexes:
        name, definition = index.definition.qualified_name, index.definition
        relation = catalog.relations.get(definition.full_table)
        if definition.method != "btree" or relation is None or relation.kind == "p":
            continue
        if index.size_bytes is None or relation.size_bytes is None:
            yield Skipped(object=name, reason="its size or that of its table is not known")
        elif index.size_bytes < least or index.size_bytes <= relation.size_bytes:
            yield Fine(object=name)
        else:
            yield Flagged(
                object=name,
                message=f"it takes {size(index.size_bytes)}, and its table only {size(relation.size_bytes)}",
                evidence=(
                    Fact(name="size", value=index.size_bytes, unit="bytes"),
                    Fact(name="table_size", value=relation.size_bytes, unit="bytes"),
                ),
                caveats=(
                    "REINDEX CONCURRENTLY needs the disk of a second index while it runs",
                    "an index with all columns of its table is larger than it without bloat",
                ),
                remedy=rebuild(index, catalog.snapshot.server.version_num),
                confidence="estimate",
            )


def brin_uncorrelated(database: Database) -> Iterator[Answer]:
    """Flag a BRIN index of a column whose values do not follow the order of the rows."""
    catalog, least = database.catalog, database.value(_LEAST_CORRELATION)
    for index in catalog.snapshot.indexes:
        relation = catalog.relations.get(index.definition.full_table)
        if index.definition.method != "brin" or relation is None or relation.kind == "p":
            continue
        name, key = index.definition.qualified_name, index.definition.keys[0]
        if key.column is None or not rests_on_order(key.opclass):
            yield Skipped(
                object=name, reason="its operator class does not rest on the order of the rows, or it has an expression"
            )
            continue
        known = catalog.snapshot.column_statistics(*relation.full_name, key.column)
        if known is None or known.correlation is None:
            yield Skipped(object=name, reason="the server does not show how its values follow the order of the rows")
        elif abs(known.correlation) >= least:
            yield Fine(object=name)
        else:
            yield Flagged(
                object=name,
                message=f"BRIN on {key.column}, whose values do not follow the order of the rows "
                f"(correlation {known.correlation:.2f}): a scan reads most of the table",
                evidence=(Fact(name="correlation", value=round(known.correlation, 3)),),
                rewrite="use a btree index, or a BRIN operator class minmax_multi or bloom",
                confidence="estimate",
            )


def gin_pending(database: Database) -> Iterator[Answer]:
    """Flag a GIN index with many entries that each scan reads one by one, as no VACUUM has merged them."""
    least, most = database.value(_LEAST_PENDING), database.value(_MOST_PENDING)
    for index in _of_method(database, "gin"):
        name = index.definition.qualified_name
        if index.gin is None or not index.pages:
            yield Skipped(object=name, reason="the server does not show the pages of its pending list")
        elif index.gin.pending_pages < least or (share := index.gin.pending_pages / index.pages) <= most:
            yield Fine(object=name)
        else:
            yield Flagged(
                object=name,
                message=f"{index.gin.pending_pages:,} pages wait in the pending list, {percent(share)} of the index; "
                "each scan reads them all",
                evidence=(Fact(name="pending_pages", value=index.gin.pending_pages, unit="pages"),),
                rewrite="VACUUM the table, or declare with: {fastupdate: false}",
            )


def _of_method(database: Database, method: str) -> Iterator[Index]:
    return (each for each in database.catalog.snapshot.indexes if each.definition.method == method)


RULES = (
    HealthRule(
        code="TX404", name="index-not-valid", severity="error", title="index is INVALID and serves no query",
        examine=invalid,
    ),
    HealthRule(
        code="TX406", name="index-larger-than-table", severity="warning", title="index is larger than its table",
        examine=larger_than_table, thresholds=(_LEAST_LARGER,),
    ),
    HealthRule(
        code="TX411", name="brin-index-uncorrelated", severity="warning",
        title="BRIN index is of a column whose values do not follow the order of the rows",
        examine=brin_uncorrelated, thresholds=(_LEAST_CORRELATION,),
    ),
    HealthRule(
        code="TX412", name="gin-pending-list-long", severity="warning",
        title="GIN index has a long pending list", examine=gin_pending, thresholds=(_LEAST_PENDING, _MOST_PENDING),
    ),
)  # fmt: skip
