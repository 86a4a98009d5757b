"""Tables that VACUUM and ANALYZE do not come to, by what autovacuum itself goes by."""

from collections.abc import Iterator

from analyzer.advise.autovacuum import analyze_after, is_off, is_off_for, vacuum_after
from analyzer.advise.stale_statistics import has_no_statistics
from analyzer.amounts import percent, plural, short, size
from analyzer.catalog import Catalog
from analyzer.checks.health_rule import Answer, Database, Fine, Flagged, HealthRule, Skipped, Threshold
from analyzer.documents.findings import Fact, Remedy
from analyzer.documents.snapshot import Relation, Snapshot, TableActivity
from analyzer.sql import ident, render_text

_VACUUM_TIMES = Threshold(
    name="vacuum-lag.times", default=2, unit="times autovacuum's trigger",
    meaning="tables with fewer dead rows, as a multiple of those at which autovacuum vacuums, are not reported",
)  # fmt: skip
_VACUUM_ROWS = Threshold(
    name="vacuum-lag.rows", default=10_000, unit="rows", meaning="tables with fewer dead rows are not reported"
)
_ANALYZED_SIZE = Threshold(
    name="never-analyzed.size", default=128 * 1024, unit="bytes", meaning="smaller tables are not reported"
)
_STALE_TIMES = Threshold(
    name="stale-statistics.times", default=2, unit="times autovacuum's trigger",
    meaning="tables with fewer changed rows, as a multiple of those at which autovacuum analyzes, are not reported",
)  # fmt: skip
_STALE_ROWS = Threshold(
    name="stale-statistics.rows", default=1_000, unit="rows", meaning="tables with fewer changed rows are not reported"
)
#: Of VACUUM and ANALYZE, beside reads and writes.
_LOCK = "SHARE UPDATE EXCLUSIVE"
_STANDBY = "only a standby was captured, and writes are counted on the primary"
_RESET = "the counters were reset after its last VACUUM and ANALYZE, so that they do not know of all its changes"

_SOON = (
    "autovacuum looks at a database once in autovacuum_naptime: of a load just before the capture it may not know yet"
)


def _tables(catalog: Catalog) -> Iterator[tuple[str, Relation]]:
    """Yield tables and materialized views, which hold rows themselves."""
    for relation in sorted(catalog.snapshot.relations, key=lambda each: each.full_name):
        if relation.kind in "rm":
            yield ident(*relation.full_name), relation


def _counted(database: Database, relation: Relation) -> TableActivity | str:
    """Return the counters of a table, or why they tell nothing of its writes."""
    if database.catalog.snapshot.server.in_recovery:
        return _STANDBY
    return relation.activity or "the server does not show its counters"


def _is_reset(relation: Relation, activity: TableActivity) -> bool:
    """Say whether the counters are younger than the last VACUUM or ANALYZE, which has left its count of the rows."""
    return relation.tuples > 0 and activity.last_vacuum is None and activity.last_analyze is None


def vacuum_lag(database: Database) -> Iterator[Answer]:
    """Flag tables with many more dead rows than those at which autovacuum vacuums them."""
    snapshot = database.catalog.snapshot
    times, least = database.value(_VACUUM_TIMES), database.value(_VACUUM_ROWS)
    for name, relation in _tables(database.catalog):
        activity, after = _counted(database, relation), vacuum_after(snapshot, relation)
        if isinstance(activity, str):
            yield Skipped(object=name, reason=activity)
        elif activity.dead_rows > times * after and activity.dead_rows >= least:
            yield _lagging(name, relation, activity, after, _off(snapshot, relation))
        elif _is_reset(relation, activity):
            yield Skipped(object=name, reason=_RESET)
        else:
            yield Fine(object=name)


def _lagging(name: str, relation: Relation, activity: TableActivity, after: float, off: str | None) -> Flagged:
    dead = activity.dead_rows
    share = dead / max(1, dead + max(activity.live_rows, 0))
    why = f"{off}, which would vacuum it" if off else "autovacuum vacuums it"
    cause = (
        "autovacuum is off: see autovacuum_enabled of the table, and autovacuum and track_counts of the server"
        if off
        else "look for what holds back the removal of dead rows: a long transaction (pg_stat_activity.backend_xmin), a "
        "replication slot, a prepared transaction; else autovacuum is too slow: autovacuum_vacuum_cost_limit, "
        "autovacuum_max_workers"
    )
    return Flagged(
        object=name,
        message=f"{plural(dead, 'dead row')}, {percent(share)} of its rows; {why} at {after:,.0f}",
        evidence=(
            Fact(name="dead_rows", value=dead, unit="rows"),
            Fact(name="vacuum_at", value=round(after), unit="rows"),
            *_moment("last_vacuum", activity.last_vacuum),
        ),
        caveats=("the number of dead rows is the server's estimate", *(() if off else (_SOON,))),
        remedy=_remedy("health/vacuum_table", relation),
        rewrite=cause,
        confidence="estimate",
    )


def never_analyzed(database: Database) -> Iterator[Answer]:
    """Flag tables without statistics; pg_class.reltuples tells it also after a reset of the counters."""
    catalog, least = database.catalog, database.value(_ANALYZED_SIZE)
    for relation in sorted(catalog.snapshot.relations, key=lambda each: each.full_name):
        name = ident(*relation.full_name)
        if relation.kind not in "rmp" or not relation.columns:
            continue
        parts = [relation, *catalog.partitions(relation)]
        held = sum(each.size_bytes or 0 for each in parts)
        if relation.kind != "p" and relation.size_bytes is None:
            yield Skipped(object=name, reason="its size is not known")
        elif held >= least and relation.tuples > 0 and not catalog.snapshot.statistics:
            yield Skipped(object=name, reason="the capture has no statistics of any table")
        elif held < least or not _lacks_statistics(database, relation):
            yield Fine(object=name)
        else:
            yield _unanalyzed(name, relation, held, database)


def _lacks_statistics(database: Database, relation: Relation) -> bool:
    """Say whether a table was not analyzed; ANALYZE stores none of no rows, and of columns with target 0."""
    if relation.kind == "p" or relation.tuples <= 0:
        return relation.tuples < 0
    return has_no_statistics(database.catalog.snapshot, relation) and any(
        each.statistics_target != 0 for each in relation.columns
    )


def _unanalyzed(name: str, relation: Relation, held: int, database: Database) -> Flagged:
    off = _off(database.catalog.snapshot, relation)
    why = f": {off}" if off else ""
    if relation.kind == "p":
        message = f"it was never analyzed as a whole, which autovacuum never does; its partitions take {size(held)}"
    elif relation.tuples < 0:
        message = f"it was never analyzed, and takes {size(held)}{why}"
    else:
        message = f"it has no statistics of its columns, and takes {size(held)}{why}"
    return Flagged(
        object=name,
        message=message,
        severity="info" if relation.kind == "p" else None,
        evidence=(
            Fact(name="size", value=held, unit="bytes"),
            Fact(name="reltuples", value=round(relation.tuples), unit="rows"),
        ),
        caveats=() if off or relation.kind == "p" else (_SOON,),
        remedy=_remedy("health/analyze_table", relation),
        rewrite="run ANALYZE after each change of its data" if relation.kind == "p" else None,
    )


def stale_statistics(database: Database) -> Iterator[Answer]:
    """Flag tables of which many more rows have changed than those at which autovacuum analyzes them."""
    snapshot = database.catalog.snapshot
    times, least = database.value(_STALE_TIMES), database.value(_STALE_ROWS)
    for name, relation in _tables(database.catalog):
        if relation.tuples < 0:
            continue  # that is a finding of its own
        activity, after = _counted(database, relation), analyze_after(snapshot, relation)
        if isinstance(activity, str):
            yield Skipped(object=name, reason=activity)
        elif (modified := activity.modified_since_analyze) > times * after and modified >= least:
            off = _off(snapshot, relation)
            ratio = f", {short(modified / relation.tuples)} times its rows then" if relation.tuples > 0 else ""
            yield Flagged(
                object=name,
                message=f"{plural(modified, 'row')} changed since its last ANALYZE{ratio}; "
                f"{f'{off}, which would analyze it' if off else 'autovacuum analyzes it'} at {after:,.0f}",
                evidence=(
                    Fact(name="modified_since_analyze", value=modified, unit="rows"),
                    Fact(name="analyze_at", value=round(after), unit="rows"),
                    *_moment("last_analyze", activity.last_analyze),
                ),
                caveats=() if off else (_SOON,),
                remedy=_remedy("health/analyze_table", relation),
            )
        elif _is_reset(relation, activity):
            yield Skipped(object=name, reason=_RESET)
        else:
            yield Fine(object=name)


def _off(snapshot: Snapshot, relation: Relation) -> str | None:
    if not is_off(snapshot, relation):
        return None
    return "autovacuum is off for the table" if is_off_for(relation) else "autovacuum is off"


def _moment(name: str, moment: object) -> tuple[Fact, ...]:
    return (Fact(name=name, value=str(moment)),) if moment is not None else ()


def _remedy(template: str, relation: Relation) -> Remedy:
    return Remedy(sql=(render_text(template, schema=relation.schema_name, table=relation.name),), lock=_LOCK)


RULES = (
    HealthRule(
        code="TX506", name="vacuum-lag", severity="warning",
        title="table has many more dead rows than those at which autovacuum vacuums it",
        examine=vacuum_lag, thresholds=(_VACUUM_TIMES, _VACUUM_ROWS),
    ),
    HealthRule(
        code="TX507", name="never-analyzed", severity="warning", title="table has no statistics",
        examine=never_analyzed, thresholds=(_ANALYZED_SIZE,),
    ),
    HealthRule(
        code="TX508", name="stale-statistics", severity="warning",
        title="many more rows of a table have changed than those at which autovacuum analyzes it",
        examine=stale_statistics, thresholds=(_STALE_TIMES, _STALE_ROWS),
    ),
)  # fmt: skip
