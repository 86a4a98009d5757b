"""Read a part of a log, and put together what the parts say."""

import contextlib
import gc
import itertools
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from analyzer.workload.log_events import EventReader, Execution, Incident, Said
from analyzer.workload.log_lines import Tally, log_records
from analyzer.workload.log_parts import Part, decoded
from analyzer.workload.log_plans import LoggedPlans
from analyzer.workload.log_spelling import Identities
from analyzer.workload.log_statements import StatementTable
from analyzer.workload.log_times import Boundary

#: So many records go through one step before the next: the caches of a processor hold the code of one step, and so many
#: records.
_TOGETHER: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a log is read."""

    #: Statements of other databases are counted; None takes all.
    database: str | None = None
    #: When the counters began that the log stands beside; None where all of it counts.
    since: datetime | None = None


@dataclass(slots=True)
class Reading:
    """What is read of a log, or of a part of it."""

    table: StatementTable
    events: EventReader
    plans: LoggedPlans
    tally: Tally = field(default_factory=Tally)
    #: Time zones that are not known by their abbreviation.
    zones: set[str] = field(default_factory=set[str])

    @classmethod
    def of(cls, wanted: Wanted, identities: Identities) -> "Reading":
        """Begin to read."""
        zones = set[str]()
        boundary = None if wanted.since is None else Boundary(wanted.since, zones)
        table = StatementTable(wanted.database, boundary=boundary, identities=identities)
        plans = LoggedPlans(wanted.database, boundary, identities)
        return cls(table, EventReader(table.skipped), plans, zones=zones)

    def count(self, said: Said, file: str) -> None:
        """Count what a record says."""
        record, event = said
        if isinstance(event, Execution):
            self.table.add(record, event)
        elif isinstance(event, Incident):
            self.table.note(record, event)
        else:
            self.plans.add(record, event, file=file)

    def merge(self, later: "Reading") -> None:
        """Add what a later part of the log says, with the statements that end there."""
        for said in self.events.follow(later.events):
            self.count(said, "")
        self.table.merge(later.table)
        self.plans.merge(later.plans)
        self.zones |= later.zones


def read_part(part: Part, wanted: Wanted, identities: Identities) -> Reading:
    """Read one part of a log."""
    reading = Reading.of(wanted, identities)
    with uncollected():
        for block in part.blocks(reading.tally):
            records = log_records(decoded(block), part.form, reading.tally)
            while some := list(itertools.islice(records, _TOGETHER)):
                for said in list(map(reading.events.read, some)):
                    if said is not None:
                        reading.count(said, part.name)
        reading.table.settle()
        reading.plans.table.settle()
    return reading


@contextlib.contextmanager
def uncollected() -> Generator[None]:
    """Look for no cycles among objects until the block ends: a log makes many objects, and none of these."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
