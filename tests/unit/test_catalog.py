"""The look-up over a snapshot ends whatever a snapshot file says of inheritance and domains."""

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation, TypeDef
from tests.unit.catalogs import snapshot, table

ITEM = table("item", "a integer")


def made(name: str, *parents: str, kind: str = "r") -> Relation:
    update = {"name": name, "kind": kind, "parents": tuple(("public", parent) for parent in parents), "tuples": 2.0}
    return ITEM.model_copy(update=update)


def catalog(*relations: Relation) -> Catalog:
    return Catalog(snapshot(*relations))


def test_a_table_counts_once_however_many_ways_lead_to_it() -> None:
    layers = [made("t0")]
    for depth in range(1, 40):
        above = (f"t{depth - 1}", f"u{depth - 1}") if depth > 1 else ("t0",)
        layers += [made(f"t{depth}", *above), made(f"u{depth}", *above)]
    found = catalog(*layers)
    assert found.rows(layers[0]) == 2.0 * len(layers)
    assert found.indexed_rows("public", "t0") == 2.0


def test_a_long_chain_of_partitions_is_walked() -> None:
    chain = [made(f"p{depth}", *([f"p{depth - 1}"] if depth else []), kind="p") for depth in range(3000)]
    found = catalog(*chain, made("leaf", "p2999"))
    assert found.rows(chain[0]) == found.indexed_rows("public", "p0") == 2.0


def test_a_domain_that_is_made_of_itself_has_a_type() -> None:
    pair = [TypeDef(schema_name="public", name=a, kind="d", base_type=f"public.{b}") for a, b in ("de", "ed")]
    found = Catalog(snapshot(ITEM).model_copy(update={"types": tuple(pair)}))
    assert found.underlying("public.d") in {"public.d", "public.e"}
    good = Catalog(
        snapshot(ITEM).model_copy(update={"types": (pair[0], pair[1].model_copy(update={"base_type": "text"}))})
    )
    assert good.underlying("public.d") == "text"
