"""Build an object on the flat database, read back how the server prints it, and roll back."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg.rows import DictRow

from analyzer.capture.extended import as_extended
from analyzer.capture.reader import Reader
from analyzer.db import Connection, execute_one
from analyzer.documents.measured import ExtendedStatistics
from analyzer.errors import InputError
from analyzer.objects.index import IndexDef
from analyzer.objects.statistics import StatisticsDef
from analyzer.sql import render
from analyzer.twin.hypothetical.add_indexes import rejection
from analyzer.twin.server.sessions import Sessions

#: Name of what is built; no other object of a twin has it.
BUILT_NAME = "twindex_canonical"


def read_back_index(flat: Sessions, ddl: str) -> DictRow:
    """Return the row of `capture/indexes` of a CREATE INDEX; raises InputError for what the server rejects."""
    connection = flat.captured
    with _rolled_back(flat):
        before = _newest_index(connection)
        _build(connection, ddl)
        built = _newest_index(connection)
        if built == before:
            raise InputError(f"{ddl!r} makes no index")
        return next(row for row in _rows(flat, [built[1]]) if row["oid"] == built[0])


def read_back_indexes(flat: Sessions, definitions: Sequence[IndexDef]) -> list[DictRow]:
    """Return the row of `capture/indexes` of each definition, built beside each other.

    Raises psycopg.Error if the server rejects one of them.
    """
    connection = flat.captured
    names = [f"{BUILT_NAME}_{number}" for number in range(len(definitions))]
    with _rolled_back(flat):
        with connection.pipeline():  # in which a text can only be one statement
            for name, definition in zip(names, definitions, strict=True):
                connection.execute(render("twin/statement", statement=definition.renamed(name).ddl()))
        found = connection.execute(render("twin/named_indexes"), {"names": names}).fetchall()
        rows = {row["oid"]: row for row in _rows(flat, [int(row["table_oid"]) for row in found])}
        # A partitioned index is named, its parts are not.
        by_name = {(row["schema_name"], row["name"]): rows[row["oid"]] for row in found}
    return [by_name[each.schema, name] for name, each in zip(names, definitions, strict=True)]


def _rows(flat: Sessions, tables: Sequence[int]) -> list[DictRow]:
    reader = Reader(connection=flat.captured, major=flat.major)
    search_path = reader.row("search_path")["schemas"]
    reader.fix_session()
    bind = {"relations": sorted(set(tables)), "blocked": [], "search_path": search_path}
    return reader.rows("indexes", bind)


def read_back_statistics(flat: Sessions, definition: StatisticsDef) -> ExtendedStatistics:
    """Return a statistics object as the server prints it; raises InputError for what it rejects."""
    wanted = definition.renamed(BUILT_NAME)
    with _rolled_back(flat):
        _build(flat.captured, wanted.ddl())
        reader = Reader(connection=flat.captured, major=flat.major)
        reader.fix_session()
        (row,) = reader.rows("named_statistics", {"schemas": [wanted.schema], "names": [wanted.name]})
        return as_extended(row)


@contextmanager
def _rolled_back(flat: Sessions) -> Generator[None]:
    with flat.building(), flat.captured.transaction(force_rollback=True):
        yield


def _build(connection: Connection, ddl: str) -> None:
    try:
        execute_one(connection, render("twin/statement", statement=ddl))
    except psycopg.Error as error:
        if connection.closed:
            raise
        raise rejection(ddl, error) from None


def _newest_index(connection: Connection) -> tuple[int, int]:
    row = connection.execute(render("twin/newest_index")).fetchone()
    return (int(row["oid"]), int(row["table_oid"])) if row else (0, 0)
