"""`twindex revise`: approved specs become one Alembic revision."""

from pathlib import Path

import click

from analyzer.cli.options import (
    Database,
    database_option,
    progress,
    resolve_snapshot,
    specs_directory,
    specs_option,
    twin_options,
)
from analyzer.config import load_config
from analyzer.console import say
from analyzer.errors import InputError
from analyzer.migrate.plan.hazards import ALL, HazardCode, HazardError, refused_codes
from analyzer.migrate.plan.revision import revise
from analyzer.paths import is_file
from analyzer.specs.file import load_specs
from analyzer.twin.twin import PlannerChoice, open_twin
from analyzer.visible import visible

_HAZARD = click.Choice([*HazardCode, ALL], case_sensitive=False)


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
    type=_HAZARD,
    metavar="CODE",
    help=f"Write nothing and exit 1 if a step has this hazard: {', '.join(HazardCode)}, or {ALL}; repeatable.",
)
@click.option(
    "--allow-hazard",
    "allow",
    multiple=True,
    type=_HAZARD,
    metavar="CODE",
    help="Allow a hazard that ALL or the project's refuse_hazards refuses; repeatable.",
)
@twin_options
@click.option("--quiet", is_flag=True, help="Do not show progress on stderr.")
def command(
    *,
    message: str,
    database: Database,
    specs: Path | None,
    alembic: Path | None,
    refuse: tuple[str, ...],
    allow: tuple[str, ...],
    wanted: PlannerChoice,
    quiet: bool,
) -> None:
    """Write an Alembic revision that brings the database in line with the approved specs.

    The database is only read.
    """
    config = load_config()
    directory, settings = specs_directory(specs), alembic or config.alembic
    refused = refused_codes(project=config.refuse_hazards, refuse=refuse, allow=allow)
    load_specs(directory)  # report unreadable files before connecting
    if not is_file(settings):
        raise InputError(f"{settings} does not exist; run in the project's directory or use --config FILE")
    snapshot = resolve_snapshot(None, database, quiet=quiet, statements=False, run_user_code=wanted.run_user_code)
    try:
        with progress(quiet=quiet) as tell, open_twin(snapshot, wanted=wanted, progress=tell) as twin:
            path = revise(
                snapshot, directory, settings,
                message=message, canonical=twin.canonical, deparse=twin.server_ddl, refused=refused,
            )  # fmt: skip
    except HazardError as error:
        for line in error.lines:
            say(visible(line))
        click.get_current_context().exit(error.exit_status)
    say("nothing to do: the database matches the specs" if path is None else str(path))
