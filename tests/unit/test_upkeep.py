"""What writes pay for an index: an entry per insert, and per update that cannot stay heap-only."""

import pytest

from analyzer.advise.upkeep import entry_cost, held_columns
from analyzer.advise.write_costs import WriteCosts
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef, Key
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
    gin = entry_cost(built(index("tags", method="gin")), relation, CATALOG)
    brin = entry_cost(built(index("id", method="brin")), relation, CATALOG)
    assert brin < btree < gin < hnsw
    assert hnsw > 1000 * btree
