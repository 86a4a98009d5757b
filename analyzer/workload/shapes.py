"""Say what a statement asks of each table: its filters, joins, operators and sort keys.

A shape holds what an index can serve, resolved to the table's own columns. What the planner then makes of it is the
twin's to say.
"""

from collections.abc import Iterable, Iterator

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.sql import ident
from analyzer.workload.parse import Statement
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

__all__ = [
    "Condition",
    "ExpressionPredicate",
    "JoinKey",
    "OperatorPredicate",
    "Shape",
    "TableShape",
    "needed_by",
    "shape",
    "shapes",
]


def shape(statement: Statement, catalog: Catalog | Snapshot) -> Shape | NotExamined:
    """Resolve a statement against the catalog and say what it asks of each table."""
    found = catalog if isinstance(catalog, Catalog) else Catalog(catalog)
    what = f"the statement {statement.id}"
    try:
        resolved = resolve(statement.plannable, found.under(statement.search_path))
        return _shape(statement, resolved, what)
    except UnreadableError as error:
        return NotExamined(what=what, reason=str(error))
    except RecursionError:
        return NotExamined(what=what, reason="its expressions are nested too deeply")


def _shape(statement: Statement, resolved: Resolved, what: str) -> Shape | NotExamined:
    if not resolved.occurrences:
        unknown = ", ".join(sorted(set(resolved.unknown)))
        reason = f"it uses {unknown}, which the snapshot does not contain" if unknown else "it reads no table"
        return NotExamined(what=what, reason=reason)
    return ShapeReader(resolved).shape(statement)


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
