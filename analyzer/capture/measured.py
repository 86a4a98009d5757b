"""What a server knows of its rows and counted of its statements, as the snapshot holds it."""

from datetime import datetime

from analyzer.capture.record import Record


class ColumnStatistics(Record):
    """One row of pg_stats, values in text form; the arrays are None when stripped or absent."""

    schema_name: str
    #: Table, or index for the statistics of its expressions.
    relation: str
    column: str
    inherited: bool
    null_fraction: float
    average_width: int
    distinct: float
    most_common_values: str | None = None
    most_common_frequencies: tuple[float, ...] | None = None
    histogram_bounds: str | None = None
    correlation: float | None = None
    most_common_elements: str | None = None
    most_common_element_frequencies: tuple[float, ...] | None = None
    element_count_histogram: tuple[float, ...] | None = None
    range_length_histogram: str | None = None
    range_empty_fraction: float | None = None
    range_bounds_histogram: str | None = None


class DistinctCombinations(Record):
    """How many combinations of values some keys of extended statistics have."""

    #: Positions in the statistics' columns and, after them, expressions; from 0.
    keys: tuple[int, ...]
    distinct: float


class Dependency(Record):
    """How far one key of extended statistics follows from others, 0 to 1."""

    #: Positions as in DistinctCombinations; the last one is the key that follows.
    keys: tuple[int, ...]
    degree: float


class CommonCombination(Record):
    """One of the most common combinations of all keys of extended statistics, values in text form."""

    values: tuple[str | None, ...]
    frequency: float
    #: What the frequency would be, were the keys independent.
    base_frequency: float


class ExtendedData(Record):
    """What ANALYZE found for extended statistics; None for a kind that was not wanted, not built or stripped."""

    #: Over the table's children too.
    inherited: bool
    distinct: tuple[DistinctCombinations, ...] | None = None
    dependencies: tuple[Dependency, ...] | None = None
    most_common: tuple[CommonCombination, ...] | None = None
    #: One for each expression, with the statistics' schema and name and the position from 1 as column.
    expressions: tuple[ColumnStatistics | None, ...] = ()


class ExtendedStatistics(Record):
    """An object of CREATE STATISTICS."""

    schema_name: str
    name: str
    table_schema: str
    table: str
    #: pg_get_statisticsobjdef.
    definition: str
    #: In the order of the table's columns.
    columns: tuple[str, ...]
    expressions: tuple[str, ...] = ()
    data: tuple[ExtendedData, ...] = ()


class Extreme(Record):
    """Smallest and largest value of an indexed column, in text form."""

    schema_name: str
    table: str
    column: str
    minimum: str | None
    maximum: str | None


class Sample(Record):
    """Rows of a table, drawn as ANALYZE draws them, in the table's order."""

    schema_name: str
    table: str
    columns: tuple[str, ...]
    #: Columns some of whose values were too large, and are NULL here.
    incomplete: tuple[str, ...] = ()
    #: COPY's text format, a row each.
    lines: tuple[str, ...] = ()


class StatementCounters(Record):
    """One entry of pg_stat_statements, summed over roles."""

    #: A string: an int64 is more than a JSON reader can be trusted with.
    queryid: str
    query: str
    calls: int
    total_ms: float
    mean_ms: float
    stddev_ms: float
    rows: int
    shared_blocks_hit: int
    shared_blocks_read: int
    temp_blocks: int


class StatementUse(Record):
    """What one server counted of a statement."""

    queryid: str
    calls: int
    total_ms: float


class IndexUse(Record):
    """What one server counted of an index."""

    schema_name: str
    name: str
    scans: int
    last_scan: datetime | None = None


class ServerCounters(Record):
    """What one of several servers counted by itself; the snapshot's statements, tables and indexes have the sums."""

    #: Host and port.
    name: str
    in_recovery: bool
    started_at: datetime
    #: Start of the counters' windows; None when the server cannot say.
    stats_reset: datetime | None
    statements_reset: datetime | None = None
    statements: tuple[StatementUse, ...] = ()
    indexes: tuple[IndexUse, ...] = ()
