"""What an algorithm chooses among, and what the workload costs with a choice."""

import itertools
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.advise.benefit import PricedStatement, recorded_cost
from analyzer.advise.cost import Configuration, CostModel
from analyzer.advise.price import price_all
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.identifiers import QualifiedName
from analyzer.twin.twin import Twin, TwinIndex
from analyzer.workload.parse import Workload
from analyzer.workload.shapes import TableShape

#: A table, and columns of it in the order of an index's keys.
Columns = tuple[QualifiedName, tuple[str, ...]]
#: Of the workload's cost: what saves less is not worth another step.
LEAST = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A set of indexes that an algorithm chose."""

    chosen: tuple[TwinIndex, ...]
    #: The algorithm ended by itself, and not by the clock.
    complete: bool

    @property
    def size_bytes(self) -> int:
        """Return the predicted size."""
        return sum(index.size_bytes for index in self.chosen)


class Problem:
    """A workload on a twin, with the indexes that algorithms may choose; built when they are first asked for."""

    def __init__(self, twin: Twin, statements: Sequence[PricedStatement], *, deadline: float = math.inf) -> None:
        self._twin = twin
        self.statements = statements
        self._model = CostModel(twin=twin, statements=statements)
        #: Of time.monotonic().
        self.deadline = deadline
        self._built: dict[Columns, TwinIndex | None] = {}
        #: Of each built index.
        self._columns: dict[TwinIndex, Columns] = {}
        self._relevant = [_relevant(item) for item in statements]
        self._read = [_read(item) for item in statements]
        self._places = {item.statement: place for place, item in enumerate(statements)}

    @property
    def is_late(self) -> bool:
        """Say whether the time is up."""
        return time.monotonic() > self.deadline

    @property
    def questions(self) -> int:
        """Return how many plans the planner was asked for."""
        return self._model.questions

    # Candidates

    def of_statement(self, item: PricedStatement, width: int) -> list[TwinIndex]:
        """Return all indexes of so many columns that are relevant to a statement, or fewer."""
        relevant = self._relevant[self._places[item.statement]]
        return self.indexes(
            (table, columns)
            for table, names in relevant.items()
            for count in range(1, width + 1)
            for columns in itertools.permutations(names, count)
        )

    def of_width(self, width: int) -> list[TwinIndex]:
        """Return all indexes of exactly so many columns that are relevant to the same statement."""
        return self.indexes(
            (table, columns)
            for relevant in self._relevant
            for table, names in relevant.items()
            for columns in itertools.permutations(names, width)
        )

    def longer(self, index: TwinIndex) -> list[TwinIndex]:
        """Return an index with each column behind it that is relevant to a statement together with all of its own."""
        table, columns = self._columns[index]
        beside = (names for relevant in self._relevant if set(names := relevant.get(table, ())).issuperset(columns))
        added = dict.fromkeys(itertools.chain.from_iterable(beside))
        return self.indexes((table, (*columns, name)) for name in added if name not in columns)

    def columns(self, index: TwinIndex) -> Columns:
        """Return the table and the columns of an index."""
        return self._columns[index]

    def indexes(self, wanted: Iterable[Columns]) -> list[TwinIndex]:
        """Return the indexes on some columns, each once; what the server rejects is left out."""
        listed = list(dict.fromkeys(wanted))
        new = {_definition(*each): each for each in listed if each not in self._built}
        added, _ = self._twin.try_add(list(new))
        for index in added:
            self._built[new[index.index]] = index
            self._columns[index] = new[index.index]
        return [index for each in listed if (index := self._built.setdefault(each, None)) is not None]

    # Costs

    def cost(self, item: PricedStatement, configuration: Configuration) -> float:
        """Return what all executions of a statement cost with some indexes."""
        read = self._read[self._places[item.statement]]
        named = frozenset(each for each in configuration if self._is_named(each, read))
        return recorded_cost(item, self._model.cost(item, named))

    def _is_named(self, index: TwinIndex, read: Mapping[QualifiedName, frozenset[str] | None]) -> bool:
        """Say whether a statement reads a column of an index: others can only be read in their table's place."""
        table, columns = self._columns[index]
        if table not in read:
            return False
        names = read[table]
        return names is None or not names.isdisjoint(columns)

    def total(self, configuration: Configuration) -> float:
        """Return what the workload costs with some indexes."""
        return sum(self.cost(item, configuration) for item in self.statements)

    def saving(self, before: Configuration, after: Configuration) -> float:
        """Return by how much the workload is cheaper with one set than with another."""
        tables = {self._columns[index][0] for index in before ^ after}
        touched = (item for item, read in zip(self.statements, self._read, strict=True) if not tables.isdisjoint(read))
        return sum(self.cost(item, before) - self.cost(item, after) for item in touched)

    def used(self, item: PricedStatement, configuration: Configuration) -> tuple[TwinIndex, ...]:
        """Return which of some indexes the plan of a statement reads where all of them are there."""
        alone = CostModel(twin=self._twin, statements=[item])
        alone.cost(item, configuration)
        return tuple(sorted(alone.read(configuration), key=self._columns.__getitem__))


def problem(twin: Twin, workload: Workload) -> Problem:
    """Price a workload as the advisor does; statements that cannot be planned are left out."""
    priced, _ = price_all(twin, workload.statements, None, workload.shares, workload.weighed_by)
    return Problem(twin, priced)


def fits(size_bytes: int, budget_bytes: int | None) -> bool:
    """Say whether so much is within the budget."""
    return budget_bytes is None or size_bytes <= budget_bytes


def size_of(indexes: Iterable[TwinIndex]) -> int:
    """Return the predicted size of some indexes."""
    return sum(index.size_bytes for index in indexes)


def _definition(table: QualifiedName, columns: Sequence[str]) -> IndexDef:
    keys = tuple(Key(column=name) for name in columns)
    # Names of a twin's indexes must be unique, and none is read; the advisor's own begin with ix_.
    name = f"b_{table.name}_{'_'.join(columns)}"[:63]
    return IndexDef(schema=table.schema, table=table.name, name=name, keys=keys)


def _relevant(item: PricedStatement) -> dict[QualifiedName, tuple[str, ...]]:
    """Return, by table, the columns that a statement filters, joins, groups or sorts by."""
    found: dict[QualifiedName, dict[str, None]] = {}
    for table in (table for shape in item.shapes for table in shape.tables):
        found.setdefault(QualifiedName(table.schema, table.table), {}).update(dict.fromkeys(_compared(table)))
    return {table: tuple(sorted(names)) for table, names in sorted(found.items()) if names}


def _compared(table: TableShape) -> Iterator[str]:
    yield from (*table.equalities, *table.nulls, *table.ranges, *table.alternatives)
    yield from itertools.chain.from_iterable(table.keysets)
    yield from (join.column for join in table.joins)
    yield from (each.column for each in table.operators)
    yield from (name for each in (*table.expressions, *table.conditions) for name in each.columns)
    keys = (*table.groups, *(key for sort in table.sorts for key in sort.keys))
    yield from (key.column for key in keys if key.column is not None)
    for arm in table.arms:
        yield from _compared(arm)


def _read(item: PricedStatement) -> dict[QualifiedName, frozenset[str] | None]:
    """Return, by table, all columns that a statement names; None where it reads whole rows."""
    found: dict[QualifiedName, frozenset[str] | None] = {}
    for table in (table for shape in item.shapes for table in shape.tables):
        name = QualifiedName(table.schema, table.table)
        known = found.get(name, frozenset[str]())
        whole = known is None or table.columns is None
        found[name] = None if whole else frozenset((*(known or ()), *(table.columns or ()), *_compared(table)))
    return found
