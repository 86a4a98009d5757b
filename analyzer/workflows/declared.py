"""Tell the advisor what the specs declare."""

from analyzer.advise.declared import Declared
from analyzer.advise.statistics_known import DeclaredStatistics
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Snapshot
from analyzer.specs.file import SpecSet, is_statistics
from analyzer.specs.table_patterns import expanded, tables_of


def declared(specs: SpecSet, snapshot: Snapshot) -> tuple[Declared, ...]:
    """Return every declared index as the definition it means on the captured database."""
    found: list[Declared] = []
    catalog = Catalog(snapshot)
    own = {each.full_table for each in specs.indexes if each.schemas is None}
    for each in expanded(specs, tables_of(snapshot)).indexes:
        index = each.spec.definition(each.schema, each.table, catalog.indexed_rows(each.schema, each.table))
        found.append(
            Declared(
                index=index,
                state=each.spec.state,
                where=each.where,
                until=each.spec.until,
                retires=each.spec.change == "retire",
                of_pattern=each.full_table not in own,
            )
        )
    return tuple(found)


def declared_statistics(specs: SpecSet, snapshot: Snapshot) -> tuple[DeclaredStatistics, ...]:
    """Return every declared object of extended statistics, on the captured tables."""
    return tuple(
        DeclaredStatistics(
            definition=each.spec.definition(each.schema, each.table),
            state=each.spec.state,
            where=each.where,
            until=each.spec.until,
        )
        for each in expanded(specs, tables_of(snapshot)).specs
        if is_statistics(each)
    )
