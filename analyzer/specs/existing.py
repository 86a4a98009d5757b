"""The objects of a database that a spec can declare, of every kind."""

from dataclasses import dataclass, replace

from analyzer.capture.indexes import one_line, unwrapped
from analyzer.documents.measured import ExtendedStatistics
from analyzer.documents.snapshot import Index, Snapshot
from analyzer.objects.definition import Kind, kind_of
from analyzer.objects.statistics import StatisticsDef, parse_statistics
from analyzer.objects.temporary_names import is_temporary
from analyzer.sql import ident


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingStatistics:
    """A statistics object of a database."""

    definition: StatisticsDef
    #: pg_get_statisticsobjdef.
    ddl: str
    #: Schema of its table, in which a spec's object is.
    table_schema: str

    @property
    def valid(self) -> bool:
        """Return that it is complete: CREATE STATISTICS leaves nothing half made."""
        return True

    @property
    def qualified_table(self) -> str:
        """Return the table's name, quoted and qualified."""
        return ident(self.table_schema, self.definition.table)


Existing = Index | ExistingStatistics


def existing_objects(snapshot: Snapshot) -> tuple[Existing, ...]:
    """Return the captured objects of every kind, without indexes that a deploy made for a while."""
    indexes = (each for each in snapshot.indexes if not is_temporary(each.definition.name, each.comment))
    return (*indexes, *(existing_statistics(each) for each in snapshot.extended_statistics))


def existing_statistics(statistics: ExtendedStatistics) -> ExistingStatistics:
    """Read the definition off a captured statistics object."""
    printed = parse_statistics(statistics.definition)
    definition = StatisticsDef(
        schema=statistics.schema_name,
        table=statistics.table,
        name=statistics.name,
        kinds=() if printed is None else printed.kinds,
        columns=statistics.columns,
        expressions=tuple(unwrapped(one_line(text)) for text in statistics.expressions),
        target=statistics.target,
    )
    return ExistingStatistics(definition=definition, ddl=statistics.definition, table_schema=statistics.table_schema)


def as_printed(wanted: StatisticsDef, built: ExtendedStatistics) -> StatisticsDef:
    """Return a definition with the text of what a server built of it, on whatever table."""
    own = {"schema": wanted.schema, "table": wanted.table, "name": wanted.name, "target": wanted.target}
    return replace(existing_statistics(built).definition, **own)


def table_of(existing: Existing) -> tuple[str, str]:
    """Return schema and name of an object's table."""
    definition = existing.definition
    return (definition.schema if isinstance(existing, Index) else existing.table_schema), definition.table


def key_of(existing: Existing) -> tuple[Kind, str, str]:
    """Return kind, schema and name."""
    return kind_of(existing.definition), existing.definition.schema, existing.definition.name
