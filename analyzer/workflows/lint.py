"""Say which specs cannot or should not be built: by their text alone, or built on a twin."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from analyzer.catalog import Catalog
from analyzer.checks import lint as checks
from analyzer.checks.spec.context import known_of
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef
from analyzer.progress import Progress, silent
from analyzer.specs.table_patterns import expanded_sources, tables_of
from analyzer.specs.tolerant import Source
from analyzer.twin.definitions import open_definitions
from analyzer.twin.server.choose import PlannerChoice


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
    known = known_of(Catalog(snapshot))
    sources = tuple(expanded_sources(sources, tables_of(snapshot)))
    expected = checks.definitions_to_build(sources, known, models)
    with open_definitions(snapshot, expected, wanted=choice, progress=progress) as definitions:
        progress("lint")
        found = checks.lint(
            sources,
            today=_today(),
            known=replace(known, printed=definitions.printed),
            build=definitions.canonical,
            model_indexes=models,
        )
        planner = f"{definitions.planner} of " if definitions.planner is not None else ""
        update = {
            "basis": f"{planner}database {snapshot.server.database}",
            "not_examined": (*snapshot.not_examined, *definitions.not_examined),
        }
        return found.model_copy(update=update)


def _today() -> dt.date:
    return dt.datetime.now(tz=dt.UTC).date()
