"""Say in words what the server's log told."""

from analyzer.amounts import plural
from analyzer.documents.server_log import LogSection, ReportedEvent
from analyzer.render import units

_MOST_FILES = 3


def log_headline(log: LogSection) -> str:
    """Name the files and the time that they cover."""
    names = units.one_line(", ".join(log.files[:_MOST_FILES]))
    more = f" and {len(log.files) - _MOST_FILES} more" if len(log.files) > _MOST_FILES else ""
    return f"Server log ({names}{more}; {units.moment(log.begin)} to {units.moment(log.end)})"


def log_coverage(log: LogSection) -> str:
    """Say what it adds to the recorded statements."""
    return (
        f"{plural(log.statements, 'statement')}; {log.bound:,} priced with logged values, {log.added:,} not in "
        "pg_stat_statements"
    )


def _window(log: LogSection) -> str:
    """Name the time in which events happened that are too few for a rate."""
    seconds = (log.end - log.begin).total_seconds() if log.begin is not None and log.end is not None else 0.0
    return f" in {units.seconds(seconds)}" if seconds > 0 else ""


def log_event(event: ReportedEvent, log: LogSection) -> str:
    """Say what happened, how often and how much of it."""
    detail = f" ({units.one_line(event.detail)})" if event.detail else ""
    rate = f", {event.per_hour:,.1f} per hour" if event.per_hour is not None else _window(log)
    size = f", {units.size(event.total_bytes)}" if event.total_bytes is not None else ""
    waited = f", {units.duration(event.total_ms)}" if event.total_ms is not None else ""
    return f"{plural(event.count, event.kind)}{detail}{rate}{size}{waited}"
