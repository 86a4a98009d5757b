"""Compare the approved specs with the indexes that exist, and look at the environment of Alembic."""

from pathlib import Path

from analyzer.checks.drift import find_drift
from analyzer.checks.environment import examine_environment
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.snapshot import Snapshot
from analyzer.progress import Progress, silent
from analyzer.specs.file import SpecSet
from analyzer.twin.twin import PlannerChoice, open_twin


def check(
    snapshot: Snapshot,
    specs: SpecSet,
    alembic: Path,
    *,
    choice: PlannerChoice | None = None,
    progress: Progress = silent,
) -> FindingsDocument:
    """Say where specs and database differ; definitions are compared as a twin prints them."""
    with open_twin(snapshot, wanted=choice, progress=progress) as twin:
        drift = find_drift(specs, snapshot, twin.canonical)
        planner = twin.planner
    environment = examine_environment(alembic)
    return FindingsDocument(
        command="check",
        basis=f"database {snapshot.server.database}, definitions as a {planner} prints them",
        objects=drift.objects,
        findings=(*drift.findings, *environment.findings),
        checks=(*drift.checks, *environment.checks),
        not_examined=drift.not_examined,
    )
