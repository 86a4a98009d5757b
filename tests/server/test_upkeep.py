"""Upkeep, against servers: which updates cease to be HOT, what the counters tell, and what a partial index holds."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import psycopg
import pytest

from analyzer.advise.table_writes import Written
from analyzer.advise.upkeep import of_existing
from analyzer.advise.write_costs import Upkeep, WriteCosts
from analyzer.capture.capture import capture
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.twin import open_twin
from analyzer.workload.parse import Statement, parse_file
from analyzer.workload.shapes import Shape, shape
from tests.server.capture_zoo import new_database
from tests.server.servers import VERSIONS, server_of

ROWS, UPDATES = 3000, 300
SETUP = f"""
CREATE EXTENSION pg_stat_statements;
CREATE TABLE item (id integer PRIMARY KEY, kind integer, hits integer, flag boolean) WITH (fillfactor = 40);
INSERT INTO item SELECT i, i % 100, 0, i % 10 = 0 FROM generate_series(1, {ROWS}) AS i;
CREATE INDEX ix_kind ON item (kind);
VACUUM ANALYZE item
"""
UPDATE = "UPDATE item SET hits = hits + 1 WHERE id <= 300"
INDEXES = {
    "of another column": "CREATE INDEX ix ON item (flag)",
    "of the column": "CREATE INDEX ix ON item (hits)",
    "that includes the column": "CREATE INDEX ix ON item (flag) INCLUDE (hits)",
    "of an expression of the column": "CREATE INDEX ix ON item ((hits + kind))",
    "whose predicate has the column": "CREATE INDEX ix ON item (flag) WHERE hits > 10",
    "BRIN": "CREATE INDEX ix ON item USING brin (hits)",
    "hash": "CREATE INDEX ix ON item USING hash (hits)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    url: str
    connection: psycopg.Connection[tuple[int, ...]]

    def run(self, text: str) -> None:
        for statement in text.split(";\n"):
            self.connection.execute(statement.encode())

    def hot_updates(self) -> int:
        row = self.connection.execute(
            "SELECT pg_stat_get_xact_tuples_hot_updated('item'::regclass), 0"
        ).fetchone()  # fmt: skip
        assert row is not None
        return row[0]


@pytest.fixture(params=VERSIONS)
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    with (
        server_of(request) as server,
        new_database(server) as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        live = Live(url=url, connection=connection)
        live.run(SETUP)
        yield live


def written(sql: str, snapshot: Snapshot, rows: int) -> Written:
    found: list[tuple[Statement, Shape]] = []
    for statement in parse_file(sql).statements:
        shaped = shape(statement, snapshot)
        assert isinstance(shaped, Shape)
        found.append((replace(statement, rows=rows), shaped))
    return found


def without(snapshot: Snapshot, name: str) -> Snapshot:
    return snapshot.model_copy(
        update={"indexes": tuple(each for each in snapshot.indexes if each.definition.name != name)}
    )


def of(snapshot: Snapshot, statements: Written, *, name: str = "ix", recorded: bool = False) -> Upkeep:
    """Price an index that exists as if it did not."""
    relation = snapshot.relation("public", "item")
    assert relation is not None
    index = next(each for each in snapshot.indexes if each.definition.name == name)
    costs = WriteCosts(without(snapshot, name), statements, recorded=recorded)
    return costs.upkeep(of_existing(index, relation), ())


@pytest.mark.parametrize("ddl", INDEXES.values(), ids=INDEXES)
def test_hot_updates_are_lost_where_the_server_loses_them(live: Live, ddl: str) -> None:
    live.run(ddl)
    with live.connection.transaction():
        live.run(UPDATE)
        hot = live.hot_updates()
    snapshot = capture(live.url, statements=False)
    found = of(snapshot, written(UPDATE, snapshot, UPDATES))
    assert hot in (0, UPDATES)
    assert found.hot_lost == UPDATES - hot
    if not hot:
        assert found.entries == UPDATES
        assert found.other_entries == 2 * UPDATES  # of the primary key, and of ix_kind
    else:
        assert found.other_entries == 0
        assert found.entries == (UPDATES if "brin" in ddl else 0)


def test_brin_spares_hot_updates_since_16(live: Live) -> None:
    live.run(INDEXES["BRIN"])
    snapshot = capture(live.url, statements=False)
    lost = of(snapshot, written(UPDATE, snapshot, UPDATES)).hot_lost
    assert lost == (0 if snapshot.server.major >= 16 else UPDATES)


def test_what_another_index_makes_cease_to_be_hot_is_not_charged_again(live: Live) -> None:
    live.run("CREATE INDEX ix_hits ON item (hits);\nCREATE INDEX ix ON item (hits, kind)")
    snapshot = capture(live.url, statements=False)
    found = of(snapshot, written(UPDATE, snapshot, UPDATES))
    assert (found.hot_lost, found.entries, found.other_entries) == (0, UPDATES, 0)


def test_writes_that_no_statement_tells_of_are_counted_once(live: Live) -> None:
    live.run("CREATE INDEX ix ON item (flag);\nSELECT pg_stat_force_next_flush()")
    live.run("SELECT pg_stat_statements_reset(), pg_stat_reset()")
    for first in (10_000, 20_000):  # nested statements are not recorded
        live.run(
            f"DO 'BEGIN INSERT INTO item SELECT i, 1, 1, true FROM generate_series({first}, {first} + 999) i; END'"
        )
    live.run("DO 'BEGIN UPDATE item SET kind = kind + 1 WHERE id <= 500; END'")
    live.connection.close()
    snapshot = capture(live.url)
    assert of(snapshot, (), recorded=True).entries == 0, "it may have happened once"
    days_ago = snapshot.captured_at - timedelta(days=2)
    server = snapshot.server.model_copy(update={"stats_reset": days_ago})
    snapshot = snapshot.model_copy(update={"server": server, "statements_reset": days_ago})
    found = of(snapshot, (), recorded=True)
    assert found.source == "table counters"
    assert found.entries == pytest.approx(2500, rel=0.1)
    assert found.unknown_updates == pytest.approx(500, rel=0.1)
    assert found.seconds is not None
    assert of(snapshot, ()).entries == 0  # a workload of a file has nothing to do with them
    told = written("INSERT INTO item SELECT * FROM item", snapshot, 2000)
    both = of(snapshot, told, recorded=True)
    assert both.source == "statements and table counters"
    assert both.entries == pytest.approx(2500, rel=0.1)


def test_a_partial_index_pays_for_the_rows_it_holds(live: Live) -> None:
    snapshot = capture(live.url, statements=False)
    keys = (Key(column="kind"),)
    whole = IndexDef(schema="public", table="item", name="whole", keys=keys)
    partial = IndexDef(schema="public", table="item", name="partial", keys=keys, where="flag")
    inserts = written("INSERT INTO item SELECT * FROM item", snapshot, 1000)
    with open_twin(snapshot) as twin:
        added, refused = twin.try_add([whole, partial])
        assert not refused
        found = [WriteCosts(snapshot, inserts).upkeep(each, ()) for each in added]
    assert found[0].entries == 1000
    assert found[1].entries == pytest.approx(100, rel=0.3)
    assert found[0].cost / 15 < found[1].cost < found[0].cost / 3  # its predicate is computed for all rows
    assert found[1].wal_bytes == pytest.approx(found[0].wal_bytes / 10, rel=0.4)
