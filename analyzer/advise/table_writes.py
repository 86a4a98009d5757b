"""What is written to a table while the workload runs: by the recorded statements, and beyond these by its own counters.

pg_stat_all_tables counts every row, those of evicted statements, triggers and COPY too, but not which columns an
UPDATE sets. So the recorded statements come first. Where the counters of the same time have notably more, the rest is
added, as updates of unknown columns. Both are brought to the time over which the statements were recorded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from analyzer.documents.snapshot import Relation, Snapshot
from analyzer.documents.write_costs import WriteSource
from analyzer.workload.parse import Statement
from analyzer.workload.shape_records import TableShape
from analyzer.workload.shapes import Shape

Written = Sequence[tuple[Statement, Shape]]
#: A statement with what it asks of a table that it writes.
Writing = tuple[Statement, TableShape]

#: What the counters have more than the statements, as a share of themselves, before it counts: windows differ a little.
_LEAST_UNEXPLAINED = 0.1
#: Counters of a shorter time may be those of a load that happened once; those of so much less time than the statements'
#: say nothing about the rest.
_LEAST_SECONDS = 86_400.0
_MOST_SCALE = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Rows that were updated in the same columns."""

    #: None where only a counter tells.
    columns: frozenset[str] | None
    rows: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TableWrites:
    """Rows written to a table, its partitions included, over the time of the workload."""

    inserts: float = 0.0
    updates: tuple[Update, ...] = ()
    deletes: float = 0.0
    #: Share of the updates that were heap-only (HOT), 0 to 1, as counted; None where it was not.
    hot: float | None = None
    #: That time; None where it is not known, as of statements in a file.
    seconds: float | None = None
    source: WriteSource = "statements"

    @property
    def are_none(self) -> bool:
        """Say whether nothing is written."""
        return not (self.inserts or self.deletes or any(each.rows for each in self.updates))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What the counters of a table say, in rows of the workload's time."""

    inserts: float
    updates: float
    hot_updates: float
    deletes: float


def recorded_seconds(snapshot: Snapshot) -> float | None:
    """Return how long the statements of a snapshot were recorded; None where nothing tells."""
    since = snapshot.statements_reset
    seconds = (snapshot.captured_at - since).total_seconds() if since is not None else 0.0
    return seconds if seconds > 0 else None


def table_writes(
    parts: Sequence[Relation], writings: Iterable[Writing], snapshot: Snapshot, *, recorded: bool
) -> TableWrites:
    """Add up what is written to a table and its partitions; `recorded`: the snapshot recorded the statements."""
    told = _by_statements(writings)
    seconds = recorded_seconds(snapshot) if recorded else None
    counted = _by_counters(parts, snapshot, seconds) if seconds is not None else None
    return replace(told, seconds=seconds) if counted is None else _both(told, counted, seconds)


def _by_statements(writings: Iterable[Writing]) -> TableWrites:
    inserts = deletes = 0.0
    updates: dict[frozenset[str], float] = {}
    for statement, table in writings:
        rows = _rows(statement)
        match table.target:
            case "insert":
                inserts += rows
            case "delete":
                deletes += rows
            case "update" | "merge":
                columns = frozenset(table.written)
                updates[columns] = updates.get(columns, 0.0) + rows
            case None:
                pass
    found = tuple(Update(columns=columns, rows=rows) for columns, rows in updates.items())
    return TableWrites(inserts=inserts, updates=found, deletes=deletes)


def _rows(statement: Statement) -> float:
    """Return the rows of all executions: of a WITH clause that writes, the counter has those of the outer query."""
    if statement.rows is None or (statement.rows == 0 and statement.text.lstrip()[:4].lower() == "with"):
        return float(statement.calls)
    return float(statement.rows)


def _by_counters(relations: Iterable[Relation], snapshot: Snapshot, seconds: float) -> _Counted | None:
    """Bring the counters to the time of the statements; None where their window is unknown, or too short for that."""
    since = snapshot.server.stats_reset
    own = (snapshot.captured_at - since).total_seconds() if since is not None else 0.0
    if own < _LEAST_SECONDS or seconds > _MOST_SCALE * own:
        return None
    known = [each.activity for each in relations if each.activity is not None]
    scale = seconds / own
    updates = sum(max(0, each.rows_updated) for each in known)
    hot = sum(min(max(0, each.rows_hot_updated), max(0, each.rows_updated)) for each in known)
    return _Counted(
        inserts=scale * sum(max(0, each.rows_inserted) for each in known),
        updates=scale * updates,
        hot_updates=scale * hot,
        deletes=scale * sum(max(0, each.rows_deleted) for each in known),
    )


def _both(told: TableWrites, counted: _Counted, seconds: float | None) -> TableWrites:
    """Add what the counters have more than the statements.

    What the statements insert more than was counted are rows that ON CONFLICT or MERGE updated instead.
    """
    told_updates = sum(each.rows for each in told.updates)
    instead = max(0.0, told.inserts - counted.inserts)
    inserts = _unexplained(counted.inserts, told.inserts)
    updates = _unexplained(counted.updates, told_updates + instead)
    deletes = _unexplained(counted.deletes, told.deletes)
    more = (Update(columns=None, rows=updates),) if updates else ()
    return TableWrites(
        inserts=told.inserts + inserts,
        updates=(*told.updates, *more),
        deletes=told.deletes + deletes,
        hot=min(1.0, counted.hot_updates / counted.updates) if counted.updates else None,
        seconds=seconds,
        source=_source(told.inserts + told_updates + told.deletes, inserts + updates + deletes),
    )


def _unexplained(counted: float, told: float) -> float:
    rest = counted - told
    return rest if rest > _LEAST_UNEXPLAINED * counted else 0.0


def _source(told: float, unexplained: float) -> WriteSource:
    if told and unexplained:
        return "statements and table counters"
    return "table counters" if unexplained else "statements"
