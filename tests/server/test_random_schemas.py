"""Over any schema, a statement's shape names the tables that the server reads for it, and every candidate is built."""

import os
import random
from collections.abc import Iterator
from typing import Any, LiteralString, cast

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.advise.candidates import candidates
from analyzer.capture.capture import capture
from analyzer.catalog import Catalog
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.schema.operator_classes import read_operator_classes
from analyzer.workload.parse import Statement, parse_statement
from analyzer.workload.scopes import resolve
from analyzer.workload.shapes import Shape, shape
from tests.conftest import fresh_database
from tests.server.random_schemas import created, random_tables
from tests.server.random_statements import Statements, Style

_STATEMENTS = 25
_LOCKED = """
SELECT n.nspname, c.relname FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relkind = 'r'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
Names = set[tuple[str, str]]


def run(connection: psycopg.Connection, text: str) -> list[tuple[Any, ...]]:
    cursor = connection.execute(cast("LiteralString", text))
    return cursor.fetchall() if cursor.description else []


def planned(connection: psycopg.Connection, statement: str) -> tuple[Names, Names]:
    """Return the tables that a plan names, and those that the server opened for it."""
    with connection.transaction(force_rollback=True):
        run(connection, "SET LOCAL constraint_exclusion = off")
        (document,) = run(connection, f"EXPLAIN (VERBOSE, GENERIC_PLAN, FORMAT JSON) {statement}")
        return set(named(document[0][0]["Plan"])), {(schema, name) for schema, name in run(connection, _LOCKED)}


def named(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "Relation Name" in node:
        yield node["Schema"], node["Relation Name"]
    for part in node.get("Plans", ()):
        yield from named(part)


def as_if_large(snapshot: Snapshot) -> Snapshot:
    """Let every table have as many rows that indexes are worth having."""
    large = {"pages": 50_000, "tuples": 2_000_000, "size_bytes": 50_000 * 8192}
    return snapshot.model_copy(
        update={"relations": tuple(each.model_copy(update=large) for each in snapshot.relations)}
    )


def holds(server: str, seed: int) -> None:
    """Check the laws over the schema and the statements of a seed."""
    chance = random.Random(seed)
    tables = random_tables(chance)
    with fresh_database(server) as url, psycopg.connect(url, autocommit=True) as connection:
        for statement in created(tables):
            run(connection, statement)
        snapshot = as_if_large(capture(url, statements=False, allow_superuser=True))
        catalog = Catalog(snapshot)
        found: list[Shape] = []
        for _ in range(_STATEMENTS):
            parameters = chance.random() < 0.7
            made = Statements(tables, chance, Style(random.Random(chance.random())), parameters=parameters)
            text = made.statement()
            plan, opened = planned(connection, text)
            read = parse_statement(text)
            assert isinstance(read, Statement), (text, read)
            shaped = shape(read, catalog)
            assert isinstance(shaped, Shape), (text, shaped)
            tables_of = {(each.schema, each.table) for each in shaped.tables}
            assert plan <= tables_of == opened, text
            assert not resolve(read.plannable, catalog).unknown, text
            found.append(shaped)
        with connect(url) as reading:
            tried = candidates(found, snapshot, read_operator_classes(reading))
        assert tried
        for candidate in tried:
            with connection.transaction(force_rollback=True):
                run(connection, candidate.index.ddl())


@given(seed=st.integers(0, 2**32))
@settings(max_examples=5, deadline=None, derandomize=True)
def test_a_shape_names_the_tables_of_the_servers_plan_and_its_candidates_are_built(server: str, seed: int) -> None:
    holds(server, seed)


@pytest.mark.slow
def test_it_does_so_over_many_schemas(server: str) -> None:
    first = int(os.environ.get("TWINDEX_SCHEMAS_SEED", "1"))
    for seed in range(first, first + int(os.environ.get("TWINDEX_SCHEMAS", "50"))):
        holds(server, seed)
