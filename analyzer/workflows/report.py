"""Write the index report: the statements by share of time, and what would make them cheaper."""

from analyzer.advise.limits import Limits
from analyzer.config import Config
from analyzer.documents.report import Report
from analyzer.documents.snapshot import Snapshot
from analyzer.documents.weights import Weight
from analyzer.progress import Progress, silent
from analyzer.specs.file import SpecSet
from analyzer.twin.twin import PlannerChoice
from analyzer.workflows.advice import report_document
from analyzer.workflows.health import health, with_health
from analyzer.workflows.plans import recorded_plans
from analyzer.workflows.propose import propose
from analyzer.workload.log_workload import recorded_workload


def report(
    snapshot: Snapshot,
    specs: SpecSet,
    *,
    limits: Limits | None = None,
    config: Config | None = None,
    weigh_by: Weight = "time",
    choice: PlannerChoice | None = None,
    progress: Progress = silent,
) -> Report:
    """Report what the server recorded, with proposals beside what the specs declare, and the health of the database."""
    workload, plans = recorded_workload(snapshot, weigh_by), recorded_plans(snapshot)
    found = propose(snapshot, workload, specs, limits=limits, choice=choice, plans=plans, progress=progress)
    document = report_document(found.advice, snapshot, found.document.plans)
    checked = health(snapshot, specs, config or Config(), workload=workload, progress=progress)
    return with_health(document, checked)
