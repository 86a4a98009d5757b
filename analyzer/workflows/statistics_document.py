"""Turn advice on statistics into documents and specs."""

from collections.abc import Mapping
from typing import Any

from analyzer.advise.proposal import Advice
from analyzer.advise.stale_statistics import StaleTable
from analyzer.advise.statistics_advice import ProposedStatistics
from analyzer.advise.statistics_trial import ChangedPlan
from analyzer.amounts import percent, plural
from analyzer.documents import statistics_advice
from analyzer.render.provenance import describe_members
from analyzer.specs.file import NewSpec
from analyzer.sql import ident, render_text
from analyzer.workload.parse import Statement

#: Statements of one table that are named.
_MOST_READERS = 100


def statistics_proposals(advice: Advice) -> tuple[statistics_advice.StatisticsProposal, ...]:
    """Describe the extended statistics that are proposed."""
    shares = {each.statement: each.share_of_time for each in advice.statements}
    return tuple(_proposal(each, shares) for each in advice.statistics.proposals)


def analyze_advice(advice: Advice) -> tuple[statistics_advice.AnalyzeAdvice, ...]:
    """Describe the tables whose statistics are missing or stale."""
    return tuple(_stale(each) for each in advice.stale)


def new_statistics(advice: Advice) -> tuple[NewSpec, ...]:
    """Turn proposed extended statistics that no spec has into specs."""
    return tuple(
        NewSpec(definition=each.definition, why=each.reason, evidence=_evidence(each, advice))
        for each in advice.statistics.proposals
        if each.again is None
    )


def proposed_again(advice: Advice) -> list[str]:
    """Return the names of extended statistics whose rejection has run out."""
    return [each.again.definition.name for each in advice.statistics.proposals if each.again is not None]


def _evidence(proposal: ProposedStatistics, advice: Advice) -> Mapping[str, Any]:
    """Return what a reviewer reads beside the YAML: the plans that change, and the rows before, after and sampled."""
    shares = {each.statement: each.share_of_time for each in advice.statements}
    statements = [each.item.statement for each in proposal.changed]
    rows = next((each.probe for each in proposal.changed if each.probe is not None), None)
    estimates: dict[str, Any] = {} if rows is None else {"rows": [rows.rows_before, rows.rows_after]}
    if rows is not None and rows.rows_sampled is not None:
        estimates["rows_sampled"] = round(rows.rows_sampled)
    return {
        "share_of_time": round(sum(shares.get(each, 0.0) for each in statements), 4),
        "plans_changed": len(statements),
        **estimates,
        "planner": advice.planner,
        "statements": [own.id for each in statements for own in each.stands_for],
    }


def _proposal(
    proposal: ProposedStatistics, shares: Mapping[Statement, float]
) -> statistics_advice.StatisticsProposal:  # fmt: skip
    wanted, again = proposal.definition, proposal.again
    names = {"schema": wanted.schema, "name": wanted.name}
    return statistics_advice.StatisticsProposal(
        ddl=wanted.ddl(),
        analyze_ddl=render_text("statistics/analyze", schema=wanted.schema, table=wanted.table),
        downgrade_ddl=render_text("statistics/drop_statistics", **names),
        name=wanted.name,
        table=wanted.qualified_table,
        reason=proposal.reason
        if again is None
        else f"{proposal.reason} ({again.where} rejected it until {again.until})",
        share_of_time=sum(shares.get(each.item.statement, 0.0) for each in proposal.changed),
        statements=tuple(_replanned(each, shares) for each in proposal.changed),
        sampled_rows=proposal.sampled_rows,
        recorded=tuple(
            statistics_advice.RecordedMisestimate(
                where=each.where,
                node=each.node,
                condition=each.condition,
                estimated_rows=each.estimated_rows,
                actual_rows=each.actual_rows,
            )
            for each in proposal.recorded
        ),
        caveats=(f"estimated from a sample of {plural(proposal.sampled_rows, 'row')}; ANALYZE reads others",),
    )


def _replanned(each: ChangedPlan, shares: Mapping[Statement, float]) -> statistics_advice.ReplannedStatement:
    statement, probe = each.item.statement, each.probe
    return statistics_advice.ReplannedStatement(
        id=statement.id,
        queryid=statement.queryid,
        query=statement.text,
        calls=round(statement.calls),
        share_of_time=shares.get(statement, 0.0),
        condition=None if probe is None else probe.condition,
        rows_before=None if probe is None else probe.rows_before,
        rows_after=None if probe is None else probe.rows_after,
        rows_sampled=None if probe is None else probe.rows_sampled,
        plan_before=dict(each.plan_before.tree),
        plan_after=dict(each.plan_after.tree),
        members=describe_members(statement, shares.get(statement, 0.0)),
    )


def _stale(stale: StaleTable) -> statistics_advice.AnalyzeAdvice:
    caveats = ["the plans and costs of this document rest on these statistics, too"]
    if stale.is_disabled:
        caveats.append("autovacuum is off for this table, and does not analyze it")
    return statistics_advice.AnalyzeAdvice(
        ddl=render_text("statistics/analyze", schema=stale.table.schema, table=stale.table.name),
        table=ident(*stale.table),
        reason=_staleness(stale),
        last_analyze=stale.last_analyze,
        modified_rows=stale.modified_rows,
        threshold_rows=stale.threshold_rows,
        rows=stale.rows,
        share_of_time=stale.share,
        statements=tuple(own.id for each in stale.statements for own in each.stands_for)[:_MOST_READERS],
        caveats=tuple(caveats),
    )


def _staleness(stale: StaleTable) -> str:
    modified = f"{plural(round(stale.modified_rows), 'row')} changed since the last ANALYZE"
    if stale.is_missing:
        return f"the planner has no statistics of it; {modified}"
    times = stale.modified_rows / stale.rows if stale.rows else 0.0
    share = f" ({times:,.1f} times its rows)" if times > 1 else f" ({percent(times, 0)} of its rows)" if times else ""
    return f"{modified}{share}; autovacuum analyzes from {stale.threshold_rows:,.0f} on"
