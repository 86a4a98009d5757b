"""Advise on statistics, beside the indexes that are proposed."""

from collections.abc import Sequence
from dataclasses import replace

from analyzer.advise.limits import Limits
from analyzer.advise.proposal import Advice
from analyzer.advise.stale_statistics import stale_tables
from analyzer.advise.statistics_advice import advise_statistics
from analyzer.advise.statistics_known import DeclaredStatistics
from analyzer.progress import Progress, silent
from analyzer.twin.twin import Twin
from analyzer.workload.plan_statements import MatchedPlan


def with_statistics(
    twin: Twin,
    advice: Advice,
    declared: Sequence[DeclaredStatistics] = (),
    plans: Sequence[MatchedPlan] = (),
    *,
    limits: Limits | None = None,
    progress: Progress = silent,
) -> Advice:
    """Return the advice with extended statistics that change plans, and with tables whose statistics are stale."""
    shares = {each.statement: each.share_of_time for each in advice.statements}
    found = advise_statistics(
        twin,
        advice.priced,
        shares,
        indexes=advice.indexes,
        declared=declared,
        plans=[(each.plan.where, each.plan.tree) for each in plans],
        limits=limits,
        progress=progress,
    )
    progress("advise: done")
    return replace(
        advice,
        statistics=found,
        stale=stale_tables(twin.snapshot, advice.priced, shares),
        not_proposed=(*advice.not_proposed, *found.not_proposed),
        not_examined=(*advice.not_examined, *found.not_examined),
    )
