"""Read a server's log: its statements with their times and values, and what went wrong, as parts of a snapshot."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, cast

from analyzer.amounts import counted, plural
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.plans import ServerPlan
from analyzer.documents.server_log import EventKind, LogEvent, LogFile, LoggedStatement
from analyzer.progress import Progress, silent
from analyzer.workload.kept_plans import keep_plans
from analyzer.workload.log_files import log_files
from analyzer.workload.log_parts import PART_BYTES, FileParts, Part
from analyzer.workload.log_readings import Reading, Wanted, uncollected
from analyzer.workload.log_spelling import Identities
from analyzer.workload.log_times import moment
from analyzer.workload.log_totals import StatementTotals
from analyzer.workload.log_workers import read_parts
from analyzer.workload.seen_statements import by_time, normalised, seen_statement, since_counters

#: Files that one reason names.
_MOST_NAMED: Final = 5
_NULL_BYTE: Final = "\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLog:
    """What the files of a log told."""

    files: tuple[LogFile, ...] = ()
    statements: tuple[LoggedStatement, ...] = ()
    events: tuple[LogEvent, ...] = ()
    #: Of auto_explain: the most expensive one of each shape.
    plans: tuple[ServerPlan, ...] = ()
    not_examined: tuple[NotExamined, ...] = ()


@dataclass(slots=True)
class _Log:
    """What is read so far."""

    reading: Reading
    files: list[LogFile] = field(default_factory=list[LogFile])
    #: What was skipped, and how often, by file.
    skipped: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict[str, Counter[str]](Counter))
    #: When the counters began that the log stands beside; None where all of it counts.
    since: datetime | None = None


def read_log(
    paths: Iterable[Path],
    *,
    database: str | None = None,
    prefix: str | None = None,
    since: datetime | None = None,
    values: bool = True,
    workers: int | None = None,
    part_bytes: int = PART_BYTES,
    progress: Progress = silent,
) -> ServerLog:
    """Read log files, or the files of directories, in the order of their times, as far as each can be read.

    Statements of other databases are left out where the log says so. Without a `prefix`, the `log_line_prefix` is
    found. Of a log that goes on after `since`, executions before do not count for a statement that ran after, too.
    Without `values`, no constant is kept. A log of several parts is read by so many `workers`, as a rule one per core;
    what is found does not depend on their number. Raises InputError for a path that is neither a file nor a directory.
    """
    wanted = Wanted(database=database, since=since)
    log = _Log(Reading.of(wanted, Identities()))
    reading, boundary = log.reading, log.reading.table.boundary
    files = [FileParts(file, number, prefix, part_bytes) for number, file in enumerate(log_files(paths))]
    with uncollected():
        for part, read in read_parts(_parts(files, progress), wanted, workers):
            reading.merge(read)
            files[part.file].tally.merge(read.tally)
    for said in reading.events.rest():
        reading.count(said, "")
    for file in files:
        _add_file(file, log)
    tables = reading.table, reading.plans.table
    if boundary is not None and not reading.zones and any(each.is_continued(boundary) for each in tables):
        log.since = since
    return _result(log, values=values)


def _parts(files: Iterable[FileParts], progress: Progress) -> Iterator[Part]:
    for file in files:
        progress(f"log: {file.name}")
        yield from file


def _add_file(file: FileParts, log: _Log) -> None:
    tally = file.tally
    if file.form is None:
        tally.skipped["files in which no record of PostgreSQL is found"] += 1
    else:
        begin, end = moment(tally.begin, log.reading.zones), moment(tally.end, log.reading.zones)
        log.files.append(LogFile(name=file.name, format=file.form.format, records=tally.records, begin=begin, end=end))
    for what, count in file.skipped.items():
        log.skipped[what][file.name] += count


# What is kept of it


def _result(log: _Log, *, values: bool) -> ServerLog:
    table = log.reading.table
    statements: list[LoggedStatement] = []
    texts: dict[str, str] = {}
    for totals in by_time(table):
        query = normalised(totals)
        if query is None:
            table.skipped["statements whose constants cannot be told apart"] += 1
            continue
        texts[totals.id] = query
        if totals.calls or totals.parses or totals.binds:
            statements.append(_seen(totals, query, log, values=values))
    statements += _only_planned(log, values=values)
    events = tuple(
        LogEvent(
            kind=cast("EventKind", kind), detail=_plain(detail), query=texts.get(identity or ""), count=found.count,
            total=found.total, first_seen=moment(found.first_seen, log.reading.zones),
            last_seen=moment(found.last_seen, log.reading.zones),
        )
        for (kind, detail, identity), found in sorted(
            table.incidents.items(), key=lambda each: (each[0][0], -each[1].count, each[0][1], each[0][2] or "")
        )
    )  # fmt: skip
    plans, unkept = keep_plans(log.reading.plans.kept(), values=values)
    return ServerLog(
        files=tuple(log.files),
        statements=tuple(statements),
        events=events,
        plans=plans,
        not_examined=(*_gaps(log), *unkept),
    )


def _seen(totals: StatementTotals, query: str, log: _Log, *, values: bool) -> LoggedStatement:
    """Return the record of a statement; if its own lines have no values, those that were logged with its plans."""
    first_seen, last_seen = moment(totals.first_seen, log.reading.zones), moment(totals.last_seen, log.reading.zones)
    if log.reading.zones:  # by which the time of the last call cannot be compared with that of a reset
        last_seen = None
    seen = seen_statement(totals, query, values=values, first_seen=first_seen, last_seen=last_seen)
    if log.since is not None:
        seen = since_counters(seen, totals, log.since)
    planned = log.reading.plans.table.statements.get(totals.id)
    if not values or seen.bindings or planned is None:
        return seen
    bindings = seen_statement(planned, query, values=True).bindings
    kept = sum(run.calls for run in planned.runs()) if bindings else 0
    return seen.model_copy(update={"bindings": bindings, "other_calls": max(seen.calls - kept, 0)})


def _only_planned(log: _Log, *, values: bool) -> Iterator[LoggedStatement]:
    """Yield the statements of which the log has plans, and no other duration."""
    for totals in by_time(log.reading.plans.table):
        known = log.reading.table.statements.get(totals.id)
        query = normalised(totals) if known is None or not known.calls else None
        if query is not None:
            yield _seen(totals, query, log, values=values)


def _plain(text: str) -> str:
    return text.replace(_NULL_BYTE, "\ufffd")


def _gaps(log: _Log) -> Iterator[NotExamined]:
    table = log.reading.table
    for what, by_file in sorted(log.skipped.items()):
        names = ", ".join(sorted(by_file)[:_MOST_NAMED])
        more = f" and {plural(len(by_file) - _MOST_NAMED, 'more file')}" if len(by_file) > _MOST_NAMED else ""
        reason = f"skipped while the log was read: {names}{more}"
        yield NotExamined(what=f"server log: {counted(by_file.total(), what)}", reason=reason)
    for what, count in sorted(table.skipped.items()):
        yield NotExamined(what=f"server log: {counted(count, what)}", reason="skipped while the log was read")
    if table.utilities:
        words = ", ".join(word or "other" for word in sorted(table.utilities)[:20])
        reason = f"they have no plan, and their texts are not kept: {_plain(words)}"
        yield NotExamined(what=f"server log: {plural(table.utilities.total(), 'utility statement')}", reason=reason)
    yield from log.reading.plans.gaps()
    if log.reading.zones:
        named = ", ".join(sorted(log.reading.zones)[:5])
        reason = f"the abbreviation of a time zone says no offset ({_plain(named)}), and they are shown as UTC"
        yield NotExamined(what="server log: the time zone of its times", reason=reason)
