"""Turn the advisor's findings into documents."""

from collections.abc import Iterable, Iterator, Sequence

from analyzer.advise.proposal import Advice, Effect, Proposal
from analyzer.advise.timing import expected_ms, learn_times
from analyzer.advise.whatif import Trial
from analyzer.documents import report
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.render.provenance import describe_source, describe_statement
from analyzer.specs.file import NewSpec
from analyzer.sql import render_text
from analyzer.workload.parse import Statement


def propose_document(advice: Advice, snapshot: Snapshot) -> report.ProposeDocument:
    """Put the advice into the document of `twindex propose`."""
    times = _Times(advice)
    return report.ProposeDocument(
        provenance=describe_source(snapshot, planner=advice.planner),
        proposals=tuple(_proposal(proposal, times) for proposal in advice.proposals),
        not_proposed=tuple(report.NotProposed(ddl=ddl, reason=reason) for ddl, reason in advice.not_proposed),
        tableless=len(advice.tableless),
        not_examined=tuple(report.NotExamined(what=gap.what, reason=gap.reason) for gap in advice.not_examined),
    )


def report_document(advice: Advice, snapshot: Snapshot) -> report.Report:
    """Put the advice and the whole workload into a report."""
    document = propose_document(advice, snapshot)
    times = _Times(advice)
    return report.Report(
        provenance=document.provenance,
        statements=tuple(_statements(advice, times)),
        proposals=document.proposals,
        not_proposed=document.not_proposed,
        tableless=document.tableless,
        not_examined=document.not_examined,
    )


def new_specs(document: report.ProposeDocument, advice: Advice) -> tuple[NewSpec, ...]:
    """Turn proposals that no spec has into specs, with the evidence a reviewer reads beside the YAML."""
    return tuple(
        NewSpec(
            definition=proposal.built.index,
            why=proposal.reason,
            evidence={
                "share_of_time": round(shown.share_of_time, 4),
                "cost": [round(shown.cost_before, 2), round(shown.cost_after, 2)],
                "size_bytes": shown.size_bytes,
                "planner": advice.planner,
                "statements": [statement.id for statement in shown.statements],
            },
        )
        for shown, proposal in zip(document.proposals, advice.proposals, strict=True)
        if proposal.again is None
    )


def whatif_document(
    snapshot: Snapshot, planner: str, trials: Sequence[Trial], not_examined: Iterable[NotExamined]
) -> report.WhatifDocument:
    """Put what-if trials into their document; the totals are over the statements that could be planned both ways."""
    both = [(t.cost_before, t.cost_after) for t in trials if t.cost_before is not None and t.cost_after is not None]
    return report.WhatifDocument(
        provenance=describe_source(snapshot, planner=planner),
        statements=tuple(
            report.WhatifStatement(
                id=trial.id,
                query=trial.text,
                cost_before=trial.cost_before,
                cost_after=trial.cost_after,
                plan_before=dict(trial.plan_before.tree) if trial.plan_before else None,
                plan_after=dict(trial.plan_after.tree) if trial.plan_after else None,
                error=trial.error,
            )
            for trial in trials
        ),
        total_before=sum(before for before, _ in both),
        total_after=sum(after for _, after in both),
        not_examined=tuple(report.NotExamined(what=gap.what, reason=gap.reason) for gap in not_examined),
    )


class _Times:
    """Shares of the workload's time; of its calls where nothing was measured."""

    def __init__(self, advice: Advice) -> None:
        recorded = (*(each.statement for each in advice.statements), *advice.tableless)
        self._total = sum(statement.weight for statement in recorded)
        self.learnt = learn_times(
            (each.statement, each.cost_before) for each in advice.statements if each.cost_before is not None
        )

    def share(self, statement: Statement) -> float:
        return statement.weight / self._total if self._total else 0.0


def _statements(advice: Advice, times: _Times) -> Iterator[report.Statement]:
    for each in advice.statements:
        yield describe_statement(
            each.statement,
            share_of_time=times.share(each.statement),
            cost_before=each.cost_before,
            cost_after=each.cost_after,
        )


def _proposal(proposal: Proposal, times: _Times) -> report.Proposal:
    index, again = proposal.built.index, proposal.again
    helped = [effect for effect in proposal.effects if effect.cost_after < effect.cost_before]
    return report.Proposal(
        ddl=index.ddl(concurrently=True),
        downgrade_ddl=render_text("index/drop_index", schema=index.schema, name=index.name, concurrently=True),
        name=index.name,
        table=index.qualified_table,
        size_bytes=proposal.built.size_bytes,
        share_of_time=sum(times.share(effect.item.statement) for effect in helped),
        statements=tuple(_helped(effect, times) for effect in proposal.effects),
        cost_before=proposal.cost_before,
        cost_after=proposal.cost_after,
        reason=proposal.reason
        if again is None
        else f"{proposal.reason} ({again.where} rejected it until {again.until})",
        caveats=proposal.caveats,
    )


def _helped(effect: Effect, times: _Times) -> report.HelpedStatement:
    statement = effect.item.statement
    return report.HelpedStatement(
        id=statement.id,
        queryid=statement.queryid,
        query=statement.text,
        calls=round(statement.calls),
        share_of_time=times.share(statement),
        cost_before=effect.cost_before,
        cost_after=effect.cost_after,
        recorded_ms=statement.total_ms / statement.calls
        if statement.total_ms is not None and statement.calls
        else None,
        expected_ms=expected_ms(statement, effect.cost_before, effect.cost_after, times.learnt),
        plan_before=dict(effect.plan_before.tree),
        plan_after=dict(effect.plan_after.tree),
    )
