"""Snapshots made of measured times, for what needs no server."""

import statistics
from datetime import UTC, datetime

from analyzer.documents.snapshot import Column, Relation, Server, Snapshot, StatementCounters


def statement(query: str, times_ms: list[float], queryid: str = "1") -> StatementCounters:
    """Make the entry that pg_stat_statements would have after these executions."""
    return StatementCounters(
        queryid=queryid,
        query=query,
        calls=len(times_ms),
        total_ms=sum(times_ms),
        mean_ms=statistics.fmean(times_ms),
        stddev_ms=statistics.pstdev(times_ms),
        rows=len(times_ms),
        shared_blocks_hit=0,
        shared_blocks_read=0,
        temp_blocks=0,
    )


def pair(before: StatementCounters, after: StatementCounters) -> tuple[Snapshot, Snapshot]:
    """Make a snapshot with one statement before and one after."""
    first = _snapshot(before)
    return first, first.model_copy(update={"statements": (after,)})


def _snapshot(counters: StatementCounters) -> Snapshot:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    server = Server(
        version_num=180006, version="PostgreSQL 18.6", database="d", encoding="UTF8", collate="C", ctype="C",
        locale_provider="c", locale=None, role="r", is_superuser=False, reads_all_statistics=True, in_recovery=False,
        started_at=noon, stats_reset=None,
    )  # fmt: skip
    table = Relation(schema_name="public", name="t", kind="r", columns=(Column(name="a", number=1, type="integer"),))
    return Snapshot(
        tool_version="0", captured_at=noon, values=True, server=server, settings={"search_path": "public"},
        extensions=(), schemas=("public",), relations=(table,), indexes=(), statistics=(), statements=(counters,),
    )  # fmt: skip
