"""The document of `propose`, and the proposals that a report shows as well."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import JsonValue, computed_field

from analyzer.documents.member import Member
from analyzer.documents.not_examined import Gaps, share_of
from analyzer.documents.plans import GivenPlan
from analyzer.documents.provenance import Provenance
from analyzer.documents.record import Record, ratio
from analyzer.documents.server_log import LogSection
from analyzer.documents.statistics_advice import AnalyzeAdvice, StatisticsProposal
from analyzer.documents.weights import Weight
from analyzer.documents.write_costs import Upkeep

Evidence = Literal["planner estimate", "measured", "withheld"]

_METHOD = re.compile(r"\sUSING\s+(\w+)", re.IGNORECASE)


class NotProposed(Record):
    """A candidate that was examined and refused."""

    #: None for several, which the reason counts.
    ddl: str | None
    reason: str


def _weighted(values: Iterable[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in values if value is not None]
    weights = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / weights if weights else None


class HelpedStatement(Record):
    """A statement that a change affects, alone of its kind or after the changes before it."""

    id: str
    queryid: str | None
    query: str
    calls: int
    share_of_time: float
    #: Of one execution, before and after this change.
    cost_before: float
    cost_after: float
    #: EXPLAIN (FORMAT JSON).
    plan_before: JsonValue = None
    plan_after: JsonValue = None
    #: Mean of the recorded executions, and the mean expected after this proposal: the part above the workload's floor
    #: changes as the cost does. None when no times were recorded.
    recorded_ms: float | None = None
    expected_ms: float | None = None
    #: Mean of the measured executions before and after everything that was built; None when not measured.
    mean_ms_before: float | None = None
    mean_ms_after: float | None = None
    #: Where it stands for several statements of one shape, those; its counters are their sums, its text the heaviest's.
    members: tuple[Member, ...] = ()

    @computed_field
    @property
    def predicted_ratio(self) -> float | None:
        """Return how many times faster it is expected to be; without recorded times, how many times cheaper."""
        return ratio(self.recorded_ms, self.expected_ms) or ratio(self.cost_before, self.cost_after)

    @property
    def predicts_time(self) -> bool:
        """Say whether the predicted ratio is one of times, not of costs."""
        return self.recorded_ms is not None and self.expected_ms is not None

    @computed_field
    @property
    def measured_ratio(self) -> float | None:
        """Return how many times faster it was measured to be."""
        return ratio(self.mean_ms_before, self.mean_ms_after)


class Alternative(Record):
    """An index that could have been proposed in the place of another one."""

    ddl: str
    size_bytes: int
    #: In that place, by the plans that are known, as a share of the workload's cost without any proposal.
    saves: float


class Risk(Record):
    """A change of a plan of the kind that most regressions come from."""

    pattern: Literal["nested loop", "limit", "parallel", "memory", "lossy", "partitions"]
    #: Identity of the statement.
    statement: str
    text: str


class FrontierPoint(Record):
    """A set of candidates that no known one of its size is better than."""

    size_bytes: int
    indexes: int
    #: Of the workload, upkeep included, as a share of that without any proposal.
    cost: float
    #: Whether it is the one that is proposed.
    proposed: bool = False


class Built(Record):
    """What building an index really took."""

    size_bytes: int | None = None
    build_seconds: float | None = None


class Proposal(Record):
    """A proposed index and its evidence."""

    ddl: str
    downgrade_ddl: str
    name: str
    #: Quoted, qualified.
    table: str
    #: Predicted; None when it could not be.
    size_bytes: int | None
    #: Of the workload's time: the part spent in the statements it helps.
    share_of_time: float
    statements: tuple[HelpedStatement, ...]
    #: Of the whole workload, before and after this proposal, in the order of application.
    cost_before: float
    cost_after: float
    reason: str
    caveats: tuple[str, ...] = ()
    #: Of the workload's cost without any proposal, upkeep deducted: alone, and beside all other proposals; None where
    #: unknown.
    saves_alone: float | None = None
    saves_beside: float | None = None
    #: The best first.
    alternatives: tuple[Alternative, ...] = ()
    risks: tuple[Risk, ...] = ()
    #: What the concurrent build that a revision writes holds on the table.
    lock_level: str = "SHARE UPDATE EXCLUSIVE"
    built: Built | None = None
    #: What the writes of the workload pay for it; not in `cost_after`.
    upkeep: Upkeep | None = None
    #: Indexes that exist and that it makes redundant: see the retirements.
    replaces: tuple[str, ...] = ()
    #: The one of them than which it has a single column more.
    extends: str | None = None

    @property
    def method(self) -> str:
        """Return the access method."""
        return found[1].lower() if (found := _METHOD.search(self.ddl)) else "btree"

    @computed_field
    @property
    def predicted_ratio(self) -> float | None:
        """Return how many times faster its statements are expected to be, weighted by calls; else how much cheaper."""
        if self.predicts_time:
            recorded = _weighted((statement.recorded_ms, statement.calls) for statement in self.statements)
            return ratio(recorded, _weighted((statement.expected_ms, statement.calls) for statement in self.statements))
        before = sum(statement.cost_before * statement.calls for statement in self.statements)
        return ratio(before, sum(statement.cost_after * statement.calls for statement in self.statements))

    @property
    def predicts_time(self) -> bool:
        """Say whether the predicted ratio is one of times, not of costs."""
        return all(statement.predicts_time for statement in self.statements)

    @computed_field
    @property
    def mean_ms_before(self) -> float | None:
        """Return the measured mean of the statements it helps before the change, weighted by calls."""
        return _weighted((s.mean_ms_before, s.calls) for s in self.statements if s.mean_ms_after is not None)

    @computed_field
    @property
    def mean_ms_after(self) -> float | None:
        """Return the measured mean of the statements it helps after the change, weighted by calls."""
        return _weighted((s.mean_ms_after, s.calls) for s in self.statements if s.mean_ms_before is not None)

    @computed_field
    @property
    def measured_ratio(self) -> float | None:
        """Return how many times faster the statements it helps were measured to be."""
        return ratio(self.mean_ms_before, self.mean_ms_after)

    @computed_field
    @property
    def evidence(self) -> Evidence:
        """Say what the gain rests on."""
        if self.measured_ratio is not None:
            return "measured"
        return "planner estimate" if self.predicted_ratio is not None else "withheld"


class ServerScans(Record):
    """How often one captured server has scanned an index."""

    server: str
    scans: int


class Retirement(Record):
    """An index that exists and can be dropped, with the evidence."""

    #: The drop, and what builds the index again.
    ddl: str
    downgrade_ddl: str
    name: str
    #: Quoted, qualified.
    table: str
    #: `replaced`: a proposed index takes its place; `redundant`: one that exists does; `unused`: no recorded statement
    #: needs it, and no captured server has scanned it; `dispensable`: the statements that read it do without.
    because: Literal["replaced", "redundant", "unused", "dispensable"]
    reason: str
    #: Names of the indexes that must be there before it is dropped.
    replaced_by: tuple[str, ...] = ()
    #: Freed by the drop; None when it could not be read.
    size_bytes: int | None
    #: Its stand-in's size less its own, where that is a proposal.
    net_bytes: int | None = None
    #: What the recorded writes pay for it, in planner units: the workload no longer has to.
    upkeep: float
    #: Counted by all captured servers together; None when one does not say.
    scans: int | None
    scans_by_server: tuple[ServerScans, ...] = ()
    #: Since when all captured servers count.
    scans_since: datetime | None = None
    #: Of the whole workload with all proposals, before and after this drop, in the order of application.
    cost_before: float
    cost_after: float
    #: Those that get another plan or cost, with all proposals, by the drop.
    statements: tuple[HelpedStatement, ...] = ()
    caveats: tuple[str, ...] = ()
    #: `file:line` of the spec that names it.
    declared: str | None = None


class Totals(Record):
    """All proposals together."""

    proposals: int
    #: Sum of the predicted sizes; real ones where an index was built.
    size_bytes: int
    #: How many proposals have no size in that sum.
    sizes_unknown: int
    #: Of the whole workload; None when nothing is proposed.
    cost_before: float | None
    cost_after: float | None


def add_up(proposals: tuple[Proposal, ...]) -> Totals:
    """Add up the proposals."""
    sizes = [p.built.size_bytes if p.built and p.built.size_bytes is not None else p.size_bytes for p in proposals]
    return Totals(
        proposals=len(proposals),
        size_bytes=sum(size for size in sizes if size is not None),
        sizes_unknown=sizes.count(None),
        cost_before=proposals[0].cost_before if proposals else None,
        cost_after=proposals[-1].cost_after if proposals else None,
    )


class ProposeDocument(Record):
    """What `twindex propose` says; proposals stand in the order of application."""

    format: Literal["twindex-proposals"] = "twindex-proposals"
    version: Literal[1] = 1
    provenance: Provenance
    proposals: tuple[Proposal, ...]
    #: Existing indexes that can be dropped once the proposals are built, in the order of application.
    retirements: tuple[Retirement, ...] = ()
    not_proposed: tuple[NotProposed, ...] = ()
    #: Recorded statements that read no table, such as SELECT 1 and a driver's looks into the catalog; listed nowhere.
    tableless: int = 0
    #: Plans that the statements come from.
    plans: tuple[GivenPlan, ...] = ()
    #: What files of the server's log told; None where none were given.
    log: LogSection | None = None
    not_examined: Gaps = ()
    #: What every `share_of_time` of this document is a share of, in truth.
    weighed_by: Weight = "time"
    #: How much cheaper, as a share of its cost with the proposals, the workload could be with the best set of the same
    #: candidates within the same limits, as far as their plans are known; None where the search did not end.
    gap: float | None = None
    #: What the workload would cost with other sizes, the smallest first; empty where the search did not end.
    frontier: tuple[FrontierPoint, ...] = ()
    #: Extended statistics that change plans, with the proposals above in place.
    statistics: tuple[StatisticsProposal, ...] = ()
    #: Tables that the statements read and whose statistics are missing or stale.
    analyze: tuple[AnalyzeAdvice, ...] = ()

    @computed_field
    @property
    def totals(self) -> Totals:
        """Add up the proposals."""
        return add_up(self.proposals)

    @computed_field
    @property
    def share_not_examined(self) -> float:
        """Return what share of the recorded time, or calls or blocks, is that of statements that were not examined."""
        return share_of(self.not_examined)
