"""Choose the server to build a twin on, and start it: the available one closest to the captured one.

The planner of the same major version gives identical costs, another one nearly so; but without an extension whole
tables are missing. So what has every extension comes first, then what is nearest in version.
"""

import contextlib
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psycopg

from analyzer.db import Connection
from analyzer.documents.snapshot import Extension, NotExamined, Server, Snapshot
from analyzer.errors import CapabilityError, UnreachableError
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.postgres.versions import OLDEST
from analyzer.twin.server import cluster, container
from analyzer.twin.server.binaries import Binaries, find_binaries, installations, major_of
from analyzer.twin.server.containment import ALL, Containment, kernel_obstacle
from analyzer.twin.server.directories import free_bytes
from analyzer.twin.server.file_access import Storage

#: Extensions that hold nothing a plan can depend on: observation, administration, other servers' data.
_IRRELEVANT = frozenset(
    """
    adminpack amcheck auto_explain aws_commons aws_lambda aws_s3 azure_storage dblink file_fdw google_columnar_engine
    hypopg old_snapshot pageinspect pg_buffercache pg_cron pg_freespacemap pg_hint_plan pg_logicalinspect pg_partman
    pg_prewarm pg_proctab pg_qualstats pg_repack pg_squeeze pg_stat_kcache pg_stat_monitor pg_stat_statements
    pg_surgery pg_visibility pg_wait_sampling pg_walinspect pgaudit pgauditlogtofile pglogical pgrowlocks pgstattuple
    plperl plperlu plpgsql plpgsql_check plpython3u plv8 pltcl pltclu postgres_fdw powa rds_tools set_user sslinfo
    """.split()  # noqa: SIM905 - a paragraph reads better than fifty quoted words
)

#: Whether a twin is refused where the kernel cannot contain it; the tests of the other layers switch it off.
REFUSES = True
#: Of the write-ahead log: what a server cannot go on without.
_SEGMENT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerChoice:
    """What the user wants of a twin; without an installation or an image one is chosen."""

    bin_dir: Path | None = None
    image: str | None = None
    #: Keep the bodies of captured functions, which planning may run inside the containment.
    run_user_code: bool = False
    #: Build it where the kernel cannot contain it.
    trust_schema: bool = False
    #: All of it, but in tests of its layers.
    containment: Containment = ALL
    #: Starts the server of the first twin while the database is still read.
    early: "EarlyStart | None" = field(default=None, compare=False)

    @property
    def has_bodies(self) -> bool:
        """Say whether captured functions keep their bodies."""
        return self.run_user_code or not self.containment.stubs


class Captured(Protocol):
    """What of a snapshot says which server is closest."""

    @property
    def server(self) -> Server:
        """Return the captured server."""
        ...

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """Return the extensions of the database."""
        ...


class Host(Protocol):
    """A running throw-away server."""

    @property
    def version(self) -> str:
        """Return its version, such as "18.6"."""
        ...

    def connect(
        self, database: str = "postgres", *, user: str | None = None
    ) -> contextlib.AbstractContextManager[Connection]:
        """Connect to this very server, in autocommit, as its superuser or another role."""
        ...

    def password_of(self, role: str) -> str | None:
        """Return the password that a role of ours is to have; None where none is asked for."""
        ...

    @property
    def exposure(self) -> str | None:
        """Say why the kernel does not contain it; None where it does, or an engine does."""
        ...

    def storage(self, connection: Connection) -> Storage:
        """Return the way to its files; the connection is a superuser's."""
        ...


@contextlib.contextmanager
def hosting(captured: Captured, wanted: PlannerChoice, *, settings: Mapping[str, str]) -> Generator[Host]:
    """Run the server for a twin and remove it when the block ends.

    Raises CapabilityError when no server is found, or when the kernel cannot contain it and the schema is not trusted.
    """
    image = wanted.image or (None if wanted.bin_dir else _image(captured))
    if image is not None:
        with container.run(image, settings=settings) as found:
            _check_version(found.version, image)
            yield found
        return
    obstacle = kernel_obstacle() if wanted.containment.kernel else None
    if obstacle is not None and not wanted.trust_schema and REFUSES:
        raise CapabilityError(
            need="Landlock, which confines the code of a captured schema,",
            found=obstacle,
            remedy="run twindex on Linux 5.13 or newer, or use --trust-schema if you trust every owner of the schema",
        )
    binaries = choose_binaries(captured, wanted.bin_dir)
    more = {"io_method": "sync"} if binaries.major >= 18 else {}
    contained = wanted.containment.kernel and obstacle is None
    running = cluster.temporary(binaries, settings={**settings, **more}, contained=contained)
    with running as server, _with_room(server.home):
        yield server


class EarlyStart:
    """A server that starts in the background, before the snapshot of its twin is complete."""

    def __init__(self, choice: PlannerChoice, executor: Executor, settings: Mapping[str, str]) -> None:
        self._choice, self._executor, self._settings = choice, executor, settings
        self._stack = contextlib.ExitStack()
        self._starting: Future[Host] | None = None
        self._is_taken = False

    def begin(self, captured: Captured) -> None:
        """Start it, unless that was done."""
        if self._starting is None:
            running = hosting(captured, self._choice, settings=self._settings)
            self._starting = self._executor.submit(self._stack.enter_context, running)

    def take(self) -> contextlib.AbstractContextManager[Host] | None:
        """Return it for one twin, which removes it; None where it was not started, or another twin has it."""
        if self._starting is None or self._is_taken:
            return None
        self._is_taken = True
        return self._taken(self._starting)

    @contextlib.contextmanager
    def _taken(self, starting: Future[Host]) -> Generator[Host]:
        with self._stack:
            yield starting.result()

    def close(self) -> None:
        """Remove it; its start must have ended."""
        self._stack.close()


@contextlib.contextmanager
def _with_room(home: Path) -> Generator[None]:
    """Turn what a server says whose disk is full, or that it dies of that, into one line."""
    try:
        yield
    except (psycopg.Error, UnreachableError, OSError) as error:
        if not isinstance(error, psycopg.errors.DiskFull) and free_bytes(home) >= _SEGMENT_BYTES:
            raise
        raise CapabilityError(
            need="more room for the twin",
            found=f"the file system of {home} is full",
            remedy="free disk space, or set TMPDIR to a directory with more of it",
        ) from None


def choose_binaries(captured: Captured, bin_dir: Path | None = None) -> Binaries:
    """Return the installation whose planner is closest to the captured server's; raises CapabilityError."""
    if bin_dir is not None:
        found = find_binaries(bin_dir)
        _check_version(found.version, str(bin_dir))
        return found
    installed = [each for each in installations() if each.major >= OLDEST]
    if not installed:
        return find_binaries()  # which says what is missing
    return min(installed, key=lambda each: _rank(each, captured))


def _rank(binaries: Binaries, captured: Captured) -> tuple[int, int, int]:
    distance = abs(binaries.major - captured.server.major)
    return len(_lacking(binaries, captured)), distance, -binaries.major


def _lacking(binaries: Binaries, captured: Captured) -> list[str]:
    return sorted(_relevant(captured) - binaries.extensions())


def _relevant(captured: Captured) -> frozenset[str]:
    return frozenset(extension.name for extension in captured.extensions) - _IRRELEVANT


def _image(captured: Captured) -> str | None:
    """Return an image that is closer than every installation."""
    major, extensions = captured.server.major, _relevant(captured)
    if any(each.major == major and not _lacking(each, captured) for each in installations()):
        return None
    return container.local_image(major, extensions)


def _check_version(version: str, where: str) -> None:
    if major_of(version) < OLDEST:
        raise CapabilityError(
            need=f"PostgreSQL {OLDEST} or newer to build a twin on",
            found=f"{where} has {version}",
            remedy="pip install 'twindex[twin]'",
        )


def describe_distance(snapshot: Snapshot, host: Host) -> Iterator[NotExamined]:
    """Say how far the planner that answers is from the captured server's."""
    server, twin = snapshot.server.major, major_of(host.version)
    if host.exposure is not None:
        reason = f"{host.exposure}: the twin's server is confined only by an unprivileged role"
        yield NotExamined(what="containment", reason=reason)
    if snapshot.server.block_size_bytes != BLOCK_BYTES:
        reason = f"the server's pages are of {snapshot.server.block_size_bytes} bytes, the twin's of {BLOCK_BYTES}"
        yield NotExamined(what="the exactness of costs", reason=reason)
    if server == twin:
        return
    passed_over = _same_major(snapshot)
    reason = (
        f"the server is PostgreSQL {server} and the twin PostgreSQL {host.version}: plans can have nodes the server "
        f"does not support, and costs differ by a few per cent; {passed_over}"
    )
    yield NotExamined(what="the exactness of costs", reason=reason)


def _same_major(snapshot: Snapshot) -> str:
    major = snapshot.server.major
    if major > max((each.major for each in installations()), default=major):
        return f"this is the newest planner available; use --twin-bin or --twin-image for one of PostgreSQL {major}"
    lacking = next((_lacking(each, snapshot) for each in installations() if each.major == major), None)
    if lacking is not None and not lacking:
        return f"PostgreSQL {major} is installed here, and is used unless another one is requested"
    if lacking:
        return f"the PostgreSQL {major} installed here lacks the extensions {', '.join(lacking)}"
    return f"install PostgreSQL {major}, or specify one with --twin-bin or --twin-image, for exact costs"
