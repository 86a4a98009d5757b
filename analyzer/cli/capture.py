"""`twindex capture`: one read-only snapshot of a database, as a file."""

import os
from pathlib import Path

import click

from analyzer.capture import snapshot as snapshots
from analyzer.capture.snapshot import Snapshot
from analyzer.cli.options import database_option, read_snapshot, resolve_database
from analyzer.errors import InputError

#: How many of the reasons for not examining something the summary names.
_REASONS_SHOWN = 3


@click.command()
@database_option
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write, mode 0600.")
@click.option("--no-values", is_flag=True, help="Leave out every value of a row and every literal of a statement.")
@click.option("--quiet", is_flag=True, help="Neither progress nor summary on stderr.")
def command(*, database: str | None, output: Path, no_values: bool, quiet: bool) -> None:
    """Read a database's catalog, statistics and statements into a snapshot file; nothing is written to it."""
    _check_writable(output)
    with resolve_database(database) as url:
        snapshot = read_snapshot(url, quiet=quiet, values=not no_values)
    try:
        snapshots.dump(snapshot, output)
    except OSError as error:
        raise InputError(f"{output} cannot be written ({error.strerror}); give -o another file name") from None
    if not quiet:
        click.echo(summary(snapshot, output), err=True)


def _check_writable(output: Path) -> None:
    """Refuse, before the database is read, what could not be written afterwards."""
    if output.is_dir():
        raise InputError(f"{output} is a directory; give -o a file name")
    if not output.parent.is_dir():
        raise InputError(f"{output.parent} does not exist; make that directory, or give -o another file name")
    if not os.access(output.parent, os.W_OK):
        raise InputError(f"{output} cannot be written (permission denied); give -o another file name")


def summary(snapshot: Snapshot, output: Path) -> str:
    """Say in one line what a snapshot holds and what it lacks."""
    tables = sum(1 for relation in snapshot.relations if relation.kind in {"r", "p", "m", "f"})
    counts = (
        f"{output}: {tables} tables, {len(snapshot.indexes)} indexes, {len(snapshot.statements)} statements, "
        f"{output.stat().st_size / 1024:.0f} kB"
    )
    missing = snapshot.not_examined
    if not missing:
        return f"{counts}; everything was examined"
    reasons = "; ".join(f"{part.what}: {part.reason}" for part in missing[:_REASONS_SHOWN])
    more = f"; and {len(missing) - _REASONS_SHOWN} more" if len(missing) > _REASONS_SHOWN else ""
    return f"{counts}; {len(missing)} not examined ({reasons}{more})"
