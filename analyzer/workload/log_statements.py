"""Add up what a log says of each statement, in bounded memory, however many statements and values there are.

Of its values a statement keeps those that occur most (Misra and Gries, "Finding repeated elements", 1982: whatever is
more than a 17th of the calls is found) and those of its slowest calls.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from analyzer.db import MARKER
from analyzer.documents.server_log import MOST_BINDINGS
from analyzer.postgres.carried_queries import is_query
from analyzer.postgres.lex import IncompleteError, lex, significant
from analyzer.workload.fingerprint import fingerprint
from analyzer.workload.log_events import Execution, Incident
from analyzer.workload.log_lines import LogRecord
from analyzer.workload.log_times import Boundary

#: As many as pg_stat_statements.max.
MOST_STATEMENTS: Final = 5_000
#: Of all statements and values of a table.
MOST_BYTES: Final = 64 * 1024**2
_LONGEST_STATEMENT: Final = 100_000
#: A longer text, or longer values, are no binding.
_LONGEST_BINDING: Final = 8_000
#: Spellings of statements that are remembered, to be fingerprinted once.
_MOST_SPELLINGS: Final = 20_000
_LONGEST_SPELLING: Final = 4_096
_FREQUENT: Final = 16
_SLOWEST: Final = 4
_MOST_INCIDENTS: Final = 5_000
_MOST_SESSIONS: Final = 64

_NAME: Final = r"\w$\u0080-\U0010ffff"
_ESCAPES: Final = rf"(?<=[eE]')(?<![{_NAME}][eE]')"
#: Constants, comments, and quoted names, in which neither begins. Its first characters are few: most are passed over.
_CONSTANT = re.compile(
    rf"""['"0-9/-](?:
    (?<=')(?:{_ESCAPES}(?:[^'\\]|\\.|'')*'|(?!{_ESCAPES})[^']*(?:''[^']*)*')
    |(?<=[0-9])(?<![{_NAME}.][0-9])(?:(?<=0)[xobXOB][0-9a-fA-F_]+
        |[0-9_]*(?:\.(?!\.)[0-9_]*)?(?:[eE][+-]?[0-9]+)?)(?![{_NAME}.])
    |(?<=")[^"]*"
    |(?<=-)-[^\r\n]*
    |(?<=/)\*(?:[^*]|\*(?!/))*\*/
    )""",
    re.DOTALL | re.ASCII | re.VERBOSE,
)
_BY = re.compile(r"\b[bB][yY]\b")
#: Dollar quotes, a comment within a comment, a string in several pieces, or behind a number without a space.
_BEYOND = re.compile(
    r"""[$/'0-9_.](?:
    (?<=\$)(?:[^\W\d]\w{0,62})?\$
    |(?<=/)\*(?:[^*]|\*(?!/))*?/\*
    |(?<=')[ \t\f\v]*(?:--[^\r\n]*)?[\r\n](?:\s|--[^\r\n]*[\r\n])*'
    |(?<=[0-9_.])[eE]'
    )""",
    re.DOTALL | re.VERBOSE,
)


def spelling(text: str) -> str:
    """Return a statement without its constants and comments; two that come out alike have the same fingerprint."""
    if _BEYOND.search(text):
        return text
    by = _BY.search(text)
    listing = by.start() if by is not None else len(text)
    is_commented = "--" in text

    def kept(found: re.Match[str]) -> str:
        match text[found.start()]:
            case "'":
                return "''"
            case '"':
                return found[0]
            case "-":
                return "--"
            case "/":
                return "/**/"
            case _:
                is_kept = found.start() > listing and (is_commented or _may_be_place(text, found.start()))
                return found[0] if is_kept else "0"

    return _CONSTANT.sub(kept, text)


def _may_be_place(text: str, index: int) -> bool:
    """Tell whether a number may stand for a column in a list of BY, and is no constant."""
    while text[index - 1].isspace():
        index -= 1
    return text[index - 1] in ",/" or text[index - 2 : index].lower() == "by"


def _brief(text: str) -> str:
    """Return a long text as its hash."""
    return text if len(text) <= _LONGEST_SPELLING else hashlib.sha256(text.encode()).hexdigest()


class Session(NamedTuple):
    """What the log says of a session that ran a statement, and the queryid."""

    user: str | None
    database: str | None
    application: str | None
    query_id: str | None


@dataclass(slots=True)
class Run:
    """One spelling and its values, with the calls that had both."""

    text: str
    parameters: str | None
    calls: int
    total_ms: float
    #: The counter of Misra and Gries.
    credit: int = 1

    @property
    def size(self) -> int:
        """How much of the memory it takes."""
        return len(self.text) + len(self.parameters or "")


@dataclass(slots=True)
class Earlier:
    """What of a statement's executions was before the counters began that the log stands beside."""

    calls: int = 0
    timed: int = 0
    total_ms: float = 0.0
    squares: float = 0.0


@dataclass(slots=True)
class StatementTotals:
    """What a log says of one statement."""

    id: str
    text: str
    #: Whether a call had another text than this.
    has_others: bool = False
    calls: int = 0
    timed: int = 0
    total_ms: float = 0.0
    squares: float = 0.0
    parses: int = 0
    parse_ms: float = 0.0
    binds: int = 0
    bind_ms: float = 0.0
    prepared: int = 0
    first_seen: str | None = None
    last_seen: str | None = None
    #: Whose sessions ran it: the first ones.
    sessions: set[Session] = field(default_factory=set[Session])
    #: Calls by the power of 2 of their microseconds.
    durations: Counter[int] = field(default_factory=Counter[int])
    #: By what differs: parameters as logged, or the text.
    frequent: dict[str, Run] = field(default_factory=dict[str, Run])
    slowest: dict[str, tuple[float, Run]] = field(default_factory=dict[str, "tuple[float, Run]"])
    #: Milliseconds of the fastest of the slowest calls.
    slow: float = -1.0
    size: int = 0
    earlier: Earlier | None = None

    @property
    def stddev_ms(self) -> float:
        """Return the standard deviation of the durations."""
        mean = self.total_ms / self.timed
        return math.sqrt(max(self.squares / self.timed - mean**2, 0.0))

    @property
    def other_calls(self) -> int:
        """Return how many calls had values that are not kept."""
        return max(self.calls - sum(run.calls for run in self.runs()), 0)

    def runs(self) -> list[Run]:
        """Return the runs kept, at most MOST_BINDINGS: half of them the slowest, the others the most frequent."""
        slow = sorted(self.slowest.items(), key=lambda each: (-each[1][0], each[0]))
        often = sorted(self.frequent.items(), key=lambda each: (-each[1].calls, each[0]))
        kept = {key: self.frequent.get(key, run) for key, (_, run) in slow[: MOST_BINDINGS // 2]}
        for key, run in often:
            if len(kept) < MOST_BINDINGS:
                kept.setdefault(key, run)
        return sorted(kept.values(), key=lambda run: (-run.calls, -run.total_ms, run.text, run.parameters or ""))

    def shares(self, runs: Sequence[Run]) -> list[float]:
        """Return which share of the calls each run stands for: its own, and those of others that took about as long."""
        rest, near = self.durations.copy(), [_magnitude(run.total_ms / run.calls) for run in runs]
        for run, magnitude in zip(runs, near, strict=True):
            rest[magnitude] = max(rest[magnitude] - run.calls, 0)
        weights = [float(run.calls) for run in runs]
        others = max(self.calls - sum(run.calls for run in runs), 0)
        each_counts = others / rest.total() if rest.total() else 0.0  # calls of one run differ in magnitude as well
        for magnitude, calls in rest.items():
            least = min(abs(each - magnitude) for each in near)
            nearest = [place for place, each in enumerate(near) if abs(each - magnitude) == least]
            rare = [place for place in nearest if runs[place].calls * _FREQUENT < self.calls]
            nearest = rare or nearest
            for place in nearest:
                weights[place] += each_counts * calls / len(nearest)
        return [weight / sum(weights) for weight in weights]


def _magnitude(ms: float) -> int:
    return int(ms * 1000).bit_length()


@dataclass(slots=True)
class IncidentTotals:
    """How often something happened to a statement."""

    count: int = 0
    total: float = 0.0
    first_seen: str | None = None
    last_seen: str | None = None


@dataclass(slots=True)
class StatementTable:
    """The statements of a log."""

    #: Statements of other databases are counted; None takes all.
    database: str | None = None
    most_bytes: int = MOST_BYTES
    #: Of times: executions before are counted apart as well.
    boundary: Boundary | None = None
    statements: dict[str, StatementTotals] = field(default_factory=dict[str, StatementTotals])
    #: By kind, detail and statement.
    incidents: dict[tuple[str, str, str | None], IncidentTotals] = field(
        default_factory=dict[tuple[str, str, "str | None"], IncidentTotals]
    )
    #: Statements that are no queries, by their first word; their texts may hold secrets and are not kept.
    utilities: Counter[str] = field(default_factory=Counter[str])
    skipped: Counter[str] = field(default_factory=Counter[str])
    _spellings: dict[str, str] = field(default_factory=dict[str, str])
    _size: int = 0

    def add(self, record: LogRecord, execution: Execution) -> str | None:
        """Count one execution, and return the ID of its statement; None if it is not counted."""
        if self.is_elsewhere(record):
            return None
        totals = self._find(execution.text, same_text=execution.parameters is not None)
        if totals is None:
            return None
        ms = execution.ms
        if execution.phase == "parse":
            totals.parses += 1
            totals.parse_ms += ms or 0.0
            return totals.id
        if execution.phase == "bind":
            totals.binds += 1
            totals.bind_ms += ms or 0.0
            return totals.id
        totals.first_seen, totals.last_seen = _span(totals.first_seen, totals.last_seen, record.time)
        session = Session(record.user, record.database, record.application, record.query_id)
        if session not in totals.sessions and len(totals.sessions) < _MOST_SESSIONS:
            totals.sessions.add(session)
        if self.boundary is not None and self.boundary.is_before(record.time):
            _count_earlier(totals, execution)
        if execution.continued:
            totals.total_ms += ms or 0.0
            return totals.id
        totals.calls += 1
        totals.has_others = totals.has_others or execution.text != totals.text
        totals.prepared += execution.named
        if ms is not None:
            totals.timed += 1
            totals.total_ms += ms
            totals.squares += ms * ms
        totals.durations[_magnitude(ms or 0.0)] += 1
        self._remember(totals, execution, ms or 0.0)
        if self._size > self.most_bytes:
            self._drop()
        return totals.id

    def is_continued(self, boundary: Boundary) -> bool:
        """Say whether a statement was executed after a moment."""
        return any(each.last_seen and not boundary.is_before(each.last_seen) for each in self.statements.values())

    def note(self, record: LogRecord, incident: Incident) -> None:
        """Count what happened to a statement, or to none that is logged."""
        if self.is_elsewhere(record):
            return
        totals = self._find(incident.statement, same_text=False) if incident.statement else None
        key = incident.kind, incident.detail, totals.id if totals is not None else None
        if key not in self.incidents and len(self.incidents) >= _MOST_INCIDENTS:
            key = incident.kind, incident.detail[:5], None
        found = self.incidents.setdefault(key, IncidentTotals())
        found.count += incident.times
        found.total += incident.amount
        found.first_seen, found.last_seen = _span(found.first_seen, found.last_seen, record.time)

    def is_elsewhere(self, record: LogRecord) -> bool:
        """Say whether a record is of another database; it is counted."""
        if self.database is None or record.database is None or record.database == self.database:
            return False
        self.skipped["records of other databases"] += 1
        return True

    def _find(self, text: str, *, same_text: bool) -> StatementTotals | None:
        """Return the totals of a statement; None of what is no query, which is counted."""
        identity = self._spellings.get(text)
        if identity is None and len(text) > _LONGEST_STATEMENT:
            identity = f"xstatements of more than {_LONGEST_STATEMENT:,} characters"
        elif identity is None:
            spelt = _brief(spelling(text))
            identity = self._spellings.get(spelt)
            if identity is None:
                identity = _identity(text)
                self._spell(spelt, identity)
            if (same_text or spelt == text) and len(text) <= _LONGEST_SPELLING:
                self._spell(text, identity)
        if identity[0] != "s":
            (self.utilities if identity[0] == "u" else self.skipped)[identity[1:]] += 1
            return None
        totals = self.statements.get(identity)
        if totals is None:
            if len(self.statements) >= MOST_STATEMENTS or self._size > self.most_bytes:
                self._drop()
            totals = self.statements[identity] = StatementTotals(identity, text, size=len(text))
            self._size += totals.size
        return totals

    def _spell(self, text: str, identity: str) -> None:
        if len(self._spellings) >= _MOST_SPELLINGS:
            for each in list(self._spellings)[: _MOST_SPELLINGS // 2]:
                del self._spellings[each]
        self._spellings[text] = identity

    def _remember(self, totals: StatementTotals, execution: Execution, ms: float) -> None:
        key = execution.parameters or execution.text
        if len(key) > _LONGEST_BINDING or len(execution.text) > _LONGEST_BINDING:
            return
        run = totals.frequent.get(key)
        if run is not None:
            run.calls += 1
            run.total_ms += ms
            run.credit += 1
        elif len(totals.frequent) < _FREQUENT:
            run = totals.frequent[key] = Run(execution.text, execution.parameters, 1, ms)
            self._grow(totals, run.size)
        else:
            self._make_room(totals)
        if ms > totals.slow and key not in totals.slowest:
            self._add_slow(totals, key, ms, run or Run(execution.text, execution.parameters, 1, ms))

    def _make_room(self, totals: StatementTotals) -> None:
        """Take one off every counter; what has none left is forgotten."""
        for key, run in [*totals.frequent.items()]:
            run.credit -= 1
            if not run.credit:
                del totals.frequent[key]
                self._grow(totals, -run.size)

    def _add_slow(self, totals: StatementTotals, key: str, ms: float, run: Run) -> None:
        totals.slowest[key] = ms, run
        self._grow(totals, run.size)
        if len(totals.slowest) > _SLOWEST:
            fastest = min(totals.slowest, key=lambda each: (totals.slowest[each][0], each))
            self._grow(totals, -totals.slowest.pop(fastest)[1].size)
            totals.slow = min(each for each, _ in totals.slowest.values())

    def _grow(self, totals: StatementTotals, size: int) -> None:
        totals.size += size
        self._size += size

    def _drop(self) -> None:
        """Drop the cheaper half of the statements."""
        ordered = sorted(self.statements.values(), key=lambda each: (each.total_ms, each.calls, each.id))
        for totals in ordered[: max(len(ordered) // 2, 1)]:
            del self.statements[totals.id]
            self._size -= totals.size
            self.skipped["statements beyond the most that are kept, the cheapest"] += 1


def _count_earlier(totals: StatementTotals, execution: Execution) -> None:
    earlier = totals.earlier = totals.earlier or Earlier()
    earlier.total_ms += execution.ms or 0.0
    if not execution.continued:
        earlier.calls += 1
        earlier.timed += execution.ms is not None
        earlier.squares += (execution.ms or 0.0) ** 2


def _span(first: str | None, last: str | None, time: str | None) -> tuple[str | None, str | None]:
    if time is None:
        return first, last
    if first is None or last is None:
        return time, time
    return min(first, time), max(last, time)


def _identity(text: str) -> str:
    """Return the fingerprint of a query; for anything else `u` and its first word, or `x` and why it is skipped."""
    if MARKER in text:
        return "xstatements of twindex"
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return "xstatements that cannot be read as SQL"
    if not is_query(tokens):
        first = next((token.word for token in tokens if token.text != "("), "")
        return f"u{first.upper()[:20]}"
    if any(token.text == ";" for token in tokens[:-1]):
        return "xseveral statements in one message, whose times cannot be separated"
    return fingerprint(tokens)
