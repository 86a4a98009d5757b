"""Find the tables on which planning a statement, or printing a value, could run a user-defined function.

The planner evaluates what is constant in the index expressions, predicates, checks and policies of a table that it is
merely asked about, and that with the rights of whoever asks. So nothing is asked about such a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.capture.reader import Reader
from analyzer.documents.snapshot import NotExamined, Relation
from analyzer.sql import ident

#: How many tables, and functions of a table, are named one by one.
_TABLES_NAMED, _FUNCTIONS_NAMED = 200, 3
_HOLDING_ROWS = frozenset("rm")
#: Indexes, statistics objects, checks, policies and rules of a table; with more, there is time to change one between
#: the look at them and the plan.
_MOST_PARTS = 150
_TOO_MANY = (
    f"more than {_MOST_PARTS} indexes, statistics objects and checks depend on it, too many to verify that none "
    "changes while the table is read; use --run-user-code to read it anyway"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCode:
    """Tables not to read, and the fingerprints of the others."""

    oids: frozenset[int] = frozenset()
    #: By oid.
    fingerprints: Mapping[int, int] = field(default_factory=dict[int, int])
    not_examined: tuple[NotExamined, ...] = ()


def read_user_code(reader: Reader, relations: Mapping[int, Relation]) -> UserCode:
    """Read which of the relations depend on a function that is neither PostgreSQL's, in C, nor a superuser's."""
    functions: dict[int, dict[str, None]] = {}
    for row in reader.rows("user_code", {"relations": list(relations)}):
        functions.setdefault(row["oid"], {})[ident(row["schema_name"], row["name"])] = None
    reasons = {oid: _reason(tuple(names)) for oid, names in functions.items()}
    tables = {oid: table for oid, table in relations.items() if table.kind in _HOLDING_ROWS}
    found = reader.rows("fingerprints", {"relations": [oid for oid in tables if oid not in reasons]}, name=None)
    reasons |= {row["oid"]: _TOO_MANY for row in found if row["parts"] > _MOST_PARTS}
    gaps = [
        NotExamined(what=f"values of {ident(table.schema_name, table.name)}", reason=reasons[oid])
        for oid, table in tables.items()
        if oid in reasons
    ]
    if len(gaps) > _TABLES_NAMED:
        what = f"values of {len(gaps) - _TABLES_NAMED} more tables"
        gaps[_TABLES_NAMED:] = [NotExamined(what=what, reason="planning on them could also run user-defined functions")]
    fingerprints = {row["oid"]: row["fingerprint"] for row in found if row["oid"] not in reasons}
    return UserCode(oids=frozenset(reasons), fingerprints=fingerprints, not_examined=tuple(gaps))


def _reason(functions: tuple[str, ...]) -> str:
    named = ", ".join(functions[:_FUNCTIONS_NAMED])
    more = f" and {len(functions) - _FUNCTIONS_NAMED} more" if len(functions) > _FUNCTIONS_NAMED else ""
    return (
        f"reading the table could run {named}{more} with the privileges of the capturing role, so its extremes, "
        "samples and index internals were not read; use --run-user-code to read them"
    )
