"""What the workload costs under a configuration of indexes, asked of the twin and remembered."""

import math
import re
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from analyzer.advise.benefit import (
    Change,
    Costs,
    Execution,
    Gain,
    PricedStatement,
    Query,
    gain,
    recorded_cost,
    statement_cost,
)
from analyzer.advise.fit_parameters import calibrate
from analyzer.advise.plan_cache import Answer, Configuration, PlanCache
from analyzer.advise.relevance import Relevance
from analyzer.advise.upkeep import upkeep
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Constraint, NotExamined, Relation, Snapshot
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import render_text
from analyzer.twin.pool import TwinPool, run_alone
from analyzer.twin.twin import Asked, Plan, Twin, TwinIndex, walk
from analyzer.workload.bindings import bindings, bound_text, logged_bindings
from analyzer.workload.parse import Statement
from analyzer.workload.repair import repair
from analyzer.workload.shapes import Shape, shape

#: How many parameters of one statement may need a cast before it is given up.
_MOST_REPAIRS = 25
#: How the server names a table without a schema that it does not find.
_MISSING = re.compile(r'relation "(.+)" does not exist')
#: A chain of ON DELETE CASCADE is followed so far.
_MOST_CASCADES = 4


def shaped_and_priced(twin: Twin, statement: Statement) -> tuple[Shape | NotExamined, PricedStatement | NotExamined]:
    """Resolve a statement to tables, and make it plannable whether or not that can be done."""
    shaped = shape(statement, twin.snapshot)
    try:
        return shaped, price(statement, None if isinstance(shaped, NotExamined) else shaped, twin)
    except RecursionError:  # each level of a plan is two of the JSON it comes in
        reason = "its plan is nested too deeply"
        return shaped, NotExamined(what=f"the statement {statement.id}", reason=reason)


def price(statement: Statement, shape: Shape | None, twin: Twin) -> PricedStatement | NotExamined:
    """Make a statement plannable, adding types to parameters where the server asks for them."""
    text = statement.plannable
    if (obstacle := twin.obstacle(text)) is not None:
        return NotExamined(what=f"the statement {statement.id}", reason=obstacle)
    for _ in range(_MOST_REPAIRS):
        try:
            plan = twin.plan(text)
        except psycopg.Error as error:
            mended = repair(text, error)
            if mended is None:
                message = error.diag.message_primary or str(error).splitlines()[0]
                lacks = twin.lacked(error.sqlstate or "", message)
                reason = (
                    f"the planner rejects it: {message}" if lacks is None else f"it needs what the twin lacks: {lacks}"
                )
                if lacks is None and isinstance(error, psycopg.errors.UndefinedTable):
                    reason = _elsewhere(message, twin.snapshot) or reason
                return NotExamined(what=f"the statement {statement.id}", reason=reason)
            text = mended
        else:
            break
    else:
        return NotExamined(what=f"the statement {statement.id}", reason="too many of its parameters have no type")
    if (lacks := twin.replaced_in(plan)) is not None:
        return NotExamined(what=f"the statement {statement.id}", reason=f"it needs what the twin lacks: {lacks}")
    bound = _logged(text, statement, twin) or (tuple(_bound(text, statement, shape, twin)) if shape else ())
    triggered = tuple(_triggered(statement, shape, twin)) if shape else ()
    tables = None
    if shape:
        tables = frozenset(QualifiedName(t.schema, t.table) for t in shape.tables) | {table for table, _ in triggered}
    return PricedStatement(
        statement=statement,
        shape=shape,
        generic=text,
        execution=Execution(
            queries=bound or (Query(text=text, times=1.0),), triggered=tuple(query for _, query in triggered)
        ),
        tables=tables,
    )


def _elsewhere(message: str, snapshot: Snapshot) -> str | None:
    """Say that a table which the server does not find is only in schemas outside the search_path."""
    missing = _MISSING.search(message)
    found = sorted({each.schema_name for each in snapshot.relations if missing and each.name == missing[1]})
    if not missing or not found:
        return None
    return (
        f"the search_path of role {snapshot.server.role} does not include the schema of its table {missing[1]} "
        f"({', '.join(found)}); capture with the search_path of the application, as a role that has it"
    )


def _logged(text: str, statement: Statement, twin: Twin) -> tuple[Query, ...]:
    """Ask for a statement as the log has it: with the values it ran with, and where it was prepared without any."""
    bound = [(bound_text(text, each), each.weight) for each in logged_bindings(statement)]
    planned = [(query, weight) for query, weight in bound if _is_planned(twin, query)]
    if not planned:
        return ()
    is_generic = statement.logged is not None and statement.logged.prepared > 0 and len(planned) > 1
    rest = 1 / (len(planned) + is_generic)
    generic = (Query(text=text, times=rest),) if is_generic else ()
    scale = (1 - rest if is_generic else 1) / sum(weight for _, weight in planned)
    return (*generic, *(Query(text=query, times=scale * weight, generic=False) for query, weight in planned))


def _is_planned(twin: Twin, query: str) -> bool:
    try:
        twin.plan(query, generic=False)
    except psycopg.Error:
        return False
    return True


def _bound(text: str, statement: Statement, shape: Shape, twin: Twin) -> Iterator[Query]:
    fitted = calibrate(text, statement, shape, twin)
    if fitted:
        for query in fitted:
            yield Query(text=query, times=1 / len(fitted), generic=False)
        return
    bound = tuple((bound_text(text, each), each.weight) for each in bindings(statement, shape, twin.snapshot))
    if not bound:
        return
    try:
        twin.plan_all([Asked(text=query, generic=False) for query, _ in bound])
    except psycopg.Error:
        return
    for query, weight in bound:
        yield Query(text=query, times=weight, generic=False)


def _triggered(statement: Statement, shape: Shape, twin: Twin) -> Iterator[tuple[QualifiedName, Query]]:
    """Yield what deleting a row of a referenced table, or changing its key, runs on each referencing table."""
    known = statement.rows is not None and statement.calls > 0 and statement.kind != "select"
    per_call = (statement.rows or 0) / statement.calls if known else 1.0
    catalog = Catalog(twin.snapshot)
    for table in shape.tables:
        if table.target == "delete":
            yield from _deleted(QualifiedName(table.schema, table.table), per_call, (), twin, catalog)
        elif table.target in ("update", "merge"):
            for relation, constraint in catalog.referencing(table.schema, table.table):
                if set(constraint.referenced_columns) & set(table.written):
                    text = _look_up("check_delete", relation, constraint)
                    yield relation.full_name, Query(text=text, times=per_call)


def _deleted(
    deleted: QualifiedName, times: float, above: tuple[QualifiedName, ...], twin: Twin, catalog: Catalog
) -> Iterator[tuple[QualifiedName, Query]]:
    """Follow a delete through its foreign keys; a cascade goes on from the rows that the planner expects it to hit."""
    if len(above) >= _MOST_CASCADES or deleted in above:
        return
    for relation, constraint in catalog.referencing(*deleted):
        cascades = constraint.on_delete == "c"
        text = _look_up("cascade_delete" if cascades else "check_delete", relation, constraint)
        table = relation.full_name
        yield table, Query(text=text, times=times)
        if cascades:
            rows = _scanned_rows(twin.plan(text))
            yield from _deleted(table, times * rows, (*above, deleted), twin, catalog)


def _look_up(template: str, relation: Relation, constraint: Constraint) -> str:
    return render_text(f"advise/{template}", relation=relation, columns=list(enumerate(constraint.columns, 1)))


def _scanned_rows(plan: Plan) -> float:
    """Return how many rows the scan below a DELETE is expected to find; the DELETE itself returns none."""
    return max((float(node.get("Plan Rows", 0)) for node in walk(plan.tree)), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What a twin, or a copy of it, is asked about one statement."""

    execution: Execution
    tables: frozenset[QualifiedName] | None
    #: Places among the twin's added indexes.
    visible: tuple[int, ...]
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """What came of it."""

    #: Places of the indexes that the plans use.
    used: tuple[int, ...]
    costs: Costs


def _plan(twin: Twin, question: _Question) -> _Planned:
    visible = [(place, twin.added[place]) for place in question.visible]
    shown = [index for _, index in visible]
    twin.show(shown, without=question.without, tables=question.tables)
    found = statement_cost(twin, question.execution, shown)
    used = tuple(place for place, index in visible if not index.names.isdisjoint(found.indexes))
    return _Planned(used=used, costs=found.costs)


@dataclass(slots=True)
class CostModel:
    """Prices of statements under configurations; one at a time may ask."""

    twin: Twin
    statements: Sequence[PricedStatement]
    #: Indexes that are taken for granted: declared, not yet deployed.
    base: Configuration = frozenset()
    #: Existing indexes that are done without, as `schema.name`.
    without: tuple[str, ...] = ()
    #: What is going to be asked about; more can be answered at once when it is known.
    candidates: Configuration = frozenset()
    #: Copies of the twin, to prepare answers on.
    pool: TwinPool | None = None
    _answers: dict[Statement, PlanCache] = field(default_factory=dict[Statement, PlanCache])
    _relevance: Relevance = field(init=False)
    #: Of an index among the twin's.
    _places: dict[TwinIndex, int] = field(default_factory=dict[TwinIndex, int])
    #: By the tables of a statement: the twin's indexes of these, and the base's among them.
    _own: dict[frozenset[QualifiedName], tuple[Configuration, Configuration]] = field(
        default_factory=dict[frozenset[QualifiedName], tuple[Configuration, Configuration]]
    )
    #: Costs of a query under a configuration that were asked for, and how many the planner was asked for them.
    answered: int = 0
    questions: int = 0

    def __post_init__(self) -> None:
        self._relevance = Relevance(self.twin.snapshot)

    def total(self, configuration: Configuration) -> float:
        """Return the cost of the whole workload: the sum over statements of calls times cost."""
        return sum(recorded_cost(item.statement, self.cost(item, configuration)) for item in self.statements)

    def affected(self, table: QualifiedName) -> list[PricedStatement]:
        """Return the statements to which an index of that table can matter."""
        return [item for item in self.statements if item.tables is None or table in item.tables]

    def cost(self, item: PricedStatement, configuration: Configuration) -> float:
        """Return the cost of one execution, foreign-key triggers included."""
        return sum(self.costs(item, configuration))

    def costs(self, item: PricedStatement, configuration: Configuration) -> Costs:
        """Return the cost of one execution in parts: the statement itself, then each of its foreign-key triggers."""
        self.answered += len(item.execution.asked)
        relevant = self._relevant(item, configuration)
        known = self._known(item)
        if (costs := known.find(relevant)) is None:
            run_alone(self.twin, _plan, [self._settling(item, [configuration], math.inf)])
            costs = known.find(relevant)
        assert costs is not None  # noqa: S101 - just settled
        return costs

    def changes(self, index: TwinIndex, configuration: Configuration) -> Iterator[Change]:
        """Yield what an index, added to a configuration, does to each statement that it can matter to."""
        larger = configuration | {index}
        for item in self.affected(index.index.full_table):
            yield Change(item=item, before=self.costs(item, configuration), after=self.costs(item, larger))

    def gain(self, index: TwinIndex, configuration: Configuration) -> Gain:
        """Return what adding an index to a configuration saves."""
        return gain(self.changes(index, configuration), self.upkeep(index, configuration))

    def prepare(self, configurations: Sequence[Configuration], *, deadline: float = math.inf) -> None:
        """Find out what every statement costs under some configurations, side by side where there is a pool.

        It ends early when time.monotonic() reaches the deadline.
        """
        chains = [self._settling(item, configurations, deadline) for item in self.statements]
        if self.pool is None:
            run_alone(self.twin, _plan, chains)
        else:
            self.pool.run(_plan, chains)

    def _settling(
        self, item: PricedStatement, configurations: Iterable[Configuration], deadline: float
    ) -> Generator[_Question, _Planned]:
        """Yield what is to be planned until the costs of a statement under all configurations are known."""
        known = self._known(item)
        for relevant in dict.fromkeys(self._relevant(item, each) for each in configurations):
            while known.find(relevant) is None and time.monotonic() < deadline:
                visible = known.broaden(relevant)
                planned = yield self._question(item, visible)
                self._learn(item, visible, planned)

    def _known(self, item: PricedStatement) -> PlanCache:
        if (known := self._answers.get(item.statement)) is None:
            known = self._answers[item.statement] = self._nothing_known(item)
        return known

    def _nothing_known(self, item: PricedStatement) -> PlanCache:
        named = self._named(item)
        candidates = self._relevant(item, self.candidates) - self.base
        competing = frozenset(each for each in candidates if not self._relevance.can_change(each.index, named))
        is_resolved = item.tables is not None
        unrelated = (each for each in competing if is_resolved and self._relevance.is_unrelated(each.index, named))
        return PlanCache(competing, frozenset(unrelated))

    def _learn(self, item: PricedStatement, visible: Configuration, planned: _Planned) -> None:
        self.questions += len(item.execution.asked)
        known = self._known(item)
        used = frozenset(self.twin.added[place] for place in planned.used)
        if apart := visible - known.competing:
            named = self._named(item)
            used |= {each for each in apart if self._relevance.can_change(each.index, named)}
        known.learn(Answer(used=used, visible=visible, costs=planned.costs))

    def _question(self, item: PricedStatement, visible: Configuration) -> _Question:
        self._look_at_added()
        return _Question(
            execution=item.execution,
            tables=item.tables,
            visible=tuple(sorted(self._places[each] for each in visible)),
            without=self.without,
        )

    def _named(self, item: PricedStatement) -> frozenset[str]:
        return self._relevance.named(query.text for query in item.execution.asked)

    def plan(self, item: PricedStatement, configuration: Configuration) -> Plan:
        """Return the plan to show to people: the generic one, or of the first binding where that is what is priced."""
        self.twin.show(self._relevant(item, configuration), without=self.without, tables=item.tables)
        query = item.execution.queries[0]
        return self.twin.plan(query.text, generic=query.generic)

    def upkeep(self, index: TwinIndex, beside: Configuration) -> float:
        """Return what the workload's own writes pay for an index among the existing ones and those beside it."""
        existing = [each.definition for each in self.twin.snapshot.indexes if each.valid]
        others = existing + [each.index for each in self.base | beside if each != index]
        written = [(item.statement, item.shape) for item in self.statements if item.shape is not None]
        return upkeep(index, written, others, self.twin.snapshot)

    def _relevant(self, item: PricedStatement, configuration: Configuration) -> Configuration:
        """Return the part of a configuration, with the base, that is about the tables of a statement."""
        if item.tables is None:
            return self.base | configuration
        self._look_at_added()
        if (known := self._own.get(item.tables)) is None:
            own = frozenset(each for each in self._places if each.index.full_table in item.tables)
            known = self._own[item.tables] = own, self.base & own
        own, base = known
        return base | (configuration & own)

    def _look_at_added(self) -> None:
        """Take note of indexes that were added to the twin since."""
        added = self.twin.added
        if len(added) > len(self._places):
            self._own.clear()
            self._places |= {added[place]: place for place in range(len(self._places), len(added))}
