"""Build the databases of a twin: `flat`, the captured schema, and `twin`, its copy inflated to the captured sizes."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass

from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.progress import Progress, silent
from analyzer.sql import render
from analyzer.twin.restore.inflate import inflate
from analyzer.twin.schema.create import build_flat
from analyzer.twin.schema.database import create_database
from analyzer.twin.schema.missing import Lost
from analyzer.twin.schema.row_security import Restricted, choose_settings
from analyzer.twin.server.binaries import major_of
from analyzer.twin.server.choose import Host, PlannerChoice, describe_distance, hosting
from analyzer.twin.server.containment import APPLICATION
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A running server with both databases, and the sessions of each."""

    host: Host
    flat: Sessions
    inflated: Sessions
    #: For statements that row security applies to.
    restricted: Restricted
    storage: Storage
    #: What of the snapshot could not be built.
    not_examined: tuple[NotExamined, ...]
    lost: tuple[Lost, ...]

    @property
    def major(self) -> int:
        """Return the major version of the planner."""
        return major_of(self.host.version)


@contextlib.contextmanager
def building(
    snapshot: Snapshot, *, wanted: PlannerChoice | None = None, progress: Progress = silent
) -> Generator[Built]:
    """Build a twin's databases and remove them when the block ends.

    Raises CapabilityError when no server binaries of PostgreSQL 14 or newer are installed, or the kernel cannot
    contain a server and the schema is not said to be trusted.
    """
    progress("twin: start")
    asked = wanted or PlannerChoice()
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(hosting(snapshot, asked, settings=_SETTINGS))
        notes = [*describe_distance(snapshot, host), *create_database(host, snapshot)]
        with host.connect() as maintenance:
            create_captured_roles(maintenance, host, asked.containment)
        progress("twin: schema")
        with opened(host, "flat") as sessions:
            made = build_flat(sessions, snapshot, has_bodies=asked.has_bodies, is_open=asked.containment.is_open)
        with host.connect() as maintenance:
            maintenance.execute(render("twin/create_database", database="twin", template="flat"))
        flat = stack.enter_context(opened(host, "flat"))
        flat.apply_settings(snapshot)
        inflated = stack.enter_context(opened(host, "twin"))
        storage = stack.enter_context(contextlib.closing(host.storage(inflated.superuser)))
        progress("twin: statistics and sizes")
        notes += inflate(inflated, storage, snapshot)
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
            not_examined=(*notes, *made.not_examined),
            lost=made.lost,
        )
