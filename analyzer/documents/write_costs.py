"""What a proposed index costs the writers of its table."""

from typing import Literal

from pydantic import computed_field

from analyzer.documents.record import Record, ratio

WriteSource = Literal["statements", "table counters", "statements and table counters"]


class Upkeep(Record):
    """The upkeep of an index by the writes of the workload, on top of the proposals before it."""

    #: In the planner units of the workload's cost, and as a share of what the index saves the statements; the share is
    #: None where it saves nothing.
    cost: float
    share_of_saving: float | None
    #: Entries added to the index in the time of the workload.
    entries: float
    #: Entries added to the table's other indexes because updates cease to be HOT.
    other_entries: float
    #: Updates that would cease to be HOT.
    hot_updates_lost: float
    #: WAL of all these entries, without full-page images.
    wal_bytes: float
    #: Time of the workload in seconds; None where it is not known.
    window_seconds: float | None
    #: What tells of the writes.
    source: WriteSource
    #: Updates of columns that are not known: only the table's counters tell of them.
    unknown_updates: float = 0.0

    @computed_field
    @property
    def entries_per_second(self) -> float | None:
        """Return how many entries a second are added to the index."""
        return ratio(self.entries, self.window_seconds)

    @computed_field
    @property
    def wal_bytes_per_second(self) -> float | None:
        """Return the WAL a second of all entries."""
        return ratio(self.wal_bytes, self.window_seconds)

    @computed_field
    @property
    def hot_updates_lost_per_second(self) -> float | None:
        """Return how many updates a second would cease to be HOT."""
        return ratio(self.hot_updates_lost, self.window_seconds)
