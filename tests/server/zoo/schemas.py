"""Grow a schema of every kind of object, and build it on a server."""

import contextlib
import secrets
from collections.abc import Callable, Generator
from dataclasses import dataclass

import psycopg
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from analyzer.db import connect
from analyzer.sql import render
from analyzer.twin.server.databases import copy_database
from tests.server.capture_zoo import new_database, run
from tests.server.zoo import programs, surroundings, tables, types
from tests.server.zoo.growth import Growth, start
from tests.server.zoo.inventory import Inventory

#: Installed in every zoo, where there are such; others may follow.
EXTENSIONS = (
    "vector", "pg_trgm", "btree_gin", "btree_gist", "bloom", "hstore", "ltree", "citext", "cube", "seg", "intarray",
    "postgres_fdw", "file_fdw", "pageinspect",
)  # fmt: skip

Kind = Callable[[Growth], None]

#: What others are made of.
_FIRST: tuple[Kind, ...] = (
    types.enum, types.domain, types.composite, types.range_, types.base_type, types.collation, types.text_search,
)  # fmt: skip
_TABLES: tuple[Kind, ...] = (tables.table, tables.partitioned_table, tables.foreign_key, tables.foreign_table)
_LATER: tuple[Kind, ...] = (
    tables.typed_table, tables.constraint, tables.index, tables.statistics,
    programs.function, programs.procedure, programs.aggregate, programs.operator, programs.operator_class,
    programs.cast, programs.view, programs.keyed_view, programs.rule, programs.trigger,
    programs.event_trigger, programs.policy,
    programs.text_search_index, programs.expression_index, programs.row_type_column, programs.default,
    surroundings.access_method, surroundings.settings, surroundings.publication, surroundings.subscription,
    surroundings.conversion, surroundings.transform, surroundings.large_object, surroundings.privileges,
    surroundings.comment, surroundings.extension,
)  # fmt: skip
KINDS = (*_FIRST, *_TABLES, *_LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoo:
    """A grown schema, and statements that its maker thought of."""

    statements: tuple[str, ...]
    conditions: tuple[str, ...]


@st.composite
def zoos(draw: st.DrawFn, inventory: Inventory, *, every_kind: bool = False) -> Zoo:
    """Grow schemas of many kinds of objects, or of all."""
    growth = start(draw, inventory)
    tables.table(growth)
    for kinds, most in ((_FIRST, 4), (_TABLES, 5), (_LATER, 14)):
        for kind in kinds if every_kind else growth.draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=most)):
            kind(growth)
    growth.add("VACUUM ANALYZE")
    return Zoo(statements=tuple(growth.statements), conditions=tuple(growth.made.get("condition", ())))


def build(url: str, zoo: Zoo) -> dict[str, str]:
    """Execute a zoo's statements, each for itself; return those that the server refuses, and why."""
    refused: dict[str, str] = {}
    with connect(url, autocommit=True) as connection:
        for statement in zoo.statements:
            try:
                run(connection, statement)
            except psycopg.Error as error:
                if connection.closed:
                    raise
                refused[statement] = str(error).splitlines()[0]
    return refused


@contextlib.contextmanager
def template(server: str) -> Generator[str]:
    """Create a database with extensions, to make copies of."""
    with new_database(server) as url:
        with connect(url, autocommit=True) as connection:
            available = {row["name"] for row in run(connection, "SELECT name FROM pg_available_extensions")}
            for name in EXTENSIONS:
                if name in available:
                    run(connection, f"CREATE EXTENSION {name}")
        yield url


@contextlib.contextmanager
def copied(server: str, original: str) -> Generator[str]:
    """Create a copy of a database, and drop it with the subscriptions that would hold it."""
    name = f"zoo_{secrets.token_hex(4)}"
    url = make_conninfo(server, dbname=name)
    with connect(server, autocommit=True) as connection:
        database = conninfo_to_dict(original)["dbname"]
        copy_database(connection, name, template=str(database))
    try:
        yield url
    finally:
        with connect(url, autocommit=True) as connection:
            for row in run(
                connection,
                "SELECT quote_ident(subname) AS name FROM pg_subscription WHERE subdbid = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())",
            ):
                run(connection, f"DROP SUBSCRIPTION {row['name']}")
        with connect(server, autocommit=True) as connection:
            connection.execute(render("twin/drop_database", database=name))
