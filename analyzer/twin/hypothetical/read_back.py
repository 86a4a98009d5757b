"""Build an object on the flat database, read back how the server prints it, and roll back."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from psycopg.rows import DictRow

from analyzer.capture.extended import as_extended
from analyzer.capture.reader import Reader
from analyzer.db import Connection, execute_one
from analyzer.documents.measured import ExtendedStatistics
from analyzer.errors import InputError
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
        reader = Reader(connection=connection, major=flat.major)
        search_path = reader.row("search_path")["schemas"]
        reader.fix_session()
        bind = {"relations": [built[1]], "blocked": [], "search_path": search_path}
        return next(row for row in reader.rows("indexes", bind) if row["oid"] == built[0])


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
