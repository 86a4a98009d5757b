"""`twindex pull`: specs from the indexes that exist."""

from pathlib import Path

import click

from analyzer.cli.inputs import resolve_snapshot, specs_directory
from analyzer.cli.metadata import load_tables
from analyzer.cli.options import Database, Source, database_option, quiet_option, specs_option
from analyzer.console import say, tell
from analyzer.errors import InputError
from analyzer.paths import is_directory
from analyzer.postgres.identifiers import QualifiedName
from analyzer.specs.fields import parse_table
from analyzer.specs.file import load_specs
from analyzer.specs.pull import pull
from analyzer.specs.sqlalchemy_indexes import owned_names
from analyzer.visible import visible


@click.command(short_help="Write specs for existing indexes and statistics.")
@database_option
@specs_option
@click.option(
    "--table", "tables", multiple=True, metavar="SCHEMA.TABLE", help="Write specs for this table only; repeatable."
)
@click.option(
    "--metadata",
    metavar="MODULE:ATTRIBUTE",
    help="SQLAlchemy MetaData; leave the indexes that it declares to its models.",
)
@quiet_option
def command(
    *, database: Database, specs: Path | None, tables: tuple[str, ...], metadata: str | None, quiet: bool
) -> None:
    """Write a spec for every existing index and statistics object that no spec declares; the database is only read."""
    directory = specs_directory(specs, new=True)
    if is_directory(directory):
        load_specs(directory)  # report unreadable files before connecting
    models = owned_names(*load_tables(metadata)) if metadata is not None else frozenset[QualifiedName]()
    wanted = frozenset(_table(text) for text in tables)
    snapshot = resolve_snapshot(Source(database=database), quiet=quiet, statements=False, planning=False)
    for schema, table in sorted(wanted):
        if snapshot.relation(schema, table) is None:
            raise InputError(
                f"--table: table {schema}.{table} does not exist in database {snapshot.server.database}; check the name"
            )
    pulled = pull(snapshot, directory, tables=wanted, models=models)
    for path in pulled.files:
        say(str(path))
    if not quiet:
        tell(f"declared: {len(pulled.objects)}, files written: {len(pulled.files)}")
        for gap in pulled.left_out:
            tell(visible(f"not declared: {gap.what}: {gap.reason}"))


def _table(text: str) -> tuple[str, str]:
    try:
        return parse_table(text)
    except ValueError as error:
        raise InputError(f"--table: {error}") from None
