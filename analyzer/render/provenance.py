"""Put documents together from what other stages found."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from analyzer.documents.member import Member
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.proposals import Built, HelpedStatement, ProposeDocument
from analyzer.documents.provenance import Capability, MergedWorkload, Provenance
from analyzer.documents.report import Report, Statement
from analyzer.documents.schema import Document
from analyzer.documents.snapshot import Snapshot
from analyzer.documents.verification import Verification
from analyzer.workload import parse as recorded


def describe_source(snapshot: Snapshot, *, planner: str, capabilities: Iterable[Capability] = ()) -> Provenance:
    """Take the provenance of a document from the snapshot it rests on."""
    server = snapshot.server
    return Provenance(
        tool_version=snapshot.tool_version,
        server_version=server.version,
        server_role=_role(is_replica=server.in_recovery),
        database=server.database,
        captured_by=server.role,
        captured_at=snapshot.captured_at,
        counters_since=server.stats_reset,
        statements_since=snapshot.statements_reset,
        statements_evicted=snapshot.statements_evicted,
        planner=planner,
        capabilities=(
            Capability(name="reads all statistics", available=server.reads_all_statistics),
            Capability(name="values captured", available=snapshot.values),
            *capabilities,
        ),
        merged=tuple(
            MergedWorkload(
                name=each.name,
                captured_at=each.captured_at,
                server_role=_role(is_replica=each.in_recovery),
                statements_since=each.statements_since,
                since_snapshot=each.since_snapshot,
            )
            for each in snapshot.merged
        ),
    )


def _role(*, is_replica: bool) -> Literal["primary", "replica"]:
    return "replica" if is_replica else "primary"


def describe_statement(
    statement: recorded.Statement, *, share_of_time: float, cost_before: float | None, cost_after: float | None
) -> Statement:
    """Put a recorded statement beside its cost of one execution, as things are and as they would be."""
    total_ms = statement.total_ms or 0.0
    return Statement(
        id=statement.id,
        queryid=statement.queryid,
        query=statement.text,
        calls=round(statement.calls),
        total_ms=total_ms,
        mean_ms=total_ms / statement.calls if statement.calls else 0.0,
        rows=statement.rows or 0,
        share_of_time=share_of_time,
        cost=cost_before,
        cost_after=cost_after,
        only_logged=statement.only_logged,
        members=describe_members(statement, share_of_time),
    )


def describe_members(statement: recorded.Statement, share_of_time: float) -> tuple[Member, ...]:
    """Describe the statements that one stands for; their shares sum up to its own."""
    whole = statement.weight
    return tuple(
        Member(
            id=each.id,
            queryid=each.queryid,
            query=each.text,
            calls=round(each.calls),
            total_ms=each.total_ms,
            share_of_time=share_of_time * each.weight / whole if whole else 0.0,
        )
        for each in statement.members
    )


def measured(report: Report, verification: Verification, built: Mapping[str, Built]) -> Report:
    """Return the report with what was measured in it; `built` is by the name of the index."""
    by_id = {statement.id: statement for statement in verification.statements}

    def seen(helped: HelpedStatement) -> HelpedStatement:
        found = by_id.get(helped.id)
        if found is None:
            return helped
        return helped.model_copy(update={"mean_ms_before": found.mean_ms_before, "mean_ms_after": found.mean_ms_after})

    proposals = tuple(
        proposal.model_copy(
            update={
                "statements": tuple(seen(statement) for statement in proposal.statements),
                "built": built.get(proposal.name, proposal.built),
            }
        )
        for proposal in report.proposals
    )
    return report.model_copy(update={"proposals": proposals, "verification": verification})


def as_report(document: ProposeDocument) -> Report:
    """Make a report of proposals alone."""
    return Report(
        provenance=document.provenance,
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


def blind_spots(document: Document) -> tuple[NotExamined, ...]:
    """List all that the document does not cover: what the stages named, and what follows from the counts."""
    found = list(document.not_examined)
    source = document.provenance
    found += [
        NotExamined(what=lack.name, reason=lack.note or "not available")
        for lack in source.capabilities
        if not lack.available and lack.name not in {gap.what for gap in document.not_examined}
    ]
    if source.statements_evicted is None:
        found.append(NotExamined(what="evicted statements", reason="the server cannot say how many there were"))
    elif source.statements_evicted:
        evicted = f"pg_stat_statements dropped {source.statements_evicted:,} entries in its window"
        found.append(NotExamined(what="evicted statements", reason=f"{evicted}; raise pg_stat_statements.max"))
    if isinstance(document, Report):
        found += _uncovered(document)
    return tuple(sorted(found, key=lambda gap: (gap.what, gap.reason, gap.query or "")))


def _uncovered(report: Report) -> Iterator[NotExamined]:
    unplanned = sum(statement.cost is None for statement in report.statements)
    if unplanned:
        yield NotExamined(what="statements without a cost", reason=f"{unplanned:,} could not be planned")
    if not report.checks:
        yield NotExamined(what="checks", reason="none was run; twindex check and twindex lint run them")
    for check in report.checks:
        if check.skipped:
            because = "; ".join(check.skipped_because) or "no reason was given"
            yield NotExamined(what=f"{check.skipped:,} of the objects of check {check.code}", reason=because)
    if report.verification is not None:
        known = {statement.id for statement in report.verification.statements}
        unmeasured = sum(statement.id not in known for statement in report.statements)
        if unmeasured:
            yield NotExamined(what="statements without a measurement", reason=f"{unmeasured:,} were not run again")
