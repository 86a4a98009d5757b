"""What proposals may take: bytes, number, and upkeep, in all and by table."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.advise.integer_program import Capacity
from analyzer.amounts import percent, plural
from analyzer.config import TableRule
from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import ident
from analyzer.twin.twin import TwinIndex

_MB = 1024 * 1024
#: The name of the limit of upkeep, which may be more of a set than of its indexes one by one.
OF_UPKEEP = "(--max-upkeep)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A capacity, and what to say of an index that does not fit in any more."""

    capacity: Capacity
    #: The amount, and where it was set.
    what: str
    name: str
    is_of_bytes: bool = False

    def refuse(self, index: TwinIndex) -> str:
        """Say that an index does not fit in."""
        if self.is_of_bytes:
            return f"its {index.size_bytes / _MB:.1f} MB exceed what is left of the limit of {self.what} {self.name}"
        return f"the limit of {self.what} {self.name} was reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be proposed; None means no limit."""

    budget_bytes: int | None = None
    most: int | None = None
    seconds: float | None = None
    #: Of the workload's cost without any choice: what each index must save on top of the others.
    least_saving: float | None = None
    #: Of the workload's cost without any choice: what the upkeep of all proposals may cost.
    most_upkeep: float | None = None
    #: Of the project, in the order of its file.
    rules: tuple[TableRule, ...] = ()

    def forbids(self, index: IndexDef, held: Iterable[str]) -> str | None:
        """Say which rule forbids an index that holds these columns; None where none does."""
        return self.bars(index.full_table, held, method=index.method)

    def bars(self, table: QualifiedName, held: Iterable[str] = (), *, method: str | None = None) -> str | None:
        """Say which rule forbids a proposal for a table, with these columns and this access method."""
        columns = frozenset(held)
        for number, rule in self._rules(table):
            barred = sorted(columns.intersection(rule.without_columns))
            if not rule.propose:
                what = f"forbids proposals for {ident(*table)}"
            elif rule.methods is not None and method is not None and method not in rule.methods:
                what = f"allows {', '.join(rule.methods) or 'no access method'} only"
            elif barred:
                what = f"forbids {'proposals' if method is None else 'indexes'} with {', '.join(barred)}"
            else:
                continue
            return f"{_where(number)} {what}{_because(rule)}"
        return None

    def _rules(self, table: QualifiedName) -> Iterator[tuple[int, TableRule]]:
        return ((number, rule) for number, rule in enumerate(self.rules, 1) if rule.holds(table))

    def of(
        self, upkeep: Mapping[TwinIndex, float], total: float, existing: Callable[[QualifiedName], int]
    ) -> list[Limit]:
        """Return what limits a choice of indexes, given their upkeep, the workload's cost, and a table's indexes."""
        found: list[Limit] = []
        if self.budget_bytes is not None:
            found.append(_of_bytes(upkeep, self.budget_bytes, "(--budget)"))
        if self.most is not None:
            capacity = Capacity(needs=dict.fromkeys(upkeep, 1.0), most=self.most)
            found.append(Limit(capacity=capacity, what=plural(self.most, "proposal"), name="(--max)"))
        if self.most_upkeep is not None:
            capacity = Capacity(needs=upkeep, most=self.most_upkeep * total)
            what = f"{percent(self.most_upkeep, 2)} of the workload's cost for upkeep"
            found.append(Limit(capacity=capacity, what=what, name=OF_UPKEEP))
        tables: dict[QualifiedName, list[TwinIndex]] = {}
        for index in upkeep:
            tables.setdefault(index.index.full_table, []).append(index)
        for table, indexes in tables.items():
            found += self._of_table(table, indexes, existing)
        return found

    def admit_upkeep(self, upkeep: float, total: float) -> bool:
        """Say whether the upkeep of a set, which its indexes may raise for each other, fits in."""
        return self.most_upkeep is None or upkeep <= self.most_upkeep * total

    def admit(self, upkeep: Mapping[TwinIndex, float], total: float, existing: Callable[[QualifiedName], int]) -> bool:
        """Say whether a set fits into all limits, given what `of` takes."""
        limits = self.of(upkeep, total, existing)
        return all(each.capacity.taken(upkeep) <= each.capacity.most for each in limits)

    def _of_table(
        self, table: QualifiedName, indexes: Sequence[TwinIndex], existing: Callable[[QualifiedName], int]
    ) -> Iterator[Limit]:
        for number, rule in self._rules(table):
            name = f"for {ident(*table)} ({_where(number)}{_because(rule)})"
            if (most := rule.most_indexes) is not None:
                left = Capacity(needs=dict.fromkeys(indexes, 1.0), most=max(0, most - existing(table)))
                yield Limit(capacity=left, what=f"{most:,} {'index' if most == 1 else 'indexes'}", name=name)
            if rule.budget is not None:
                yield _of_bytes(indexes, rule.budget, name)


def _where(number: int) -> str:
    return f"rule {number} of [tool.twindex]"


def _because(rule: TableRule) -> str:
    return f": {rule.reason}" if rule.reason else ""


def _of_bytes(indexes: Iterable[TwinIndex], most: int, name: str) -> Limit:
    capacity = Capacity(needs={each: float(each.size_bytes) for each in indexes}, most=most)
    return Limit(capacity=capacity, what=f"{most / _MB:.1f} MB", name=name, is_of_bytes=True)
