"""What indexes cost the writers of their table, together and one more at a time, with the HOT updates they prevent.

An INSERT adds an entry to each index. So does an UPDATE unless it is heap-only (HOT): it changes no column that any
index holds, keys, INCLUDE, expression and predicate alike, and its page has room. BRIN does not prevent that since
PostgreSQL 16. An index that makes updates cease to be HOT is charged with what they add to all of the table's indexes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.advise.table_writes import TableWrites, Update, Writing, Written, table_writes
from analyzer.advise.upkeep import EntryCost, entry_costs, held_columns, of_existing
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation, Snapshot
from analyzer.documents.write_costs import WriteSource
from analyzer.objects.index import IndexDef
from analyzer.postgres.access_methods import SUMMARIZING
from analyzer.postgres.identifiers import QualifiedName
from analyzer.twin.twin import TwinIndex

#: From this version on, an UPDATE of columns that only summarizing indexes hold can be heap-only.
_SUMMARIZING_SINCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What an index costs writers over the time of the workload, on top of the indexes beside it."""

    #: In planner units.
    cost: float
    #: Entries that are added to it, and to the other indexes because of it.
    entries: float
    other_entries: float
    #: Updates that are HOT without it.
    hot_lost: float
    #: Without full-page images.
    wal_bytes: float
    #: That time; None where it is not known.
    seconds: float | None
    source: WriteSource
    #: Updates of unknown columns, which may cease to be HOT as well.
    unknown_updates: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """Sums over some indexes of a table."""

    cost: float = 0.0
    entries: float = 0.0
    wal_bytes: float = 0.0
    hot_updates: float = 0.0


@dataclass(frozen=True, slots=True)
class _Member:
    """An index among those of its table."""

    index: IndexDef
    held: frozenset[str]
    entry: EntryCost
    is_summarizing: bool
    #: Share of the table's rows that it holds.
    share: float


class _Table:
    """The writes and the existing indexes of one table."""

    def __init__(
        self, relation: Relation, snapshot: Snapshot, writes: TableWrites, existing: Iterable[TwinIndex]
    ) -> None:
        self._relation, self._snapshot, self.writes = relation, snapshot, writes
        rows = Catalog(snapshot).indexed_rows(*relation.full_name)
        self._rows = rows if rows is not None and rows > 0 else None
        self._is_since = snapshot.server.major >= _SUMMARIZING_SINCE
        self._members: dict[TwinIndex, _Member] = {}
        self._existing = [self._member(each) for each in existing]
        self._stays, self._unchanged = self._shares()

    def _member(self, index: TwinIndex) -> _Member:
        if (known := self._members.get(index)) is None:
            share = 1.0
            if index.index.where is not None and self._rows is not None:
                share = min(1.0, max(0.0, index.size.tuples / self._rows))
            known = self._members[index] = _Member(
                index=index.index,
                held=frozenset(held_columns(index.index, self._relation)),
                entry=entry_costs(index, self._relation, self._snapshot),
                is_summarizing=self._is_since and index.index.method in SUMMARIZING,
                share=share,
            )
        return known

    def _shares(self) -> tuple[float, float]:
        """Return which share of the updates that may be HOT are, and of the others set what they do not change.

        That is how the counted share of HOT updates is explained: not every page has room, and not every value changes.
        """
        hot = self.writes.hot
        held = self._forbidding(self._existing)
        told = [each for each in self.writes.updates if each.columns is not None]
        rows = sum(each.rows for each in told)
        if hot is None or not rows:
            return 1.0, 0.0
        allowed = sum(each.rows for each in told if held.isdisjoint(each.columns or ())) / rows
        if hot <= allowed:
            return (hot / allowed if allowed else 1.0), 0.0
        return 1.0, (hot - allowed) / (1 - allowed)

    def _forbidding(self, members: Iterable[_Member]) -> frozenset[str]:
        return frozenset[str]().union(*(each.held for each in members if not each.is_summarizing))

    def _hot(self, update: Update, members: Iterable[_Member]) -> float:
        """Return how many rows of an update are HOT with some indexes beside the existing ones."""
        if update.columns is None:
            return update.rows * (1.0 if self.writes.hot is None else self.writes.hot)
        if not self._forbidding(self._existing).isdisjoint(update.columns):
            return update.rows * self._unchanged
        return update.rows * self._stays if self._forbidding(members).isdisjoint(update.columns) else 0.0

    def load(self, indexes: Iterable[TwinIndex]) -> _Load:
        """Return what the writes cost in some indexes, and what they cost more in the existing ones because of them."""
        if self.writes.are_none:
            return _Load()
        members = [self._member(each) for each in indexes]
        hot = [self._hot(each, members) for each in self.writes.updates]
        before = sum(self._hot(each, ()) for each in self.writes.updates)
        cold = sum(each.rows for each in self.writes.updates) - sum(hot)
        own = self.writes.inserts + cold
        parts = [(each, own, cold + self.writes.deletes) for each in members]
        lost = before - sum(hot)
        parts += [(each, lost, lost) for each in self._existing]
        parts += [(each, self._looked_at(each, hot), 0.0) for each in members if each.is_summarizing]
        return _Load(
            cost=sum(
                added * each.entry.check + each.share * (added * each.entry.cost + dead * each.entry.removal)
                for each, added, dead in parts
            ),
            entries=sum(each.share * added for each, added, _ in parts),
            wal_bytes=sum(
                each.share * (added * each.entry.wal_bytes + dead * each.entry.removal_wal_bytes)
                for each, added, dead in parts
            ),
            hot_updates=sum(hot),
        )

    def own_entries(self, index: TwinIndex, beside: Iterable[TwinIndex]) -> float:
        """Return the entries added to one index beside others."""
        own = self._member(index)
        members = [own, *map(self._member, beside)]
        hot = [self._hot(each, members) for each in self.writes.updates]
        cold = sum(each.rows for each in self.writes.updates) - sum(hot)
        return own.share * (self.writes.inserts + cold + (self._looked_at(own, hot) if own.is_summarizing else 0.0))

    def _looked_at(self, member: _Member, hot: Iterable[float]) -> float:
        """Return the rows whose update is HOT and changes what a summarizing index holds, which looks at them."""
        pairs = zip(self.writes.updates, hot, strict=True)
        return sum(rows for update, rows in pairs if not member.held.isdisjoint(update.columns or ()))


class WriteCosts:
    """What the writes of a workload cost under sets of indexes, by table."""

    def __init__(
        self,
        snapshot: Snapshot,
        statements: Written,
        *,
        base: Iterable[TwinIndex] = (),
        recorded: bool = False,
    ) -> None:
        """Take note of who writes what; `base` counts among the existing indexes.

        `recorded` says that the snapshot recorded them, so that its counters of tables are about the same time.
        """
        self._snapshot, self._catalog = snapshot, Catalog(snapshot)
        self._recorded, self._base = recorded, tuple(base)
        self._writings: dict[QualifiedName, list[Writing]] = {}
        for statement, shape in statements:
            for each in shape.tables:
                if each.target is not None:
                    self._writings.setdefault(QualifiedName(each.schema, each.table), []).append((statement, each))
        self._tables: dict[QualifiedName, _Table | None] = {}
        self._loads: dict[tuple[QualifiedName, frozenset[TwinIndex]], _Load] = {}

    def cost(self, index: TwinIndex, beside: Iterable[TwinIndex]) -> float:
        """Return what an index costs on top of the existing ones and those beside it."""
        table = index.index.full_table
        others = _of(table, beside) - {index}
        return self._load(table, others | {index}).cost - self._load(table, others).cost

    def total(self, indexes: Iterable[TwinIndex]) -> float:
        """Return what indexes cost together."""
        by_table: dict[QualifiedName, set[TwinIndex]] = {}
        for each in indexes:
            by_table.setdefault(each.index.full_table, set()).add(each)
        return sum(self._load(table, frozenset(each)).cost for table, each in by_table.items())

    def upkeep(self, index: TwinIndex, beside: Iterable[TwinIndex]) -> Upkeep:
        """Return all that an index costs on top of the existing ones and those beside it."""
        name = index.index.full_table
        others = _of(name, beside) - {index}
        table = self._table(name)
        if table is None:
            return Upkeep(
                cost=0.0, entries=0.0, other_entries=0.0, hot_lost=0.0, wal_bytes=0.0, seconds=None, source="statements"
            )
        after, before = self._load(name, others | {index}), self._load(name, others)
        own = table.own_entries(index, others)
        return Upkeep(
            cost=after.cost - before.cost,
            entries=own,
            other_entries=max(0.0, after.entries - before.entries - own),
            hot_lost=max(0.0, before.hot_updates - after.hot_updates),
            wal_bytes=max(0.0, after.wal_bytes - before.wal_bytes),
            seconds=table.writes.seconds,
            source=table.writes.source,
            unknown_updates=sum(each.rows for each in table.writes.updates if each.columns is None),
        )

    def _load(self, name: QualifiedName, indexes: frozenset[TwinIndex]) -> _Load:
        known = self._loads.get((name, indexes))
        if known is None:
            table = self._table(name)
            known = self._loads[name, indexes] = table.load(indexes) if table is not None else _Load()
        return known

    def _table(self, name: QualifiedName) -> _Table | None:
        if name not in self._tables:
            self._tables[name] = self._read(name)
        return self._tables[name]

    def _read(self, name: QualifiedName) -> _Table | None:
        relation = self._snapshot.relation(*name)
        if relation is None:
            return None
        existing = [of_existing(each, relation) for each in self._catalog.indexes_of(name) if each.valid]
        existing += [each for each in self._base if each.index.full_table == name]
        parts = [relation, *self._catalog.partitions(relation)]
        writings = [writing for part in parts for writing in self._writings.get(part.full_name, ())]
        writes = table_writes(parts, writings, self._snapshot, recorded=self._recorded)
        return _Table(relation, self._snapshot, writes, existing)


def _of(table: QualifiedName, indexes: Iterable[TwinIndex]) -> frozenset[TwinIndex]:
    return frozenset(each for each in indexes if each.index.full_table == table)
