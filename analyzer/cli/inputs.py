"""Read what the options name: a database, a snapshot, a workload, specs; and show how far the work is."""

import contextlib
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TimeElapsedColumn

from analyzer.amounts import percent
from analyzer.cli.options import Database, Logs, Project, Source
from analyzer.config import Config, configured_url, load_config
from analyzer.console import tell
from analyzer.db import has_password
from analyzer.documents import snapshot as snapshots
from analyzer.documents.proposals import ProposeDocument
from analyzer.documents.report import Report
from analyzer.documents.snapshot import Snapshot
from analyzer.documents.weights import Weight
from analyzer.documents.whatif import WhatifDocument
from analyzer.errors import InputError, NotExaminableError
from analyzer.named_file import opened
from analyzer.paths import is_directory
from analyzer.postgres.identifiers import listed_names
from analyzer.progress import Progress
from analyzer.specs.file import SpecSet, load_specs
from analyzer.terminal import Description, is_terminal, of_stderr
from analyzer.twin.server import cluster
from analyzer.twin.server.choose import EarlyStart
from analyzer.twin.server.connection import forget_variables
from analyzer.workflows.capture import read_database
from analyzer.workflows.merge import Named, merge
from analyzer.workflows.plans import add_plans
from analyzer.workflows.server_log import add_log
from analyzer.workflows.window import since
from analyzer.workload.exports import read_workload
from analyzer.workload.log_workload import recorded_workload
from analyzer.workload.parse import Workload
from analyzer.workload.plan_files import ReadPlans

DEVELOPMENT_DATABASE = "platform"
#: Of a file of statements.
_MOST_BYTES = 256 * 1024**2
#: Of the recorded time.
_MOST_NOT_EXAMINED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableDatabase:
    """A database to read."""

    url: str
    allow_superuser: bool


@contextlib.contextmanager
def resolve_database(
    database: Database, config: Config | None = None, project: Project | None = None
) -> Generator[ReadableDatabase]:
    """Yield the database to read: the option's, the configured one, or that of the development cluster.

    Raises InputError if no database is specified and no development cluster exists.
    """
    settings = in_project(config or load_config(), project)
    section = (project.section if project else None) or "alembic"
    if database.url is not None and has_password(database.url):
        tell("twindex: a password on the command line is visible in process lists; use PGPASSWORD or ~/.pgpass")
    url = database.url or configured_url(settings, section)
    if url is not None:
        yield ReadableDatabase(url=url, allow_superuser=database.allow_superuser)
    elif is_directory(settings.development / "postgres"):
        forget_variables()
        with cluster.development(settings.development) as running:
            yield ReadableDatabase(url=running.url(DEVELOPMENT_DATABASE), allow_superuser=True)  # a server of our own
    else:
        raise InputError("no database specified; use -d URL or set DATABASE_URL")


def in_project(config: Config, project: Project | None) -> Config:
    """Return the settings with the configuration file of Alembic that the options name."""
    return config if project is None or project.file is None else config.model_copy(update={"alembic": project.file})


def resolve_snapshot(
    source: Source,
    *,
    quiet: bool,
    statements: bool = True,
    planning: bool = True,
    run_user_code: bool = False,
    project: Project | None = None,
    early: EarlyStart | None = None,
) -> Snapshot:
    """Load the snapshot file, or capture the database if none is given; without `planning`, for definitions alone.

    The server of a twin is started `early`.
    """
    if source.snapshot is not None:
        if source.database.url is not None:
            raise InputError(f"{source.snapshot} and -d cannot be used together; specify one source")
        loaded = load_merged((source.snapshot, *source.others))
        if early is not None:
            early.begin(loaded)
        return _under(loaded, source.search_path)
    warn_of_superuser(source.database, run_user_code=run_user_code)
    with resolve_database(source.database, project=project) as found, progress(quiet=quiet) as tell:
        captured = read_database(
            found.url,
            statements=statements,
            planning=planning,
            run_user_code=run_user_code,
            allow_superuser=found.allow_superuser,
            on_catalog=None if early is None else early.begin,
            progress=tell,
        )
    return _under(captured, source.search_path)


def load_merged(paths: Sequence[Path]) -> Snapshot:
    """Load a snapshot file, or merge the workloads of several."""
    if len(paths) == 1:
        return snapshots.load(paths[0])
    are_told_apart = len({path.name for path in paths}) == len(paths)
    return merge(
        [Named(name=path.name if are_told_apart else str(path), snapshot=snapshots.load(path)) for path in paths]
    )


def _under(snapshot: Snapshot, search_path: str | None) -> Snapshot:
    """Let statements find their tables as they would had the capturing session had another search_path."""
    if search_path is None:
        return snapshot
    names = [name for name in listed_names(search_path) if name != "$user"]
    if unknown := sorted({*names} - {*snapshot.schemas, "pg_catalog"}):
        raise InputError(f"--search-path: the database has no schema {', '.join(unknown)}; check the name")
    return snapshot.model_copy(update={"settings": snapshot.settings | {"search_path": search_path}})


def check_examined(document: ProposeDocument | Report) -> None:
    """Raise NotExaminableError where nothing is proposed and most of the recorded time was not examined."""
    share = document.share_not_examined
    if share > _MOST_NOT_EXAMINED and not document.proposals:
        heaviest = max(document.not_examined, key=lambda gap: gap.share_of_time or 0.0)
        raise NotExaminableError(
            f"{percent(share)} of the recorded {document.weighed_by} was not examined: {heaviest.reason}"
        )


def check_planned(document: WhatifDocument) -> None:
    """Raise NotExaminableError where there are statements and none of them could be planned."""
    errors = [each.error for each in document.statements]
    if errors and None not in errors:
        raise NotExaminableError(f"none of the statements could be planned: {errors[0]}")


@contextlib.contextmanager
def reading_specs(directory: Path) -> Generator[Future[SpecSet]]:
    """Read the spec files, if the directory exists, while the block waits for a server."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        yield reader.submit(lambda: load_specs(directory) if is_directory(directory) else SpecSet(specs=()))


def add_logs(snapshot: Snapshot, logs: Logs, *, values: bool = True, quiet: bool) -> Snapshot:
    """Add what the log files that the options name tell to a snapshot."""
    if not logs.paths:
        return snapshot
    with progress(quiet=quiet) as tell:
        return add_log(snapshot, logs.paths, prefix=logs.prefix, values=values, progress=tell)


def add_given_plans(snapshot: Snapshot, read: ReadPlans | None, *, values: bool = True) -> Snapshot:
    """Add the plans that the options name to a snapshot."""
    return snapshot if read is None else add_plans(snapshot, read, values=values)


def warn_of_superuser(database: Database, *, run_user_code: bool) -> None:
    """Warn about the combination of the two options, even with --quiet."""
    if database.allow_superuser and run_user_code:
        tell(
            "twindex: warning: with --allow-superuser and --run-user-code, user-defined functions run as a superuser "
            "and can take over the server; connect as an unprivileged role instead"
        )


def resolve_workload(workload_file: Path | None, snapshot: Snapshot, weigh_by: Weight) -> Workload:
    """Read the statements of a file or a directory, or those of the snapshot."""
    if workload_file is None:
        return recorded_workload(snapshot, weigh_by)
    workload = read_workload(workload_file, read_text, snapshot, weigh_by)
    if not workload.statements:
        first = next((f" ({gap.what}: {gap.reason})" for gap in workload.not_examined), "")
        raise InputError(
            f"{workload_file} contains no statement that can be planned{first}; give queries, each terminated by ;"
        )
    return workload


def in_window(snapshot: Snapshot, older: Path | None) -> Snapshot:
    """Leave of the recorded statements what happened since an older snapshot, if one is named."""
    if older is None:
        return snapshot
    if snapshot.merged:
        raise InputError("--since cannot be used with several snapshots; specify one, or omit --since")
    return since(snapshot, snapshots.load(older))


def check_weights(workload: Workload) -> None:
    """Raise InputError where no statement has what all are weighed by."""
    if workload.weigh_by == "blocks" and not any(each.blocks for each in workload.statements):
        raise InputError(
            "--weigh-by blocks: the workload has no count of blocks; specify a snapshot, or an export with the columns "
            "shared_blks_hit and shared_blks_read"
        )


def read_text(path: Path | None) -> str:
    """Read a text file, or stdin without one; raises InputError."""
    where = path or "stdin"
    if path is None and sys.stdin is None:  # it was closed
        raise InputError("stdin cannot be read (it is closed); open it, or specify a file")
    try:
        with opened(path, _MOST_BYTES) if path else contextlib.nullcontext(sys.stdin.buffer) as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{where} cannot be read ({reason}); give a text file") from None
    if len(content) > _MOST_BYTES:
        raise InputError(f"{where} is larger than {_MOST_BYTES // 1024**2} MB; split it")
    if "\0" in text:
        raise InputError(f"{where} cannot be read (it is binary); give a text file")
    return text


def specs_directory(specs: Path | None, *, new: bool = False) -> Path:
    """Return the directory of specs; raises InputError if a named one does not exist, unless `new`."""
    if specs is not None and not is_directory(specs) and not new:
        raise InputError(f"{specs} is not a directory of spec files; give --specs DIR")
    return specs or load_config().specs


@contextlib.contextmanager
def progress(*, quiet: bool) -> Generator[Progress]:
    """Show one line of progress on stderr while the block runs; nothing when quiet or not a terminal."""
    columns = (SpinnerColumn(), Description(), TimeElapsedColumn())
    with Bar(*columns, console=of_stderr(quiet=quiet or not is_terminal(sys.stderr)), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what: bar.update(task, description=what)
