"""What the counters of a whole database say, and how far they can be trusted."""

from collections.abc import Iterator
from datetime import timedelta

from analyzer.advise.kept_indexes import LEAST_WINDOW
from analyzer.amounts import percent, plural
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact
from analyzer.sql import ident

_SCANNED = Threshold(
    name="table-scan-share.share", default=0.8, unit="of the rows read", meaning="a smaller share is not reported"
)
_LEAST_ROWS = Threshold(
    name="table-scan-share.rows", default=1_000_000, unit="rows", meaning="if fewer were read, it is not reported"
)
_HITS = Threshold(
    name="cache-hits.share", default=0.8, unit="of the blocks read", meaning="a larger share is not reported"
)
_LEAST_BLOCKS = Threshold(
    name="cache-hits.blocks", default=100_000, unit="blocks", meaning="if fewer were read, it is not reported"
)
_CONNECTIONS = Threshold(
    name="connections-used-up.share", default=0.9, unit="of max_connections", meaning="a smaller share is not reported"
)
_ERRORS = Threshold(
    name="error-rate.share", default=0.01, unit="of the logged statements", meaning="a smaller share is not reported"
)


def _name(database: Database) -> str:
    return ident(database.catalog.snapshot.server.database)


def table_scans(database: Database) -> Iterator[Answer]:
    """Flag a database most of whose rows are read by scans of whole tables."""
    snapshot, name = database.catalog.snapshot, _name(database)
    counted = [each.activity for each in snapshot.relations if each.activity is not None]
    read = [each.rows_read for each in snapshot.indexes if each.rows_read is not None]
    scanned, found = sum(each.seq_rows_read for each in counted), sum(read)
    if not counted or (snapshot.indexes and not read):
        yield Skipped(object=name, reason="the server does not show how many rows were read")
    elif scanned + found < database.value(_LEAST_ROWS):
        yield Skipped(object=name, reason="too few rows were read since the counters began")
    elif (share := scanned / (scanned + found)) <= database.value(_SCANNED):
        yield Fine(object=name)
    else:
        largest = max(
            (each for each in snapshot.relations if each.activity is not None),
            key=lambda each: each.activity.seq_rows_read if each.activity is not None else 0,
        )
        yield Flagged(
            object=name,
            message=f"{percent(share)} of all rows are read by scans of whole tables, most of them of "
            f"{ident(*largest.full_name)}",
            evidence=(
                Fact(name="rows_by_table_scans", value=scanned, unit="rows"),
                Fact(name="rows_by_index_scans", value=found, unit="rows"),
            ),
            caveats=("reports and dumps read whole tables on purpose",),
            rewrite="twindex propose shows which indexes the recorded statements lack",
        )


def cache_hits(database: Database) -> Iterator[Answer]:
    """Flag a database whose statements find too few of their blocks in shared buffers."""
    snapshot, name = database.catalog.snapshot, _name(database)
    hit = sum(each.shared_blocks_hit for each in snapshot.statements)
    read = sum(each.shared_blocks_read for each in snapshot.statements)
    if not snapshot.statements:
        yield Skipped(object=name, reason="no statements were recorded")
    elif hit + read < database.value(_LEAST_BLOCKS):
        yield Skipped(object=name, reason="too few blocks were read since pg_stat_statements was reset")
    elif (share := hit / (hit + read)) >= database.value(_HITS):
        yield Fine(object=name)
    else:
        yield Flagged(
            object=name,
            message=f"{percent(share)} of the blocks of the recorded statements were found in shared buffers",
            evidence=(
                Fact(name="blocks_hit", value=hit, unit="blocks"),
                Fact(name="blocks_read", value=read, unit="blocks"),
            ),
            caveats=("blocks that the operating system had in its cache count as read",),
            rewrite="look at the statements that read most (twindex statements), then at shared_buffers",
        )


def connections(database: Database) -> Iterator[Answer]:
    """Flag a server almost all of whose connections are in use."""
    server, name = database.catalog.snapshot.server, _name(database)
    if server.connections is None or not server.max_connections:
        yield Skipped(object=name, reason="the snapshot does not have the number of connections; capture it again")
    elif (share := server.connections / server.max_connections) <= database.value(_CONNECTIONS):
        yield Fine(object=name)
    else:
        yield Flagged(
            object=name,
            message=f"{server.connections:,} of {server.max_connections:,} connections were in use at the capture",
            evidence=(
                Fact(name="connections", value=server.connections),
                Fact(name="max_connections", value=server.max_connections),
            ),
            caveats=(f"it was seen once: {percent(share)} at {server.database}'s capture",),
            rewrite="put a pooler before the server, or close idle sessions (idle_session_timeout)",
        )


def errors(database: Database) -> Iterator[Answer]:
    """Flag a server whose log has many errors for its statements."""
    snapshot, name = database.catalog.snapshot, _name(database)
    calls = sum(each.calls for each in snapshot.log_statements)
    failed = [each for each in snapshot.log_events if each.kind == "error"]
    number = sum(each.count for each in failed)
    if not snapshot.log_files:
        yield Skipped(object=name, reason="no log was read; capture with --logs")
    elif not calls:
        yield Skipped(object=name, reason="the log has no executions of statements; see log_min_duration_statement")
    elif (share := number / (calls + number)) <= database.value(_ERRORS):
        yield Fine(object=name)
    else:
        states = {each.detail: 0 for each in failed}
        for each in failed:
            states[each.detail] += each.count
        most = max(sorted(states), key=states.__getitem__)
        yield Flagged(
            object=name,
            message=f"{percent(share)} of the logged statements failed: {plural(number, 'error')}, most of them {most}",
            evidence=(Fact(name="errors", value=number), Fact(name="statements", value=calls)),
            caveats=("executions shorter than log_min_duration_statement are not in the log, errors are",),
            confidence="estimate",
        )


def window(database: Database) -> Iterator[Answer]:
    """Flag counters that have run for so short a time that what runs weekly is not among them."""
    snapshot, name = database.catalog.snapshot, _name(database)
    if snapshot.statements_reset is None:
        yield Skipped(object=name, reason="the server does not say since when pg_stat_statements counts")
        return
    counted = snapshot.captured_at - snapshot.statements_reset
    if counted >= LEAST_WINDOW:
        yield Fine(object=name)
        return
    yield Flagged(
        object=name,
        message=f"pg_stat_statements was reset {_time(counted)} before the capture; "
        "what runs weekly may not be among the statements",
        evidence=(Fact(name="window", value=round(counted.total_seconds()), unit="seconds"),),
        rewrite="capture again after a week, or merge snapshots: twindex propose A B",
    )


def _time(window: timedelta) -> str:
    hours = int(window / timedelta(hours=1))
    if hours > 1:
        return plural(hours, "hour")
    minutes = int(window / timedelta(minutes=1))
    return plural(minutes, "minute") if minutes else "less than a minute"


def evictions(database: Database) -> Iterator[Answer]:
    """Flag a pg_stat_statements that is too small, so that statements are missing."""
    snapshot, name = database.catalog.snapshot, _name(database)
    if snapshot.statements_evicted is None:
        yield Skipped(object=name, reason="the server does not say whether pg_stat_statements evicted entries")
    elif not snapshot.statements_evicted:
        yield Fine(object=name)
    else:
        most = snapshot.settings.get("pg_stat_statements.max")
        yield Flagged(
            object=name,
            message=f"pg_stat_statements ran full {plural(snapshot.statements_evicted, 'time')} and evicted the least "
            "used entries: what they counted is lost",
            evidence=(
                Fact(name="evictions", value=snapshot.statements_evicted),
                *((Fact(name="pg_stat_statements.max", value=most),) if most is not None else ()),
            ),
            rewrite="raise pg_stat_statements.max (needs a restart); statements with many entries (TX609) fill it too",
        )


RULES = (
    HealthRule(
        code="TX602", name="table-scan-share", severity="info", title="most rows are read by scans of whole tables",
        examine=table_scans, thresholds=(_SCANNED, _LEAST_ROWS),
    ),
    HealthRule(
        code="TX604", name="cache-hits", severity="warning", title="statements find few of their blocks in memory",
        examine=cache_hits, thresholds=(_HITS, _LEAST_BLOCKS),
    ),
    HealthRule(
        code="TX605", name="connections-used-up", severity="warning", title="almost all connections are in use",
        examine=connections, thresholds=(_CONNECTIONS,),
    ),
    HealthRule(
        code="TX606", name="error-rate", severity="warning", title="many of the logged statements fail",
        examine=errors, thresholds=(_ERRORS,),
    ),
    HealthRule(
        code="TX607", name="window-short", severity="info", title="pg_stat_statements was reset a short time ago",
        examine=window,
    ),
    HealthRule(
        code="TX608", name="statements-evicted", severity="warning", title="pg_stat_statements evicts entries",
        examine=evictions,
    ),
)  # fmt: skip
