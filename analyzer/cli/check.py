"""`twindex check`: drift between specs and database."""

import sys
from pathlib import Path

import click

from analyzer.checks.drift import find_drift
from analyzer.cli.findings import Format, emit_findings, findings_options
from analyzer.cli.options import (
    database_option,
    fail_on_option,
    progress,
    quiet_option,
    resolve_snapshot,
    source_argument,
    specs_directory,
    specs_option,
)
from analyzer.report.findings import FindingsDocument
from analyzer.report.model import Severity
from analyzer.specs.files import load_specs
from analyzer.twin.planner import open_twin


@click.command()
@source_argument
@database_option
@specs_option
@fail_on_option
@findings_options
@quiet_option
def command(
    *,
    snapshot: Path | None,
    database: str | None,
    specs: Path | None,
    fail_on: Severity,
    output_format: Format | None,
    outputs: tuple[Path, ...],
    quiet: bool,
) -> None:
    """Compare the approved specs with the indexes that exist; only reads the database."""
    declared = load_specs(specs_directory(specs))
    captured = resolve_snapshot(snapshot, database, quiet=quiet, statements=False)
    with progress(quiet=quiet) as tell, open_twin(captured, progress=tell) as twin:
        drift = find_drift(declared, captured, twin.canonical, gaps=twin.not_examined)
        planner = twin.planner
    document = FindingsDocument(
        command="check",
        basis=f"database {captured.server.database}, definitions as a {planner} prints them",
        objects=drift.objects,
        findings=drift.findings,
        checks=drift.checks,
        not_examined=drift.not_examined,
    )
    emit_findings(document, outputs, output_format)
    if document.reaches(fail_on):
        sys.exit(1)
