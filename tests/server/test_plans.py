"""From a plan that somebody pasted into a ticket to a proposal, in one command."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analyzer.capture.capture import capture
from analyzer.documents.snapshot import Snapshot, dump
from analyzer.twin.twin import open_twin
from analyzer.workflows.plans import describe_plans
from analyzer.workload.parse import Statement
from analyzer.workload.plan_files import find_plans
from analyzer.workload.plan_findings import facts
from analyzer.workload.plan_statements import PlannedWorkload, match_plans
from tests.acceptance.command_line import twindex
from tests.acceptance.document_schema import follows
from tests.conftest import fresh_database
from tests.server.explained import SCHEMA

ITEMS = '"My Shop"."Order Items"'


@pytest.fixture(scope="module")
def url(any_server: str) -> Iterator[str]:
    """URL of a database with the tables of the cases, and with what makes estimates fail."""
    with fresh_database(any_server) as found, psycopg.connect(found, autocommit=True) as connection:
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement.encode())
        connection.execute("CREATE TABLE wide AS SELECT i, i % 100 AS a, i % 100 AS b FROM generate_series(1, 40000) i")
        connection.execute("CREATE INDEX ON wide (a) WHERE b > 50")
        rows = "SELECT i, i % 100 AS a FROM generate_series(1, 40000) i"
        connection.execute(f"CREATE TABLE sparse WITH (fillfactor = 10) AS {rows}".encode())
        connection.execute("CREATE INDEX ON sparse (a)")
        connection.execute("VACUUM ANALYZE wide, sparse")
        connection.execute("""CREATE TYPE "My Shop".state AS ENUM ('new', 'sent')""")
        states = """(CASE WHEN i % 500 = 0 THEN 'new' ELSE 'sent' END)::"My Shop".state AS state"""
        connection.execute(
            f'CREATE TABLE "My Shop".parcel AS SELECT i, {states} FROM generate_series(1, 20000) i'.encode()
        )
        connection.execute('ANALYZE "My Shop".parcel')
        yield found


@pytest.fixture(scope="module")
def snapshot(url: str) -> Snapshot:
    """That database, captured."""
    return capture(url, statements=False, allow_superuser=True)


def explained(url: str, sql: str, options: str = "ANALYZE, BUFFERS", **settings: str) -> str:
    """Return a plan as psql prints it."""
    with psycopg.connect(url) as connection:
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        lines = [row[0] for row in connection.execute(f"EXPLAIN ({options}) {sql}".encode()).fetchall()]
        connection.rollback()
    width = max(map(len, lines)) + 2
    body = [f" {line}" for line in lines]
    return "\n".join(["QUERY PLAN".center(width), "-" * width, *body, f"({len(lines)} rows)", ""])


def matched(text: str, snapshot: Snapshot) -> PlannedWorkload:
    return match_plans(find_plans(text, "ticket.txt"), snapshot)


def test_a_ticket_becomes_a_proposal_in_one_command(url: str, snapshot: Snapshot, tmp_path: Path) -> None:
    dump(snapshot, tmp_path / "prod.snapshot")
    join = f"{ITEMS} i JOIN customer c ON c.id = i.customer"
    sql = f"SELECT i.id FROM {join} WHERE i.\"Größe\" = 'g7' AND c.name = 'customer 7'"
    plan = explained(url, sql)
    (tmp_path / "ticket.txt").write_text(f"Hello,\nthis is slow since Monday:\n\n{plan}\nThanks!\n")
    said = twindex("whatif", "prod.snapshot", "--plans", "ticket.txt", "--format", "json", cwd=tmp_path)
    assert (said.status, said.err) == (0, "")
    document = json.loads(said.out)
    follows(document, "whatif")
    assert document["proposals"]
    assert document["total_after"] < document["total_before"] / 2
    (statement,) = document["statements"]
    (given,) = document["plans"]
    assert given["origin"] == "derived"
    (derived,) = given["statements"]
    assert derived["id"] == statement["id"]
    assert derived["derived_from"].startswith("the join of ")
    assert "filtered" in {finding["kind"] for finding in given["findings"]}
    proposed = twindex("propose", "prod.snapshot", "--plans", "ticket.txt", "--format", "json", cwd=tmp_path)
    assert [each["ddl"] for each in json.loads(proposed.out)["proposals"]] == [
        each["ddl"] for each in document["proposals"]
    ]
    assert json.loads(proposed.out)["plans"] == document["plans"]
    follows(json.loads(proposed.out), "propose")
    hidden = twindex(
        "whatif", "prod.snapshot", "--plans", "ticket.txt", "--query-text", "hash", "-o", "a.json", "-o", "a.md",
        "-o", "a.txt", cwd=tmp_path,
    )  # fmt: skip
    assert hidden.status == 0
    for name in ("a.json", "a.md", "a.txt"):
        assert "customer 7" not in (tmp_path / name).read_text()
        assert "g7" not in (tmp_path / name).read_text()


def test_a_plan_names_types_as_its_session_saw_them(url: str, snapshot: Snapshot, tmp_path: Path) -> None:
    dump(snapshot, tmp_path / "prod.snapshot")
    plan = explained(url, "SELECT * FROM parcel WHERE state = 'new'", search_path='"My Shop"')
    assert "'new'::state" in plan
    (tmp_path / "ticket.txt").write_text(plan)
    said = twindex("whatif", "prod.snapshot", "--plans", "ticket.txt", "--format", "json", cwd=tmp_path)
    assert said.status == 0
    document = json.loads(said.out)
    assert document["statements"][0]["error"] is None
    assert document["proposals"]


def test_nothing_that_can_be_planned_is_exit_status_3(snapshot: Snapshot, tmp_path: Path) -> None:
    dump(snapshot, tmp_path / "prod.snapshot")
    (tmp_path / "q.sql").write_text("SELECT * FROM absent;")
    said = twindex("whatif", "prod.snapshot", "-q", "q.sql", cwd=tmp_path)
    assert said.status == 3
    assert said.err.startswith("twindex: none of the statements could be planned: the planner rejects it")
    assert said.out.startswith("No statement was planned\n")
    assert "withheld" not in said.out


def test_the_input_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text("It is slow.")
    said = twindex("whatif", "x", "--plans", "prose.txt", cwd=tmp_path)
    assert said.status == 2
    assert said.complaint == (
        "prose.txt contains no plan that can be read (prose.txt: it contains no plan); give the output of EXPLAIN"
    )
    assert "cannot be used together" in twindex("whatif", "x", "--plans", "a", "-q", "b", cwd=tmp_path).complaint
    assert (
        "cannot be used together" in twindex("propose", "x", "--plans", "a", "--workload", "b", cwd=tmp_path).complaint
    )


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM {ITEMS} WHERE \"Größe\" = 'g7' AND amount BETWEEN 3 AND 5",
        f"SELECT * FROM {ITEMS} AS i WHERE i.customer = 7 AND (i.amount > 3 OR i.\"Größe\" ~ 'g(7)')",
        f'SELECT * FROM {ITEMS} ORDER BY "Größe" DESC NULLS LAST, lower("Größe") LIMIT 7',
        f"SELECT * FROM {ITEMS} i JOIN customer c ON c.id = i.customer WHERE c.id < 3 AND i.id > 5 ORDER BY i.amount",
        f'SELECT * FROM {ITEMS} i JOIN customer c ON c.id = i.customer AND c.name <> i."Größe"',
        "SELECT * FROM event WHERE at BETWEEN '2026-01-30' AND '2026-02-03' ORDER BY kind",
        "SELECT * FROM event e WHERE at = '2026-02-03' AND kind = 'k1'",
        "SELECT * FROM event_2 WHERE at = '2026-02-03' AND kind = 'k1'",
        "SELECT * FROM event e JOIN customer c ON e.id = c.id WHERE e.kind = 'k1' AND c.name = 'x'",
        "SELECT * FROM wide WHERE a = 3 AND b > 50",
        "SELECT * FROM customer a, child b, child c WHERE a.id = b.parent AND b.id = c.id AND a.name = 'customer 3'",
        "SELECT * FROM customer WHERE name = ANY ('{a,b}') AND tags @> '{b1}' AND id IS NOT NULL",
    ],
)
def test_the_derived_statement_has_the_plan_it_is_derived_from(url: str, snapshot: Snapshot, sql: str) -> None:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"EXPLAIN (FORMAT JSON) {sql}".encode()).fetchone()
    assert row is not None
    found = matched(explained(url, sql, "COSTS ON"), snapshot)
    assert found.workload.not_examined == ()
    (statement,) = found.workload.statements
    with open_twin(snapshot) as twin:
        planned = twin.plan(statement.plannable)
    expected: dict[str, Any] = row[0][0]["Plan"]
    assert planned.tree["Node Type"] == expected["Node Type"]
    assert planned.cost == pytest.approx(expected["Total Cost"], rel=0.001)


@pytest.mark.parametrize(
    ("sql", "texts"),
    [
        (  # an aggregate ends a block, and its sort is none of the scan's
            "SELECT kind, count(*) FROM event WHERE kind > 'k1' GROUP BY kind ORDER BY count(*)",
            ["SELECT event FROM public.event AS event WHERE (kind > 'k1'::text)"],
        ),
        (
            "SELECT (SELECT name FROM customer WHERE id = c.id) FROM child c WHERE parent > 690",
            [
                "SELECT c FROM public.child AS c WHERE (parent > 690)",
                "SELECT customer FROM public.customer AS customer WHERE (id = $1)",
            ],
        ),
        (
            "SELECT * FROM child WHERE parent = (SELECT min(id) FROM customer WHERE name > 'x')",
            [
                "SELECT child FROM public.child AS child WHERE (parent = $1)",
                "SELECT customer FROM public.customer AS customer WHERE (name > 'x'::text)",
            ],
        ),
        ("SELECT * FROM customer", []),
        ("SELECT 1", []),
    ],
)
def test_each_part_of_a_plan_has_a_statement_of_its_own(
    url: str, snapshot: Snapshot, sql: str, texts: list[str]
) -> None:
    found = matched(explained(url, sql, "COSTS ON"), snapshot)
    written = [" ".join(each.text.split()) for each in found.workload.statements]
    assert sorted(written) == sorted(texts)
    assert bool(found.workload.not_examined) == (not texts)


def test_statements_are_found_by_text_then_by_queryid(url: str) -> None:
    sql = "SELECT name FROM customer WHERE id = 7"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute(sql.encode())
    snapshot = capture(url, allow_superuser=True)
    plan = explained(url, sql, "VERBOSE")
    assert "Query Identifier" in plan
    known = matched(plan, snapshot)
    assert [each.origin for each in known.plans] == ["queryid"]
    (statement,) = known.workload.statements
    assert statement.text == "SELECT name FROM customer WHERE id = $1"
    assert statement.calls == 1
    written = matched(f"EXPLAIN (VERBOSE) {sql};\n{plan}{plan}", snapshot)
    assert [each.origin for each in written.plans] == ["text", "queryid"]
    (statement,) = written.workload.statements
    assert (statement.calls, isinstance(statement, Statement)) == (2, True)


def kinds(text: str) -> dict[str, str]:
    (plan,) = find_plans(text, "x").plans
    return {each.kind: f"{each.node} | {each.condition}" for each in facts(plan.tree)}


def test_what_an_executed_plan_shows(url: str) -> None:
    estimated = kinds(explained(url, "SELECT * FROM wide WHERE a = 3 AND b = 3"))
    assert estimated["misestimate"] == "Seq Scan on wide | ((a = 3) AND (b = 3))"
    assert estimated["filtered"] == "Seq Scan on wide | ((a = 3) AND (b = 3))"
    sorted_ = kinds(explained(url, "SELECT * FROM wide ORDER BY b, i", work_mem="64kB"))
    assert sorted_ == {"spill": "Sort | b, i"}
    hashed = kinds(
        explained(url, "SELECT * FROM wide x JOIN wide y USING (i)", work_mem="64kB", enable_mergejoin="off")
    )
    assert hashed["spill"].startswith("Hash")
    lossy = kinds(
        explained(
            url, "SELECT i FROM sparse WHERE a < 50", work_mem="64kB", enable_seqscan="off", enable_indexscan="off"
        )
    )
    assert lossy["lossy"] == "Bitmap Heap Scan on sparse | (a < 50)"
    assert kinds(explained(url, "SELECT * FROM wide WHERE a < 50 LIMIT 1")) == {}
    assert kinds(explained(url, "SELECT * FROM wide WHERE a = 3 AND b = 3", "COSTS ON")) == {}


def test_a_plan_that_the_twin_does_not_choose_is_named_with_the_first_difference(url: str, snapshot: Snapshot) -> None:
    sql = f"SELECT amount FROM {ITEMS} WHERE customer = 7"
    usual = f"EXPLAIN {sql};\n{explained(url, sql, 'COSTS ON')}"
    listed = f"EXPLAIN {sql};\n{explained(url, sql, 'SETTINGS', enable_bitmapscan='off', enable_indexscan='off')}"
    silent = f"EXPLAIN {sql};\n{explained(url, sql, 'COSTS ON', enable_bitmapscan='off')}"
    found = matched(usual + listed + silent + explained(url, sql), snapshot)
    with open_twin(snapshot) as twin:
        given = describe_plans(twin, found.plans, lambda _: None)
        again = twin.plan(f"{sql} AND amount > 3")
    assert [each.reproduced for each in given] == [True, True, False, None]
    assert given[3].not_compared == "the text of its statement is unknown"
    (difference,) = given[2].findings
    assert (difference.kind, difference.node) == ("not reproduced", "Index Scan using By customer on Order Items")
    assert difference.twin_node == "Bitmap Heap Scan on Order Items"
    assert "Bitmap Heap Scan" in str(again.tree), "the settings of a plan are gone after it"


def test_the_values_of_auto_explain_are_used_to_compare(url: str, snapshot: Snapshot) -> None:
    sql = f"SELECT count(*) FROM {ITEMS} WHERE customer = $1"
    plan = explained(url, sql.replace("$1", "7"), "COSTS ON").split("\n")[2:-2]
    logged = ["LOG:  duration: 1.5 ms  plan:", f"\tQuery Text: {sql}"]
    with_values = [*logged, "\tQuery Parameters: $1 = '7'", *(f"\t{line[1:]}" for line in plan)]
    without = [*logged, *(f"\t{line[1:]}" for line in plan)]
    found = matched("\n".join([*with_values, *without]), snapshot)
    with open_twin(snapshot) as twin:
        given = describe_plans(twin, found.plans, lambda _: None)
    assert [each.reproduced for each in given] == [True, None]
    assert given[1].not_compared == "the values of its parameters are unknown"
    assert [each.execution_ms for each in given] == [1.5, 1.5]


def test_a_table_that_several_schemas_have_is_not_guessed(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for schema in ("one", "two"):
            connection.execute(f"CREATE SCHEMA {schema}".encode())
            connection.execute(f"CREATE TABLE {schema}.twice (a integer)".encode())
        try:
            snapshot = capture(url, statements=False, allow_superuser=True)
        finally:
            connection.execute("DROP SCHEMA one, two CASCADE")
    plan = "Seq Scan on twice  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = 3)\n"
    found = matched(plan, snapshot)
    assert found.workload.statements == ()
    reasons = {gap.what: gap.reason for gap in found.workload.not_examined}
    assert "several schemas have a table of this name (one, two)" in reasons["the scan of twice in ticket.txt:1"]
    (statement,) = matched(plan.replace("on twice", "on two.twice"), snapshot).workload.statements
    assert "FROM two.twice" in statement.text


def test_settings_of_a_plan_end_with_it(snapshot: Snapshot) -> None:
    bare = snapshot.model_copy(update={"settings": {}})
    statement = "SELECT * FROM wide WHERE a = 1 AND b > 60"
    with open_twin(bare) as twin:
        before = twin.plan(statement)
        under = twin.plan_under(
            {"random_page_cost": "1000", "seq_page_cost": "50", "search_path": "nowhere"}, statement
        )
        assert under.cost > before.cost
        assert twin.plan(statement).cost == before.cost
