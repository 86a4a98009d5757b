"""A twin has the places of dropped columns, by which plans that make whole rows differ."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot, dump, load
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import as_role, run
from tests.server.live_plans import Live, assert_same, live_database

OBJECTS = (
    # Behind all others, alone and in a parent; a child of its own
    "CREATE TABLE behind (id integer, note text, gone text)",
    "CREATE TABLE behind_child (more text) INHERITS (behind)",
    "ALTER TABLE behind DROP COLUMN gone",
    "CREATE TABLE plain (id integer, gone text, note text)",
    "ALTER TABLE plain DROP COLUMN gone",
    # In front of all others, and several
    "CREATE TABLE before (gone bigint, also numeric, id integer, note text, last inet)",
    "ALTER TABLE before DROP COLUMN gone, DROP COLUMN also, DROP COLUMN last",
    "CREATE TABLE before_child () INHERITS (before)",
    # In the child alone
    "CREATE TABLE parent (id integer, note text)",
    "CREATE TABLE parent_child (own_gone text, own integer) INHERITS (parent)",
    "ALTER TABLE parent_child DROP COLUMN own_gone",
    # In the parent, with ONLY: the child keeps it
    "CREATE TABLE kept (id integer, kept text, note text)",
    "CREATE TABLE kept_child () INHERITS (kept)",
    "ALTER TABLE ONLY kept DROP COLUMN kept",
    # Two parents that have it in other places
    "CREATE TABLE other_parent (gone integer, note text)",
    "CREATE TABLE two_parents () INHERITS (parent, other_parent)",
    "ALTER TABLE other_parent DROP COLUMN gone",
    # Partitions: with its own, in another order, of partitions
    "CREATE TABLE part (gone integer, id integer PRIMARY KEY, note text, day date) PARTITION BY RANGE (id)",
    "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (1000)",
    "ALTER TABLE part DROP COLUMN gone",
    "CREATE TABLE part_2 (day date, own_gone text, note text, id integer NOT NULL)",
    "ALTER TABLE part_2 DROP COLUMN own_gone",
    "ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM (1000) TO (2000)",
    "CREATE TABLE part_3 (note text, id integer NOT NULL, day date, own_gone text) PARTITION BY RANGE (id)",
    "ALTER TABLE part_3 DROP COLUMN own_gone",
    "CREATE TABLE part_3_1 PARTITION OF part_3 FOR VALUES FROM (2000) TO (3000)",
    "ALTER TABLE part ATTACH PARTITION part_3 FOR VALUES FROM (2000) TO (3000)",
    # Nothing but dropped ones, and all that the numbers of columns are in
    "CREATE TABLE empty (gone integer)",
    "ALTER TABLE empty DROP COLUMN gone",
    """CREATE TABLE counted (
           gone text, a integer, also text, b integer, c text, d integer GENERATED ALWAYS AS (a + 1) STORED,
           late bigint, id bigint GENERATED ALWAYS AS IDENTITY, CHECK (a >= 0)
       )""",
    "CREATE STATISTICS of_both (ndistinct, dependencies, mcv) ON a, b, (a + b) FROM counted",
    "ALTER TABLE counted DROP COLUMN gone, DROP COLUMN also",
    "CREATE INDEX counted_b ON counted (b, (a * 2)) INCLUDE (c) WHERE d > 0",
    "CREATE INDEX counted_late ON counted (late)",
    # What inlines a function by the columns of a row
    "CREATE FUNCTION all_of_it() RETURNS SETOF before LANGUAGE sql STABLE AS 'SELECT * FROM before'",
)
TABLES = ("behind", "behind_child", "plain", "before", "before_child", "parent", "parent_child", "kept",
          "kept_child", "other_parent", "part", "part_1", "part_2", "part_3")  # fmt: skip
ROWS = (
    *(f"INSERT INTO {table} (id, note) SELECT i, md5(i::text) FROM generate_series(1, 300) AS i"
      for table in TABLES if table not in ("other_parent", "part", "part_1", "part_2", "part_3")),
    "INSERT INTO part (id, note, day) SELECT i, md5(i::text), current_date + i % 9 FROM generate_series(0, 2999) AS i",
    "INSERT INTO counted (a, b, c, late) SELECT i % 20, i % 20 / 2, md5(i::text), i FROM generate_series(1, 9000) AS i",
    "VACUUM ANALYZE",
    # Beyond the histogram, so that the planner asks the index for its end.
    "INSERT INTO counted (a, b, c, late) SELECT 1, 2, 'late', 1000000 + i FROM generate_series(1, 500) AS i",
)  # fmt: skip
#: Of each table.
MADE_OF_ROWS = (
    "INSERT INTO {0} SELECT * FROM {0} WHERE note <> $1",
    "INSERT INTO {0} TABLE {0} RETURNING *",
    "SELECT {0} FROM {0}",
    "SELECT count({0}) FROM {0} WHERE note = 'x'",
    "SELECT * FROM {0} ORDER BY note",
    "SELECT * FROM {0} AS a JOIN {0} AS b USING (note)",
    "UPDATE {0} SET note = 'x' WHERE note <> $1",
    "UPDATE {0} SET note = y.note FROM (SELECT * FROM {0} LIMIT 5) AS y WHERE {0}.note = y.note RETURNING {0}",
    "DELETE FROM {0} WHERE note < $1 RETURNING {0}",
)
STATEMENTS = (
    "INSERT INTO empty SELECT FROM plain",
    "INSERT INTO counted (a, b, c) SELECT a, b, c FROM counted",
    "INSERT INTO part_2 (id, note) SELECT (part).id, (part).note FROM part",
    "INSERT INTO part (id) VALUES (5) ON CONFLICT (id) DO UPDATE SET note = excluded.note, day = excluded.day",
    "SELECT * FROM all_of_it() WHERE id = 5",
    "SELECT all_of_it()",
    "SELECT * FROM counted WHERE a = 3 AND b = 1",
    "SELECT * FROM counted WHERE a = 3 AND b = 7",
    "SELECT a, b, count(*) FROM counted GROUP BY a, b",
    "SELECT count(*) FROM counted WHERE a + b = 4",
    "SELECT a, c FROM counted WHERE b = 3 AND d > 0",
    "SELECT * FROM counted WHERE a * 2 = 4 AND b = 3 AND d > 0",
    "SELECT * FROM counted WHERE late > 10000",
    "SELECT b, c FROM counted ORDER BY b",
)
LATE = "SELECT * FROM counted WHERE late > 9500 AND id > 3"


@pytest.fixture(scope="module")
def live(any_server: str) -> Iterator[Live]:
    with live_database(any_server, (*OBJECTS, *ROWS)) as database:
        yield database


@pytest.fixture(scope="module")
def captured(live: Live) -> Snapshot:
    return capture(as_role(live.url, live.role), statements=False)


@pytest.fixture(scope="module")
def twin(captured: Snapshot) -> Iterator[Twin]:
    with open_twin(captured) as opened:
        yield opened


def agree(live: Live, twin: Twin, statements: Sequence[str]) -> None:
    for statement in statements:
        assert twin.obstacle(statement) is None
        found, expected = twin.plan(statement), live.plan(statement, as_owner=True)
        assert_same(found, expected)
        assert found.tree["Plan Width"] == expected["Plan Width"]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_planned_as_there(table: str, live: Live, twin: Twin) -> None:
    assert lacking(twin) == ()
    agree(live, twin, [statement.format(table) for statement in MADE_OF_ROWS])


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_columns_numbers_are_in_is_planned_as_there(statement: str, live: Live, twin: Twin) -> None:
    agree(live, twin, [statement])


def test_dropped_columns_are_captured_by_their_numbers(captured: Snapshot) -> None:
    found = {each.name: each.dropped_columns for each in captured.relations if each.dropped_columns}
    assert found == {
        "behind": (3,), "behind_child": (3,), "plain": (2,), "before": (1, 2, 5), "parent_child": (3,), "kept": (2,),
        "other_parent": (1,), "two_parents": (3,), "part": (1,), "part_1": (1,), "part_2": (2,), "part_3": (4,),
        "empty": (1,), "counted": (1, 3),
    }  # fmt: skip


def test_an_index_that_is_only_on_the_twin_knows_the_extremes(live: Live, twin: Twin) -> None:
    # It is built over a copy of a row of each, which the server reads by the places of its columns.
    keys = (Key(column="late"), Key(column="id"), Key(column="c"))
    added = twin.add((IndexDef(schema="public", table="counted", name="only_there", keys=keys),))
    twin.show(())
    before = twin.plan(LATE).rows
    twin.show(added)
    assert twin.plan(LATE).rows == before == live.plan(LATE)["Plan Rows"]
    twin.show(())


def test_a_snapshot_from_before_they_were_captured_is_planned_without_them(captured: Snapshot, tmp_path: Path) -> None:
    document = json.loads(captured.model_dump_json())
    for relation in document["relations"]:
        del relation["dropped_columns"]
    older = Snapshot.model_validate(document)
    dump(older, tmp_path / "older")
    statement = MADE_OF_ROWS[0].format("behind")
    with open_twin(load(tmp_path / "older")) as twin:
        assert lacking(twin) == ()
        (node,) = twin.plan(statement).tree["Plans"]
        assert node["Node Type"] == "Append"


@pytest.mark.parametrize(
    "numbers", [(0, 0, 0, 7, 7), (1664, 1, 3), (2, 1, 2), tuple(range(1, 1598))], ids=["same", "far", "mixed", "many"]
)
def test_numbers_that_no_server_gives_are_places_nonetheless(numbers: tuple[int, ...], captured: Snapshot) -> None:
    changed = replaced(captured, "plain", numbers)
    with open_twin(changed) as twin:
        assert lacking(twin) == ()
        assert twin.plan("INSERT INTO plain SELECT * FROM plain").cost > 0
        assert twin.plan("SELECT id FROM plain WHERE note = 'x'").rows == 1


@pytest.mark.parametrize("name", ["id", "........pg.dropped.1........"])
def test_columns_that_no_table_can_have_cost_that_table(name: str, captured: Snapshot) -> None:
    numbers = (0,) if name != "id" else tuple(range(1, 1600))
    changed = replaced(captured, "plain", numbers, name=name)
    with open_twin(changed) as twin:
        assert "public.plain" in {gap.what for gap in lacking(twin)}
        assert "plain" in (twin.obstacle("SELECT * FROM plain") or "")
        assert twin.obstacle("SELECT * FROM behind") is None


def replaced(captured: Snapshot, table: str, numbers: tuple[int, ...], *, name: str = "id") -> Snapshot:
    """Give a table other dropped columns, and its first column another name."""
    relation = captured.relation("public", table)
    assert relation is not None
    columns = (relation.columns[0].model_copy(update={"name": name}), *relation.columns[1:])
    changed = relation.model_copy(update={"dropped_columns": numbers, "columns": columns})
    others = [each for each in captured.relations if each is not relation]
    return captured.model_copy(update={"relations": (*others, changed)})


def test_a_table_with_a_stand_in_has_them_too(database: str) -> None:
    objects = (
        "CREATE TYPE own",
        "CREATE FUNCTION own_in(cstring) RETURNS own LANGUAGE internal IMMUTABLE STRICT AS 'int4in'",
        "CREATE FUNCTION own_out(own) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'",
        "CREATE TYPE own (INPUT = own_in, OUTPUT = own_out, LIKE = integer)",
        "CREATE TABLE t (gone own, id integer, kind own, also own)",
        "CREATE TABLE t_child () INHERITS (t)",
        "ALTER TABLE t DROP COLUMN gone, DROP COLUMN also",
        "INSERT INTO t SELECT i, '7' FROM generate_series(1, 100) AS i",
        "ANALYZE t",
    )
    statement = "INSERT INTO t SELECT * FROM t WHERE id <> 5"
    with connect(database, autocommit=True) as connection:
        for each in objects:
            run(connection, each)
        expected = run(connection, f"EXPLAIN (FORMAT JSON) {statement}")[0]["QUERY PLAN"][0]["Plan"]
    with open_twin(capture(database, statements=False)) as twin:
        assert "type public.own" in {gap.what for gap in lacking(twin)}
        assert_same(twin.plan(statement), expected)
        assert expected["Plans"][0]["Node Type"] == "Result"
