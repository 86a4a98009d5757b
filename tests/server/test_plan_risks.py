"""Risks of plans that change for hardly any advantage are told, though the statement does not count as helped."""

import psycopg

from analyzer.advise.proposal import Advice, propose
from analyzer.capture.capture import capture
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.twin import Twin, TwinIndex, open_twin
from analyzer.workload.parse import parse_file

#: A bitmap of more pages than so much memory holds exactly turns lossy.
SETUP = """
CREATE TABLE wide (k integer, filler text);
INSERT INTO wide SELECT i * 7919 % 60000, repeat('x', 300) FROM generate_series(1, 60000) AS i;
VACUUM ANALYZE wide
"""
WORK_MEM_KB = "64"
FEW = "SELECT * FROM wide WHERE k = 7"


def many(most: int) -> str:
    return f"SELECT * FROM wide WHERE k < {most}"


def last_that_reads(twin: Twin, index: TwinIndex) -> int:
    """Return the largest bound up to which the planner prefers the index: it is hardly any cheaper there."""
    twin.show([index])
    low, high = 1, 60_000
    while high - low > 1:
        middle = (low + high) // 2
        if twin.plan(many(middle), generic=False).indexes:
            low = middle
        else:
            high = middle
    return low


def advise(snapshot: Snapshot, *queries: str) -> Advice:
    with open_twin(snapshot) as twin:
        return propose(twin, parse_file("; ".join(queries)))


def test_the_risks_of_a_plan_that_costs_hardly_less_are_told(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in SETUP.split(";\n"):
            connection.execute(statement.encode())
    captured = capture(database, statements=False)
    captured = captured.model_copy(update={"settings": captured.settings | {"work_mem": WORK_MEM_KB}})
    (alone,) = advise(captured, FEW).proposals
    assert alone.risks == ()
    with open_twin(captured) as twin:
        (index,) = twin.add([alone.built.index])
        most = last_that_reads(twin, index)
    (proposal,) = advise(captured, FEW, many(most)).proposals
    assert [effect.item.statement.text for effect in proposal.effects] == [FEW]
    told = {(statement.text, risk.pattern) for statement, risk in proposal.risks}
    assert told == {(many(most), "lossy")}
    # The planner leaves the index alone from there on.
    (other,) = advise(captured, FEW, many(most + 1)).proposals
    assert other.risks == ()
