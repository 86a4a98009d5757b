"""Tables that are not what their statistics say: the twin follows the live planner to the last digit."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import as_role, new_database, new_role, run
from tests.server.live_plans import Live, assert_same
from tests.server.servers import VERSIONS, server_of

_FILL = "INSERT INTO {table} SELECT i, i % 500, md5(i::text), now() FROM generate_series({first}, {last}) AS i"
_SETTLE = "VACUUM ANALYZE {table}"
#: What happens to a table of id, kind, body and at, with an index on each of the first three.
DRIFTS = {
    "fresh": (_FILL, _SETTLE),
    "appended": (_FILL, _SETTLE,
                 "INSERT INTO {table} SELECT i, 7, 'new', now() FROM generate_series(20001, 22000) AS i"),
    "prepended": (_FILL, _SETTLE, "INSERT INTO {table} SELECT -i, -i, 'new', now() FROM generate_series(1, 1500) AS i"),
    "tripled": (_FILL, _SETTLE, "INSERT INTO {table} SELECT id + 20000, kind, body, at FROM {table}",
                "INSERT INTO {table} SELECT id + 40000, kind, body, at FROM {table} WHERE id <= 20000"),
    "halved": (_FILL, _SETTLE, "DELETE FROM {table} WHERE id % 2 = 0"),
    "halved_and_vacuumed": (_FILL, _SETTLE, "DELETE FROM {table} WHERE id > 10000", "VACUUM {table}"),
    "rewritten": (_FILL, _SETTLE, "DELETE FROM {table} WHERE id > 5000", "VACUUM FULL {table}"),
    "updated": (_FILL, _SETTLE, "UPDATE {table} SET kind = kind + 1000 WHERE id < 6000"),
    "never_analysed": (_FILL,),
    "analysed_never_vacuumed": (_FILL, "ANALYZE {table}"),
    "vacuumed_never_analysed": (_FILL, "VACUUM {table}"),
    "empty": (),
    "empty_and_settled": (_SETTLE,),
    "emptied": (_FILL, _SETTLE, "DELETE FROM {table}"),
    "truncated": (_FILL, _SETTLE, "TRUNCATE {table}"),
    "filled_after_analyze": (_SETTLE, _FILL),
    "one_row": ("INSERT INTO {table} VALUES (1, 1, 'x', now())",),
    "all_visible_no_more": (_FILL, _SETTLE, "UPDATE {table} SET body = body WHERE id % 40 = 0"),
}  # fmt: skip
STATEMENTS = (
    "SELECT * FROM {table}",
    "SELECT body FROM {table} WHERE id = $1",
    "SELECT id FROM {table} WHERE kind = 7",
    "SELECT count(*) FROM {table} WHERE id > 19500",
    "SELECT count(*) FROM {table} WHERE id < 0",
    "SELECT count(*) FROM {table} WHERE kind > 499",
    "SELECT id FROM {table} ORDER BY id DESC LIMIT 10",
    "SELECT id FROM {table} WHERE body LIKE 'abc%'",
    "SELECT count(*) FROM {table} AS a JOIN {table} AS b ON a.id = b.kind",
    "SELECT min(kind), max(id) FROM {table}",
    "UPDATE {table} SET body = 'x' WHERE kind BETWEEN 10 AND 12",
)


@pytest.fixture(scope="module", params=VERSIONS)
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    memberships = ("pg_read_all_data", "pg_write_all_data")
    with server_of(request) as server, new_database(server) as url, new_role(url, *memberships) as role:
        with connect(url, autocommit=True) as connection:
            for table, steps in DRIFTS.items():
                run(connection, f"CREATE TABLE {table} (id integer, kind integer, body text, at timestamptz)")
                run(connection, f"CREATE UNIQUE INDEX {table}_id ON {table} (id)")
                run(connection, f"CREATE INDEX {table}_kind ON {table} (kind) INCLUDE (id)")
                run(connection, f"CREATE INDEX {table}_body ON {table} (body)")
                for step in steps:
                    run(connection, step.format(table=table, first=1, last=20_000))
        yield Live(url=url, role=role)


@pytest.fixture(scope="module")
def twin(live: Live) -> Iterator[Twin]:
    with open_twin(capture(as_role(live.url, live.role), statements=False)) as opened:
        assert lacking(opened) == ()
        yield opened


@pytest.mark.parametrize("table", DRIFTS)
def test_the_twin_follows_the_live_planner(table: str, live: Live, twin: Twin) -> None:
    for statement in STATEMENTS:
        assert_same(twin.plan(statement.format(table=table)), live.plan(statement.format(table=table)))
