"""Leave of what a snapshot recorded what happened since an older one of the same server."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from analyzer.amounts import plural
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.snapshot import Snapshot, StatementCounters
from analyzer.errors import InputError

_Key = tuple[str, bool, tuple[str, ...] | None]
_SUMS = ("calls", "total_ms", "rows", "shared_blocks_hit", "shared_blocks_read", "temp_blocks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was counted between two snapshots of one server."""

    statements: tuple[StatementCounters, ...]
    #: When all were reset since the older one; None if they were not, or nothing tells.
    reset: datetime | None
    evicted: int | None
    #: What of the window the counters do not cover.
    notes: tuple[NotExamined, ...]


def since(newer: Snapshot, older: Snapshot) -> Snapshot:
    """Return a snapshot whose statements have the counters of the time between two.

    Raises InputError where they are not of one database of one server, one after the other.
    """
    if (obstacle := _obstacle(newer, older)) is not None:
        raise InputError(f"--since: {obstacle}")
    window = window_between(newer, older)
    return newer.model_copy(
        update={
            "statements": window.statements,
            "statements_reset": window.reset or older.captured_at,
            "statements_evicted": window.evicted,
            "not_examined": (*newer.not_examined, *window.notes),
        }
    )


def window_between(newer: Snapshot, older: Snapshot) -> Window:
    """Return what a server counted between two snapshots of it."""
    reset = _reset_after(newer, older)
    known = {} if reset is not None else _known(newer, older)
    return Window(
        statements=tuple(found for each in newer.statements if (found := _counted(each, known, older.captured_at))),
        reset=reset,
        evicted=_evicted(newer, older, reset),
        notes=tuple(_notes(newer, older, known, reset)),
    )


def _obstacle(newer: Snapshot, older: Snapshot) -> str | None:
    """Say why one snapshot does not continue the other."""
    if newer.server.database != older.server.database:
        return f"the snapshots are of different databases, {older.server.database} and {newer.server.database}"
    if newer.server.major != older.server.major:
        return f"the snapshots are of different versions, PostgreSQL {older.server.major} and {newer.server.major}"
    if [each.name for each in newer.servers] != [each.name for each in older.servers]:
        return "the snapshots are of different servers; capture the same primary and replicas both times"
    if newer.captured_at <= older.captured_at:
        return "the snapshot to compare with is not older; swap the two"
    is_same = is_same_cluster(newer, older)
    # A database that was restored on the same cluster has other OIDs.
    is_other = has_other_oids(newer, older) if is_same is None else not is_same
    if is_other or newer.server.in_recovery != older.server.in_recovery or _runs_backwards(newer, older):
        return "the snapshots are of different servers"
    return None


def is_same_cluster(one: Snapshot, other: Snapshot) -> bool | None:
    """Say whether two snapshots are of one cluster, replicas included; None where one does not say."""
    known = one.server.system_identifier, other.server.system_identifier
    return None if None in known else known[0] == known[1]


def has_other_oids(newer: Snapshot, older: Snapshot) -> bool:
    """Say whether all tables have other OIDs: those that are still there keep them on one server."""
    pairs = [
        (each.oid, relation.oid)
        for each in newer.relations
        if (relation := older.relation(each.schema_name, each.name)) is not None and each.oid and relation.oid
    ]
    return bool(pairs) and all(one != other for one, other in pairs)


def _runs_backwards(newer: Snapshot, older: Snapshot) -> bool:
    """Say whether a server started, or was reset, before the older snapshot says: two that were set up alike."""
    resets = newer.statements_reset, older.statements_reset
    is_reset_before = resets[0] is not None and resets[1] is not None and resets[0] < resets[1]
    return newer.server.started_at < older.server.started_at or is_reset_before


def _reset_after(newer: Snapshot, older: Snapshot) -> datetime | None:
    """Return when all statements were reset since the older snapshot; None if they were not, or nothing tells."""
    reset = newer.statements_reset
    is_known = reset == older.statements_reset  # the counters may be read later than the catalog
    return reset if reset is not None and reset > older.captured_at and not is_known else None


def _evicted(newer: Snapshot, older: Snapshot, reset: datetime | None) -> int | None:
    if newer.statements_evicted is None or reset is not None:
        return newer.statements_evicted
    return max(0, newer.statements_evicted - (older.statements_evicted or 0))


def _key(entry: StatementCounters) -> _Key:
    return entry.queryid, entry.toplevel, entry.search_path


def _known(newer: Snapshot, older: Snapshot) -> dict[_Key, StatementCounters]:
    """Return the older entries by the keys of the newer ones.

    The path of a single entry may have changed between: by ALTER ROLE, or because it was not captured before.
    """
    known = {_key(each): each for each in older.statements}
    now = Counter((each.queryid, each.toplevel) for each in newer.statements)
    before = Counter((each.queryid, each.toplevel) for each in known.values())
    paths = {(queryid, toplevel): path for queryid, toplevel, path in known}
    for each in newer.statements:
        statement = each.queryid, each.toplevel
        if now[statement] == before[statement] == 1 and paths[statement] != each.search_path:
            known[_key(each)] = known.pop((*statement, paths[statement]))
    return known


def _is_again(entry: StatementCounters, before: StatementCounters, older_at: datetime) -> bool:
    """Say whether an entry was evicted or reset, and recorded again."""
    is_made_since = entry.counted_since is not None and entry.counted_since > older_at
    return is_made_since or any(getattr(entry, name) < getattr(before, name) for name in _SUMS)


def _counted(
    entry: StatementCounters, known: Mapping[_Key, StatementCounters], older_at: datetime
) -> StatementCounters | None:
    """Return what was counted in the window; None if it was nothing."""
    before = known.get(_key(entry))
    if before is None or _is_again(entry, before, older_at):
        return entry
    sums = {name: getattr(entry, name) - getattr(before, name) for name in _SUMS}
    calls, total_ms = sums["calls"], sums["total_ms"]
    if not calls:
        return None
    squares = _squares(entry) - _squares(before)
    mean_ms = total_ms / calls
    return entry.model_copy(
        update={**sums, "mean_ms": mean_ms, "stddev_ms": math.sqrt(max(0.0, squares / calls - mean_ms**2))}
    )


def _squares(entry: StatementCounters) -> float:
    return entry.calls * (entry.stddev_ms**2 + entry.mean_ms**2)


def _notes(
    newer: Snapshot, older: Snapshot, known: Mapping[_Key, StatementCounters], reset: datetime | None
) -> Iterator[NotExamined]:
    """Say what of the window the counters do not cover."""
    if reset is not None:
        reason = f"pg_stat_statements was reset at {reset:%Y-%m-%d %H:%M:%S %Z}; the statements count from then"
        yield NotExamined(what="statements before the reset", reason=reason)
        return
    now = {_key(each): each for each in newer.statements}
    again = [key for key, before in known.items() if key in now and _is_again(now[key], before, older.captured_at)]
    gone = [key for key in known if key not in now]
    if again:
        reason = "they were evicted or reset and recorded again since the older snapshot; they count from then"
        yield NotExamined(what=plural(len(again), "statement"), reason=reason)
    if gone:
        reason = "they were evicted or reset since the older snapshot; what they ran until then is not known"
        yield NotExamined(what=f"{plural(len(gone), 'statement')} of the older snapshot", reason=reason)
