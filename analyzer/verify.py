"""Compare what was predicted with what was measured, from a snapshot before a deploy and one after."""

from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.advise.cost import CostModel, PricedStatement, price
from analyzer.capture.snapshot import Index, NotExamined, Snapshot
from analyzer.errors import NotExaminableError
from analyzer.report import model
from analyzer.report.assemble import describe_source
from analyzer.twin.planner import Twin
from analyzer.workload.parse import Statement, parse_statements
from analyzer.workload.shapes import shape

#: Code of the finding for a statement that became slower.
REGRESSION = "TX901"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A statement in both windows."""

    before: Statement
    #: Mean of one call, in each window.
    mean_ms_before: float
    mean_ms_after: float


def verify(before: Snapshot, after: Snapshot, twin: Twin) -> model.Report:
    """Report how each statement changed, beside what the twin of `before` expected of the indexes that came and went.

    Raises NotExaminableError when no statement ran in both windows.
    """
    measured = measure(before, after)
    if not measured:
        raise NotExaminableError(
            "no statement ran both before and after; let the workload run after the deploy, then verify again"
        )
    verification = model.Verification(
        basis="pg_stat_statements: mean execution time of each statement in the window of either snapshot",
        statements=verified(measured, predicted_ratios(measured, after, twin)),
    )
    seen = {each.before.id for each in measured}
    unseen = [statement for statement in parse_statements(before).statements if statement.id not in seen]
    return model.Report(
        provenance=describe_source(after, planner=twin.planner),
        verification=verification,
        findings=tuple(_findings(verification)),
        checks=(
            model.CheckCount(
                code=REGRESSION,
                examined=len(measured),
                skipped=len(unseen),
                flagged=len(verification.regressions),
                skipped_because=("they did not run again",) if unseen else (),
            ),
        ),
        not_examined=tuple(model.NotExamined(what=gap.what, reason=gap.reason) for gap in after.not_examined),
    )


def measure(before: Snapshot, after: Snapshot) -> tuple[Measured, ...]:
    """Pair the statements of both snapshots by their fingerprint.

    When the counters ran on through both, what they held before is taken off.
    """
    later = {statement.id: statement for statement in parse_statements(after).statements}
    ran_on = before.statements_reset is not None and before.statements_reset == after.statements_reset
    found: list[Measured] = []
    for statement in parse_statements(before).statements:
        again = later.get(statement.id)
        if again is None or statement.total_ms is None or again.total_ms is None:
            continue
        calls, total_ms = again.calls, again.total_ms
        if ran_on:
            calls, total_ms = calls - statement.calls, total_ms - statement.total_ms
        if calls > 0 and statement.calls > 0:
            mean_ms_before = statement.total_ms / statement.calls
            found.append(Measured(before=statement, mean_ms_before=mean_ms_before, mean_ms_after=total_ms / calls))
    return tuple(found)


def verified(measured: tuple[Measured, ...], predicted: Mapping[str, float]) -> tuple[model.VerifiedStatement, ...]:
    """Turn measurements into the report's records; `predicted` is the expected ratio by statement id."""
    return tuple(
        model.VerifiedStatement(
            id=each.before.id,
            queryid=each.before.queryid,
            query=each.before.text,
            calls=round(each.before.calls),
            mean_ms_before=each.mean_ms_before,
            mean_ms_after=each.mean_ms_after,
            predicted_ratio=predicted.get(each.before.id),
        )
        for each in measured
    )


def predicted_ratios(measured: tuple[Measured, ...], after: Snapshot, twin: Twin) -> dict[str, float]:
    """Ask the twin of the snapshot before how many times cheaper each statement becomes by the indexes that changed."""
    old = {_name(index): index for index in twin.snapshot.indexes}
    new = {_name(index): index for index in after.indexes if index.valid}
    added = twin.add([new[name].definition for name in sorted(new.keys() - old.keys())])
    dropped = [str(old[name].definition.qualified_name) for name in sorted(old.keys() - new.keys())]
    items: list[PricedStatement] = []
    for each in measured:
        shaped = shape(each.before, twin.snapshot)
        item = price(each.before, None if isinstance(shaped, NotExamined) else shaped, twin)
        if not isinstance(item, NotExamined):
            items.append(item)
    costs = CostModel(twin=twin, statements=items)
    changed = CostModel(twin=twin, statements=items, without=tuple(dropped))
    ratios: dict[str, float] = {}
    for item in items:
        cost = changed.cost(item, frozenset(added))
        if cost > 0:
            ratios[item.statement.id] = costs.cost(item, frozenset()) / cost
    return ratios


def _findings(verification: model.Verification) -> list[model.Finding]:
    by_id = {statement.id: statement for statement in verification.statements}
    return [
        model.Finding(
            code=REGRESSION,
            severity="warning",
            object=each,
            message=f"{by_id[each].mean_ms_before:.3f} ms before, {by_id[each].mean_ms_after:.3f} ms after",
        )
        for each in verification.regressions
    ]


def _name(index: Index) -> tuple[str, str]:
    return index.definition.schema, index.definition.name
