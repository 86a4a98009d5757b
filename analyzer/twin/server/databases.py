"""Create databases on servers of our own."""

from analyzer.db import Connection
from analyzer.sql import render


def copy_database(connection: Connection, name: str, *, template: str = "template0") -> None:
    """Create a database of a server of our own as a copy of another one, by default an empty one."""
    pg = connection.info.server_version // 10_000
    connection.execute(render("twin/create_database", database=name, template=template, pg=pg))
