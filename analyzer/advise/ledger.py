"""What was worked out for the statements of a workload under one configuration, and which of it another one changes."""

from collections.abc import Sequence

from analyzer.advise.benefit import PricedStatement
from analyzer.advise.integer_program import KnownPlan
from analyzer.advise.plan_cache import Configuration
from analyzer.postgres.identifiers import QualifiedName
from analyzer.twin.twin import TwinIndex


class Ledger:
    """What was worked out for the statements of a model, in their places: a change of few indexes changes few of it."""

    def __init__(self, statements: Sequence[PricedStatement], unusable: int) -> None:
        self.statements = statements
        #: How many indexes were known to be unusable.
        self.unusable = unusable
        #: Under which each statement has these costs, of all executions; None where some are not known.
        self.configuration: Configuration | None = None
        self.costs = [0.0] * len(statements)
        #: Under which all costs are known without a plan.
        self.prepared: Configuration | None = None
        #: By place: how many answers there were to a statement, and the plans that they make known.
        self.plans: dict[int, tuple[int, list[KnownPlan]]] = {}
        #: By index, and what of a configuration can matter to its statements.
        self.savings: dict[tuple[TwinIndex, Configuration], float] = {}
        self._by_table: dict[QualifiedName, list[int]] = {}
        #: Those that the indexes of any table can matter to.
        self._anywhere: list[int] = []
        for place, item in enumerate(statements):
            if item.tables is None:
                self._anywhere.append(place)
            for table in item.tables or ():
                self._by_table.setdefault(table, []).append(place)
        self._around: dict[QualifiedName, frozenset[QualifiedName] | None] = {}

    def affected(self, table: QualifiedName) -> Sequence[int]:
        """Return the places of the statements to which an index of a table can matter."""
        own = self._by_table.get(table, [])
        return sorted((*own, *self._anywhere)) if self._anywhere else own

    def places(self, changed: Configuration) -> Sequence[int]:
        """Return the places of the statements to which some indexes can matter."""
        tables = {index.index.full_table for index in changed}
        own = {place for table in tables for place in self._by_table.get(table, ())}
        return sorted(own.union(self._anywhere)) if tables else ()

    def around(self, table: QualifiedName) -> frozenset[QualifiedName] | None:
        """Return the tables of all statements to which an index of a table can matter; None for any."""
        if table not in self._around:
            found = [self.statements[place].tables for place in self.affected(table)]
            known = [tables for tables in found if tables is not None]
            self._around[table] = frozenset({table}).union(*known) if len(known) == len(found) else None
        return self._around[table]

    def turns(self, configurations: Sequence[Configuration]) -> dict[int, list[Configuration]]:
        """Return, by place, the configurations that are others to a statement than the one before."""
        before, *rest = configurations
        every = range(len(self.statements)) if self.prepared is None else self.places(before ^ self.prepared)
        found: dict[int, list[Configuration]] = {place: [before] for place in every}
        for after in rest:
            for place in self.places(before ^ after):
                found.setdefault(place, []).append(after)
            before = after
        return dict(sorted(found.items()))
