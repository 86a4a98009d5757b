"""What the workload costs under a configuration of indexes, asked of the twin and remembered.

A statement that is planned with a set R of candidates visible and uses the subset U of them has the same plan under
every configuration between U and R, so most questions are answered without asking (Frank, Omiecinski, Navathe,
"Adaptive and automated index selection in RDBMS", EDBT 1992). To see an index costs the planner time even where it is
of no use, so R is not everything, but what is asked about and the candidates that are expected to stay unused.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from analyzer.advise.calibrate import calibrate
from analyzer.advise.caution import cautious_cost
from analyzer.advise.upkeep import upkeep
from analyzer.capture.snapshot import Constraint, NotExamined, Relation, Snapshot
from analyzer.sql import render_text
from analyzer.twin.keys import named_columns
from analyzer.twin.lost import named_in, view_words
from analyzer.twin.planner import Asked, Plan, Twin, TwinIndex, walk
from analyzer.workload.bindings import bindings, bound_text
from analyzer.workload.parse import Statement, repair
from analyzer.workload.shapes import Shape

Configuration = frozenset[TwinIndex]
Table = tuple[str, str]

#: How many parameters of one statement may need a cast before it is given up.
_MOST_REPAIRS = 25
#: To see so many candidates of no use takes the planner as long as to plan once more.
_UNSEEN = 25
#: A chain of ON DELETE CASCADE is followed so far.
_MOST_CASCADES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One text the planner is asked, and how often one execution of its statement runs it."""

    text: str
    times: float
    generic: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedStatement:
    """A statement the planner can plan."""

    statement: Statement
    #: None when its text could not be resolved to tables.
    shape: Shape | None
    #: The statement as EXPLAIN (GENERIC_PLAN) takes it.
    generic: str
    #: With parameters bound to values of the statistics where all of them can be, else just the generic text.
    queries: tuple[Query, ...]
    #: What its foreign-key triggers run, which EXPLAIN leaves out.
    triggered: tuple[Query, ...]
    #: Tables whose indexes matter to it; None means any.
    tables: frozenset[Table] | None


def price(statement: Statement, shape: Shape | None, twin: Twin) -> PricedStatement | NotExamined:
    """Make a statement plannable, mending parameters without a type as the server points at them."""
    text = statement.plannable
    if (obstacle := twin.obstacle(text)) is not None:
        return NotExamined(what=f"the statement {statement.id}", reason=obstacle)
    for _ in range(_MOST_REPAIRS):
        try:
            twin.plan(text)
        except psycopg.Error as error:
            mended = repair(text, error)
            if mended is None:
                reason = f"the planner rejects it: {error.diag.message_primary or str(error).splitlines()[0]}"
                return NotExamined(what=f"the statement {statement.id}", reason=reason)
            text = mended
        else:
            break
    else:
        return NotExamined(what=f"the statement {statement.id}", reason="too many of its parameters have no type")
    bound = tuple(_bound(text, statement, shape, twin)) if shape else ()
    triggered = tuple(_triggered(statement, shape, twin)) if shape else ()
    tables = None
    if shape:
        tables = frozenset((t.schema, t.table) for t in shape.tables) | {table for table, _ in triggered}
    return PricedStatement(
        statement=statement,
        shape=shape,
        generic=text,
        queries=bound or (Query(text=text, times=1.0),),
        triggered=tuple(query for _, query in triggered),
        tables=tables,
    )


def _bound(text: str, statement: Statement, shape: Shape, twin: Twin) -> Iterator[Query]:
    fitted = calibrate(text, statement, shape, twin)
    if fitted:
        for query in fitted:
            yield Query(text=query, times=1 / len(fitted), generic=False)
        return
    bound = tuple((bound_text(text, each), each.weight) for each in bindings(statement, shape, twin.snapshot))
    for query, _ in bound:
        try:
            twin.plan(query, generic=False)
        except psycopg.Error:
            return
    for query, weight in bound:
        yield Query(text=query, times=weight, generic=False)


def _triggered(statement: Statement, shape: Shape, twin: Twin) -> Iterator[tuple[Table, Query]]:
    """Yield what deleting a row of a referenced table, or changing its key, runs on each referencing table."""
    known = statement.rows is not None and statement.calls > 0 and statement.kind != "select"
    per_call = (statement.rows or 0) / statement.calls if known else 1.0
    for table in shape.tables:
        if table.target == "delete":
            yield from _deleted((table.schema, table.table), per_call, twin, ())
        elif table.target in ("update", "merge"):
            for relation, constraint in referencing(table.schema, table.table, twin.snapshot):
                if set(constraint.referenced_columns) & set(table.written):
                    text = _look_up("check_delete", relation, constraint)
                    yield (relation.schema_name, relation.name), Query(text=text, times=per_call)


def _deleted(deleted: Table, times: float, twin: Twin, above: tuple[Table, ...]) -> Iterator[tuple[Table, Query]]:
    """Follow a delete through its foreign keys; a cascade goes on from the rows that the planner expects it to hit."""
    if len(above) >= _MOST_CASCADES or deleted in above:
        return
    for relation, constraint in referencing(*deleted, twin.snapshot):
        cascades = constraint.on_delete == "c"
        text = _look_up("cascade_delete" if cascades else "check_delete", relation, constraint)
        table = (relation.schema_name, relation.name)
        yield table, Query(text=text, times=times)
        if cascades:
            rows = _scanned_rows(twin.plan(text))
            yield from _deleted(table, times * rows, twin, (*above, deleted))


def _look_up(template: str, relation: Relation, constraint: Constraint) -> str:
    return render_text(f"advise/{template}", relation=relation, columns=list(enumerate(constraint.columns, 1)))


def _scanned_rows(plan: Plan) -> float:
    """Return how many rows the scan below a DELETE is expected to find; the DELETE itself returns none."""
    return max((float(node.get("Plan Rows", 0)) for node in walk(plan.tree)), default=0.0)


def referencing(schema: str, table: str, snapshot: Snapshot) -> Iterator[tuple[Relation, Constraint]]:
    """Yield the foreign keys that refer to a table."""
    for relation in snapshot.relations:
        for constraint in relation.constraints:
            if constraint.kind == "f" and (constraint.referenced_schema, constraint.referenced_table) == (
                schema,
                table,
            ):
                yield relation, constraint


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One answer of the planner: the costs under every configuration between `used` and `visible`."""

    #: What the plans use, and what may have changed them by being there.
    used: Configuration
    visible: Configuration
    costs: tuple[float, ...]


@dataclass(slots=True, kw_only=True)
class _Known:
    """What was learned of one statement."""

    #: All it names, by itself, its foreign-key triggers or views.
    named: frozenset[str]
    #: Candidates that are expected to stay unused whatever else is visible: shown as well, they are answered for too.
    idle: Configuration = frozenset()
    #: How many idle candidates were asked about beside the same indexes.
    tries: Counter[Configuration] = field(default_factory=Counter[Configuration])
    #: By what is used; of two answers the one that holds for less is left out.
    answers: dict[Configuration, list[_Answer]] = field(default_factory=dict[Configuration, list[_Answer]])
    costs: dict[Configuration, tuple[float, ...]] = field(default_factory=dict[Configuration, tuple[float, ...]])

    def find(self, relevant: Configuration) -> _Answer | None:
        """Return an answer that holds for a configuration."""
        for used, answers in self.answers.items():
            if used <= relevant:
                for answer in answers:
                    if relevant <= answer.visible:
                        return answer
        return None

    def keep(self, answer: _Answer) -> None:
        """Keep an answer."""
        alike = self.answers.get(answer.used, [])
        self.answers[answer.used] = [*(each for each in alike if not each.visible <= answer.visible), answer]


@dataclass(slots=True)
class CostModel:
    """Prices of statements under configurations; one at a time may ask."""

    twin: Twin
    statements: Sequence[PricedStatement]
    #: Indexes that are taken for granted: declared, not yet deployed.
    base: Configuration = frozenset()
    #: Existing indexes that are done without, as `schema.name`.
    without: tuple[str, ...] = ()
    #: Price plans that hope to stop early at what they cost when they don't.
    cautious: bool = True
    #: What is going to be asked about; more can be answered at once when it is known.
    candidates: Configuration = frozenset()
    _known: dict[Statement, _Known] = field(default_factory=dict[Statement, _Known])
    #: Costs of a query under a configuration that were asked for, and how many the planner was asked for them.
    answered: int = 0
    questions: int = 0

    def total(self, configuration: Configuration) -> float:
        """Return the cost of the whole workload: the sum over statements of calls times cost."""
        return sum(item.statement.calls * self.cost(item, configuration) for item in self.statements)

    def affected(self, table: Table) -> list[PricedStatement]:
        """Return the statements to which an index of that table can matter."""
        return [item for item in self.statements if item.tables is None or table in item.tables]

    def cost(self, item: PricedStatement, configuration: Configuration) -> float:
        """Return the cost of one execution, foreign-key triggers included."""
        return sum(self.costs(item, configuration))

    def costs(self, item: PricedStatement, configuration: Configuration) -> tuple[float, ...]:
        """Return the cost of one execution in parts: the statement itself, then each of its foreign-key triggers."""
        self.answered += len(item.queries) + len(item.triggered)
        relevant = self._relevant(item, configuration)
        known = self._known.get(item.statement)
        if known is None:
            known = self._known[item.statement] = self._first_known(item)
        if (costs := known.costs.get(relevant)) is None:
            answer = known.find(relevant) or self._asked(item, relevant, known)
            costs = known.costs[relevant] = answer.costs
        return costs

    def _asked(self, item: PricedStatement, relevant: Configuration, known: _Known) -> _Answer:
        """Ask; about an idle candidate as about all of them, once to ask one by one has cost as much."""
        while True:
            beside = relevant - known.idle
            idle = relevant & known.idle
            if idle:
                known.tries[beside] += 1
                idle = known.idle if known.tries[beside] > 1 + len(known.idle) / _UNSEEN else idle
            answer = self._answer(item, beside | idle, known)
            known.keep(answer)
            surplus = answer.used - relevant
            if not surplus:
                break
            known.idle -= surplus
        if answer.used <= self.base:
            unused = (relevant & self.candidates) - self.base
            known.idle |= {index for index in unused if not self._may_sway(index, known.named)}
        return answer

    def _answer(self, item: PricedStatement, visible: Configuration, known: _Known) -> _Answer:
        self.twin.show(visible, without=self.without, tables=item.tables)
        queries = (*item.queries, *item.triggered)
        plans = self.twin.plan_all([Asked(text=query.text, generic=query.generic) for query in queries])
        self.questions += len(plans)
        names = frozenset[str]().union(*(plan.indexes for plan in plans))
        used = frozenset(index for index in visible if not index.names.isdisjoint(names))
        swaying = frozenset(index for index in visible if self._may_sway(index, known.named))
        priced = [(query.times, plan) for query, plan in zip(queries, plans, strict=True)]
        proposed = frozenset[str]().union(*(index.names for index in used)) if self.cautious else ()
        own = sum(times * cautious_cost(plan, proposed) for times, plan in priced[: len(item.queries)])
        triggered = (times * plan.cost for times, plan in priced[len(item.queries) :])
        return _Answer(used=used | swaying, visible=visible, costs=(own, *triggered))

    def _first_known(self, item: PricedStatement) -> _Known:
        """Expect those candidates to be idle whose first key the statement does not name."""
        views = view_words(self.twin.snapshot)
        named = frozenset[str]().union(*(named_in(each.text, views) for each in (*item.queries, *item.triggered)))
        if item.tables is None:
            return _Known(named=named)
        idle = (
            index
            for index in self._relevant(item, self.candidates) - self.base
            if index.index.keys[0].column not in named and not self._may_sway(index, named)
        )
        return _Known(named=named, idle=frozenset(idle))

    def _may_sway(self, index: TwinIndex, named: frozenset[str]) -> bool:
        """Say whether an index may change what the planner expects of a statement without being used.

        The statistics of an index's expression are heeded wherever the statement has that expression.
        """
        expressions = [key.expression for key in index.index.keys if key.expression is not None]
        relation = self.twin.snapshot.relation(index.index.schema, index.index.table)
        return relation is None or any(named.issuperset(named_columns(each, relation)) for each in expressions)

    def plan(self, item: PricedStatement, configuration: Configuration) -> Plan:
        """Return the plan to show to people: the generic one, or of the first binding where that is what is priced."""
        self.twin.show(self._relevant(item, configuration), without=self.without, tables=item.tables)
        query = item.queries[0]
        return self.twin.plan(query.text, generic=query.generic)

    def upkeep(self, index: TwinIndex, beside: Configuration) -> float:
        """Return what the workload's own writes pay for an index among the existing ones and those beside it."""
        existing = [each.definition for each in self.twin.snapshot.indexes if each.valid]
        others = existing + [each.index for each in self.base | beside if each != index]
        written = [(item.statement, item.shape) for item in self.statements if item.shape is not None]
        return upkeep(index, written, others, self.twin.snapshot)

    def _relevant(self, item: PricedStatement, configuration: Collection[TwinIndex]) -> Configuration:
        wanted = self.base | frozenset(configuration)
        if item.tables is None:
            return wanted
        return frozenset(index for index in wanted if (index.index.schema, index.index.table) in item.tables)
