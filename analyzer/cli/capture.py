"""`twindex capture`: one read-only snapshot of a database, as a file."""

import contextlib
import os
from pathlib import Path

import click

from analyzer.cli.inputs import add_given_plans, add_logs, progress, resolve_database, warn_of_superuser
from analyzer.cli.options import (
    Database,
    Logs,
    log_options,
    more_plans_option,
    superuser_option,
    user_code_option,
)
from analyzer.console import tell
from analyzer.documents import snapshot as snapshots
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError
from analyzer.paths import is_directory, reason_of
from analyzer.visible import visible
from analyzer.workflows.capture import read_database
from analyzer.workload.plan_files import read_plans

#: How many of the reasons for not examining something the summary names.
_REASONS_SHOWN = 3


@click.command(short_help="Read a database into a snapshot file.")
@click.option(
    "-d",
    "--database",
    "databases",
    metavar="URL",
    multiple=True,
    help="The primary, then its replicas, whose counters are added; libpq or postgresql+psycopg:// URLs  "
    "[default: $DATABASE_URL, then sqlalchemy.url of alembic.ini]",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Snapshot file to write, with mode 0600."
)
@click.option(
    "--samples",
    "sample_rows",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Sample N rows of each table, for better estimates of expressions, predicates and GIN indexes.",
)
@click.option(
    "--sample-activity",
    "sample_seconds",
    type=click.FloatRange(0, 3600, min_open=True),
    metavar="SECONDS",
    help="Sample pg_stat_activity for this time, during the capture, for the values that statements run with.",
)
@more_plans_option
@log_options
@click.option("--no-values", is_flag=True, help="Exclude all column values and all literals of statements.")
@user_code_option
@superuser_option
@click.option("--quiet", is_flag=True, help="Show neither progress nor summary on stderr.")
def command(
    *,
    databases: tuple[str, ...],
    output: Path,
    sample_rows: int | None,
    sample_seconds: float | None,
    plans: tuple[Path, ...],
    logs: Logs,
    no_values: bool,
    run_user_code: bool,
    allow_superuser: bool,
    quiet: bool,
) -> None:
    """Read the catalog, statistics and recorded statements of a database into a snapshot file.

    The database is only read.
    """
    if sample_rows and no_values:
        raise InputError("--samples and --no-values cannot be used together; --samples stores values")
    _check_writable(output)
    read = read_plans(plans) if plans else None
    warn_of_superuser(Database(allow_superuser=allow_superuser), run_user_code=run_user_code)
    with contextlib.ExitStack() as stack:
        named = [Database(url=each, allow_superuser=allow_superuser) for each in databases or (None,)]
        primary, *replicas = [stack.enter_context(resolve_database(each)) for each in named]
        with progress(quiet=quiet) as shown:
            snapshot = read_database(
                primary.url,
                replicas=[replica.url for replica in replicas],
                values=not no_values,
                sample_rows=sample_rows or 0,
                run_user_code=run_user_code,
                allow_superuser=primary.allow_superuser,
                sample_seconds=sample_seconds,
                progress=shown,
            )
    snapshot = add_logs(snapshot, logs, values=not no_values, quiet=quiet)
    snapshot = add_given_plans(snapshot, read, values=not no_values)
    try:
        snapshots.dump(snapshot, output)
    except OSError as error:
        raise InputError(f"{output} cannot be written ({reason_of(error)}); give -o another file name") from None
    if not quiet:
        tell(summary(snapshot, output))


def _check_writable(output: Path) -> None:
    """Check before reading the database that the output can be written."""
    if is_directory(output):
        raise InputError(f"{output} is a directory; give -o a file name")
    if not is_directory(output.parent):
        raise InputError(f"{output.parent} does not exist; create that directory, or give -o another file name")
    if not os.access(output.parent, os.W_OK):
        raise InputError(f"{output} cannot be written (permission denied); give -o another file name")


def summary(snapshot: Snapshot, output: Path) -> str:
    """Summarise in one line what a snapshot contains and what is missing."""
    tables = sum(1 for relation in snapshot.relations if relation.kind in {"r", "p", "m", "f"})
    beside = (
        (len(snapshot.log_statements), "of the log"),
        (len(snapshot.sampled_statements), "sampled"),
        (len(snapshot.plans) + len(snapshot.log_plans), "plans"),
    )
    found = ", ".join(f"{number} {what}" for number, what in beside if number)
    told = f" ({found})" if found else ""
    counts = (
        f"{output}: {tables} tables, {len(snapshot.indexes)} indexes, {len(snapshot.statements)} statements"
        f"{told}, {output.stat().st_size / 1024:.0f} kB"
    )
    missing = snapshot.not_examined
    if not missing:
        return visible(f"{counts}; everything was examined")
    reasons = "; ".join(f"{part.what}: {part.reason}" for part in missing[:_REASONS_SHOWN])
    more = f"; and {len(missing) - _REASONS_SHOWN} more" if len(missing) > _REASONS_SHOWN else ""
    return visible(f"{counts}; {len(missing)} not examined ({reasons}{more})")
