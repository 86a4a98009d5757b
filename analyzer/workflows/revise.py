"""Turn the approved specs into one Alembic revision."""

from collections.abc import Collection
from pathlib import Path

from alembic.config import Config

from analyzer.documents.snapshot import Snapshot
from analyzer.migrate.hazards import HazardCode
from analyzer.migrate.plan import revision
from analyzer.progress import Progress, silent
from analyzer.twin.twin import PlannerChoice, open_twin


def revise(
    snapshot: Snapshot,
    specs: Path,
    alembic: Path | Config,
    *,
    message: str,
    choice: PlannerChoice | None = None,
    refused: Collection[HazardCode] = (),
    progress: Progress = silent,
) -> Path | None:
    """Write the revision that makes the captured database agree with the specs; None if it already does.

    Raises HazardError if a step has a hazard that is refused.
    """
    with open_twin(snapshot, wanted=choice, progress=progress) as twin:
        return revision.revise(
            snapshot,
            specs,
            alembic,
            message=message,
            canonical=twin.canonical,
            deparse=twin.server_ddl,
            refused=refused,
        )
