"""`twindex lint`: specs that cannot or should not be built."""

import contextlib
import datetime as dt
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import click
from sqlalchemy import Table

from analyzer import stdout
from analyzer.capture.capture import capture
from analyzer.catalog import Catalog
from analyzer.checks.lint import lint
from analyzer.checks.spec.context import known_of
from analyzer.cli.findings import Format, emit_findings, findings_options
from analyzer.cli.options import (
    Database,
    database_option,
    fail_on_option,
    progress,
    quiet_option,
    resolve_database,
    twin_options,
)
from analyzer.cli.options import Source as Origin
from analyzer.config import load_config
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.report import NotExamined, Severity
from analyzer.documents.snapshot import NotExamined as SnapshotGap
from analyzer.documents.snapshot import Snapshot, load
from analyzer.errors import CapabilityError, InputError
from analyzer.objects.index import IndexDef
from analyzer.specs.sqlalchemy_indexes import model_indexes
from analyzer.specs.tolerant import Source, load_sources
from analyzer.twin.twin import PlannerChoice, open_twin


def _metadata(text: str) -> tuple[IndexDef, ...]:
    """Import `module:attribute`, a SQLAlchemy MetaData or a declarative base, and list its indexes."""
    module_name, _, attribute = text.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        with stdout.diverted():
            found: Any = importlib.import_module(module_name)
        for name in (attribute or "metadata").split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"--metadata {text}: {error}; give an importable module:attribute") from None
    metadata: Any = getattr(found, "metadata", found)
    tables: Any = getattr(metadata, "tables", None)
    if not isinstance(tables, Mapping):
        raise InputError(f"--metadata {text} is no MetaData; name one, or a declarative base")
    return model_indexes(cast("Mapping[str, Table]", tables).values(), str(metadata.schema or "public"))


def _exact(
    sources: Sequence[Source],
    snapshot: Snapshot,
    models: tuple[IndexDef, ...] | None,
    wanted: PlannerChoice,
    tell: Callable[[str], None],
) -> FindingsDocument:
    with open_twin(snapshot, wanted=wanted, progress=tell) as twin:
        tell("lint")
        gaps = [NotExamined(what=gap.what, reason=gap.reason) for gap in (*snapshot.not_examined, *twin.not_examined)]
        return lint(
            sources,
            today=dt.datetime.now(tz=dt.UTC).date(),
            known=known_of(Catalog(snapshot)),
            build=twin.canonical,
            basis=f"{twin.planner} of database {snapshot.server.database}",
            model_indexes=models,
            not_examined=gaps,
        )


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@database_option
@click.option(
    "--snapshot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Compare with a file of `twindex capture` instead of a database.",
)
@click.option("--metadata", metavar="MODULE:ATTRIBUTE", help="SQLAlchemy MetaData whose indexes no spec may repeat.")
@twin_options
@fail_on_option
@findings_options
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    database: Database,
    snapshot: Path | None,
    metadata: str | None,
    wanted: PlannerChoice,
    fail_on: Severity,
    output_format: Format | None,
    outputs: tuple[Path, ...],
    quiet: bool,
) -> None:
    """Say which specs cannot or should not be built, with file and line.

    PATHS are spec files or directories of them. By itself the command reads the files alone; with -d or --snapshot the
    specs are built on a twin, which makes the answers exact.
    """
    if database.url is not None and snapshot is not None:
        raise InputError(f"both {snapshot} and -d are given; name one source")
    models = _metadata(metadata) if metadata is not None else None
    sources = load_sources(paths or (load_config().specs,))
    if database.url is None and snapshot is None:
        document = lint(sources, today=dt.datetime.now(tz=dt.UTC).date(), model_indexes=models)
    else:
        document = _against(sources, database, snapshot, models, wanted, quiet=quiet)
    emit_findings(document, outputs, output_format)
    if document.reaches(fail_on):
        ctx.exit(1)


def _captured(source: Origin, wanted: PlannerChoice, tell: Callable[[str], None]) -> Snapshot:
    """Capture with the recorded statements where the server has them; only some warnings ask for those."""

    def captured_with(*, statements: bool) -> Snapshot:
        return capture(
            source.url,
            statements=statements,
            run_user_code=wanted.run_user_code,
            allow_superuser=source.allow_superuser,
            progress=lambda what: tell(f"capture: {what}"),
        )

    try:
        return captured_with(statements=True)
    except CapabilityError as error:
        captured = captured_with(statements=False)
        gap = SnapshotGap(what="recorded statements", reason=str(error))
        return captured.model_copy(update={"not_examined": (*captured.not_examined, gap)})


def _against(
    sources: Sequence[Source],
    database: Database,
    snapshot: Path | None,
    models: tuple[IndexDef, ...] | None,
    wanted: PlannerChoice,
    *,
    quiet: bool,
) -> FindingsDocument:
    with contextlib.ExitStack() as stack:
        tell = stack.enter_context(progress(quiet=quiet))
        if snapshot is not None:
            captured = load(snapshot)
        else:
            origin = stack.enter_context(resolve_database(database))
            captured = _captured(origin, wanted, tell)
        return _exact(sources, captured, models, wanted, tell)
