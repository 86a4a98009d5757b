"""What a record of a server's log says: how long a statement took and with which values, or what happened to it."""

import re
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
#: Since PostgreSQL 16, and before.
_PARAMETERS: Final = ("Parameters: ", "parameters: ")
_PREPARE = re.compile(r"prepare: PREPARE\s.*?\sAS\s+(?P<query>.*)", re.DOTALL | re.IGNORECASE)
_ARGUMENTS = re.compile(r'EXECUTE\s+(?:\w+|"(?:[^"]|"")+")\s*(?:\((?P<arguments>.*)\))?$', re.DOTALL | re.IGNORECASE)
_PHASES: Final[dict[str, Phase]] = {"parse": "parse", "bind": "bind", "execute": "execute"}
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


#: An event, with the record that says of whom.
Said = tuple[LogRecord, Event]


@dataclass(slots=True)
class EventReader:
    """Reads events out of records, in their order; it remembers which statement a process began."""

    #: What is not understood, and how often; counted here.
    skipped: Counter[str]
    begun: OrderedDict[str, tuple[LogRecord, Execution]] = field(
        default_factory=OrderedDict[str, "tuple[LogRecord, Execution]"]
    )
    #: How what a process had begun before the first record went on: its milliseconds, with the reason to skip a
    #: duration if nothing had begun; None where the process began something else.
    continued: dict[str, tuple[float | None, str]] = field(default_factory=dict[str, "tuple[float | None, str]"])

    def read(self, record: LogRecord) -> Said | None:
        """Return what a record says, if anything."""
        message = record.message
        if record.severity in FAILURES:
            return record, _failure(record)
        if message.startswith("duration: "):
            return self._timed(record)
        if message.startswith("process "):
            wait = _wait(message, record.statement)
            return (record, wait) if wait is not None else None
        if message.startswith("temporary file: "):
            found = _TEMPORARY.match(message)
            return (record, Incident("temporary file", "", record.statement, float(found[1]))) if found else None
        begun = _BEGUN.match(message)
        return self._begin(record, begun) if begun is not None else None

    def follow(self, later: "EventReader") -> Iterator[Said]:
        """Go on with what a later part of the log began, and yield what was begun before and ended there."""
        for process, (ms, reason) in later.continued.items():
            begun = self.begun.pop(process, None)
            if begun is not None:
                yield begun if ms is None else (begun[0], begun[1]._replace(ms=ms))
            elif ms is not None:
                self.skipped[reason] += 1
        for process, begun in later.begun.items():
            if (before := self._remember(process, begun)) is not None:
                yield before

    def rest(self) -> Sequence[Said]:
        """Return the statements that have no duration."""
        rest = tuple(self.begun.values())
        self.begun.clear()
        return rest

    def _timed(self, record: LogRecord) -> Said | None:
        message = record.message
        found = _DURATION.match(message)
        if found is None:
            self.skipped["durations that cannot be read"] += 1
            return None
        number, is_simple, phase, fetch, name, is_plan = found.groups()
        ms, text = _number(number), message[found.end() :]
        if is_simple:
            return record, _simple(text, ms, record.detail)
        if phase:
            return record, _extended(text, ms, phase, name, record.detail, fetch=fetch)
        if is_plan:
            return record, LoggedPlan(text, ms, record.session.query_id)
        return self._end(record.process or "", ms, has_text=bool(text))

    def _end(self, process: str, ms: float, *, has_text: bool) -> Said | None:
        begun = self.begun.pop(process, None)
        if begun is not None:
            return begun[0], begun[1]._replace(ms=ms)
        reason = "durations that cannot be read" if has_text else "durations without a statement (log_duration)"
        if process in self.continued or len(self.continued) >= _MOST_BEGUN:
            self.skipped[reason] += 1
        else:
            self.continued[process] = ms, reason
        return None

    def _begin(self, record: LogRecord, found: re.Match[str]) -> Said | None:
        process, text = record.process or "", record.message[found.end() :]
        execution = (
            _simple(text, None, record.detail)
            if found["name"] is None
            else _extended(text, None, "execute", found["name"], record.detail, fetch=found["fetch"])
        )
        if len(self.continued) < _MOST_BEGUN:
            self.continued.setdefault(process, (None, ""))
        return self._remember(process, (replace(record, message="", detail=None), execution))

    def _remember(self, process: str, begun: tuple[LogRecord, Execution]) -> Said | None:
        """Remember what a process began; return what now has no duration: its former statement, or the oldest."""
        before = self.begun.pop(process, None)
        self.begun[process] = begun
        return self.begun.popitem(last=False)[1] if len(self.begun) > _MOST_BEGUN else before


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


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
    parameters = detail[len(_PARAMETERS[0]) :] if detail and detail.startswith(_PARAMETERS) else None
    return Execution(text, ms, _PHASES[phase], parameters, not name.startswith(_UNNAMED), fetch is not None)


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
