"""Options shared by several commands; `inputs` reads what they name."""

import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click

from analyzer.console import put
from analyzer.documents.findings import FindingsDocument
from analyzer.documents.schema import AnyDocument
from analyzer.documents.weights import Weight
from analyzer.errors import InputError
from analyzer.paths import is_directory, is_there
from analyzer.render.formats import FORMATS, Format, format_of, formats_of, unsupported
from analyzer.render.output import render, write
from analyzer.render.query_text import QueryText
from analyzer.terminal import is_terminal, of_stdout
from analyzer.twin.server.choose import PlannerChoice

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The database that the options name."""

    #: None where it is configured elsewhere.
    url: str | None = None
    #: Read it although the role is a superuser.
    allow_superuser: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the options name to be read: a snapshot file, or else a database."""

    database: Database
    snapshot: Path | None = None
    #: More snapshots, whose workloads are merged with its.
    others: tuple[Path, ...] = ()
    #: Where statements find their tables whose role has no setting of its own.
    search_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """Files of the server's log."""

    paths: tuple[Path, ...] = ()
    #: None to find it.
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """An Alembic project."""

    #: None means the configured one.
    file: Path | None = None
    section: str | None = None
    #: What `-x` gives to env.py.
    x: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a command writes its document, and how."""

    #: None means stdout.
    files: tuple[Path, ...]
    #: None where the suffix picks it; text on stdout.
    format: Format | None
    query_text: QueryText
    #: Without progress on stderr.
    quiet: bool


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


def no_env_option(function: F) -> F:
    """Add `--no-env`."""
    return click.option("--no-env", is_flag=True, help="Do not run env.py for the models and rules of the project.")(
        function
    )


def user_code_option(function: F) -> F:
    """Add `--run-user-code`."""
    return click.option(
        "--run-user-code",
        is_flag=True,
        help="Run user-defined functions: during a capture, those not owned by a superuser; on a twin, the body of "
        "every function instead of only single-SELECT ones.",
    )(function)


def source_options(function: F) -> F:
    """Add the optional SNAPSHOT argument and the options of a database; the command gets both as `source`."""

    @functools.wraps(function)
    def command(*args: Any, snapshot: Path | None, database: Database, **options: Any) -> Any:
        return function(*args, source=Source(snapshot=snapshot, database=database), **options)

    path = click.Path(path_type=Path, dir_okay=False)
    named = click.argument("snapshot", metavar="[SNAPSHOT]", type=path, required=False)
    return named(database_option(cast("F", command)))


def workload_option(function: F) -> F:
    """Add `--workload FILE|DIR`."""
    return click.option(
        "--workload",
        "workload_file",
        type=click.Path(path_type=Path),
        metavar="FILE|DIR",
        help="Read the statements from a file or a directory instead of the snapshot: SQL or a pgbench script, each "
        "statement with weight 1, or a .csv or .json export of pg_stat_statements with its calls and times.",
    )(function)


def plans_option(function: F) -> F:
    """Add `--plans FILE|DIR`."""
    return click.option(
        "--plans",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE|DIR",
        help="Take the statements from plans: output of EXPLAIN in any format, in a file of any kind; repeatable.",
    )(function)


def more_plans_option(function: F) -> F:
    """Add `--plans FILE|DIR` of a command that has its statements from elsewhere."""
    return click.option(
        "--plans",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE|DIR",
        help="Plans of recorded statements: output of EXPLAIN in any format, in a file of any kind; repeatable.",
    )(function)


def since_option(function: F) -> F:
    """Add `--since SNAPSHOT`."""
    return click.option(
        "--since",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="SNAPSHOT",
        help="Count only what was recorded since this older snapshot of the same server.",
    )(function)


def weight_option(function: F) -> F:
    """Add `--weigh-by WHAT`."""
    return click.option(
        "--weigh-by",
        type=click.Choice(get_args(Weight)),
        default="time",
        show_default=True,
        help="Weigh the statements by their time, their calls, or the blocks of shared buffers that they access.",
    )(function)


def log_options(function: F) -> F:
    """Add `--logs PATH` and `--log-line-prefix`; the command gets both as `logs`."""

    @functools.wraps(function)
    def command(*args: Any, log_paths: tuple[Path, ...], log_line_prefix: str | None, **options: Any) -> Any:
        return function(*args, logs=Logs(paths=log_paths, prefix=log_line_prefix), **options)

    prefix = click.option(
        "--log-line-prefix", metavar="TEXT", help="log_line_prefix of the log  [default: found in the log]"
    )
    paths = click.option(
        "--logs",
        "log_paths",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Server log (stderr, csvlog or jsonlog, also compressed), or a directory of such files; repeatable.",
    )
    return paths(prefix(cast("F", command)))


def specs_option(function: F) -> F:
    """Add `--specs DIR`."""
    return click.option(
        "--specs",
        type=click.Path(path_type=Path, file_okay=False),
        help="Directory of spec files  [default: index_specs]",
    )(function)


def project_options(function: F) -> F:
    """Add the options `--config`, `-n` and `-x` of Alembic, which the command receives as one `project`."""

    @functools.wraps(function)
    def command(*args: Any, alembic: Path | None, section: str | None, x: tuple[str, ...], **options: Any) -> Any:
        return function(*args, project=Project(file=alembic, section=section, x=x), **options)

    file = click.option(
        "--config",
        "alembic",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Configuration file of Alembic  [default: alembic.ini]",
    )
    name = click.option(
        "-n", "--name", "section", metavar="SECTION", help="Section of that file, as for alembic  [default: alembic]"
    )
    x = click.option("-x", "x", multiple=True, metavar="ARG", help="Argument for env.py, as for alembic; repeatable.")
    return cast("F", file(name(x(command))))


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
        choice = PlannerChoice(
            bin_dir=twin_bin, image=twin_image, run_user_code=run_user_code, trust_schema=trust_schema
        )
        return function(*args, choice=choice, **options)

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


def statements_options(function: F) -> F:
    """Add SNAPSHOT arguments, the options of a database, and `--search-path` for the recorded statements."""

    @functools.wraps(function)
    def command(
        *args: Any, snapshots: tuple[Path, ...], database: Database, search_path: str | None, **options: Any
    ) -> Any:
        first, others = (snapshots[0], snapshots[1:]) if snapshots else (None, ())
        source = Source(snapshot=first, others=others, database=database, search_path=search_path)
        return function(*args, source=source, **options)

    named = click.option(
        "--search-path",
        metavar="SCHEMAS",
        help="search_path of the recorded statements whose role has no setting of its own, such as 'shop, public'  "
        "[default: that of the capturing session]",
    )
    path = click.Path(path_type=Path, dir_okay=False)
    listed = click.argument("snapshots", metavar="[SNAPSHOT]...", type=path, nargs=-1)
    return listed(database_option(named(cast("F", command))))


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


def output_options(document: type[AnyDocument]) -> Callable[[F], F]:
    """Add `-o`, `--format` and `--quiet` of a command that gives this kind of document; it gets them as `output`.

    `--query-text` is added where the document quotes statements. What cannot be written is refused at once.
    """
    usual = [suffixes[0] for name in formats_of(document) if (suffixes := FORMATS[name].suffixes)]

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def command(
            *args: Any,
            outputs: tuple[Path, ...],
            output_format: Format | None,
            query_text: QueryText = "full",
            quiet: bool,
            **options: Any,
        ) -> Any:
            _check_outputs(document, outputs, output_format)
            output = Output(files=outputs, format=output_format, query_text=query_text, quiet=quiet)
            return function(*args, output=output, **options)

        named = click.option(
            "-o",
            "--output",
            "outputs",
            multiple=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help=f"Write to this file instead of stdout; the suffix ({', '.join(usual)}) selects the format; "
            "repeatable.",
        )
        chosen = click.option("--format", "output_format", type=_FormatChoice(document), help="Output format.")
        quiet = quiet_option(cast("F", command))
        return named(chosen(quiet if issubclass(document, FindingsDocument) else query_text_option(quiet)))

    return decorate


def query_text_option(function: F) -> F:
    """Add `--query-text`."""
    return click.option(
        "--query-text",
        type=click.Choice(["full", "normalised", "hash"]),
        default="full",
        show_default=True,
        help="Query text to show: as recorded, without constants, or only a hash.",
    )(function)


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


def emit(document: AnyDocument, output: Output) -> None:
    """Write a document to its files, or to stdout without any."""
    if output.files:
        write(document, output.files, output.format, query_text=output.query_text)
        return
    terminal = is_terminal(sys.stdout)
    colour = terminal and not os.environ.get("NO_COLOR")
    text = render(
        document,
        output.format or "text",
        query_text=output.query_text,
        width=min(of_stdout().width, 160) if terminal else 120,
        colour=colour,
    )
    put(text, colour=colour, commands=output.format == "github")
