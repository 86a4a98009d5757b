"""Existing indexes: which a proposal replaces, which are redundant or unused, and which stay whatever they look like."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from analyzer.advise.declared import Declared
from analyzer.advise.proposal import Advice, propose
from analyzer.advise.retirement import Retirement
from analyzer.capture.capture import capture
from analyzer.documents.measured import IndexUse, ServerCounters
from analyzer.documents.snapshot import Index, Snapshot
from analyzer.twin.twin import open_twin
from analyzer.workflows.advice import propose_document
from analyzer.workload.parse import parse_file
from tests.conftest import fresh_database

_ROWS = """CREATE TABLE {0} (
    id integer PRIMARY KEY, source_id integer NOT NULL, at timestamptz NOT NULL, kind text, value integer, note text,
    tag text NOT NULL);
INSERT INTO {0}
SELECT i, i % 500 + 1, '2026-01-01'::timestamptz + i * interval '1 minute', 'k' || i % 50, i % 977, repeat('n', 60),
       't' || i % 3000
FROM generate_series(1, 30000) AS i;"""
#: The indexes beside the key of a table of that kind, by the table's name.
TABLES = {
    "reading": "CREATE INDEX ix_reading_source ON reading (source_id);",
}
SCHEMA = f"""CREATE EXTENSION pg_stat_statements;
CREATE TABLE source (id integer PRIMARY KEY, name text);
INSERT INTO source SELECT i, 's' || i FROM generate_series(1, 500) AS i;
{" ".join(_ROWS.format(table) + more for table, more in TABLES.items())}
VACUUM ANALYZE"""


@pytest.fixture(scope="module")
def shop(server: str) -> Iterator[Snapshot]:
    """Capture tables of one kind with all sorts of indexes."""
    with fresh_database(server) as url, psycopg.connect(url, autocommit=True) as connection:
        for statement in SCHEMA.split(";"):
            connection.execute(statement.encode())
        yield capture(url, statements=False)


def aged(snapshot: Snapshot, days: float = 30, scans: Mapping[str, int | None] | None = None) -> Snapshot:
    """Return a snapshot whose counters are so old, and say so much."""
    counted = scans or {}
    since = snapshot.captured_at - timedelta(days=days)
    indexes = tuple(
        index.model_copy(update={"scans": counted.get(index.definition.name, 0)}) for index in snapshot.indexes
    )
    server = snapshot.server.model_copy(update={"stats_reset": since})
    return snapshot.model_copy(update={"indexes": indexes, "server": server})


def advise(snapshot: Snapshot, sql: str, *, declared: Sequence[Declared] = ()) -> Advice:
    with open_twin(snapshot) as twin:
        return propose(twin, parse_file(sql), declared=declared)


def retired(advice: Advice) -> dict[str, Retirement]:
    return {each.index.definition.name: each for each in advice.retirements}


def kept(advice: Advice) -> str:
    return "\n".join(f"{ddl}: {reason}" for ddl, reason in advice.not_proposed if ddl is None or ddl.startswith("DROP"))


LATEST = "SELECT * FROM reading WHERE source_id = $1 AND at >= $2 ORDER BY at LIMIT 10;"
BY_SOURCE = "SELECT count(*) FROM reading WHERE source_id = $1;"


def test_a_longer_proposal_replaces_the_index_that_it_begins_with(shop: Snapshot) -> None:
    """C8: (source_id, at) beside (source_id)."""
    snapshot = shop
    advice = advise(snapshot, LATEST + BY_SOURCE)
    (proposal,) = advice.proposals
    assert proposal.built.index.columns == ("source_id", "at")
    found = retired(advice)["ix_reading_source"]
    assert found.because == "replaced" and found.added == ("at",)
    assert [each.name for each in found.stand_ins] == [proposal.built.index.name]
    document = propose_document(advice, snapshot)
    assert document.proposals[0].extends == "ix_reading_source"
    print(document.retirements[0].model_dump_json(indent=1)[:3000])
