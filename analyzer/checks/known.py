"""What a database adds to the text of the specs."""

from collections.abc import Sequence
from dataclasses import replace

from analyzer.advise.facts import Facts
from analyzer.checks.rule import Known
from analyzer.db import reading
from analyzer.sql import render
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


def read_server(url: str, known: Known) -> Known:
    """Add what a snapshot does not hold: the tablespaces and the memory of a build."""
    with reading(url) as connection:
        rows = connection.execute(render("lint/tablespaces")).fetchall()
        memory = connection.execute(render("lint/build_memory")).fetchone()
    return replace(known, tablespaces=_names(rows), maintenance_work_mem_bytes=int(memory["bytes"]) if memory else None)


def _names(rows: Sequence[dict[str, object]]) -> frozenset[str]:
    return frozenset(str(row["name"]) for row in rows)
