"""`twindex revise`: approved specs become one Alembic revision."""

from pathlib import Path

import click

from analyzer.cli.options import database_option, progress, resolve_snapshot, specs_option
from analyzer.config import load_config
from analyzer.migrate.revision import revise
from analyzer.twin.planner import open_twin


@click.command()
@click.option("-m", "--message", required=True, help="What the revision is for.")
@database_option
@specs_option
@click.option(
    "--config",
    "alembic",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Alembic's file  [default: alembic.ini]",
)
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(*, message: str, database: str | None, specs: Path | None, alembic: Path | None, quiet: bool) -> None:
    """Write the Alembic revision that makes the database agree with the approved specs; only reads the database."""
    config = load_config()
    snapshot = resolve_snapshot(None, database, quiet=quiet, statements=False)
    with progress(quiet=quiet) as tell, open_twin(snapshot, progress=tell) as twin:
        path = revise(
            snapshot, specs or config.specs, alembic or config.alembic,
            message=message, canonical=twin.canonical, deparse=twin.server_ddl,
        )  # fmt: skip
    click.echo("nothing to do: the database agrees with the specs" if path is None else str(path))
