"""Say which specs cannot or should not be built: by their text alone, or built on a twin."""

import datetime as dt
from collections.abc import Sequence

from analyzer.catalog import Catalog
from analyzer.checks import lint as checks
from analyzer.checks.spec.context import known_of
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef
from analyzer.progress import Progress, silent
from analyzer.specs.table_patterns import expanded_sources, tables_of
from analyzer.specs.tolerant import Source
from analyzer.twin.twin import PlannerChoice, open_twin


def lint_text(sources: Sequence[Source], *, models: tuple[IndexDef, ...] | None = None) -> FindingsDocument:
    """Lint specs by their text alone; `models` are the indexes that SQLAlchemy models declare."""
    return checks.lint(sources, today=_today(), model_indexes=models)


def lint_against(
    sources: Sequence[Source],
    snapshot: Snapshot,
    *,
    models: tuple[IndexDef, ...] | None = None,
    choice: PlannerChoice | None = None,
    progress: Progress = silent,
) -> FindingsDocument:
    """Lint specs built on a twin of a snapshot, which makes the answers exact."""
    with open_twin(snapshot, wanted=choice, progress=progress) as twin:
        progress("lint")
        return checks.lint(
            tuple(expanded_sources(sources, tables_of(snapshot))),
            today=_today(),
            known=known_of(Catalog(snapshot)),
            build=twin.canonical,
            basis=f"{twin.planner} of database {snapshot.server.database}",
            model_indexes=models,
            not_examined=(*snapshot.not_examined, *twin.not_examined),
        )


def _today() -> dt.date:
    return dt.datetime.now(tz=dt.UTC).date()
