"""A query in, what it asks of each table out."""

import pytest

from analyzer.documents.snapshot import NotExamined
from analyzer.workload.ordering import Nearest, Sort, SortKey
from analyzer.workload.parse import parse_file
from analyzer.workload.shapes import OperatorPredicate, Shape, TableShape, shape
from tests.unit.catalogs import snapshot, table

CATALOG = snapshot(
    table(
        "item",
        "id bigint, vendor_id bigint, status text, price numeric, created_at timestamp without time zone,"
        "is_active boolean, deleted_at timestamp with time zone, attributes jsonb, tags text[], name text,"
        "embedding vector(3), email text",
    ),
    table("vendor", "id bigint, name text, region text"),
    table("item", "id bigint, other text", schema="archive"),
    table("Mixed", '"Id" bigint, "Data" jsonb, id text'),
    table(
        "active_item",
        "item_id bigint, vendor_id bigint",
        definition=" SELECT item.id, item.vendor_id FROM item WHERE item.is_active;",
    ),
)


def shaped(query: str) -> Shape:
    (statement,) = parse_file(query).statements
    found = shape(statement, CATALOG)
    assert isinstance(found, Shape), found
    return found


def only(query: str) -> TableShape:
    (found,) = shaped(query).tables
    return found


def test_equality_range_and_columns_read() -> None:
    found = only("SELECT name FROM item WHERE status = $1 AND price > 3 AND vendor_id IN (1, 2) AND id = ANY($2)")
    assert found.equalities == ("status", "vendor_id", "id")
    assert found.ranges == ("price",)
    assert found.columns == ("id", "vendor_id", "status", "price", "name")


def test_a_constant_on_the_left_is_turned_round() -> None:
    found = shaped("SELECT id FROM item WHERE $1 < price AND 3 = id")
    assert found.tables[0].ranges == ("price",)
    assert found.tables[0].equalities == ("id",)
    assert found.comparisons[0].operator == ">"


def test_unqualified_columns_belong_to_the_table_that_has_them() -> None:
    item, vendor = shaped(
        "SELECT 1 FROM item i JOIN vendor v ON v.id = vendor_id WHERE region = $1 AND price < 2"
    ).tables
    assert vendor.equalities == ("region",)
    assert item.ranges == ("price",)
    assert [(join.column, join.other) for join in item.joins] == [("vendor_id", ("public", "vendor", "id"))]


def test_a_self_join_is_two_occurrences() -> None:
    one, two = shaped("SELECT a.id FROM item a, item b WHERE a.id = b.vendor_id AND b.email = $1").tables
    assert (one.alias, one.equalities, one.joins[0].column) == ("a", (), "id")
    assert (two.alias, two.equalities, two.joins[0].column) == ("b", ("email",), "vendor_id")


def test_schemas_and_quoted_names_are_told_apart() -> None:
    assert only("SELECT other FROM archive.item WHERE id = $1").schema == "archive"
    mixed = only('SELECT "Data" FROM "Mixed" WHERE "Id" = $1 AND Id = $2')
    assert mixed.equalities == ("Id", "id")


def test_a_correlated_subquery_joins_its_outer_table() -> None:
    vendor, item = shaped(
        "SELECT name FROM vendor v WHERE EXISTS (SELECT 1 FROM item WHERE vendor_id = v.id AND status = $1)"
    ).tables
    assert item.joins[0].other == ("public", "vendor", "id")
    assert item.equalities == ("status",)
    assert vendor.joins[0].column == "id"


def test_in_subquery_and_using_are_joins() -> None:
    item, vendor = shaped("SELECT 1 FROM item WHERE vendor_id IN (SELECT id FROM vendor)").tables
    assert (item.joins[0].column, vendor.joins[0].column) == ("vendor_id", "id")
    one, two = shaped("SELECT 1 FROM item JOIN vendor USING (id)").tables
    assert (one.joins[0].column, two.joins[0].column) == ("id", "id")


@pytest.mark.parametrize(
    "query",
    [
        "WITH w AS (SELECT * FROM item WHERE is_active) SELECT id FROM w WHERE status = $1",
        "SELECT s.id FROM (SELECT id, status AS state FROM item WHERE is_active) s WHERE s.state = $1",
        "SELECT q FROM (SELECT id, status FROM item WHERE is_active) AS s(q, r) WHERE r = $1",
    ],
)
def test_conditions_reach_through_subqueries_to_the_table(query: str) -> None:
    found = only(query)
    assert found.equalities == ("status",)
    assert [condition.sql for condition in found.conditions] == ["is_active"]
    assert found.columns == ("id", "status", "is_active")


def test_a_view_is_what_it_selects() -> None:
    found = only("SELECT count(*) FROM active_item WHERE item_id = $1")
    assert (found.table, found.equalities, found.columns) == ("item", ("id",), ("id", "is_active"))


def test_conditions_without_parameters_are_kept_for_partial_indexes() -> None:
    found = only(
        "SELECT id FROM item WHERE is_active AND NOT is_active AND deleted_at IS NULL AND email IS NOT NULL "
        "AND status = 'it''s' AND price <> 0 AND vendor_id = $1 AND created_at > now()"
    )
    assert [condition.sql for condition in found.conditions] == [
        "is_active",
        "NOT is_active",
        "deleted_at IS NULL",
        "email IS NOT NULL",
        "status = 'it''s'",
        "price <> 0",
    ]
    assert found.nulls == ("deleted_at",)


@pytest.mark.parametrize(
    ("condition", "column", "operator"),
    [
        ("attributes @> $1", "attributes", "@>"),
        ("attributes ? $1", "attributes", "?"),
        ("attributes ?| $1", "attributes", "?|"),
        ("attributes @? $1", "attributes", "@?"),
        ("tags && $1", "tags", "&&"),
        ("$1 <@ tags", "tags", "@>"),
        ("$1 = ANY(tags)", "tags", "= any"),
        ("name ILIKE $1", "name", "ilike"),
        ("name ~~* $1", "name", "ilike"),
        ("name ~ $1", "name", "~"),
        ("name % $1", "name", "%"),
    ],
)
def test_operators_keep_their_column(condition: str, column: str, operator: str) -> None:
    (found,) = only(f"SELECT id FROM item WHERE {condition} AND is_active").operators
    assert (found.column, found.operator) == (column, operator)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("name ^@ 'abc'", OperatorPredicate(column="name", operator="^@", value="abc")),
        ("starts_with(name, 'abc')", OperatorPredicate(column="name", operator="^@", value="abc")),
        ("name OPERATOR(ext.<<%) $1", OperatorPredicate(column="name", operator="<<%")),
        ("$1 %>> name", OperatorPredicate(column="name", operator="%>>", is_commuted=True)),
        ("tags && ARRAY['a']", OperatorPredicate(column="tags", operator="&&", other_type="text[]")),
        ("attributes @> $1::jsonb", OperatorPredicate(column="attributes", operator="@>", other_type="JSONB")),
        ("name LIKE 'a%'::text", OperatorPredicate(column="name", operator="like", value="a%")),
        (
            "attributes -> 'a' ? $1",
            OperatorPredicate(
                column="attributes", operator="?", expression="attributes -> 'a'", expression_type="jsonb"
            ),
        ),
        (
            "to_tsvector('english'::regconfig, name || ' ' || email) @@ to_tsquery($1)",
            OperatorPredicate(
                column="name",
                operator="@@",
                expression="to_tsvector('english', ((name || ' ') || email))",
                expression_type="tsvector",
                other_type="tsquery",
            ),
        ),
    ],
)
def test_any_operator_is_kept_with_what_the_text_tells(condition: str, expected: OperatorPredicate) -> None:
    (found,) = only(f"SELECT id FROM item WHERE {condition} AND is_active").operators
    assert found == expected


@pytest.mark.parametrize(
    "condition",
    [
        "name LIKE ANY ($1)",
        "name NOT LIKE 'abc'",
        "name @@ email",
        "price || name @@ $1",
        "my_function(name) ~ $1",
        "to_tsvector(name) @@ $1",
    ],
)
def test_what_no_access_method_serves_is_no_operator(condition: str) -> None:
    assert only(f"SELECT id FROM item WHERE {condition}").operators == ()


def test_a_comparison_with_its_schema_is_a_comparison() -> None:
    found = only("SELECT id FROM item WHERE id OPERATOR(pg_catalog.=) $1 AND 3 OPERATOR(pg_catalog.<) price")
    assert (found.equalities, found.ranges, found.operators) == (("id",), ("price",), ())


@pytest.mark.parametrize(
    ("condition", "sql"),
    [
        ("lower(email) = $1", "lower(email)"),
        ("attributes ->> 'brand' = $1", "attributes ->> 'brand'"),
        ("(attributes ->> 'a.b')::int > $1", "(attributes ->> 'a.b')::integer"),
        ("attributes -> 'a' ->> 'b' = $1", "attributes -> 'a' ->> 'b'"),
        ("date_trunc('day', created_at) = $1", "date_trunc('day', created_at)"),
        ("extract(year FROM created_at) = $1", "EXTRACT(year FROM created_at)"),
        ("created_at::date = $1", "(created_at)::date"),
        (
            "date_trunc('day', deleted_at AT TIME ZONE 'UTC') = $1",
            "date_trunc('day', (deleted_at AT TIME ZONE 'UTC'))",
        ),
        ("price * 2 + 1 > $1", "((price * 2) + 1)"),
        ("left(status, 2) = $1", "left(status, 2)"),
        ("coalesce(status, '') = $1", "coalesce(status, '')"),
    ],
)
def test_expressions_are_written_for_an_index(condition: str, sql: str) -> None:
    (found,) = only(f"SELECT id FROM item WHERE {condition}").expressions
    assert found.sql == sql


@pytest.mark.parametrize(
    "condition",
    [
        "attributes ->> $1 = $2",
        "date_trunc('day', deleted_at) = $1",
        "extract('epoch' FROM deleted_at) = $1",
        "deleted_at::date = $1",
        "deleted_at AT TIME ZONE $1 > $2",
        "created_at + '1 day' > $1",
        "status || price = $1",
        "now() - created_at > $1",
        "my_function(email) = $1",
    ],
)
def test_what_is_not_known_to_be_immutable_is_no_index_expression(condition: str) -> None:
    assert only(f"SELECT id FROM item WHERE {condition}").expressions == ()


def test_sort_keys_have_direction_and_nulls() -> None:
    (sort,) = only(
        "SELECT id AS x FROM item WHERE vendor_id = $1 ORDER BY created_at DESC, 1, price NULLS FIRST LIMIT 5"
    ).sorts
    assert sort.limited
    assert sort.keys == (
        SortKey(column="created_at", descending=True, nulls_first=True),
        SortKey(column="id"),
        SortKey(column="price", nulls_first=True),
    )


@pytest.mark.parametrize("query", ["SELECT id FROM item ORDER BY random() LIMIT 5", "SELECT id FROM item"])
def test_an_order_of_no_table_is_no_sort(query: str) -> None:
    assert all(not found.sorts for found in shaped(query).tables)


def test_an_order_over_two_tables_begins_with_one() -> None:
    item, vendor = shaped("SELECT 1 FROM item i, vendor v ORDER BY i.price, i.id, v.name, i.status LIMIT 5").tables
    assert item.sorts == (Sort(keys=(SortKey(column="price"), SortKey(column="id")), limited=True),)
    assert vendor.sorts == ()


def test_windows_are_orders() -> None:
    ranked = "rank() OVER (PARTITION BY vendor_id ORDER BY price DESC)"
    found = only(f"SELECT {ranked}, sum(id) OVER w FROM item WINDOW w AS (ORDER BY id)")
    assert found.sorts == (
        Sort(
            keys=(SortKey(column="vendor_id"), SortKey(column="price", descending=True, nulls_first=True)),
            limited=False,
        ),
        Sort(keys=(SortKey(column="id"),), limited=False),
    )


def test_several_values_of_one_column_are_a_list() -> None:
    for condition in ("status IN ($1, $2)", "status = ANY ($1)", "status = $1 OR status = $2 OR status IN ($3)"):
        found = only(f"SELECT id FROM item WHERE {condition}")
        assert (found.equalities, found.lists, found.alternatives) == (("status",), ("status",), ())
    assert only("SELECT id FROM item WHERE status IN ($1)").lists == ()
    assert only("SELECT id FROM item WHERE status = $1 OR price = $2").alternatives == ("status", "price")


def test_a_row_comparison_is_a_keyset() -> None:
    assert only("SELECT id FROM item WHERE (created_at, id) > ($1, $2)").keysets == (("created_at", "id"),)
    assert only("SELECT id FROM item WHERE (created_at, id) = ($1, $2)").keysets == ()


def test_a_limit_above_an_aggregate_does_not_stop_early() -> None:
    sort = only("SELECT status, count(*) FROM item GROUP BY status ORDER BY status LIMIT 5").sorts[0]
    assert not sort.limited


def test_max_is_read_from_the_end_of_an_index() -> None:
    (sort,) = only("SELECT max(created_at) FROM item WHERE status = $1").sorts
    assert sort.keys == (SortKey(column="created_at"),)


@pytest.mark.parametrize("operator", ["<->", "<#>", "<=>", "<+>"])
def test_nearest_neighbours(operator: str) -> None:
    found = only(f"SELECT id, embedding {operator} $1 AS d FROM item ORDER BY d LIMIT 10")
    assert found.nearest == (Nearest(column="embedding", operator=operator),)


def test_nearest_neighbours_need_a_limit() -> None:
    assert only("SELECT id FROM item ORDER BY embedding <=> $1").nearest == ()


def test_groups_and_distinct() -> None:
    assert only("SELECT vendor_id, count(*) FROM item GROUP BY 1").groups == (SortKey(column="vendor_id"),)
    assert only("SELECT DISTINCT status FROM item").groups == (SortKey(column="status"),)


def test_each_side_of_an_or_stands_alone() -> None:
    found = only("SELECT id FROM item WHERE status = $1 OR vendor_id = $2 OR name ILIKE $3")
    assert found.equalities == ()
    assert found.alternatives == ("status", "vendor_id")
    assert found.operators[0].operator == "ilike"


def arms_of(condition: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(each.equalities, each.ranges) for each in only(f"SELECT id FROM item WHERE {condition}").arms]


def test_an_arm_of_an_or_that_is_an_and_is_read_by_itself() -> None:
    found = only("SELECT id FROM item WHERE (status = $1 AND vendor_id = $2) OR (name = $3 AND price > $4)")
    assert found.alternatives == ("status", "vendor_id", "name", "price")
    assert [(each.equalities, each.ranges) for each in found.arms] == [
        (("status", "vendor_id"), ()),
        (("name",), ("price",)),
    ]
    assert arms_of("status = $1 OR (vendor_id, name) = ($2, $3)") == [(("vendor_id", "name"), ())]
    assert arms_of("(status, vendor_id) IN (($1, $2), ($3, $4))") == [(("status", "vendor_id"), ())]
    assert arms_of("id = $1 AND (price > $2 OR status = $3 AND (name = $4 OR vendor_id = $5))") == [(("status",), ())]
    assert arms_of("status = $1 OR vendor_id = $2") == arms_of("status = $1 AND vendor_id = $2") == []


def test_one_row_in_a_list_is_compared_as_its_columns_are() -> None:
    found = only("SELECT id FROM item WHERE (status, vendor_id) IN (($1, $2))")
    assert (found.equalities, found.arms, found.alternatives) == (("status", "vendor_id"), (), ())


def test_a_row_comparison_bounds_its_first_column() -> None:
    assert only("SELECT id FROM item WHERE (created_at, id) < ($1, $2)").ranges == ("created_at",)


def test_writes_name_their_target_and_need_whole_rows() -> None:
    update = shaped("UPDATE item SET price = $1 FROM vendor v WHERE v.id = item.vendor_id AND v.name = $2").tables
    assert (update[0].target, update[0].written, update[0].columns) == ("update", ("price",), None)
    delete = only("DELETE FROM vendor WHERE id = $1")
    assert (delete.target, delete.equalities) == ("delete", ("id",))
    insert, source = shaped("INSERT INTO item (id, name) SELECT id, name FROM vendor WHERE region = $1").tables
    assert (insert.target, insert.written) == ("insert", ("id", "name"))
    assert source.equalities == ("region",)
    assert only("SELECT id FROM item WHERE id = $1 FOR UPDATE").columns is None


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT 1", "reads no table"),
        ("SELECT id FROM item ORDER BY id USING <", "could not be parsed"),
    ],
)
def test_what_cannot_be_resolved_says_why(query: str, reason: str) -> None:
    (statement,) = parse_file(query).statements
    found = shape(statement, CATALOG)
    assert isinstance(found, NotExamined)
    assert reason in found.reason


def test_sqlcommenter_tags_and_adjacent_parameters_do_not_disturb() -> None:
    found = shaped("SELECT id FROM item WHERE vendor_id IN ($1,$2)AND status=$3 /*route='/x',traceparent='00'*/")
    assert found.tables[0].equalities == ("vendor_id", "status")
    assert [each.parameter for each in found.comparisons] == [1, 2, 3]
