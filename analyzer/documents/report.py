"""The index report.

Numbers are numbers, sizes are bytes, times say their unit, shares are 0 to 1, `cost` is planner units, and a queryid is
a string because an int64 is more than a JSON reader can be trusted with. A ratio is before divided by after: 4 means
four times cheaper or faster. Readers accept fields they do not know; a change they could misread raises `version`.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, computed_field

from analyzer.documents.findings import SEVERITIES, CheckCount, Finding
from analyzer.documents.member import Member
from analyzer.documents.not_examined import Gaps, share_of
from analyzer.documents.plans import GivenPlan
from analyzer.documents.proposals import FrontierPoint, NotProposed, Proposal, Retirement, Totals, add_up
from analyzer.documents.provenance import Provenance
from analyzer.documents.record import Record
from analyzer.documents.server_log import LogSection
from analyzer.documents.statistics_advice import AnalyzeAdvice, StatisticsProposal
from analyzer.documents.verification import Verification
from analyzer.documents.weights import Weight


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
    #: Whether it is in the server's log or in a plan, but not in pg_stat_statements.
    only_logged: bool = False
    #: Where it stands for several statements of one shape, those; its counters are their sums, its text the heaviest's.
    members: tuple[Member, ...] = ()


def _by_share(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    return tuple(sorted(statements, key=lambda s: (-s.share_of_time, s.id)))


def _by_severity(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    def key(finding: Finding) -> tuple[int, str, str, str, int, str]:
        rank = SEVERITIES.index(finding.severity)
        return rank, finding.code, finding.object, finding.file or "", finding.line or 0, finding.message

    return tuple(sorted(findings, key=key))


def _by_code(checks: tuple[CheckCount, ...]) -> tuple[CheckCount, ...]:
    return tuple(sorted(checks, key=lambda check: check.code))


class Report(Record):
    """The index report: what was seen, what is proposed, what came of it."""

    format: Literal["twindex-report"] = "twindex-report"
    version: Literal[1] = 1
    provenance: Provenance
    statements: Annotated[tuple[Statement, ...], AfterValidator(_by_share)] = ()
    proposals: tuple[Proposal, ...] = ()
    retirements: tuple[Retirement, ...] = ()
    verification: Verification | None = None
    findings: Annotated[tuple[Finding, ...], AfterValidator(_by_severity)] = ()
    checks: Annotated[tuple[CheckCount, ...], AfterValidator(_by_code)] = ()
    not_proposed: tuple[NotProposed, ...] = ()
    #: Recorded statements that read no table, such as SELECT 1 and a driver's looks into the catalog; listed nowhere.
    tableless: int = 0
    #: Plans that the statements come from, or that files and the log have of them.
    plans: tuple[GivenPlan, ...] = ()
    #: What files of the server's log told; None where none were given.
    log: LogSection | None = None
    not_examined: Gaps = ()
    #: What every `share_of_time` of this document is a share of, in truth.
    weighed_by: Weight = "time"
    #: See `ProposeDocument`.
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
