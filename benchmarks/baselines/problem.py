"""What an algorithm chooses among, and what the workload costs with a choice."""

import itertools
import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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


class Candidates:
    """The indexes that algorithms may choose for a workload; each is built on the twin when it is first asked for."""

    def __init__(self, twin: Twin, statements: Sequence[PricedStatement]) -> None:
        self.twin = twin
        self.statements = statements
        self._built: dict[Columns, TwinIndex | None] = {}
        #: Of each built index.
        self._columns: dict[TwinIndex, Columns] = {}
        self._relevant = {item.statement: _relevant(item) for item in statements}
        self._read = {item.statement: _read(item) for item in statements}

    def of_statement(self, item: PricedStatement, width: int) -> list[TwinIndex]:
        """Return all indexes of up to so many columns that are relevant to a statement."""
        return self._indexes(
            (table, columns)
            for table, names in self._relevant[item.statement].items()
            for count in range(1, width + 1)
            for columns in itertools.permutations(names, count)
        )

    def of_width(self, width: int) -> list[TwinIndex]:
        """Return all indexes of exactly so many columns that are relevant to the same statement."""
        return self._indexes(
            (table, columns)
            for relevant in self._relevant.values()
            for table, names in relevant.items()
            for columns in itertools.permutations(names, width)
        )

    def longer(self, index: TwinIndex) -> list[TwinIndex]:
        """Return an index with each column behind it that is relevant to a statement together with all of its own."""
        table, columns = self._columns[index]
        listed = (relevant.get(table, ()) for relevant in self._relevant.values())
        added = dict.fromkeys(name for names in listed if set(names).issuperset(columns) for name in names)
        return self._indexes((table, (*columns, name)) for name in added if name not in columns)

    def columns(self, index: TwinIndex) -> Columns:
        """Return the table and the columns of an index, by which sets are sorted."""
        return self._columns[index]

    def touched(self, tables: Collection[QualifiedName]) -> list[PricedStatement]:
        """Return the statements that read one of some tables."""
        return [item for item in self.statements if not self._read[item.statement].keys().isdisjoint(tables)]

    def named(self, item: PricedStatement, configuration: Configuration) -> Configuration:
        """Return the indexes of which a statement reads a column: others can only be read in their table's place."""
        read = self._read[item.statement]
        return frozenset(each for each in configuration if _is_named(self._columns[each], read))

    def _indexes(self, wanted: Iterable[Columns]) -> list[TwinIndex]:
        """Return the indexes on some columns, each once; what the server rejects is left out."""
        listed = list(dict.fromkeys(wanted))
        first = len(self._built)
        missing = [each for each in listed if each not in self._built]
        new = {_definition(*each, number): each for number, each in enumerate(missing, first)}
        added, _ = self.twin.try_add(list(new))
        for index in added:
            self._built[new[index.index]] = index
            self._columns[index] = new[index.index]
        return [index for each in listed if (index := self._built.setdefault(each, None)) is not None]


class Problem:
    """What one algorithm is given: the candidates, what the workload costs with some of them, and its time."""

    def __init__(self, candidates: Candidates, *, deadline: float = math.inf) -> None:
        self.candidates = candidates
        self._model = CostModel(twin=candidates.twin, statements=candidates.statements)
        #: Of time.monotonic().
        self.deadline = deadline

    @property
    def statements(self) -> Sequence[PricedStatement]:
        """Return the statements."""
        return self.candidates.statements

    @property
    def is_late(self) -> bool:
        """Say whether the time is up."""
        return time.monotonic() > self.deadline

    @property
    def questions(self) -> int:
        """Return how many plans the planner was asked for."""
        return self._model.questions

    def cost(self, item: PricedStatement, configuration: Configuration) -> float:
        """Return what all executions of a statement cost with some indexes."""
        return recorded_cost(item, self._model.cost(item, self.candidates.named(item, configuration)))

    def total(self, configuration: Configuration) -> float:
        """Return what the workload costs with some indexes."""
        return sum(self.cost(item, configuration) for item in self.statements)

    def saving(self, before: Configuration, after: Configuration) -> float:
        """Return by how much the workload is cheaper with one set than with another."""
        tables = {index.index.full_table for index in before ^ after}
        return sum(self.cost(item, before) - self.cost(item, after) for item in self.candidates.touched(tables))

    def used(self, item: PricedStatement, configuration: Configuration) -> tuple[TwinIndex, ...]:
        """Return which of some indexes the plan of a statement reads where all of them are there."""
        alone = CostModel(twin=self.candidates.twin, statements=[item])
        alone.cost(item, configuration)
        return self.ordered(alone.read(configuration))

    def ordered(self, configuration: Configuration) -> tuple[TwinIndex, ...]:
        """Return some indexes by table and columns."""
        return tuple(sorted(configuration, key=self.candidates.columns))


def candidates(twin: Twin, workload: Workload) -> Candidates:
    """Price a workload as the advisor does, and return what may be chosen; what cannot be planned is left out."""
    priced, _ = price_all(twin, workload.statements, None, workload.shares, workload.weighed_by)
    return Candidates(twin, priced)


def fits(size_bytes: int, budget_bytes: int | None) -> bool:
    """Say whether so much is within the budget."""
    return budget_bytes is None or size_bytes <= budget_bytes


def size_of(indexes: Iterable[TwinIndex]) -> int:
    """Return the predicted size of some indexes."""
    return sum(index.size_bytes for index in indexes)


def _definition(table: QualifiedName, columns: Sequence[str], number: int) -> IndexDef:
    keys = tuple(Key(column=name) for name in columns)
    return IndexDef(schema=table.schema, table=table.name, name=f"baseline_{number}", keys=keys)


def _is_named(columns: Columns, read: Mapping[QualifiedName, frozenset[str] | None]) -> bool:
    table, names = columns
    known = read.get(table, frozenset())
    return known is None or not known.isdisjoint(names)


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
