"""Read row security and the costs of tablespaces, which the planner takes into account."""

from collections.abc import Sequence

from analyzer.capture.reader import Reader
from analyzer.documents.snapshot import Policy, RowSecurity, Tablespace


def read_row_security(reader: Reader, relations: Sequence[int]) -> tuple[RowSecurity, ...]:
    """Read the tables whose row security is on, with their policies."""
    found: dict[int, RowSecurity] = {}
    for row in reader.rows("policies", {"relations": list(relations)}):
        oid = row.pop("oid")
        table = {name: row.pop(name) for name in ("schema_name", "table", "forced")}
        before = found[oid].policies if oid in found else ()
        policies = (*before, Policy(**row)) if row["name"] is not None else before
        found[oid] = RowSecurity(**table, policies=policies)
    return tuple(found.values())


def read_tablespaces(reader: Reader, relations: Sequence[int]) -> tuple[Tablespace, ...]:
    """Read the tablespaces whose costs differ from the server's."""
    return tuple(Tablespace(**row) for row in reader.rows("tablespaces", {"relations": list(relations)}))
