"""What a log says of one statement, added up in bounded memory, however many values there are.

Of its values a statement keeps those that occur most (Misra and Gries, "Finding repeated elements", 1982: whatever is
more than a 17th of the calls is found; the totals of parts of a log merge as in Agarwal and others, "Mergeable
summaries", 2012) and those of its slowest calls.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Final

from analyzer.documents.server_log import MOST_BINDINGS
from analyzer.workload.log_events import Execution
from analyzer.workload.log_lines import Session
from analyzer.workload.log_times import Boundary

#: When a session executed something; the time as it is written.
Call = tuple[str | None, Session, Execution]

#: A longer text, or longer values, are no binding.
_LONGEST_BINDING: Final = 8_000
_FREQUENT: Final = 16
_SLOWEST: Final = 4
#: As many of the frequent runs are kept at least.
_EXAMPLES: Final = MOST_BINDINGS // 2
_MOST_SESSIONS: Final = 64


@dataclass(slots=True)
class Run:
    """One spelling and its values, with the calls that had both."""

    text: str
    parameters: str | None
    calls: int
    total_ms: float
    #: The counter of Misra and Gries.
    credit: int = 1

    def __reduce__(self) -> tuple[type["Run"], tuple[str, str | None, int, float, int]]:
        """Be sent by a worker in the few bytes that the fields take."""
        return Run, (self.text, self.parameters, self.calls, self.total_ms, self.credit)


@dataclass(slots=True)
class Earlier:
    """What of a statement's executions was before the counters began that the log stands beside."""

    calls: int = 0
    timed: int = 0
    total_ms: float = 0.0
    squares: float = 0.0

    def add(self, other: "Earlier") -> None:
        """Add executions."""
        self.calls += other.calls
        self.timed += other.timed
        self.total_ms += other.total_ms
        self.squares += other.squares


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
    sessions: dict[Session, None] = field(default_factory=dict[Session, None])
    #: Calls by the power of 2 of their microseconds.
    durations: Counter[int] = field(default_factory=Counter[int])
    #: By what differs: parameters as logged, or the text.
    frequent: dict[str, Run] = field(default_factory=dict[str, Run])
    slowest: dict[str, tuple[float, Run]] = field(default_factory=dict[str, "tuple[float, Run]"])
    #: Milliseconds of the fastest of the slowest calls.
    slow: float = -1.0
    #: Characters of its text and its runs.
    size: int = 0
    earlier: Earlier | None = None

    def __reduce__(self) -> tuple[type["StatementTotals"], tuple[Any, ...]]:
        """Be sent by a worker in the few bytes that the fields take."""
        return StatementTotals, _FIELDS(self)

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
        rest, near = self.durations.copy(), [magnitude(run.total_ms / run.calls) for run in runs]
        for run, place in zip(runs, near, strict=True):
            rest[place] = max(rest[place] - run.calls, 0)
        weights = [float(run.calls) for run in runs]
        others = max(self.calls - sum(run.calls for run in runs), 0)
        each_counts = others / rest.total() if rest.total() else 0.0  # calls of one run differ in magnitude as well
        for place, calls in rest.items():
            least = min(abs(each - place) for each in near)
            nearest = [run for run, each in enumerate(near) if abs(each - place) == least]
            rare = [run for run in nearest if runs[run].calls * _FREQUENT < self.calls]
            nearest = rare or nearest
            for run in nearest:
                weights[run] += each_counts * calls / len(nearest)
        return [weight / sum(weights) for weight in weights]

    def add(self, calls: Sequence[Call], boundary: Boundary | None = None) -> None:
        """Count executions; those before the boundary apart as well."""
        whole = [call for call in calls if call[2].phase == "execute"]
        if len(whole) < len(calls):
            self._add_phases(calls)
        if not whole:
            return
        times = [time for time, _, _ in whole if time is not None]
        if times:
            self.see(min(times))
            self.see(max(times))
        self._add_sessions(dict.fromkeys([session for _, session, _ in whole]))
        if boundary is not None:
            self._add_earlier([said for time, _, said in whole if boundary.is_before(time)])
        begun = [said for _, _, said in whole if not said.continued]
        if len(begun) < len(whole):
            self.total_ms += sum([said.ms or 0.0 for _, _, said in whole if said.continued])
        self._add_executions(begun)

    def _add_executions(self, executions: Sequence[Execution]) -> None:
        timed = [each.ms for each in executions if each.ms is not None]
        self.calls += len(executions)
        self.timed += len(timed)
        self.total_ms += sum(timed)
        self.squares += sum([ms * ms for ms in timed])
        self.durations.update([int(ms * 1000).bit_length() for ms in timed])
        if len(timed) < len(executions):
            self.durations[0] += len(executions) - len(timed)
        self.prepared += sum([each.named for each in executions])
        runs: dict[str, Run] = {}
        slowest: list[tuple[float, str, Run]] = []
        own, slow = self.text, self.slow
        for sent, duration, _, parameters, _, _ in executions:
            if sent == own:
                text = own  # one like it would take as much memory again
            else:
                text, self.has_others = sent, True
            ms, key = duration or 0.0, parameters or text
            if len(key) > _LONGEST_BINDING or len(text) > _LONGEST_BINDING:
                continue
            run = runs.get(key)
            if run is None:
                run = runs[key] = Run(text, parameters, 1, ms)
            else:
                run.calls += 1
                run.total_ms += ms
                run.credit += 1
            if ms > slow:
                slowest.append((ms, key, run))
        self._add_runs(slowest, runs)

    def merge(self, later: "StatementTotals") -> None:
        """Add what a later part of the log says of the statement."""
        self.parses += later.parses
        self.parse_ms += later.parse_ms
        self.binds += later.binds
        self.bind_ms += later.bind_ms
        if later.last_seen is None and not later.calls:
            return
        self.has_others = self.has_others or later.has_others or later.text != self.text
        self.calls += later.calls
        self.timed += later.timed
        self.total_ms += later.total_ms
        self.squares += later.squares
        self.prepared += later.prepared
        self.see(later.first_seen)
        self.see(later.last_seen)
        self._add_sessions(later.sessions)
        for place, calls in later.durations.items():
            self.durations[place] += calls
        if later.earlier is not None:
            self.earlier = self.earlier or Earlier()
            self.earlier.add(later.earlier)
        self._add_runs([(ms, key, run) for key, (ms, run) in later.slowest.items() if ms > self.slow], later.frequent)

    def see(self, time: str | None) -> None:
        """Take the time of a call into the span of all."""
        if time is None:
            return
        if self.last_seen is None or time > self.last_seen:
            self.last_seen = time
        if self.first_seen is None or time < self.first_seen:
            self.first_seen = time

    def _add_phases(self, calls: Sequence[Call]) -> None:
        for _, _, said in calls:
            if said.phase == "parse":
                self.parses += 1
                self.parse_ms += said.ms or 0.0
            elif said.phase == "bind":
                self.binds += 1
                self.bind_ms += said.ms or 0.0

    def _add_sessions(self, sessions: Iterable[Session]) -> None:
        for session in sessions:
            if len(self.sessions) < _MOST_SESSIONS:
                self.sessions[session] = None

    def _add_earlier(self, executions: Sequence[Execution]) -> None:
        if not executions:
            return
        earlier = self.earlier = self.earlier or Earlier()
        for each in executions:
            ms = each.ms or 0.0
            earlier.total_ms += ms
            if not each.continued:
                earlier.calls += 1
                earlier.timed += each.ms is not None
                earlier.squares += ms * ms

    def _add_runs(self, slowest: list[tuple[float, str, Run]], runs: Mapping[str, Run]) -> None:
        if self._add_slowest(slowest) | self._add_frequent(runs):
            kept = (*self.frequent.values(), *[run for _, run in self.slowest.values()])
            self.size = len(self.text) + sum([len(run.text) + len(run.parameters or "") for run in kept])

    def _add_frequent(self, runs: Mapping[str, Run]) -> bool:
        """Add up both counters of each run, and take off all what the most frequent one has that is not kept.

        Some that have nothing left are kept as examples; they give way to whatever occurs more. Returns whether others
        are kept than before.
        """
        before = len(self.frequent)
        for key, run in runs.items():
            known = self.frequent.get(key)
            if known is None:
                run.text = self._own(run.text)
                self.frequent[key] = run
            else:
                known.calls += run.calls
                known.total_ms += run.total_ms
                known.credit += run.credit
        if len(self.frequent) > _FREQUENT:
            ordered = sorted(self.frequent.items(), key=_credit, reverse=True)
            rest = ordered[_FREQUENT][1].credit
            del ordered[_FREQUENT:]
            for _, run in ordered:
                run.credit = max(run.credit - rest, 0)
            kept = sum([run.credit > 0 for _, run in ordered])
            self.frequent = dict(ordered[: max(kept, _EXAMPLES)])
            return True
        return len(self.frequent) > before

    def _add_slowest(self, calls: list[tuple[float, str, Run]]) -> bool:
        """Keep the slowest calls, one of each run; return whether others are kept than before."""
        is_changed = False
        for ms, key, run in sorted(calls, key=_ms, reverse=True):
            if ms <= self.slow:
                break
            if key in self.slowest:
                continue
            run.text = self._own(run.text)
            self.slowest[key] = ms, run
            is_changed = True
            if len(self.slowest) > _SLOWEST:
                del self.slowest[min(self.slowest, key=lambda each: (self.slowest[each][0], each))]
                self.slow = min([each for each, _ in self.slowest.values()])
        return is_changed

    def _own(self, text: str) -> str:
        """Return the statement's own text for one like it, which would take as much memory again."""
        if text == self.text:
            return self.text
        self.has_others = True
        return text


_FIELDS: Final[Callable[[StatementTotals], tuple[Any, ...]]] = attrgetter(
    *(each.name for each in fields(StatementTotals))
)


def _credit(named: tuple[str, Run]) -> int:
    return named[1].credit


def _ms(call: tuple[float, str, Run]) -> float:
    return call[0]


def magnitude(ms: float) -> int:
    """Return the power of 2 that a duration is near, of microseconds."""
    return int(ms * 1000).bit_length()


@dataclass(slots=True)
class IncidentTotals:
    """How often something happened to a statement."""

    count: int = 0
    total: float = 0.0
    first_seen: str | None = None
    last_seen: str | None = None

    def add(self, count: int, total: float, first_seen: str | None, last_seen: str | None) -> None:
        """Add so many between two times."""
        self.count += count
        self.total += total
        for time in (first_seen, last_seen):
            if time is not None:
                self.first_seen = time if self.first_seen is None else min(self.first_seen, time)
                self.last_seen = time if self.last_seen is None else max(self.last_seen, time)
