"""Merge the workloads of several snapshots of one cluster, as a capture sums those of a primary and its replicas.

Counters that two snapshots have of one server since the same reset are cumulative: of the newer one, what was counted
since the older one is added. Counters since another reset, or of another server, are added whole.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from analyzer.capture.statements import summed
from analyzer.documents.measured import MergedSnapshot, StatementCounters
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.server_log import MOST_NAMES, LoggedStatement
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError
from analyzer.workflows.window import has_other_oids, is_same_cluster, window_between


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A snapshot and what it is called."""

    name: str
    snapshot: Snapshot


def merge(named: Sequence[Named]) -> Snapshot:
    """Return the newest snapshot of a primary, else of a replica, with the workload of all.

    Raises InputError where they are not of one database of one cluster, or where it is unknown what is counted
    twice.
    """
    ordered = sorted(named, key=lambda each: (each.snapshot.captured_at, each.name))
    base = max(ordered, key=lambda each: (not each.snapshot.server.in_recovery, each.snapshot.captured_at))
    for each in ordered:
        _check(each, base)
    for one, other in itertools.combinations(ordered, 2):
        _check_pair(one, other)
    chains = _chains(ordered)
    parts = [part for chain in chains for part in _counted(chain)]
    newest_first = [each.snapshot for each in reversed(ordered)]
    resets = [chain[0].snapshot.statements_reset for chain in chains]
    evicted = [part.evicted for part in parts]
    return base.snapshot.model_copy(
        update={
            # The newest first: of one statement, its text is kept.
            "statements": summed(entry for part in reversed(parts) for entry in part.statements),
            "statements_reset": None if None in resets else min(each for each in resets if each is not None),
            "statements_evicted": None if None in evicted else sum(each or 0 for each in evicted),
            **_logs(newest_first),
            "plans": tuple({plan.model_dump_json(): plan for each in newest_first for plan in each.plans}.values()),
            "activity_samplings": tuple(every for each in newest_first for every in each.activity_samplings),
            "sampled_statements": tuple(every for each in newest_first for every in each.sampled_statements),
            "qualstats_statements": next(
                (each.qualstats_statements for each in newest_first if each.qualstats_statements), ()
            ),
            "merged": tuple(part.merged for part in sorted(parts, key=lambda part: part.merged.captured_at)),
            "not_examined": (*_gaps(base, ordered), *(gap for part in parts for gap in part.gaps), *_lost(chains)),
        }
    )


def _check(each: Named, base: Named) -> None:
    """Refuse what is not of the database and the cluster of the newest one."""
    one, other = each.snapshot, base.snapshot
    names = f"{each.name} and {base.name}"
    if one.server.database != other.server.database:
        raise InputError(
            f"{names} are of different databases, {one.server.database} and {other.server.database}; specify snapshots "
            "of the same one"
        )
    is_same = is_same_cluster(one, other)
    if one.server.major != other.server.major or is_same is False:
        raise InputError(f"{names} are of different clusters; use each separately")
    if is_same is None and has_other_oids(one, other):
        raise InputError(f"{names} are of different clusters: their tables have different OIDs; use each separately")
    if [server.name for server in one.servers] != [server.name for server in other.servers]:
        raise InputError(f"{names} are of different servers; specify snapshots of the same primary and replicas")


def _check_pair(one: Named, other: Named) -> None:
    first, second = one.snapshot, other.snapshot
    if first.captured_at == second.captured_at and first.server.started_at == second.server.started_at:
        raise InputError(f"{one.name} and {other.name} are the same snapshot; specify it once")
    pairs = zip(first.servers, second.servers, strict=True)
    if len({mine.statements_reset == theirs.statements_reset for mine, theirs in pairs}) > 1:
        raise InputError(
            f"pg_stat_statements of some of the servers was reset between {one.name} and {other.name}, of others not; "
            "specify snapshots of one server each"
        )


def _chains(ordered: Iterable[Named]) -> list[list[Named]]:
    """Return the snapshots in groups of one server since one reset, each in their order."""
    chains: list[list[Named]] = []
    for each in ordered:
        known = next((chain for chain in chains if _continues(each.snapshot, chain[-1].snapshot)), None)
        if known is None:
            chains.append([each])
        else:
            known.append(each)
    return chains


def _continues(newer: Snapshot, older: Snapshot) -> bool:
    """Say whether the counters of one snapshot contain those of the other: two servers are not reset in one instant.

    A server that was promoted has not been started since.
    """
    one, other = newer.server, older.server
    is_same = one.in_recovery == other.in_recovery or one.started_at == other.started_at
    return is_same and newer.statements_reset == older.statements_reset


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What one snapshot adds."""

    merged: MergedSnapshot
    statements: tuple[StatementCounters, ...]
    evicted: int | None
    gaps: tuple[NotExamined, ...] = ()


def _counted(chain: Sequence[Named]) -> Iterator[_Part]:
    first = chain[0]
    yield _Part(
        merged=_merged(first, None),
        statements=first.snapshot.statements,
        evicted=first.snapshot.statements_evicted,
    )
    for older, newer in itertools.pairwise(chain):
        window = window_between(newer.snapshot, older.snapshot)
        yield _Part(
            merged=_merged(newer, older),
            statements=window.statements,
            evicted=window.evicted,
            gaps=window.notes,
        )


def _merged(each: Named, older: Named | None) -> MergedSnapshot:
    return MergedSnapshot(
        name=each.name,
        captured_at=each.snapshot.captured_at,
        in_recovery=each.snapshot.server.in_recovery,
        statements_since=each.snapshot.statements_reset,
        since_snapshot=older.name if older is not None else None,
    )


def _lost(chains: Sequence[Sequence[Named]]) -> Iterator[NotExamined]:
    """Say that the primary ran statements between a snapshot and a reset, of which nothing is known."""
    primary = [chain for chain in chains if not chain[0].snapshot.server.in_recovery]
    for before, after in itertools.pairwise(primary):
        reset = after[0].snapshot.statements_reset
        if reset is not None and reset > before[-1].snapshot.captured_at:
            reason = f"pg_stat_statements was reset at {reset:%Y-%m-%d %H:%M:%S %Z}; what ran between is not known"
            yield NotExamined(what=f"statements between {before[-1].name} and the reset", reason=reason)


def _gaps(base: Named, ordered: Sequence[Named]) -> Iterator[NotExamined]:
    """Yield what the newest one does not cover, and of the others what that does."""
    yield from base.snapshot.not_examined
    known = {(gap.what, gap.reason) for gap in base.snapshot.not_examined}
    for each in ordered:
        for gap in each.snapshot.not_examined:
            if (gap.what, gap.reason) not in known:
                known.add((gap.what, gap.reason))
                yield gap.model_copy(update={"what": f"{gap.what} ({each.name})"})


# Logs


def _logs(newest_first: Sequence[Snapshot]) -> dict[str, object]:
    """Return what all logs told; of two that have a file in common, the newer one's."""
    chosen: list[Snapshot] = []
    files: set[tuple[str, object]] = set()
    for each in newest_first:
        own = {(file.name, file.begin) for file in each.log_files}
        if own and own.isdisjoint(files):
            files |= own
            chosen.append(each)
    return {
        "log_files": tuple(file for each in chosen for file in each.log_files),
        "log_statements": tuple(_summed_logged(found for each in chosen for found in each.log_statements)),
        "log_events": tuple(event for each in chosen for event in each.log_events),
        "log_plans": tuple(plan for each in chosen for plan in each.log_plans),
    }


def _summed_logged(statements: Iterable[LoggedStatement]) -> Iterator[LoggedStatement]:
    """Sum the executions of one statement; the values are those of the newest log that has any."""
    found: dict[str, LoggedStatement] = {}
    for each in statements:
        known = found.get(each.query)
        found[each.query] = each if known is None else _together(known, each)
    yield from sorted(found.values(), key=lambda each: (-(each.total_ms or 0.0), -each.calls, each.query))


def _together(newer: LoggedStatement, older: LoggedStatement) -> LoggedStatement:
    times = [each.total_ms for each in (newer, older) if each.total_ms is not None]
    return newer.model_copy(
        update={
            "queryids": tuple(dict.fromkeys((*newer.queryids, *older.queryids)))[:MOST_NAMES],
            "calls": newer.calls + older.calls,
            "total_ms": sum(times) if times else None,
            "stddev_ms": None,
            "prepared": newer.prepared + older.prepared,
            "first_seen": min(newer.first_seen, older.first_seen) if newer.first_seen and older.first_seen else None,
            "last_seen": max(newer.last_seen, older.last_seen) if newer.last_seen and older.last_seen else None,
            "bindings": newer.bindings or older.bindings,
            "constants": newer.constants if newer.constants == older.constants else (),
            "other_calls": newer.other_calls + older.other_calls,
        }
    )
