"""Put what logs and plans told beside the statements that pg_stat_statements recorded."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from analyzer.amounts import plural
from analyzer.documents.server_log import LoggedStatement
from analyzer.documents.snapshot import NotExamined, Snapshot, StatementCounters
from analyzer.documents.weights import Weight
from analyzer.workload.gaps import Missed, gaps
from analyzer.workload.kept_plans import kept_plans
from analyzer.workload.parse import Read, Statement, UnparsedStatement, Workload, parse_recorded, parse_statements
from analyzer.workload.plan_statements import match_plans
from analyzer.workload.sampled_activity import as_seen
from analyzer.workload.seen_values import seen_in_plans, with_fewer_bindings, with_values
from analyzer.workload.statement import weighed

#: IDs of statements that one line names.
_MOST_NAMED = 5


def recorded_workload(snapshot: Snapshot, weigh_by: Weight = "time", entries: Iterable[Read] | None = None) -> Workload:
    """Read the statements that a snapshot recorded, and those that only its log or its plans have; heaviest first.

    What several have is counted once, as pg_stat_statements has it, else the log, with the values of all of them,
    of sampled activity and of pg_qualstats. Of a snapshot that recorded none, the statements are those of its plans.
    `entries` are what `parse_recorded` says of it, where that is known.
    """
    recorded, plans = parse_statements(snapshot, weigh_by, entries), kept_plans(snapshot.plans)
    if plans.plans and not (recorded.identities or snapshot.log_statements):
        return weighed(match_plans(plans, snapshot).workload, weigh_by)
    counted = (*snapshot.log_statements, *seen_in_plans(plans.plans))
    sampled = (*map(as_seen, snapshot.sampled_statements), *snapshot.qualstats_statements)
    malformed = (*plans.not_examined, *kept_plans(snapshot.log_plans).not_examined)
    found = _with_seen(recorded, counted, sampled, snapshot) if counted or sampled else recorded
    return replace(found, not_examined=(*found.not_examined, *malformed)) if malformed else found


def _with_seen(
    workload: Workload, counted: Sequence[LoggedStatement], sampled: Sequence[LoggedStatement], snapshot: Snapshot
) -> Workload:
    """Add to a workload the statements whose executions were counted, and the values of these and of sampled ones."""
    statements = {each.id: each for each in workload.statements}
    known_as = workload.identities
    is_timed = any(each.total_ms is not None for each in (*workload.statements, *counted))
    missed: list[UnparsedStatement] = []
    since = _overlap(counted, snapshot)
    earlier: list[str] = []
    seen = (*counted, *sampled)
    for place, (logged, parsed) in enumerate(zip(seen, _parsed(seen, snapshot, workload.weigh_by), strict=True)):
        identity = next((known_as[each] for each in logged.queryids if each in known_as), parsed.id)
        if identity in statements:
            statements[identity] = with_values(statements[identity], logged)
        elif identity != parsed.id or not logged.calls or place >= len(counted):
            continue  # it is among those that cannot be planned, it has never run, or its time is unknown
        elif since is not None and logged.last_seen is not None and logged.last_seen < since:
            earlier.append(parsed.id)
        elif isinstance(parsed, UnparsedStatement):
            missed.append(parsed)
        elif is_timed and logged.total_ms is None:
            reason = "it is not in pg_stat_statements, and neither the log nor a plan has a duration of it"
            missed.append(UnparsedStatement(id=parsed.id, text=parsed.text, reason=reason, weight=0.0))
        else:
            statements[identity] = with_values(_only_seen(parsed, logged), logged)
    unread_weight = workload.unread_weight + sum(each.weight for each in missed)
    ordered = sorted(statements.values(), key=lambda statement: (-statement.weight, statement.id))
    total = sum(each.weight for each in ordered) + unread_weight
    lost = (
        Missed(id=each.id, text=each.text, share_of_time=each.weight / total if total else 0.0, reason=each.reason)
        for each in missed
    )
    return Workload(
        statements=tuple(with_fewer_bindings(ordered)),
        not_examined=(*workload.not_examined, *gaps(lost, workload.weigh_by), *_left_out(earlier)),
        unread_weight=unread_weight,
        identities=workload.identities,
        weigh_by=workload.weigh_by,
    )


def _overlap(logged: Sequence[LoggedStatement], snapshot: Snapshot) -> datetime | None:
    """Return when the counters of a snapshot begin, if the log reaches beyond: else it is a workload of its own."""
    since = snapshot.statements_reset
    last = max((each.last_seen for each in logged if each.last_seen is not None), default=None)
    return since if since is not None and last is not None and last >= since else None


def _left_out(earlier: Sequence[str]) -> Iterator[NotExamined]:
    if earlier:
        named = f"{', '.join(sorted(earlier)[:_MOST_NAMED])}{' and more' if len(earlier) > _MOST_NAMED else ''}"
        yield NotExamined(
            what=f"server log: {plural(len(earlier), 'statement')}: {named}",
            reason="not in pg_stat_statements, and executed for the last time before the counters begin",
        )


def _parsed(
    seen: Sequence[LoggedStatement], snapshot: Snapshot, weigh_by: Weight
) -> Iterator[Statement | UnparsedStatement]:
    """Read statements that were seen as entries of pg_stat_statements."""
    entries = tuple(map(_as_counters, seen))
    return (parsed for _, parsed in parse_recorded(snapshot.model_copy(update={"statements": entries}), weigh_by))


def _as_counters(logged: LoggedStatement) -> StatementCounters:
    """Return counters without calls: the rows that they returned were not counted."""
    return StatementCounters(
        queryid=next(iter(logged.queryids), "-"),
        query=logged.query,
        calls=0,
        total_ms=logged.total_ms or 0.0,
        mean_ms=0.0,
        stddev_ms=0.0,
        rows=0,
        shared_blocks_hit=0,
        shared_blocks_read=0,
        temp_blocks=0,
    )


def _only_seen(statement: Statement, logged: LoggedStatement) -> Statement:
    return replace(
        statement,
        queryid=next(iter(logged.queryids), None),
        calls=logged.calls,
        total_ms=logged.total_ms,
        stddev_ms=logged.stddev_ms,
        rows=None,
        blocks_read=None,
        blocks=None,
        only_logged=True,
    )
