"""Propose indexes for a workload, each with its evidence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.advise.benefit import Change
from analyzer.advise.candidates import Candidate, candidates, not_tried
from analyzer.advise.cost import Configuration, CostModel, PricedStatement
from analyzer.advise.declared import Declared
from analyzer.advise.effect import Effect
from analyzer.advise.extension import extend_existing
from analyzer.advise.frontier import Point, with_choice
from analyzer.advise.limits import Limits
from analyzer.advise.price import price_all
from analyzer.advise.retirement import Retirement, Retirements, Retiring, retire
from analyzer.advise.risks import Risk, risks
from analyzer.advise.sameness import covers, places, signature
from analyzer.advise.select import Refused, select
from analyzer.advise.stale_statistics import StaleTable
from analyzer.advise.statistics_advice import NO_STATISTICS, StatisticsAdvice
from analyzer.advise.upkeep import held_columns
from analyzer.advise.worth import Worth, worth
from analyzer.advise.write_costs import Upkeep
from analyzer.amounts import percent, plural
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.documents.weights import Weight
from analyzer.objects.index import IndexDef
from analyzer.postgres.access_methods import METHODS
from analyzer.postgres.identifiers import MOST_BYTES, QualifiedName
from analyzer.progress import Progress, silent
from analyzer.twin.pool import TwinPool
from analyzer.twin.twin import Twin, TwinIndex
from analyzer.workload.one_shape import by_shape
from analyzer.workload.parse import Statement, Workload
from analyzer.workload.system_statements import tableless

#: Refused candidates that are named one by one.
_MOST_REFUSED = 5
#: Leaves room for a number; generated names are ASCII.
_NAME_LENGTH = MOST_BYTES - 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A chosen index with its evidence."""

    built: TwinIndex
    reason: str
    #: The rejection that has run out, when a spec declares it already.
    again: Declared | None
    caveats: tuple[str, ...]
    effects: tuple[Effect, ...]
    worth: Worth
    #: Of the plans of statements that become cheaper, however little.
    risks: tuple[tuple[Statement, Risk], ...]
    #: Of the whole workload, before and after this proposal, in the order of application.
    cost_before: float
    cost_after: float
    #: What the workload's writes pay for it after the proposals before it; not in `cost_after`.
    upkeep: Upkeep

    @property
    def share_of_time(self) -> float:
        """Return the share of the workload's time that is spent in the statements it helps."""
        return sum(effect.share_of_time for effect in self.effects if effect.cost_after < effect.cost_before)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementCost:
    """A statement with its cost as things are and with everything proposed; None when it cannot be planned."""

    statement: Statement
    share_of_time: float
    cost_before: float | None
    cost_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the advisor found."""

    planner: str
    statements: tuple[StatementCost, ...]
    proposals: tuple[Proposal, ...]
    #: DDL and reason; None stands for several candidates.
    not_proposed: tuple[tuple[str | None, str], ...]
    #: Recorded statements that read no table.
    tableless: tuple[Statement, ...]
    not_examined: tuple[NotExamined, ...]
    #: What the shares are shares of.
    weighed_by: Weight = "time"
    #: How much cheaper the workload could be with the best set of the same candidates; see `select.Selection`.
    gap: float | None = None
    #: Other sizes, and what the workload costs with the best known set of each.
    frontier: tuple[Point, ...] = ()
    #: The statements that can be planned, and the indexes beyond the existing ones once all is built.
    priced: tuple[PricedStatement, ...] = ()
    indexes: tuple[TwinIndex, ...] = ()
    statistics: StatisticsAdvice = NO_STATISTICS
    stale: tuple[StaleTable, ...] = ()
    #: Indexes that exist and can be dropped, in the order of application, after the proposals.
    retirements: tuple[Retirement, ...] = ()


def propose(
    twin: Twin,
    workload: Workload,
    *,
    declared: Sequence[Declared] = (),
    limits: Limits | None = None,
    pool: TwinPool | None = None,
    existing: bool = True,
    progress: Progress = silent,
) -> Advice:
    """Propose indexes that make the workload cheaper on the twin, none of which exists or is declared.

    With `existing`, say as well which of the indexes that exist it can do without.

    What takes long is done on the copies of a pool, of this very twin; the proposals are the same without one.
    """
    snapshot, bounds = twin.snapshot, limits or Limits()
    progress("advise: statements")
    workload = by_shape(workload, snapshot)
    without_table = tableless(workload.statements, snapshot)
    served = [statement for statement in workload.statements if statement not in without_table]
    shares = workload.shares
    priced, missed = price_all(twin, served, pool, shares, workload.weighed_by)
    progress("advise: candidates")
    today = snapshot.captured_at.date()
    standing = [each for each in declared if each.holds(today)]
    base = frozenset(_pending(twin, standing))
    built, refused = _candidates(twin, priced, declared, standing, bounds)
    model = CostModel(
        twin=twin,
        statements=priced,
        base=base,
        candidates=frozenset(built),
        pool=pool,
        recorded=bool(workload.identities),
    )
    if workload.weigh_by != "time":
        model.weigh(shares)
    selection = select(model, list(built), bounds, progress=progress)
    missed += _homeless(declared, snapshot)
    if not selection.complete:
        reason = f"the time limit of {bounds.seconds:g} s was reached; increase --seconds to continue the search"
        missed.append(NotExamined(what="the rest of the candidates", reason=reason))
    chosen, retired, frontier = selection.chosen, Retirements(), selection.frontier
    if selection.complete and existing:
        retiring = Retiring(model=model, declared=declared, statements=workload.statements, today=today, limits=bounds)
        chosen, built = extend_existing(model, chosen, built, retiring)
        if chosen != selection.chosen:
            frontier = with_choice(frontier, chosen, model)
        retired = retire(retiring, chosen, shares, progress=progress)
    again = _again(twin, chosen, [each for each in declared if not each.holds(today)])
    proposals = tuple(_evidence(model, chosen, built, again, shares))
    progress("advise: done")
    return Advice(
        planner=twin.planner,
        statements=_costs(model, served, frozenset(chosen), shares),
        proposals=proposals,
        not_proposed=(*refused, *_unpriced(model), *_refusals(selection.refused, bounds), *retired.kept),
        tableless=tuple(
            each for statement in workload.statements if statement in without_table for each in statement.stands_for
        ),
        not_examined=(*snapshot.not_examined, *workload.not_examined, *missed, *twin.not_examined),
        weighed_by=workload.weighed_by,
        gap=selection.gap,
        frontier=frontier,
        priced=tuple(model.statements),
        indexes=tuple(each for each in twin.added if each in base or each in chosen),
        retirements=retired.found,
    )


def _candidates(
    twin: Twin,
    priced: Sequence[PricedStatement],
    declared: Sequence[Declared],
    standing: Sequence[Declared],
    limits: Limits,
) -> tuple[dict[TwinIndex, Candidate], list[tuple[str | None, str]]]:
    """Build what is worth trying on the twin, and say of the rest why it is not tried."""
    shapes = [shape for item in priced for shape in item.shapes]
    found = candidates(shapes, twin.snapshot, twin.operator_classes)
    found = sorted(found, key=lambda each: places(each.index, twin.snapshot))
    fresh, refused = _fresh(twin, found, standing)
    allowed, forbidden = _allowed(twin, fresh, limits)
    built, rejected = _build(twin, allowed, declared)
    hindered = not_tried(shapes, twin.snapshot, twin.operator_classes)
    return built, sorted([*refused, *forbidden, *rejected, *hindered], key=lambda each: (each[0] or "", each[1]))


def _fresh(
    twin: Twin, found: Sequence[Candidate], declared: Sequence[Declared]
) -> tuple[list[Candidate], list[tuple[str, str]]]:
    """Leave out what exists and what a spec declares or makes unnecessary; the server's own deparse decides."""
    present = [index.definition for index in twin.snapshot.indexes if index.valid]
    outlines = {_outline(each) for each in present} | {_outline(each.index) for each in declared}
    wanted = {_outline(each.index) for each in found}
    existing = {twin.printed(each) if each.expressions and _outline(each) in wanted else each for each in present}
    by_table: dict[QualifiedName, list[Declared]] = {}
    for each in declared:
        by_table.setdefault(each.index.full_table, []).append(each)
    fresh: list[Candidate] = []
    refused: list[tuple[str, str]] = []
    for candidate in found:
        # Asking the server takes milliseconds, and only what is alike in outline can be the same.
        index = candidate.index
        if _outline(index) in outlines:
            index = twin.printed(index)
        if index in existing:
            continue
        beside = by_table.get(index.full_table, [])
        same = next((each for each in beside if _is(each.index, index, twin) or _serves(each, candidate.index)), None)
        if same is None:
            fresh.append(candidate)
        else:
            refused.append((candidate.index.ddl(), f"{same.where} declares {_what(same, candidate)} ({same.state})"))
    return fresh, refused


def _allowed(
    twin: Twin, found: Sequence[Candidate], limits: Limits
) -> tuple[list[Candidate], list[tuple[str | None, str]]]:
    """Leave out what a rule forbids; of each rule, say how many candidates those are."""
    if not limits.rules:
        return list(found), []
    allowed: list[Candidate] = []
    forbidden: dict[str, int] = {}
    for candidate in found:
        index = candidate.index
        relation = twin.snapshot.relation(index.schema, index.table)
        held = held_columns(index, relation) if relation is not None else ()
        if (reason := limits.forbids(index, held)) is None:
            allowed.append(candidate)
        else:
            forbidden[reason] = forbidden.get(reason, 0) + 1
    return allowed, [(None, f"{plural(number, 'candidate')}: {reason}") for reason, number in forbidden.items()]


def _is(declared: IndexDef, index: IndexDef, twin: Twin) -> bool:
    """Say whether a declared index is another one, which is as the server prints it where they are alike in outline."""
    return _outline(declared) == _outline(index) and twin.printed(declared) == index


def _outline(index: IndexDef) -> tuple[object, ...]:
    """Return what spelling cannot change: table, method, plain columns in their places, and which clauses there are."""
    places = tuple(key.column for key in index.keys)
    return index.schema, index.table, index.method, places, frozenset(index.include), index.where is None, index.unique


def _serves(declared: Declared, index: IndexDef) -> bool:
    """Say whether a spec makes a candidate unnecessary; what is rejected or retired only stands against its like."""
    known = declared.index
    if signature(known) == signature(index):
        return True
    return declared.is_wanted and covers(known, index)


def _what(declared: Declared, candidate: Candidate) -> str:
    alike = signature(declared.index) == signature(candidate.index)
    return "it already" if alike else f"{declared.index.name}, which can be used instead"


def _pending(twin: Twin, declared: Sequence[Declared]) -> list[TwinIndex]:
    """Build what is declared and not yet deployed, approved or waiting for it: it counts as there."""
    snapshot = twin.snapshot
    existing = {(index.definition.schema, index.definition.name) for index in snapshot.indexes}
    tables = {(relation.schema_name, relation.name) for relation in snapshot.relations}
    pending = [
        each.index
        for each in declared
        if each.is_wanted and (each.index.schema, each.index.name) not in existing and each.index.full_table in tables
    ]
    built, _ = twin.try_add(pending)  # a spec that cannot be built is lint's to report
    return list(built)


def _homeless(declared: Sequence[Declared], snapshot: Snapshot) -> Iterator[NotExamined]:
    for each in declared:
        if snapshot.relation(each.index.schema, each.index.table) is None:
            reason = f"the captured database has no table {each.index.qualified_table}"
            yield NotExamined(what=f"the spec {each.where}", reason=reason)


def _build(
    twin: Twin, fresh: Sequence[Candidate], declared: Sequence[Declared]
) -> tuple[dict[TwinIndex, Candidate], list[tuple[str, str]]]:
    taken = {(each.index.schema, each.index.name): each.index for each in declared}
    by_definition: dict[IndexDef, Candidate] = {}
    for candidate in fresh:
        definition = _renamed(candidate.index, taken)
        taken[definition.schema, definition.name] = definition
        by_definition[definition] = candidate
    added, rejected = twin.try_add(list(by_definition))
    built = {index: by_definition[index.index] for index in added}
    return built, [(definition.ddl(), str(error)) for definition, error in rejected.items()]


def _renamed(index: IndexDef, taken: Mapping[tuple[str, str], IndexDef]) -> IndexDef:
    """Give an index a name that no spec has, but one of the same definition whose rejection has run out."""
    name, number = index.name, 1
    while (known := taken.get((index.schema, name))) is not None and signature(known) != signature(index):
        number += 1
        name = f"{index.name[:_NAME_LENGTH]}_{number}"
    return index.renamed(name)


def _again(twin: Twin, chosen: Sequence[TwinIndex], lapsed: Sequence[Declared]) -> dict[TwinIndex, Declared]:
    """Find, for each choice, the rejection of it that has run out."""
    if not lapsed:
        return {}
    known = {twin.printed(each.index): each for each in lapsed}
    found = {index: known.get(twin.printed(index.index)) for index in chosen}
    return {index: each for index, each in found.items() if each is not None}


def _unpriced(model: CostModel) -> Iterator[tuple[str, str]]:
    for ddl in sorted(each.index.ddl() for each in model.unusable):
        yield ddl, "planning with it runs a function whose body the twin omits; use --run-user-code to run it"


def _refusals(refused: Sequence[Refused], limits: Limits) -> Iterator[tuple[str | None, str]]:
    """Say what would have helped and was not proposed: the best few one by one, the others by their number."""
    for each in refused[:_MOST_REFUSED]:
        yield each.index.index.ddl(), _refusal(each, limits)
    rest = refused[_MOST_REFUSED:]
    if rest:
        many = plural(len(rest), "more candidate")
        yield (
            None,
            f"{many} would save {percent(max(each.share for each in rest), 2)} of the workload's cost or less each",
        )


def _refusal(refused: Refused, limits: Limits) -> str:
    saving = f"it would save {percent(refused.share, 2)} of the workload's cost"
    if refused.because is not None:
        return f"{saving}, but {refused.because}"
    if limits.least_saving is not None:
        return f"{saving}, below the threshold of {percent(limits.least_saving, 2)} (--least-saving)"
    return f"{saving}, too little for one more index of its size (--least-saving)"


def _evidence(
    model: CostModel,
    chosen: Sequence[TwinIndex],
    built: Mapping[TwinIndex, Candidate],
    again: Mapping[TwinIndex, Declared],
    shares: Mapping[Statement, float],
) -> Iterator[Proposal]:
    model.prepare([frozenset(chosen[:number]) for number in range(len(chosen) + 1)])
    found = dict(worth(model, chosen))
    so_far: Configuration = frozenset()
    for index in chosen:
        larger = so_far | {index}
        changes = [
            each for each in model.changes(index, so_far) if each.is_notable or each.cost_after < each.cost_before
        ]
        every = [_effect(model, each, so_far, larger, shares) for each in changes]
        yield Proposal(
            built=index,
            reason=built[index].reason,
            again=again.get(index),
            caveats=(*built[index].notes, *_caveats(index, model.twin.snapshot)),
            effects=tuple(effect for effect, each in zip(every, changes, strict=True) if each.is_notable),
            worth=found[index],
            # Also of plans that cost hardly less: they change for an advantage that may not be there.
            risks=tuple(_risks(every, larger, model.twin.snapshot)),
            cost_before=model.total(so_far),
            cost_after=model.total(larger),
            upkeep=model.upkeep_in_detail(index, so_far),
        )
        so_far = larger


def _risks(effects: Sequence[Effect], chosen: Configuration, snapshot: Snapshot) -> Iterator[tuple[Statement, Risk]]:
    names = frozenset[str]().union(*(index.names for index in chosen))
    for effect in effects:
        if effect.cost_after < effect.cost_before:
            for risk in risks(effect.plan_before.tree, effect.plan_after.tree, names, snapshot):
                yield effect.item.statement, risk


def _effect(
    model: CostModel, change: Change, before: Configuration, after: Configuration, shares: Mapping[Statement, float]
) -> Effect:
    return Effect(
        item=change.item,
        cost_before=change.cost_before,
        cost_after=change.cost_after,
        plan_before=model.plan(change.item, before),
        plan_after=model.plan(change.item, after),
        share_of_time=shares[change.item.statement],
    )


def _costs(
    model: CostModel, statements: Sequence[Statement], chosen: Configuration, shares: Mapping[Statement, float]
) -> tuple[StatementCost, ...]:
    items = {item.statement: item for item in model.statements}
    return tuple(
        StatementCost(
            statement=statement,
            share_of_time=shares[statement],
            cost_before=model.cost(items[statement], frozenset()) if statement in items else None,
            cost_after=model.cost(items[statement], chosen) if statement in items else None,
        )
        for statement in statements
    )


def _caveats(built: TwinIndex, snapshot: Snapshot) -> Iterator[str]:
    index = built.index
    if (setting := METHODS[index.method].recall_setting) is not None:
        yield f"results become approximate: measure recall, and raise {setting} if it is too low"
    if index.method == "ivfflat":
        yield "its lists are computed at build time: rebuild it when the table has grown several times"
    if index.where is not None:
        yield "used only by queries whose condition implies its predicate, so not with a parameter in its place"
    relation = snapshot.relation(index.schema, index.table)
    if index.include and relation and relation.pages and relation.all_visible_pages < 0.5 * relation.pages:
        yield "index-only scans need a vacuumed table: less than half of its pages are marked all-visible"
    if built.sampled:
        yield "its expressions, predicate or size are estimated from a sample of the table's rows"
    elif built.guessed:
        yield "selectivity of its expressions or predicate is a default estimate: capture with --samples for a real one"
    elif any(key.expression is not None for key in index.keys):
        yield "selectivity of its expressions is estimated from column statistics: --samples gives a better one"
    if not snapshot.values:
        yield "estimated without values: the snapshot was captured with --no-values"
