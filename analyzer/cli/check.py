"""`twindex check`: drift between specs and database."""

import sys
from pathlib import Path

import click

from analyzer.checks.drift import find_drift
from analyzer.checks.environment import examine_environment
from analyzer.cli.options import (
    Database,
    database_option,
    emit,
    fail_on_option,
    format_options,
    progress,
    quiet_option,
    resolve_snapshot,
    source_argument,
    specs_directory,
    specs_option,
    twin_options,
)
from analyzer.config import load_config
from analyzer.documents.findings import FindingsDocument, Severity
from analyzer.render.formats import Format
from analyzer.specs.file import load_specs
from analyzer.twin.twin import PlannerChoice, open_twin


@click.command(short_help="Compare the specs with the indexes of a database.")
@source_argument
@database_option
@specs_option
@twin_options
@fail_on_option
@format_options(FindingsDocument)
@quiet_option
def command(
    *,
    snapshot: Path | None,
    database: Database,
    specs: Path | None,
    wanted: PlannerChoice,
    fail_on: Severity,
    output_format: Format | None,
    outputs: tuple[Path, ...],
    quiet: bool,
) -> None:
    """Compare the approved specs with the existing indexes and report every difference.

    SNAPSHOT is a file written by `twindex capture`; without it, twindex captures the database now. The database is
    only read.
    """
    declared = load_specs(specs_directory(specs))
    captured = resolve_snapshot(snapshot, database, quiet=quiet, statements=False, run_user_code=wanted.run_user_code)
    with progress(quiet=quiet) as tell, open_twin(captured, wanted=wanted, progress=tell) as twin:
        drift = find_drift(declared, captured, twin.canonical, gaps=twin.not_examined)
        planner = twin.planner
    environment = examine_environment(load_config().alembic)
    document = FindingsDocument(
        command="check",
        basis=f"database {captured.server.database}, definitions as a {planner} prints them",
        objects=drift.objects,
        findings=(*drift.findings, *environment.findings),
        checks=(*drift.checks, *environment.checks),
        not_examined=drift.not_examined,
    )
    emit(document, outputs, output_format)
    if document.reaches(fail_on):
        sys.exit(1)
