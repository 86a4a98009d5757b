"""Add up samples of pg_stat_activity: which statements run, with which values, and what they wait for."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from analyzer.amounts import counted, plural
from analyzer.db import MARKER
from analyzer.documents.activity import MOST_WAITS, SampledStatement, SampledWait
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.server_log import LoggedStatement
from analyzer.postgres.carried_queries import query_inside
from analyzer.workload.log_events import Execution
from analyzer.workload.log_lines import LogRecord, Session
from analyzer.workload.log_statements import StatementTable
from analyzer.workload.seen_statements import seen_statements

_MOST_BYTES: Final = 16 * 1024**2
#: Sessions whose hidden statements are counted one by one.
_MOST_HIDDEN: Final = 10_000

#: A server by its number, a session's process there, and when its statement began.
_Run = tuple[int, int, object]


@dataclass(slots=True)
class SampledActivity:
    """What was seen of one or more servers; several threads may add to it."""

    table: StatementTable = field(default_factory=lambda: StatementTable(most_bytes=_MOST_BYTES))
    samples: Counter[int] = field(default_factory=Counter[int])
    #: Sessions by statement and wait event, added up.
    _waits: defaultdict[str, Counter[str | None]] = field(
        default_factory=lambda: defaultdict[str, "Counter[str | None]"](Counter)
    )
    #: By server, the statements of the sample before.
    _running: dict[int, dict[_Run, str | None]] = field(default_factory=dict[int, dict[_Run, "str | None"]])
    _hidden: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    _skipped: Counter[str] = field(default_factory=Counter[str])
    _lock: Lock = field(default_factory=Lock)

    def see(self, server: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count one sample: the rows of `capture/running`."""
        with self._lock:
            before, now = self._running.get(server, {}), dict[_Run, str | None]()
            for row in rows:
                if row["is_hidden"]:
                    if len(self._hidden) < _MOST_HIDDEN:
                        self._hidden.add((server, row["pid"]))
                    continue
                run = server, row["pid"], row["query_start"]
                statement = now[run] = before[run] if run in before else self._begun(row)
                if statement is not None and row["is_active"]:
                    self._waits[statement][row["wait"]] += 1
            self._running[server] = now
            self.samples[server] += 1

    def _begun(self, row: Mapping[str, Any]) -> str | None:
        """Count an execution that the sample before did not have, and return the ID of its statement."""
        text = row["query"]
        if text is None:
            self._skipped["statements that are cut" if row["is_cut"] else "statements that are too long"] += 1
            return None
        if MARKER in text:
            return None
        return self.table.add(
            LogRecord("LOG", "", session=Session(query_id=row["queryid"])), Execution(query_inside(text), None)
        )

    def statements(self, *, values: bool) -> tuple[SampledStatement, ...]:
        """Return the statements that were seen, the most frequent first."""
        found = (self._sampled(identity, each) for identity, each in seen_statements(self.table, values=values))
        return tuple(sorted(found, key=lambda each: (-each.samples, -each.executions, each.query)))

    def _sampled(self, identity: str, seen: LoggedStatement) -> SampledStatement:
        waits = self._waits[identity]
        return SampledStatement(
            query=seen.query,
            queryids=seen.queryids,
            samples=waits.total(),
            executions=seen.calls,
            waits=tuple(SampledWait(event=event, samples=count) for event, count in waits.most_common(MOST_WAITS)),
            bindings=seen.bindings,
        )

    def gaps(self, role: str) -> tuple[NotExamined, ...]:
        """Name what was seen and not used."""
        found = [
            NotExamined(
                what=f"sampled activity: {counted(count, what)}", reason=_REASONS.get(what, "they are not used")
            )
            for what, count in sorted((self._skipped + self.table.skipped).items())
        ]
        if self._hidden:
            reason = f"their statements are hidden from role {role}; GRANT pg_read_all_stats (or pg_monitor) TO {role}"
            found.append(NotExamined(what=f"sampled activity: {plural(len(self._hidden), 'session')}", reason=reason))
        return tuple(found)


_REASONS: Final = {
    "statements that are cut": "they are as long as track_activity_query_size, or longer",
    "statements that are too long": "only texts of up to 8,000 bytes are used",
}


def as_seen(sampled: SampledStatement) -> LoggedStatement:
    """Return a sampled statement as one that was seen so often, with its values."""
    return LoggedStatement(
        query=sampled.query, queryids=sampled.queryids, calls=sampled.executions, bindings=sampled.bindings
    )
