"""Take captured functions their bodies, but for those that planning reads and cannot run anything with.

The planner runs an immutable function whose arguments are known, and a stable one to estimate; its body may call
anything. What is left is what the server itself keeps of a function beside its body (volatility, cost, rows,
strictness, support), so that plans and costs are the same. A function of one SELECT in SQL is put into the query in
place of its call: it keeps its body where that calls nothing that has effects. Others raise when they are run.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator

from analyzer.db import Connection
from analyzer.documents.snapshot import TypeDef
from analyzer.postgres.lex import IncompleteError, Token, lex, significant
from analyzer.sql import render
from analyzer.twin.server.containment import APPLICATION, CAPTURED

#: Of a function that is asked for while it has no body; nothing of PostgreSQL's has that class.
NO_BODY = "TX001"
_OWNERS = {"owners": [CAPTURED, APPLICATION]}
_REMEDY = "; use --run-user-code to run it inside the containment"
#: Volatile, and of no effect but on sequences of the twin's.
_HARMLESS = frozenset(
    """
    clock_timestamp currval gen_random_uuid lastval nextval random random_normal setseed setval timeofday uuidv4 uuidv7
    """.split()  # noqa: SIM905 - a paragraph reads better than quoted words
)
#: What makes a SELECT more than one that reads.
_WRITING = frozenset(("insert", "update", "delete", "merge", "into", "copy", "call", "do", "execute", "notify"))
#: Run text that they are given, or read what they are named, and yet are not volatile.
_EXECUTING = (
    "table_to_xml", "table_to_xmlschema", "table_to_xml_and_xmlschema", "schema_to_xml", "schema_to_xmlschema",
    "schema_to_xml_and_xmlschema", "database_to_xml", "database_to_xmlschema", "database_to_xml_and_xmlschema",
    "crosstab", "crosstab2", "crosstab3", "crosstab4", "crosstab_hash", "crosstabn", "connectby", "xpath_table",
)  # fmt: skip
#: What reads rows, but for FROM, which is a word of expressions too.
_QUERYING = frozenset(("select", "with", "values", "table", "union", "intersect", "except", "exists"))
_STANDARD = re.compile(r"\s*BEGIN ATOMIC\b(?P<query>.*?);?\s*\bEND\s*\Z|\s*RETURN\b(?P<value>.*)\Z", re.DOTALL)


def close_ways_out(superuser: Connection) -> None:
    """Keep what extensions have for reaching other servers, and what runs text, out of the planner's reach.

    It is called once extensions are there. Nothing that is planned is another one by that: the planner never runs
    volatile functions, and the ones that run text are nowhere estimated from.
    """
    superuser.execute(render("twin/quieten_functions"), {"names": list(_EXECUTING)})
    found = superuser.execute(render("twin/read_reaching")).fetchall()
    bodies = [
        _raising(f"{row['schema_name']}.{row['name']}", returns_plainly=row["returns_plainly"], remedy="")
        for row in found
    ]
    superuser.execute(render("twin/replace_bodies"), {"oids": [row["oid"] for row in found], "bodies": bodies})


def take_bodies(superuser: Connection) -> None:
    """Replace the bodies of all captured functions that could run something."""
    effects = _read_effects(superuser)
    oids: list[int] = []
    bodies: list[str] = []
    functions = superuser.execute(render("twin/read_functions"), _OWNERS).fetchall()
    # One of a single value is run to find it, with all that it reads. The planner never runs one of many rows.
    singly = effects | {str(row["name"]) for row in functions if row["is_set"]}
    for row in functions:
        if row["language"] == "sql":
            query = _only_select(row["body"], is_standard=row["is_standard"])
            if query is not None and _only_reads(query, effects if row["is_set"] else singly, is_set=row["is_set"]):
                continue
        oids.append(row["oid"])
        bodies.append(_raising(f"{row['schema_name']}.{row['name']}", returns_plainly=row["returns_plainly"]))
    superuser.execute(render("twin/replace_bodies"), {"oids": oids, "bodies": bodies})


def without_effects(superuser: Connection, types: Iterable[TypeDef]) -> Iterator[TypeDef]:
    """Yield types, domains without the checks that name something with effects: to read a value is to run them."""
    effects = _read_effects(superuser)
    for each in types:
        harmless = tuple(check for check in each.checks if not _names_effects(check[1], effects))
        yield each if harmless == each.checks else each.model_copy(update={"checks": harmless})


def _read_effects(superuser: Connection) -> frozenset[str]:
    rows = superuser.execute(render("twin/read_effects"), _OWNERS).fetchall()
    return frozenset(str(row["name"]) for row in rows) - _HARMLESS


def _names_effects(text: str, effects: Collection[str]) -> bool:
    try:
        return any(_has_effect(token, effects) for token in significant(lex(text)))
    except IncompleteError:
        return True


def _only_select(body: str, *, is_standard: bool) -> tuple[Token, ...] | None:
    """Return the one SELECT that a body is; None where it is something else."""
    if is_standard:
        match = _STANDARD.match(body)
        if match is None:
            return None
        body = match["query"] if match["query"] is not None else f"SELECT {match['value']}"
    try:
        tokens = significant(lex(body))
    except IncompleteError:
        return None
    while tokens and tokens[-1].text == ";":
        tokens = tokens[:-1]
    return tokens if tokens and tokens[0].word == "select" else None


def _only_reads(query: tuple[Token, ...], effects: Collection[str], *, is_set: bool) -> bool:
    """Say whether a SELECT names nothing that has effects, and unless its rows are a set reads no table or view.

    Captured functions that it calls have no body, or pass this as well. The planner puts no function of one value into
    a query that has a FROM, or a SELECT within.
    """
    if any(_has_effect(token, effects) for token in query):
        return False
    return is_set or not _reads_relations(query)


def _reads_relations(query: tuple[Token, ...]) -> bool:
    depth, compares = 0, False
    for before, token in itertools.pairwise(query):
        depth += (before.text in {"(", "["}) - (before.text in {")", "]"})
        if token.word in _QUERYING or (token.word == "from" and depth == 0 and not compares):
            return True
        # IS [NOT] DISTINCT FROM; a column can be called distinct as well.
        compares = token.word == "distinct" and before.word in {"is", "not"}
    return False


def _has_effect(token: Token, effects: Collection[str]) -> bool:
    if token.kind == "quoted":
        # With escapes a name could be spelled in many ways.
        return not token.text.startswith('"') or token.name in effects
    return token.text == ";" or token.word in _WRITING or token.word in effects


def _raising(name: str, *, returns_plainly: bool, remedy: str = _REMEDY) -> str:
    """Write a body for plpgsql: NULL while the twin is built, an error afterwards."""
    quoted = name.replace("\\", "\\\\").replace("'", "''").replace("%", "%%")
    return (
        "BEGIN IF pg_catalog.current_setting('twindex.building', true) OPERATOR(pg_catalog.=) 'on' THEN RETURN"
        f"{'' if returns_plainly else ' NULL'}; END IF; RAISE EXCEPTION E'planning runs {quoted}(), whose body the "
        f"twin omits{remedy}' USING ERRCODE = '{NO_BODY}'; END"
    )
