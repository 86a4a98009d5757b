"""Add the counters of replicas to the snapshot of their primary.

A physical replica has the primary's catalog and statistics, oids included, and counters of its own: statements it ran,
indexes it scanned. An index that is unused on the primary may be essential on a replica.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import errors
from psycopg.rows import DictRow

from analyzer.capture.catalog import as_server, read_extensions
from analyzer.capture.reader import Reader
from analyzer.capture.statements import Statements, read_statements, summed
from analyzer.db import describe, reading
from analyzer.documents.measured import IndexUse, ServerCounters, StatementCounters, StatementUse
from analyzer.documents.snapshot import Index, NotExamined, Relation, Server, Snapshot, TableActivity
from analyzer.errors import CapabilityError, ConflictError


@dataclass(frozen=True, slots=True, kw_only=True)
class Oids:
    """The oids of a snapshot's relations and indexes, in its order; the same on a primary and its replicas."""

    relations: tuple[int, ...]
    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """The counters of one replica."""

    name: str
    server: Server
    statements: Statements
    #: By oid.
    indexes: Mapping[int, DictRow]
    relations: Mapping[int, DictRow]
    not_examined: tuple[NotExamined, ...]


def check_servers(urls: Sequence[str], *, allow_superuser: bool = True) -> None:
    """Make sure that the servers are one primary, named first, and its replicas, each named once.

    Raises ConflictError, UnreachableError, and CapabilityError where a server will not say which cluster it is of.
    """
    identities: list[DictRow] = []
    for url in urls:
        with reading(url, application="twindex capture", allow_superuser=allow_superuser) as connection:
            try:
                identity = Reader(connection=connection, major=connection.info.server_version // 10_000).row("identity")
            except errors.InsufficientPrivilege:
                raise CapabilityError(
                    need="the system identifier of every server",
                    found=f"{describe(url)} denies access to pg_control_system()",
                    remedy="GRANT EXECUTE ON FUNCTION pg_control_system() to the role, or capture one server",
                ) from None
        for other_url, other in zip(urls, identities, strict=False):
            _compare(describe(other_url), other, describe(url), identity, first=other is identities[0])
        identities.append(identity)


def _compare(other_name: str, other: DictRow, name: str, identity: DictRow, *, first: bool) -> None:
    if identity["cluster"] != other["cluster"]:
        raise ConflictError(
            f"{name} is not a replica of {other_name}: their system identifiers differ; capture it separately"
        )
    if identity["started_at"] == other["started_at"]:
        raise ConflictError(f"{name} and {other_name} are the same server; specify it once")
    if identity["database"] != other["database"]:
        raise ConflictError(f"{name} and {other_name} are different databases; specify the same one on every server")
    if first and not identity["in_recovery"]:
        remedy = (
            "specify the primary first" if other["in_recovery"] else "one of them was promoted; capture each separately"
        )
        raise ConflictError(f"{name} is not a replica: it is not in recovery; {remedy}")


def add_replicas(
    snapshot: Snapshot, oids: Oids, urls: Sequence[str], *, statements: bool, allow_superuser: bool = True
) -> Snapshot:
    """Sum the counters of a primary's snapshot and its replicas', and keep each server's own beside them.

    `urls` begin with the primary's; `check_servers` has seen them.
    """
    counted = [
        _read_counted(url, oids, snapshot, statements=statements, allow_superuser=allow_superuser) for url in urls[1:]
    ]
    first = snapshot.server
    starts = [each.server.stats_reset for each in counted]
    return snapshot.model_copy(
        update={
            # Nothing is known of the time before the last of the windows began.
            "server": first.model_copy(update={"stats_reset": _latest(first.stats_reset, *starts)}),
            "statements": summed(
                (*snapshot.statements, *(found for each in counted for found in each.statements.statements))
            ),
            "relations": tuple(
                _with_table_scans(relation, [each.relations.get(oid) for each in counted])
                for oid, relation in zip(oids.relations, snapshot.relations, strict=True)
            ),
            "indexes": tuple(
                _with_scans(index, [each.indexes.get(oid) for each in counted])
                for oid, index in zip(oids.indexes, snapshot.indexes, strict=True)
            ),
            "servers": (
                _own_counters(describe(urls[0]), snapshot),
                *(_replica_counters(each, oids, snapshot) for each in counted),
            ),
            "not_examined": (*snapshot.not_examined, *(gap for each in counted for gap in each.not_examined)),
        }
    )


def _read_counted(url: str, oids: Oids, primary: Snapshot, *, statements: bool, allow_superuser: bool) -> _Counted:
    name = describe(url)
    with reading(url, application="twindex capture", allow_superuser=allow_superuser) as connection:
        reader = Reader(connection=connection, major=connection.info.server_version // 10_000)
        reader.fix_session()
        server = as_server(reader.row("server"))
        counted, gaps = Statements(), tuple[NotExamined, ...]()
        if statements:
            try:
                counted = read_statements(
                    reader,
                    server=server,
                    extensions=read_extensions(reader),
                    values=primary.values,
                    search_path=primary.settings["search_path"],
                    schemas=primary.schemas,
                )
            except CapabilityError as error:
                gaps = (NotExamined(what=f"statements of {name}", reason=str(error)),)
            else:
                gaps = tuple(gap.model_copy(update={"what": f"{gap.what} on {name}"}) for gap in counted.not_examined)
        bind = {"relations": list(oids.relations)}
        return _Counted(
            name=name,
            server=server,
            statements=counted,
            indexes={row["oid"]: row for row in reader.rows("index_activity", bind)},
            relations={row["oid"]: row for row in reader.rows("relation_activity", bind)},
            not_examined=gaps,
        )


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _with_scans(index: Index, rows: Sequence[DictRow | None]) -> Index:
    seen = [row for row in rows if row is not None and row["scans"] is not None]
    if not seen:
        return index
    return index.model_copy(
        update={
            "scans": (index.scans or 0) + sum(row["scans"] for row in seen),
            "rows_read": (index.rows_read or 0) + sum(row["rows_read"] for row in seen),
            "last_scan": _latest(index.last_scan, *(row["last_scan"] for row in seen)),
        }
    )


def _with_table_scans(relation: Relation, rows: Sequence[DictRow | None]) -> Relation:
    """Sum the counters of reads; those of writes, and the numbers of rows, are the primary's."""
    seen = [row for row in rows if row is not None]
    if relation.activity is None or not seen:
        return relation
    sums = {
        name: getattr(relation.activity, name) + sum(row[name] or 0 for row in seen)
        for name in ("seq_scans", "seq_rows_read", "index_scans")
    }
    activity: TableActivity = relation.activity.model_copy(update=sums)
    return relation.model_copy(update={"activity": activity})


def _own_counters(name: str, snapshot: Snapshot) -> ServerCounters:
    uses = [
        IndexUse(schema_name=i.definition.schema, name=i.definition.name, scans=i.scans, last_scan=i.last_scan)
        for i in snapshot.indexes
        if i.scans is not None
    ]
    return _counters(name, snapshot.server, snapshot.statements, snapshot.statements_reset, uses)


def _replica_counters(counted: _Counted, oids: Oids, snapshot: Snapshot) -> ServerCounters:
    uses = [
        IndexUse(
            schema_name=index.definition.schema, name=index.definition.name, scans=row["scans"],
            last_scan=row["last_scan"],
        )
        for oid, index in zip(oids.indexes, snapshot.indexes, strict=True)
        if (row := counted.indexes.get(oid)) is not None and row["scans"] is not None
    ]  # fmt: skip
    return _counters(counted.name, counted.server, counted.statements.statements, counted.statements.reset, uses)


def _counters(
    name: str,
    server: Server,
    statements: Iterable[StatementCounters],
    statements_reset: datetime | None,
    indexes: Iterable[IndexUse],
) -> ServerCounters:
    return ServerCounters(
        name=name,
        in_recovery=server.in_recovery,
        started_at=server.started_at,
        stats_reset=server.stats_reset,
        statements_reset=statements_reset,
        statements=tuple(StatementUse(queryid=s.queryid, calls=s.calls, total_ms=s.total_ms) for s in statements),
        indexes=tuple(indexes),
    )
