"""Find the indexes that exist and can be dropped: another one takes their place, or nothing needs them.

It runs after new indexes were chosen. An index goes when all statements, planned without it and with what was chosen,
cost as much as before within a hundredth, and none of them notably more. Where another index finds all that it finds,
that is enough: it serves statements that were not recorded as well. Any other index goes only if every scan of it that
the servers have counted is one of a recorded statement.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from analyzer.advise.benefit import PricedStatement, recorded_cost
from analyzer.advise.cost import CostModel
from analyzer.advise.declared import Declared
from analyzer.advise.effect import Effect
from analyzer.advise.kept_indexes import ScanCounts, Scans, hinted, needing_foreign_key, purpose, unexplained
from analyzer.advise.limits import Limits
from analyzer.advise.plan_cache import Configuration
from analyzer.advise.plans_without import Hidden, PlansWithout
from analyzer.advise.sameness import places
from analyzer.advise.stand_in import added_columns, as_printed, stands_in
from analyzer.advise.table_writes import recorded_seconds
from analyzer.amounts import percent, plural
from analyzer.documents.snapshot import Index
from analyzer.objects.index import IndexDef
from analyzer.objects.temporary_names import is_temporary
from analyzer.postgres.identifiers import QualifiedName
from analyzer.progress import Progress, silent
from analyzer.sql import render_text
from analyzer.twin.hypothetical.add_indexes import TwinIndex
from analyzer.workload.parse import Statement

#: Of the workload's cost as things are: so much more it may cost without all of them together, their upkeep deducted.
MOST_LOST = 0.01
#: Of its own cost, and in planner units: so much more a single statement may cost.
MOST_DEARER, LEAST_DEARER = 0.10, 1.0
#: Indexes that stay and are named one by one.
_MOST_KEPT = 5

#: And those that are named together.
_MOST_NAMED = 3

#: `replaced`: a proposed index takes its place; `redundant`: one that exists does; `unused`: nothing was seen to read
#: it; `dispensable`: what reads it costs as much without it.
Because = Literal["replaced", "redundant", "unused", "dispensable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """An index that exists and can be dropped, with the evidence."""

    index: Index
    #: With its partitions'; None when it could not be read.
    size_bytes: int | None
    because: Because
    reason: str
    #: Indexes that have to be there before it is dropped.
    stand_ins: tuple[IndexDef, ...]
    #: Columns that its stand-in has beyond its own.
    added: tuple[str, ...]
    scans: Scans
    #: What the workload's own writes pay for it, in planner units.
    upkeep: float
    #: Of the whole workload with all proposals, before and after this drop, in the order of application.
    cost_before: float
    cost_after: float
    effects: tuple[Effect, ...]
    caveats: tuple[str, ...]
    #: The spec that names it.
    declared: Declared | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirements:
    """What can be dropped, and what of the rest has to be said."""

    found: tuple[Retirement, ...] = ()
    #: DDL and reason; None stands for several.
    kept: tuple[tuple[str | None, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retiring:
    """What the search for indexes to drop has to know besides the chosen ones."""

    model: CostModel
    declared: Sequence[Declared]
    #: As they were recorded, hints among their text.
    statements: Sequence[Statement]
    today: date
    limits: Limits

    def __call__(self, chosen: Sequence[TwinIndex]) -> "Search":
        """Search beside these."""
        return Search(self, chosen)


def retire(
    retiring: Retiring,
    chosen: Sequence[TwinIndex],
    shares: Mapping[Statement, float],
    *,
    progress: Progress = silent,
) -> Retirements:
    """Say which of the existing indexes the workload can do without once what was chosen is there."""
    search = retiring(chosen)
    if not search.candidates:
        return Retirements()
    progress(f"advise: {_indexes(len(search.candidates), 'existing')}")
    search.run()
    return Retirements(found=tuple(search.retirements(shares)), kept=tuple(search.told()))


class Search:
    """The search's state: what is hidden so far, and what that costs."""

    def __init__(self, retiring: Retiring, chosen: Sequence[TwinIndex]) -> None:
        self._model = model = retiring.model
        self._counts = ScanCounts(model.twin.snapshot)
        self._declared = {each.index.full_name: each for each in retiring.declared}
        self._date, self._limits = retiring.today, retiring.limits
        self._hints = hinted(retiring.statements)
        self._items = _by_table(model.statements)
        #: By name, those that do all that an index does.
        self._covers: dict[QualifiedName, list[QualifiedName]] = {}
        self._upkeeps: dict[QualifiedName, float] = {}
        self._added: Configuration = model.base | frozenset(chosen)
        #: What is there, or will be, as the server prints it; by name.
        self._beside = {each.index.full_name: as_printed(each.index, model.twin) for each in (*chosen, *_sorted(model))}
        self._new = frozenset(self._beside)
        found = tuple(self._on_twin())
        self.candidates = {each.definition.full_name: each for each in found if self._is_free(each)}
        self._trees = {name: self._counts.tree(index) for name, index in self.candidates.items()}
        self._printed = self._read_printed()
        #: Those that stay as far as is known, and may take the place of others.
        self._of_table: dict[QualifiedName, list[QualifiedName]] = {}
        leaving = {each.definition.full_name for each in model.twin.snapshot.indexes if self._is_leaving(each)}
        for name, definition in self._printed.items():
            beside = self._of_table.setdefault(definition.full_table, [])
            if name not in leaving:
                beside.append(name)
        gone = {each.definition.full_name: each for each in found if each.definition.full_name in leaving}
        trees = self._trees | {name: self._counts.tree(index) for name, index in gone.items()}
        self._plans = PlansWithout(model, self._added, trees)
        self._today = PlansWithout(model, frozenset(), trees)
        #: What will be dropped without this, or is proposed to be, counts as gone.
        self._gone: Hidden = frozenset(gone)
        self._hidden: Hidden = self._gone
        self._order: list[QualifiedName] = []
        #: By statement, how much more all its recorded executions cost without what is hidden; and with the last trial.
        self._lost: dict[Statement, float] = {}
        self._trial: dict[Statement, float] = {}
        self._kept: list[tuple[int, str, str]] = []
        self._gap = self._counts.gap()
        self._part = self._counts.part_of(recorded_seconds(model.twin.snapshot))
        #: Size and name of what may be in use, for all that was counted.
        self._doubted: list[tuple[int, str]] = []

    def run(self) -> None:
        """Take one index after the other away, first those whose place another one takes, the largest first."""
        self._plans.learn(self._statements(self.candidates.values()), self._gone)
        for name in sorted(self.candidates, key=self._rank):
            if name in self._gone:
                spec = self._declared[name]
                self._tell(name, self._said(spec) if spec.state != "retired" else None)
                continue
            if (kept := self._refusal(name)) is None:
                self._hidden |= {name}
                self._order.append(name)
                self._lost |= self._trial
            else:
                self._tell(name, kept)

    def _tell(self, name: QualifiedName, reason: str | None) -> None:
        """Take note why an index stays, where a reader needs to know."""
        if reason:
            index = self.candidates[name]
            self._kept.append((-self._size(index), _drop(index.definition), reason))

    def lets_go(self, name: QualifiedName) -> bool:
        """Say whether a single index can go, of which no other one is."""
        if name not in self.candidates or name in self._gone:
            return False
        self._plans.learn(self._statements([self.candidates[name]]), self._gone)
        return self._refusal(name) is None

    def _on_twin(self) -> Iterator[Index]:
        """Return the indexes of the workload's tables that can be hidden on the twin."""
        catalog, snapshot = self._model.twin.catalog, self._model.twin.snapshot
        tables = {table for item in self._model.statements for table in item.tables or ()}
        if any(item.tables is None for item in self._model.statements):
            tables |= {relation.full_name for relation in snapshot.relations}
        found = [
            index
            for table in sorted(tables)
            for index in catalog.indexes_of(table)
            if self._is_free(index) or self._is_leaving(index)
        ]
        there = self._model.twin.existing([index.definition.qualified_name for index in found])
        return (index for index in found if index.definition.qualified_name in there)

    def _is_free(self, index: Index) -> bool:
        """Say whether nothing but speed keeps an index; a partition may be clustered on its part."""
        return purpose(index) is None and not any(each.clustered for each in self._counts.tree(index))

    def _is_leaving(self, index: Index) -> bool:
        """Say whether a spec retires an index, or proposes to, or a deploy will drop it."""
        spec = self._declared.get(index.definition.full_name)
        if spec is not None and (spec.state == "retired" or (spec.retires and spec.state == "proposed")):
            return True
        return is_temporary(index.definition.name, index.comment)

    def _read_printed(self) -> Mapping[QualifiedName, IndexDef]:
        """Return every index of the tables as the server prints it; spelling matters in expressions alone."""
        twin, found = self._model.twin, dict(self._beside)
        for table in sorted({each.definition.full_table for each in self.candidates.values()}):
            for index in twin.catalog.indexes_of(table):
                definition = index.definition
                if index.valid and index.ready:
                    found[definition.full_name] = as_printed(definition, twin)
        return found

    def _rank(self, name: QualifiedName) -> tuple[object, ...]:
        index, spec = self.candidates[name], self._declared.get(name)
        is_declared = spec is not None and spec.state == "approved"
        covered = self._cover(name, frozenset()) is not None
        return not covered, is_declared, -self._size(index), places(index.definition, self._model.twin.snapshot)

    def _size(self, index: Index) -> int:
        return sum(each.size_bytes or 0 for each in self._trees[index.definition.full_name])

    def _cover(self, name: QualifiedName, hidden: Hidden) -> QualifiedName | None:
        """Return the index that takes the place of one: rather one that exists, and the one with the fewest columns."""
        if name not in self._covers:
            wanted = self._printed[name]
            beside = (each for each in self._of_table[wanted.full_table] if each != name)
            found = [each for each in beside if stands_in(self._printed[each], wanted)]
            width = {each: len(self._printed[each].keys) + len(self._printed[each].include) for each in found}
            self._covers[name] = sorted(found, key=lambda each: (each in self._new, width[each], each))
        return next((each for each in self._covers[name] if each not in hidden), None)

    def _refusal(self, name: QualifiedName) -> str | None:
        """Say why an index stays; an empty text where that is nothing to tell, None where it can go."""
        index, trial = self.candidates[name], self._hidden | {name}
        cover = self._cover(name, trial)
        if (dearer := self._loss(index, trial)) is not None:
            return f"{cover.name} has its keys, but {dearer}" if cover is not None else ""
        beside = [each for each in self._of_table[index.definition.full_table] if each not in trial]
        before = (each for each in self._order if self._printed[each].full_table == index.definition.full_table)
        if any(self._cover(each, self._hidden) and not self._cover(each, trial) for each in before):
            return ""
        if (decided := self._decided(name)) is not None:
            return decided
        relation = self._model.twin.snapshot.relation(*index.definition.full_table)
        others = [self._printed[each] for each in beside]
        if relation is not None and (needed := needing_foreign_key(index, relation, others)) is not None:
            return f"the foreign key {needed.name} needs it: deleting or changing a referenced row looks for its rows"
        return None if cover is not None else self._doubt(index)

    def _decided(self, name: QualifiedName) -> str | None:
        """Return what a spec, a rule or a hint says against the drop of an index."""
        spec = self._declared.get(name)
        told = self._said(spec) if spec is not None else None
        told = told or self._limits.bars(self.candidates[name].definition.full_table)
        return told or ("a hint of a recorded statement names it" if name.name in self._hints else None)

    def _said(self, spec: Declared) -> str | None:
        """Return what a spec says against the drop of an index; None where it does not stand against it."""
        if spec.of_pattern:
            return f"{spec.where} declares it for many schemas"
        if spec.state == "rejected":
            return f"{spec.where} rejects its drop" if spec.holds(self._date) else None
        return f"{spec.where} proposes its drop already" if spec.retires else None

    def _loss(self, index: Index, trial: Hidden) -> str | None:
        """Say what the workload loses without some indexes, one of which is tried; None where next to nothing."""
        self._plans.learn(self._statements([index]), trial)
        self._trial = {}
        for item in self._statements([index]):
            before, after = self._plans.answer(item, self._gone), self._plans.answer(item, trial)
            if before is None:
                continue
            if after is None:
                return f"the statement {item.statement.id} cannot be planned without it"
            costs = sum(before.costs), sum(after.costs)
            if costs[1] - costs[0] > max(LEAST_DEARER, MOST_DEARER * costs[0]):
                return f"without it, the statement {item.statement.id} would cost {more_than(*costs)}"
            self._trial[item.statement] = recorded_cost(item, costs[1] - costs[0])
        lost = sum((self._lost | self._trial).values())
        lost -= sum(self._upkeep(self.candidates[name]) for name in trial - self._gone)
        today = self._model.total(frozenset())
        if lost <= MOST_LOST * today:
            return None
        return f"without it, the workload would cost {more_than(today, today + lost)}"

    def _doubt(self, index: Index) -> str | None:
        """Say what speaks for an index that no other one stands in for, since not all statements were recorded."""
        if self._gap is not None:
            self._doubted.append((-self._size(index), index.definition.name))
            return ""
        scans = self._counts.of(index)
        if scans.total is None:
            return "the recorded statements do not need it, but its scans are not known"
        calls = (item.statement.calls for item in self._reading(index)) if scans.total else ()
        if more := unexplained(scans, calls, self._part):
            return f"{scans.told()}, {plural(more, 'time')} by statements that were not recorded"
        return None

    def _reading(self, index: Index) -> Iterator[PricedStatement]:
        """Yield the statements that read an index as things are."""
        name = index.definition.full_name
        items = self._statements([index])
        self._today.learn(items, frozenset())
        names = {each.definition.name for each in self._trees[name]}
        for item in items:
            answer = self._today.answer(item, frozenset())
            if answer is not None and not answer.names.isdisjoint(names):
                yield item

    def _statements(self, indexes: Iterable[Index]) -> list[PricedStatement]:
        """Return the statements to which some of the existing indexes can matter."""
        tables = {each.definition.full_table: None for each in indexes}
        found = (item for table in tables for item in self._items.get(table, self._items[None]))
        return list({item.statement: item for item in found}.values())

    def retirements(self, shares: Mapping[Statement, float]) -> Iterator[Retirement]:
        """Yield what can go, in the order of application."""
        cost, hidden = self._model.total(self._added), self._gone
        for name in self._order:
            index, larger = self.candidates[name], hidden | {name}
            effects, more, read = self._effects(index, hidden, larger, shares)
            cover = self._cover(name, self._hidden)
            needed = dict.fromkeys([*(() if cover is None else (cover,)), *read, *self._new_for_foreign_keys(index)])
            scans = self._counts.of(index)
            because = self._because(cover, scans)
            yield Retirement(
                index=index,
                size_bytes=self._size(index) or None,
                because=because,
                reason=self._reason(name, cover, because),
                stand_ins=tuple(self._printed[each] for each in needed),
                added=added_columns(self._printed[cover], self._printed[name]) if cover else (),
                scans=scans,
                upkeep=self._upkeep(index),
                cost_before=cost,
                cost_after=cost + more,
                effects=effects,
                caveats=tuple(self._caveats(name, cover, scans)),
                declared=self._declared.get(name),
            )
            cost, hidden = cost + more, larger

    def _effects(
        self, index: Index, hidden: Hidden, larger: Hidden, shares: Mapping[Statement, float]
    ) -> tuple[tuple[Effect, ...], float, list[QualifiedName]]:
        """Return what the drop does to statements, what that costs, and which new indexes they then read."""
        effects: list[Effect] = []
        more, read = 0.0, set[QualifiedName]()
        new = {each: self._names_of(each) for each in self._new}
        for item in self._statements([index]):
            before, after = self._plans.answer(item, hidden), self._plans.answer(item, larger)
            if before is None or after is None or before is after:
                continue
            costs = sum(before.costs), sum(after.costs)
            more += recorded_cost(item, costs[1] - costs[0])
            read |= {each for each, names in new.items() if names & after.names and not names & before.names}
            if before.names != after.names or abs(costs[1] - costs[0]) > MOST_LOST * costs[0]:
                effects.append(
                    Effect(
                        item=item,
                        cost_before=costs[0],
                        cost_after=costs[1],
                        plan_before=self._plans.plan(item, hidden),
                        plan_after=self._plans.plan(item, larger),
                        share_of_time=shares[item.statement],
                    )
                )
        return tuple(effects), more, sorted(read)

    def _new_for_foreign_keys(self, index: Index) -> Iterator[QualifiedName]:
        """Yield the new indexes that find rows for foreign keys in the place of one that goes."""
        relation = self._model.twin.snapshot.relation(*index.definition.full_table)
        gone = self._hidden | self._new
        beside = self._of_table[index.definition.full_table]
        others = [self._printed[each] for each in beside if each not in gone]
        for name in sorted(self._new.intersection(beside)):
            if relation is None or (lacking := needing_foreign_key(index, relation, others)) is None:
                return
            more = [*others, self._printed[name]]
            if needing_foreign_key(index, relation, more) != lacking:
                others = more
                yield name

    def _names_of(self, name: QualifiedName) -> frozenset[str]:
        return frozenset[str]().union(*(each.names for each in self._added if each.index.full_name == name))

    def _because(self, cover: QualifiedName | None, scans: Scans) -> Because:
        if cover is not None:
            return "replaced" if cover in self._new else "redundant"
        return "dispensable" if scans.total else "unused"

    def _reason(self, name: QualifiedName, cover: QualifiedName | None, because: Because) -> str:
        if cover is not None:
            new, old = self._printed[cover], self._printed[name]
            if not (more := added_columns(new, old)) and len(new.keys) == len(old.keys):
                return f"{cover.name} is the same index"
            extended = f"extends it by {', '.join(more)}" if more else "begins with its keys"
            return f"{cover.name}{' (proposed)' if cover in self._new else ''} {extended} and does all that it does"
        if because == "unused":
            since = self._counts.since
            return f"no recorded statement needs it, and no captured server has scanned it since {since:%Y-%m-%d}"
        return "the recorded statements that read it cost as much without it, and they account for all its scans"

    def _caveats(self, name: QualifiedName, cover: QualifiedName | None, scans: Scans) -> Iterator[str]:
        server, spec = self._model.twin.snapshot.server, self._declared.get(name)
        if spec is not None:
            yield f"{spec.where} declares it ({spec.state})"
        if cover is not None and cover in self._new:
            yield f"drop it only after {cover.name} was built"
        if cover is not None and scans.total:
            calls = [item.statement.calls for item in self._reading(self.candidates[name])]
            if more := unexplained(scans, calls, self._part):
                others = f"{plural(more, 'time')} by statements that were not recorded"
                yield f"{scans.told()}, {others}: {cover.name} serves them"
        if cover is None:
            if server.standbys is None:
                yield "it is not known whether standbys that were not captured scan it"
            yield "servers do not say when it was created: a younger index has been counted for less time"
        if lost := [each for each in (self._statements([self.candidates[name]])) if self._is_unknown(each)]:
            yield f"{plural(len(lost), 'statement')} on its table could not be planned without it"

    def _is_unknown(self, item: PricedStatement) -> bool:
        return self._plans.answer(item, self._gone) is None

    def _upkeep(self, index: Index) -> float:
        name = index.definition.full_name
        if name in self._upkeeps:
            return self._upkeeps[name]
        self._upkeeps[name] = self._model.upkeep_of_existing(index, self._added)
        return self._upkeeps[name]

    def told(self) -> Iterator[tuple[str | None, str]]:
        """Yield why others stay: the largest few one by one, the others by their number."""
        kept = sorted(self._kept)
        for _, ddl, reason in kept[:_MOST_KEPT]:
            yield ddl, reason
        if (rest := len(kept) - _MOST_KEPT) > 0:
            yield None, f"{_indexes(rest, 'more existing')} stay for reasons like these"
        if self._doubted:
            names = [name for _, name in sorted(self._doubted)]
            named = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
            yield (
                None,
                f"{_indexes(len(names), 'existing')} that the recorded statements do not need ({named}): {self._gap}",
            )


def more_than(before: float, after: float) -> str:
    """Say by how much a cost is more than another one."""
    if before <= 0:
        return "more"
    times = after / before
    return f"{times:,.1f} times as much" if times >= 2 else f"{percent(times - 1)} more"


def _indexes(number: int, kind: str) -> str:
    return f"{number:,} {kind} {'index' if number == 1 else 'indexes'}"


def _by_table(items: Sequence[PricedStatement]) -> Mapping[QualifiedName | None, list[PricedStatement]]:
    """Return the statements to which the indexes of a table can matter, by table; under None those of any table."""
    found: dict[QualifiedName | None, list[PricedStatement]] = {None: []}
    for table in {table for item in items for table in item.tables or ()}:
        found[table] = [item for item in items if item.tables is None or table in item.tables]
    found[None] = [item for item in items if item.tables is None]
    return found


def _sorted(model: CostModel) -> list[TwinIndex]:
    return sorted(model.base, key=lambda each: each.index.full_name)


def _drop(index: IndexDef) -> str:
    return render_text("index/drop_index", schema=index.schema, name=index.name, concurrently=True)
