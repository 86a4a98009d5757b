"""Say what advice on statistics rests on, once for all renderers."""

from analyzer.amounts import plural
from analyzer.documents.statistics_advice import (
    AnalyzeAdvice,
    RecordedMisestimate,
    ReplannedStatement,
    StatisticsProposal,
)
from analyzer.documents.weights import Weight
from analyzer.render import units


def effect(proposal: StatisticsProposal, weighed_by: Weight) -> str:
    """Say how many plans a proposal changes."""
    share = f"{units.share(proposal.share_of_time)} of the {weighed_by}"
    return f"changes {plural(len(proposal.statements), 'plan')}, {share}"


def estimate(statement: ReplannedStatement) -> str | None:
    """Say what the planner expects without and with the statistics, and what the sample says."""
    if statement.rows_before is None or statement.rows_after is None:
        return None
    sampled = ""
    if statement.rows_sampled is not None:
        sampled = f", {units.count(round(statement.rows_sampled))} by the sample"
    what = "groups" if (statement.condition or "").startswith("GROUP BY ") else "rows"
    return f"{what} expected {units.count(statement.rows_before)} → {units.count(statement.rows_after)}{sampled}"


def recorded(found: RecordedMisestimate) -> str:
    """Say what an executed plan shows."""
    rows = f"{units.count(found.estimated_rows)} rows expected, {units.count(found.actual_rows)} found"
    return f"{found.where}: {found.node}: {rows}"


def reading(advice: AnalyzeAdvice, weighed_by: Weight) -> str:
    """Say how much of the workload reads a table, and when it was last analysed."""
    last = "never analyzed" if advice.last_analyze is None else f"last analyzed {units.moment(advice.last_analyze)}"
    share = f"{units.share(advice.share_of_time)} of the {weighed_by}"
    return f"{last}; read by {plural(len(advice.statements), 'statement')}, {share}"
