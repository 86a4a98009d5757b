"""List the statements that a snapshot recorded."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from analyzer.documents.member import Member
from analyzer.documents.snapshot import Snapshot, StatementCounters
from analyzer.documents.statements import RecordedStatement, StatementsDocument
from analyzer.documents.weights import Weight
from analyzer.errors import InputError
from analyzer.render.provenance import describe_source
from analyzer.workload.log_workload import recorded_workload
from analyzer.workload.one_shape import grouped
from analyzer.workload.parse import Statement, UnparsedStatement, parse_recorded


def list_statements(snapshot: Snapshot, ids: Sequence[str] = (), *, weigh_by: Weight = "time") -> StatementsDocument:
    """List all statements, those of one shape as one, or show those of some IDs or queryids.

    Raises InputError for an ID that no statement has.
    """
    entries: defaultdict[str, list[StatementCounters]] = defaultdict(list)
    weights: defaultdict[str, float] = defaultdict(float)
    obstacles: dict[str, str] = {}
    parsed: dict[str, Statement] = {}
    recorded = tuple(parse_recorded(snapshot, weigh_by))
    for entry, read in recorded:
        entries[read.id].append(entry)
        weights[read.id] += read.weight
        if isinstance(read, UnparsedStatement):
            obstacles[read.id] = read.reason
        else:
            parsed.setdefault(read.id, read)
    is_logged = bool(snapshot.log_statements or snapshot.plans)
    seen = recorded_workload(snapshot, weigh_by, recorded).statements if is_logged else ()
    logged = [each for each in seen if each.only_logged]
    for read in logged:
        weights[read.id] += read.weight
        parsed.setdefault(read.id, read)
    total = sum(weights.values())
    shares = {identity: weight / total if total else 0.0 for identity, weight in weights.items()}
    statements = {each: _recorded(each, entries[each], obstacles.get(each), shares[each]) for each in entries}
    statements |= {each.id: _only_logged(each, shares[each.id]) for each in logged if each.id not in entries}
    by_name = {name: each for each in statements.values() for name in (each.id, *each.queryids)}
    for wanted in ids:
        if wanted not in by_name:
            raise InputError(f"no recorded statement has the ID {wanted}; omit it for a list of all statements")
    chosen: Iterable[RecordedStatement] = {by_name[wanted].id: by_name[wanted] for wanted in ids}.values()
    if not ids:
        chosen = _by_shape(statements, grouped(parsed.values(), snapshot))
    return StatementsDocument(
        provenance=describe_source(snapshot, planner=""),
        statements=tuple(sorted(chosen, key=lambda each: (-each.share_of_time, each.id))),
        selected=bool(ids),
        not_examined=snapshot.not_examined,
        weighed_by=weigh_by,
    )


def _by_shape(
    statements: Mapping[str, RecordedStatement], groups: Iterable[Sequence[tuple[Statement, object]]]
) -> list[RecordedStatement]:
    """Return one statement for each group, and those that are in none."""
    ids = [[statement.id for statement, _ in group] for group in groups]
    apart = statements.keys() - {each for group in ids for each in group}
    return [
        *map(_standing_for, ([statements[each] for each in group] for group in ids)),
        *(statements[each] for each in sorted(apart)),
    ]


def _standing_for(group: Sequence[RecordedStatement]) -> RecordedStatement:
    members = sorted(group, key=lambda each: (-each.share_of_time, each.id))
    first, calls, total_ms = members[0], sum(each.calls for each in group), sum(each.total_ms for each in group)
    if len(members) == 1:
        return first
    return first.model_copy(
        update={
            "queryids": tuple(dict.fromkeys(name for each in members for name in each.queryids)),
            "calls": calls,
            "total_ms": total_ms,
            "mean_ms": total_ms / calls if calls else 0.0,
            "rows": None if any(each.rows is None for each in group) else sum(each.rows or 0 for each in group),
            "share_of_time": sum(each.share_of_time for each in group),
            "only_logged": all(each.only_logged for each in group),
            "members": tuple(map(_member, members)),
        }
    )


def _member(statement: RecordedStatement) -> Member:
    return Member(
        id=statement.id,
        queryid=next(iter(statement.queryids), None),
        query=statement.query,
        calls=statement.calls,
        total_ms=statement.total_ms,
        share_of_time=statement.share_of_time,
    )


def _recorded(
    identity: str, entries: Sequence[StatementCounters], obstacle: str | None, share_of_time: float
) -> RecordedStatement:
    calls, total_ms = sum(entry.calls for entry in entries), sum(entry.total_ms for entry in entries)
    return RecordedStatement(
        id=identity,
        queryids=tuple(dict.fromkeys(entry.queryid for entry in entries)),
        query=max(entries, key=lambda entry: entry.total_ms).query,
        calls=round(calls),
        total_ms=total_ms,
        mean_ms=total_ms / calls if calls else 0.0,
        rows=sum(entry.rows for entry in entries),
        share_of_time=share_of_time,
        obstacle=obstacle,
    )


def _only_logged(statement: Statement, share_of_time: float) -> RecordedStatement:
    total_ms = statement.total_ms or 0.0
    return RecordedStatement(
        id=statement.id,
        queryids=(statement.queryid,) if statement.queryid is not None else (),
        query=statement.text,
        calls=round(statement.calls),
        total_ms=total_ms,
        mean_ms=total_ms / statement.calls if statement.calls else 0.0,
        rows=None,
        share_of_time=share_of_time,
        only_logged=True,
    )
