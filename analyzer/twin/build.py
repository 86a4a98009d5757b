"""Build the databases of a twin: `flat`, the captured schema, and `twin`, its copy inflated to the captured sizes."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from analyzer.capture.snapshot import GinPages, Index, NotExamined, Snapshot
from analyzer.db import Connection
from analyzer.sql import render
from analyzer.twin.binaries import major_of
from analyzer.twin.containment import APPLICATION, CAPTURED
from analyzer.twin.extended import restore_extended
from analyzer.twin.files import Edit
from analyzer.twin.flat import build_flat
from analyzer.twin.host import Host, Wanted, describe_distance, hosting
from analyzer.twin.lost import Lost
from analyzer.twin.roles import create_captured_roles
from analyzer.twin.security import Restricted, choose_settings
from analyzer.twin.sessions import Sessions, opened
from analyzer.twin.sizing import BLOCK, IndexSize, predict_size
from analyzer.twin.statistics import insert_extremes, restore_statistics
from analyzer.twin.storage import Storage

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

_RANGES = frozenset(
    f"{subtype}{kind}" for subtype in ("int4", "int8", "num", "ts", "tstz", "date") for kind in ("range", "multirange")
)
#: Methods whose first page says more than its length; where the server may have it in a buffer already, the file is
#: renamed (see renumber): 14 to 17 have nothing that drops a buffer.
_PLANTED = frozenset({"btree", "brin", "gin"})
#: Added to an oid for the name of a renamed file; nothing else on a throw-away cluster gets so far.
_RENAMED = 3_000_000_000


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
    snapshot: Snapshot, *, wanted: Wanted | None = None, progress: Callable[[str], None] | None = None
) -> Generator[Built]:
    """Build a twin's databases and remove them when the block ends.

    Raises CapabilityError when no server binaries of PostgreSQL 14 or newer are installed, or the kernel cannot
    contain a server and the schema is not said to be trusted.
    """
    tell: Callable[[str], object] = progress or str
    tell("twin: start")
    asked = wanted or Wanted()
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(hosting(snapshot, asked, settings=_SETTINGS))
        notes = [*describe_distance(snapshot, host), *_create_database(host, snapshot)]
        with host.connect() as maintenance:
            create_captured_roles(maintenance, host, asked.containment)
        tell("twin: schema")
        with opened(host, "flat") as sessions:
            made = build_flat(sessions, snapshot, has_bodies=asked.has_bodies, is_open=asked.containment.is_open)
        with host.connect() as maintenance:
            maintenance.execute(render("twin/create_database", database="twin", template="flat"))
        flat = stack.enter_context(opened(host, "flat"))
        flat.apply_settings(snapshot)
        inflated = stack.enter_context(opened(host, "twin"))
        storage = stack.enter_context(contextlib.closing(host.storage(inflated.superuser)))
        tell("twin: statistics and sizes")
        notes += _inflate(inflated, storage, snapshot)
        notes += _unseen_ranges(snapshot)
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


def _create_database(host: Host, snapshot: Snapshot) -> Iterator[NotExamined]:
    """Create `flat`, whose text compares as the captured database's: by byte, by ICU, or by a locale of libc's."""
    server = snapshot.server
    by_byte = server.locale_provider == "b" or (server.locale_provider == "c" and server.collate in {"C", "POSIX"})
    tries = [("libc", locale) for locale in dict.fromkeys((server.collate, "C.UTF-8", "C.utf8"))]
    if by_byte:
        tries = [("builtin", "C.UTF-8"), ("libc", "C")]
    elif server.locale_provider == "i" and server.locale:
        tries.insert(0, ("icu", server.locale))
    fallback = ("libc", "C")
    with host.connect() as connection:
        for encoding in dict.fromkeys((server.encoding, "UTF8")):
            for provider, locale in (*tries, fallback):
                values = {"provider": provider, "locale": locale, "encoding": encoding}
                query = render("twin/create_captured_database", database="flat", pg=major_of(host.version), **values)
                try:
                    connection.execute(query)
                except psycopg.Error:
                    continue
                if not by_byte and (provider, locale) != tries[0]:
                    reason = f"the twin has no {server.locale or server.collate}; estimates of text ranges are inexact"
                    yield NotExamined(what="collation", reason=reason)
                return


def _inflate(sessions: Sessions, storage: Storage, snapshot: Snapshot) -> Iterator[NotExamined]:
    superuser = sessions.superuser
    superuser.execute(render("twin/own_parking"))
    superuser.execute(render("twin/give_parking", owner=CAPTURED))
    found = superuser.execute(render("twin/storage"), {"oids": None}).fetchall()
    oids = {(row["schema_name"], row["name"]): int(row["oid"]) for row in found}
    yield from insert_extremes(sessions, snapshot, oids)
    yield from restore_statistics(sessions, snapshot)
    yield from restore_extended(sessions, snapshot)
    superuser.execute(render("twin/checkpoint"))
    relations = {(r.schema_name, r.name): r for r in snapshot.relations}
    indexes = {(i.definition.schema, i.definition.name): i for i in snapshot.indexes}
    planting = Planting(superuser, storage)
    for row in found:
        key = (row["schema_name"], row["name"])
        if (index := indexes.get(key)) is not None:
            table = relations.get((index.definition.schema, index.definition.table))
            heap_blocks = ((table.size_bytes or 0) if table else 0) // BLOCK
            planting.plant(row, row["method"], _known_size(index, snapshot), heap_blocks=heap_blocks, gin=index.gin)
        elif (relation := relations.get(key)) is not None:
            planting.extend(row, (relation.size_bytes or 0) // BLOCK)
    planting.finish()


def _unseen_ranges(snapshot: Snapshot) -> Iterator[NotExamined]:
    """Yield the columns whose distribution no role but a superuser could read before 17."""
    if snapshot.server.major >= 17:
        return
    own = {f"{each.schema_name}.{each.name}" for each in snapshot.types if each.kind == "r"}
    analysed = {(row.schema_name, row.relation, row.column) for row in snapshot.statistics}
    for relation in snapshot.relations:
        for column in relation.columns:
            is_range = column.type in own or column.type in _RANGES
            if is_range and (relation.schema_name, relation.name, column.name) in analysed:
                reason = "before 17 the server shows nobody how ranges are distributed; the planner is left to guess"
                what = f"statistics of {relation.schema_name}.{relation.name}.{column.name}"
                yield NotExamined(what=what, reason=reason)


def _known_size(index: Index, snapshot: Snapshot) -> IndexSize:
    pages = (index.size_bytes or 0) // BLOCK
    height = index.height
    if height is None:
        predicted = predict_size(index.definition, snapshot)
        height = predicted.height if pages > 2 else 0
    return IndexSize(pages=pages, tuples=index.tuples, height=height)


class Planting:
    """Give the files of empty indexes the size, and the metapage, that the planner is to see.

    Their pages must have been written (CHECKPOINT). Nothing is touched before `finish`: to plan on a table opens all of
    its indexes.
    """

    def __init__(self, superuser: Connection, storage: Storage) -> None:
        self._superuser = superuser
        self._storage = storage
        self._renamed: dict[int, int] = {}
        self._edits: list[Edit] = []

    def plant(
        self, row: Mapping[str, Any], method: str, size: IndexSize, *, heap_blocks: int, gin: GinPages | None = None
    ) -> None:
        """Plant one index; the row has its `oid` and the `path` of its file."""
        number = None
        if method in _PLANTED:
            number = self._renamed[row["oid"]] = _RENAMED + int(row["oid"])
        counted = gin or size.gin
        is_gin = method not in {"btree", "brin"} and counted is not None
        self._edits.append(
            Edit(
                path=row["path"],
                number=number,
                blocks=size.pages,
                # Of fewer pages there is a metapage alone, and planting would make it longer.
                btree_height=size.height if method == "btree" and size.pages > 1 else None,
                brin_heap_blocks=heap_blocks if method == "brin" else None,
                gin=_gin(counted) if is_gin and counted is not None else None,
            )
        )

    def extend(self, row: Mapping[str, Any], blocks: int) -> None:
        """Give a table its size."""
        self._edits.append(Edit(path=row["path"], blocks=blocks))

    def finish(self) -> None:
        """Let the server see what was planted; raises CapabilityError where it cannot be."""
        self._storage.edit(self._edits)
        values = {"oids": list(self._renamed), "numbers": list(self._renamed.values())}
        self._superuser.execute(render("twin/renumber"), values)


def _gin(pages: GinPages) -> tuple[int, int, int, int]:
    return pages.pending_pages, pages.entry_pages, pages.data_pages, pages.entries
