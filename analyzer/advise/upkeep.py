"""What the workload's own writes pay for an index, in planner units.

An INSERT adds an entry. An UPDATE adds one to every index of the table unless it is heap-only (HOT): it changes no
column that any index holds, keys, INCLUDE, expression and predicate alike (BRIN aside, since 16).
"""

from collections.abc import Iterable, Iterator, Sequence

from analyzer.documents.snapshot import Relation, Snapshot
from analyzer.objects.index import IndexDef
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
        if (other.schema, other.table) == (definition.schema, definition.table) and other.method != "brin":
            held |= held_columns(other, relation)
    return entry_cost(index, relation, snapshot) * sum(_entries(statements, definition, held))


def held_columns(index: IndexDef, relation: Relation) -> set[str]:
    """Return the columns that an index holds in any way."""
    texts = [key.expression for key in index.keys if key.expression is not None] + [index.where or ""]
    words = {token.name for text in texts for token in lex(text)}
    named = {column.name for column in relation.columns if column.name in words}
    return {*index.columns, *index.include, *named}


def entry_cost(index: TwinIndex, relation: Relation, snapshot: Snapshot) -> float:
    """Return the cost of adding one row to an index."""
    operator = float(snapshot.settings.get("cpu_operator_cost", "0.0025"))
    page = float(snapshot.settings.get("seq_page_cost", "1")) * _PAGES_PER_ENTRY
    definition = index.index
    parameters = dict(definition.parameters)
    descent = (index.size.height + 1) * _PAGE_OPERATORS * operator
    match definition.method:
        case "gin":
            elements = max(1.0, index.size_bytes / max(index.size.tuples, 1.0) / _GIN_ELEMENT_BYTES)
            return elements * 3 * _PAGE_OPERATORS * operator + page
        case "brin":
            return _PAGE_OPERATORS * operator
        case "ivfflat":
            return int(parameters.get("lists", "100")) * _distance(definition, relation) * operator + page
        case "hnsw":
            searched = int(parameters.get("m", "16")) * int(parameters.get("ef_construction", "64"))
            return searched * _HNSW_DISTANCES * _distance(definition, relation) * operator + page
        case _:
            return descent + page


def _distance(index: IndexDef, relation: Relation) -> float:
    """Return how many operators one distance between two vectors is worth."""
    column = relation.column(index.columns[0]) if index.columns else None
    digits = "".join(c for c in (column.type if column else "") if c.isdigit())
    return max(1.0, int(digits or 1) * _DISTANCE_OPERATORS)


def _entries(statements: Written, index: IndexDef, held: set[str]) -> Iterator[float]:
    for statement, shape in statements:
        for target in shape.tables:
            if (target.schema, target.table) != (index.schema, index.table):
                continue
            changes = target.target in ("update", "merge") and held & set(target.written)
            if target.target == "insert" or changes:
                yield float(statement.rows or statement.calls)
