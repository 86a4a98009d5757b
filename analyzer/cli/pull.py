"""`twindex pull`: specs from the indexes that exist."""

from pathlib import Path

import click

from analyzer.cli.inputs import in_project, resolve_snapshot, specs_directory
from analyzer.cli.metadata import load_tables
from analyzer.cli.options import (
    Database,
    Project,
    Source,
    database_option,
    no_env_option,
    project_options,
    quiet_option,
    specs_option,
)
from analyzer.config import load_config
from analyzer.console import say, tell
from analyzer.errors import InputError
from analyzer.paths import is_directory
from analyzer.specs.fields import parse_table
from analyzer.specs.file import load_specs
from analyzer.specs.pull import pull
from analyzer.specs.sqlalchemy_indexes import declarations
from analyzer.visible import visible
from analyzer.workflows.project import project_environment


@click.command(short_help="Write specs for existing indexes and statistics.")
@database_option
@specs_option
@click.option(
    "--table", "tables", multiple=True, metavar="SCHEMA.TABLE", help="Write specs for this table only; repeatable."
)
@project_options
@click.option(
    "--metadata",
    metavar="MODULE:ATTRIBUTE",
    help="SQLAlchemy MetaData of the models, in place of that of env.py, which is not run.",
)
@no_env_option
@click.option(
    "--adopt",
    is_flag=True,
    help="Write specs for the indexes that models declare as well, and name what to remove from the models.",
)
@quiet_option
def command(
    *,
    database: Database,
    specs: Path | None,
    tables: tuple[str, ...],
    project: Project,
    metadata: str | None,
    no_env: bool,
    adopt: bool,
    quiet: bool,
) -> None:
    """Write a spec for every existing index and statistics object that neither a spec nor a model declares.

    The database is only read.
    """
    directory = specs_directory(specs, new=True)
    if is_directory(directory):
        load_specs(directory)  # report unreadable files before connecting
    alembic = in_project(load_config(), project).alembic
    rules = project_environment(alembic, project.section, project.x, directory, run=metadata is None and not no_env)
    models = rules.declarations if metadata is None else declarations(*load_tables(metadata))
    if metadata is None and not no_env and rules.unknown is not None:
        raise InputError(
            f"the models are unknown: {rules.unknown}; name them with --metadata MODULE:ATTRIBUTE, or write specs of "
            "their indexes as well with --no-env"
        )
    wanted = frozenset(_table(text) for text in tables)
    snapshot = resolve_snapshot(
        Source(database=database), quiet=quiet, statements=False, planning=False, project=project
    )
    for schema, table in sorted(wanted):
        if snapshot.relation(schema, table) is None:
            raise InputError(
                f"--table: table {schema}.{table} does not exist in database {snapshot.server.database}; check the name"
            )
    pulled = pull(snapshot, directory, tables=wanted, models=models, includes=rules.includes, adopt=adopt)
    for path in pulled.files:
        say(str(path))
    if not quiet:
        tell(f"declared: {len(pulled.objects)}, files written: {len(pulled.files)}")
        for gap in pulled.left_out:
            tell(visible(f"not declared: {gap.what}: {gap.reason}"))
        if pulled.of_others:
            tell(f"not declared: {pulled.of_others} on tables that env.py leaves out")
        if pulled.of_models and not adopt:
            tell(f"not declared: {len(pulled.of_models)} that models declare; --adopt writes specs for them as well")
    for each in pulled.of_models if adopt else ():
        tell(visible(f"declared by a model as well, remove: {each}"))


def _table(text: str) -> tuple[str, str]:
    try:
        return parse_table(text)
    except ValueError as error:
        raise InputError(f"--table: {error}") from None
