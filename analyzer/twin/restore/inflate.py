"""Make a copy of the captured schema look as the captured database does: statistics, sizes, first pages."""

from collections.abc import Iterator

from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Snapshot
from analyzer.sql import render
from analyzer.twin.restore.column_statistics import insert_extremes, restore_statistics, unreadable_ranges
from analyzer.twin.restore.extended_statistics import restore_extended
from analyzer.twin.restore.relation_files import restore_sizes
from analyzer.twin.server.containment import CAPTURED
from analyzer.twin.server.file_access import Storage
from analyzer.twin.server.sessions import Sessions


def inflate(sessions: Sessions, storage: Storage, snapshot: Snapshot) -> Iterator[NotExamined]:
    """Restore all of it, and yield what could not be restored."""
    superuser = sessions.superuser
    superuser.execute(render("twin/own_parking"))
    superuser.execute(render("twin/give_parking", owner=CAPTURED))
    found = superuser.execute(render("twin/storage"), {"oids": None}).fetchall()
    oids = {(row["schema_name"], row["name"]): int(row["oid"]) for row in found}
    yield from insert_extremes(sessions, snapshot, oids)
    yield from restore_statistics(sessions, snapshot)
    yield from restore_extended(sessions, snapshot)
    restore_sizes(sessions, storage, snapshot, found)
    yield from unreadable_ranges(snapshot)
