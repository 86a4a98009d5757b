"""Find out how a server's log is written: stderr with any prefix, also by syslog, csvlog or jsonlog."""

import re
from dataclasses import dataclass
from typing import Final

from analyzer.documents.server_log import LogFormat
from analyzer.workload.log_prefix import PARTS, find_pattern, record_pattern

#: How much of each end of a text is looked at.
_SAMPLE: Final = 64 * 1024

_HEADER: Final = (
    r"(?:<\d+>)?(?:\d+ )?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-][\d:]+)) "
    r"\S{1,255} [\w./-]{0,64}?(?:postgres|pgsql)[\w./-]{0,64}\[(\d+)\]: "
)
_SYSLOG = re.compile(rf"\n{_HEADER}")
_SYSLOG_LINE = re.compile(rf"\n{_HEADER}(?:\[\d+-(\d+)\] )?((?:#011|\t)*)")
#: How a record of csvlog begins.
CSV_START: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [A-Za-z0-9+\-:_/]+,"
_CSV = re.compile(rf"^{CSV_START}", re.MULTILINE)
_JSON = re.compile(r'^ ?\{[^\n]{0,100000}?"(?:error_severity|state_code|log_time)"', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogForm:
    """How a log is written."""

    format: LogFormat
    #: Of the parts of records in stderr.
    pattern: re.Pattern[str] | None = None
    is_syslog: bool = False

    def is_start(self, line: str) -> bool:
        """Tell whether a line, or the beginning of a long one, begins a record that needs nothing of what is before."""
        if self.format == "jsonlog":
            return True
        if self.format == "csvlog" or self.pattern is None:
            return _CSV.match(line) is not None
        found = self.pattern.match(without_syslog(line) if self.is_syslog else line)
        return found is not None and found["word"] not in PARTS


def find_form(text: str, prefix: str | None) -> LogForm | None:
    """Return how a log is written, which may have a known prefix; None where no record is found in the text."""
    sample = text if len(text) <= 2 * _SAMPLE else f"{text[:_SAMPLE]}\n{text[-_SAMPLE:]}"
    if _JSON.search(sample):
        return LogForm(format="jsonlog")
    if _CSV.search(sample):
        return LogForm(format="csvlog")
    is_syslog = _SYSLOG.search("\n" + sample) is not None
    if prefix is not None:
        pattern = record_pattern(prefix)
    else:
        pattern = find_pattern(without_syslog(sample) if is_syslog else sample)
    return None if pattern is None else LogForm(format="stderr", pattern=pattern, is_syslog=is_syslog)


def without_syslog(text: str) -> str:
    """Turn lines of syslog into those of stderr whose prefix begins with the process."""
    return _SYSLOG_LINE.sub(_syslog_line, "\n" + text).removeprefix("\n")


def _syslog_line(found: re.Match[str]) -> str:
    process, piece, tabs = found.groups()
    if tabs:
        return "\n" + tabs.replace("#011", "\t")
    return "" if piece is not None and piece != "1" and not _begins(found) else f"\n[{process}] "


def _begins(found: re.Match[str]) -> bool:
    """Tell whether a later piece of a message is a part of its own, such as its DETAIL."""
    line = found.string[found.end() : found.end() + 300].split("\n", 1)[0]
    return any(f"{word}:  " in line for word in PARTS)
