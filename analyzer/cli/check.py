"""`twindex check`: drift between specs and database."""

import sys
from pathlib import Path

import click

from analyzer.cli.inputs import progress, resolve_snapshot, specs_directory
from analyzer.cli.options import (
    Output,
    Source,
    emit,
    fail_on_option,
    output_options,
    source_options,
    specs_option,
    twin_options,
)
from analyzer.config import load_config
from analyzer.documents.findings import FindingsDocument, Severity
from analyzer.specs.file import load_specs
from analyzer.twin.server.choose import PlannerChoice
from analyzer.workflows.check import check


@click.command(short_help="Compare the specs with a database.")
@source_options
@specs_option
@twin_options
@fail_on_option
@output_options(FindingsDocument)
def command(*, source: Source, specs: Path | None, choice: PlannerChoice, fail_on: Severity, output: Output) -> None:
    """Compare the approved specs with the existing indexes and statistics, and report every difference.

    SNAPSHOT is a file written by `twindex capture`; without it, twindex captures the database now. The database is
    only read.
    """
    declared = load_specs(specs_directory(specs))
    snapshot = resolve_snapshot(
        source, quiet=output.quiet, statements=False, planning=False, run_user_code=choice.run_user_code
    )
    with progress(quiet=output.quiet) as tell:
        document = check(snapshot, declared, load_config().alembic, choice=choice, progress=tell)
    emit(document, output)
    if document.reaches(fail_on):
        sys.exit(1)
