"""Read row security and the costs of tablespaces, which the planner takes into account."""

from collections.abc import Mapping, Sequence

from analyzer.capture.reader import Reader
from analyzer.documents.snapshot import Policy, RowSecurity, Tablespace


def read_row_security(reader: Reader, names: Mapping[int, str]) -> dict[int, RowSecurity]:
    """Read the relations whose row security is on, with their policies; one that was changed is noted by its name."""
    found: dict[int, RowSecurity] = {}
    bind = {"relations": list(names)}
    for row in reader.printed("policies", bind, what=lambda row: names[row["oid"]], naming=("oid",)):
        oid = row.pop("oid")
        table = {name: row.pop(name) for name in ("schema_name", "table", "forced")}
        before = found[oid].policies if oid in found else ()
        policies = (*before, Policy(**row)) if row["name"] is not None else before
        found[oid] = RowSecurity(**table, policies=policies)
    return found


def read_tablespaces(reader: Reader, relations: Sequence[int]) -> tuple[Tablespace, ...]:
    """Read the tablespaces whose costs differ from the server's."""
    return tuple(Tablespace(**row) for row in reader.rows("tablespaces", {"relations": list(relations)}))
