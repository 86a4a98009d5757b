"""A statement with its names resolved, and the conditions that its query levels filter and join by."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from analyzer.catalog import Catalog
from analyzer.workload.names import (
    Occurrence,
    Output,
    Outputs,
    Reference,
    Scope,
    conjuncts,
    local,
    mark,
    unwrapped,
)
from analyzer.workload.tree import UnreadableError

#: Names of tables and columns that a statement and its views may come to.
MOST_NAMES = 500_000


@dataclass(frozen=True, slots=True)
class Equality:
    """Two expressions of different scopes that must be equal: USING, NATURAL, IN (SELECT …)."""

    left: Output
    right: Output


@dataclass(slots=True, eq=False)
class Resolved:
    """A statement with its names resolved."""

    occurrences: list[Occurrence] = field(default_factory=list[Occurrence])
    #: Conditions that must hold, ANDs taken apart.
    conditions: list[Output] = field(default_factory=list[Output])
    equalities: list[Equality] = field(default_factory=list[Equality])
    #: Every SELECT with its scope.
    selects: list[tuple[Scope, exp.Select]] = field(default_factory=list[tuple[Scope, exp.Select]])
    #: The scope of each query level, by the identity of its node in the tree.
    scopes: dict[int, Scope] = field(default_factory=dict[int, Scope])
    #: Values written to columns: SET and VALUES.
    assignments: list[tuple[Reference, exp.Expr]] = field(default_factory=list[tuple[Reference, exp.Expr]])
    #: Tables that the snapshot does not hold, as written.
    unknown: list[str] = field(default_factory=list[str])


class Conditions(ABC):
    """Walk conditions and expressions, and the queries in them."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.resolved = Resolved()
        self._spent = 0

    def _spend(self, names: int) -> None:
        """Count names looked at: what views and WITH queries make of a short text can have no end."""
        self._spent += names
        if self._spent > MOST_NAMES:
            raise UnreadableError(
                f"it refers to more than {MOST_NAMES:,} tables and columns, including those of its views"
            )

    @abstractmethod
    def statement(self, tree: exp.Expr, parent: Scope | None) -> Outputs:
        """Walk a statement of any kind and return what it puts out."""

    def _where(self, scope: Scope, tree: exp.Expr) -> None:
        if isinstance(where := tree.args.get("where"), exp.Where):
            self._condition(scope, where.this)

    def _condition(self, scope: Scope, expression: exp.Expr) -> None:
        mark(scope, expression)
        for each in conjuncts(expression):
            self.resolved.conditions.append(Output(scope, each))
            query = each.args.get("query") if isinstance(each, exp.In) else None
            if isinstance(query, exp.Subquery) and isinstance(each, exp.In):
                self._semi_join(scope, each, self.statement(query, scope))
            else:
                self._subqueries(scope, each)

    def _semi_join(self, scope: Scope, condition: exp.In, outputs: Outputs) -> None:
        tested = unwrapped(condition.this)
        left = tested.expressions if isinstance(tested, exp.Tuple) else [tested]
        for expression, found in zip(left, outputs.values(), strict=False):
            for output in found:
                mark(output.scope, output.expression)
                self.resolved.equalities.append(Equality(Output(scope, expression), output))

    def _subqueries(self, scope: Scope, expression: exp.Expr) -> None:
        for node in local(expression):
            if isinstance(node, exp.Query):
                for found in self.statement(node, scope).values():
                    for output in found:
                        mark(output.scope, output.expression)

    def _expressions(self, scope: Scope, expressions: Iterable[exp.Expr]) -> None:
        for expression in expressions:
            mark(scope, expression)
            self._subqueries(scope, expression)
