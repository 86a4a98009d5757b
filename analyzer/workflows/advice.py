"""Turn the advisor's findings into documents."""

from collections.abc import Iterator, Sequence

from analyzer.advise.effect import Effect
from analyzer.advise.proposal import Advice, Proposal
from analyzer.advise.retirement import Retirement
from analyzer.advise.timing import Times, expected_ms, learn_times
from analyzer.documents import proposals, report
from analyzer.documents.plans import GivenPlan
from analyzer.documents.snapshot import Snapshot
from analyzer.documents.write_costs import Upkeep
from analyzer.render.provenance import describe_members, describe_source, describe_statement
from analyzer.specs.file import NewSpec
from analyzer.sql import render_text
from analyzer.workflows.retirements import extended, replaced_by, retirement_document
from analyzer.workflows.server_log import log_section
from analyzer.workflows.statistics_document import analyze_advice, statistics_proposals


def propose_document(
    advice: Advice, snapshot: Snapshot, plans: tuple[GivenPlan, ...] = ()
) -> proposals.ProposeDocument:
    """Put the advice, and the plans that it rests on, into the document of `twindex propose`."""
    times = _times(advice)
    return proposals.ProposeDocument(
        provenance=describe_source(snapshot, planner=advice.planner),
        proposals=tuple(
            _proposal(proposal, times, replaced_by(proposal.built.index, advice)) for proposal in advice.proposals
        ),
        retirements=tuple(
            retirement_document(each, tuple(_helped(effect, times) for effect in each.effects), advice, snapshot)
            for each in advice.retirements
        ),
        not_proposed=tuple(proposals.NotProposed(ddl=ddl, reason=reason) for ddl, reason in advice.not_proposed),
        tableless=len(advice.tableless),
        plans=plans,
        log=log_section(snapshot, [own for each in advice.statements for own in each.statement.stands_for]),
        not_examined=advice.not_examined,
        weighed_by=advice.weighed_by,
        gap=advice.gap,
        frontier=tuple(
            proposals.FrontierPoint(
                size_bytes=point.size_bytes, indexes=point.indexes, cost=point.cost, proposed=point.is_chosen
            )
            for point in advice.frontier
        ),
        statistics=statistics_proposals(advice),
        analyze=analyze_advice(advice),
    )


def report_document(advice: Advice, snapshot: Snapshot, plans: tuple[GivenPlan, ...] = ()) -> report.Report:
    """Put the advice, the whole workload and what plans show into a report."""
    document = propose_document(advice, snapshot, plans)
    return report.Report(
        provenance=document.provenance,
        statements=tuple(_statements(advice)),
        proposals=document.proposals,
        retirements=document.retirements,
        not_proposed=document.not_proposed,
        tableless=document.tableless,
        plans=document.plans,
        log=document.log,
        not_examined=document.not_examined,
        weighed_by=document.weighed_by,
        gap=document.gap,
        frontier=document.frontier,
        statistics=document.statistics,
        analyze=document.analyze,
    )


def new_specs(advice: Advice) -> tuple[NewSpec, ...]:
    """Turn proposals that no spec has into specs, with the evidence a reviewer reads beside the YAML."""
    return tuple(
        NewSpec(
            definition=proposal.built.index,
            why=proposal.reason,
            evidence={
                "share_of_time": round(proposal.share_of_time, 4),
                "cost": [round(proposal.cost_before, 2), round(proposal.cost_after, 2)],
                "size_bytes": proposal.built.size_bytes,
                "planner": advice.planner,
                "statements": [own.id for effect in proposal.effects for own in effect.item.statement.stands_for],
            },
        )
        for proposal in advice.proposals
        if proposal.again is None
    )


def _times(advice: Advice) -> Times:
    """Learn from the workload how this server's times follow the costs."""
    return learn_times((each.statement, each.cost_before) for each in advice.statements if each.cost_before is not None)


def _statements(advice: Advice) -> Iterator[report.Statement]:
    for each in advice.statements:
        yield describe_statement(
            each.statement,
            share_of_time=each.share_of_time,
            cost_before=each.cost_before,
            cost_after=each.cost_after,
        )


def _proposal(proposal: Proposal, times: Times, replaced: Sequence[Retirement]) -> proposals.Proposal:
    index, again = proposal.built.index, proposal.again
    return proposals.Proposal(
        ddl=index.ddl(concurrently=True),
        downgrade_ddl=render_text("index/drop_index", schema=index.schema, name=index.name, concurrently=True),
        name=index.name,
        table=index.qualified_table,
        size_bytes=proposal.built.size_bytes,
        share_of_time=proposal.share_of_time,
        statements=tuple(_helped(effect, times) for effect in proposal.effects),
        cost_before=proposal.cost_before,
        cost_after=proposal.cost_after,
        reason=proposal.reason
        if again is None
        else f"{proposal.reason} ({again.where} rejected it until {again.until})",
        caveats=proposal.caveats,
        saves_alone=proposal.worth.alone,
        saves_beside=proposal.worth.beside,
        alternatives=tuple(
            proposals.Alternative(ddl=each.index.index.ddl(), size_bytes=each.index.size_bytes, saves=each.saving)
            for each in proposal.worth.alternatives
        ),
        risks=tuple(
            proposals.Risk(pattern=risk.pattern, statement=statement.id, text=risk.text)
            for statement, risk in proposal.risks
        ),
        upkeep=_upkeep(proposal),
        replaces=tuple(each.index.definition.name for each in replaced),
        extends=extended(replaced),
    )


def _upkeep(proposal: Proposal) -> Upkeep:
    found, saved = proposal.upkeep, proposal.cost_before - proposal.cost_after
    return Upkeep(
        cost=found.cost,
        share_of_saving=found.cost / saved if saved > 0 else None,
        entries=found.entries,
        other_entries=found.other_entries,
        hot_updates_lost=found.hot_lost,
        wal_bytes=found.wal_bytes,
        window_seconds=found.seconds,
        source=found.source,
        unknown_updates=found.unknown_updates,
    )


def _helped(effect: Effect, times: Times) -> proposals.HelpedStatement:
    statement = effect.item.statement
    return proposals.HelpedStatement(
        id=statement.id,
        queryid=statement.queryid,
        query=statement.text,
        calls=round(statement.calls),
        share_of_time=effect.share_of_time,
        members=describe_members(statement, effect.share_of_time),
        cost_before=effect.cost_before,
        cost_after=effect.cost_after,
        recorded_ms=statement.total_ms / statement.calls
        if statement.total_ms is not None and statement.calls
        else None,
        expected_ms=expected_ms(statement, effect.cost_before, effect.cost_after, times),
        plan_before=dict(effect.plan_before.tree),
        plan_after=dict(effect.plan_after.tree),
    )
