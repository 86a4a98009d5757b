"""Compare the approved specs with the indexes that exist, and look at the environment of Alembic."""

from pathlib import Path

from analyzer.catalog import Catalog
from analyzer.checks.drift import find_drift
from analyzer.checks.environment import examine_environment
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.snapshot import Snapshot
from analyzer.migrate.plan.environment import Environment
from analyzer.progress import Progress, silent
from analyzer.specs.diff import undecided
from analyzer.specs.existing import existing_objects
from analyzer.specs.file import SpecSet
from analyzer.specs.table_patterns import expanded, tables_of
from analyzer.twin.definitions import open_definitions
from analyzer.twin.server.choose import PlannerChoice


def check(
    snapshot: Snapshot,
    specs: SpecSet,
    alembic: Path,
    *,
    section: str | None = None,
    environment: Environment | None = None,
    choice: PlannerChoice | None = None,
    progress: Progress = silent,
) -> FindingsDocument:
    """Say where specs and database differ; definitions that are not the same as written, as a twin prints them.

    `section` is that of the Alembic file, `environment` are the rules of the project's env.py.
    """
    expanded_specs = expanded(specs, tables_of(snapshot))
    expected = undecided(expanded_specs, existing_objects(snapshot), Catalog(snapshot).indexed_rows)
    with open_definitions(snapshot, expected, wanted=choice, progress=progress) as definitions:
        drift = find_drift(specs, snapshot, definitions.canonical, environment=environment)
        planner = definitions.planner
    env = examine_environment(alembic, section)
    printed = f", definitions as a {planner} prints them" if planner is not None else ""
    return FindingsDocument(
        command="check",
        basis=f"database {snapshot.server.database}{printed}",
        objects=drift.objects,
        findings=(*drift.findings, *env.findings),
        checks=(*drift.checks, *env.checks),
        not_examined=drift.not_examined,
    )
