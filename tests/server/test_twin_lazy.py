"""A twin that holds what some statements need plans them as one that holds everything does."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError
from analyzer.objects.index import IndexDef, Key
from analyzer.twin.schema.subset import Reach
from analyzer.twin.twin import Twin, open_twin
from tests.server import odd_zoo, twin_zoo
from tests.server.capture_zoo import as_role, new_database, new_role, run

#: In how many twins the statements are asked, so that each holds a part.
TWINS = 6
CLAIMS = twin_zoo.STATEMENTS | twin_zoo.CHANGES | odd_zoo.STATEMENTS | odd_zoo.CHANGES | odd_zoo.SECURED
STATEMENTS = tuple(dict.fromkeys(CLAIMS.values()))


@pytest.fixture(scope="module")
def captured(server: str) -> Iterator[Snapshot]:
    with new_database(server) as url, new_role(url, "pg_read_all_data") as role:
        with connect(url, autocommit=True) as connection:
            run(connection, f"ALTER ROLE {role} BYPASSRLS")
            for extension in sorted({*odd_zoo.EXTENSIONS, *twin_zoo.EXTENSIONS}):
                run(connection, f"CREATE EXTENSION {extension}")
            for zoo in (twin_zoo, odd_zoo):
                for statement in (*zoo.TABLES, *zoo.ROWS, *zoo.INDEXES):
                    run(connection, statement)
                if zoo is twin_zoo:
                    run(connection, "VACUUM ANALYZE shop.product, shop.vendor, shop.sale, shop.embedding")
        yield capture(as_role(url, role), statements=False)


@pytest.fixture(scope="module")
def whole(captured: Snapshot) -> Iterator[Twin]:
    with open_twin(captured) as opened:
        yield opened


@pytest.mark.parametrize("part", range(TWINS))
def test_a_part_plans_as_the_whole(part: int, captured: Snapshot, whole: Twin) -> None:
    statements = STATEMENTS[part::TWINS]
    with open_twin(captured, statements=statements) as twin:
        home = host_of(twin)
        for statement in statements:
            assert twin.obstacle(statement) == whole.obstacle(statement)
            assert twin.plan(statement) == whole.plan(statement)
        assert host_of(twin) == home, "all they need was known before"
        assert {each.what for each in twin.not_examined} <= {each.what for each in whole.not_examined}


def host_of(twin: Twin) -> object:
    """Return what tells one server from another."""
    return twin.built.host


def test_what_is_asked_later_is_held_from_then_on(captured: Snapshot, whole: Twin) -> None:
    product = "SELECT id FROM shop.product WHERE price = 5"
    vendor = "SELECT id FROM shop.vendor WHERE name = 'x'"
    index = IndexDef(schema="shop", table="product", name="on_price", keys=(Key(column="price"),))
    with open_twin(captured, statements=[product]) as twin:
        (added,) = twin.add([index])
        twin.show([added], without=["shop.product_price"])
        before, home = twin.plan(product), host_of(twin)
        assert before.indexes == {"on_price"}
        assert twin.plan(vendor) == whole.plan(vendor)
        assert host_of(twin) != home
        assert twin.plan(product) == before
        twin.show([])
        assert twin.plan(product) == whole.plan(product)
        other = IndexDef(schema="shop", table="embedding", name="other", keys=(Key(column="id"),))
        assert [each.index for each in twin.add([other])] == [other]
        with pytest.raises(InputError, match=r"there is no index shop\.nothing to drop"):
            twin.show([], without=["shop.nothing"])


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT 1", set[str]()),
        ("SELECT name FROM shop.vendor", {"shop.vendor"}),
        ('SELECT "name" FROM "shop"."vendor" AS product', {"shop.vendor"}),
        ("SELECT 'shop.vendor'::regclass", {"shop.vendor"}),
        # The children of a table, and the parents of a child.
        ("SELECT 1 FROM shop.sale_2024", {"shop.sale", "shop.sale_2024", "shop.sale_2025", "shop.sale_rest"}),
        # What deleting a row looks for elsewhere.
        ("DELETE FROM shop.vendor WHERE id = 1", {"shop.vendor", "shop.product"}),
        ("INSERT INTO shop.vendor VALUES (1)", {"shop.vendor"}),
        # A column of that name, and a text that is cut short.
        ("SELECT a.vendor FROM shop.empty AS a", {"shop.empty"}),
        ("SELECT 'it is shop.empty", set[str]()),
    ],
)
def test_what_a_statement_needs(captured: Snapshot, statement: str, tables: set[str]) -> None:
    reach = Reach(captured)
    nothing = {f"{each.schema_name}.{each.name}" for each in reach.narrowed().relations}
    reach.grow([statement])
    held = reach.narrowed()
    assert {f"{each.schema_name}.{each.name}" for each in held.relations} == tables | nothing
    assert reach.narrowed() == held
    assert not reach.grow([statement])
    names = {(each.schema_name, each.name) for each in held.relations}
    assert {(each.definition.schema, each.definition.table) for each in held.indexes} <= names
    for relation in held.relations:
        for constraint in relation.constraints:
            assert (constraint.referenced_schema, constraint.referenced_table) in names | {(None, None)}
