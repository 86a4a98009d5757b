"""One cost of a statement: propose, whatif and verify give the same answer to the same question."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
import pytest

from analyzer.advise.declared import Declared
from analyzer.advise.limits import Limits
from analyzer.advise.proposal import propose
from analyzer.advise.whatif import try_indexes
from analyzer.capture.capture import capture
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.twin import open_twin
from analyzer.workflows.verify import verify
from analyzer.workload.parse import parse_statements

SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE item (id integer PRIMARY KEY, made integer, kind integer, note text);
INSERT INTO item SELECT i, (i * 7919) % 30000, i % 600, repeat('x', 150) FROM generate_series(1, 30000) AS i;
CREATE TABLE line (id integer PRIMARY KEY, item_id integer NOT NULL REFERENCES item, note text);
INSERT INTO line SELECT i, i % 29000 + 1, repeat('y', 100) FROM generate_series(1, 60000) AS i;
VACUUM ANALYZE;
SELECT pg_stat_statements_reset()
"""
NEWEST = "SELECT id FROM item WHERE kind = $1 ORDER BY made LIMIT $2"
DELETE = "DELETE FROM item WHERE id = $1"
BY_KEY = "SELECT note FROM item WHERE id = $1"
#: One that a LIMIT makes look cheap, one that only foreign-key triggers use.
INDEXES = tuple(
    IndexDef(schema="public", table=table, name=f"ix_{table}", keys=(Key(column=column),))
    for table, column in (("item", "made"), ("line", "item_id"))
)

Costs = Mapping[str, tuple[float | None, float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """By the text of a statement: its cost without and with the indexes."""

    propose: Costs
    whatif: Costs
    verify: Costs
    #: Total cost of EXPLAIN, as whatif shows it.
    planner: Costs


def work(url: str, first: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(first, first + 6):
            connection.execute("SELECT id FROM item WHERE kind = %s ORDER BY made LIMIT %s", (number, 10))
            connection.execute("DELETE FROM item WHERE id = %s", (29500 + number,))
            connection.execute("SELECT note FROM item WHERE id = %s", (number,))


@pytest.fixture
def answers(database: str) -> Answers:
    """Ask for what a server recorded, with the same two indexes: declared, tried by hand, and really built since."""
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement.encode())
        work(database, 1)
        before = capture(database)
        for index in INDEXES:
            connection.execute(index.ddl().encode())
        connection.execute("SELECT pg_stat_statements_reset()")
        work(database, 10)
    declared = [Declared(index=index, state="approved", where="specs/x.yaml:3") for index in INDEXES]
    workload, few = parse_statements(before), Limits(most=1)
    with open_twin(before) as twin:
        without = propose(twin, workload, limits=few)
    with open_twin(before) as twin:
        with_them = propose(twin, workload, declared=declared, limits=few)
    with open_twin(before) as twin:
        tried = try_indexes(twin, workload.statements, create=[index.ddl() for index in INDEXES])
    report = verify(before, capture(database))
    found = {each.statement.text: each.cost_before for each in without.statements}
    return Answers(
        propose={each.statement.text: (found[each.statement.text], each.cost_before) for each in with_them.statements},
        whatif={each.text: (each.cost_before, each.cost_after) for each in tried},
        verify={each.query: (each.cost, each.cost_after) for each in report.statements},
        planner={
            each.text: (each.plan_before.cost, each.plan_after.cost)
            for each in tried
            if each.plan_before is not None and each.plan_after is not None
        },
    )


def test_the_same_question_gets_the_same_answer(answers: Answers) -> None:
    for query in (NEWEST, DELETE, BY_KEY):
        assert answers.propose[query] == pytest.approx(answers.whatif[query]), query
        assert answers.verify[query] == pytest.approx(answers.whatif[query]), query
    # Foreign-key triggers, which EXPLAIN leaves out.
    (before, after), (plan_before, plan_after) = answers.whatif[DELETE], answers.planner[DELETE]
    assert before is not None
    assert after is not None
    assert plan_before is not None
    assert plan_before == plan_after
    assert before > 100 * plan_before
    assert after < before / 50
    # A LIMIT is not believed to end a scan of an index that is only tried; the plan shows what the planner believes.
    (before, after), (_, hoped) = answers.whatif[NEWEST], answers.planner[NEWEST]
    assert before is not None
    assert after is not None
    assert hoped is not None
    assert hoped < before
    assert after > before
