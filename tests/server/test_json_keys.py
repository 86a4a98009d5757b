"""Keys of JSON columns that were replaced by parameters are found where a text still names them, or reported."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.specs.file import SpecSet
from analyzer.workflows.propose import Proposed, propose
from analyzer.workload.parse import parse_statements
from tests.server.capture_zoo import new_database, run

OBJECTS = (
    "CREATE EXTENSION pg_stat_statements",
    """CREATE TABLE item AS
       SELECT i AS id, jsonb_build_object('brand', 'b' || i % 9000, 'model', 'm' || i % 3, 'size', i) AS props,
              jsonb_build_object('a', jsonb_build_object('b', i)) AS deep
         FROM generate_series(1, 40000) AS i""",
    "ANALYZE",
)
BY_KEY = "SELECT id FROM item WHERE props ->> 'brand' = 'b77'"


@pytest.fixture
def url(any_server: str) -> Iterator[str]:
    with new_database(any_server) as database:
        with connect(database, autocommit=True) as connection:
            for statement in OBJECTS:
                run(connection, statement)
        yield database


def recorded(url: str, *statements: str, before: tuple[str, ...] = ()) -> Snapshot:
    with connect(url, autocommit=True) as connection:
        for statement in (*before, "SELECT pg_stat_statements_reset()", *statements):
            run(connection, statement)
    snapshot = capture(url, allow_superuser=True)
    kept = tuple(entry for entry in snapshot.statements if "reset" not in entry.query)
    return snapshot.model_copy(update={"statements": kept})


def proposed(snapshot: Snapshot) -> Proposed:
    return propose(snapshot, parse_statements(snapshot), SpecSet(specs=()))


def definitions(found: Proposed) -> list[str]:
    return [proposal.ddl.partition(" USING ")[2] for proposal in found.document.proposals]


def unknown(found: Proposed) -> list[str]:
    return [gap.reason for gap in found.document.not_examined if "keys of" in gap.reason]


def test_nothing_names_the_key(url: str) -> None:
    found = proposed(recorded(url, BY_KEY))
    assert definitions(found) == []
    (reason,) = unknown(found)
    assert "conditions on keys of props" in reason
    assert found.document.share_not_examined == 0  # it is planned


def test_a_function_names_it(url: str) -> None:
    body = (
        "CREATE FUNCTION of_brand(b text) RETURNS SETOF item LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN QUERY SELECT * FROM item WHERE props ->> 'brand' = b; END $$"
    )
    found = proposed(recorded(url, BY_KEY, before=(body,)))
    assert definitions(found) == ["btree ((props ->> 'brand'))"]
    assert unknown(found) == []


def test_a_view_names_it(url: str) -> None:
    view = "CREATE VIEW brand AS SELECT props ->> 'brand' AS brand, props ->> 'model' AS model FROM item"
    found = proposed(recorded(url, BY_KEY, before=(view,)))
    assert "btree ((props ->> 'brand'))" in definitions(found)


def test_an_index_names_it(url: str) -> None:
    index = "CREATE INDEX partial ON item ((props ->> 'brand')) WHERE id < 10"
    assert definitions(proposed(recorded(url, BY_KEY, before=(index,)))) == ["btree ((props ->> 'brand'))"]


def test_another_statement_keeps_it(url: str) -> None:
    grouped = "SELECT props ->> 'brand', count(*) FROM item GROUP BY props ->> 'brand'"
    found = proposed(recorded(url, *[BY_KEY] * 20, grouped))
    assert "btree ((props ->> 'brand'))" in definitions(found)


@pytest.mark.parametrize("cast", ["", "::text"])
def test_a_subscript_is_a_key_as_well(url: str, cast: str) -> None:
    by_subscript = f"SELECT id FROM item WHERE props['brand'{cast}] = '\"b77\"'"
    (reason,) = unknown(proposed(recorded(url, by_subscript)))
    assert "conditions on keys of props" in reason
    view = "CREATE VIEW brand AS SELECT props['brand'] AS brand, ARRAY['x'] AS a, (ARRAY[id, 2])[1:1] AS b FROM item"
    found = proposed(recorded(url, by_subscript, "SELECT ARRAY[id] FROM item WHERE id = 5", before=(view,)))
    assert "btree ((props['brand']))" in definitions(found)
    assert unknown(found) == []


def test_a_path_of_two_keys(url: str) -> None:
    view = "CREATE VIEW b AS SELECT (deep -> 'a' ->> 'b')::int AS b FROM item"
    found = proposed(recorded(url, "SELECT id FROM item WHERE (deep -> 'a' ->> 'b')::int = 5", before=(view,)))
    assert len(definitions(found)) == 1
    assert unknown(found) == []
