"""Parameters get values that the statistics hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.arrays import parse_array
from analyzer.workload.bindings import Binding, bindings, bound_text
from analyzer.workload.parse import parse_file
from analyzer.workload.shapes import Shape, shape
from tests.unit.catalogs import snapshot, statistics, table

CATALOG = snapshot(
    table(
        "item",
        "id bigint, status text, price numeric, name character varying(40), attributes jsonb, tags text[],"
        " search tsvector",
    ),
    columns=[
        statistics("item", "status", distinct=3, common='{open,"it\'s, \\"new\\"",gone}', frequencies=(0.6, 0.2, 0.2)),
        statistics("item", "price", histogram="{0,10,20,30,40,50,60,70,80,90,100}"),
        statistics("item", "name", histogram='{"red chair","oak table","50% off"}'),
        statistics("item", "tags", elements='{old,new,"half price"}', element_frequencies=(0.2, 0.5, 0.1)),
        statistics("item", "search", elements="{oak,tabl}", element_frequencies=(0.2, 0.5)),
    ],
)


def bound(query: str, catalog: Snapshot = CATALOG, count: int = 3) -> tuple[Binding, ...]:
    (statement,) = parse_file(query).statements
    found = shape(statement, catalog)
    assert isinstance(found, Shape)
    return bindings(statement, found, catalog, count)


def test_frequent_values_weigh_more() -> None:
    drawn = bound("SELECT id FROM item WHERE status = $1", count=5)
    assert [(each.values[0].sql, round(each.weight, 6)) for each in drawn] == [
        ("'open'::text", 0.6),
        ("'it''s, \"new\"'::text", 0.2),
        ("'gone'::text", 0.2),
    ]


def test_a_range_lies_round_the_quantiles() -> None:
    drawn = bound("SELECT id FROM item WHERE price BETWEEN $1 AND $2")
    pairs = [tuple(float(value.sql.split("'")[1]) for value in each.values) for each in drawn]
    assert all(low < high for low, high in pairs)
    assert sum(each.weight for each in drawn) == pytest.approx(1)


def test_a_pattern_is_part_of_a_value() -> None:
    drawn = bound("SELECT id FROM item WHERE name ILIKE $1")
    assert drawn[0].values[0].sql == "'%chair%'::character varying(40)"


def test_an_assigned_column_is_null_because_no_plan_depends_on_it() -> None:
    drawn = bound("UPDATE item SET attributes = NULL, price = $1 WHERE status = $2", count=1)
    assert [value.sql for value in drawn[0].values] == ["NULL::numeric", "'open'::text"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM item WHERE status = $1 AND attributes @> $2",
        "SELECT id FROM item WHERE status = $1 AND tags = $2",
        "SELECT id FROM item WHERE search @@ $1",
        "SELECT id FROM item WHERE id = $1",
        "SELECT id FROM item WHERE lower(name) = $1",
        "SELECT id FROM item",
    ],
)
def test_all_parameters_are_bound_or_none(query: str) -> None:
    assert bound(query) == ()


def test_an_array_is_searched_for_two_of_its_elements_at_a_time() -> None:
    drawn = bound("SELECT id FROM item WHERE tags @> $1")
    assert [each.values[0].sql for each in drawn] == [
        "ARRAY['new', 'old']::text[]",
        "ARRAY['new', 'half price']::text[]",
        "ARRAY['old', 'half price']::text[]",
    ]


def test_a_text_search_is_for_lexemes_as_they_are_whatever_its_configuration() -> None:
    query = (
        "SELECT ts_rank(search, plainto_tsquery($2, $1)) FROM item WHERE search @@ plainto_tsquery($3::regconfig, $1)"
    )
    (drawn,) = bound(query, count=1)
    simple = "'pg_catalog.simple'::pg_catalog.regconfig"
    assert [value.sql for value in drawn.values] == ["'tabl oak'", simple, simple]


def test_stripped_statistics_bind_nothing() -> None:
    stripped = snapshot(*CATALOG.relations, columns=[statistics("item", "status", distinct=3)])
    assert bound("SELECT id FROM item WHERE status = $1", stripped) == ()


def test_values_are_put_in_the_place_of_their_parameters() -> None:
    query = "SELECT '$1' FROM item WHERE status = $1 AND price >= $2 AND price <= $2"
    (drawn,) = bound(query, count=1)
    assert bound_text(query, drawn) == (
        "SELECT '$1' FROM item WHERE status = 'open'::text AND price >= '50'::numeric AND price <= '50'::numeric"
    )


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_arrays_are_read_as_the_server_prints_them(values: list[str]) -> None:
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    assert parse_array("{" + ",".join(quoted) + "}") == tuple(values)


def test_unquoted_elements_are_taken_as_they_are() -> None:
    assert parse_array("{1,-2.5,abc def,2020-01-01}") == ("1", "-2.5", "abc def", "2020-01-01")
