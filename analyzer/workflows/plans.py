"""Put plans into a snapshot, and say what plans show."""

from collections.abc import Iterator, Sequence

from analyzer.advise.plan_difference import Comparison, compare
from analyzer.documents.plans import GivenPlan, PlanFinding, PlanStatement
from analyzer.documents.snapshot import Snapshot
from analyzer.progress import Progress
from analyzer.twin.twin import Twin
from analyzer.workload.kept_plans import keep_plans, kept_plans
from analyzer.workload.plan_files import ReadPlans
from analyzer.workload.plan_findings import facts
from analyzer.workload.plan_statements import MatchedPlan, match_plans

#: Plans that are compared with the twin's.
_MOST_COMPARED = 1_000


def add_plans(snapshot: Snapshot, read: ReadPlans, *, values: bool = True) -> Snapshot:
    """Return the snapshot with the plans of some files, instead of those that it had; without `values`, no constant."""
    kept, gaps = keep_plans(((plan, 1) for plan in read.plans), values=values)
    not_examined = (*snapshot.not_examined, *read.not_examined, *gaps)
    return snapshot.model_copy(update={"plans": kept, "not_examined": not_examined})


def recorded_plans(snapshot: Snapshot) -> tuple[MatchedPlan, ...]:
    """Return the plans that a snapshot has of files and of a log, with their statements."""
    if not (snapshot.plans or snapshot.log_plans):
        return ()
    return match_plans(kept_plans((*snapshot.plans, *snapshot.log_plans)), snapshot).plans


def describe_plans(twin: Twin, plans: Sequence[MatchedPlan], progress: Progress) -> tuple[GivenPlan, ...]:
    """Say what each plan shows, and whether the twin reproduces it."""
    if plans:
        progress("plans: compare")
    return tuple(
        _given(each, compare(twin, each) if place < _MOST_COMPARED else _not_compared)
        for place, each in enumerate(plans)
    )


_not_compared = Comparison(not_compared=f"at most {_MOST_COMPARED:,} plans are compared")


def _given(matched: MatchedPlan, comparison: Comparison) -> GivenPlan:
    plan = matched.plan
    return GivenPlan(
        where=plan.where,
        queryid=plan.queryid,
        origin=matched.origin,
        statements=tuple(PlanStatement(id=each.id, derived_from=what) for each, what in matched.statements),
        planning_ms=plan.planning_ms,
        execution_ms=plan.execution_ms,
        calls=plan.calls,
        reproduced=None if comparison.not_compared is not None else comparison.difference is None,
        not_compared=comparison.not_compared,
        findings=tuple(_findings(matched, comparison)),
    )


def _findings(matched: MatchedPlan, comparison: Comparison) -> Iterator[PlanFinding]:
    if (difference := comparison.difference) is not None:
        yield PlanFinding(kind="not reproduced", node=difference.server, twin_node=difference.twin)
    for fact in facts(matched.plan.tree):
        yield PlanFinding(
            kind=fact.kind,
            node=fact.node,
            condition=fact.condition,
            estimated_rows=fact.estimated_rows,
            actual_rows=fact.actual_rows,
            removed_rows=fact.removed_rows,
            size_bytes=fact.size_bytes,
            blocks=fact.blocks,
        )
