"""Put what the server's log told beside the statements that pg_stat_statements recorded."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from analyzer.documents.server_log import LoggedBinding, LoggedStatement
from analyzer.documents.snapshot import Snapshot, StatementCounters
from analyzer.documents.weights import Weight
from analyzer.postgres.lex import IncompleteError, lex
from analyzer.workload.gaps import Missed, gaps
from analyzer.workload.json_keys import key_variant
from analyzer.workload.log_values import values_of
from analyzer.workload.parse import Statement, UnparsedStatement, Workload, parse_recorded, parse_statements

#: Statements that make this share of the time are priced with all of their bindings, the others with one.
HEAVY_SHARE: Final = 0.95


def recorded_workload(snapshot: Snapshot, weigh_by: Weight = "time") -> Workload:
    """Read the statements that a snapshot recorded, and those that only its log has; heaviest first.

    What both have is counted once, as pg_stat_statements has it, with the values of the log.
    """
    return with_log(parse_statements(snapshot, weigh_by), snapshot)


def with_log(workload: Workload, snapshot: Snapshot) -> Workload:
    """Add to a workload what the log of a snapshot tells."""
    if not snapshot.log_statements:
        return workload
    statements = {each.id: each for each in workload.statements}
    known_as = workload.identities
    is_timed = any(each.total_ms is not None for each in (*workload.statements, *snapshot.log_statements))
    missed: list[UnparsedStatement] = []
    for logged, parsed in zip(snapshot.log_statements, _parsed(snapshot, workload.weigh_by), strict=True):
        identity = next((known_as[each] for each in logged.queryids if each in known_as), parsed.id)
        if identity in statements:
            known = statements[identity]
            if known.logged is None or not known.logged.bindings:
                statements[identity] = _bound(known, logged)
        elif identity != parsed.id or not logged.calls:
            continue  # it is among those that cannot be planned, or it has never run
        elif isinstance(parsed, UnparsedStatement):
            missed.append(parsed)
        elif is_timed and logged.total_ms is None:
            reason = "the log has no duration of it"
            missed.append(UnparsedStatement(id=parsed.id, text=parsed.text, reason=reason, weight=0.0))
        else:
            statements[identity] = _bound(_only_logged(parsed, logged), logged)
    unread_weight = workload.unread_weight + sum(each.weight for each in missed)
    ordered = sorted(statements.values(), key=lambda statement: (-statement.weight, statement.id))
    total = sum(each.weight for each in ordered) + unread_weight
    lost = (
        Missed(id=each.id, text=each.text, share_of_time=each.weight / total if total else 0.0, reason=each.reason)
        for each in missed
    )
    return Workload(
        statements=tuple(_weighed(ordered)),
        not_examined=(*workload.not_examined, *gaps(lost, workload.weigh_by)),
        unread_weight=unread_weight,
        identities=workload.identities,
        weigh_by=workload.weigh_by,
    )


def _parsed(snapshot: Snapshot, weigh_by: Weight) -> Iterator[Statement | UnparsedStatement]:
    """Read the statements of a log as entries of pg_stat_statements."""
    entries = tuple(map(_as_counters, snapshot.log_statements))
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


def _only_logged(statement: Statement, logged: LoggedStatement) -> Statement:
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


def _bound(statement: Statement, logged: LoggedStatement) -> Statement:
    """Give a statement what the log tells of it, with the values where its own text has their parameters."""
    bindings = tuple(_bindings(statement, logged))
    whole = sum(binding.share for binding in bindings)
    shares = tuple(each.model_copy(update={"share": each.share / whole}) for each in bindings if whole)
    keyed = [key_variant(statement.plannable, each.values) for each in shares]
    known = tuple(dict.fromkeys(text for text in keyed if text is not None))
    with_keys = {"variants": known, "unknown_keys": ()} if known else {}
    return replace(statement, logged=logged.model_copy(update={"bindings": shares}), **with_keys)


def _bindings(statement: Statement, logged: LoggedStatement) -> Iterator[LoggedBinding]:
    try:
        mine, theirs = lex(statement.text), lex(logged.query)
    except IncompleteError:
        return
    for binding in logged.bindings:
        if found := values_of(mine, theirs, dict(enumerate(binding.values, 1))):
            values = tuple(found.get(number) for number in range(1, max(found) + 1))
            yield binding.model_copy(update={"values": values})


def _weighed(ordered: Sequence[Statement]) -> Iterator[Statement]:
    """Leave one binding, the most frequent, of the statements beyond those that make most of the time."""
    total, before = sum(statement.weight for statement in ordered), 0.0
    for statement in ordered:
        logged = statement.logged
        if logged is not None and logged.bindings and before >= HEAVY_SHARE * total:
            most = max(logged.bindings, key=lambda binding: binding.share).model_copy(update={"share": 1.0})
            yield replace(statement, logged=logged.model_copy(update={"bindings": (most,)}))
        else:
            yield statement
        before += statement.weight
