"""Build the databases of a twin: `flat`, the captured schema, and `twin`, its copy inflated to the captured sizes."""

import contextlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.progress import Progress, silent
from analyzer.twin.restore.inflate import inflate
from analyzer.twin.schema.create import Flat, build_flat
from analyzer.twin.schema.database import create_database
from analyzer.twin.schema.missing import Lost, without_lost
from analyzer.twin.schema.row_security import Restricted, choose_settings
from analyzer.twin.schema.subset import for_definitions
from analyzer.twin.server.binaries import major_of
from analyzer.twin.server.choose import EarlyStart, Host, PlannerChoice, describe_distance, hosting
from analyzer.twin.server.containment import APPLICATION
from analyzer.twin.server.databases import copy_database
from analyzer.twin.server.file_access import Storage
from analyzer.twin.server.roles import create_captured_roles
from analyzer.twin.server.sessions import Sessions, opened

_SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "64MB",
    "max_connections": "20",
    "max_files_per_process": "10000",
    "max_locks_per_transaction": "1024",
    "maintenance_work_mem": "512MB",
}


@contextlib.contextmanager
def starting_early(choice: PlannerChoice) -> Generator[PlannerChoice]:
    """Yield a choice whose `early` server can be started, and is removed when the block ends."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(max_workers=1) as executor:
        early = EarlyStart(choice, executor, _SETTINGS)
        stack.callback(early.close)
        yield replace(choice, early=early)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltFlat:
    """A running server with the captured schema, empty, and the sessions of that database."""

    host: Host
    flat: Sessions
    #: What of the snapshot could not be built.
    not_examined: tuple[NotExamined, ...]
    lost: tuple[Lost, ...]

    @property
    def major(self) -> int:
        """Return the major version of the planner."""
        return major_of(self.host.version)

    @property
    def is_broken(self) -> bool:
        """Say whether a connection to it is lost."""
        return self.flat.is_broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Built(BuiltFlat):
    """A running server with both databases, and the sessions of each."""

    inflated: Sessions
    #: For statements that row security applies to.
    restricted: Restricted
    storage: Storage

    @property
    def is_broken(self) -> bool:
        """Say whether a connection to it is lost."""
        apart = self.restricted.connection
        return self.flat.is_broken or self.inflated.is_broken or (apart is not None and apart.closed)


@contextlib.contextmanager
def building_flat(
    snapshot: Snapshot, *, wanted: PlannerChoice | None = None, progress: Progress = silent
) -> Generator[BuiltFlat]:
    """Build the flat database alone, with what definitions need, and remove it when the block ends.

    Raises CapabilityError as `building` does.
    """
    with contextlib.ExitStack() as stack:
        needed = for_definitions(snapshot)
        host, made = stack.enter_context(_schema(needed, wanted or PlannerChoice(), progress))
        flat = stack.enter_context(opened(host, "flat"))
        flat.apply_settings(snapshot)
        yield BuiltFlat(host=host, flat=flat, not_examined=made.not_examined, lost=made.lost)


@contextlib.contextmanager
def building(
    snapshot: Snapshot, *, wanted: PlannerChoice | None = None, progress: Progress = silent
) -> Generator[Built]:
    """Build a twin's databases and remove them when the block ends.

    Raises CapabilityError when no server binaries of PostgreSQL 14 or newer are installed, or the kernel cannot
    contain a server and the schema is not said to be trusted.
    """
    with contextlib.ExitStack() as stack:
        host, made = stack.enter_context(_schema(snapshot, wanted or PlannerChoice(), progress))
        notes = list(made.not_examined)
        with host.connect() as maintenance:
            copy_database(maintenance, "twin", template="flat")
        flat = stack.enter_context(opened(host, "flat"))
        flat.apply_settings(snapshot)
        inflated = stack.enter_context(opened(host, "twin"))
        storage = stack.enter_context(contextlib.closing(host.storage(inflated.superuser)))
        progress("twin: statistics and sizes")
        inflated.find_names_of(snapshot)
        notes += inflate(inflated, storage, without_lost(snapshot, made.lost))
        inflated.apply_settings(snapshot)
        apart = None
        if snapshot.row_security:
            apart = stack.enter_context(host.connect("twin", user=APPLICATION))
            inflated.apply_settings(snapshot, to=apart)
            notes += choose_settings(apart, snapshot)
        yield Built(
            host=host,
            flat=flat,
            inflated=inflated,
            restricted=Restricted(apart, snapshot),
            storage=storage,
            not_examined=tuple(notes),
            lost=made.lost,
        )


@contextlib.contextmanager
def _schema(snapshot: Snapshot, asked: PlannerChoice, progress: Progress) -> Generator[tuple[Host, Flat]]:
    """Start a server and create the captured schema in its flat database, to which no session is left."""
    progress("twin: start")
    early = asked.early.take() if asked.early is not None else None
    with early or hosting(snapshot, asked, settings=_SETTINGS) as host:
        notes = (*describe_distance(snapshot, host), *create_database(host, snapshot))
        with host.connect() as maintenance:
            create_captured_roles(maintenance, host, asked.containment)
        progress("twin: schema")
        with opened(host, "flat") as sessions:
            made = build_flat(sessions, snapshot, has_bodies=asked.has_bodies, is_open=asked.containment.is_open)
        yield host, replace(made, not_examined=(*notes, *made.not_examined))
