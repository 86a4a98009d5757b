"""What tests without a server take for a server's operator classes is what a server has."""

import pytest

from analyzer.db import connect
from analyzer.twin.schema.operator_classes import read_operator_classes
from analyzer.twin.schema.volatility import read_volatility
from tests.conftest import fresh_database
from tests.operator_classes import EXTENSIONS, FILE, of_extensions, read_parts, written


@pytest.mark.slow
def test_the_file_is_what_the_embedded_server_has(server: str) -> None:
    with fresh_database(server) as url, connect(url, autocommit=True) as connection:
        assert FILE.read_text(encoding="utf-8") == written(read_parts(connection))


def test_the_parts_of_the_file_are_a_server_with_all_extensions(server: str) -> None:
    with fresh_database(server) as url, connect(url, autocommit=True) as connection:
        for name in EXTENSIONS:
            connection.execute(f"CREATE EXTENSION {name}".encode())
        found = read_operator_classes(connection)
    known = of_extensions()
    assert (found.types, found.casts) == (known.types, known.casts)
    assert set(found.operators) == set(known.operators)
    assert set(found.classes) == set(known.classes)


def test_types_and_classes_of_users_are_read_on_each_server(any_server: str) -> None:
    with fresh_database(any_server) as url, connect(url, autocommit=True) as connection:
        connection.execute(b'CREATE SCHEMA "Odd"')
        connection.execute(b'CREATE DOMAIN "Odd"."Code" AS varchar(20)')
        connection.execute(b'CREATE DOMAIN "Odd".codes AS "Odd"."Code"[]')
        connection.execute(b"""CREATE TYPE "Odd".mood AS ENUM ('a')""")
        connection.execute(b'CREATE TYPE "Odd".span AS RANGE (subtype = float8)')
        connection.execute(b'CREATE OPERATOR CLASS "Odd"."Ops" FOR TYPE int4 USING btree AS '
                           b"OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 btint4cmp(int4, int4)")  # fmt: skip
        connection.execute(b'CREATE TYPE "Odd".home AS (city text, mood "Odd".mood, codes "Odd".codes)')
        connection.execute(b'CREATE TYPE "Odd".visit AS (at date, homes "Odd".home[], paid money)')
        connection.execute(b'CREATE TYPE "Odd".place AS (name text, at point)')
        found = read_operator_classes(connection)
    made = ('"Odd".home', '"Odd".home[]', '"Odd".visit', '"Odd".place', '"Odd".place[]')
    assert [found.default_class(kind, "btree") is not None for kind in made] == [True, True, True, False, False]
    assert [found.default_class(kind, "hash") is not None for kind in made] == [True, True, False, False, False]
    assert found.base('"Odd"."Code"') == "character varying"
    assert found.base('"Odd".codes') == '"Odd"."Code"[]'
    assert found.is_sortable('"Odd".mood')
    assert {each.operator_class.method for each in found.serving("&&", '"Odd".span')} == {"brin", "gist", "spgist"}
    assert [each.operator_class.name for each in found.serving("&&", '"Odd".codes')] == ["array_ops"]
    assert ('"Odd"', "Ops") not in {(each.schema, each.name) for each in found.classes}
    assert ("Odd", "Ops") in {(each.schema, each.name) for each in found.classes}


def test_functions_and_casts_that_an_index_may_hold_are_read_on_each_server(any_server: str) -> None:
    with fresh_database(any_server) as url, connect(url, autocommit=True) as connection:
        connection.execute(b'CREATE SCHEMA "Odd"')
        for volatility, argument in (("IMMUTABLE", "text"), ("STABLE", "date"), ("IMMUTABLE", "bigint")):
            text = f'CREATE FUNCTION "Odd"."F"({argument}) RETURNS text {volatility} LANGUAGE sql'
            connection.execute(f"{text} AS $$SELECT 'a'$$".encode())
        found, operators = read_volatility(connection), read_operator_classes(connection)

    def returned(*kinds: str | None, schema: str = "Odd", name: str = "F") -> str | None:
        called = found.called((schema,), name, kinds, operators)
        return None if called is None else called.returns

    assert returned("text") == returned("character varying(9)") == returned("integer") == "text"
    assert returned("date") is returned(None) is returned("text", "text") is returned("text", schema="other") is None
    assert returned("text", "timestamp", schema="pg_catalog", name="date_trunc") == "timestamp without time zone"
    assert returned("text", "timestamptz", schema="pg_catalog", name="date_trunc") is None
    assert returned("date", schema="pg_catalog", name="timestamptz") is None
    assert found.casts("character varying", "text")
    assert not found.casts("timestamp with time zone", "date")
