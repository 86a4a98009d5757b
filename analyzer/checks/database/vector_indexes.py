"""Indexes of vectors whose parameters no longer go with their rows, or whose answers are too short."""

import math
from collections.abc import Iterator

from analyzer.amounts import plural, size, whole
from analyzer.catalog import Catalog
from analyzer.checks.database.remedies import rebuild_with
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact
from analyzer.documents.snapshot import Index
from analyzer.postgres.access_methods import VECTOR_METHODS
from analyzer.postgres.pgvector import DEFAULT_LISTS, advised_lists
from analyzer.sql import ident
from analyzer.workload.shapes import TableShape

_OFF = Threshold(
    name="ivfflat-lists-off.factor", default=4, unit="times",
    meaning="lists that are off the recommendation by less are not reported",
)  # fmt: skip
_NO_ITERATION = "off"
#: pgvector registers its parameters with the strongest one.
_LOCK = "ACCESS EXCLUSIVE on the index for a moment, then SHARE UPDATE EXCLUSIVE"


def _leaves(database: Database, *methods: str) -> Iterator[Index]:
    """Yield the indexes of these methods that hold entries."""
    catalog = database.catalog
    for index in sorted(catalog.snapshot.indexes, key=lambda each: each.definition.full_name):
        relation = catalog.relations.get(index.definition.full_table)
        if index.definition.method in methods and index.valid and relation is not None and relation.kind != "p":
            yield index


def _rows(index: Index, catalog: Catalog) -> float | None:
    """Return how many rows have a vector; None when the table was never analyzed."""
    relation, column = catalog.relations[index.definition.full_table], index.definition.keys[0].column
    if relation.tuples < 0:
        return None
    known = catalog.statistics(relation, column) if column is not None else None
    return relation.tuples * (1 - known.null_fraction if known is not None else 1.0)


def lists_off(database: Database) -> Iterator[Answer]:
    """Flag an ivfflat index whose lists were chosen for another number of rows."""
    factor = database.value(_OFF)
    for index in _leaves(database, "ivfflat"):
        name, rows = index.definition.qualified_name, _rows(index, database.catalog)
        if rows is None:
            yield Skipped(object=name, reason="the table was never analyzed, so that its rows are not known")
            continue
        lists = whole(dict(index.definition.parameters).get("lists"), DEFAULT_LISTS)
        advised = advised_lists(rows)
        if 1 / factor < lists / advised < factor:
            yield Fine(object=name)
            continue
        effect = "each list has few rows, and recall is poor" if lists > advised else "each scan reads long lists"
        yield Flagged(
            object=name,
            message=f"{plural(lists, 'list')} for {rows:,.0f} rows, {advised} are recommended: {effect}",
            evidence=(
                Fact(name="lists", value=lists),
                Fact(name="recommended_lists", value=advised),
                Fact(name="rows", value=round(rows), unit="rows"),
            ),
            caveats=(f"ivfflat.probes goes with it: about {math.isqrt(advised)}",),
            remedy=rebuild_with(
                index,
                database.catalog.snapshot.server.version_num,
                {"lists": str(advised)},
                {"lists": str(lists)},
                lock=_LOCK,
            ),
            rewrite="declare it with: {lists: auto} and run twindex revise",
            confidence="estimate",
        )


def larger_than_memory(database: Database) -> Iterator[Answer]:
    """Flag an hnsw index that does not fit in memory: a search reads pages from all over it."""
    snapshot = database.catalog.snapshot
    memory = whole(snapshot.settings.get("effective_cache_size"), 0) * snapshot.server.block_size_bytes
    for index in _leaves(database, "hnsw"):
        name = index.definition.qualified_name
        if not memory or index.size_bytes is None:
            yield Skipped(object=name, reason="its size or effective_cache_size is not known")
        elif index.size_bytes <= memory:
            yield Fine(object=name)
        else:
            yield Flagged(
                object=name,
                message=f"it takes {size(index.size_bytes)}, and effective_cache_size is {size(memory)}: each search "
                "reads pages from all over it",
                evidence=(
                    Fact(name="size", value=index.size_bytes, unit="bytes"),
                    Fact(name="effective_cache_size", value=memory, unit="bytes"),
                ),
                caveats=("effective_cache_size is a setting, not what the operating system caches",),
                rewrite="index a cast of the vectors to halfvec, which takes half the space, or partition the table",
                confidence="estimate",
            )


def filtered_search(database: Database) -> Iterator[Answer]:
    """Flag searches for the nearest rows with conditions that the index does not have, which may find too few."""
    settings, catalog = database.catalog.snapshot.settings, database.catalog
    if database.shapes is None:
        return
    for shape in database.shapes:
        for table in shape.tables:
            for index in catalog.indexes_of((table.schema, table.table)):
                definition, key = index.definition, index.definition.keys[0]
                if definition.method not in VECTOR_METHODS or key.column not in {each.column for each in table.nearest}:
                    continue
                name, setting = f"statement {shape.statement_id}", f"{definition.method}.iterative_scan"
                columns = _filtered(table)
                if not columns or definition.where is not None:
                    yield Fine(object=name)
                elif setting not in settings:
                    yield Skipped(object=name, reason=f"pgvector does not have {setting}, or its value is not known")
                elif settings[setting] != _NO_ITERATION:
                    yield Fine(object=name)
                else:
                    yield Flagged(
                        object=name,
                        part=str(definition.qualified_name),
                        message=f"it searches {definition.qualified_name} and filters by "
                        f"{', '.join(map(ident, columns))} afterwards: fewer rows than its LIMIT if few match",
                        evidence=(Fact(name=setting, value=settings[setting]),),
                        caveats=("the planner may use another index where few rows match",),
                        rewrite=f"SET {setting} = strict_order for its role, or declare a partial index for a filter "
                        "with few values",
                        confidence="estimate",
                    )


def _filtered(table: TableShape) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*table.equalities, *table.ranges, *table.nulls)))


RULES = (
    HealthRule(
        code="TX413", name="ivfflat-lists-off", severity="warning",
        title="lists of an ivfflat index no longer go with its rows", examine=lists_off, thresholds=(_OFF,),
    ),
    HealthRule(
        code="TX414", name="hnsw-larger-than-memory", severity="warning", title="hnsw index does not fit in memory",
        examine=larger_than_memory,
    ),
    HealthRule(
        code="TX415", name="filtered-nearest-neighbours", severity="warning",
        title="filtered search for the nearest rows may return too few", examine=filtered_search,
    ),
)  # fmt: skip
