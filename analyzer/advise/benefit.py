"""What one execution of a statement costs, and what an index saves: decided once, for every command.

The cost is the planner's, with two corrections. EXPLAIN leaves out what foreign-key triggers run, which is added. And a
LIMIT that stops a filtering scan of a hypothetical index early is not believed (`limit_cost`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.advise.limit_cost import cautious_cost
from analyzer.postgres.identifiers import QualifiedName
from analyzer.twin.twin import Asked, Twin, TwinIndex
from analyzer.workload.parse import Statement
from analyzer.workload.shapes import Shape

#: A statement counts as helped, or hurt, from this change of its cost.
LEAST_CHANGE = 0.01
#: What an index must make the statements cheaper that it changes, times: less reads as "unchanged".
LEAST_GAIN = 1.05

#: Of one execution: the statement itself, then each of its foreign-key triggers.
Costs = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One text the planner is asked, and how often one execution of its statement runs it."""

    text: str
    times: float
    generic: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """All that one execution of a statement runs."""

    #: With parameters bound to values of the log, or of the statistics where all of them can be; else the generic text.
    queries: tuple[Query, ...]
    #: What its foreign-key triggers run, which EXPLAIN leaves out.
    triggered: tuple[Query, ...] = ()
    #: Where its names are looked up; None as the capturing session does.
    search_path: tuple[str, ...] | None = None

    @property
    def asked(self) -> tuple[Query, ...]:
        """Return every text, in the order of the plans."""
        return (*self.queries, *self.triggered)


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedStatement:
    """A statement the planner can plan."""

    statement: Statement
    #: None when its text could not be resolved to tables.
    shape: Shape | None
    #: What its plans without any new index, and the values that its parameters always have, ask beyond that.
    more: tuple[Shape, ...] = ()
    #: The statement as EXPLAIN (GENERIC_PLAN) takes it.
    generic: str
    execution: Execution
    #: Tables whose indexes matter to it; None means any.
    tables: frozenset[QualifiedName] | None
    #: What its cost is multiplied by in that of the workload; None for its calls.
    factor: float | None = None

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Return all that it asks of tables."""
        return (*((self.shape,) if self.shape is not None else ()), *self.more)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionCost:
    """What the planner says of one execution."""

    costs: Costs
    #: Names of the indexes that its plans use.
    indexes: frozenset[str]

    @property
    def total(self) -> float:
        """Return the cost of the statement and of its triggers."""
        return sum(self.costs)


def statement_cost(twin: Twin, execution: Execution, hypothetical: Iterable[TwinIndex]) -> ExecutionCost:
    """Price one execution with the indexes that the twin shows, among them these hypothetical ones.

    Raises psycopg.Error when the server cannot plan it.
    """
    asked = [Asked(text=query.text, generic=query.generic) for query in execution.asked]
    plans = twin.plan_all(asked, search_path=execution.search_path)
    names = frozenset[str]().union(*(index.names for index in hypothetical))
    own = len(execution.queries)
    cost = sum(
        query.times * cautious_cost(plan, names) for query, plan in zip(execution.queries, plans[:own], strict=True)
    )
    triggers = (query.times * plan.cost for query, plan in zip(execution.triggered, plans[own:], strict=True))
    return ExecutionCost(costs=(cost, *triggers), indexes=frozenset[str]().union(*(plan.indexes for plan in plans)))


def recorded_cost(item: PricedStatement, cost: float) -> float:
    """Return the cost of all recorded executions of a statement, from that of one."""
    return (item.statement.calls if item.factor is None else item.factor) * cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a change of the indexes does to one statement."""

    item: PricedStatement
    #: Of one execution.
    before: Costs
    after: Costs

    @property
    def cost_before(self) -> float:
        """Return the cost of one execution before it."""
        return sum(self.before)

    @property
    def cost_after(self) -> float:
        """Return the cost of one execution after it."""
        return sum(self.after)

    @property
    def saving(self) -> float:
        """Return what all recorded executions save; negative when they become more expensive."""
        return recorded_cost(self.item, self.cost_before - self.cost_after)

    @property
    def is_notable(self) -> bool:
        """Say whether the statement counts as helped or hurt."""
        return abs(self.cost_after - self.cost_before) > LEAST_CHANGE * self.cost_before


def saving(changes: Iterable[Change], upkeep: float) -> float:
    """Add up what an index saves the statements of its table, its upkeep deducted; negative where it costs more."""
    return sum(change.saving for change in changes) - upkeep
