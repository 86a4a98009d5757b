"""Options shared by several commands, and how they resolve to a database, a snapshot, a workload."""

import contextlib
import functools
import os
import re
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import click
import psycopg
from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

from analyzer.capture.capture import capture
from analyzer.config import Config, configured_url, load_config
from analyzer.console import put, tell
from analyzer.db import describe, has_password, without_secrets
from analyzer.documents import snapshot as snapshots
from analyzer.documents.schema import AnyDocument, Document
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError, UnreachableError
from analyzer.paths import is_directory, is_there
from analyzer.render.formats import FORMATS, Format, format_of, formats_of, unsupported
from analyzer.render.output import render, write
from analyzer.render.query_text import QueryText
from analyzer.terminal import Description, is_terminal, of_stderr, of_stdout
from analyzer.twin.server import cluster
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.server.connection import forget_variables
from analyzer.workload.parse import Workload, parse_file, parse_statements

F = TypeVar("F", bound=Callable[..., Any])

DEVELOPMENT_DATABASE = "platform"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB)?", re.IGNORECASE)
_UNITS = {"b": 0, "kb": 1, "mb": 2, "gb": 3, "tb": 4}


class Size(click.ParamType[int]):
    """A size in PostgreSQL's units: 512MB, 2GB (1 kB = 1024 bytes)."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Turn the text into bytes."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a size; give one such as 512MB or 2GB", param, ctx)
        return int(float(match[1]) * 1024 ** _UNITS[(match[2] or "B").lower()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The database that the options name."""

    #: None where it is configured elsewhere.
    url: str | None = None
    #: Read it although the role is a superuser.
    allow_superuser: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A database to read."""

    url: str
    allow_superuser: bool


def database_option(function: F) -> F:
    """Add `-d/--database URL` and `--allow-superuser`, which the command receives as one `database`."""

    @functools.wraps(function)
    def command(*args: Any, database: str | None, allow_superuser: bool, **options: Any) -> Any:
        return function(*args, database=Database(url=database, allow_superuser=allow_superuser), **options)

    named = click.option(
        "-d",
        "--database",
        metavar="URL",
        help="libpq or postgresql+psycopg:// URL  [default: $DATABASE_URL, then sqlalchemy.url of alembic.ini]",
    )
    return named(superuser_option(cast("F", command)))


def superuser_option(function: F) -> F:
    """Add `--allow-superuser`."""
    return click.option(
        "--allow-superuser",
        is_flag=True,
        help="Allow a superuser, or a role that may run programs or access files on the server, to read the database.",
    )(function)


def user_code_option(function: F) -> F:
    """Add `--run-user-code`."""
    return click.option(
        "--run-user-code",
        is_flag=True,
        help="Run user-defined functions: during a capture, those not owned by a superuser; on a twin, the body of "
        "every function instead of only single-SELECT ones.",
    )(function)


def source_argument(function: F) -> F:
    """Add the optional SNAPSHOT argument."""
    path = click.Path(path_type=Path, dir_okay=False)
    return click.argument("snapshot", metavar="[SNAPSHOT]", type=path, required=False)(function)


def workload_option(function: F) -> F:
    """Add `--workload FILE.sql`."""
    return click.option(
        "--workload",
        "workload_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Read the statements from this .sql file, each with weight 1, instead of the snapshot.",
    )(function)


def specs_option(function: F) -> F:
    """Add `--specs DIR`."""
    return click.option(
        "--specs",
        type=click.Path(path_type=Path, file_okay=False),
        help="Directory of spec files  [default: index_specs]",
    )(function)


def twin_options(function: F) -> F:
    """Add the options of the twin, which the command receives as one `wanted`: its server, and what it trusts."""

    @functools.wraps(function)
    def command(
        *args: Any,
        twin_bin: Path | None,
        twin_image: str | None,
        run_user_code: bool,
        trust_schema: bool,
        **options: Any,
    ) -> Any:
        if twin_bin is not None and twin_image is not None:
            raise InputError("--twin-bin and --twin-image cannot be used together; specify one planner")
        wanted = PlannerChoice(
            bin_dir=twin_bin, image=twin_image, run_user_code=run_user_code, trust_schema=trust_schema
        )
        return function(*args, wanted=wanted, **options)

    named_image = click.option(
        "--twin-image", metavar="IMAGE", help="Plan with the PostgreSQL of this Docker image, e.g. postgres:17."
    )
    named_directory = click.option(
        "--twin-bin",
        type=click.Path(path_type=Path, file_okay=False),
        help="Plan with the PostgreSQL whose initdb and postgres are in this directory  [default: the closest version "
        "available]",
    )
    trusted = click.option(
        "--trust-schema",
        is_flag=True,
        help="Build a twin even if the kernel lacks Landlock, which confines code of the captured schema.",
    )
    return cast("F", named_directory(named_image(user_code_option(trusted(command)))))


def quiet_option(function: F) -> F:
    """Add `--quiet`."""
    return click.option("--quiet", is_flag=True, help="Do not show progress on stderr.")(function)


def fail_on_option(function: F) -> F:
    """Add `--fail-on SEVERITY`."""
    return click.option(
        "--fail-on",
        type=click.Choice(["info", "warning", "error"]),
        default="error",
        show_default=True,
        help="Exit with status 1 on a finding of at least this severity.",
    )(function)


class _FormatChoice(click.Choice[Format]):
    """The formats of one kind of document; help and completion offer these alone."""

    def __init__(self, document: type[AnyDocument]) -> None:
        super().__init__(formats_of(document))
        self._document = document

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Format:
        """Raise InputError for a format the document does not have."""
        if value not in self.choices:
            raise unsupported(f"--format {value}", self._document)
        return super().convert(value, param, ctx)


def format_options(document: type[AnyDocument]) -> Callable[[F], F]:
    """Add `-o` and `--format` of a command that gives this kind of document; refuse at once what cannot be written."""
    usual = [suffixes[0] for name in formats_of(document) if (suffixes := FORMATS[name].suffixes)]

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def command(*args: Any, outputs: tuple[Path, ...], output_format: Format | None, **options: Any) -> Any:
            _check_outputs(document, outputs, output_format)
            return function(*args, outputs=outputs, output_format=output_format, **options)

        named = click.option(
            "-o",
            "--output",
            "outputs",
            multiple=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help=f"Write to this file instead of stdout; {', '.join(usual)} selects the format; repeatable.",
        )
        chosen = click.option("--format", "output_format", type=_FormatChoice(document))
        return cast("F", named(chosen(command)))

    return decorate


def output_options(document: type[Document]) -> Callable[[F], F]:
    """Add `-o`, `--format`, `--query-text` and `--quiet` of a command that gives this kind of document."""
    shown = click.option(
        "--query-text",
        type=click.Choice(["full", "normalised", "hash"]),
        default="full",
        show_default=True,
        help="Query text to show: as recorded, without constants, or only a hash.",
    )
    return lambda function: format_options(document)(shown(quiet_option(function)))


def _check_outputs(document: type[AnyDocument], outputs: Sequence[Path], output_format: Format | None) -> None:
    """Refuse, before anything is read, what could not be written afterwards.

    Raises InputError for a suffix without a format, a format the document lacks, a directory that does not exist.
    """
    for path in outputs:
        if output_format is None:
            format_of(path, document)
        if not is_directory(path.parent):
            raise InputError(f"{path.parent} does not exist; create that directory, or give -o another file name")
        if not os.access(path if is_there(path) else path.parent, os.W_OK):
            raise InputError(f"{path} cannot be written (permission denied); give -o another file name")


def emit(
    document: AnyDocument, outputs: Sequence[Path], output_format: Format | None, query_text: QueryText = "full"
) -> None:
    """Write a document to the given files, or to stdout without any."""
    if outputs:
        write(document, outputs, output_format, query_text=query_text)
        return
    terminal = is_terminal(sys.stdout)
    colour = terminal and not os.environ.get("NO_COLOR")
    text = render(
        document,
        output_format or "text",
        query_text=query_text,
        width=min(of_stdout().width, 160) if terminal else 120,
        colour=colour,
    )
    put(text, colour=colour, commands=output_format == "github")


@contextlib.contextmanager
def resolve_database(database: Database, config: Config | None = None) -> Generator[Source]:
    """Yield the database to read: the option's, the configured one, or that of the development cluster.

    Raises InputError if no database is specified and no development cluster exists.
    """
    settings = config or load_config()
    if database.url is not None and has_password(database.url):
        tell("twindex: a password on the command line is visible in process lists; use PGPASSWORD or ~/.pgpass")
    url = database.url or configured_url(settings)
    if url is not None:
        yield Source(url=url, allow_superuser=database.allow_superuser)
    elif is_directory(settings.development / "postgres"):
        forget_variables()
        with cluster.development(settings.development) as running:
            yield Source(url=running.url(DEVELOPMENT_DATABASE), allow_superuser=True)  # a server of our own
    else:
        raise InputError("no database specified; use -d URL or set DATABASE_URL")


def resolve_snapshot(
    source: Path | None, database: Database, *, quiet: bool, statements: bool = True, run_user_code: bool = False
) -> Snapshot:
    """Load the snapshot file, or capture the database if none is given."""
    if source is not None:
        if database.url is not None:
            raise InputError(f"{source} and -d cannot be used together; specify one source")
        return snapshots.load(source)
    warn_of_superuser(database, run_user_code=run_user_code)
    with resolve_database(database) as found:
        return read_snapshot(found, quiet=quiet, statements=statements, run_user_code=run_user_code)


def warn_of_superuser(database: Database, *, run_user_code: bool) -> None:
    """Warn about the combination of the two options, even with --quiet."""
    if database.allow_superuser and run_user_code:
        tell(
            "twindex: warning: with --allow-superuser and --run-user-code, user-defined functions run as a superuser "
            "and can take over the server; connect as an unprivileged role instead"
        )


def read_snapshot(
    source: Source,
    *,
    quiet: bool,
    run_user_code: bool = False,
    statements: bool = True,
    values: bool = True,
    sample_rows: int = 0,
    replicas: Sequence[str] = (),
) -> Snapshot:
    """Capture a database, with progress on stderr; raises UnreachableError if the connection is lost."""
    try:
        with progress(quiet=quiet) as tell:
            return capture(
                source.url,
                run_user_code=run_user_code,
                allow_superuser=source.allow_superuser,
                replicas=replicas,
                statements=statements,
                values=values,
                sample_rows=sample_rows,
                progress=lambda what: tell(f"capture: {what}"),
            )
    except (psycopg.OperationalError, psycopg.DataError) as error:
        reason = without_secrets(str(error), source.url)
        raise UnreachableError(
            f"{describe(source.url)}: connection lost while reading ({reason}); run the command again"
        ) from None


def resolve_workload(workload_file: Path | None, snapshot: Snapshot) -> Workload:
    """Read the statements of the file, or those of the snapshot."""
    if workload_file is None:
        return parse_statements(snapshot)
    workload = parse_file(read_text(workload_file))
    if not workload.statements:
        first = next((f" ({gap.what}: {gap.reason})" for gap in workload.not_examined), "")
        raise InputError(
            f"{workload_file} contains no statement that can be planned{first}; give queries, each terminated by ;"
        )
    return workload


def read_text(path: Path | None) -> str:
    """Read a text file, or stdin without one; raises InputError."""
    where = path or "stdin"
    if path is None and sys.stdin is None:  # it was closed
        raise InputError("stdin cannot be read (it is closed); open it, or specify a file")
    try:
        text = (path.read_bytes() if path else sys.stdin.buffer.read()).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{where} cannot be read ({reason}); give a text file of SQL") from None
    if "\0" in text:
        raise InputError(f"{where} cannot be read (it is binary); give a text file of SQL")
    return text


def specs_directory(specs: Path | None, *, new: bool = False) -> Path:
    """Return the directory of specs; raises InputError if a named one does not exist, unless `new`."""
    if specs is not None and not is_directory(specs) and not new:
        raise InputError(f"{specs} is not a directory of spec files; give --specs DIR")
    return specs or load_config().specs


@contextlib.contextmanager
def progress(*, quiet: bool) -> Generator[Callable[[str], None]]:
    """Show one line of progress on stderr while the block runs; nothing when quiet or not a terminal."""
    columns = (SpinnerColumn(), Description(), TimeElapsedColumn())
    with Progress(*columns, console=of_stderr(quiet=quiet or not is_terminal(sys.stderr)), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what: bar.update(task, description=what)
