"""An empty temporary copy of a table, on which a definition is built to see how this server prints it.

The copy has the name of the table, so that expressions may name that. The table is touched with ACCESS SHARE.
"""

from typing import TypeVar, cast

from sqlalchemy.engine import Connection

from analyzer.migrate.deploy.create_index import names_relation
from analyzer.migrate.deploy.driver import plain
from analyzer.migrate.deploy.session import rows
from analyzer.sql import ident, render_text

T = TypeVar("T")


def owner_for_copy(connection: Connection, schema: str, table: str) -> str | None:
    """Return whom a copy of the table must belong to; None when it may be the role's own."""
    found = tuple(rows(connection, "read_owner", schema=schema, table=table))
    return found[0]["owner"] if found else None


def build_beside(connection: Connection, schema: str, table: str, owner: str | None, create: str) -> None:
    """Make the copy in the current transaction, and run a statement that creates something on it."""
    plain(connection, render_text("online/create_copy", copy=table, schema=schema, table=table))
    if owner is not None:
        plain(connection, render_text("online/give_copy", copy=table, owner=owner))
    if names_relation(create, table):  # its rows have another type than the table's
        plain(connection, render_text("online/create_row_function", schema=schema, table=table))
        plain(connection, render_text("online/create_row_cast", schema=schema, table=table))
    plain(connection, create)


def as_on_table(printed: T, schema: str, table: str) -> T:
    """Return what a server prints of an index on the copy, text or a row of a catalog, as it would on the table."""
    if isinstance(printed, str):
        return cast("T", printed.replace(f"({ident(table)}.*)::{ident(schema, table)}", f"{ident(table)}.*"))
    if isinstance(printed, list):
        return cast("T", [as_on_table(each, schema, table) for each in cast("list[object]", printed)])
    if isinstance(printed, dict):
        found = cast("dict[str, object]", printed)
        return cast("T", {name: as_on_table(value, schema, table) for name, value in found.items()})
    return printed
