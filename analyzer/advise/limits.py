"""What proposals may take: bytes, number, and upkeep, in all and by table."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.advise.integer_program import Capacity
from analyzer.amounts import percent, plural
from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.schema_patterns import Tables
from analyzer.sql import ident
from analyzer.twin.twin import TwinIndex

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRule:
    """What a project allows on some tables; see `[[tool.twindex.rules]]`."""

    #: Where it stands, for messages.
    where: str
    tables: tuple[Tables, ...]
    #: False forbids every proposal.
    propose: bool = True
    #: Of all indexes of a table, those that exist or are declared included.
    most_indexes: int | None = None
    #: Of all proposals of a table.
    budget_bytes: int | None = None
    #: Access methods that may be proposed; None means any.
    methods: frozenset[str] | None = None
    #: Columns that no proposal may hold.
    without_columns: frozenset[str] = frozenset()
    #: Why, as the project says.
    reason: str | None = None

    def holds(self, table: QualifiedName) -> bool:
        """Say whether it is about a table."""
        return any(each.match(table) for each in self.tables)

    def forbids(self, index: IndexDef, held: Iterable[str]) -> str | None:
        """Say why an index that holds these columns must not be proposed; None where it may."""
        if not self.holds(index.full_table):
            return None
        columns = sorted(self.without_columns.intersection(held))
        if not self.propose:
            what = f"{self.where} forbids proposals for {index.qualified_table}"
        elif self.methods is not None and index.method not in self.methods:
            what = f"{self.where} allows {', '.join(sorted(self.methods))} only"
        elif columns:
            what = f"{self.where} forbids indexes with {', '.join(columns)}"
        else:
            return None
        return self._because(what)

    def limits(
        self, indexes: Mapping[QualifiedName, Sequence[TwinIndex]], existing: Callable[[QualifiedName], int]
    ) -> Iterator["Limit"]:
        """Yield those of each table that it is about, given its candidates and how many indexes it has."""
        for table, candidates in indexes.items():
            if not self.holds(table):
                continue
            name = self._because(f"for {ident(*table)} ({self.where})")
            if self.most_indexes is not None:
                capacity = Capacity(
                    needs=dict.fromkeys(candidates, 1.0), most=max(0, self.most_indexes - existing(table))
                )
                yield Limit(
                    capacity=capacity,
                    what=f"{self.most_indexes:,} {'index' if self.most_indexes == 1 else 'indexes'}",
                    name=name,
                )
            if self.budget_bytes is not None:
                yield _of_bytes(candidates, self.budget_bytes, name)

    def _because(self, what: str) -> str:
        return f"{what}: {self.reason}" if self.reason else what


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
    rules: tuple[TableRule, ...] = ()

    def forbids(self, index: IndexDef, held: Iterable[str]) -> str | None:
        """Say which rule forbids an index that holds these columns; None where none does."""
        columns = frozenset(held)
        reasons = (rule.forbids(index, columns) for rule in self.rules)
        return next((reason for reason in reasons if reason is not None), None)

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
            found.append(Limit(capacity=capacity, what=what, name="(--max-upkeep)"))
        tables: dict[QualifiedName, list[TwinIndex]] = {}
        for index in upkeep:
            tables.setdefault(index.index.full_table, []).append(index)
        return [*found, *(limit for rule in self.rules for limit in rule.limits(tables, existing))]


def _of_bytes(indexes: Iterable[TwinIndex], most: int, name: str) -> Limit:
    capacity = Capacity(needs={each: float(each.size_bytes) for each in indexes}, most=most)
    return Limit(capacity=capacity, what=f"{most / _MB:.1f} MB", name=name, is_of_bytes=True)
