"""What a database adds to the text of the specs."""

from collections.abc import Mapping, Sequence

from analyzer.catalog import Catalog
from analyzer.checks.rule import Known
from analyzer.workload.log_workload import recorded_workload
from analyzer.workload.shapes import TableShape, shapes
from analyzer.workload.statement import Statement


def known_of(catalog: Catalog) -> Known:
    """Read the recorded statements of a snapshot by table."""
    if not catalog.snapshot.statements:
        return Known(catalog=catalog)
    return Known(catalog=catalog, uses=uses_of(recorded_workload(catalog.snapshot).statements, catalog))


def uses_of(statements: Sequence[Statement], catalog: Catalog) -> Mapping[tuple[str, str], tuple[TableShape, ...]]:
    """Return what statements ask of each table."""
    found, _ = shapes(statements, catalog.snapshot)
    uses: dict[tuple[str, str], list[TableShape]] = {}
    for shape in found:
        for each in shape.tables:
            uses.setdefault((each.schema, each.table), []).append(each)
    return {table: tuple(each) for table, each in uses.items()}
