"""What the workload's own writes pay for an index, in planner units.

An INSERT adds an entry. An UPDATE adds one to every index of the table unless it is heap-only (HOT): it changes no
column that any index holds, keys, INCLUDE, expression and predicate alike (BRIN aside, since 16).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.catalog import dimensions
from analyzer.documents.snapshot import Relation, Snapshot
from analyzer.objects.index import IndexDef
from analyzer.postgres.access_methods import SUMMARIZING, number_of
from analyzer.postgres.lex import lex
from analyzer.twin.twin import TwinIndex
from analyzer.workload.parse import Statement
from analyzer.workload.shapes import Shape

#: Operators charged for a page of a descent: DEFAULT_PAGE_CPU_MULTIPLIER in selfuncs.c.
_PAGE_OPERATORS = 50
#: Pages an entry dirties, priced as sequential writes: an upper bound without what a checkpoint merges.
_PAGES_PER_ENTRY = 1.0
#: Bytes that one element of a row takes in a GIN index, on average.
_GIN_ELEMENT_BYTES = 4
#: Operators that one distance takes per dimension; a comparison of scalars takes one.
_DISTANCE_OPERATORS = 0.05
#: Distances of one hnsw insertion per unit of m times ef_construction: the search of the place and of each neighbour's
#: list. From 2.75 ms an entry at 1,536 dimensions, m = 16, ef_construction = 64, where one unit of cost took 1.6 µs.
_HNSW_DISTANCES = 8

Written = Sequence[tuple[Statement, Shape]]


def upkeep(index: TwinIndex, statements: Written, others: Iterable[IndexDef], snapshot: Snapshot) -> float:
    """Return the cost of keeping an index through the whole workload; `others` are the table's other indexes."""
    definition = index.index
    relation = snapshot.relation(definition.schema, definition.table)
    if relation is None:
        return 0.0
    held = held_columns(definition, relation)
    for other in others:
        if (other.schema, other.table) == definition.full_table and other.method not in SUMMARIZING:
            held |= held_columns(other, relation)
    return entry_cost(index, relation, snapshot) * sum(_entries(statements, definition, held))


def held_columns(index: IndexDef, relation: Relation) -> set[str]:
    """Return the columns that an index holds in any way."""
    texts = [key.expression for key in index.keys if key.expression is not None] + [index.where or ""]
    words = {token.name for text in texts for token in lex(text)}
    named = {column.name for column in relation.columns if column.name in words}
    return {*index.columns, *index.include, *named}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What the formulas read: the index, its table, and the planner's prices of an operator and a dirtied page."""

    index: TwinIndex
    relation: Relation
    operator: float
    page: float

    def number(self, parameter: str) -> float:
        """Return a storage parameter, or its default."""
        return number_of(self.index.index.method, self.index.index.parameters, parameter)


def entry_cost(index: TwinIndex, relation: Relation, snapshot: Snapshot) -> float:
    """Return the cost of adding one row to an index."""
    operator = float(snapshot.settings.get("cpu_operator_cost", "0.0025"))
    page = float(snapshot.settings.get("seq_page_cost", "1")) * _PAGES_PER_ENTRY
    return ENTRY_COSTS[index.index.method](_Entry(index=index, relation=relation, operator=operator, page=page))


def _tree(entry: _Entry) -> float:
    return (entry.index.size.height + 1) * _PAGE_OPERATORS * entry.operator + entry.page


def _gin(entry: _Entry) -> float:
    elements = max(1.0, entry.index.size_bytes / max(entry.index.size.tuples, 1.0) / _GIN_ELEMENT_BYTES)
    return elements * 3 * _PAGE_OPERATORS * entry.operator + entry.page


def _brin(entry: _Entry) -> float:
    return _PAGE_OPERATORS * entry.operator


def _bloom(entry: _Entry) -> float:
    """A hash and some bits of each key, the list of pages with room on the metapage, and the page that gets the row."""
    bits = sum(entry.number(f"col{number}") for number in range(1, len(entry.index.index.keys) + 1))
    return (bits + 2 * _PAGE_OPERATORS) * entry.operator + entry.page


def _ivfflat(entry: _Entry) -> float:
    return entry.number("lists") * _distance(entry.index.index, entry.relation) * entry.operator + entry.page


def _hnsw(entry: _Entry) -> float:
    searched = entry.number("m") * entry.number("ef_construction")
    distances = searched * _HNSW_DISTANCES
    return distances * _distance(entry.index.index, entry.relation) * entry.operator + entry.page


#: What adding one row costs, by access method.
ENTRY_COSTS: Mapping[str, Callable[[_Entry], float]] = {
    "btree": _tree,
    "hash": _tree,
    "gist": _tree,
    "spgist": _tree,
    "gin": _gin,
    "brin": _brin,
    "bloom": _bloom,
    "ivfflat": _ivfflat,
    "hnsw": _hnsw,
}


def _distance(index: IndexDef, relation: Relation) -> float:
    """Return how many operators one distance between two vectors is worth."""
    key = index.keys[0]
    column = relation.column(key.column) if key.column is not None else None
    size = dimensions(key.expression or (column.type if column is not None else ""))
    return max(1.0, (size or 1) * _DISTANCE_OPERATORS)


def _entries(statements: Written, index: IndexDef, held: set[str]) -> Iterator[float]:
    for statement, shape in statements:
        for target in shape.tables:
            if (target.schema, target.table) != index.full_table:
                continue
            changes = target.target in ("update", "merge") and held & set(target.written)
            if target.target == "insert" or changes:
                yield float(statement.rows or statement.calls)
