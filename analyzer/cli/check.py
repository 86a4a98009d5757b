"""`twindex check`: drift between specs and database."""

import sys
from pathlib import Path

import click

from analyzer.cli.inputs import in_project, progress, resolve_snapshot, specs_directory
from analyzer.cli.options import (
    Output,
    Project,
    Source,
    emit,
    fail_on_option,
    no_env_option,
    output_options,
    project_options,
    source_options,
    specs_option,
    twin_options,
)
from analyzer.config import load_config
from analyzer.documents.findings import FindingsDocument, Severity
from analyzer.specs.file import load_specs
from analyzer.twin.server.choose import PlannerChoice
from analyzer.workflows.check import check
from analyzer.workflows.project import project_environment


@click.command(short_help="Compare the specs with a database.")
@source_options
@specs_option
@project_options
@no_env_option
@twin_options
@fail_on_option
@output_options(FindingsDocument)
def command(
    *,
    source: Source,
    specs: Path | None,
    project: Project,
    no_env: bool,
    choice: PlannerChoice,
    fail_on: Severity,
    output: Output,
) -> None:
    """Compare the approved specs with the existing indexes and statistics, and report every difference.

    SNAPSHOT is a file written by `twindex capture`; without it, twindex captures the database now. The database is
    only read.
    """
    directory, alembic = specs_directory(specs), in_project(load_config(), project).alembic
    declared = load_specs(directory)
    rules = project_environment(alembic, project.section, project.x, directory, run=not no_env)
    snapshot = resolve_snapshot(
        source,
        quiet=output.quiet,
        statements=False,
        planning=False,
        run_user_code=choice.run_user_code,
        project=project,
    )
    with progress(quiet=output.quiet) as tell:
        document = check(
            snapshot,
            declared,
            alembic,
            section=project.section,
            environment=rules,
            choice=choice,
            progress=tell,
        )
    emit(document, output)
    if document.reaches(fail_on):
        sys.exit(1)
