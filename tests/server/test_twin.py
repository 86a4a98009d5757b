"""A twin plans as the captured server does: the same nodes, the same indexes, the same cost."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.capture.gin import as_planned
from analyzer.db import connect
from analyzer.documents.snapshot import Index, Snapshot
from analyzer.errors import InputError
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.identifiers import fits
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import lacking
from tests.server.capture_zoo import as_role, new_database, new_role, run
from tests.server.live_plans import EXACT, Live, assert_same, outline
from tests.server.twin_zoo import CHANGES, EXTENSIONS, INDEXES, LATER_ROWS, ROWS, STATEMENTS, TABLES


@pytest.fixture(scope="module")
def live(server: str) -> Iterator[Live]:
    with new_database(server) as url, new_role(url, "pg_monitor", "pg_read_all_data") as role:
        with connect(url, autocommit=True) as connection:
            for extension in EXTENSIONS:
                run(connection, f"CREATE EXTENSION {extension}")
            for statement in (*TABLES, *ROWS, *INDEXES):
                run(connection, statement)
            run(connection, "VACUUM ANALYZE shop.vendor, shop.product, shop.embedding, shop.sale, shop.empty")
            for statement in LATER_ROWS:
                run(connection, statement)
        yield Live(url=url, role=role)


@pytest.fixture(scope="module")
def captured(live: Live) -> Snapshot:
    return capture(as_role(live.url, live.role), statements=False)


@pytest.fixture(scope="module")
def twin(captured: Snapshot) -> Iterator[Twin]:
    with open_twin(captured) as opened:
        yield opened


def index(snapshot: Snapshot, name: str) -> Index:
    """Return the index of that name."""
    return next(found for found in snapshot.indexes if found.definition.name == name)


@pytest.mark.parametrize("claim", STATEMENTS | CHANGES)
def test_the_twin_plans_as_the_live_server(claim: str, live: Live, twin: Twin) -> None:
    statement = (STATEMENTS | CHANGES)[claim]
    expected = live.plan(statement, as_owner=claim in CHANGES)
    assert_same(twin.plan(statement), expected)


def test_everything_captured_is_on_the_twin(twin: Twin) -> None:
    assert lacking(twin) == ()
    assert "same major version" in twin.planner


@pytest.mark.parametrize(
    "name",
    [
        "product_attributes", "product_notes", "product_colours", "product_body", "product_words", "product_name_trgm",
        "product_tags", "vendor_both", "unknown_tags",
    ],
)  # fmt: skip
def test_the_planner_tells_what_a_gin_metapage_holds(name: str, live: Live, captured: Snapshot) -> None:
    asked = index(captured, name)
    with connect(live.url) as connection:
        run(connection, "CREATE EXTENSION IF NOT EXISTS pageinspect")
        (metapage,) = run(
            connection,
            """SELECT n_pending_pages AS pending_pages, n_total_pages AS total_pages, n_entry_pages AS entry_pages,
                      n_data_pages AS data_pages, n_entries AS entries
               FROM gin_metapage_info(get_raw_page(%(name)s, 0))""",
            name=f"shop.{name}",
        )
        connection.rollback()
    assert asked.gin is not None
    assert asked.size_bytes is not None
    read = as_planned(metapage, asked.size_bytes // BLOCK_BYTES)
    assert asked.gin.data_pages == pytest.approx(read.data_pages, abs=1)  # none cost as much as one
    assert asked.gin.model_copy(update={"data_pages": read.data_pages}) == read


def test_a_superuser_with_pageinspect_reads_gin_metapages(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE EXTENSION pageinspect")
        run(connection, "CREATE TABLE t AS SELECT ARRAY[i % 400] AS tags FROM generate_series(1, 9000) AS i")
        run(connection, "CREATE INDEX t_tags ON t USING gin (tags) WITH (fastupdate = off)")
    found = index(capture(database, statements=False), "t_tags")
    assert found.gin is not None
    assert (found.gin.pending_pages, found.gin.entries) == (0, 400)


ADDED = IndexDef(schema="shop", table="product", name="added", keys=(Key(column="status"), Key(column="vendor_id")))
BY_STATUS_AND_VENDOR = "SELECT id FROM shop.product WHERE status = 'status 2' AND vendor_id = 77"


def test_an_added_index_is_seen_while_it_is_shown(twin: Twin) -> None:
    before = twin.plan(BY_STATUS_AND_VENDOR)
    (added,) = twin.add([ADDED])
    assert added.size_bytes > 8192
    assert twin.plan(BY_STATUS_AND_VENDOR).cost == before.cost
    twin.show([added])
    after = twin.plan(BY_STATUS_AND_VENDOR)
    assert "added" in after.indexes
    assert after.cost < before.cost
    twin.show([])
    assert twin.plan(BY_STATUS_AND_VENDOR) == before


def test_an_index_on_a_partitioned_table_is_added_to_every_partition(twin: Twin) -> None:
    (added,) = twin.add([IndexDef(schema="shop", table="sale", name="sale_amount", keys=(Key(column="amount"),))])
    assert len(added.oids) == 4
    twin.show([added])
    nodes = twin.plan("SELECT count(*) FROM shop.sale WHERE amount = 5 AND at < '2025-01-01'").indexes
    twin.show([])
    assert any("amount" in name for name in nodes)


def test_a_hidden_index_costs_what_dropping_it_would(live: Live, twin: Twin) -> None:
    statement = STATEMENTS["covering"]
    twin.show([], without=["shop.product_cover"])
    found = twin.plan(statement)
    twin.show([])
    expected = live.plan(statement, as_owner=True, dropped="shop.product_cover")
    assert outline(found.tree) == outline(expected)
    assert found.cost == pytest.approx(expected["Total Cost"], rel=EXACT)
    assert "product_cover" in twin.plan(statement).indexes


def test_only_an_index_that_exists_can_be_hidden(twin: Twin) -> None:
    with pytest.raises(InputError, match=r"there is no index shop.nothing to drop"):
        twin.show([], without=["shop.nothing"])


def test_a_definition_the_server_rejects_is_the_users_to_mend(twin: Twin) -> None:
    wrong = IndexDef(schema="shop", table="product", name="wrong", keys=(Key(column="nothing"),))
    with pytest.raises(InputError, match='column "nothing" does not exist'):
        twin.add([wrong])
    with pytest.raises(InputError, match='column "nothing" does not exist'):
        twin.canonical(wrong)


def test_canonical_is_the_servers_own_deparse(twin: Twin, captured: Snapshot) -> None:
    written = IndexDef(
        schema="shop", table="product", name="written", where="active = true and price>1",
        keys=(Key(expression="LOWER( name )"), Key(column="status", opclass="text_ops")),
    )  # fmt: skip
    found = twin.canonical(written)
    assert found.name == "written"
    assert found.keys == (Key(expression="lower(name)"), Key(column="status"))
    assert found.where == "(active = true) AND (price > (1)::numeric)"
    assert twin.canonical(found) == found
    for each in captured.indexes:
        if each.parent is None and each.constraint is None:
            assert twin.canonical(each.definition) == each.definition


def test_server_ddl_carries_the_name_asked_for(twin: Twin) -> None:
    ddl = twin.server_ddl(ADDED.renamed("Odd name"))
    assert ddl == 'CREATE INDEX "Odd name" ON shop.product USING btree (status, vendor_id)'


def test_written_ddl_becomes_a_definition_under_a_free_name(twin: Twin) -> None:
    first, second, third, fourth = twin.parse_ddl(
        [
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS product_list ON shop.product (price) WHERE status = 'a;b'",
            'create unique index "Of ""Mine" on shop.vendor (name);',
            "CREATE INDEX CONCURRENTLY ON shop.product USING gin (tags) -- without a name",
            "CREATE INDEX ON shop.product USING gin (tags)",
        ]
    )
    assert (first.name, first.where) == ("product_list_2", "status = 'a;b'::text")
    assert (second.name, second.unique) == ('Of "Mine', True)
    assert third.method == "gin"
    assert third.name != fourth.name
    assert third == fourth


def test_a_free_name_is_one_that_postgresql_keeps(twin: Twin) -> None:
    long = "é" * 31
    found = twin.parse_ddl([f'CREATE INDEX "{long}" ON shop.product (price)'] * 2)
    assert len({index.name for index in found}) == 2
    assert all(fits(index.name) for index in found)


@pytest.mark.parametrize(
    ("ddl", "complaint"),
    [
        ("DROP INDEX shop.product_list", "is not a CREATE INDEX"),
        ("CREATE TABLE x (y int)", "is not a CREATE INDEX"),
        ("CREATE INDEX x", "names no table"),
        ("CREATE INDEX ON shop.product (price); DROP TABLE shop.product", "semicolon inside"),
        ("CREATE INDEX ON shop.product (nothing)", 'column "nothing" does not exist'),
        ("CREATE INDEX ON shop.product (name || 'open)", "cannot be parsed"),
    ],
)
def test_ddl_that_is_no_index_is_refused(ddl: str, complaint: str, twin: Twin) -> None:
    with pytest.raises(InputError, match=complaint):
        twin.parse_ddl([ddl])


def test_two_statements_are_never_planned_as_one(twin: Twin) -> None:
    with pytest.raises(InputError, match="semicolon inside"):
        twin.plan("SELECT 1; DROP TABLE shop.product")
    assert twin.plan("SELECT count(*) FROM shop.product;").cost > 0
