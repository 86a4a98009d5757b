"""GIN indexes of operator classes that users make of PostgreSQL's own functions."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import as_role, new_database, run
from tests.server.live_plans import Live, assert_same, live_database

_CLASS = """CREATE OPERATOR CLASS {name} FOR TYPE {type} USING gin AS
    OPERATOR 1 &&({of}), OPERATOR 2 @>({of}), OPERATOR 3 <@({of}), OPERATOR 4 =({of}),
    FUNCTION 1 {compare}, FUNCTION 2 ginarrayextract(anyarray, internal),
    FUNCTION 3 ginqueryarrayextract(anyarray, internal, smallint, internal, internal, internal, internal),
    FUNCTION 4 ginarrayconsistent(internal, smallint, anyarray, integer, internal, internal, internal, internal),
    STORAGE {element}"""
_UUIDS = "ARRAY[md5((i % 700)::text)::uuid, md5((i % 900)::text)::uuid]"
OBJECTS = (
    _CLASS.format(
        name="any_uuids", type="uuid[]", of="anyarray, anyarray", compare="uuid_cmp(uuid, uuid)", element="uuid"
    ),
    _CLASS.format(
        name="any_numbers", type="integer[]", of="anyarray, anyarray", compare="btint4cmp(integer, integer)",
        element="integer",
    ),
    "CREATE TABLE item (id integer PRIMARY KEY, own uuid[], usual uuid[], numbers integer[])",
    f"INSERT INTO item SELECT i, {_UUIDS}, {_UUIDS}, ARRAY[i, i % 300] FROM generate_series(1, 8000) AS i",
    "CREATE INDEX item_own ON item USING gin (own any_uuids)",
    "CREATE INDEX item_usual ON item USING gin (usual array_ops)",
    "CREATE INDEX item_numbers ON item USING gin (numbers any_numbers)",
    "VACUUM ANALYZE item",
)  # fmt: skip
_UUID = "ARRAY['c4ca4238-a0b9-2382-0dcc-509a6f75849b']::uuid[]"
STATEMENTS = (
    f"SELECT * FROM item WHERE own @> {_UUID}",
    f"SELECT * FROM item WHERE usual @> {_UUID}",
    "SELECT * FROM item WHERE own && $1",
    "SELECT * FROM item WHERE numbers @> ARRAY[7]",
    "SELECT count(*) FROM item WHERE numbers @> ARRAY[7, 77] AND own && $1",
)


@pytest.fixture(scope="module")
def live(any_server: str) -> Iterator[Live]:
    with live_database(any_server, OBJECTS) as database:
        yield database


@pytest.fixture(scope="module")
def twin(live: Live) -> Iterator[Twin]:
    with open_twin(capture(as_role(live.url, live.role), statements=False)) as opened:
        yield opened


def test_they_are_planned_as_there(live: Live, twin: Twin) -> None:
    assert lacking(twin) == ()
    for statement in STATEMENTS:
        assert_same(twin.plan(statement), live.plan(statement))


def test_one_without_operators_is_named(any_server: str) -> None:
    operators = "OPERATOR 1 &&({of}), OPERATOR 2 @>({of}), OPERATOR 3 <@({of}), OPERATOR 4 =({of}),"
    bare = _CLASS.replace(operators, "")
    with new_database(any_server) as url:
        with connect(url, autocommit=True) as connection:
            run(connection, bare.format(name="bare", type="uuid[]", compare="uuid_cmp(uuid, uuid)", element="uuid"))
            run(connection, "CREATE TABLE item (ids uuid[])")
            run(connection, "CREATE INDEX item_ids ON item USING gin (ids bare)")
        (gap,) = capture(url, statements=False).not_examined
        assert gap.what == "page counts of index public.item_ids"
