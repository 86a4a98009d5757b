"""Find the tables on which planning a statement, or printing a value, could run a function of a user of the database.

The planner evaluates what is constant in the index expressions, predicates, checks and policies of a table that it is
merely asked about, and that with the rights of whoever asks. So nothing is asked about such a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.capture.reader import Reader
from analyzer.capture.snapshot import NotExamined, Relation
from analyzer.sql import ident

#: How many tables, and functions of a table, are named one by one.
_TABLES_NAMED, _FUNCTIONS_NAMED = 200, 3
_HOLDING_ROWS = frozenset("rm")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCode:
    """Tables to leave alone."""

    oids: frozenset[int] = frozenset()
    not_examined: tuple[NotExamined, ...] = ()


def read_user_code(reader: Reader, relations: Mapping[int, Relation]) -> UserCode:
    """Read which of the relations depend on a function that is neither PostgreSQL's, in C, nor a superuser's."""
    functions: dict[int, dict[str, None]] = {}
    for row in reader.rows("user_code", {"relations": list(relations)}):
        functions.setdefault(row["oid"], {})[ident(row["schema_name"], row["name"])] = None
    gaps = [
        NotExamined(what=f"values of {ident(table.schema_name, table.name)}", reason=_reason(tuple(functions[oid])))
        for oid, table in relations.items()
        if oid in functions and table.kind in _HOLDING_ROWS
    ]
    if len(gaps) > _TABLES_NAMED:
        what = f"values of {len(gaps) - _TABLES_NAMED} more tables"
        gaps[_TABLES_NAMED:] = [NotExamined(what=what, reason="planning on them could run functions of users as well")]
    return UserCode(oids=frozenset(functions), not_examined=tuple(gaps))


def read_fingerprints(reader: Reader, relations: Mapping[int, Relation], *, without: frozenset[int]) -> dict[int, int]:
    """Read, by oid, what tells later whether it is still true of a table that it depends on no such function."""
    oids = [oid for oid, relation in relations.items() if relation.kind in _HOLDING_ROWS and oid not in without]
    rows = reader.rows("fingerprints", {"relations": oids}, name=None)
    return {row["oid"]: row["fingerprint"] for row in rows}


def _reason(functions: tuple[str, ...]) -> str:
    named = ", ".join(functions[:_FUNCTIONS_NAMED])
    more = f" and {len(functions) - _FUNCTIONS_NAMED} more" if len(functions) > _FUNCTIONS_NAMED else ""
    return (
        f"asking about the table could run {named}{more} with the rights of the role that captures, so neither "
        "extremes nor samples nor the insides of its indexes were read; --run-user-code allows it"
    )
