"""List the statements that a snapshot recorded."""

from collections import defaultdict
from collections.abc import Sequence

from analyzer.documents.snapshot import Snapshot, StatementCounters
from analyzer.documents.statements import RecordedStatement, StatementsDocument
from analyzer.errors import InputError
from analyzer.render.provenance import describe_source
from analyzer.workload.parse import UnparsedStatement, parse_recorded


def list_statements(snapshot: Snapshot, ids: Sequence[str] = ()) -> StatementsDocument:
    """List all statements, or those of some IDs or queryids; raises InputError for one that no statement has."""
    entries: defaultdict[str, list[StatementCounters]] = defaultdict(list)
    weights: defaultdict[str, float] = defaultdict(float)
    obstacles: dict[str, str] = {}
    for entry, parsed in parse_recorded(snapshot):
        entries[parsed.id].append(entry)
        weights[parsed.id] += parsed.weight
        if isinstance(parsed, UnparsedStatement):
            obstacles[parsed.id] = parsed.reason
    total = sum(weights.values())
    shares = {identity: weight / total if total else 0.0 for identity, weight in weights.items()}
    statements = [_recorded(each, entries[each], obstacles.get(each), shares[each]) for each in entries]
    by_name = {name: each for each in statements for name in (each.id, *each.queryids)}
    for wanted in ids:
        if wanted not in by_name:
            raise InputError(f"no recorded statement has the ID {wanted}; omit it for a list of all statements")
    chosen = {by_name[wanted].id: by_name[wanted] for wanted in ids}.values() if ids else statements
    return StatementsDocument(
        provenance=describe_source(snapshot, planner=""),
        statements=tuple(sorted(chosen, key=lambda each: (-each.share_of_time, each.id))),
        selected=bool(ids),
        not_examined=snapshot.not_examined,
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
