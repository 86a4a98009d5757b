"""Recorded statements that are long, wide or deep, among ordinary ones: those still get their proposals."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from analyzer.advise.proposal import Advice, propose
from analyzer.capture.capture import capture
from analyzer.documents.measured import StatementCounters
from analyzer.documents.snapshot import Snapshot, load
from analyzer.twin.twin import open_twin
from analyzer.workload.parse import parse_statements
from tests.conftest import fresh_database

SCHEMA = """
CREATE TABLE part (id integer PRIMARY KEY, maker integer, label text, price numeric);
INSERT INTO part SELECT i, i % 20000, 'label ' || i, i FROM generate_series(1, 60000) AS i;
CREATE TABLE wide (id integer PRIMARY KEY, %s);
INSERT INTO wide (id) SELECT i FROM generate_series(1, 5000) AS i;
VACUUM ANALYZE
"""
WIDTH = 1000
GOOD = "SELECT label FROM part WHERE maker = $1"


def chain(operator: str, count: int, term: str = "maker = {}") -> str:
    return operator.join(term.format(f"${number}") for number in range(1, count + 1))


#: Ordinary tools write these: they must be planned.
PLANNED = {
    "OR": f"SELECT id FROM part WHERE {chain(' OR ', 1000)}",
    "AND": f"SELECT id FROM part WHERE {chain(' AND ', 1000, 'price <> {}::numeric')}",
    "||": f"SELECT {chain(' || ', 1000, '{}::text')} FROM part LIMIT 3",
    "+": f"SELECT {chain(' + ', 1000, '{}::integer')} FROM part",
    "UNION ALL": " UNION ALL ".join(["SELECT id FROM part WHERE maker = $1"] * 1000),
    "IN": f"SELECT label FROM part WHERE id IN ({chain(', ', 20_000, '{}')})",
    "WITH": "WITH q0 AS (SELECT id FROM part)"
    + "".join(f", q{n} AS (SELECT id FROM q{n - 1} UNION ALL SELECT id FROM q{n - 1})" for n in range(1, 9))
    + " SELECT * FROM q8",
    "columns": "SELECT id FROM wide WHERE " + " AND ".join(f"c{n} = ${n}" for n in range(1, WIDTH + 1)),
}
#: What becomes of these is PostgreSQL's to say, or ours to refuse.
HOSTILE = {
    "sum": "SELECT 1" + " + 1" * 200_000,
    "brackets": "SELECT " + "(" * 100_000 + "1" + ")" * 100_000,
    "types": "SELECT " + "ARRAY[" * 60 + "1" + "]" * 60,
    "signs": "SELECT " + "+" * 30_000 + "1",
    "joins": "SELECT * FROM part p0" + "".join(f" JOIN part p{n} USING (id)" for n in range(1, 300)),
    "parameter": "SELECT id FROM part WHERE id = $" + "9" * 5000,
    "empty": ";",
}


def recorded(query: str, number: int, calls: int = 100) -> StatementCounters:
    return StatementCounters(
        queryid=str(number), query=query, calls=calls, total_ms=calls, mean_ms=1, stddev_ms=0, rows=100,
        shared_blocks_hit=0, shared_blocks_read=0, temp_blocks=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def parts(server: str) -> Iterator[Snapshot]:
    """Capture a table of parts and a wide one."""
    with fresh_database(server) as url, psycopg.connect(url, autocommit=True) as connection:
        columns = ", ".join(f"c{number} integer DEFAULT {number}" for number in range(1, WIDTH + 1))
        for statement in SCHEMA.replace("%s", columns).split(";\n"):
            connection.execute(statement.encode())
        yield capture(url, statements=False)


def advise(parts: Snapshot, *queries: str) -> Advice:
    listed = tuple(recorded(query, number) for number, query in enumerate(queries))
    snapshot = parts.model_copy(update={"statements": (*listed, recorded(GOOD, len(queries), 1_000_000))})
    workload = parse_statements(snapshot)
    with open_twin(snapshot) as twin:
        return propose(twin, workload)


def proposed(advice: Advice) -> list[tuple[str, ...]]:
    return [proposal.built.index.columns for proposal in advice.proposals]


@pytest.mark.parametrize("name", PLANNED)
@pytest.mark.slow
def test_what_tools_write_is_planned_however_long(parts: Snapshot, name: str) -> None:
    advice = advise(parts, PLANNED[name])
    assert [each.cost_before is not None for each in advice.statements] == [True, True]
    assert ("maker",) in proposed(advice)


def test_hostile_statements_cost_no_other_statement_its_proposal(parts: Snapshot) -> None:
    advice = advise(parts, *HOSTILE.values())
    assert ("maker",) in proposed(advice)
    planned = {each.statement.queryid for each in advice.statements if each.cost_before is not None}
    assert str(len(HOSTILE)) in planned
    told = " ".join(f"{gap.what}: {gap.reason}" for gap in advice.not_examined)
    assert "more than 250,000 words" in told
    assert "of the recorded time" in told


def test_a_table_that_cannot_be_read_costs_no_other_its_proposals(parts: Snapshot, tmp_path: Path) -> None:
    counted = parts.model_copy(update={"statements": (recorded(GOOD, 1), recorded("SELECT id FROM wide", 2))})
    document = json.loads(counted.model_dump_json())
    for relation in document["relations"]:
        if relation["name"] == "wide":
            relation["size_bytes"] = 10**15
    path = tmp_path / "bad"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    snapshot = load(path)
    with open_twin(snapshot) as twin:
        advice = propose(twin, parse_statements(snapshot))
    assert proposed(advice) == [("maker",)]
    assert "size_bytes is out of range" in " ".join(gap.reason for gap in advice.not_examined)
