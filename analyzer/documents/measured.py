"""What a server knows of its rows and counted of its statements, as the snapshot holds it."""

from typing import Annotated

from pydantic import Field

from analyzer.documents.bounds import (
    ColumnNames,
    Correlation,
    Count,
    Dimensions,
    Distinct,
    ElementCounts,
    ElementFractions,
    Fraction,
    Fractions,
    Int4,
    Milliseconds,
    Moment,
    Name,
    Text,
)
from analyzer.documents.record import SnapshotRecord

#: MAX_STATISTICS_TARGET: as many common combinations are kept at most.
_MOST_COMBINATIONS = 10_000


class ColumnStatistics(SnapshotRecord):
    """One row of pg_stats, values in text form; the arrays are None when stripped or absent."""

    schema_name: Name
    #: Table, or index for the statistics of its expressions.
    relation: Name
    column: Name
    inherited: bool
    null_fraction: Fraction
    average_width: Int4
    distinct: Distinct
    most_common_values: Text | None = None
    most_common_frequencies: Fractions | None = None
    histogram_bounds: Text | None = None
    correlation: Correlation | None = None
    most_common_elements: Text | None = None
    most_common_element_frequencies: ElementFractions | None = None
    element_count_histogram: ElementCounts | None = None
    range_length_histogram: Text | None = None
    range_empty_fraction: Fraction | None = None
    range_bounds_histogram: Text | None = None


class DistinctCombinations(SnapshotRecord):
    """How many combinations of values some keys of extended statistics have."""

    #: Positions in the statistics' columns and, after them, expressions; from 0.
    keys: Dimensions
    distinct: Distinct


class Dependency(SnapshotRecord):
    """How far one key of extended statistics follows from others, 0 to 1."""

    #: Positions as in DistinctCombinations; the last one is the key that follows.
    keys: Dimensions
    degree: Fraction


class CommonCombination(SnapshotRecord):
    """One of the most common combinations of all keys of extended statistics, values in text form."""

    values: tuple[Text | None, ...]
    frequency: Fraction
    #: What the frequency would be, were the keys independent.
    base_frequency: Fraction


class ExtendedData(SnapshotRecord):
    """What ANALYZE found for extended statistics; None for a kind that was not wanted, not built or stripped."""

    #: Over the table's children too.
    inherited: bool
    distinct: tuple[DistinctCombinations, ...] | None = None
    dependencies: tuple[Dependency, ...] | None = None
    most_common: Annotated[tuple[CommonCombination, ...], Field(max_length=_MOST_COMBINATIONS)] | None = None
    #: One for each expression, with the statistics' schema and name and the position from 1 as column.
    expressions: tuple[ColumnStatistics | None, ...] = ()


class ExtendedStatistics(SnapshotRecord):
    """An object of CREATE STATISTICS."""

    schema_name: Name
    name: Name
    table_schema: Name
    table: Name
    #: pg_get_statisticsobjdef.
    definition: Text
    #: In the order of the table's columns.
    columns: ColumnNames
    expressions: tuple[Text, ...] = ()
    #: Of ALTER STATISTICS … SET STATISTICS; None for the largest of its columns'.
    target: Annotated[int, Field(ge=0, le=10_000)] | None = None
    data: tuple[ExtendedData, ...] = ()


class Extreme(SnapshotRecord):
    """Smallest and largest value of an indexed column, in text form."""

    schema_name: Name
    table: Name
    column: Name
    minimum: Text | None
    maximum: Text | None


class Sample(SnapshotRecord):
    """Rows of a table, drawn as ANALYZE draws them, in the table's order."""

    schema_name: Name
    table: Name
    columns: ColumnNames
    #: Columns some of whose values were too large, and are NULL here.
    incomplete: ColumnNames = ()
    #: COPY's text format, a row each.
    lines: tuple[Text, ...] = ()


class StatementCounters(SnapshotRecord):
    """A statement of pg_stat_statements, summed over the roles that find the same tables by its names."""

    #: A string: an int64 is more than a JSON reader can be trusted with.
    queryid: Name
    query: Text
    calls: Count
    total_ms: Milliseconds
    mean_ms: Milliseconds
    stddev_ms: Milliseconds
    rows: Count
    shared_blocks_hit: Count
    shared_blocks_read: Count
    temp_blocks: Count
    #: False for a statement that a function ran; its time is also in that of the statement which called the function.
    toplevel: bool = True
    #: Schemas in which its names are looked up; None where they are those of the capturing session.
    search_path: tuple[Name, ...] | None = None
    #: Since when its entry exists, the latest of several; None before PostgreSQL 17.
    counted_since: Moment | None = None


class StatementUse(SnapshotRecord):
    """What one server counted of a statement."""

    queryid: Name
    calls: Count
    total_ms: Milliseconds


class IndexUse(SnapshotRecord):
    """What one server counted of an index."""

    schema_name: Name
    name: Name
    scans: Count
    last_scan: Moment | None = None


class MergedSnapshot(SnapshotRecord):
    """A snapshot whose workload was merged with that of others."""

    #: Of its file.
    name: Text
    captured_at: Moment
    in_recovery: bool
    statements_since: Moment | None = None
    #: An older one of the same counters: only what was counted since that is added.
    since_snapshot: Text | None = None


class ServerCounters(SnapshotRecord):
    """What one of several servers counted by itself; the snapshot's statements, tables and indexes have the sums."""

    #: Host and port.
    name: Text
    in_recovery: bool
    started_at: Moment
    #: Start of the counters' windows; None when the server cannot say.
    stats_reset: Moment | None
    statements_reset: Moment | None = None
    statements: tuple[StatementUse, ...] = ()
    indexes: tuple[IndexUse, ...] = ()
