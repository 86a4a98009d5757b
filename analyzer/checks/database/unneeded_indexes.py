"""Indexes that the database can do without: those that nothing scans, and those that another one covers."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from analyzer.advise.kept_indexes import needing_foreign_key, purpose
from analyzer.advise.stand_in import stands_in
from analyzer.amounts import plural, size
from analyzer.catalog import Catalog
from analyzer.checks.database.remedies import drop
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact
from analyzer.documents.snapshot import Index
from analyzer.objects.index import IndexDef
from analyzer.objects.temporary_names import is_temporary
from analyzer.postgres.identifiers import QualifiedName

_LEAST_SIZE = Threshold(
    name="unused-index.size", default=1024**2, unit="bytes", meaning="smaller indexes are not reported"
)
_RETIRE = "declare it with state: retired and run twindex revise; twindex whatif --drop shows what gets slower"
_CAVEATS = (
    "an application may name it in a hint, and reports that run less often than the window are not seen",
    "if it was built within the window, its scans were counted for less time",
)


def _roots(catalog: Catalog) -> Iterator[Index]:
    """Yield the indexes that are no part of another one, in the order of their names."""
    yield from sorted((each for each in catalog.snapshot.indexes if each.parent is None), key=_name)


def _name(index: Index) -> QualifiedName:
    return index.definition.full_name


def _is_partitioned(index: Index, catalog: Catalog) -> bool:
    relation = catalog.relations.get(index.definition.full_table)
    return relation is not None and relation.kind == "p"


def unused(database: Database) -> Iterator[Answer]:
    """Flag what no captured server has scanned in the whole window, which the counters must be able to prove."""
    catalog, scans = database.catalog, database.scans
    gap, least = scans.gap(), database.value(_LEAST_SIZE)
    covers = database.once(_covers)
    staying = {_name(_root(each, catalog)) for each in covers.values()}
    going = set(covers)
    for index in _roots(catalog):
        name = index.definition.qualified_name
        if not index.valid or not index.ready:
            continue
        counted = scans.of(index)
        held = sum(each.size_bytes or 0 for each in scans.tree(index))
        if counted.total is None:
            yield Skipped(object=name, reason="the server does not show how often it is scanned")
        elif counted.total or held < least or _is_needed(index, catalog, going):
            yield Fine(object=name)
        elif index.definition.full_name in covers:
            yield Skipped(object=name, reason="it is reported because another index takes its place")
        elif index.definition.full_name in staying:
            yield Skipped(object=name, reason="it takes the place of another index that is reported")
        elif gap is not None:
            yield Skipped(object=name, reason=gap)
        else:
            days = scans.window_days
            going.add(_name(index))
            yield Flagged(
                object=name,
                message=f"no scan in {plural(days, 'day')} on any captured server; it takes {size(held)}",
                evidence=(
                    Fact(name="scans", value=0),
                    Fact(name="window", value=days, unit="days"),
                    Fact(name="size", value=held, unit="bytes"),
                ),
                caveats=_CAVEATS,
                remedy=drop(database.scans.tree(index), partitioned=_is_partitioned(index, catalog)),
                rewrite=_RETIRE,
            )


def _is_needed(index: Index, catalog: Catalog, going: Collection[QualifiedName]) -> bool:
    """Say whether an index has a purpose besides queries, or finds the rows of a foreign key as no other one does.

    Of two that find them, one stays: those that are `going` find nothing.
    """
    relation = catalog.relations.get(index.definition.full_table)
    others = [each.definition for each in _usable(catalog, index) if _name(_root(each, catalog)) not in going]
    return purpose(index) is not None or (
        relation is not None and needing_foreign_key(index, relation, others) is not None
    )


def _root(index: Index, catalog: Catalog) -> Index:
    """Return the index of the partitioned table that an index is a part of, else itself."""
    while index.parent is not None and (parent := catalog.index(*index.parent)) is not None:
        index = parent
    return index


def _usable(catalog: Catalog, index: Index) -> Sequence[Index]:
    """Return the other indexes of a table that serve it."""
    beside = catalog.indexes_of(index.definition.full_table)
    return [each for each in beside if each is not index and each.valid and each.ready]


def duplicate(database: Database) -> Iterator[Answer]:
    """Flag an index of whose definition there is another one that has to stay rather than it."""
    yield from _covered(database, is_same=True)


def covered(database: Database) -> Iterator[Answer]:
    """Flag an index whose keys another one begins with, and whose other columns it has."""
    yield from _covered(database, is_same=False)


def _covered(database: Database, *, is_same: bool) -> Iterator[Answer]:
    catalog, covers = database.catalog, database.once(_covers)
    for index in _roots(catalog):
        name = index.definition.qualified_name
        if not index.valid or not index.ready or _besides_queries(index) is not None:
            continue
        cover = covers.get(index.definition.full_name)
        if cover is None or _is_same(cover.definition, index.definition) != is_same:
            yield Fine(object=name)
            continue
        what = "has the same definition" if is_same else "begins with its keys and has its columns"
        held = sum(each.size_bytes or 0 for each in database.scans.tree(index))
        scans = database.scans.of(index).total
        yield Flagged(
            object=name,
            message=f"{cover.definition.qualified_name} {what}; dropping this one frees {size(held)}",
            evidence=(
                Fact(name="covered_by", value=str(cover.definition.qualified_name)),
                Fact(name="size", value=held, unit="bytes"),
                *((Fact(name="scans", value=scans),) if scans is not None else ()),
            ),
            caveats=() if is_same else ("the other index is larger, so that scans of it read more pages",),
            remedy=drop(database.scans.tree(index), partitioned=_is_partitioned(index, catalog)),
            rewrite=_RETIRE,
        )


def _covers(database: Database) -> dict[QualifiedName, Index]:
    """Return the index that takes the place of another one and stays itself, by the name of that."""
    catalog = database.catalog
    found: dict[QualifiedName, list[Index]] = {}
    for index in _roots(catalog):
        if index.valid and index.ready and _besides_queries(index) is None:
            covers = [each for each in _usable(catalog, index) if _replaces(each, index, catalog)]
            if covers:
                found[_name(index)] = covers
    staying = ((name, [each for each in covers if _name(_root(each, catalog)) not in found])
               for name, covers in found.items())  # fmt: skip
    return {
        name: min(covers, key=lambda each: (len(each.definition.keys) + len(each.definition.include), _name(each)))
        for name, covers in staying
        if covers
    }


def _replaces(cover: Index, index: Index, catalog: Catalog) -> bool:
    """Say whether an index takes the place of another: of two alike what has a purpose, else the first by name."""
    if is_temporary(cover.definition.name, cover.comment) or not stands_in(cover.definition, index.definition):
        return False
    if index.definition.unique and not _enforces(cover, index, catalog):
        return False
    if not stands_in(index.definition, cover.definition):
        return not index.definition.unique
    if cover.definition.unique and not index.definition.unique:
        return True
    return _besides_queries(cover) is not None or _name(cover) < _name(index)


def _besides_queries(index: Index) -> str | None:
    """Say what keeps an index that another one is alike to, which enforces what it does."""
    return purpose(index.model_copy(update={"definition": replace(index.definition, unique=False)}))


def _enforces(cover: Index, index: Index, catalog: Catalog) -> bool:
    """Say whether an index forbids what another one of the same keys forbids, and as early."""
    relation = catalog.relations.get(cover.definition.full_table)
    constraints = relation.constraints if relation is not None else ()
    deferrable = any(each.name == cover.constraint and "DEFERRABLE" in each.definition for each in constraints)
    same_nulls = cover.definition.nulls_not_distinct == index.definition.nulls_not_distinct
    return cover.definition.unique and same_nulls and not deferrable


def _is_same(one: IndexDef, other: IndexDef) -> bool:
    return stands_in(one, other) and stands_in(other, one)


RULES = (
    HealthRule(
        code="TX401", name="unused-index", severity="warning", title="index is scanned on no captured server",
        examine=unused, thresholds=(_LEAST_SIZE,),
    ),
    HealthRule(
        code="TX402", name="duplicate-index", severity="warning", title="another index has the same definition",
        examine=duplicate,
    ),
    HealthRule(
        code="TX403", name="covered-index", severity="warning", title="another index begins with its keys",
        examine=covered,
    ),
)  # fmt: skip
