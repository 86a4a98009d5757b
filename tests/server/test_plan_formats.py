"""The text, YAML and XML formats of EXPLAIN are read into what JSON says, and the log of auto_explain is read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from analyzer.workload.plan_files import ExplainedPlan, find_plans
from analyzer.workload.plan_tree import PlanNode, children, walk
from tests.conftest import fresh_database
from tests.server.explained import CASES, OPTIONS, SCHEMA, explain

#: They differ from execution to execution.
_VOLATILE = ("Time", "Blocks", "WAL", "Memory", "Sort Space", "Startup Cost", "Total Cost", "JIT", "Sort Method")
#: The text format leaves out what is zero or false, and this one without VERBOSE.
_OMITTED: tuple[object, ...] = (0, False, [], "0", None)


@pytest.fixture(scope="module")
def connection(any_server: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database with the tables of the cases."""
    with fresh_database(any_server) as url, psycopg.connect(url, autocommit=True) as connection:
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement.encode())
        yield connection


def differences(expected: PlanNode, found: PlanNode, *, parallel: bool) -> Iterator[tuple[str, str, object, object]]:
    where = str(expected["Node Type"])
    for name in expected.keys() | found.keys():
        if name == "Plans" or any(part in name for part in _VOLATILE):
            continue
        if parallel and name in ("Actual Rows", "Actual Loops", "Workers"):
            continue
        left, right = expected.get(name), found.get(name)
        left_out = name not in found and (left in _OMITTED or name == "Inner Unique")
        if left != right and not left_out and not _grew(name, left, right):
            yield where, name, left, right
    ours, theirs = children(expected), children(found)
    if len(ours) != len(theirs):
        yield where, "Plans", len(ours), len(theirs)
    for one, other in zip(ours, theirs, strict=False):
        yield from differences(one, other, parallel=parallel)


def _grew(name: str, left: object, right: object) -> bool:
    """What is taken back leaves dead rows behind, which count until the next VACUUM."""
    return name in ("Plan Rows", "Actual Rows", "Tuples Inserted") and left is not None and right is not None


def test_every_format_says_what_json_says(connection: psycopg.Connection[Any]) -> None:
    wrong: list[object] = []
    node_types: set[str] = set()
    for each in CASES:
        for options in OPTIONS:
            try:
                expected = explain(connection, each, options, "JSON")[0]["Plan"]
            except psycopg.errors.FeatureNotSupported:  # XML, where the server is built without
                continue
            nodes = list(walk(expected))
            node_types |= {node["Node Type"] for node in nodes}
            parallel = any(node["Node Type"].startswith("Gather") for node in nodes)
            for output in ("TEXT", "YAML", "XML"):
                text = explain(connection, each, options, output)
                found = find_plans(text, "x")
                if len(found.plans) != 1 or found.not_examined:
                    wrong.append((each.sql, options, output, found.not_examined, text))
                    continue
                tree = found.plans[0].tree
                wrong += [
                    (each.sql, options, output, *each_) for each_ in differences(expected, tree, parallel=parallel)
                ]
    assert wrong == []
    missing = {
        "Aggregate", "Append", "Bitmap Heap Scan", "Bitmap Index Scan", "BitmapAnd", "BitmapOr", "CTE Scan",
        "Function Scan", "Gather", "Gather Merge", "Hash", "Hash Join", "Incremental Sort", "Index Only Scan",
        "Index Scan", "Limit", "LockRows", "Materialize", "Memoize", "Merge Append", "Merge Join", "ModifyTable",
        "Nested Loop", "ProjectSet", "Recursive Union", "Result", "Sample Scan", "Seq Scan", "SetOp", "Sort",
        "Subquery Scan", "Tid Range Scan", "Tid Scan", "Unique", "Values Scan", "WindowAgg", "WorkTable Scan",
    } - node_types  # fmt: skip
    assert missing == set(), "the cases no longer have these nodes"


def test_what_stands_beside_the_plan_is_the_same_in_every_format(connection: psycopg.Connection[Any]) -> None:
    case = next(each for each in CASES if each.settings.get("jit"))
    for output in ("TEXT", "JSON", "YAML", "XML"):
        connection.execute("SET compute_query_id = on")
        text = explain(connection, case, "ANALYZE, VERBOSE, SETTINGS, BUFFERS", output)
        (plan,) = find_plans(text if isinstance(text, str) else json.dumps(text), "x").plans
        assert plan.settings is not None
        assert plan.settings["jit_above_cost"] == "0"
        assert plan.queryid is not None
        assert plan.queryid.lstrip("-").isdigit()
        assert plan.planning_ms
        assert plan.execution_ms


def test_the_time_of_serialisation_is_not_a_property_of_the_plan(connection: psycopg.Connection[Any]) -> None:
    if connection.info.server_version < 170_000:
        pytest.skip("EXPLAIN (SERIALIZE) came with 17")
    case = next(each for each in CASES if "Order Items" in each.sql)
    text = explain(connection, case, "ANALYZE, SERIALIZE, BUFFERS, MEMORY", "TEXT")
    assert "Serialization: time=" in text
    (plan,) = find_plans(text, "x").plans
    assert plan.execution_ms
    assert not [name for name in plan.tree if name.startswith(("Memory", "Serialization"))]


@pytest.mark.parametrize("output", ["text", "json", "yaml", "xml"])
def test_the_log_of_auto_explain_is_read(connection: psycopg.Connection[Any], output: str) -> None:
    connection.execute("LOAD 'auto_explain'")
    row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    log = Path(row[0]).with_name("log")
    begun = log.stat().st_size
    settings = {"log_min_duration": "0", "log_analyze": "on", "log_settings": "on", "log_format": output}
    for name, value in settings.items():
        connection.execute(f"SET auto_explain.{name} = {value}".encode())
    name = f'it\'s "{output}"'
    connection.execute("SELECT *\nFROM customer\n\nWHERE name = %s AND id < %s", (name, 9), prepare=True)
    connection.execute('SELECT count(*) FROM "My Shop"."Order Items" i WHERE "Größe" > \'Sort\'\t')
    connection.execute("RESET auto_explain.log_min_duration")
    with log.open("rb") as file:
        file.seek(begun)
        read = find_plans(file.read().decode(), "postgresql.log")
    assert read.not_examined == ()
    plans = {plan.query: plan for plan in read.plans}
    parameterised = plans["SELECT *\nFROM customer\n\nWHERE name = $1 AND id < $2"]
    major = connection.info.server_version // 10_000
    assert (parameterised.parameters is not None) == (major >= 16)
    counted = plans['SELECT count(*) FROM "My Shop"."Order Items" i WHERE "Größe" > \'Sort\'\t'.strip()]
    assert _relations(counted) == {"Order Items"}
    assert counted.execution_ms
    assert counted.tree["Actual Rows"] == 1


def _relations(plan: ExplainedPlan) -> set[str]:
    return {cast("str", node["Relation Name"]) for node in walk(plan.tree) if "Relation Name" in node}
