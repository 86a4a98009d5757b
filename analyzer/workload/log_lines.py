"""Read records out of the text of a server's log, in each of its formats.

What says nothing about statements is counted and skipped before it is taken apart.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, NamedTuple, cast

from pydantic_core import from_json

from analyzer.workload.log_formats import CSV_START, LogForm, without_syslog
from analyzer.workload.log_prefix import FIELDS, PARTS, SEVERITIES, prefix_fields

#: How the messages begin that tell of a statement; failures do by their severity.
TELLING: Final = ("duration: ", "statement: ", "execute ", "temporary file: ", "process ")
FAILURES: Final = frozenset({"ERROR", "FATAL", "PANIC"})
#: How much of what is between two records is looked at.
_SAMPLE: Final = 64 * 1024


class Session(NamedTuple):
    """What the log says of a session, and the queryid."""

    user: str | None = None
    database: str | None = None
    application: str | None = None
    query_id: str | None = None


NOBODY: Final = Session()


@dataclass(slots=True)
class LogRecord:
    """One message of a server, with what its prefix or columns say of the session."""

    severity: str
    message: str
    #: As it is written.
    time: str | None = None
    #: The process, or where that is not logged the session.
    process: str | None = None
    session: Session = NOBODY
    sqlstate: str | None = None
    detail: str | None = None
    statement: str | None = None


@dataclass(slots=True)
class Tally:
    """What was read and what was skipped."""

    records: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    begin: str | None = None
    end: str | None = None

    def see(self, time: str | None) -> None:
        """Count one record of a time."""
        self.records += 1
        if time:
            self._span(time, time)

    def see_all(self, times: Sequence[str | None]) -> None:
        """Count records of these times."""
        self.records += len(times)
        known = list(filter(None, times))
        if known:
            self._span(min(known), max(known))

    def merge(self, later: "Tally") -> None:
        """Add what a later part of the log has."""
        self.records += later.records
        self.skipped.update(later.skipped)
        if later.begin is not None and later.end is not None:
            self._span(later.begin, later.end)

    def _span(self, begin: str, end: str) -> None:
        if self.begin is None or begin < self.begin:
            self.begin = begin
        if self.end is None or end > self.end:
            self.end = end


def log_records(text: str, form: LogForm, tally: Tally) -> Iterator[LogRecord]:
    """Yield the records that tell of statements, of a text that ends where a record does."""
    if form.format == "jsonlog":
        return _jsonlog(text, tally)
    if form.format == "csvlog" or form.pattern is None:
        return _csvlog(text, tally)
    return _stderr(without_syslog(text) if form.is_syslog else text, form.pattern, tally)


# stderr

_PARTS: Final = frozenset(PARTS)
#: Words before a colon and two spaces that are not English.
_OTHER_LANGUAGE = re.compile(r"^[^\t\n][^\n]{0,200}?[^\W\d]{2,20}:  ", re.MULTILINE)
#: How a duration begins in any language.
_DURATION = re.compile(r'(?:^|[",])[^\W\d]{3,20} ?: [\d.,]{1,20} (?:ms|мс)\b')
_FOREIGN: Final = "records not in English (lc_messages) or with another prefix"
#: What a session is of, by their places in FIELDS.
_SESSION_FIELDS: Final = tuple(map(FIELDS.index, Session._fields))


def _stderr(text: str, pattern: re.Pattern[str], tally: Tally) -> Iterator[LogRecord]:
    fields, word_at, text_at = _field_places(pattern)
    time_at, process_at, sqlstate_at = (fields[FIELDS.index(name)] for name in ("time", "pid", "sqlstate"))
    session_of = itemgetter(*(fields[place] for place in _SESSION_FIELDS))
    is_known = "prefix" not in pattern.groupindex
    sessions, times = _Sessions(), list[str | None]()
    record: LogRecord | None = None
    process: str | None = None
    end, known = 0, False
    for found in pattern.finditer(text):
        start = found.start()
        if start - end > 1:
            count_strange(text[end:start], tally)
        end, groups = found.end(), found.groups()
        held = (*groups, None) if is_known else (*prefix_fields(found["prefix"]), None)
        word, content, own = groups[word_at], groups[text_at], held[process_at]
        if word in _PARTS:
            if own != process or not known:
                tally.skipped["parts of a record whose beginning is missing"] += 1
            elif record is not None:
                _add_part(record, word, content)
            continue
        if record is not None:
            yield record
            record = None
        times.append(held[time_at])
        process, known = own, True
        if content.startswith(TELLING) or word in FAILURES:
            session = sessions[session_of(held)]
            record = LogRecord(word, _joined(content), held[time_at], own, session, held[sqlstate_at])
        elif _DURATION.match(content):
            tally.skipped[_FOREIGN] += 1
    if record is not None:
        yield record
    count_strange(text[end:], tally)
    tally.see_all(times)


class _Sessions(dict[tuple[str | None, ...], Session]):
    """The sessions of a text, each once."""

    def __missing__(self, fields: tuple[str | None, ...]) -> Session:
        """Remember one more."""
        self[fields] = session = Session._make(fields)
        return session


def _field_places(pattern: re.Pattern[str]) -> tuple[tuple[int, ...], int, int]:
    """Return where the FIELDS are, among groups with a None behind them, and where the word and the text."""
    groups = pattern.groupindex
    word_at, text_at = groups["word"] - 1, groups["text"] - 1
    if "prefix" in groups:
        return tuple(range(len(FIELDS))), word_at, text_at
    found = {name: groups.get(name, 0) - 1 for name in FIELDS}
    if "pid" not in groups:
        found["pid"] = groups.get("session", 0) - 1
    return tuple(found[name] for name in FIELDS), word_at, text_at


def _joined(content: str) -> str:
    return content.replace("\n\t", "\n") if "\n" in content else content


def _add_part(record: LogRecord, word: str, content: str) -> None:
    if word == "STATEMENT":
        record.statement = _joined(content)
    elif word == "DETAIL":
        record.detail = _joined(content)


def count_strange(text: str, tally: Tally) -> None:
    lines = text.strip("\n")
    if not lines:
        return
    foreign = len(_OTHER_LANGUAGE.findall(lines[:_SAMPLE]))
    others = lines.count("\n") + 1 - foreign
    if foreign:
        tally.skipped[_FOREIGN] += foreign
    if others > 0:
        tally.skipped["lines that are not part of a record"] += others


# csvlog

_CSV_SPLIT = re.compile(rf"\n(?={CSV_START})")
_CSV_SEVERITY = re.compile(r',"?([^,"\n]{2,20})"?,[0-9A-Z]{5},')
#: One of these is somewhere in a record that tells of a statement.
_TOLD: Final = (*TELLING, *sorted(FAILURES))
#: Numbers of columns: 12, 13, since 14.
_COLUMNS: Final = frozenset({23, 24, 26})
_QUERY_ID_COLUMN: Final = 25


def _csvlog(text: str, tally: Tally) -> Iterator[LogRecord]:
    csv.field_size_limit(2**31 - 1)
    sessions, rows = _Sessions(), _Rows()
    for written in _CSV_SPLIT.split(text):
        if not _may_tell(written):
            if written and not written.isspace():
                tally.see(written[: written.find(",")])
                _count_foreign(written, tally)
            continue
        row = rows.read(written)
        if row is None:
            tally.skipped["records that cannot be read"] += 1
            continue
        time, severity, message = row[0], row[11], row[13]
        tally.see(time)
        if not message.startswith(TELLING) and severity not in FAILURES:
            _count_foreign(written, tally)
            continue
        query_id = row[_QUERY_ID_COLUMN] if len(row) > _QUERY_ID_COLUMN else None
        session = sessions[row[1] or None, row[2] or None, row[22] or None, query_id]
        process, sqlstate, detail, statement = (row[column] or None for column in (3, 12, 14, 19))
        yield LogRecord(severity, message, time, process, session, sqlstate, detail, statement)


def _may_tell(record: str) -> bool:
    for begin in _TOLD:  # noqa: SIM110 - a generator for each record takes longer
        if begin in record:
            return True
    return False


def _count_foreign(record: str, tally: Tally) -> None:
    """Count a record in another language: its severity is not English, or what it says of a duration."""
    severity = _CSV_SEVERITY.search(record)
    if (severity is not None and severity[1] not in SEVERITIES) or _DURATION.search(record):
        tally.skipped[_FOREIGN] += 1


class _Rows:
    """Reads the rows of records, one at a time."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._reader = csv.reader(self, strict=True)

    def __iter__(self) -> "_Rows":
        """Be what the reader reads."""
        return self

    def __next__(self) -> str:
        """Give the reader the one record that it may read."""
        text, self._text = self._text, None
        if text is None:
            raise StopIteration
        return text

    def read(self, text: str) -> list[str] | None:
        """Return the columns of a record; None for any other text."""
        self._text = text
        try:
            row = next(self._reader)
        except (csv.Error, StopIteration):
            return None
        return row if len(row) in _COLUMNS else None


# jsonlog

_LINE = re.compile(r"[^\n]+")


def _jsonlog(text: str, tally: Tally) -> Iterator[LogRecord]:
    sessions = _Sessions()
    for found in _LINE.finditer(text):
        line = found[0]
        if line.isspace():
            continue
        fields = _fields(line)
        severity, message = fields.get("error_severity"), fields.get("message")
        if not isinstance(severity, str) or not isinstance(message, str):
            tally.skipped["records that cannot be read"] += 1
            continue
        time = _text(fields.get("timestamp") or fields.get("log_time"))
        tally.see(time)
        if message.startswith(TELLING) or severity in FAILURES:
            process, sqlstate, detail, statement = map(_text, _other_fields(fields.get))
            session = sessions[tuple(map(_text, _session_fields(fields.get)))]
            yield LogRecord(severity, message, time, process, session, sqlstate, detail, statement)
        elif severity not in SEVERITIES or _DURATION.match(message):
            tally.skipped[_FOREIGN] += 1


def _fields(line: str) -> Mapping[str, object]:
    """Return the fields of a record, also of one that an operator has wrapped."""
    try:
        parsed: object = from_json(line)
    except ValueError:
        return {}
    fields = _mapping(parsed)
    return _mapping(fields.get("record")) or fields


def _mapping(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


# By the keys of jsonlog, and by those of csvlog's columns, which operators write in JSON.


def _session_fields(of: Callable[[str], object]) -> tuple[object, ...]:
    return of("user") or of("user_name"), of("dbname") or of("database_name"), of("application_name"), of("query_id")


def _other_fields(of: Callable[[str], object]) -> tuple[object, object, object, object]:
    return (
        of("pid") or of("process_id"),
        of("state_code") or of("sql_state_code"),
        of("detail"),
        of("statement") or of("query"),
    )


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(value) if isinstance(value, str | int) and value != "" else None
