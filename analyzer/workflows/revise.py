"""Turn the approved specs into one Alembic revision."""

from collections.abc import Collection
from pathlib import Path

from alembic.config import Config

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Snapshot
from analyzer.migrate.hazards import HazardCode
from analyzer.migrate.plan import revision
from analyzer.migrate.plan.environment import Environment
from analyzer.progress import Progress, silent
from analyzer.specs.diff import undecided
from analyzer.specs.existing import existing_objects
from analyzer.specs.file import SpecSet
from analyzer.specs.table_patterns import expanded, tables_of
from analyzer.twin.definitions import open_definitions
from analyzer.twin.server.choose import PlannerChoice


def revise(
    snapshot: Snapshot,
    specs: SpecSet,
    alembic: Path | Config,
    *,
    message: str,
    environment: Environment | None = None,
    choice: PlannerChoice | None = None,
    refused: Collection[HazardCode] = (),
    progress: Progress = silent,
) -> Path | None:
    """Write the revision that makes the captured database agree with the specs; None if it already does.

    `environment` are the rules of the project's env.py. Raises HazardError if a step has a hazard that is refused.
    """
    specs = expanded(specs, tables_of(snapshot))
    expected = undecided(specs, existing_objects(snapshot), Catalog(snapshot).indexed_rows)
    with open_definitions(snapshot, expected, wanted=choice, progress=progress) as definitions:
        return revision.revise(
            snapshot,
            specs,
            alembic,
            message=message,
            environment=environment,
            canonical=definitions.canonical,
            deparse=definitions.server_ddl,
            refused=refused,
        )
