"""Say what a statement asks of each table: its filters, joins, operators and sort keys.

A shape holds what an index can serve, resolved to the table's own columns. What the planner then makes of it is the
twin's to say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.postgres.lex import lex
from analyzer.sql import ident
from analyzer.workload.ordering import Sort
from analyzer.workload.parse import Statement
from analyzer.workload.plan_tree import PlanNode
from analyzer.workload.planned_query import planned_query
from analyzer.workload.scopes import Resolved, resolve
from analyzer.workload.shape_reader import ShapeReader
from analyzer.workload.shape_records import (
    Condition,
    ExpressionPredicate,
    JoinKey,
    OperatorPredicate,
    Shape,
    TableShape,
)
from analyzer.workload.tree import UnreadableError

#: Kinds of tokens.
_CONSTANTS = frozenset({"string", "number"})

__all__ = [
    "Condition",
    "ExpressionPredicate",
    "JoinKey",
    "OperatorPredicate",
    "Shape",
    "TableShape",
    "beyond",
    "needed_by",
    "planned_shape",
    "shape",
    "shapes",
]


def shape(statement: Statement, known: Catalog | Snapshot) -> Shape | NotExamined:
    """Resolve a statement against the catalog and say what it asks of each table."""
    found = known if isinstance(known, Catalog) else Catalog(known)
    what = f"the statement {statement.id}"
    try:
        catalog = found.under(statement.search_path)
        return _shape(statement, resolve(statement.plannable, catalog), catalog, what)
    except UnreadableError as error:
        return NotExamined(what=what, reason=str(error))
    except RecursionError:
        return NotExamined(what=what, reason="its expressions are nested too deeply")


def _shape(statement: Statement, resolved: Resolved, catalog: Catalog, what: str) -> Shape | NotExamined:
    if not resolved.occurrences:
        unknown = ", ".join(sorted(set(resolved.unknown)))
        reason = f"it uses {unknown}, which the snapshot does not contain" if unknown else "it reads no table"
        return NotExamined(what=what, reason=reason)
    read = ShapeReader(resolved, catalog).shape(statement)
    return _without_values(read) if statement.is_of_one_execution else read


def _without_values(read: Shape) -> Shape:
    """Leave out the conditions on constants: they are values, which no partial index may be made for."""

    def kept(table: TableShape) -> TableShape:
        conditions = (each for each in table.conditions if _CONSTANTS.isdisjoint(part.kind for part in lex(each.sql)))
        return replace(table, conditions=tuple(conditions), arms=tuple(map(kept, table.arms)))

    return replace(read, tables=tuple(map(kept, read.tables)))


def planned_shape(statement: Statement, plan: PlanNode, catalog: Catalog) -> Shape | None:
    """Say what the plan of a statement, as EXPLAIN (VERBOSE) has it, asks of each table; None where it asks nothing."""
    query = planned_query(plan, catalog)
    if query is None:
        return None
    planned = shape(replace(statement, plannable=query, search_path=None), catalog)
    return planned if isinstance(planned, Shape) else None


def beyond(planned: Shape, known: Shape) -> Shape | None:
    """Return what a plan asks of tables that the statement's text does not say; None where that is nothing."""
    said = [((each.schema, each.table), _asks(each)) for each in known.tables]
    tables = tuple(
        each
        for each in planned.tables
        if not any(table == (each.schema, each.table) and _asks(each) <= asks for table, asks in said)
    )
    return replace(planned, tables=tables) if tables else None


def _asks(table: TableShape) -> frozenset[tuple[str, object]]:
    """Return all that an index could serve, each with its kind."""
    parts: dict[str, Iterable[object]] = {
        "equality": table.equalities,
        "list": table.lists,
        "join": (join.column for join in table.joins),
        "range": table.ranges,
        "keyset": table.keysets,
        "alternative": table.alternatives,
        "arm": (frozenset(_asks(each)) for each in table.arms),
        "operator": ((each.column, each.operator, each.expression) for each in table.operators),
        "expression": table.expressions,
        "condition": (each.sql for each in table.conditions),
        "sort": (
            sort.keys for sort in (*table.sorts, *([Sort(keys=table.groups, limited=False)] * bool(table.groups)))
        ),
        "nearest": table.nearest,
    }
    return frozenset((kind, each) for kind, found in parts.items() for each in found)


def shapes(statements: Iterable[Statement], snapshot: Snapshot) -> tuple[tuple[Shape, ...], tuple[NotExamined, ...]]:
    """Shape all statements; what could not be is the second part."""
    catalog = Catalog(snapshot)
    found = [shape(statement, catalog) for statement in statements]
    return (
        tuple(each for each in found if isinstance(each, Shape)),
        tuple(each for each in found if isinstance(each, NotExamined)),
    )


def needed_by(statements: Iterable[Statement], snapshot: Snapshot) -> Iterator[str]:
    """Yield texts that say what a twin needs for statements: of one with a search path of its own, its tables too."""
    catalog = Catalog(snapshot)
    for statement in statements:
        yield statement.plannable
        shaped = None if statement.search_path is None else shape(statement, catalog)
        if isinstance(shaped, Shape):
            yield from (ident(table.schema, table.table) for table in shaped.tables)
