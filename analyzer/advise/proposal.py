"""Propose indexes for a workload, each with its evidence."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from analyzer.advise.candidates import Candidate, candidates
from analyzer.advise.cost import Configuration, CostModel, PricedStatement, price
from analyzer.advise.select import select
from analyzer.capture.snapshot import NotExamined, Snapshot
from analyzer.errors import InputError
from analyzer.index import IndexDef
from analyzer.twin.planner import Plan, Twin, TwinIndex
from analyzer.workload.parse import Statement, Workload
from analyzer.workload.shapes import shape

#: A statement counts as helped, or hurt, from this change of its cost.
_LEAST_CHANGE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """An index that a spec names already."""

    index: IndexDef
    state: str
    #: `file:line`.
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one proposal does to one statement, after the proposals before it."""

    item: PricedStatement
    #: Of one execution.
    cost_before: float
    cost_after: float
    plan_before: Plan
    plan_after: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A chosen index with its evidence."""

    built: TwinIndex
    reason: str
    caveats: tuple[str, ...]
    effects: tuple[Effect, ...]
    #: Of the whole workload, before and after this proposal, in the order of application.
    cost_before: float
    cost_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementCost:
    """A statement with its cost as things are and with everything proposed; None when it cannot be planned."""

    statement: Statement
    cost_before: float | None
    cost_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the advisor found."""

    planner: str
    statements: tuple[StatementCost, ...]
    proposals: tuple[Proposal, ...]
    #: DDL and reason.
    not_proposed: tuple[tuple[str, str], ...]
    not_examined: tuple[NotExamined, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be proposed; None means no limit."""

    budget_bytes: int | None = None
    most: int | None = None
    seconds: float | None = None


def propose(
    twin: Twin,
    workload: Workload,
    *,
    declared: Sequence[Declared] = (),
    limits: Limits | None = None,
    progress: Callable[[str], None] | None = None,
) -> Advice:
    """Propose indexes that make the workload cheaper on the twin, none of which exists or is declared."""
    tell: Callable[[str], object] = progress or str
    snapshot, bounds = twin.snapshot, limits or Limits()
    tell("advise: statements")
    priced, not_examined = _price(twin, workload)
    tell("advise: candidates")
    found = candidates((item.shape for item in priced if item.shape), snapshot)
    fresh, refused = _fresh(twin, found, declared)
    pending = twin.add([each.index for each in _pending(declared, snapshot)])
    model = CostModel(twin=twin, statements=priced, base=frozenset(pending))
    built, rejected = _build(twin, fresh)
    selection = select(
        model,
        list(built),
        budget_bytes=bounds.budget_bytes,
        most=bounds.most,
        seconds=bounds.seconds,
        progress=progress,
    )
    if not selection.complete:
        reason = f"the {bounds.seconds:g} s ran out; give --seconds more to search on"
        not_examined.append(NotExamined(what="the rest of the candidates", reason=reason))
    proposals = tuple(_evidence(model, selection.chosen, built, snapshot))
    tell("advise: done")
    over_budget = [(index.index.ddl(), "it would help but does not fit the budget") for index in selection.over_budget]
    return Advice(
        planner=twin.planner,
        statements=_costs(model, workload, frozenset(selection.chosen)),
        proposals=proposals,
        not_proposed=tuple(sorted(refused + rejected + over_budget)),
        not_examined=(*snapshot.not_examined, *workload.not_examined, *not_examined, *twin.not_examined),
    )


def _price(twin: Twin, workload: Workload) -> tuple[list[PricedStatement], list[NotExamined]]:
    priced: list[PricedStatement] = []
    not_examined: list[NotExamined] = []
    for statement in workload.statements:
        shaped = shape(statement, twin.snapshot)
        item = price(statement, None if isinstance(shaped, NotExamined) else shaped, twin)
        if isinstance(item, NotExamined):
            not_examined.append(item)
        else:
            priced.append(item)
            if isinstance(shaped, NotExamined):
                reason = f"planned, but no candidate is drawn from it: {shaped.reason}"
                not_examined.append(NotExamined(what=shaped.what, reason=reason))
    return priced, not_examined


def _fresh(
    twin: Twin, found: Sequence[Candidate], declared: Sequence[Declared]
) -> tuple[list[Candidate], list[tuple[str, str]]]:
    """Leave out what a spec declares; the server's own deparse decides what is the same."""
    known: dict[IndexDef, Declared] = {}
    for each in declared:
        try:
            known[twin.canonical(each.index)] = each
        except InputError:  # a spec that cannot be built is lint's to report
            known[each.index] = each
    fresh: list[Candidate] = []
    refused: list[tuple[str, str]] = []
    for candidate in found:
        try:
            same = known.get(twin.canonical(candidate.index)) if known else None
        except InputError:
            same = None
        if same is None:
            fresh.append(candidate)
        else:
            refused.append((candidate.index.ddl(), f"{same.where} declares it already ({same.state})"))
    return fresh, refused


def _pending(declared: Sequence[Declared], snapshot: Snapshot) -> Iterator[Declared]:
    """Yield what is approved and not yet deployed: the next upgrade builds it, so it counts as there."""
    existing = {(index.definition.schema, index.definition.name) for index in snapshot.indexes if index.valid}
    tables = {(relation.schema_name, relation.name) for relation in snapshot.relations}
    for each in declared:
        deployed = (each.index.schema, each.index.name) in existing
        if each.state == "approved" and not deployed and (each.index.schema, each.index.table) in tables:
            yield each


def _build(twin: Twin, fresh: Sequence[Candidate]) -> tuple[dict[TwinIndex, Candidate], list[tuple[str, str]]]:
    built: dict[TwinIndex, Candidate] = {}
    rejected: list[tuple[str, str]] = []
    for candidate in fresh:
        try:
            (index,) = twin.add([candidate.index])
        except InputError as error:
            rejected.append((candidate.index.ddl(), str(error)))
        else:
            built[index] = candidate
    return built, rejected


def _evidence(
    model: CostModel, chosen: Sequence[TwinIndex], built: dict[TwinIndex, Candidate], snapshot: Snapshot
) -> Iterator[Proposal]:
    so_far: Configuration = frozenset()
    for index in chosen:
        larger = so_far | {index}
        yield Proposal(
            built=index,
            reason=built[index].reason,
            caveats=tuple(_caveats(index.index, snapshot)),
            effects=tuple(_effects(model, index, so_far, larger)),
            cost_before=model.total(so_far),
            cost_after=model.total(larger),
        )
        so_far = larger


def _effects(model: CostModel, index: TwinIndex, before: Configuration, after: Configuration) -> Iterator[Effect]:
    for item in model.affected((index.index.schema, index.index.table)):
        cost_before, cost_after = model.cost(item, before), model.cost(item, after)
        if abs(cost_after - cost_before) > _LEAST_CHANGE * cost_before:
            yield Effect(
                item=item,
                cost_before=cost_before,
                cost_after=cost_after,
                plan_before=model.plan(item, before),
                plan_after=model.plan(item, after),
            )


def _costs(model: CostModel, workload: Workload, chosen: Configuration) -> tuple[StatementCost, ...]:
    items = {item.statement: item for item in model.statements}
    return tuple(
        StatementCost(
            statement=statement,
            cost_before=model.cost(items[statement], frozenset()) if statement in items else None,
            cost_after=model.cost(items[statement], chosen) if statement in items else None,
        )
        for statement in workload.statements
    )


def _caveats(index: IndexDef, snapshot: Snapshot) -> Iterator[str]:
    if index.method in ("ivfflat", "hnsw"):
        setting = "ivfflat.probes" if index.method == "ivfflat" else "hnsw.ef_search"
        yield f"answers become approximate: measure recall, and raise {setting} where it is too low"
    if index.method == "ivfflat":
        yield "its lists are fixed by the rows it is built on: rebuild it when the table has grown several times"
    if index.where is not None:
        yield "serves only queries from which the planner can prove its predicate, so not a parameter in its place"
    relation = snapshot.relation(index.schema, index.table)
    if index.include and relation and relation.pages and relation.all_visible_pages < 0.5 * relation.pages:
        yield "index-only scans need a vacuumed table: less than half of its pages are marked all-visible"
    if not snapshot.values:
        yield "estimated without values: the snapshot was captured with --no-values"
