"""Ask a planner: EXPLAIN with values, or the generic plan of a statement with parameters."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.sql import SQL

from analyzer.db import Connection
from analyzer.errors import InputError
from analyzer.postgres.lex import IncompleteError, lex, significant
from analyzer.sql import render

#: EXPLAIN (FORMAT JSON)'s "Plan".
PlanTree = Mapping[str, Any]

#: EXPLAIN (GENERIC_PLAN) came with it.
_GENERIC = 16
#: Characters of a text that is kept as a question: thousands are.
_LONGEST_KEPT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A statement to plan; `generic` admits parameters without values, `verbose` tells what each node puts out."""

    text: str
    generic: bool = True
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What is sent for one statement."""

    #: Before 16, where there are parameters: makes a prepared statement, which `query` then explains.
    prepare: SQL | None
    query: SQL


def walk(tree: PlanTree) -> Iterator[PlanTree]:
    """Yield every node of a plan, parents first."""
    yield tree
    for child in tree.get("Plans", ()):
        yield from walk(child)


def explain(connection: Connection, asked: Asked, *, major: int) -> PlanTree:
    """Plan one statement.

    Before 16 that takes a prepared statement, and a session in which `plan_cache_mode` is `force_generic_plan`.
    Raises psycopg.Error when the server cannot plan it, InputError for text that is not one statement.
    """
    question = _question_of(asked, major=major)
    if question.prepare is None:
        return _answer(connection, question.query)
    connection.execute(question.prepare, prepare=False)
    try:
        tree = _answer(connection, question.query)
    finally:
        _deallocate(connection)
    if not any(node.get("Subplans Removed") for node in walk(tree)):
        return tree
    return _unpruned(connection, question, tree)


def sent_before(asked: Asked, *, major: int) -> int:
    """Return how many characters are sent before a statement with parameters, which the server's positions count."""
    question = _question_of(asked, major=major)
    return (question.prepare or question.query).as_string().rindex(asked.text.rstrip())


def explain_together(
    connection: Connection, asked: Sequence[Asked], *, before: Sequence[SQL], major: int
) -> list[PlanTree] | None:
    """Plan statements in one round trip and one transaction, `before` run first; None where one takes more than one.

    Raises psycopg.Error when the server cannot plan one of them, and then nothing of all that happened.
    """
    questions = [_question_of(each, major=major) for each in asked]
    if any(question.prepare is not None for question in questions):
        return None
    queries = [*before, *(question.query for question in questions)]
    cursor = connection.execute(SQL("\n;\n").join(queries), prepare=False)
    trees: list[PlanTree] = []
    while True:
        if cursor.description is not None:
            trees.append(plan_tree(cursor.fetchone()))
        if not cursor.nextset():
            return trees


def _unpruned(connection: Connection, question: _Question, tree: PlanTree) -> PlanTree:
    """Return a plan with the partitions that executing it without values would skip, at the cost it has with them.

    EXPLAIN EXECUTE starts the plan, and leaves out what no NULL can be in; GENERIC_PLAN does not.
    """
    connection.execute(render("twin/set_setting"), {"name": "enable_partition_pruning", "value": "off"})
    try:
        connection.execute(question.prepare or question.query, prepare=False)
        whole = _answer(connection, question.query)
    finally:
        _deallocate(connection)
        connection.execute(render("twin/set_setting"), {"name": "enable_partition_pruning", "value": "on"})
    costs = {name: tree[name] for name in ("Startup Cost", "Total Cost", "Plan Rows", "Plan Width")}
    return {**whole, **costs}


def _deallocate(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.execute(render("twin/deallocate"), prepare=False)


def _answer(connection: Connection, query: SQL) -> PlanTree:
    return plan_tree(connection.execute(query, prepare=False).fetchone())


def _question_of(asked: Asked, *, major: int) -> _Question:
    make = _question if len(asked.text) <= _LONGEST_KEPT else _question.__wrapped__
    return make(asked, major=major)


@lru_cache(maxsize=4096)
def _question(asked: Asked, *, major: int) -> _Question:
    """Return the message to send; cached, because the same few statements are asked thousands of times."""
    text, verbose = single(asked.text), asked.verbose
    if not asked.generic or major >= _GENERIC:
        return _Question(
            prepare=None, query=render("twin/explain", statement=text, generic=asked.generic, verbose=verbose)
        )
    numbers = {int(token.text[1:]) for token in significant(lex(text)) if token.kind == "parameter"}
    if not numbers:
        return _Question(prepare=None, query=render("twin/explain", statement=text, generic=False, verbose=verbose))
    # A number that is not used has no type to be found out.
    used = [number in numbers for number in range(1, max(numbers) + 1)]
    return _Question(
        prepare=render("twin/prepare", statement=text, used=used),
        query=render("twin/explain_prepared", parameters=len(used), verbose=verbose),
    )


def single(statement: str) -> str:
    """Make sure that text is one statement: $n without values needs the simple protocol, which would take several.

    Raises InputError.
    """
    try:
        tokens = significant(lex(statement))
    except IncompleteError as error:
        raise InputError(f"the statement cannot be parsed: {error}") from None
    if any(token.text == ";" and token.kind == "punctuation" for token in tokens[:-1]):
        raise InputError("there is a semicolon inside the statement; plan one statement at a time")
    return statement


def plan_tree(row: Mapping[str, Any] | None) -> PlanTree:
    """Return the plan in a row of EXPLAIN (FORMAT JSON); an Append where rules make none or several of a statement."""
    if row is None:
        raise RuntimeError("EXPLAIN returned nothing")
    document = row["QUERY PLAN"]
    parsed: Any = json.loads(document) if isinstance(document, str) else document
    plans: list[PlanTree] = [each["Plan"] for each in parsed if "Plan" in each]
    if len(plans) == 1:
        return plans[0]
    sums = ("Startup Cost", "Total Cost", "Plan Rows")
    costs = {name: sum(plan[name] for plan in plans) for name in sums}
    return {"Node Type": "Append", **costs, "Plan Width": 0, "Plans": plans}
