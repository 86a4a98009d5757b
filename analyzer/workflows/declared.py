"""Tell the advisor what the specs declare."""

from analyzer.advise.proposal import Declared
from analyzer.documents.snapshot import Snapshot
from analyzer.specs.file import SpecSet


def declared(specs: SpecSet, snapshot: Snapshot) -> tuple[Declared, ...]:
    """Return every declared index as the definition it means on the captured database."""
    found: list[Declared] = []
    for each in specs.indexes:
        relation = snapshot.relation(each.schema, each.table)
        rows = relation.tuples if relation is not None and relation.tuples >= 0 else None
        index = each.spec.definition(each.schema, each.table, rows)
        found.append(Declared(index=index, state=each.spec.state, where=each.where, until=each.spec.until))
    return tuple(found)
