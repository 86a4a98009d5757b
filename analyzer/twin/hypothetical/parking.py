"""Build indexes on inflated tables in milliseconds: while they are built, the tables are parked on other files.

The other file holds what the table's first page does, the rows with its extremes, in the same places. So the new index
knows the extremes as well: the planner asks the newest index that leads with a column, and an empty one has no answer.
"""

from collections.abc import Iterator, Sequence

import psycopg
from psycopg.rows import DictRow

from analyzer.db import Connection
from analyzer.objects.index import IndexDef
from analyzer.sql import ident, render
from analyzer.twin.server.sessions import Sessions


def build_parked(sessions: Sessions, indexes: Sequence[IndexDef]) -> Iterator[tuple[IndexDef, psycopg.Error | None]]:
    """Build indexes, in their order; yield each with what the server has against it.

    One is built over nothing where the rows with the extremes are in its way.
    """
    try:
        _build(sessions, indexes, with_rows=True)
    except psycopg.Error:
        if sessions.is_broken:
            raise
        if len(indexes) > 1:
            middle = len(indexes) // 2
            yield from build_parked(sessions, indexes[:middle])
            yield from build_parked(sessions, indexes[middle:])
        else:
            # Two rows that are alike where no two may be, or a value that an expression of the index cannot take.
            yield indexes[0], _build_over_nothing(sessions, indexes)
    else:
        yield from ((index, None) for index in indexes)


def _build_over_nothing(sessions: Sessions, indexes: Sequence[IndexDef]) -> psycopg.Error | None:
    try:
        _build(sessions, indexes, with_rows=False)
    except psycopg.Error as error:
        if sessions.is_broken:
            raise
        return error
    return None


def _build(sessions: Sessions, indexes: Sequence[IndexDef], *, with_rows: bool) -> None:
    superuser, captured = sessions.superuser, sessions.captured
    wanted = list(dict.fromkeys(ident(index.schema, index.table) for index in indexes))
    tables = superuser.execute(render("twin/read_parked"), {"tables": wanted}).fetchall()
    oids = [row["oid"] for row in tables]
    parkings = [_parking(captured, row) if with_rows else "twindex_own.parking" for row in tables]
    superuser.execute(render("twin/park"), {"oids": oids, "parkings": parkings})
    try:
        with (
            sessions.building(),
            captured.transaction(),
            captured.pipeline(),
        ):  # in which a text can only be one statement
            for index in indexes:
                captured.execute(render("twin/statement", statement=index.ddl()))
    finally:
        if not superuser.closed:
            saved = {name: [row[name] for row in tables] for name in ("pages", "tuples", "all_visible_pages")}
            saved["filenodes"] = [row["filenode"] for row in tables]
            superuser.execute(render("twin/unpark"), {"oids": oids, **saved})


def _parking(captured: Connection, table: DictRow) -> str:
    """Return the name of a table with the rows of another one's first page; it is made the first time."""
    name = f"parking_{table['oid']}"
    if (columns := table["columns"]) is not None:
        values = {"schema": table["schema_name"], "table": table["name"], "columns": columns}
        captured.execute(render("twin/copy_parking", name=name, **values))
    return f"twindex_scratch.{name}"
