"""Propose extended statistics: built on the twin from sampled rows, and kept only if they change plans.

It comes after the choice of indexes, which the planner sees as chosen, and changes nothing about it. A plan counts as
changed where its nodes differ, not its costs alone, and where an estimate for the table moves by a factor of
LEAST_MOVE or more, towards what the sample says where it says something: otherwise plans of nearly the same cost would
change places without a reason.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import psycopg

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.limits import Limits
from analyzer.advise.statistics_drafts import KINDS, StatisticsDraft, drafts
from analyzer.advise.statistics_evidence import (
    Misestimate,
    Probe,
    conditions,
    error_of,
    grouped,
    move,
    recorded_misestimates,
    statistics_name,
    structure,
)
from analyzer.advise.statistics_known import DeclaredStatistics, alike, covers, is_known
from analyzer.advise.statistics_trial import MOST_QUESTIONS, ChangedPlan, ExhaustedError, Trial
from analyzer.advise.statistics_unsampled import unsampled
from analyzer.documents.measured import ExtendedStatistics
from analyzer.documents.snapshot import NotExamined
from analyzer.errors import InputError
from analyzer.objects.statistics import StatisticsDef
from analyzer.progress import Progress, silent
from analyzer.twin.predict.key_statistics import named_columns
from analyzer.twin.predict.sample_table import SampleTable
from analyzer.twin.twin import Twin, TwinIndex
from analyzer.workload.parse import Statement
from analyzer.workload.plan_tree import PlanNode

#: An estimate that changes a plan must move by this factor.
LEAST_MOVE = 2.0
#: Changed statements whose estimates are asked for.
_MOST_PROBED = 50
#: States of a spec that will be built, or exist already.
_WANTED = frozenset({"approved", "proposed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedStatistics:
    """Extended statistics that change plans, with their evidence."""

    definition: StatisticsDef
    reason: str
    changed: tuple[ChangedPlan, ...]
    #: Of the sample.
    sampled_rows: int
    #: Estimates that executed plans prove wrong.
    recorded: tuple[Misestimate, ...]
    #: The rejection that has run out, when a spec declares it already.
    again: DeclaredStatistics | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsAdvice:
    """What extended statistics are worth."""

    proposals: tuple[ProposedStatistics, ...] = ()
    #: DDL and reason.
    not_proposed: tuple[tuple[str, str], ...] = ()
    not_examined: tuple[NotExamined, ...] = ()


NO_STATISTICS = StatisticsAdvice()


def advise_statistics(
    twin: Twin,
    priced: Sequence[PricedStatement],
    shares: Mapping[Statement, float],
    *,
    indexes: Sequence[TwinIndex] = (),
    declared: Sequence[DeclaredStatistics] = (),
    plans: Sequence[tuple[str, PlanNode]] = (),
    limits: Limits | None = None,
    progress: Progress = silent,
) -> StatisticsAdvice:
    """Propose extended statistics for statements, planned with these indexes; `plans` are executed ones, by place."""
    progress("advise: statistics")
    found = drafts(priced, twin.snapshot, shares, twin.sampled)
    if not found.sampled and not found.unsampled:
        return NO_STATISTICS
    twin.show(indexes)
    trial = Trial(twin=twin, priced=sorted(priced, key=lambda item: -shares.get(item.statement, 0.0)))
    try:
        advisor = _Advisor(
            trial=trial, indexes=indexes, declared=declared, plans=plans, limits=limits or Limits()
        )  # fmt: skip
        advice = advisor.advise(found.sampled)
        matters = unsampled(trial, found.unsampled)
    finally:
        twin.sampled.show(())
        twin.show(())
    return replace(advice, not_examined=(*advice.not_examined, *matters))


@dataclass(slots=True, kw_only=True)
class _Advisor:
    """Tries one draft after the other."""

    trial: Trial
    indexes: Sequence[TwinIndex]
    declared: Sequence[DeclaredStatistics]
    plans: Sequence[tuple[str, PlanNode]]
    limits: Limits
    refused: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    missed: list[NotExamined] = field(default_factory=list["NotExamined"])

    def advise(self, found: Sequence[StatisticsDraft]) -> StatisticsAdvice:
        """Propose what of some drafts changes plans, each beside the ones before it."""
        if found:
            self._keep_declared()
        proposals = tuple(self._all_tried(found))
        return StatisticsAdvice(
            proposals=proposals, not_proposed=tuple(sorted(self.refused)), not_examined=tuple(self.missed)
        )

    def _all_tried(self, found: Sequence[StatisticsDraft]) -> Iterator[ProposedStatistics]:
        try:
            for draft in found:
                yield from self._tried(draft)
        except ExhaustedError:
            reason = f"at most {MOST_QUESTIONS:,} plans are compared"
            self.missed.append(NotExamined(what="the rest of the extended statistics", reason=reason))

    @property
    def _twin(self) -> Twin:
        return self.trial.twin

    @property
    def _predicates(self) -> Mapping[str, str]:
        """Return those of partial indexes, by the index's name."""
        known = (each.definition for each in self._twin.snapshot.indexes)
        return {each.name: each.where for each in (*known, *(own.index for own in self.indexes)) if each.where}

    @property
    def _today(self) -> date:
        return self._twin.snapshot.captured_at.date()

    def _keep_declared(self) -> None:
        """Take what a spec declares and the database does not have for granted, as far as a sample tells of it."""
        existing = {(each.schema_name, each.name) for each in self._twin.snapshot.extended_statistics}
        for each in self.declared:
            if each.state in _WANTED and each.definition.full_name not in existing:
                learnt = self._twin.sampled.learn(each.definition)
                if learnt is not None and self._is_taken(learnt):
                    self.trial.kept.append(learnt)

    def _is_taken(self, learnt: ExtendedStatistics) -> bool:
        """Say whether the server takes some statistics beside those that were kept."""
        try:
            self.trial.beside((learnt,), lambda: None)
        except psycopg.Error:
            return False
        return True

    def _tried(self, draft: StatisticsDraft) -> Iterator[ProposedStatistics]:
        """Yield a proposal of a draft if it changes plans and is not there or declared."""
        sample = self._twin.sampled.sample(draft.table, draft.columns)
        if sample is None:
            return
        try:
            definition = self._twin.canonical(self._definition(draft))
        except InputError:  # a type that does not sort, an expression that is not immutable
            return
        if self._exists(definition, draft):
            return
        learnt = self._twin.sampled.learn(definition)
        if learnt is None or not self._is_taken(learnt):
            return
        changed = self.trial.changed(self.trial.affected(draft.table), learnt)
        changed = self._justified(changed, draft, sample, learnt) if changed else []
        if not changed or self._is_refused(definition, draft):
            return
        definition, learnt = self._fewest_kinds(definition, learnt, changed)
        self.trial.keep(learnt)
        again = self._lapsed(definition)
        yield ProposedStatistics(
            definition=definition if again is None else definition.renamed(again.definition.name),
            reason=_reason(draft, definition),
            changed=tuple(changed),
            sampled_rows=len(sample.sample.lines),
            recorded=recorded_misestimates(self.plans, draft.table, draft.columns),
            again=again,
        )

    def _definition(self, draft: StatisticsDraft) -> StatisticsDef:
        snapshot = self._twin.snapshot
        wanted = StatisticsDef(
            schema=draft.table.schema, table=draft.table.name, name="", kinds=KINDS[draft.purpose],
            columns=draft.columns, expressions=draft.expressions,
        )  # fmt: skip
        taken = {(each.schema_name, each.name) for each in snapshot.extended_statistics}
        taken |= {each.definition.full_name for each in self.declared}
        taken |= {(each.schema_name, each.name) for each in self.trial.kept}
        return wanted.renamed(statistics_name(wanted, taken))

    def _exists(self, definition: StatisticsDef, draft: StatisticsDraft) -> bool:
        """Say whether the database has statistics of these keys: of an object, or of an index on the expression."""
        snapshot = self._twin.snapshot
        if is_known(snapshot, definition):
            return True
        if draft.purpose != "expression":
            return False
        indexes = [each.definition for each in snapshot.indexes if each.valid and each.definition.where is None]
        indexes += [each.index for each in self.indexes if each.index.where is None]
        own = (key.expression for index in indexes if index.full_table == draft.table for key in index.keys)
        return not {*draft.expressions, *definition.expressions}.isdisjoint(own)

    def _is_refused(self, definition: StatisticsDef, draft: StatisticsDraft) -> bool:
        """Say, and note, whether a rule forbids them, or a spec declares them or others of the same keys."""
        if (barred := self.limits.bars(draft.table, self._held(draft))) is not None:
            self.refused.append((definition.ddl(), barred))
            return True
        for each in self.declared:
            known = self._twin.printed(each.definition)
            if known.full_table != draft.table or not each.holds(self._today):
                continue
            if alike(known, definition) or (each.state in _WANTED and covers(known, definition)):
                self.refused.append((definition.ddl(), f"{each.where} declares {each.definition.name} ({each.state})"))
                return True
        return False

    def _held(self, draft: StatisticsDraft) -> Sequence[str]:
        relation = self._twin.snapshot.relation(*draft.table)
        named = (named_columns(text, relation) for text in draft.expressions) if relation is not None else ()
        return [*draft.columns, *itertools.chain.from_iterable(named)]

    def _lapsed(self, definition: StatisticsDef) -> DeclaredStatistics | None:
        lapsed = [each for each in self.declared if not each.holds(self._today)]
        return next((each for each in lapsed if alike(self._twin.printed(each.definition), definition)), None)

    def _justified(
        self, changed: Sequence[ChangedPlan], draft: StatisticsDraft, sample: SampleTable, learnt: ExtendedStatistics
    ) -> list[ChangedPlan]:
        """Keep the plans that change because an estimate does, and gets better as far as the sample tells."""
        trial, probed = self.trial, changed[:_MOST_PROBED]
        asked = {each.item.statement: list(self._probes(each, draft, sample)) for each in probed}
        texts = list(dict.fromkeys(probe.query for probes in asked.values() for probe in probes))
        after = trial.beside((learnt,), lambda: {text: trial.rows(text) for text in texts})
        before = trial.beside((), lambda: {text: trial.rows(text) for text in texts})
        found: list[ChangedPlan] = []
        for each in changed:
            probes = [
                replace(probe, rows_before=old, rows_after=new)
                for probe in asked.get(each.item.statement, ())
                if (old := before[probe.query]) is not None and (new := after[probe.query]) is not None
            ]
            best = max(probes, key=move, default=None)
            if best is None:
                found.append(each)
            elif move(best) >= LEAST_MOVE and error_of(best, best.rows_after) <= error_of(best, best.rows_before):
                found.append(replace(each, probe=best))
        return found

    def _probes(self, each: ChangedPlan, draft: StatisticsDraft, sample: SampleTable) -> Iterator[Probe]:
        """Yield what to ask the planner of the table alone."""
        sampled = self._twin.sampled
        if draft.purpose != "filter":
            distinct = sampled.combinations(sample, draft.keys)
            yield grouped(draft.table, draft.columns, draft.expressions, distinct)
        for alias, condition, query in conditions(each.plan_before.tree, draft.table, self._predicates):
            counted = sampled.share(sample, alias, condition)
            rows = None if counted is None or not counted[1] else counted[0] / counted[1] * sample.total_rows
            least = sample.total_rows / counted[1] if counted is not None and counted[1] else 1.0
            yield Probe(query=query, condition=condition, rows_sampled=rows, least_sampled=least)

    def _fewest_kinds(
        self, definition: StatisticsDef, learnt: ExtendedStatistics, changed: Sequence[ChangedPlan]
    ) -> tuple[StatisticsDef, ExtendedStatistics]:
        """Leave out the kinds without which the same plans are chosen."""
        items = [each.item for each in changed]
        wanted = [structure(each.plan_after.tree) for each in changed]
        for kind in definition.kinds if len(definition.kinds) > 1 else ():
            fewer = replace(definition, kinds=(kind,))
            alone = self._twin.sampled.learn(fewer)
            if alone is None:
                continue
            found = {each.item.statement: structure(each.plan_after.tree) for each in self.trial.changed(items, alone)}
            if [found.get(item.statement) for item in items] == wanted:
                return fewer, alone
        return definition, learnt


def _reason(draft: StatisticsDraft, definition: StatisticsDef) -> str:
    keys = ", ".join([*definition.columns, *definition.expressions])
    if draft.purpose == "expression":
        return f"the planner has no statistics of the values of {keys}"
    what = "filtered" if draft.purpose == "filter" else "grouped"
    reason = f"{keys} are {what} by together, and depend on each other in the sample"
    if draft.ratio is not None and draft.ratio >= LEAST_MOVE:
        reason += f": their combinations are up to {draft.ratio:.3g} times more frequent than independent ones"
    return reason
