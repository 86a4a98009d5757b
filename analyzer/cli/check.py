"""`twindex check`: drift between specs and database."""

import sys
from pathlib import Path

import click

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
from analyzer.report.output import write_texts
from analyzer.specs.drift import find_drift
from analyzer.specs.files import load_specs
from analyzer.twin.planner import open_twin


@click.command()
@source_argument
@database_option
@specs_option
@fail_on_option
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), help="[default: text]")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead of stdout.")
@quiet_option
def command(
    *,
    snapshot: Path | None,
    database: str | None,
    specs: Path | None,
    fail_on: Severity,
    output_format: str | None,
    output: Path | None,
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
        basis=f"database {captured.server.database}; definitions compared as a {planner} prints them",
        objects=drift.objects,
        findings=drift.findings,
        checks=drift.checks,
        not_examined=drift.not_examined,
    )
    as_json = output_format == "json" or (output_format is None and output is not None and output.suffix == ".json")
    text = document.model_dump_json(indent=2) + "\n" if as_json else _render(document)
    if output is not None:
        write_texts([(output, text)])
    else:
        click.echo(text, nl=False)
    if document.reaches(fail_on):
        sys.exit(1)


def _render(document: FindingsDocument) -> str:
    lines: list[str] = []
    for finding in document.findings:
        where = f"{finding.file}:{finding.line}: " if finding.file is not None else f"{finding.object}: "
        lines.append(f"{where}{finding.code} {finding.severity}: {finding.message}")
    lines += [f"not examined: {gap.what}: {gap.reason}" for gap in document.not_examined]
    lines += [
        f"{check.code} skipped {check.skipped}: {'; '.join(check.skipped_because)}"
        for check in document.checks
        if check.skipped
    ]
    found = len(document.findings) or "no"
    plural = "" if found == 1 else "s"
    lines.append(f"{document.objects} declared indexes compared, {found} difference{plural} ({document.basis})")
    return "\n".join(lines) + "\n"
