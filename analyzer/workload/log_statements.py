"""Add up what a log says of its statements, in bounded memory, however many there are."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from analyzer.workload.log_events import Execution, Incident
from analyzer.workload.log_lines import LogRecord
from analyzer.workload.log_spelling import Identities
from analyzer.workload.log_times import Boundary
from analyzer.workload.log_totals import Call, IncidentTotals, StatementTotals

#: As many as pg_stat_statements.max.
MOST_STATEMENTS: Final = 5_000
#: Of all statements and values of a table.
MOST_BYTES: Final = 64 * 1024**2
_MOST_INCIDENTS: Final = 5_000
#: Of executions that are not yet counted, each of which takes about so much beside its text.
_MOST_WAITING: Final = 16 * 1024**2
_CALL_BYTES: Final = 400


@dataclass(slots=True)
class StatementTable:
    """The statements of a log."""

    #: Statements of other databases are counted; None takes all.
    database: str | None = None
    most_bytes: int = MOST_BYTES
    #: Of times: executions before are counted apart as well.
    boundary: Boundary | None = None
    #: May be that of other tables as well.
    identities: Identities = field(default_factory=Identities)
    statements: dict[str, StatementTotals] = field(default_factory=dict[str, StatementTotals])
    #: By kind, detail and statement.
    incidents: dict[tuple[str, str, str | None], IncidentTotals] = field(
        default_factory=dict[tuple[str, str, "str | None"], IncidentTotals]
    )
    #: Statements that are no queries, by their first word; their texts may hold secrets and are not kept.
    utilities: Counter[str] = field(default_factory=Counter[str])
    skipped: Counter[str] = field(default_factory=Counter[str])
    #: Executions that are not yet counted, by statement.
    _calls: dict[str, list[Call]] = field(default_factory=dict[str, list[Call]])
    #: Characters of the statements and their values, and of those executions.
    _size: int = 0
    _waiting: int = 0

    def add(self, record: LogRecord, execution: Execution) -> str | None:
        """Take one execution, and return the ID of its statement; None if it does not count. See `settle`."""
        if self.database is not None and self.is_elsewhere(record):
            return None
        text = execution.text
        identity = self.identities.find(text, same_text=execution.parameters is not None)
        if identity[0] != "s":
            return self._skip(identity)
        call = record.time, record.session, execution
        calls = self._calls.get(identity)
        if calls is None:
            self._calls[identity] = [call]
        else:
            calls.append(call)
        self._waiting += len(text) + _CALL_BYTES
        if self._waiting > _MOST_WAITING:
            self.settle()
        return identity

    def settle(self) -> None:
        """Count the executions taken, those of a statement together, which is much faster than one by one."""
        for identity, calls in self._calls.items():
            totals = self._totals(identity, calls[0][2].text)
            before = totals.size
            totals.add(calls, self.boundary)
            self._grow(totals.size - before)
        self._calls.clear()
        self._waiting = 0

    def is_continued(self, boundary: Boundary) -> bool:
        """Say whether a statement was executed after a moment."""
        return any(each.last_seen and not boundary.is_before(each.last_seen) for each in self.statements.values())

    def note(self, record: LogRecord, incident: Incident) -> None:
        """Count what happened to a statement, or to none that is logged."""
        if self.is_elsewhere(record):
            return
        statement = incident.statement
        identity = self.identities.find(statement, same_text=False) if statement else None
        if statement and identity and identity[0] == "s":
            self._totals(identity, statement)
        elif identity is not None:
            identity = self._skip(identity)
        found = self._incident(incident.kind, incident.detail, identity)
        found.add(incident.times, incident.amount, record.time, record.time)

    def is_elsewhere(self, record: LogRecord) -> bool:
        """Say whether a record is of another database; it is counted."""
        database = record.session.database
        if self.database is None or database is None or database == self.database:
            return False
        self.skipped["records of other databases"] += 1
        return True

    def merge(self, later: "StatementTable") -> None:
        """Add the statements of a later part of the log."""
        self.settle()
        later.settle()
        for identity, totals in later.statements.items():
            known = self.statements.get(identity)
            if known is None:
                self._make_room()
                self.statements[identity] = totals
                self._size += totals.size
                continue
            before = known.size
            known.merge(totals)
            self._grow(known.size - before)
        for (kind, detail, identity), incidents in later.incidents.items():
            found = self._incident(kind, detail, identity)
            found.add(incidents.count, incidents.total, incidents.first_seen, incidents.last_seen)
        self.utilities.update(later.utilities)
        self.skipped.update(later.skipped)

    def _skip(self, identity: str) -> None:
        """Count what is no query."""
        (self.utilities if identity[0] == "u" else self.skipped)[identity[1:]] += 1

    def _totals(self, identity: str, text: str) -> StatementTotals:
        totals = self.statements.get(identity)
        if totals is None:
            self._make_room()
            totals = self.statements[identity] = StatementTotals(identity, text, size=len(text))
            self._size += totals.size
        return totals

    def _incident(self, kind: str, detail: str, identity: str | None) -> IncidentTotals:
        key = kind, detail, identity
        if key not in self.incidents and len(self.incidents) >= _MOST_INCIDENTS:
            key = kind, detail[:5], None
        return self.incidents.setdefault(key, IncidentTotals())

    def _make_room(self) -> None:
        """Drop statements if there is no room for one more."""
        if len(self.statements) >= MOST_STATEMENTS or self._size > self.most_bytes:
            self._drop()

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self.most_bytes:
            self._drop()

    def _drop(self) -> None:
        """Drop the cheaper half of the statements."""
        ordered = sorted(self.statements.values(), key=lambda each: (each.total_ms, each.calls, each.id))
        for totals in ordered[: max(len(ordered) // 2, 1)]:
            del self.statements[totals.id]
            self._size -= totals.size
            self.skipped["statements beyond the most that are kept, the cheapest"] += 1
