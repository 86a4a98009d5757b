"""The options of functions that the planner trusts, LEAKPROOF and SUPPORT, which only a superuser can give."""

import re
from collections.abc import Iterator, Sequence

from analyzer.db import Connection
from analyzer.documents.snapshot import FunctionDef
from analyzer.sql import render
from analyzer.twin.server.containment import CAPTURED

#: What pg_get_functiondef prints between the language and the settings, in its order.
_OPTIONS = re.compile(
    r"^(?P<before> LANGUAGE .+\n(?: (?!SET )[A-Z ]*?)??)(?P<leakproof> LEAKPROOF)?"
    r"(?P<numbers>(?: COST \S+)?(?: ROWS \S+)?)(?: SUPPORT (?P<support>.+))?$\n",
    re.MULTILINE,
)


def without_trusted_options(definition: str) -> str:
    """Return the definition of a function without them, which any role can create."""
    return _OPTIONS.sub(r"\g<before>\g<numbers>\n", definition, count=1)


def give_trusted_options(superuser: Connection, functions: Sequence[FunctionDef]) -> Iterator[FunctionDef]:
    """Give created functions what was left out of their definitions; yield those whose SUPPORT the twin lacks."""
    found = ((each, _OPTIONS.search(each.definition)) for each in functions)
    given = [(each, match) for each, match in found if match is not None and (match["leakproof"] or match["support"])]
    bind = {
        "owner": CAPTURED,
        "schemas": [each.schema_name for each, _ in given],
        "names": [each.name for each, _ in given],
        "arguments": [each.arguments for each, _ in given],
        "leakproof": [match["leakproof"] is not None for _, match in given],
        "supports": [match["support"] for _, match in given],
    }
    for row in superuser.execute(render("twin/give_trusted_options"), bind).fetchall():
        if not row["is_whole"]:
            yield given[row["place"] - 1][0]
