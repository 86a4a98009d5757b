"""contrib's bloom, end to end: sizes and plans of the twin are those of a server that has built the index."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from analyzer.advise.candidates import candidates
from analyzer.capture.capture import capture
from analyzer.cli import cli
from analyzer.documents.snapshot import Snapshot, dump
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.specs.file import load_specs
from analyzer.specs.pull import pull
from analyzer.twin.hypothetical.explain import PlanTree
from analyzer.twin.predict.index_size import predict_size
from analyzer.twin.twin import open_twin
from analyzer.workload.parse import parse_file
from analyzer.workload.shapes import shapes
from tests.operator_classes import of_extensions
from tests.server.capture_zoo import new_database
from tests.server.servers import VERSIONS, server_of

SETUP = """
CREATE EXTENSION bloom;
CREATE TABLE item (id integer PRIMARY KEY, kind text, made integer, seller integer, note varchar(40), flag boolean,
                   pad text);
INSERT INTO item SELECT i, 'k' || i % 900, i % 4000, i % 7000, CASE WHEN i % 3 = 0 THEN 'n' || i % 500 END, i % 10 = 0,
                        repeat('x', 100)
FROM generate_series(1, 60000) AS i;
VACUUM ANALYZE item
"""
COLUMNS = ("kind", "made", "seller", "note")
QUERIES = (
    "SELECT id FROM item WHERE kind = 'k7' AND seller = 3",
    "SELECT count(*) FROM item WHERE note = 'n3' AND made = 3 AND kind = 'k3'",
    "SELECT id FROM item WHERE seller = 12",
    "SELECT id FROM item WHERE made < 3",
    "SELECT id FROM item WHERE flag AND kind = 'k7' AND seller = 30",
)


def bloom(*columns: str, where: str | None = None, **parameters: str) -> IndexDef:
    return IndexDef(
        schema="public", table="item", name="ix_bloom", method="bloom", where=where,
        keys=tuple(Key(column=column) for column in columns), parameters=tuple(parameters.items()),
    )  # fmt: skip


@pytest.fixture(scope="module", params=VERSIONS)
def loaded(request: pytest.FixtureRequest) -> Iterator[tuple[str, Snapshot]]:
    with server_of(request) as server, new_database(server) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in SETUP.split(";\n"):
                connection.execute(statement.encode())
        yield url, capture(url, statements=False)


def real(url: str, index: IndexDef) -> tuple[int, list[PlanTree]]:
    """Build it for real: its pages, and the plans of the queries with it."""
    with psycopg.connect(url) as connection:
        connection.execute(index.ddl().encode())
        row = connection.execute("SELECT pg_relation_size('ix_bloom')").fetchone()
        assert row is not None
        plans: list[PlanTree] = []
        for query in QUERIES:
            found = connection.execute(b"EXPLAIN (FORMAT JSON) " + query.encode()).fetchone()
            assert found is not None
            plans.append(found[0][0]["Plan"])
        connection.rollback()
    return row[0] // BLOCK_BYTES, plans


def scanned(plan: PlanTree) -> bool:
    return plan["Node Type"] == "Bitmap Index Scan" or any(scanned(each) for each in plan.get("Plans", ()))


@pytest.mark.parametrize(
    "index",
    [
        bloom("kind"),
        bloom(*COLUMNS),
        bloom(*COLUMNS, length="200", col1="4", col4="8"),
        bloom("made", "seller", length="81"),
        bloom("kind", length="4096"),
    ],
    ids=lambda index: str(index.parameters or index.columns),
)
def test_its_size_is_the_servers(loaded: tuple[str, Snapshot], index: IndexDef) -> None:
    url, snapshot = loaded
    assert predict_size(index, snapshot).pages == pytest.approx(real(url, index)[0], rel=0.01)


@pytest.mark.parametrize(
    "index", [bloom(*COLUMNS), bloom(*COLUMNS, length="48"), bloom("kind", "seller", where="flag")]
)
def test_the_twin_plans_with_it_as_the_server_does(loaded: tuple[str, Snapshot], index: IndexDef) -> None:
    url, snapshot = loaded
    _, expected = real(url, index)
    with open_twin(snapshot) as twin:
        twin.show(twin.add([index]))
        found = [twin.plan(query, generic=False) for query in QUERIES]
    assert any(map(scanned, expected)), "the planner has a use for it"
    # How many rows a predicate keeps is an estimate from a sample.
    within = 1e-6 if index.where is None else 0.1
    for plan, live in zip(found, expected, strict=True):
        assert plan.cost == pytest.approx(live["Total Cost"], rel=within)
        assert scanned(plan.tree) == scanned(live)


def test_a_person_tries_it_by_hand(loaded: tuple[str, Snapshot], tmp_path: Path) -> None:
    _, snapshot = loaded
    dump(snapshot, tmp_path / "snapshot.json.gz")
    (tmp_path / "q.sql").write_text(QUERIES[0])
    create = "CREATE INDEX ON item USING bloom (kind, seller) WITH (length = 160, col1 = 4)"
    arguments = ["whatif", str(tmp_path / "snapshot.json.gz"), "-q", str(tmp_path / "q.sql"), "--create", create]
    answer = CliRunner().invoke(cli, [*arguments, "--format", "json"])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert told["total_after"] < told["total_before"]


def test_an_index_that_exists_is_pulled_planned_and_known(loaded: tuple[str, Snapshot], tmp_path: Path) -> None:
    url, _ = loaded
    index = bloom("kind", "seller", length="160", col1="4")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(index.ddl().encode())
        try:
            snapshot = capture(url, statements=False)
        finally:
            connection.execute("DROP INDEX ix_bloom")
    pull(snapshot, tmp_path)
    (declared,) = load_specs(tmp_path).specs
    assert declared.spec.definition("public", "item", None) == index
    with open_twin(snapshot) as twin:
        assert scanned(twin.plan(QUERIES[0], generic=False).tree)
        assert twin.canonical(index) == index
    found, _ = shapes(parse_file(QUERIES[0]).statements, snapshot)
    assert candidates(found, snapshot, of_extensions()), "what exists is compared with what is drafted"
