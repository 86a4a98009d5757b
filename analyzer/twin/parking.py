"""Build an index on an inflated table in milliseconds: while it is built, the table is parked on another file.

The other file holds what the table's first page does, the rows with its extremes, in the same places. So the new index
knows the extremes as well: the planner asks the newest index that leads with a column, and an empty one has no answer.
"""

import psycopg
from psycopg.rows import DictRow

from analyzer.db import Connection, execute_one
from analyzer.index import IndexDef
from analyzer.sql import ident, render

_SCHEMA = "twindex_own"


def build_parked(connection: Connection, index: IndexDef) -> None:
    """Build an index, over nothing where the rows with the extremes are in its way.

    Raises psycopg.Error for a definition the server rejects.
    """
    try:
        _build(connection, index, with_rows=True)
    except psycopg.Error:
        if connection.closed:
            raise
        # Two rows that are alike where no two may be, or a value that an expression of the index cannot take.
        _build(connection, index, with_rows=False)


def _build(connection: Connection, index: IndexDef, *, with_rows: bool) -> None:
    table = {"table": ident(index.schema, index.table)}
    with connection.transaction():
        tables = connection.execute(render("twin/read_parked"), table).fetchall()
        oids = [row["oid"] for row in tables]
        parkings = [_parking(connection, row) if with_rows else f"{_SCHEMA}.parking" for row in tables]
        connection.execute(render("twin/park"), {"oids": oids, "parkings": parkings})
        execute_one(connection, render("twin/statement", statement=index.ddl()))
        saved = {name: [row[name] for row in tables] for name in ("pages", "tuples", "all_visible_pages")}
        saved["filenodes"] = [row["filenode"] for row in tables]
        connection.execute(render("twin/unpark"), {"oids": oids, **saved})


def _parking(connection: Connection, table: DictRow) -> str:
    """Return the name of a table with the rows of another one's first page; it is made the first time."""
    name = f"parking_{table['oid']}"
    if not table["has_parking"]:
        query = render("twin/copy_parking", name=name, schema=table["schema_name"], table=table["name"])
        connection.execute(query)
    return f"{_SCHEMA}.{name}"
