"""Compare what was predicted with what was measured, from a snapshot before a deploy and one after."""

from collections.abc import Iterator, Mapping, Sequence

from analyzer.advise.verification import Expected, measure
from analyzer.advise.verification import compare as compare_with_twin
from analyzer.amounts import plural
from analyzer.checks.registry import REGRESSION
from analyzer.documents.findings import CheckCount, Finding
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.report import Report
from analyzer.documents.report import Statement as ReportedStatement
from analyzer.documents.snapshot import Snapshot
from analyzer.documents.verification import Verification
from analyzer.errors import NotExaminableError
from analyzer.progress import Progress, silent
from analyzer.render.provenance import describe_source, describe_statement
from analyzer.twin.twin import PlannerChoice, open_twin
from analyzer.workload.parse import Statement, parse_statements
from analyzer.workload.system_statements import tableless

BASIS = "pg_stat_statements: mean execution time of each statement in the window of either snapshot"


def verify(
    before: Snapshot,
    after: Snapshot,
    *,
    choice: PlannerChoice | None = None,
    progress: Progress = silent,
) -> Report:
    """Report how each statement changed, beside what a twin of `before` expected of the indexes that came and went.

    Raises NotExaminableError when no statement ran in both windows.
    """
    measured = measure(before, after)
    if not measured:
        raise NotExaminableError(
            "no statement ran both before and after; run the workload after the deploy, then verify again"
        )
    with open_twin(before, wanted=choice, progress=progress) as twin:
        progress("verify")
        found = compare_with_twin(measured, before, after, twin, basis=BASIS)
        planner, lacking = twin.planner, twin.not_examined
    workload = parse_statements(before)
    recorded = workload.statements
    without_table = tableless(recorded, before)
    listed = [statement for statement in recorded if statement not in without_table]
    seen = {each.before.id for each in measured}
    unseen = sum(statement.id not in seen for statement in listed)
    return Report(
        provenance=describe_source(after, planner=planner),
        statements=tuple(_statements(listed, workload.shares, found.expected)),
        verification=found.verification,
        findings=tuple(_findings(found.verification)),
        checks=(_check(found.verification, unseen),),
        tableless=len(without_table),
        not_examined=(*after.not_examined, *lacking, *found.not_examined, *_new(after, recorded)),
    )


def compare(before: Snapshot, after: Snapshot, *, basis: str, choice: PlannerChoice | None = None) -> Verification:
    """Measure each statement that ran in both windows, beside what a twin of `before` expected."""
    with open_twin(before, wanted=choice) as twin:
        return compare_with_twin(measure(before, after), before, after, twin, basis=basis).verification


def _statements(
    recorded: Sequence[Statement], shares: Mapping[Statement, float], expected: Mapping[str, Expected]
) -> Iterator[ReportedStatement]:
    for statement in recorded:
        costs = expected.get(statement.id)
        yield describe_statement(
            statement,
            share_of_time=shares[statement],
            cost_before=None if costs is None else costs.cost_before,
            cost_after=None if costs is None else costs.cost_after,
        )


def _check(verification: Verification, unseen: int) -> CheckCount:
    return CheckCount(
        code=REGRESSION.code,
        examined=len(verification.statements),
        skipped=unseen,
        flagged=len(verification.regressions),
        skipped_because=("they did not run again",) if unseen else (),
    )


def _new(after: Snapshot, recorded: Sequence[Statement]) -> Iterator[NotExamined]:
    known = {statement.id for statement in recorded}
    later = parse_statements(after).statements
    without_table = tableless(later, after)
    count = sum(each.id not in known and each not in without_table for each in later)
    if count:
        yield NotExamined(
            what=plural(count, "new statement"), reason="they ran only after, so there is nothing to compare"
        )


def _findings(verification: Verification) -> Iterator[Finding]:
    by_id = {statement.id: statement for statement in verification.statements}
    for identity in verification.regressions:
        each = by_id[identity]
        message = f"{each.mean_ms_before:.3f} ms before, {each.mean_ms_after:.3f} ms after"
        if each.noise_ms is not None:
            message += f"; the noise is {each.noise_ms:.3f} ms"
        yield Finding(code=REGRESSION.code, severity=REGRESSION.severity, object=identity, message=message)
