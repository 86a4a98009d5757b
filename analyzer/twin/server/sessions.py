"""The sessions of one of a twin's databases: a superuser's, and one of the role that captured objects belong to.

The superuser's runs templates of ours over the catalog, in which captured text is bound, or quoted. It never plans a
captured table or expression. All that is captured, and all that names it, runs in the other one.
"""

import contextlib
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass

import psycopg

from analyzer.catalog import Catalog
from analyzer.db import Connection
from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.identifiers import quote
from analyzer.sql import render
from analyzer.twin.server.binaries import major_of
from analyzer.twin.server.choose import Host
from analyzer.twin.server.containment import CAPTURED

#: pg_restore_attribute_stats() came with it, which the owner of a table may call.
RESTORES = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Two sessions of one database, both in autocommit."""

    superuser: Connection
    captured: Connection
    major: int

    @property
    def is_broken(self) -> bool:
        """Say whether one of them has ended."""
        return self.superuser.closed or self.captured.closed

    @contextlib.contextmanager
    def building(self) -> Generator[Connection]:
        """Yield the captured session, in which functions that have no body answer with NULL while the block runs."""
        self.captured.execute(render("twin/set_building", building=True))
        try:
            yield self.captured
        finally:
            if not self.captured.closed:
                self.captured.execute(render("twin/set_building", building=False))

    @contextlib.contextmanager
    def restoring(self, *, by_insertion: bool = False) -> Generator[Connection]:
        """Yield the session that can restore statistics: before 18 or `by_insertion` a superuser's, in a transaction.

        Values pass through their types' input functions there, but through no check of a domain.
        """
        if self.major >= RESTORES and not by_insertion:
            with self.building() as connection:
                yield connection
            return
        self.superuser.execute(render("twin/set_building", building=True))
        with self.superuser.transaction():
            self.superuser.execute(render("twin/suspend_domains"))
            yield self.superuser
            self.superuser.execute(render("twin/resume_domains"))

    @contextlib.contextmanager
    def finding_names_of(self, snapshot: Snapshot) -> Generator[None]:
        """Let the captured session find names as sessions of the captured database do, while the block runs.

        Bodies of functions are read when they are planned, and name what they call as their author did.
        """
        self.find_names_of(snapshot)
        try:
            yield
        finally:
            if not self.captured.closed:
                self.captured.execute(render("twin/prepare_session"))

    def find_names_of(self, snapshot: Snapshot) -> None:
        """Let the captured session find names as sessions of the captured database do."""
        _find_names(self.captured, Catalog(snapshot).search_path)

    def apply_settings(self, snapshot: Snapshot, *, to: Connection | None = None) -> None:
        """Give the captured session, or another one, what the snapshot says that sessions begin with.

        That is what the planner reads: any other setting could end or hold up the twin's own work.
        """
        own = {"search_path": _listed(Catalog(snapshot).search_path)}
        self._change_settings(to or self.captured, snapshot.settings | own)

    @contextlib.contextmanager
    def changed_settings(self, settings: Mapping[str, str], snapshot: Snapshot, *, to: Connection) -> Generator[None]:
        """Give a session some settings while the block runs, as far as the planner reads them."""
        self._change_settings(to, settings)
        try:
            yield
        finally:
            if not to.closed:
                # The snapshot need not have all of them.
                to.execute(render("twin/reset_settings"), {"names": list(settings)})
                self.apply_settings(snapshot, to=to)

    def _change_settings(self, connection: Connection, settings: Mapping[str, str]) -> None:
        rows = self.superuser.execute(render("twin/read_planner_settings")).fetchall()
        taken = {str(row["name"]) for row in rows}
        query = render("twin/set_setting")
        for name, value in sorted(settings.items()):
            if name in taken:
                # A setting that this major version no longer has, or fixes at start.
                with contextlib.suppress(psycopg.Error):
                    connection.execute(query, {"name": name, "value": value})
        # What explain() needs before 16, and nothing else is affected by.
        connection.execute(query, {"name": "plan_cache_mode", "value": "force_generic_plan"})


@contextlib.contextmanager
def finding_names_in(connection: Connection, schemas: tuple[str, ...] | None, snapshot: Snapshot) -> Generator[None]:
    """Let a session find names in some schemas while the block runs, and then as the captured sessions do again."""
    if schemas is None:
        yield
        return
    _find_names(connection, schemas)
    try:
        yield
    finally:
        if not connection.closed:
            _find_names(connection, Catalog(snapshot).search_path)


def _find_names(connection: Connection, schemas: Iterable[str]) -> None:
    connection.execute(render("twin/set_setting"), {"name": "search_path", "value": _listed(schemas)})


def _listed(schemas: Iterable[str]) -> str:
    """Write a search path, in which "$user" is not: it would be a role of the twin's here."""
    return ", ".join(map(quote, schemas))


@contextlib.contextmanager
def opened(host: Host, database: str) -> Generator[Sessions]:
    """Open both sessions of a database."""
    with host.connect(database) as superuser, host.connect(database, user=CAPTURED) as captured:
        superuser.execute(render("twin/prepare_superuser"))
        yield Sessions(superuser=superuser, captured=captured, major=major_of(host.version))
