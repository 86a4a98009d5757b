"""What a record of a server's log says: how long a statement took and with which values, or what happened to it."""

import re
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from analyzer.documents.server_log import EventKind
from analyzer.workload.log_lines import FAILURES, LogRecord

Phase = Literal["parse", "bind", "execute"]

#: Statements begun whose duration has not been logged yet, one a process.
_MOST_BEGUN: Final = 10_000


class Execution(NamedTuple):  # one for each line of a log: a frozen dataclass takes longer to make
    """A statement that ran, or a phase of it that the extended query protocol times apart."""

    text: str
    #: None when the log has no duration of it.
    ms: float | None
    phase: Phase = "execute"
    #: `$1 = '…', $2 = NULL`, as logged.
    parameters: str | None = None
    #: It is a named prepared statement.
    named: bool = False
    #: It goes on where the one before it, of the same portal, ended.
    continued: bool = False


class LoggedPlan(NamedTuple):
    """What auto_explain wrote: a plan in any of EXPLAIN's formats, with its Query Text."""

    text: str
    ms: float
    query_id: str | None = None


class Incident(NamedTuple):
    """What happened to a statement."""

    kind: EventKind
    detail: str
    statement: str | None
    #: Bytes or milliseconds.
    amount: float = 0.0
    #: How often it counts: the end of a wait adds its time to the event that its beginning was.
    times: int = 1


Event = Execution | LoggedPlan | Incident

_DURATION = re.compile(
    r"duration: ([\d.]{1,20}) ms"
    r"(?:  (?:(?P<simple>statement): |(?P<phase>parse|bind|execute) (?P<fetch>fetch from )?(?P<name>[^\n]{0,200}?): "
    r"|(?P<plan>plan):\n))?"
)
_BEGUN = re.compile(r"(?:statement|execute (?P<fetch>fetch from )?(?P<name>[^\n]{0,200}?)): ")
_TEMPORARY = re.compile(r'temporary file: path "[^\n]{1,4096}", size (\d{1,18})(?: at character \d+)?$')
_WAIT = re.compile(
    r"process \d+ (?P<state>still waiting for|acquired) (?P<mode>\w+) on "
    r"(?P<object>[a-z ]+?)(?: [\d(][^\n]*?)?(?: of relation (?P<of>\d+))?(?: of database \d+)? "
    r"after (?P<ms>[\d.]{1,20}) ms(?: at character \d+)?$"
)
_RELATION = re.compile(r"on relation (\d+) of database")
_PARAMETERS = re.compile(r"[Pp]arameters: ")
_PREPARE = re.compile(r"prepare: PREPARE\s.*?\sAS\s+(?P<query>.*)", re.DOTALL | re.IGNORECASE)
_ARGUMENTS = re.compile(r'EXECUTE\s+(?:\w+|"(?:[^"]|"")+")\s*(?:\((?P<arguments>.*)\))?$', re.DOTALL | re.IGNORECASE)
#: Longer messages are not those of the server.
_LONGEST_WAIT: Final = 1_000
_LONGEST_EXECUTE: Final = 10_000
_UNNAMED: Final = "<unnamed>"

#: Messages that tell their SQLSTATE where the log does not, and the incident that each is.
_MESSAGES: Final[tuple[tuple[str, str, EventKind, str], ...]] = (
    ("canceling statement due to statement timeout", "57014", "canceled statement", "statement_timeout"),
    ("canceling statement due to user request", "57014", "canceled statement", "user request"),
    ("canceling statement due to lock timeout", "55P03", "canceled statement", "lock_timeout"),
    ("canceling autovacuum task", "57014", "canceled statement", "autovacuum"),
    ("canceling statement due to conflict with recovery", "40001", "replication conflict", ""),
    ("terminating connection due to conflict with recovery", "40001", "replication conflict", ""),
    ("deadlock detected", "40P01", "deadlock", ""),
    ("duplicate key value violates unique constraint", "23505", "error", "23505"),
    ("could not serialize access", "40001", "error", "40001"),
)


@dataclass(slots=True)
class EventReader:
    """Reads events out of records, in their order; it remembers which statement a process began."""

    #: What is not understood, and how often; counted here.
    skipped: Counter[str]
    _begun: OrderedDict[str, tuple[LogRecord, Execution]] = field(
        default_factory=OrderedDict[str, "tuple[LogRecord, Execution]"]
    )

    def events(self, record: LogRecord) -> Sequence[tuple[LogRecord, Event]]:
        """Return what a record says, with the record that says of whom."""
        message = record.message
        if record.severity in FAILURES:
            return ((record, _failure(record)),)
        if message.startswith("duration: "):
            return self._timed(record)
        if message.startswith("process "):
            wait = _wait(message, record.statement)
            return ((record, wait),) if wait is not None else ()
        if message.startswith("temporary file: "):
            found = _TEMPORARY.match(message)
            return ((record, Incident("temporary file", "", record.statement, float(found[1]))),) if found else ()
        begun = _BEGUN.match(message)
        return self._begin(record, begun) if begun is not None else ()

    def rest(self) -> Sequence[tuple[LogRecord, Event]]:
        """Return the statements that have no duration."""
        rest = tuple(self._begun.values())
        self._begun.clear()
        return rest

    def _timed(self, record: LogRecord) -> Sequence[tuple[LogRecord, Event]]:
        found = _DURATION.match(record.message)
        if found is None:
            self.skipped["durations that cannot be read"] += 1
            return ()
        number, is_simple, phase, fetch, name, is_plan = found.groups()
        ms, text = _number(number), record.message[found.end() :]
        if phase:
            return ((record, _extended(text, ms, phase, name, record.detail, fetch=fetch)),)
        if is_simple:
            return ((record, _simple(text, ms, record.detail)),)
        if is_plan:
            return ((record, LoggedPlan(text, ms, record.query_id)),)
        if (begun := self._begun.pop(record.process or "", None)) is not None:
            first, execution = begun
            return ((first, execution._replace(ms=ms)),)
        reason = "durations that cannot be read" if text else "durations without a statement (log_duration)"
        self.skipped[reason] += 1
        return ()

    def _begin(self, record: LogRecord, found: re.Match[str]) -> Sequence[tuple[LogRecord, Event]]:
        process, text = record.process or "", record.message[found.end() :]
        before = self._begun.pop(process, None)
        self._begun[process] = (
            record,
            (
                _simple(text, None, record.detail)
                if found["name"] is None
                else _extended(text, None, "execute", found["name"], record.detail, fetch=found["fetch"])
            ),
        )
        if len(self._begun) > _MOST_BEGUN:
            return (self._begun.popitem(last=False)[1],)
        return (before,) if before is not None else ()


def _number(text: str) -> float:
    return float(text) if text.count(".") < 2 and text != "." else 0.0


def _simple(text: str, ms: float | None, detail: str | None) -> Execution:
    """Read a statement of the simple query protocol; of an EXECUTE, what was prepared."""
    prepared = _PREPARE.match(detail) if detail and len(text) < _LONGEST_EXECUTE else None
    arguments = _ARGUMENTS.match(text.strip(" \t\n;")) if prepared is not None else None
    if prepared is None or arguments is None:
        return Execution(text, ms)
    return Execution(prepared["query"], ms, parameters=_numbered(arguments["arguments"] or ""), named=True)


def _numbered(arguments: str) -> str | None:
    """Write the arguments of an EXECUTE as parameters are logged; None unless each is one constant."""
    values = _ARGUMENT.findall(arguments)
    if _ARGUMENT.sub("", arguments).strip(" ,\n\t"):
        return None
    quoted = (value if value[0] == "'" or value.upper() == "NULL" else f"'{value}'" for value in values)
    return ", ".join(f"${number} = {value}" for number, value in enumerate(quoted, 1))


_ARGUMENT = re.compile(r"'(?:[^']|'')*'|-?\d[\d.eE+-]*|\b(?:true|false|null)\b", re.IGNORECASE)


def _extended(
    text: str, ms: float | None, phase: str, name: str, detail: str | None, *, fetch: str | None
) -> Execution:
    found = _PARAMETERS.match(detail) if detail else None
    return Execution(
        text,
        ms,
        "parse" if phase == "parse" else "bind" if phase == "bind" else "execute",
        detail[found.end() :] if detail and found else None,
        not name.startswith(_UNNAMED),
        bool(fetch),
    )


def _wait(message: str, statement: str | None) -> Incident | None:
    found = _WAIT.match(message) if len(message) < _LONGEST_WAIT else None
    if found is None:
        return None
    relation = _RELATION.search(message)
    on = found["of"] or (relation[1] if relation else None)
    detail = f"{found['mode']} on {found['object']}{f' {on}' if on else ''}"
    is_over = found["state"] == "acquired"
    return Incident("lock wait", detail, statement, _number(found["ms"]) if is_over else 0.0, 0 if is_over else 1)


def _failure(record: LogRecord) -> Incident:
    for begins, sqlstate, kind, detail in _MESSAGES:
        if record.message.startswith(begins) and record.sqlstate in (None, sqlstate):
            return Incident(kind, detail, record.statement)
    return Incident("error", record.sqlstate or "", record.statement)
