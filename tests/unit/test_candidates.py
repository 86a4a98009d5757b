"""A query in, the indexes worth trying out."""

import itertools
import re

import pytest

from analyzer.advise.candidates import MOST_PER_TABLE, Candidate, candidates, not_tried
from analyzer.documents.snapshot import Constraint, Extension, Index, Relation, Snapshot, TypeDef
from analyzer.objects.index import IndexDef, Key
from analyzer.objects.operator_classes import Membership, Operator, OperatorClass, OperatorClasses, TypeFacts
from analyzer.postgres.pgvector import advised_lists
from analyzer.workload.parse import parse_file, parse_statements
from analyzer.workload.shapes import shapes
from tests.operator_classes import of_snapshot
from tests.unit.catalogs import existing, recorded, snapshot, statistics, table

ITEM = table(
    "item",
    "id bigint, vendor_id bigint, status text, price numeric, created_at timestamp without time zone,"
    "is_active boolean, deleted_at timestamp with time zone, attributes jsonb, tags text[], name text,"
    "embedding vector(3), wide vector(4096), body text, document tsvector, kind mood",
)
VENDOR = table("vendor", "id bigint, region text", rows=5000, pages=100)
STATISTICS = [
    statistics("item", "vendor_id", distinct=5000),
    statistics("item", "status", distinct=5, width=6),
    statistics("item", "created_at", correlation=0.99),
    statistics("item", "price", correlation=0.1),
    statistics("item", "is_active", distinct=2, width=1, common="{t,f}", frequencies=(0.9, 0.1)),
    statistics("item", "deleted_at", nulls=0.999),
    statistics("item", "body", width=2000),
    statistics("item", "name", width=20),
]
MOOD = TypeDef(schema_name="public", name="mood", kind="e", labels=("a", "b"))


def shop(
    *relations: Relation, indexes: tuple[Index, ...] = (), extensions: tuple[str, ...] = ("vector", "pg_trgm")
) -> Snapshot:
    listed = relations or (ITEM, VENDOR)
    return snapshot(
        *listed, indexes=indexes, columns=STATISTICS, extensions=extensions, types=[MOOD], collate="en_US.utf8"
    )


def proposed(query: str, catalog: Snapshot | None = None) -> tuple[Candidate, ...]:
    catalog = catalog or shop()
    shaped, not_examined = shapes(parse_file(query).statements, catalog)
    assert not not_examined
    return candidates(shaped, catalog, of_snapshot(catalog))


def untried(query: str, catalog: Snapshot) -> tuple[tuple[str | None, str], ...]:
    shaped, _ = shapes(parse_file(query).statements, catalog)
    return not_tried(shaped, catalog, of_snapshot(catalog))


def described(candidate: Candidate) -> str:
    """Write a candidate as a line to compare with."""
    index = candidate.index
    keys = ", ".join(
        f"{key.column or key.expression}{' ' + key.opclass if key.opclass else ''}{' DESC' if key.descending else ''}"
        f"{' NULLS ' + key.nulls.upper() if key.nulls else ''}"
        for key in index.keys
    )
    text = f"{index.method} ({keys})"
    if index.include:
        text += f" INCLUDE ({', '.join(index.include)})"
    if index.parameters:
        text += f" WITH ({', '.join(f'{name}={value}' for name, value in index.parameters)})"
    return text + (f" WHERE {index.where}" if index.where else "")


def lines(query: str, catalog: Snapshot | None = None, table: str = "item") -> list[str]:
    return [described(each) for each in proposed(query, catalog) if each.index.table == table]


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("SELECT id FROM item WHERE status = $1 AND vendor_id = $2", "btree (vendor_id, status)"),
        ("SELECT id FROM item WHERE status = $1 AND price > $2", "btree (status, price)"),
        ("SELECT id FROM item WHERE price > $1", "btree (price) INCLUDE (id)"),
        ("SELECT id, name FROM item WHERE status = $1", "btree (status) INCLUDE (id, name)"),
        ("SELECT * FROM item ORDER BY created_at DESC LIMIT 10", "btree (created_at)"),
        (
            "SELECT * FROM item WHERE vendor_id = $1 ORDER BY created_at DESC, id LIMIT 5",
            "btree (vendor_id, created_at, id DESC)",
        ),
        ("SELECT * FROM item ORDER BY price DESC NULLS LAST LIMIT 5", "btree (price NULLS FIRST)"),
        ("SELECT id FROM item WHERE vendor_id = $1 AND is_active", "btree (vendor_id) INCLUDE (id) WHERE is_active"),
        (
            "SELECT id FROM item WHERE is_active AND deleted_at IS NOT NULL",
            "btree (id) WHERE deleted_at IS NOT NULL AND is_active",
        ),
        ("SELECT id FROM item WHERE status = 'open' AND vendor_id = $1", "btree (vendor_id) WHERE status = 'open'"),
        ("SELECT id FROM item WHERE lower(name) = $1", "btree (lower(name))"),
        ("SELECT id FROM item WHERE attributes ->> 'brand' = $1", "btree (attributes ->> 'brand')"),
        ("SELECT id FROM item WHERE attributes @> $1", "gin (attributes jsonb_path_ops)"),
        ("SELECT id FROM item WHERE attributes ? $1", "gin (attributes)"),
        ("SELECT id FROM item WHERE tags && $1", "gin (tags)"),
        ("SELECT id FROM item WHERE document @@ $1", "gin (document)"),
        ("SELECT id FROM item WHERE to_tsvector('english', body) @@ $1", "gin (to_tsvector('english', body))"),
        ("SELECT id FROM item WHERE name ILIKE $1", "gin (name gin_trgm_ops)"),
        ("SELECT id FROM item WHERE name LIKE 'abc%'", "btree (name text_pattern_ops)"),
        (
            "SELECT id FROM item ORDER BY embedding <=> $1 LIMIT 5",
            "ivfflat (embedding vector_cosine_ops) WITH (lists=1000)",
        ),
        ("SELECT id FROM item ORDER BY embedding <+> $1 LIMIT 5", "hnsw (embedding vector_l1_ops)"),
        ("SELECT id FROM item ORDER BY name <-> $1 LIMIT 5", "gist (name gist_trgm_ops)"),
        ("SELECT id FROM item WHERE created_at > $1", "brin (created_at)"),
        ("SELECT 1 FROM vendor v JOIN item i ON i.vendor_id = v.id WHERE v.region = $1", "btree (vendor_id)"),
        ("SELECT id FROM item WHERE kind = $1 OR vendor_id = $2", "btree (kind)"),
        (
            "SELECT id FROM item WHERE (vendor_id = $1 AND status = $2) OR (name = $3 AND price > $4)",
            "btree (vendor_id, status)",
        ),
        (
            "SELECT id FROM item WHERE (vendor_id = $1 AND status = $2) OR (name = $3 AND price > $4)",
            "btree (name, price)",
        ),
        ("SELECT id FROM item WHERE (status, vendor_id) IN (($1, $2), ($3, $4))", "btree (vendor_id, status)"),
        ("SELECT count(*) FROM item GROUP BY vendor_id, status", "btree (vendor_id, status)"),
    ],
)
def test_a_query_gets_its_index(query: str, line: str) -> None:
    assert line in lines(query)


@pytest.mark.parametrize(
    ("query", "pattern", "otherwise"),
    [
        (
            "SELECT id FROM item WHERE attributes ->> $1 = $2", r"btree \(attr",
            "SELECT id FROM item WHERE attributes ->> 'brand' = $2",
        ),
        ("SELECT id FROM item WHERE $1 = ANY(tags)", "gin", "SELECT id FROM item WHERE tags @> ARRAY[$1]"),
        ("SELECT id FROM item WHERE name ILIKE '%ab%'", "gin", "SELECT id FROM item WHERE name ILIKE '%abc%'"),
        ("SELECT id FROM item WHERE body = $1", "btree", "SELECT id FROM item WHERE name = $1"),
        ("SELECT body FROM item WHERE status = $1", "INCLUDE", "SELECT name FROM item WHERE status = $1"),
        ("SELECT * FROM item WHERE status = $1", "INCLUDE", "SELECT name, price FROM item WHERE status = $1"),
        ("SELECT id FROM item WHERE attributes = $1", "btree", "SELECT id FROM item WHERE tags[1] = $1 AND kind = $2"),
        (
            "SELECT id FROM item ORDER BY wide <=> $1 LIMIT 5", "hnsw|ivfflat",
            "SELECT id FROM item ORDER BY embedding <=> $1 LIMIT 5",
        ),
        (
            "SELECT id FROM item ORDER BY embedding <+> $1 LIMIT 5", "ivfflat",
            "SELECT id FROM item ORDER BY embedding <=> $1 LIMIT 5",
        ),
        ("SELECT id FROM item WHERE price > $1", "brin", "SELECT id FROM item WHERE created_at > $1"),
        (
            "SELECT id FROM item WHERE vendor_id = $1 AND deleted_at IS NULL", "WHERE",
            "SELECT id FROM item WHERE vendor_id = $1 AND deleted_at IS NOT NULL",
        ),
        (
            "UPDATE item SET price = $1 WHERE vendor_id = $2", "INCLUDE",
            "SELECT price FROM item WHERE vendor_id = $2",
        ),
    ],
)  # fmt: skip
def test_what_would_be_illegal_or_useless_is_not_tried(query: str, pattern: str, otherwise: str) -> None:
    """`otherwise` is the same query but for one thing, and gets such an index."""
    assert [line for line in lines(otherwise) if re.search(pattern, line)]
    assert not [line for line in lines(query) if re.search(pattern, line)]


def test_a_prefix_is_a_range_only_where_text_sorts_by_bytes() -> None:
    query = "SELECT id FROM item WHERE status = $1 AND name LIKE 'abc%'"
    assert "btree (status, name)" not in lines(query)
    bytewise = shop().model_copy(update={"server": snapshot().server})
    assert "btree (status, name)" in lines(query, bytewise)


def test_trigram_needs_its_extension_and_names_its_schema() -> None:
    query = "SELECT id FROM item WHERE name ILIKE $1"
    assert lines(query, shop(extensions=("vector",))) == []
    elsewhere = shop().model_copy(update={"extensions": (Extension(name="pg_trgm", version="1", schema_name="ext"),)})
    assert lines(query, elsewhere) == ["gin (name ext.gin_trgm_ops)"]


def test_an_operator_class_with_an_odd_name_is_quoted() -> None:
    odd = OperatorClasses(
        types=[
            TypeFacts(name="text", short_name="text", kind="b", base=None, category="S", is_preferred=True, length=-1)
        ],
        operators=[
            Operator(
                name="~~*",
                schema="public",
                left="text",
                right="text",
                commutator=None,
                families=(Membership(family="f", strategy=1, purpose="s"),),
            )
        ],
        classes=[
            OperatorClass(
                method="gin", schema="public", name='a."b" c', family="f", input="text", is_default=False, summary=None
            )
        ],
    )
    shaped, _ = shapes(parse_file("SELECT id FROM item WHERE name ILIKE $1").statements, shop())
    (found,) = candidates(shaped, shop(), odd)
    assert '(name "a.""b"" c")' in found.index.ddl()


QUERY = "SELECT id FROM item ORDER BY embedding <=> $1 LIMIT 5"


def test_a_vector_index_says_what_memory_its_build_takes() -> None:
    server = shop().server.model_copy(update={"maintenance_work_mem_bytes": 64 * 1024**2})
    known = shop().model_copy(update={"server": server})
    found = proposed(QUERY, known)
    notes = {each.index.method: each.notes for each in found}
    failure = "clustering into 1000 lists takes 196 MB: with maintenance_work_mem = 64 MB, the build fails"
    assert notes == {
        "hnsw": (
            "the graph takes 698 MB: with maintenance_work_mem = 64 MB, the build is many times slower",
            f"ivfflat was not tried: {failure}",
        )
    }
    ((ddl, reason),) = untried(QUERY, known)
    assert ddl is not None
    assert "USING ivfflat (embedding vector_cosine_ops) WITH (lists = 1000)" in ddl
    assert reason.startswith(f"{failure} (statement ")
    assert not untried(QUERY, shop())
    assert all(not each.notes for each in proposed(QUERY))


WIDE = "SELECT id FROM item ORDER BY wide <=> $1 LIMIT 5"


def test_what_a_statement_would_have_to_order_by_is_told_where_no_index_takes_the_dimensions() -> None:
    ((ddl, reason),) = untried(f"{WIDE}; SELECT vendor_id FROM item ORDER BY wide <=> $1 LIMIT 5", shop())
    assert ddl is not None
    assert "USING hnsw ((binary_quantize(wide)::bit(4096)) bit_hamming_ops)" in ddl
    assert re.fullmatch(
        re.escape(
            "wide is vector(4096), and an index takes up to 2,000 dimensions of vector; this one is used only if the "
            "statement orders by binary_quantize(wide)::bit(4096) <~> …, and sorts some more rows than it needs by "
            "wide <=> … again "
        )
        + r"\(statements \w+, \w+\)",
        reason,
    )
    half = table("item", "id bigint, wide vector(3072), loose vector", rows=1e6, pages=20_000)
    ((ddl, reason),) = untried(WIDE, shop(half))
    assert ddl is not None
    assert "hnsw ((wide::halfvec(3072)) halfvec_cosine_ops)" in ddl
    assert "orders by wide::halfvec(3072) <=> … (statement " in reason
    ((ddl, reason),) = untried("SELECT id FROM item ORDER BY loose <=> $1 LIMIT 5", shop(half))
    assert ddl is not None
    assert "hnsw (loose vector_cosine_ops)" in ddl
    assert reason.startswith("loose has no fixed dimensions, which an index needs: declare them")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM item ORDER BY wide <=> $1",
        "SELECT id FROM item ORDER BY binary_quantize(wide)::bit(4096) <~> $1 LIMIT 5",
        """SELECT id FROM (SELECT id, wide FROM item ORDER BY binary_quantize(wide)::bit(4096) <~> binary_quantize($1)
        LIMIT 50) AS found ORDER BY wide <=> $1 LIMIT 5""",
    ],
)
def test_nothing_is_told_of_a_statement_that_an_index_can_serve(query: str) -> None:
    assert untried(query, shop()) == ()


def test_an_index_that_exists_and_is_not_used_is_named() -> None:
    half = table("item", "id bigint, wide vector(3072)", rows=1e6, pages=20_000)
    key = Key(expression="wide::halfvec(3072)", opclass="halfvec_cosine_ops")
    definition = IndexDef(schema="public", table="item", name="item_wide", method="hnsw", keys=(key,))
    ((ddl, reason),) = untried(WIDE, shop(half, indexes=(Index(definition=definition, ddl=""),)))
    assert ddl is None
    assert reason.startswith("public.item_wide: wide is vector(3072), and an index takes")


def test_ivfflat_waits_for_rows() -> None:
    small = table("item", "id bigint, embedding vector(3)", rows=400, pages=100)
    found = lines("SELECT id FROM item ORDER BY embedding <-> $1 LIMIT 5", shop(small))
    assert found == ["hnsw (embedding vector_l2_ops)"]
    assert [advised_lists(rows) for rows in (1000, 50_000, 1_000_000, 4_000_000)] == [10, 50, 1000, 2000]


def test_tiny_tables_get_nothing_but_foreign_keys() -> None:
    key = Constraint(
        name="item_vendor_id_fkey",
        kind="f",
        definition="FOREIGN KEY (vendor_id) REFERENCES vendor(id)",
        columns=("vendor_id",),
        referenced_schema="public",
        referenced_table="vendor",
        referenced_columns=("id",),
    )
    tiny = table("item", "id bigint, vendor_id bigint", rows=10, pages=1, constraints=(key,))
    (found,) = proposed("SELECT id FROM item WHERE id = $1; DELETE FROM vendor WHERE id = $1", shop(tiny, VENDOR))[:1]
    assert found.index.columns == ("vendor_id",)
    assert found.foreign_key
    assert len(found.statement_ids) == 1
    assert lines("SELECT id FROM item WHERE id = $1", shop(tiny, VENDOR)) == []


def keyed(query: str, catalog: Snapshot) -> list[tuple[str, ...]]:
    """Return table and columns of the candidates that serve a foreign key."""
    return [(each.index.table, *each.index.columns) for each in proposed(query, catalog) if each.foreign_key]


def foreign_key(table: str) -> Constraint:
    return Constraint(
        name="f",
        kind="f",
        definition="",
        columns=(f"{table}_id",),
        referenced_schema="public",
        referenced_table=table,
        referenced_columns=("id",),
    )


def index(*columns: str, method: str = "btree", where: str | None = None, include: tuple[str, ...] = ()) -> IndexDef:
    keys = tuple(Key(column=column) for column in columns)
    return IndexDef(schema="public", table="item", name="i", method=method, keys=keys, where=where, include=include)


@pytest.mark.parametrize(
    ("have", "is_covered"),
    [
        (existing(index("vendor_id")), True),
        (existing(index("vendor_id", "id")), True),
        (existing(index("vendor_id", where="(vendor_id IS NOT NULL)")), True),
        (existing(index("vendor_id", method="hash")), True),
        (existing(index("id", "vendor_id")), False),
        (existing(index("id", include=("vendor_id",))), False),
        (existing(index("vendor_id", where="id > 5")), False),
        (existing(index("vendor_id"), valid=False), False),
        (existing(index("vendor_id", method="brin")), False),
    ],
)
def test_a_foreign_key_is_covered_by_what_the_server_would_use(have: Index, *, is_covered: bool) -> None:
    key = foreign_key("vendor")
    relation = table("item", "id bigint, vendor_id bigint", constraints=(key,))
    assert (keyed("DELETE FROM vendor WHERE id = $1", shop(relation, VENDOR, indexes=(have,))) == []) == is_covered


def test_a_foreign_key_that_no_statement_meets_is_left_alone() -> None:
    key = foreign_key("vendor")
    catalog = shop(table("item", "id bigint, vendor_id bigint", constraints=(key,)), VENDOR)
    assert keyed("SELECT id FROM vendor WHERE id = $1", catalog) == []
    assert keyed("DELETE FROM vendor WHERE id = $1", catalog) == [("item", "vendor_id")]


def test_a_foreign_key_that_a_cascade_meets_is_tried() -> None:
    item = table("item", "id bigint, vendor_id bigint", constraints=(foreign_key("vendor"),))
    part = table("part", "id bigint, item_id bigint", constraints=(foreign_key("item"),))
    assert keyed("DELETE FROM vendor WHERE id = $1", shop(item, part, VENDOR)) == [("item", "vendor_id")]
    cascading = foreign_key("vendor").model_copy(update={"on_delete": "c"})
    item = item.model_copy(update={"constraints": (cascading,)})
    found = [each for each in proposed("DELETE FROM vendor", shop(item, part, VENDOR)) if each.foreign_key]
    assert [(each.index.table, *each.index.columns) for each in found] == [("item", "vendor_id"), ("part", "item_id")]
    assert [each.weight for each in found] == [1, 1]


@pytest.mark.parametrize(
    ("have", "line", "is_left_out"),
    [
        (index("vendor_id"), "btree (vendor_id)", True),
        (index("vendor_id", "status"), "btree (vendor_id)", True),
        (index("vendor_id", include=("id",)), "btree (vendor_id) INCLUDE (id)", True),
        (index("vendor_id", "id"), "btree (vendor_id) INCLUDE (id)", True),
        (index("vendor_id"), "btree (vendor_id) INCLUDE (id)", False),
        (index("created_at", "vendor_id"), "btree (vendor_id)", False),
        (index("vendor_id", where="is_active"), "btree (vendor_id)", False),
        (index("vendor_id", method="hash"), "btree (vendor_id)", False),
    ],
)
def test_nothing_that_exists_is_proposed(have: IndexDef, line: str, *, is_left_out: bool) -> None:
    found = lines("SELECT id FROM item WHERE vendor_id = $1", shop(ITEM, VENDOR, indexes=(existing(have),)))
    assert (line not in found) == is_left_out


@pytest.mark.parametrize(
    ("have", "query", "is_served"),
    [
        (index("status", "vendor_id"), "SELECT * FROM item WHERE vendor_id = $1", True),
        (index("status", "vendor_id", "id"), "SELECT * FROM item WHERE vendor_id = $1", True),
        (index("created_at", "vendor_id"), "SELECT * FROM item WHERE vendor_id = $1", False),
        (index("status", "vendor_id", where="is_active"), "SELECT * FROM item WHERE vendor_id = $1", False),
        (index("status", "vendor_id"), "SELECT * FROM item ORDER BY vendor_id LIMIT 5", False),
    ],
)
def test_an_index_that_18_skips_through_serves_its_second_key(have: IndexDef, query: str, *, is_served: bool) -> None:
    catalog = shop(ITEM, VENDOR, indexes=(existing(have),))
    assert ("btree (vendor_id)" not in lines(query, catalog)) == is_served
    before = catalog.server.model_copy(update={"version_num": 170009})
    assert "btree (vendor_id)" in lines(query, catalog.model_copy(update={"server": before}))


def test_an_index_read_backwards_is_the_same_index() -> None:
    backwards = IndexDef(schema="public", table="item", name="i", keys=(Key(column="price", descending=True),))
    query = "SELECT * FROM item ORDER BY price LIMIT 5"
    assert "btree (price)" in lines(query)
    assert "btree (price)" not in lines(query, shop(ITEM, VENDOR, indexes=(existing(backwards),)))


def keyed_by(*names: str) -> Index:
    """Make an index of keys, `-name` a descending one."""
    keys = (Key(column=name.removeprefix("-"), descending=name.startswith("-")) for name in names)
    return existing(IndexDef(schema="public", table="item", name="i", keys=tuple(keys)))


@pytest.mark.parametrize(
    ("have", "query", "line", "is_served"),
    [
        (
            keyed_by("vendor_id", "-price"), "SELECT * FROM item WHERE vendor_id = $1 ORDER BY price LIMIT 5",
            "btree (vendor_id, price)", True,
        ),
        (
            keyed_by("-vendor_id", "price", "id"), "SELECT * FROM item WHERE vendor_id = $1 ORDER BY price LIMIT 5",
            "btree (vendor_id, price)", True,
        ),
        (
            keyed_by("vendor_id", "-price"), "SELECT * FROM item WHERE vendor_id = $1 AND price > $2",
            "btree (vendor_id, price)", True,
        ),
        (
            keyed_by("status", "-vendor_id", "-price"),
            "SELECT * FROM item WHERE vendor_id = $1 AND status = $2 ORDER BY price LIMIT 5",
            "btree (vendor_id, status, price)", True,
        ),
        (
            keyed_by("status", "vendor_id"), "SELECT * FROM item WHERE vendor_id = $1 AND status IN ($2, $3)",
            "btree (vendor_id, status)", True,
        ),
        (
            keyed_by("vendor_id", "-price"), "SELECT * FROM item ORDER BY vendor_id, price LIMIT 5",
            "btree (vendor_id, price)", False,
        ),
        (
            keyed_by("vendor_id", "price", "-id"),
            "SELECT * FROM item WHERE vendor_id = $1 ORDER BY price, id LIMIT 5", "btree (vendor_id, price, id)", False,
        ),
        (
            keyed_by("vendor_id", "-price"),
            "SELECT * FROM item WHERE vendor_id IN ($1, $2) ORDER BY vendor_id, price LIMIT 5",
            "btree (vendor_id, price)", False,
        ),
        (
            keyed_by("vendor_id", "-price"),
            """SELECT * FROM item WHERE vendor_id = $1 ORDER BY price LIMIT 5;
            SELECT * FROM item ORDER BY vendor_id, price LIMIT 5""",
            "btree (vendor_id, price)", False,
        ),
        (
            keyed_by("status", "price", "vendor_id"),
            "SELECT * FROM item WHERE vendor_id = $1 AND status = $2 ORDER BY price LIMIT 5",
            "btree (vendor_id, status, price)", False,
        ),
    ],
)  # fmt: skip
def test_what_equality_fixes_has_no_order_and_no_direction(
    have: Index, query: str, line: str, *, is_served: bool
) -> None:
    assert line in lines(query)
    assert (line not in lines(query, shop(ITEM, VENDOR, indexes=(have,)))) == is_served


def test_an_invalid_index_does_not_count() -> None:
    broken = existing(index("vendor_id"), valid=False)
    assert "btree (vendor_id)" in lines(
        "SELECT id FROM item WHERE vendor_id = $1", shop(ITEM, VENDOR, indexes=(broken,))
    )


def test_two_covering_indexes_are_merged_into_one() -> None:
    found = proposed(
        "SELECT price FROM item WHERE vendor_id = $1; SELECT id FROM item WHERE vendor_id = $1 AND status = $2"
    )
    merged = [each for each in found if described(each) == "btree (vendor_id, status) INCLUDE (id, price)"]
    assert len(merged) == 1
    assert len(merged[0].statement_ids) == 2


def test_names_are_short_unique_and_say_what_the_index_is() -> None:
    wide = table(
        "a_table_with_a_name_of_fifty_characters_or_so_at_all",
        "first_column bigint, second_column bigint, third bigint",
    )
    found = proposed(
        "SELECT third FROM a_table_with_a_name_of_fifty_characters_or_so_at_all"
        " WHERE first_column = $1 AND second_column > $2",
        shop(wide),
    )
    names = [each.index.name for each in found]
    assert len(set(names)) == len(names)
    assert all(len(name.encode()) <= 63 for name in names)
    named = {
        described(each): each.index.name
        for each in proposed("SELECT id FROM item WHERE vendor_id = $1 AND is_active AND name ILIKE $2")
    }
    assert named["btree (vendor_id)"] == "ix_item_vendor_id"
    assert named["gin (name gin_trgm_ops)"] == "ix_item_name_trgm"
    assert named["btree (vendor_id) WHERE is_active"] == "ix_item_vendor_id_where_is_active"


def test_a_name_that_is_taken_gets_another() -> None:
    taken = existing(index("id", "price").renamed("ix_item_vendor_id"))
    found = proposed("SELECT id FROM item WHERE vendor_id = $1", shop(ITEM, VENDOR, indexes=(taken,)))
    (name,) = [each.index.name for each in found if described(each) == "btree (vendor_id)"]
    assert re.fullmatch(r"ix_item_vendor_id_[0-9a-f]{8}", name)


def test_many_statements_are_capped_and_each_keeps_its_best() -> None:
    columns = ["vendor_id", "status", "price", "created_at", "id", "kind"]
    pairs = list(itertools.permutations(columns, 2))
    queries = [f"SELECT name FROM item WHERE {one} = $1 AND {other} > $2" for one, other in pairs]
    queries.append("SELECT id FROM item WHERE attributes @> $1")
    entries = [recorded(query, total_ms=1000 - i, queryid=str(i)) for i, query in enumerate(queries)]
    catalog = shop()
    shaped, _ = shapes(parse_statements(catalog.model_copy(update={"statements": tuple(entries)})).statements, catalog)
    found = [described(each) for each in candidates(shaped, catalog, of_snapshot(catalog))]
    assert len(found) == MOST_PER_TABLE
    assert {f"btree ({one}, {other})" for one, other in pairs} <= set(found)
    assert "gin (attributes jsonb_path_ops)" in found


def test_the_same_workload_gives_the_same_candidates_in_any_order() -> None:
    queries = [
        "SELECT id FROM item WHERE vendor_id = $1 AND is_active",
        "SELECT name FROM item WHERE status = $1 AND price > $2",
    ]
    one = proposed(";".join(queries))
    assert one == proposed(";".join(reversed(queries)))
    assert one
