"""The documents that leave twindex: what `propose`, `whatif` and `report` say, as data.

Numbers are numbers, sizes are bytes, times say their unit, shares are 0 to 1, `cost` is planner units, and a queryid is
a string because an int64 is more than a JSON reader can be trusted with. A ratio is before divided by after: 4 means
four times cheaper or faster. Readers accept fields they do not know; a change they could misread raises `version`.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, JsonValue, computed_field

from analyzer.documents.record import Record, ratio
from analyzer.documents.verification import Verification

Evidence = Literal["planner estimate", "measured", "withheld"]
Severity = Literal["error", "warning", "info"]

_SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_METHOD = re.compile(r"\sUSING\s+(\w+)", re.IGNORECASE)


class NotExamined(Record):
    """Something that was not looked at, and why."""

    #: What, in words; the text of a statement belongs into `query`, where the query-text switch reaches it.
    what: str
    reason: str
    query: str | None = None


class NotProposed(Record):
    """A candidate that was examined and refused."""

    #: None for several, which the reason counts.
    ddl: str | None
    reason: str


class Capability(Record):
    """Something the server or the installation could, or could not, do for this document."""

    name: str
    available: bool
    note: str = ""


class Provenance(Record):
    """Where the facts come from, and what they cannot show."""

    tool_version: str
    #: `version()`, as printed.
    server_version: str
    server_role: Literal["primary", "replica"]
    database: str
    #: The database role that captured.
    captured_by: str
    #: The server's clock.
    captured_at: datetime
    #: Start of the window of the activity counters; None when the server cannot say.
    counters_since: datetime | None
    #: Start of the window of pg_stat_statements; None when the server cannot say.
    statements_since: datetime | None
    #: Entries pg_stat_statements dropped in that window; None when the server cannot say.
    statements_evicted: int | None
    #: Who answered the what-if questions, such as "PostgreSQL 18.6 twin (same major)".
    planner: str
    capabilities: tuple[Capability, ...] = ()


class Statement(Record):
    """One statement of the workload."""

    #: twindex's own fingerprint; the queryid changes between major versions.
    id: str
    queryid: str | None
    query: str
    calls: int
    total_ms: float
    mean_ms: float
    rows: int
    share_of_time: float
    #: Of one execution, as things are; None when it could not be planned.
    cost: float | None
    #: Of one execution with everything proposed; None when nothing was tried.
    cost_after: float | None = None


def _weighted(values: Iterable[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in values if value is not None]
    weights = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / weights if weights else None


class HelpedStatement(Record):
    """A statement that a proposal makes cheaper, alone of its kind or after the proposals before it."""

    id: str
    queryid: str | None
    query: str
    calls: int
    share_of_time: float
    #: Of one execution, before and after this proposal.
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
    #: What the concurrent build that a revision writes holds on the table.
    lock_level: str = "SHARE UPDATE EXCLUSIVE"
    built: Built | None = None

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


class Finding(Record):
    """What a check says about one object."""

    code: str
    severity: Severity
    #: Quoted, qualified.
    object: str
    message: str
    file: str | None = None
    line: int | None = None


class CheckCount(Record):
    """What one check looked at."""

    code: str
    examined: int
    skipped: int
    flagged: int
    #: Why it skipped what it skipped.
    skipped_because: tuple[str, ...] = ()


class WhatifStatement(Record):
    """One statement planned as things are, and as they would be."""

    id: str
    query: str
    cost_before: float | None
    cost_after: float | None
    plan_before: JsonValue = None
    plan_after: JsonValue = None
    error: str | None = None


def _by_share(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    return tuple(sorted(statements, key=lambda s: (-s.share_of_time, s.id)))


def _by_severity(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    def key(finding: Finding) -> tuple[int, str, str, str, int, str]:
        rank = _SEVERITIES.index(finding.severity)
        return rank, finding.code, finding.object, finding.file or "", finding.line or 0, finding.message

    return tuple(sorted(findings, key=key))


def _by_code(checks: tuple[CheckCount, ...]) -> tuple[CheckCount, ...]:
    return tuple(sorted(checks, key=lambda check: check.code))


def _by_what(gaps: tuple[NotExamined, ...]) -> tuple[NotExamined, ...]:
    return tuple(sorted(gaps, key=lambda gap: (gap.what, gap.reason, gap.query or "")))


Gaps = Annotated[tuple[NotExamined, ...], AfterValidator(_by_what)]


def _totals(proposals: tuple[Proposal, ...]) -> Totals:
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
    not_proposed: tuple[NotProposed, ...] = ()
    #: Recorded statements that read no table, such as SELECT 1 and a driver's looks into the catalog; listed nowhere.
    tableless: int = 0
    not_examined: Gaps = ()

    @computed_field
    @property
    def totals(self) -> Totals:
        """Add up the proposals."""
        return _totals(self.proposals)


class WhatifDocument(Record):
    """What `twindex whatif` says; statements stand in the order they were given."""

    format: Literal["twindex-whatif"] = "twindex-whatif"
    version: Literal[1] = 1
    provenance: Provenance
    statements: tuple[WhatifStatement, ...]
    #: Sums over the statements that could be planned both ways.
    total_before: float
    total_after: float
    not_examined: Gaps = ()


class Report(Record):
    """The index report: what was seen, what is proposed, what came of it."""

    format: Literal["twindex-report"] = "twindex-report"
    version: Literal[1] = 1
    provenance: Provenance
    statements: Annotated[tuple[Statement, ...], AfterValidator(_by_share)] = ()
    proposals: tuple[Proposal, ...] = ()
    verification: Verification | None = None
    findings: Annotated[tuple[Finding, ...], AfterValidator(_by_severity)] = ()
    checks: Annotated[tuple[CheckCount, ...], AfterValidator(_by_code)] = ()
    not_proposed: tuple[NotProposed, ...] = ()
    #: Recorded statements that read no table, such as SELECT 1 and a driver's looks into the catalog; listed nowhere.
    tableless: int = 0
    not_examined: Gaps = ()

    @computed_field
    @property
    def totals(self) -> Totals:
        """Add up the proposals."""
        return _totals(self.proposals)


Document = ProposeDocument | WhatifDocument | Report
