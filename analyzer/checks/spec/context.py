"""What a database adds to the text of the specs."""

from analyzer.catalog import Catalog
from analyzer.checks.rule import Known
from analyzer.workload.log_workload import recorded_workload
from analyzer.workload.shapes import TableShape, shapes


def known_of(catalog: Catalog) -> Known:
    """Read the recorded statements of a snapshot by table."""
    if not catalog.snapshot.statements:
        return Known(catalog=catalog)
    found, _ = shapes(recorded_workload(catalog.snapshot).statements, catalog.snapshot)
    uses: dict[tuple[str, str], list[TableShape]] = {}
    for shape in found:
        for each in shape.tables:
            uses.setdefault((each.schema, each.table), []).append(each)
    return Known(catalog=catalog, uses={table: tuple(each) for table, each in uses.items()})
