"""`twindex lint`: specs that cannot or should not be built."""

from pathlib import Path

import click

from analyzer.cli.inputs import progress, resolve_database, warn_of_superuser
from analyzer.cli.metadata import load_tables
from analyzer.cli.options import (
    Database,
    Output,
    Source,
    database_option,
    emit,
    fail_on_option,
    output_options,
    twin_options,
)
from analyzer.config import load_config
from analyzer.documents.findings import FindingsDocument, Severity
from analyzer.documents.snapshot import Snapshot, load
from analyzer.errors import InputError
from analyzer.specs.sqlalchemy_indexes import model_indexes
from analyzer.specs.tolerant import load_sources
from analyzer.twin.server.choose import PlannerChoice
from analyzer.workflows.capture import read_with_statements_if_recorded
from analyzer.workflows.lint import lint_against, lint_text


@click.command(short_help="Check the specs themselves, with file and line.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@database_option
@click.option(
    "--snapshot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Check against this file of `twindex capture` instead of a database.",
)
@click.option(
    "--metadata", metavar="MODULE:ATTRIBUTE", help="SQLAlchemy MetaData; report specs that repeat one of its indexes."
)
@twin_options
@fail_on_option
@output_options(FindingsDocument)
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    database: Database,
    snapshot: Path | None,
    metadata: str | None,
    choice: PlannerChoice,
    fail_on: Severity,
    output: Output,
) -> None:
    """Report specs that cannot or should not be built, with file and line.

    PATHS are spec files or directories of them. Without -d or --snapshot the command reads only the files; with one of
    them it builds the specs on a twin, which makes the findings exact.
    """
    if database.url is not None and snapshot is not None:
        raise InputError(f"{snapshot} and -d cannot be used together; specify one source")
    models = model_indexes(*load_tables(metadata)) if metadata is not None else None
    sources = load_sources(paths or (load_config().specs,))
    if database.url is None and snapshot is None:
        document = lint_text(sources, models=models)
    else:
        source = Source(database=database, snapshot=snapshot)
        captured = _snapshot(source, quiet=output.quiet, run_user_code=choice.run_user_code)
        with progress(quiet=output.quiet) as tell:
            document = lint_against(sources, captured, models=models, choice=choice, progress=tell)
    emit(document, output)
    if document.reaches(fail_on):
        ctx.exit(1)


def _snapshot(source: Source, *, quiet: bool, run_user_code: bool) -> Snapshot:
    """Load the snapshot file, or capture with the recorded statements if there are any: few rules need them."""
    if source.snapshot is not None:
        return load(source.snapshot)
    warn_of_superuser(source.database, run_user_code=run_user_code)
    with resolve_database(source.database) as found, progress(quiet=quiet) as tell:
        return read_with_statements_if_recorded(
            found.url, run_user_code=run_user_code, allow_superuser=found.allow_superuser, progress=tell
        )
