"""Indexes of partitioned tables that some partitions lack."""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.advise.candidates import name_of
from analyzer.advise.stand_in import stands_in
from analyzer.amounts import plural
from analyzer.catalog import Catalog
from analyzer.checks.database.remedies import attach, create, free_name
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped
from analyzer.documents.findings import Fact, Remedy
from analyzer.documents.snapshot import Index, Relation
from analyzer.objects.index import IndexDef
from analyzer.objects.temporary_names import is_temporary
from analyzer.sql import ident


def missing(database: Database) -> Iterator[Answer]:
    """Flag an index of a partitioned table that has no part in some partition."""
    catalog = database.catalog
    for index in catalog.snapshot.indexes:
        relation = catalog.relations.get(index.definition.full_table)
        if relation is None or relation.kind != "p" or index.parent is not None:
            continue
        name = index.definition.qualified_name
        lacking = list(_lacking(index, relation, catalog))
        if is_temporary(index.definition.name, index.comment):
            yield Skipped(object=name, reason="a deploy builds it")
        elif not lacking:
            yield Fine(object=name)
        else:
            partitions = [each for each in catalog.partitions(relation) if each.kind != "f"]
            first = ident(*lacking[0][1].full_name)
            yield Flagged(
                object=name,
                message=f"{plural(len(lacking), 'partition')} of {len(partitions):,} "
                f"{'has' if len(lacking) == 1 else 'have'} no part of it, such as {first}",
                evidence=(
                    Fact(name="lacking", value=len(lacking), unit="partitions"),
                    Fact(name="partitions", value=len(partitions)),
                ),
                caveats=("a deploy may be building it now, one partition after another",),
                remedy=_remedy(index, lacking, catalog),
                rewrite="twindex revise builds it in each partition and attaches it",
            )


def _lacking(index: Index, relation: Relation, catalog: Catalog) -> Iterator[tuple[Index, Relation]]:
    """Yield the partitions without a part of an index, each with the index that the part would belong to."""
    for partition in catalog.children(relation):
        own = (each for each in catalog.indexes(partition) if each.parent == index.definition.full_name)
        part = next(own, None)
        if partition.kind == "f":
            continue
        if part is None:
            yield index, partition
        elif partition.kind == "p":
            yield from _lacking(part, partition, catalog)


def _remedy(index: Index, lacking: list[tuple[Index, Relation]], catalog: Catalog) -> Remedy | None:
    """Build what is lacking, or attach what exists; None for a constraint's, and where a partition is partitioned."""
    if index.constraint is not None or any(partition.kind != "r" for _, partition in lacking):
        return None
    statements, lock = list[str](), ""
    for parent, partition in lacking:
        wanted = replace(
            parent.definition, schema=partition.schema_name, table=partition.name, name="", tablespace=None
        )
        part = next((each for each in catalog.indexes(partition) if _is_part(each, wanted)), None)
        if part is None:
            wanted = wanted.renamed(free_name(name_of(wanted), partition, catalog))
            built = create(wanted)
            statements += built.sql
            lock = built.lock or lock
        statements.append(attach(parent.definition.full_name, wanted if part is None else part.definition))
    return Remedy(sql=tuple(statements), lock=lock or "ACCESS SHARE")


def _is_part(index: Index, wanted: IndexDef) -> bool:
    """Say whether an index of a partition can be attached."""
    own = index.definition
    alike = (own.keys, own.include, own.unique, own.nulls_not_distinct)
    is_free = index.valid and index.ready and index.parent is None and index.constraint is None
    asked = (wanted.keys, wanted.include, wanted.unique, wanted.nulls_not_distinct)
    return is_free and alike == asked and stands_in(own, wanted)


RULES = (
    HealthRule(
        code="TX419", name="index-missing-on-partitions", severity="warning",
        title="index of a partitioned table is missing on some partitions", examine=missing,
    ),
)  # fmt: skip
