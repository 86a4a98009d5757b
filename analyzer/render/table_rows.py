"""Derive from a report what its tables and charts show, once for all renderers."""

from dataclasses import dataclass

from analyzer.documents.member import Member
from analyzer.documents.proposals import Evidence
from analyzer.documents.report import Report, Statement
from analyzer.documents.verification import VerifiedStatement
from analyzer.render import units
from analyzer.render.retirements import drops


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One statement of the workload with all that is known about it."""

    id: str
    queryid: str | None
    query: str
    calls: int
    total_ms: float
    mean_ms: float
    rows: int
    #: Of the time of the workload.
    share: float
    cost: float | None
    cost_after: float | None
    #: Measured, else expected from the costs; None when neither is known.
    mean_ms_after: float | None
    #: Before divided by after: of the costs, of the measured means, and of these where there are any, else of those.
    predicted: float | None
    measured: float | None
    ratio: float | None
    evidence: Evidence
    #: Why measured and predicted are far apart; None when they are not, or one is unknown.
    deviation: str | None
    regressed: bool
    #: Statements of one shape that it stands for.
    members: tuple[Member, ...]
    #: Positions, from 1, of the proposals that help it.
    helped_by: tuple[int, ...]

    @property
    def total_ms_after(self) -> float | None:
        """Return the time of all its calls afterwards."""
        return None if self.mean_ms_after is None else self.mean_ms_after * self.calls


#: A headline does not speak of less.
_LEAST_SHARE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One bar of the waterfall; the numbers are shares of today's cost."""

    label: str
    #: Position of the proposal, from 1; None for the first and the last bar.
    proposal: int | None
    start: float
    end: float
    cost: float


def headline(report: Report) -> str:
    """Say in one sentence what the report comes to, and how much of the workload that is not of."""
    share = report.share_not_examined
    missed = (
        f"; {units.share(share)} of the recorded {report.weighed_by} was not examined" if share >= _LEAST_SHARE else ""
    )
    return _outcome(report) + missed


def _outcome(report: Report) -> str:
    totals, checked = report.totals, report.verification
    if checked is not None and checked.speed_up is not None:
        number = totals.proposals or len(checked.indexes_added)
        with_them = f"With {_indexes(number)} the" if number else "The"
        change = units.ratio(checked.speed_up)
        return f"{with_them} workload runs {change if change != 'unchanged' else 'as fast as before'}"
    dropped = f"; {drops(len(report.retirements))}" if report.retirements else ""
    if not totals.proposals:
        return f"No index is proposed{dropped}"
    if not totals.cost_before or not totals.cost_after:
        return f"{_indexes(totals.proposals)} proposed{dropped}"
    gain = units.cheaper(totals.cost_before / totals.cost_after)
    return f"With {_indexes(totals.proposals)} the workload would be {gain}{dropped}"


def without_table(count: int) -> str:
    """Say that statements were left out since they read no table."""
    return f"{count:,} statement reads no table" if count == 1 else f"{count:,} statements read no table"


def _indexes(number: int) -> str:
    return "1 index" if number == 1 else f"{number:,} indexes"


def workload_rows(report: Report) -> tuple[Row, ...]:
    """Join the statements with their measurements, by what they are weighed by, the heaviest first."""
    verified = {s.id: s for s in report.verification.statements} if report.verification else {}
    helped: dict[str, tuple[int, ...]] = {}
    for position, proposal in enumerate(report.proposals, 1):
        for statement in proposal.statements:
            helped[statement.id] = (*helped.get(statement.id, ()), position)
    rows = [_row(statement, verified.get(statement.id), helped) for statement in report.statements]
    by_time = report.weighed_by == "time"
    return tuple(sorted(rows, key=lambda row: (-row.total_ms if by_time else -row.share, row.id)))


def waterfall(report: Report) -> tuple[Step, ...]:
    """Follow the cost of the workload through the proposals in the order of application."""
    if not report.proposals or not report.proposals[0].cost_before:
        return ()
    today = report.proposals[0].cost_before
    last = report.proposals[-1].cost_after
    return (
        Step(label="today", proposal=None, start=0, end=1, cost=today),
        *(
            Step(label=p.name, proposal=n, start=p.cost_after / today, end=p.cost_before / today, cost=p.cost_after)
            for n, p in enumerate(report.proposals, 1)
        ),
        Step(label="with all of them", proposal=None, start=0, end=last / today, cost=last),
    )


def _row(statement: Statement, verified: VerifiedStatement | None, helped: dict[str, tuple[int, ...]]) -> Row:
    expected = statement.cost / statement.cost_after if statement.cost is not None and statement.cost_after else None
    if verified is not None and verified.predicted_ratio is not None:
        expected = verified.predicted_ratio
    evidence: Evidence = "withheld" if expected is None else "planner estimate"
    mean, after, ratio = statement.mean_ms, statement.mean_ms / expected if expected else None, expected
    if verified is not None:
        mean, after, ratio, evidence = verified.mean_ms_before, verified.mean_ms_after, verified.ratio, "measured"
    return Row(
        id=statement.id,
        queryid=statement.queryid,
        query=statement.query,
        calls=statement.calls,
        total_ms=mean * statement.calls,
        mean_ms=mean,
        rows=statement.rows,
        share=statement.share_of_time,
        cost=statement.cost,
        cost_after=statement.cost_after,
        mean_ms_after=after,
        predicted=expected,
        measured=verified.ratio if verified is not None else None,
        ratio=ratio,
        evidence=evidence,
        deviation=(verified.deviation or "unknown reason") if verified is not None and verified.deviates else None,
        regressed=verified is not None and verified.regressed,
        members=statement.members,
        helped_by=helped.get(statement.id, ()),
    )
