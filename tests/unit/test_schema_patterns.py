"""Patterns over schemas are psql's, and SQL is written for each schema by its tokens."""

import pytest

from analyzer.postgres.schema_patterns import OWN, Schemas, generalized, is_pattern, pieces_around, specialized
from analyzer.specs.fields import parse_tables


@pytest.mark.parametrize(
    ("pattern", "matched", "others"),
    [
        ("tenant_*", ("tenant_", "tenant_1", "tenant_Ö x"), ("tenant", "tenantx1", "x_tenant_1", "Tenant_1")),
        ("t?", ("t1", "tö"), ("t", "t12")),
        ('"Tenant "*', ("Tenant 1", "Tenant "), ("tenant 1", "Tenant")),
        ('*"""a*"?', ('"a*x', 'y"a*x'), ('"a*', '"abx')),
        ("*", ("a", "pga"), ("pg_catalog", "pg_temp_3", "information_schema")),
        ('"*"', ("*",), ("a",)),
        ('"[a-z]"*', ("[a-z]1",), ("b1",)),
    ],
)
def test_what_a_pattern_matches(pattern: str, matched: tuple[str, ...], others: tuple[str, ...]) -> None:
    schemas = Schemas(patterns=(pattern,))
    assert [schema for schema in (*matched, *others) if schemas.match(schema)] == list(matched)


def test_exceptions_and_names() -> None:
    schemas = Schemas(patterns=("a*", "b"), exceptions=("ab*", '"a?"'))
    assert [s for s in ("a", "ab", "abc", "a?", "a1", "b", "bc") if schemas.match(s)] == ["a", "a1", "b"]
    assert Schemas.named(["b?", "a*"]).match("a*")
    assert not Schemas.named(["b?", "a*"]).match("ab")


def test_a_long_pattern_takes_no_time() -> None:
    assert not Schemas(patterns=("*a" * 500 + "b",)).match("a" * 63)


@pytest.mark.parametrize(
    ("text", "pattern"), [("tenant_*.orders", "tenant_*"), ('"T "*."O d"', '"T "*'), ('"T*".o', None), ("a.b", None)]
)
def test_the_table_of_a_file(text: str, pattern: str | None) -> None:
    _, schemas = parse_tables(text)
    assert (None if schemas is None else schemas.patterns[0]) == pattern
    assert is_pattern(text.rpartition(".")[0]) == (pattern is not None)


@pytest.mark.parametrize("text", ["tenant_*", "*", "*.orders*", "*.*", "Tenant*.orders", "a-*.orders", "*.b.c", ""])
def test_no_table(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not schema\.table"):
        parse_tables(text)


@pytest.mark.parametrize("schema", ["a", "A b", 'q"q', "ä", "select", "E'", "$$"])
def test_sql_is_the_same_both_ways(schema: str) -> None:
    general = """CREATE INDEX i ON "*".t (("*".f(a, '"*".x')), (x."*")) WHERE "*".g("t".b) > 1 -- "*".c"""
    special = specialized(general, schema)
    assert special.count('"*".') == 2
    assert generalized(special, schema) == general
    assert len(pieces_around(general)) == 4
    assert f'"{OWN}"'.join(pieces_around(general)) == general
