"""Say why an index that exists must stay whatever the planner says: what it enforces, serves or was used for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from analyzer.advise.foreign_keys import covers_foreign_key
from analyzer.amounts import plural
from analyzer.documents.snapshot import Constraint, Index, Relation, Snapshot
from analyzer.objects.index import IndexDef
from analyzer.objects.temporary_names import is_temporary
from analyzer.postgres.access_methods import METHODS
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.lex import words
from analyzer.postgres.sql_ascii import has_other_bytes
from analyzer.workload.parse import Statement

#: What is read less often than once in it, such as weekly, would be taken for unused in a shorter one.
LEAST_WINDOW = timedelta(days=7)
#: As a share of the scans: calls of another window do not tell of less.
_LEAST_UNEXPLAINED = 0.1
_HINT = re.compile(r"/\*\+(.*?)\*/", re.DOTALL)


def purpose(index: Index) -> str | None:
    """Say what keeps an index besides the speed of queries; None where nothing does."""
    definition = index.definition
    purposes = (
        (index.constraint is not None or index.primary, "it belongs to a constraint"),
        (definition.unique, "it is unique"),
        (bool(index.foreign_keys), "a foreign key refers to it"),
        (index.replica_identity, "it is the replica identity of its table"),
        (index.clustered, "its table is clustered on it"),
        (index.parent is not None, "it is a part of the index of a partitioned table"),
        (is_temporary(definition.name, index.comment), "a deploy made it for a while"),
        (definition.method not in METHODS, f"no spec can say USING {definition.method}"),
        (has_other_bytes(index.ddl), "no spec can have its bytes, which are not UTF-8"),
        (not index.valid or not index.ready, "it is not valid"),
    )
    return next((what for is_so, what in purposes if is_so), None)


def hinted(statements: Iterable[Statement]) -> frozenset[str]:
    """Return all words of the hints in recorded statements, among which are the names of indexes."""
    texts = (own.text for statement in statements for own in statement.stands_for)
    return frozenset[str]().union(*(words(hint) for text in texts for hint in _HINT.findall(text)))


def needing_foreign_key(index: Index, relation: Relation, others: Sequence[IndexDef]) -> Constraint | None:
    """Return the foreign key whose rows an index finds and none of the others does as well."""
    beside = [Index(definition=each, ddl="") for each in others]
    for constraint in relation.constraints:
        if constraint.kind != "f":
            continue
        if covers_foreign_key(constraint, [index]) and not covers_foreign_key(constraint, beside):
            return constraint
        if _begins_with(index.definition, constraint) and not any(_begins_with(each, constraint) for each in others):
            return constraint
    return None


def _begins_with(index: IndexDef, constraint: Constraint) -> bool:
    return index.method == "btree" and index.where is None and index.keys[0].column in constraint.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Scans:
    """How often the servers have counted a scan of an index, its partitions' included."""

    #: None where a server does not say.
    total: int | None
    #: By name, of the servers that were captured, where there are several.
    by_server: Mapping[str, int]

    def told(self) -> str:
        """Write them."""
        if self.total is None:
            return "its scans are not known"
        each = ", ".join(f"{name} {number:,}" for name, number in self.by_server.items())
        return f"scanned {plural(self.total, 'time')}{f' ({each})' if each else ''}"


class ScanCounts:
    """What the captured servers counted of each index, and since when."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._parts: dict[QualifiedName, list[Index]] = {}
        for index in snapshot.indexes:
            if index.parent is not None:
                self._parts.setdefault(QualifiedName(*index.parent), []).append(index)
        self._by_server = [
            (each.name, {QualifiedName(use.schema_name, use.name): use.scans for use in each.indexes})
            for each in snapshot.servers
        ]

    @property
    def since(self) -> datetime | None:
        """The moment since when every captured server counts; None where one of them does not say."""
        starts = [self._snapshot.server.stats_reset, *(each.stats_reset for each in self._snapshot.servers)]
        known = [each for each in starts if each is not None]
        return max(known) if len(known) == len(starts) else None

    @property
    def window_days(self) -> int:
        """For how many whole days every captured server has counted; 0 where one does not say."""
        return max(0, (self._snapshot.captured_at - self.since).days) if self.since is not None else 0

    def part_of(self, seconds: float | None) -> float:
        """Return in which part of the time of the statements scans were counted, 0 to 1; 1 where that is not known."""
        if seconds is None or self.since is None:
            return 1.0
        return min(1.0, max(0.0, (self._snapshot.captured_at - self.since).total_seconds()) / seconds)

    def tree(self, index: Index) -> tuple[Index, ...]:
        """Return an index, and those of its partitions."""
        found, pending = [index], [index]
        while pending:
            below = self._parts.get(pending.pop().definition.full_name, [])
            found += below
            pending += below
        return tuple(found)

    def of(self, index: Index) -> Scans:
        """Return the scans of an index."""
        leaves = [each for each in self.tree(index) if each.definition.full_name not in self._parts]
        counted = [each.scans for each in leaves]
        known = [each for each in counted if each is not None]
        names = {each.definition.full_name for each in leaves}
        return Scans(
            total=sum(known) if len(known) == len(counted) else None,
            by_server={name: sum(uses.get(each, 0) for each in names) for name, uses in self._by_server},
        )

    def gap(self) -> str | None:
        """Say why these counts cannot prove that an index is not needed; None where they can."""
        server, servers = self._snapshot.server, self._snapshot.servers
        if server.in_recovery and not servers:
            return "only a standby was captured, and what the primary scans is not known"
        missed = (server.standbys or 0) - max(0, len(servers) - 1)
        if missed > 0:
            who = "1 standby was" if missed == 1 else f"{missed:,} standbys were"
            return f"{who} not captured, and what is scanned there is not known"
        if self.since is None:
            return "a server does not say since when it counts scans"
        window = self._snapshot.captured_at - self.since
        if window < LEAST_WINDOW:
            return f"scans have been counted for {_days(window)} only, and {_days(LEAST_WINDOW)} are needed"
        return None


def _days(window: timedelta) -> str:
    days = window / timedelta(days=1)
    return f"{days:.1f} days" if days < 2 else f"{days:.0f} days"


def unexplained(scans: Scans, calls: Iterable[float], part: float = 1.0) -> int:
    """Return how many scans remain when those that statements read an index for are taken off, one for each call.

    `part` of the calls was while scans were counted; it is not known to within a tenth.
    """
    total, most = scans.total or 0, sum(calls)
    less = total - int(most * part)
    return max(0, less if less > _LEAST_UNEXPLAINED * total else total - int(most))
