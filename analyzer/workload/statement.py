"""A statement with its counters, what it weighs, and the workload that statements are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from analyzer.documents.snapshot import LoggedStatement, NotExamined
from analyzer.documents.weights import Weight

StatementKind = Literal["select", "insert", "update", "delete", "merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One normalised query with its counters."""

    #: twindex's fingerprint: the same for every constant, comment and major version.
    id: str
    #: None for a statement that no server recorded.
    queryid: str | None
    #: As recorded.
    text: str
    #: What EXPLAIN (GENERIC_PLAN) is given.
    plannable: str
    calls: float
    #: None when no server measured it.
    total_ms: float | None
    rows: int | None
    #: Standard deviation of one execution's time over all of them, as pg_stat_statements has it.
    stddev_ms: float | None = None
    #: Pages it read that were not in shared buffers, in all executions.
    blocks_read: int | None = None
    #: Those and the ones that were, in all executions.
    blocks: int | None = None
    #: A select whose WITH clause writes has the kind of the write.
    kind: StatementKind
    #: Highest parameter number in `plannable`.
    parameters: int
    #: Schemas in which its tables are looked up; None where they are those of the capturing session.
    search_path: tuple[str, ...] | None = None
    #: False for one that a function runs; what is no column in it is a variable.
    toplevel: bool = True
    #: Of its time, that of statements which its functions run and which are counted themselves.
    nested_ms: float = 0.0
    #: What `plannable` is with known keys of JSON columns in the place of its parameters for keys.
    variants: tuple[str, ...] = ()
    #: Columns of whose keys nothing is known.
    unknown_keys: tuple[str, ...] = ()
    #: What the server's log tells of it, with bindings for the parameters of this text.
    logged: LoggedStatement | None = field(default=None, compare=False)
    #: Whether the log alone has it.
    only_logged: bool = False
    #: Whether its constants are the values of one execution, as those in a plan are.
    is_of_one_execution: bool = False
    #: Where it stands for several statements of one shape, those, heaviest first; its ID and text are the heaviest's.
    members: "tuple[Statement, ...]" = field(default=(), compare=False)
    weigh_by: Weight = field(default="time", compare=False)

    @property
    def stands_for(self) -> "tuple[Statement, ...]":
        """Its members, or itself where it stands for no other."""
        return self.members or (self,)

    @property
    def weight(self) -> float:
        """The weight of the statement: its own time if it was measured, else its calls; or what else is asked for."""
        return weight_of(
            self.weigh_by, calls=self.calls, total_ms=self.total_ms, nested_ms=self.nested_ms, blocks=self.blocks
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnparsedStatement:
    """A statement that cannot be planned, and the reason."""

    #: Of this very text, which has no fingerprint.
    id: str
    text: str
    reason: str
    #: As that of a statement.
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The statements to optimise, and those that were not examined."""

    statements: tuple[Statement, ...]
    not_examined: tuple[NotExamined, ...] = ()
    #: Of the recorded statements that were not examined.
    unread_weight: float = 0.0
    #: The ID of each recorded statement, read or not, by its queryids.
    identities: Mapping[str, str] = field(default_factory=dict[str, str])
    weigh_by: Weight = "time"

    @property
    def weighed_by(self) -> Weight:
        """What the shares are shares of: without any time, of calls."""
        is_timed = any(each.total_ms is not None for each in self.statements) or not self.statements
        return "calls" if self.weigh_by == "time" and not is_timed else self.weigh_by

    @property
    def shares(self) -> Mapping[Statement, float]:
        """Return what share of all that was recorded each statement takes."""
        total = sum(statement.weight for statement in self.statements) + self.unread_weight
        return {each: each.weight / total if total else 0.0 for each in self.statements}


def weighed(workload: Workload, weigh_by: Weight) -> Workload:
    """Return a workload all of whose statements were read, with other weights."""
    statements = tuple(replace(each, weigh_by=weigh_by) for each in workload.statements)
    return replace(workload, statements=statements, weigh_by=weigh_by)


def weight_of(weigh_by: Weight, *, calls: float, total_ms: float | None, nested_ms: float, blocks: int | None) -> float:
    own_ms = None if total_ms is None else max(0.0, total_ms - nested_ms)
    if weigh_by == "blocks":  # those of nested statements are taken to be as many as their time says
        return (blocks or 0) * (own_ms / total_ms if own_ms is not None and total_ms else 1.0)
    return calls if own_ms is None or weigh_by == "calls" else own_ms


def add_up(first: Statement, second: Statement) -> Statement:
    """Return one statement for two that are the same to the planner: the heavier, with the counters of both."""
    heavier = max(first, second, key=lambda statement: statement.weight)
    return replace(
        heavier,
        calls=first.calls + second.calls,
        total_ms=None if first.total_ms is None or second.total_ms is None else first.total_ms + second.total_ms,
        rows=_sum(first.rows, second.rows),
        stddev_ms=_merged_stddev(first, second),
        blocks_read=_sum(first.blocks_read, second.blocks_read),
        blocks=_sum(first.blocks, second.blocks),
        toplevel=first.toplevel and second.toplevel,
        nested_ms=first.nested_ms + second.nested_ms,
        only_logged=first.only_logged and second.only_logged,
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _merged_stddev(first: Statement, second: Statement) -> float | None:
    """Return the deviation over the executions of both: what each spreads, and how far their means lie apart."""
    calls = first.calls + second.calls
    if None in (first.stddev_ms, second.stddev_ms, first.total_ms, second.total_ms) or not calls:
        return None
    apart = _mean_ms(first) - _mean_ms(second)
    spread = first.calls * (first.stddev_ms or 0) ** 2 + second.calls * (second.stddev_ms or 0) ** 2
    return math.sqrt(spread / calls + apart**2 * first.calls * second.calls / calls**2)


def _mean_ms(statement: Statement) -> float:
    return (statement.total_ms or 0) / statement.calls if statement.calls else 0.0
