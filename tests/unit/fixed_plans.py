"""A twin that knows a few plans of each statement, and takes the cheapest one whose indexes are there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from analyzer.advise.benefit import Execution, PricedStatement, Query
from analyzer.advise.cost import CostModel
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.identifiers import QualifiedName
from analyzer.twin.predict.index_size import IndexSize
from analyzer.twin.twin import Asked, Plan, Twin, TwinIndex
from analyzer.workload.parse import parse_file
from analyzer.workload.shapes import Shape, shape
from tests.unit.catalogs import snapshot, table

#: Of one table, whose rows are told from the statistics alone: what a column is called does not matter.
COLUMNS = tuple("abcdefghijklmnopqrstuvwxyz")
SNAPSHOT = snapshot(table("t", ", ".join(f"{column} integer" for column in COLUMNS)))
TABLE = QualifiedName("public", "t")


def index(columns: str, pages: int = 10) -> TwinIndex:
    """Make an index on columns of one letter each."""
    definition = IndexDef(
        schema="public", table="t", name=f"ix_{columns}", keys=tuple(Key(column=each) for each in columns)
    )
    oids = tuple(map(ord, columns))
    return TwinIndex(
        index=definition, size=IndexSize(pages=pages, tuples=1_000), oids=oids, names=frozenset([definition.name])
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement: what it costs without any index, and with all of some."""

    bare: float
    plans: Mapping[frozenset[TwinIndex], float]
    calls: float = 1.0


def planned(bare: float, *plans: tuple[float, Iterable[TwinIndex]], calls: float = 1.0) -> Planned:
    """Describe a statement by what it costs, and what it costs with indexes."""
    return Planned(bare, {frozenset(uses): cost for cost, uses in plans}, calls)


@dataclass(slots=True)
class _FixedTwin:
    """What the cost model asks of a twin."""

    added: tuple[TwinIndex, ...]
    by_text: Mapping[str, Planned]
    snapshot: Snapshot = SNAPSHOT
    catalog: Catalog = field(default_factory=lambda: Catalog(SNAPSHOT))
    _shown: frozenset[TwinIndex] = frozenset()

    def show(self, indexes: Iterable[TwinIndex], **_: object) -> None:
        self._shown = frozenset(indexes)

    def plan_all(self, asked: Sequence[Asked], **_: object) -> tuple[Plan, ...]:
        return tuple(self._plan(each.text) for each in asked)

    def _plan(self, text: str) -> Plan:
        known = self.by_text[text]
        possible = [(cost, uses) for uses, cost in known.plans.items() if uses <= self._shown]
        cost, uses = min(
            [(known.bare, frozenset[TwinIndex]()), *possible],
            key=lambda each: (each[0], sorted(index.index.name for index in each[1])),
        )
        scans = [
            {"Node Type": "Index Scan", "Index Name": name, "Total Cost": cost} for each in uses for name in each.names
        ]
        return Plan(cost=cost, rows=1.0, tree={"Node Type": "Append", "Total Cost": cost, "Plans": scans})


def model(
    indexes: Sequence[TwinIndex],
    statements: Sequence[Planned],
    *,
    base: Iterable[TwinIndex] = (),
    inserts: float = 0.0,
    updates: float = 0.0,
) -> CostModel:
    """Return the costs of statements, with so many writes of column a beside them, which cost nothing but upkeep."""
    texts = [f"SELECT a FROM t WHERE z = {number}" for number in range(len(statements))]
    by_text = dict(zip(texts, statements, strict=True))
    items = [_priced(text, each.calls) for text, each in by_text.items()]
    for text, calls in (("INSERT INTO t (a) VALUES (1)", inserts), ("UPDATE t SET a = 1 WHERE z = 0", updates)):
        if calls:
            by_text[text] = planned(0.0)
            items.append(_priced(text, calls))
    twin = cast("Twin", _FixedTwin(added=tuple(indexes), by_text=by_text))
    return CostModel(twin=twin, statements=items, base=frozenset(base))


def _priced(text: str, calls: float) -> PricedStatement:
    (parsed,) = parse_file(text).statements
    statement = replace(parsed, calls=calls)
    shaped = shape(statement, SNAPSHOT)
    assert isinstance(shaped, Shape)
    return PricedStatement(
        statement=statement,
        shape=shaped,
        generic=text,
        execution=Execution(queries=(Query(text=text, times=1.0),)),
        tables=frozenset([TABLE]),
    )
