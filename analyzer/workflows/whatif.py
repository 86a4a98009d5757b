"""Plan statements without and with given indexes."""

from collections.abc import Iterable, Sequence

from analyzer.advise.proposal import propose
from analyzer.advise.whatif import Trial, try_indexes
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Snapshot
from analyzer.documents.whatif import WhatifDocument, WhatifStatement
from analyzer.progress import Progress, silent
from analyzer.render.provenance import describe_source
from analyzer.twin.twin import PlannerChoice, open_twin
from analyzer.workflows.advice import propose_document
from analyzer.workflows.plans import describe_plans
from analyzer.workload.parse import Statement, UnparsedStatement, Workload
from analyzer.workload.plan_statements import MatchedPlan
from analyzer.workload.shapes import needed_by


def whatif(
    snapshot: Snapshot,
    statements: Sequence[Statement | UnparsedStatement],
    *,
    create: Sequence[str] = (),
    drop: Sequence[str] = (),
    choice: PlannerChoice | None = None,
    plans: Sequence[MatchedPlan] = (),
    not_examined: Iterable[NotExamined] = (),
    progress: Progress = silent,
) -> WhatifDocument:
    """Try CREATE INDEX statements, and do without indexes named as `schema.name`.

    `plans` are those that the statements come from; with plans and without changes, what the advisor proposes is tried.
    `not_examined` are recorded statements that could not be read. Raises InputError for a change the server rejects.
    """
    planned = (each for each in statements if isinstance(each, Statement))
    needed = [*needed_by(planned, snapshot), *create, *drop]
    with open_twin(snapshot, statements=needed, wanted=choice, progress=progress) as twin:
        given = describe_plans(twin, plans, progress)
        advice = None
        if plans and not create and not drop:
            parsed = tuple(each for each in statements if isinstance(each, Statement))
            advice = propose(twin, Workload(statements=parsed), existing=False, progress=progress)
        progress("what-if")
        added = [each.built for each in advice.proposals] if advice else []
        trials = try_indexes(twin, statements, create=create, added=added, drop=drop)
        failed = (
            NotExamined(what=f"the statement {each.id}", reason=each.error) for each in trials if each.error is not None
        )
        gaps = (*failed, *not_examined, *snapshot.not_examined, *twin.not_examined)
        document = _document(snapshot, twin.planner, trials, gaps)
        proposed = propose_document(advice, snapshot) if advice else None
        return document.model_copy(
            update={
                "plans": given,
                "proposals": proposed.proposals if proposed else (),
                "not_proposed": proposed.not_proposed if proposed else (),
                "weighed_by": proposed.weighed_by if proposed else "time",
            }
        )


def _document(
    snapshot: Snapshot, planner: str, trials: Sequence[Trial], not_examined: tuple[NotExamined, ...]
) -> WhatifDocument:
    """Put the trials into a document; the totals are over the statements that could be planned both ways."""
    both = [(t.cost_before, t.cost_after) for t in trials if t.cost_before is not None and t.cost_after is not None]
    return WhatifDocument(
        provenance=describe_source(snapshot, planner=planner),
        statements=tuple(
            WhatifStatement(
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
        not_examined=not_examined,
    )
