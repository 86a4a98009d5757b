"""Read a server's log into a snapshot, and say in documents what it told."""

from collections.abc import Sequence
from pathlib import Path

from analyzer.documents.server_log import LogSection, ReportedEvent
from analyzer.documents.snapshot import LogEvent, Snapshot
from analyzer.progress import Progress, silent
from analyzer.workload.log_reader import read_log
from analyzer.workload.parse import Statement, parse_statement

#: A rate is of an hour of the log, or of a part of one with so many events.
_LEAST_HOURS, _LEAST_EVENTS = 0.25, 10


def add_log(
    snapshot: Snapshot,
    paths: Sequence[Path],
    *,
    prefix: str | None = None,
    values: bool = True,
    progress: Progress = silent,
) -> Snapshot:
    """Return the snapshot with what log files tell of its database, instead of what it had of a log.

    Without `values`, no constant of the log is in it. Raises InputError for a path that cannot be read.
    """
    log = read_log(
        paths,
        database=snapshot.server.database,
        prefix=prefix,
        since=snapshot.statements_reset,
        values=values,
        progress=progress,
    )
    return snapshot.model_copy(
        update={
            "log_files": log.files,
            "log_statements": log.statements,
            "log_events": log.events,
            "log_plans": log.plans,
            "not_examined": (*snapshot.not_examined, *log.not_examined),
        }
    )


def log_section(snapshot: Snapshot, statements: Sequence[Statement]) -> LogSection | None:
    """Say what the log of a snapshot told, and what of it is in a workload; None without a log."""
    if not snapshot.log_files:
        return None
    begin = min((each.begin for each in snapshot.log_files if each.begin), default=None)
    end = max((each.end for each in snapshot.log_files if each.end), default=None)
    hours = (end - begin).total_seconds() / 3600 if begin and end else 0.0
    return LogSection(
        files=tuple(each.name for each in snapshot.log_files),
        begin=begin,
        end=end,
        statements=len(snapshot.log_statements),
        added=sum(each.only_logged for each in statements),
        bound=sum(each.logged is not None and bool(each.logged.bindings) for each in statements),
        events=tuple(_reported(each, snapshot, hours) for each in snapshot.log_events if each.count),
    )


def _reported(event: LogEvent, snapshot: Snapshot, hours: float) -> ReportedEvent:
    return ReportedEvent(
        kind=event.kind,
        detail=_named(event.detail, snapshot),
        id=parse_statement(event.query).id if event.query is not None else None,
        query=event.query,
        count=event.count,
        per_hour=event.count / hours if _is_rate(event.count, hours) else None,
        total_bytes=round(event.total) if event.kind == "temporary file" else None,
        total_ms=event.total if event.kind == "lock wait" and event.total else None,
    )


def _is_rate(count: int, hours: float) -> bool:
    """Say whether so many events in so long a log tell how many an hour has."""
    return hours >= 1 or (hours >= _LEAST_HOURS and count >= _LEAST_EVENTS)


def _named(detail: str, snapshot: Snapshot) -> str:
    """Put the name of a relation in the place of its OID."""
    before, _, oid = detail.rpartition(" ")
    named = next((each for each in snapshot.relations if oid.isdigit() and each.oid == int(oid)), None)
    return f"{before} {named.schema_name}.{named.name}" if named is not None else detail
