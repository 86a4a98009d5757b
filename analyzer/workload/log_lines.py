"""Read records out of the text of a server's log: stderr with any prefix, also by syslog, csvlog and jsonlog.

What says nothing about statements is counted and skipped before it is taken apart.
"""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from pydantic_core import from_json

from analyzer.documents.server_log import LogFormat
from analyzer.workload.log_prefix import FIELDS, PARTS, SEVERITIES, find_pattern, prefix_fields, record_pattern

#: How the messages begin that tell of a statement; failures do by their severity.
TELLING: Final = ("duration: ", "statement: ", "execute ", "temporary file: ", "process ")
FAILURES: Final = frozenset({"ERROR", "FATAL", "PANIC"})
#: More of one record is not read.
_LONGEST_RECORD: Final = 18 * 1024**2
#: How much of each end of a block is looked at to find the format.
_SAMPLE: Final = 64 * 1024


@dataclass(slots=True)
class LogRecord:
    """One message of a server, with what its prefix or columns say of the session."""

    severity: str
    message: str
    #: As it is written.
    time: str | None = None
    #: The process, or where that is not logged the session.
    process: str | None = None
    user: str | None = None
    database: str | None = None
    application: str | None = None
    sqlstate: str | None = None
    query_id: str | None = None
    detail: str | None = None
    context: str | None = None
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
            if self.begin is None or time < self.begin:
                self.begin = time
            if self.end is None or time > self.end:
                self.end = time


@dataclass(slots=True)
class LogText:
    """The text of one file with the format found in it; iterate over it once for its records."""

    blocks: Iterator[str]
    #: None to find it.
    prefix: str | None = None
    tally: Tally = field(default_factory=Tally)
    format: LogFormat | None = None

    def __iter__(self) -> Iterator[LogRecord]:
        """Yield the records that tell of statements, from the first block in which a format is found."""
        for block in self.blocks:
            if (records := self._records(block)) is not None:
                yield from records
                return
            _count_strange(block, self.tally)

    def _records(self, first: str) -> Iterator[LogRecord] | None:
        sample = first if len(first) <= 2 * _SAMPLE else f"{first[:_SAMPLE]}\n{first[-_SAMPLE:]}"
        blocks = itertools.chain((first,), self.blocks)
        if _JSON.search(sample):
            self.format = "jsonlog"
            return _jsonlog(blocks, self.tally)
        if _CSV.search("\n" + sample):
            self.format = "csvlog"
            return _csvlog(blocks, self.tally)
        if _SYSLOG.search("\n" + sample):
            blocks, sample = map(_without_syslog, blocks), _without_syslog(sample)
        pattern = find_pattern(sample) if self.prefix is None else record_pattern(self.prefix)
        if pattern is None:
            return None
        self.format = "stderr"
        return _stderr(blocks, pattern, self.tally)


def _tells(severity: str, message: str) -> bool:
    return severity in FAILURES or message.startswith(TELLING)


# stderr

_PARTS: Final = frozenset(PARTS)
#: Words before a colon and two spaces that are not English.
_OTHER_LANGUAGE = re.compile(r"^[^\t\n][^\n]{0,200}?[^\W\d]{2,20}:  ", re.MULTILINE)
#: How a duration begins in any language.
_DURATION = re.compile(r'(?:^|[",])[^\W\d]{3,20} ?: [\d.,]{1,20} (?:ms|мс)\b')
_FOREIGN: Final = "records not in English (lc_messages) or with another prefix"


def _stderr(blocks: Iterable[str], pattern: re.Pattern[str], tally: Tally) -> Iterator[LogRecord]:
    groups = pattern.groupindex
    is_known = "prefix" not in groups
    # Of what the prefix does not have, the place behind the groups, where there is nothing.
    time_at, process_at, user_at, database_at, application_at, sqlstate_at, query_id_at = (
        (groups.get(name, 0) - 1 for name in FIELDS) if is_known else range(len(FIELDS))
    )
    process_at = process_at if process_at >= 0 else groups.get("session", 0) - 1
    record: LogRecord | None = None
    process: str | None = None
    known = False
    for found in _parts(blocks, pattern, tally):
        held = (*found.groups(), None) if is_known else prefix_fields(found["prefix"])
        word, content, own = found["word"], found["text"], held[process_at]
        if word in _PARTS:
            if own != process or not known:
                tally.skipped["parts of a record whose beginning is missing"] += 1
            elif record is not None:
                _add_part(record, word, content)
            continue
        if record is not None:
            yield record
            record = None
        time = held[time_at]
        tally.see(time)
        process, known = own, True
        if word in FAILURES or content.startswith(TELLING):
            record = LogRecord(
                word, _joined(content), time, own, held[user_at], held[database_at], held[application_at],
                held[sqlstate_at], held[query_id_at],
            )  # fmt: skip
        elif _DURATION.match(content):
            tally.skipped[_FOREIGN] += 1
    if record is not None:
        yield record


def _parts(blocks: Iterable[str], pattern: re.Pattern[str], tally: Tally) -> Iterator[re.Match[str]]:
    """Find the parts of records, also those that go on in the next block; count what is between them."""
    rest = ""
    for block, is_last in _marked(blocks):
        text = rest + block
        cut = len(text) if is_last else _last_part(text)
        if len(text) - cut > _LONGEST_RECORD:
            tally.skipped["records that are too long"] += 1
            rest = ""
            continue
        end = 0
        for found in pattern.finditer(text, 0, cut):
            if found.start() - end > 1:
                _count_strange(text[end : found.start()], tally)
            end = found.end()
            yield found
        if cut - end > 1:
            _count_strange(text[end:cut], tally)
        rest = text[cut:]


def _marked(blocks: Iterable[str]) -> Iterator[tuple[str, bool]]:
    for block in blocks:
        yield block, False
    yield "", True


def _last_part(text: str) -> int:
    """Return where the last line begins that is not a further line: it may go on in the next block."""
    end = len(text) - 1
    while (place := text.rfind("\n", 0, end)) >= 0:
        if not text.startswith("\t", place + 1):
            return place + 1
        end = place
    return 0


def _joined(content: str) -> str:
    return content.replace("\n\t", "\n") if "\n" in content else content


def _add_part(record: LogRecord, word: str, content: str) -> None:
    if word == "STATEMENT":
        record.statement = _joined(content)
    elif word == "DETAIL":
        record.detail = _joined(content)
    elif word == "CONTEXT":
        record.context = _joined(content)


def _count_strange(text: str, tally: Tally) -> None:
    lines = text.strip("\n")
    if not lines:
        return
    foreign = len(_OTHER_LANGUAGE.findall(lines[:_SAMPLE]))
    others = lines.count("\n") + 1 - foreign
    if foreign:
        tally.skipped[_FOREIGN] += foreign
    if others > 0:
        tally.skipped["lines that are not part of a record"] += others


# syslog

_HEADER: Final = (
    r"(?:<\d+>)?(?:\d+ )?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-][\d:]+)) "
    r"\S{1,255} [\w./-]{0,64}?(?:postgres|pgsql)[\w./-]{0,64}\[(\d+)\]: "
)
_SYSLOG = re.compile(rf"\n{_HEADER}")
_SYSLOG_LINE = re.compile(rf"\n{_HEADER}(?:\[\d+-(\d+)\] )?((?:#011|\t)*)")


def _without_syslog(block: str) -> str:
    """Turn lines of syslog into those of stderr whose prefix begins with the process."""
    return _SYSLOG_LINE.sub(_syslog_line, "\n" + block).removeprefix("\n")


def _syslog_line(found: re.Match[str]) -> str:
    process, piece, tabs = found.groups()
    if tabs:
        return "\n" + tabs.replace("#011", "\t")
    return "" if piece is not None and piece != "1" and not _begins(found) else f"\n[{process}] "


def _begins(found: re.Match[str]) -> bool:
    """Tell whether a later piece of a message is a part of its own, such as its DETAIL."""
    line = found.string[found.end() : found.end() + 300].split("\n", 1)[0]
    return any(f"{word}:  " in line for word in PARTS)


# csvlog

_CSV_START: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [A-Za-z0-9+\-:_/]+,"
_CSV = re.compile(rf"\n{_CSV_START}")
_CSV_SPLIT = re.compile(rf"\n(?={_CSV_START})")
_CSV_TELLING = re.compile(rf',"?(?:{"|".join(sorted(FAILURES))})"?,|,"?(?:{"|".join(TELLING)})')
_CSV_SEVERITY = re.compile(r',"?([^,"\n]{2,20})"?,[0-9A-Z]{5},')
#: Numbers of columns: 12, 13, since 14.
_COLUMNS: Final = frozenset({23, 24, 26})
_QUERY_ID_COLUMN: Final = 25


def _csvlog(blocks: Iterable[str], tally: Tally) -> Iterator[LogRecord]:
    csv.field_size_limit(2**31 - 1)
    rest = ""
    for block, is_last in _marked(blocks):
        records = _CSV_SPLIT.split(rest + block)
        rest = "" if is_last else records.pop()
        if len(rest) > _LONGEST_RECORD:
            tally.skipped["records that are too long"] += 1
            rest = ""
        for text in records:
            if not text.strip():
                continue
            if not _CSV_TELLING.search(text):
                tally.see(text[: text.find(",")])
                _count_foreign(text, _CSV_SEVERITY, tally)
                continue
            row = _row(text)
            if row is None:
                tally.skipped["records that cannot be read"] += 1
                continue
            tally.see(row[0])
            record = LogRecord(
                severity=row[11], message=row[13], time=row[0], process=row[3] or None, user=row[1] or None,
                database=row[2] or None, application=row[22] or None, sqlstate=row[12] or None,
                query_id=row[_QUERY_ID_COLUMN] if len(row) > _QUERY_ID_COLUMN else None,
                detail=row[14] or None, context=row[18] or None, statement=row[19] or None,
            )  # fmt: skip
            if _tells(record.severity, record.message):
                yield record


def _count_foreign(record: str, severity: re.Pattern[str], tally: Tally) -> None:
    """Count a record in another language: its severity is not English, or what it says of a duration."""
    word = severity.search(record)
    if (word is not None and word[1] not in SEVERITIES) or _DURATION.search(record):
        tally.skipped[_FOREIGN] += 1


def _row(text: str) -> list[str] | None:
    try:
        rows = list(csv.reader((text,), strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 and len(rows[0]) in _COLUMNS else None


# jsonlog

_JSON = re.compile(r'^ ?\{[^\n]{0,100000}?"(?:error_severity|state_code|log_time)"', re.MULTILINE)
_JSON_TELLING = re.compile(rf'"(?:{"|".join(sorted(FAILURES))})"|"(?:{"|".join(TELLING)})')
_JSON_SEVERITY = re.compile(r'"error_severity":"([^"]{2,20})"')
_JSON_TIME = re.compile(r'"(?:timestamp|log_time)":"([^"\\]+)"')
#: What a record keeps by the keys of jsonlog, and by those of csvlog's columns, which operators write in JSON.
_KEYS: Final = {
    "time": ("timestamp", "log_time"),
    "process": ("pid", "process_id"),
    "user": ("user", "user_name"),
    "database": ("dbname", "database_name"),
    "application": ("application_name",),
    "sqlstate": ("state_code", "sql_state_code"),
    "query_id": ("query_id",),
    "detail": ("detail",),
    "context": ("context",),
    "statement": ("statement", "query"),
}


def _jsonlog(blocks: Iterable[str], tally: Tally) -> Iterator[LogRecord]:
    for block in blocks:
        for line in block.split("\n"):
            if not line or line.isspace():
                continue
            if not _JSON_TELLING.search(line):
                time = _JSON_TIME.search(line)
                tally.see(time[1] if time else None)
                _count_foreign(line, _JSON_SEVERITY, tally)
                continue
            record = _json_record(line)
            if record is None:
                tally.skipped["records that cannot be read"] += 1
                continue
            tally.see(record.time)
            if _tells(record.severity, record.message):
                yield record


def _json_record(line: str) -> LogRecord | None:
    try:
        parsed: object = from_json(line)
    except ValueError:
        return None
    fields = _mapping(parsed)
    fields = _mapping(fields.get("record")) or fields
    severity, message = fields.get("error_severity"), fields.get("message")
    if not isinstance(severity, str) or not isinstance(message, str):
        return None
    kept = {name: _text(next((fields[key] for key in keys if key in fields), None)) for name, keys in _KEYS.items()}
    return LogRecord(severity, message, **kept)


def _mapping(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and value != "" else None
