"""`twindex revise`: approved specs become one Alembic revision."""

from pathlib import Path

import click

from analyzer.cli.inputs import progress, resolve_snapshot, specs_directory
from analyzer.cli.options import Database, Source, database_option, quiet_option, specs_option, twin_options
from analyzer.config import load_config
from analyzer.console import say
from analyzer.errors import InputError
from analyzer.migrate.hazards import ALL, HazardCode, HazardError, refused_codes
from analyzer.paths import is_file
from analyzer.specs.file import load_specs
from analyzer.twin.server.choose import PlannerChoice
from analyzer.visible import visible
from analyzer.workflows.revise import revise


@click.command(short_help="Write an Alembic revision from approved specs.")
@click.option("-m", "--message", required=True, help="Message of the revision.")
@database_option
@specs_option
@click.option(
    "--config",
    "alembic",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file of Alembic  [default: alembic.ini]",
)
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
    alembic: Path | None,
    refuse: tuple[str, ...],
    allow: tuple[str, ...],
    choice: PlannerChoice,
    quiet: bool,
) -> None:
    """Write an Alembic revision that brings the database in line with the approved specs.

    The database is only read.
    """
    config = load_config()
    directory, settings = specs_directory(specs), alembic or config.alembic
    refused = refused_codes(project=config.refuse_hazards, refuse=refuse, allow=allow)
    declared = load_specs(directory)  # report unreadable files before connecting
    if not is_file(settings):
        raise InputError(f"{settings} does not exist; run in the project's directory or use --config FILE")
    snapshot = resolve_snapshot(
        Source(database=database),
        quiet=quiet,
        statements=False,
        planning=False,
        run_user_code=choice.run_user_code,
    )
    try:
        with progress(quiet=quiet) as tell:
            path = revise(snapshot, declared, settings, message=message, choice=choice, refused=refused, progress=tell)
    except HazardError as error:
        for line in error.lines:
            say(visible(line))
        click.get_current_context().exit(error.exit_status)
    say("nothing to do: the database matches the specs" if path is None else str(path))
