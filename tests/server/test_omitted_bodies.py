"""A candidate with which the planner would run a function whose body the twin omits."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from analyzer.advise.declared import Declared
from analyzer.advise.proposal import propose
from analyzer.advise.whatif import try_indexes
from analyzer.capture.capture import capture
from analyzer.documents.server_log import LoggedBinding, LoggedStatement
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.twin import Twin, open_twin
from analyzer.workload.parse import parse_file
from tests.conftest import fresh_database

SCHEMA = """
CREATE FUNCTION g(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION f(integer, text) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE TABLE t (a integer, b integer, c text);
INSERT INTO t SELECT i, i % 1000, repeat('l', 40) FROM generate_series(1, 60000) AS i;
CREATE TABLE u AS TABLE t;
VACUUM ANALYZE
"""
OMITTED = "runs a function whose body the twin omits"


@pytest.fixture(scope="module")
def snapshot(server: str) -> Iterator[Snapshot]:
    with fresh_database(server) as url, psycopg.connect(url, autocommit=True) as connection:
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement.encode())
        yield capture(url, statements=False)


@pytest.fixture(scope="module")
def twin(snapshot: Snapshot) -> Iterator[Twin]:
    with open_twin(snapshot) as twin:
        yield twin


def test_a_candidate_that_runs_one_is_left_out_and_its_statement_served(twin: Twin) -> None:
    workload = parse_file("SELECT c FROM t WHERE f(a, g($1)) = $2 AND b = $3; SELECT c FROM t WHERE b = $1")
    first, second = workload.statements
    bindings = tuple(LoggedBinding(values=("x", value, value), share=0.5) for value in ("3", "9"))
    logged = LoggedStatement(query=first.text, calls=40, other_calls=0, bindings=bindings)
    advice = propose(twin, replace(workload, statements=(replace(first, logged=logged), second)))
    assert [each.built.index.name for each in advice.proposals] == ["ix_t_b"]
    assert advice.not_examined == ()
    assert all(
        each.cost_after and each.cost_before and each.cost_after < each.cost_before / 3 for each in advice.statements
    )
    refused = {ddl: reason for ddl, reason in advice.not_proposed if ddl is not None and "g('x')" in ddl}
    assert refused
    assert all(OMITTED in reason for reason in refused.values())


def test_a_declared_index_that_runs_one_does_not_keep_the_statements_from_being_priced(snapshot: Snapshot) -> None:
    keys = (Key(expression="f(a, g('x'))"),)
    spec = Declared(
        index=IndexDef(schema="public", table="t", name="ix_f", keys=keys), state="approved", where="specs/t.yaml:1"
    )
    workload = parse_file("SELECT c FROM t WHERE b = 7; SELECT c FROM t WHERE a = 5")
    with open_twin(snapshot) as twin:
        advice = propose(twin, workload, declared=[spec])
    assert {each.built.index.keys[0].column for each in advice.proposals} == {"a", "b"}
    assert advice.not_examined == ()


def test_an_index_that_runs_one_is_the_error_of_the_statements_it_is_tried_for(twin: Twin) -> None:
    statements = parse_file("SELECT c FROM t WHERE b = $1; SELECT c FROM u WHERE b = $1").statements
    odd, other = try_indexes(twin, statements, create=["CREATE INDEX ON t (f(a, g('y')))", "CREATE INDEX ON u (b)"])
    assert odd.error == (
        "with the indexes, planning runs public.g(), whose body the twin omits; use --run-user-code to run it inside "
        "the containment"
    )
    assert other.cost_before is not None
    assert other.cost_after is not None
    assert other.cost_after < other.cost_before
