"""What a database adds to the text of the specs."""

from analyzer.catalog import Facts
from analyzer.checks.rule import Known
from analyzer.workload.parse import parse_statements
from analyzer.workload.shapes import TableShape, shapes


def known_of(facts: Facts) -> Known:
    """Read the recorded statements of a snapshot by table."""
    indexes = {(each.definition.schema, each.definition.name): each for each in facts.snapshot.indexes}
    if not facts.snapshot.statements:
        return Known(facts=facts, indexes=indexes)
    found, _ = shapes(parse_statements(facts.snapshot).statements, facts.snapshot)
    uses: dict[tuple[str, str], list[TableShape]] = {}
    for shape in found:
        for each in shape.tables:
            uses.setdefault((each.schema, each.table), []).append(each)
    return Known(facts=facts, indexes=indexes, uses={table: tuple(each) for table, each in uses.items()})
