"""Build the databases of a twin: `flat`, the captured schema, and `twin`, its copy inflated to the captured sizes."""

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from analyzer.capture.snapshot import GinPages, Index, NotExamined, Snapshot
from analyzer.db import Connection, connect
from analyzer.errors import CapabilityError
from analyzer.sql import render
from analyzer.twin import cluster, files
from analyzer.twin.cluster import Binaries, Cluster
from analyzer.twin.flat import build_flat
from analyzer.twin.sizing import BLOCK, IndexSize, predict_size
from analyzer.twin.statistics import insert_extremes, restore_statistics

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
    "io_method": "sync",
}
#: Settings of the server, not of the planner, that a session cannot or must not take over.
_KEPT = frozenset({"server_version_num", "server_version", "data_checksums", "block_size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A running cluster with both databases, and a connection to each."""

    cluster: Cluster
    flat: Connection
    inflated: Connection
    #: What of the snapshot could not be built.
    not_examined: tuple[NotExamined, ...]


@contextlib.contextmanager
def building(
    snapshot: Snapshot, *, binaries: Binaries | None = None, progress: Callable[[str], None] | None = None
) -> Generator[Built]:
    """Build a twin's databases and remove them when the block ends.

    Raises CapabilityError when no server binaries of PostgreSQL 18 or newer are installed.
    """
    tell: Callable[[str], object] = progress or str
    found = binaries or cluster.find_binaries()
    if found.major < 18:
        raise CapabilityError(
            need="PostgreSQL 18 or newer to build a twin on",
            found=f"{found.bin_dir} has {found.version}",
            remedy="pip install 'twindex[twin]'",
        )
    tell("twin: start")
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(cluster.temporary(found, settings=_SETTINGS))
        notes = list(_create_database(running, snapshot))
        tell("twin: schema")
        with connect(running.conninfo("flat"), autocommit=True) as flat:
            notes += build_flat(flat, snapshot)
        with connect(running.url(), autocommit=True) as maintenance:
            maintenance.execute(render("twin/create_database", database="twin", template="flat"))
        flat = stack.enter_context(connect(running.conninfo("flat"), autocommit=True))
        _apply_settings(flat, snapshot)
        inflated = stack.enter_context(connect(running.conninfo("twin"), autocommit=True))
        tell("twin: statistics and sizes")
        notes += _inflate(inflated, running, snapshot)
        _apply_settings(inflated, snapshot)
        yield Built(cluster=running, flat=flat, inflated=inflated, not_examined=tuple(notes))


def _create_database(running: Cluster, snapshot: Snapshot) -> Iterator[NotExamined]:
    server = snapshot.server
    if server.locale_provider == "b":
        by_byte = True
    else:
        by_byte = server.locale_provider == "c" and server.collate in {"C", "POSIX"}
    with connect(running.url(), autocommit=True) as connection:
        query = "twin/create_captured_database"
        values = {"database": "flat", "encoding": server.encoding, "by_byte": by_byte}
        for locale in dict.fromkeys((server.collate, "C.UTF-8", "C.utf8")):
            try:
                connection.execute(render(query, **values, locale=locale))
            except psycopg.Error:
                continue
            break
        else:
            connection.execute(render(query, **{**values, "encoding": "UTF8", "by_byte": True}, locale="C"))
            locale = "C"
    if not by_byte and locale != server.collate:
        reason = f"the twin has no {server.collate}; plans are right, estimates of text ranges are inexact"
        yield NotExamined(what="collation", reason=reason)


def _apply_settings(connection: Connection, snapshot: Snapshot) -> None:
    query = render("twin/set_setting")
    for name, value in sorted(snapshot.settings.items()):
        if name not in _KEPT:
            with contextlib.suppress(psycopg.Error):  # a setting this major version no longer has, or fixes at start
                connection.execute(query, {"name": name, "value": value})


def _inflate(connection: Connection, running: Cluster, snapshot: Snapshot) -> Iterator[NotExamined]:
    for template in ("own_schema", "own_parking", "own_extension"):
        connection.execute(render(f"twin/{template}"))
    storage = connection.execute(render("twin/storage"), {"oids": None}).fetchall()
    oids = {(row["schema_name"], row["name"]): int(row["oid"]) for row in storage}
    yield from insert_extremes(connection, snapshot, oids)
    yield from restore_statistics(connection, snapshot)
    connection.execute(render("twin/checkpoint"))
    relations = {(r.schema_name, r.name): r for r in snapshot.relations}
    indexes = {(i.definition.schema, i.definition.name): i for i in snapshot.indexes}
    planted: list[int] = []
    for row in storage:
        key = (row["schema_name"], row["name"])
        path = running.data / row["path"]
        if (index := indexes.get(key)) is not None:
            table = relations.get((index.definition.schema, index.definition.table))
            heap_blocks = ((table.size_bytes or 0) if table else 0) // BLOCK
            plant(path, row["method"], _known_size(index, snapshot), heap_blocks=heap_blocks, gin=index.gin)
            planted.append(int(row["oid"]))
        elif (relation := relations.get(key)) is not None:
            files.extend(path, (relation.size_bytes or 0) // BLOCK)
    connection.execute(render("twin/evict"), {"oids": planted})


def _known_size(index: Index, snapshot: Snapshot) -> IndexSize:
    pages = (index.size_bytes or 0) // BLOCK
    height = index.height
    if height is None:
        predicted = predict_size(index.definition, snapshot)
        height = predicted.height if pages > 2 else 0
    return IndexSize(pages=pages, tuples=index.tuples, height=height)


def plant(path: Path, method: str, size: IndexSize, *, heap_blocks: int, gin: GinPages | None = None) -> None:
    """Give the file of an empty index the size, and the metapage, that the planner is to see."""
    if method == "btree":
        files.plant_btree(path, size.height)
    elif method == "brin":
        files.plant_brin(path, heap_blocks)
    elif gin is not None:
        files.plant_gin(path, gin, size.pages)
    files.extend(path, size.pages)
