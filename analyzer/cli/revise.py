"""`twindex revise`: approved specs become one Alembic revision."""

from pathlib import Path

import click

from analyzer.cli.inputs import in_project, progress, resolve_snapshot, specs_directory
from analyzer.cli.options import (
    Database,
    Project,
    Source,
    database_option,
    no_env_option,
    project_options,
    quiet_option,
    specs_option,
    twin_options,
)
from analyzer.config import load_config
from analyzer.console import say
from analyzer.migrate.hazards import ALL, HazardCode, HazardError, refused_codes
from analyzer.specs.file import load_specs
from analyzer.twin.server.choose import PlannerChoice
from analyzer.visible import visible
from analyzer.workflows.project import project_config, project_environment
from analyzer.workflows.revise import revise


@click.command(short_help="Write an Alembic revision from approved specs.")
@click.option("-m", "--message", required=True, help="Message of the revision.")
@database_option
@specs_option
@project_options
@no_env_option
@click.option(
    "--refuse-hazard",
    "refuse",
    multiple=True,
    metavar="CODE",
    help=f"Write nothing and exit 1 if a step has this hazard: {', '.join(HazardCode)}, or {ALL}; repeatable.",
)
@click.option(
    "--allow-hazard",
    "allow",
    multiple=True,
    metavar="CODE",
    help="Allow a hazard that ALL or the project's refuse_hazards refuses; repeatable.",
)
@twin_options
@quiet_option
def command(
    *,
    message: str,
    database: Database,
    specs: Path | None,
    project: Project,
    no_env: bool,
    refuse: tuple[str, ...],
    allow: tuple[str, ...],
    choice: PlannerChoice,
    quiet: bool,
) -> None:
    """Write an Alembic revision that brings the database in line with the approved specs.

    The database is only read.
    """
    config = load_config()
    directory = specs_directory(specs)
    refused = refused_codes(project=config.refuse_hazards, refuse=refuse, allow=allow)
    declared = load_specs(directory)  # report unreadable files before connecting
    file = in_project(config, project).alembic
    settings = project_config(file, project.section, project.x)
    rules = project_environment(file, project.section, project.x, directory, run=not no_env)
    snapshot = resolve_snapshot(
        Source(database=database),
        quiet=quiet,
        statements=False,
        planning=False,
        run_user_code=choice.run_user_code,
        project=project,
    )
    try:
        with progress(quiet=quiet) as tell:
            path = revise(
                snapshot,
                declared,
                settings,
                message=message,
                environment=rules,
                choice=choice,
                refused=refused,
                progress=tell,
            )
    except HazardError as error:
        for line in error.lines:
            say(visible(line))
        click.get_current_context().exit(error.exit_status)
    say("nothing to do: the database matches the specs" if path is None else str(path))
