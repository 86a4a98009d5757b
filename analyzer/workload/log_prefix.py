"""What `log_line_prefix` puts before each line of a server's log, as a pattern; given, or found in the log itself."""

import re
from typing import Final

from analyzer.postgres.identifiers import MOST_BYTES

#: Severities and the parts of a record, as the server writes them where lc_messages is English.
SEVERITIES: Final = ("LOG", "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "INFO", *(f"DEBUG{n}" for n in range(1, 6)))
PARTS: Final = ("DETAIL", "HINT", "QUERY", "CONTEXT", "STATEMENT", "LOCATION", "BACKTRACE")

#: Prefixes that services, packages and people use.
KNOWN: Final = (
    "%t:%r:%u@%d:[%p]:",  # Amazon RDS and Aurora
    "%m [%p]: [%l-1] db=%d,user=%u ",  # Google Cloud SQL
    "%t-%c-",  # Azure
    "%h %m [%p] %q%u@%d ",  # Supabase
    "%m [%p] %q%u@%d ",  # Debian
    "%m [%p] %q%u@%d %a ",
    "%m [%p] %q[user=%u,db=%d,app=%a] ",
    "%t [%p]: user=%u,db=%d,app=%a,client=%h ",  # pgBadger
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a ",
    "%m [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%m:%r:%u@%d:[%p]:",
    "%t [%p]: [%l-1] %q%u@%d ",
    "%t [%p] %q%u@%d ",
    "%t [%p]: [%l-1] ",
    "%m [%p]: [%l-1] ",
    "%m [%p] ",  # the default
    "%t [%p] ",
    "%t [%p]: ",
    "%m ",
    "%t ",
    "[%p] ",
    "",
)

_ZONE = r"[A-Za-z0-9+\-:_/]+"
_SECONDS = rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {_ZONE}"
#: The escapes of log_line_prefix: what each looks like, and what of it a record keeps.
_ESCAPES: Final[dict[str, tuple[str, str | None]]] = {
    "t": (_SECONDS, "time"),
    "m": (rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ {_ZONE}", "time"),
    "n": (r"\d+\.\d+", "time"),
    "s": (_SECONDS, None),
    "p": (r"\d+", "pid"),
    "P": (r"\d*", None),
    "c": (r"[0-9a-f]+\.[0-9a-f]+", "session"),
    "l": (r"\d+", None),
    "e": (r"[0-9A-Z]{5}", "sqlstate"),
    "x": (r"\d+", None),
    "v": (r"[\d/]*", None),
    "Q": (r"-?\d+", "query_id"),
    "r": (r"[^\s()]*(?:\(\d+\))?", None),
}
#: Those that hold a name, which may contain what stands behind it.
_NAMES: Final = {
    "u": "user", "d": "database", "a": "application", "h": None, "L": None, "b": None, "i": None,
}  # fmt: skip
#: What a record keeps of its prefix.
FIELDS: Final = ("time", "pid", "user", "database", "application", "sqlstate", "query_id")
_LONGEST_PREFIX: Final = 300
_USUAL: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(\d{{4}}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{{1,6}})?(?: {_ZONE})?)",
        r"(?:[\[(]|\bpid[=: ])(\d{1,10})\b",
        r"(?:\buser[=:]|\bu=|(?=[\w.-]{1,63}@))([\w.-]{1,63})",
        r"(?:\b(?:db|database)[=:]|\bd=|[\w.-]@)([\w.-]{1,63})",
        r"\b(?:app|application|application_name)[=:]([^,;\]]{1,63})",
        r"\b(?:sqlstate|state|e)[=:]([0-9A-Z]{5})\b",
        r"\b(?:queryid|query_id|qid)[=:](-?\d{1,20})\b",
    )
)
_NAME: Final = rf"[^\n]{{0,{MOST_BYTES}}}?"
_ESCAPE = re.compile(r"%(-?\d+)?([a-zA-Z%])")


def prefix_pattern(prefix: str) -> str:
    """Return the pattern of what a `log_line_prefix` writes, with a named group for each thing that a record keeps."""
    parts: list[str] = []
    position, kept, session_only = 0, set[str](), False
    while position < len(prefix):
        escape = _ESCAPE.match(prefix, position)
        if escape is None:
            parts.append(re.escape(prefix[position]))
            position += 1
            continue
        position = escape.end()
        letter = escape[2]
        if letter == "q":
            parts.append("(?:")
            session_only = True
            continue
        found = r"%" if letter == "%" else _escape_pattern(letter, kept)
        parts.append(rf" *{found} *" if escape[1] else found)
    return "".join(parts) + (")?" if session_only else "")


def _escape_pattern(letter: str, kept: set[str]) -> str:
    pattern, name = (_NAME, _NAMES[letter]) if letter in _NAMES else _ESCAPES.get(letter, ("", None))
    if name is None or name in kept:
        return f"(?:{pattern})"
    kept.add(name)
    return f"(?P<{name}>{pattern})"


def record_pattern(prefix: str | None) -> re.Pattern[str]:
    """Return the pattern of a part of a record: prefix, severity or name of the part, and text with its further lines.

    The server puts a tab before each further line. Without a prefix, it is what stands before the first such word, as
    the group `prefix`, see `prefix_fields`.
    """
    words = "|".join((*SEVERITIES, *PARTS))
    before = rf"(?P<prefix>[^\t\n][^\n]{{0,{_LONGEST_PREFIX}}}?)" if prefix is None else prefix_pattern(prefix)
    return re.compile(rf"^{before}(?P<word>{words}):  (?P<text>[^\n]*(?:\n\t[^\n]*)*)", re.MULTILINE)


def prefix_fields(prefix: str) -> tuple[str | None, ...]:
    """Find in a prefix of unknown form what a record keeps, in the order of FIELDS, by how it is usually written."""
    return tuple(found[1] if (found := pattern.search(prefix)) else None for pattern in _USUAL)


def find_pattern(sample: str) -> re.Pattern[str] | None:
    """Return the pattern of a log's records: of a known prefix, or of any in which a time or a process is."""
    prefix = find_prefix(sample)
    if prefix is not None:
        return record_pattern(prefix)
    pattern = record_pattern(None)
    is_log = any(any(prefix_fields(found["prefix"])[:2]) for found in pattern.finditer(sample))
    return pattern if is_log else None


def find_prefix(sample: str) -> str | None:
    """Return the known prefix that most lines of a log have, and of several that one of which they say most."""
    says = {
        prefix: sum(len([each for each in found.groups() if each]) for found in record_pattern(prefix).finditer(sample))
        for prefix in KNOWN
    }
    return max((prefix for prefix in KNOWN if says[prefix]), key=lambda prefix: says[prefix], default=None)
