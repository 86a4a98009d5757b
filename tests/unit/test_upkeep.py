"""What writes pay for an index: an entry per insert, and per update that cannot stay heap-only."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from analyzer.advise.table_writes import Written
from analyzer.advise.upkeep import entry_cost, held_columns
from analyzer.advise.write_costs import Upkeep, WriteCosts
from analyzer.documents.snapshot import Snapshot, TableActivity
from analyzer.documents.write_costs import Upkeep as Document
from analyzer.objects.index import IndexDef, Key
from analyzer.render.upkeep import upkeep as line
from analyzer.twin.predict.index_size import IndexSize
from analyzer.twin.twin import TwinIndex
from analyzer.workload.parse import Statement, parse_file
from analyzer.workload.shapes import Shape, shape
from tests.unit.catalogs import existing, snapshot, table

CATALOG = snapshot(table("t", "id bigint, kind text, hits integer, spot vector(1536), tags text[]"))


def index(*columns: str, method: str = "btree", where: str | None = None, expression: str | None = None) -> IndexDef:
    keys = tuple(Key(column=column) for column in columns)
    if expression is not None:
        keys = (*keys, Key(expression=expression))
    return IndexDef(schema="public", table="t", name="ix", method=method, keys=keys, where=where)


def built(definition: IndexDef, pages: int = 2000) -> TwinIndex:
    return TwinIndex(
        index=definition, size=IndexSize(pages=pages, tuples=1_000_000, height=2), oids=(1,), names=frozenset()
    )


def written(query: str, catalog: Snapshot = CATALOG) -> list[tuple[Statement, Shape]]:
    found: list[tuple[Statement, Shape]] = []
    for statement in parse_file(query).statements:
        shaped = shape(statement, catalog)
        assert isinstance(shaped, Shape)
        found.append((statement, shaped))
    return found


def test_an_index_holds_its_keys_its_expressions_and_its_predicate() -> None:
    relation = CATALOG.relation("public", "t")
    assert relation is not None
    definition = index("id", expression="lower(kind)", where="hits > 3")
    assert held_columns(definition, relation) == {"id", "kind", "hits"}


@pytest.mark.parametrize(
    ("query", "others", "pays"),
    [
        pytest.param("INSERT INTO t (id) VALUES (1)", (), True, id="an insert adds an entry"),
        pytest.param("SELECT id FROM t WHERE kind = 'a'", (), False, id="a read adds none"),
        pytest.param("DELETE FROM t WHERE id = 1", (), True, id="a delete leaves one to VACUUM"),
        pytest.param("UPDATE t SET kind = 'b' WHERE id = 1", (), True, id="an update of its column adds one"),
        pytest.param("UPDATE t SET hits = 1 WHERE id = 1", (), False, id="another update stays heap-only"),
        pytest.param(
            "UPDATE t SET hits = 1 WHERE id = 1", (index("hits"),), True, id="unless another index holds that column"
        ),
        pytest.param(
            "UPDATE t SET hits = 1 WHERE id = 1", (index("hits", method="brin"),), False, id="which BRIN does not mind"
        ),
    ],
)
def test_who_pays(query: str, others: tuple[IndexDef, ...], pays: bool) -> None:
    catalog = CATALOG.model_copy(update={"indexes": tuple(existing(each) for each in others)})
    assert (WriteCosts(catalog, written(query)).cost(built(index("kind")), ()) > 0) == pays


def test_an_entry_of_hnsw_costs_a_thousand_times_a_btree_s() -> None:
    relation = CATALOG.relation("public", "t")
    assert relation is not None
    btree = entry_cost(built(index("id")), relation, CATALOG)
    hnsw = entry_cost(built(index("spot", method="hnsw")), relation, CATALOG)
    gin = entry_cost(
        built(replace(index("tags", method="gin"), parameters=(("fastupdate", "off"),))), relation, CATALOG
    )
    brin = entry_cost(built(index("id", method="brin")), relation, CATALOG)
    assert brin < btree < gin < hnsw
    assert hnsw > 1000 * btree


INT64 = 2**63 - 1


def activity(**counters: int) -> TableActivity:
    none = dict.fromkeys(TableActivity.model_fields, 0) | {"last_vacuum": None, "last_analyze": None}
    return TableActivity.model_validate(none | counters)


def counted(
    *, hours: float | None = 100, statement_hours: float | None = 100, rows: float = 1_000_000, **counters: int
) -> Snapshot:
    """Make a snapshot of a table whose counters, and whose statements, go back so many hours."""
    relation = table("t", "id bigint, kind text, hits integer", rows=rows).model_copy(
        update={"activity": activity(**counters)}
    )
    found = snapshot(relation, indexes=[existing(index("id"))])
    ago = [None if each is None else found.captured_at - timedelta(hours=each) for each in (hours, statement_hours)]
    return found.model_copy(
        update={"server": found.server.model_copy(update={"stats_reset": ago[0]}), "statements_reset": ago[1]}
    )


def priced(catalog: Snapshot, statements: Written = (), *, of: IndexDef | None = None) -> Upkeep:
    return WriteCosts(catalog, statements, recorded=True).upkeep(built(of or index("kind")), ())


def told(query: str, rows: int) -> list[tuple[Statement, Shape]]:
    return [(replace(statement, rows=rows), shaped) for statement, shaped in written(query)]


def test_counters_are_brought_to_the_time_of_the_statements() -> None:
    found = priced(counted(hours=200, statement_hours=100, rows_inserted=7200))
    assert found.entries == pytest.approx(3600)
    assert (found.source, found.seconds) == ("table counters", 360_000)


@pytest.mark.parametrize("rows", [0, 600, 1000, 1050])
def test_nothing_is_counted_twice(rows: int) -> None:
    found = priced(counted(rows_inserted=1000), told("INSERT INTO t (id) VALUES (1)", rows))
    assert found.entries == max(1000, rows)


def test_rows_that_on_conflict_updated_are_not_updates_besides() -> None:
    upserts = told("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET hits = 1", 1000)
    assert priced(counted(rows_inserted=400, rows_updated=600), upserts).entries == 1000


def test_of_unknown_updates_those_that_were_hot_add_nothing() -> None:
    found = priced(counted(rows_updated=1000, rows_hot_updated=900))
    assert found.entries == pytest.approx(100)
    assert (found.hot_lost, found.unknown_updates) == (0, 1000)


def test_only_the_updates_that_are_hot_can_cease_to_be() -> None:
    update = told("UPDATE t SET kind = 'b'", 1000)
    assert priced(counted(rows_updated=1000, rows_hot_updated=400), update).hot_lost == pytest.approx(400)
    found = priced(counted(rows_updated=1000, rows_hot_updated=400), update, of=index("hits"))
    assert (found.hot_lost, found.entries) == (0, pytest.approx(600))


def test_updates_that_set_what_they_do_not_change_stay_hot() -> None:
    update = told("UPDATE t SET id = 1, hits = 2", 1000)
    assert priced(counted(rows_updated=1000, rows_hot_updated=900), update).entries == pytest.approx(100)


@pytest.mark.parametrize(
    ("catalog", "why"),
    [
        pytest.param(counted(hours=None, rows_inserted=1000), "no start of the counters", id="no-reset"),
        pytest.param(counted(statement_hours=None, rows_inserted=1000), "none of the statements", id="no-statements"),
        pytest.param(counted(hours=-5, rows_inserted=1000), "a start that is to come", id="future"),
        pytest.param(counted(hours=23, statement_hours=23, rows_inserted=1000), "too short a time", id="short"),
        pytest.param(
            counted(hours=25, statement_hours=3000, rows_inserted=1000), "too little of the time", id="little"
        ),
        pytest.param(
            counted(rows_inserted=-1000, rows_updated=-1, rows_deleted=-INT64), "below nothing", id="negative"
        ),
    ],
)
def test_counters_that_say_nothing_are_not_used(catalog: Snapshot, why: str) -> None:
    assert priced(catalog).entries == 0, why
    assert priced(catalog).source == "statements"


@pytest.mark.parametrize(
    "catalog",
    [
        counted(rows_inserted=INT64, rows_updated=INT64, rows_hot_updated=INT64, rows_deleted=INT64),
        counted(rows_updated=10, rows_hot_updated=INT64),
        counted(rows_updated=10, rows_hot_updated=-INT64),
        counted(rows=-1, rows_inserted=5),
        counted(rows=0, rows_inserted=5),
        counted(rows=1e13, rows_inserted=5),
    ],
)
@pytest.mark.parametrize("price", ["nan", "-1", "1e308", "inf", "x", "0.0025"])
def test_whatever_the_counters_say_upkeep_is_a_number(catalog: Snapshot, price: str) -> None:
    hostile = catalog.model_copy(update={"settings": {**catalog.settings, "cpu_operator_cost": price}})
    for definition in (index("kind"), index("kind", where="hits > 3"), index("hits", method="brin")):
        found = priced(hostile, told("UPDATE t SET kind = 'b'", 10), of=definition)
        numbers = (found.cost, found.entries, found.other_entries, found.hot_lost, found.wal_bytes)
        assert all(math.isfinite(each) and each >= 0 for each in numbers)


def shown(**values: object) -> str:
    fields: dict[str, object] = {
        "cost": 3.0, "share_of_saving": 0.03, "entries": 1200.0, "other_entries": 0.0, "hot_updates_lost": 0.0,
        "wal_bytes": 194_560.0, "window_seconds": 100.0, "source": "statements",
    }  # fmt: skip
    return line(Document.model_validate(fields | values))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "12 entries/s, 1.9 kB/s of WAL, no HOT update lost; 3.0 % of what it saves"),
        (
            {"hot_updates_lost": 400.0, "other_entries": 800.0, "share_of_saving": None},
            "12 entries/s, 1.9 kB/s of WAL (8 entries/s in other indexes), 4 HOT updates/s lost",
        ),
        (
            {"window_seconds": None, "share_of_saving": None},
            "1,200 entries, 190 kB of WAL, no HOT update lost in the whole workload",
        ),
        (
            {
                "window_seconds": 86_400.0 * 30,
                "source": "table counters",
                "share_of_saving": None,
            },
            "1.7 entries/h, 270 bytes/h of WAL, no HOT update lost (by table counters)",
        ),
        (
            {"cost": 0.0, "entries": 0.0, "wal_bytes": 0.0},
            "no entry, as far as the recorded writes say",
        ),
    ],
)
def test_upkeep_is_one_line(values: dict[str, object], text: str) -> None:
    assert shown(**values) == text


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        pytest.param("rum", (("order_by_attach", "on"),), id="an extension's method"),
        pytest.param("hnsw", (("m", "many"),), id="no number"),
        pytest.param("hnsw", (("m", "nan"),), id="not a number"),
        pytest.param("gin", (("gin_pending_list_limit", "9" * 5000),), id="beyond any bound"),
    ],
)
def test_what_exists_is_charged_whatever_it_is(method: str, parameters: tuple[tuple[str, str], ...]) -> None:
    own = replace(index("spot", method=method), parameters=parameters)
    catalog = CATALOG.model_copy(update={"indexes": (existing(own),)})
    writes = written("UPDATE t SET hits = 1 WHERE id = 1", catalog)
    cost = WriteCosts(catalog, writes).cost(built(index("hits")), ())
    assert math.isfinite(cost)
    alone = WriteCosts(CATALOG, writes).cost(built(index("hits")), ())
    assert cost > alone
