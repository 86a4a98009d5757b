"""`twindex check`: drift between specs and database."""

import sys
from pathlib import Path

import click

from analyzer.cli.inputs import in_project, progress, read_text, resolve_snapshot, specs_directory
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
from analyzer.errors import InputError
from analyzer.specs.file import SpecSet, load_specs
from analyzer.twin.server.choose import PlannerChoice
from analyzer.workflows.check import check
from analyzer.workflows.health import health as examine
from analyzer.workflows.health import new_since, read_findings
from analyzer.workflows.project import project_environment


@click.command(short_help="Compare the specs with a database.")
@source_options
@specs_option
@project_options
@no_env_option
@twin_options
@click.option(
    "--health",
    is_flag=True,
    help="Examine what the database holds and counted (indexes, tables, statements) instead of its differences.",
)
@fail_on_option
@click.option(
    "--fail-on-new",
    "base",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --health, count only findings that this earlier JSON document does not have.",
)
@output_options(FindingsDocument)
def command(
    *,
    source: Source,
    specs: Path | None,
    project: Project,
    no_env: bool,
    choice: PlannerChoice,
    health: bool,
    fail_on: Severity,
    base: Path | None,
    output: Output,
) -> None:
    """Compare the approved specs with the existing indexes and statistics, and report every difference.

    With --health it reports what is wrong with the database itself: indexes that nothing needs or that serve nothing,
    foreign keys without an index, tables that VACUUM does not keep up with, and their like.

    SNAPSHOT is a file written by `twindex capture`; without it, twindex captures the database now. The database is
    only read.
    """
    if health:
        if _check_health(source, specs, project, base, output).reaches(fail_on):
            sys.exit(1)
        return
    if base is not None:
        raise InputError("--fail-on-new compares findings about a database; add --health")
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


def _check_health(
    source: Source, specs: Path | None, project: Project, base: Path | None, output: Output
) -> FindingsDocument:
    """Print the findings about a database; return the document with those that count."""
    config = load_config()
    directory = specs or config.specs
    declared = load_specs(directory) if directory.is_dir() or specs is not None else SpecSet(specs=())
    before = read_findings(read_text(base), base) if base is not None else None
    snapshot = resolve_snapshot(source, quiet=output.quiet, project=project)
    with progress(quiet=output.quiet) as tell:
        document = examine(snapshot, declared, config, progress=tell)
    emit(document, output)
    return document if before is None else document.model_copy(update={"findings": new_since(document, before)})
