"""A database like that of a large application, for the benchmark of commands: areas of ten tables, and statements."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from analyzer.db import Connection
from analyzer.sql import render

#: Tables, indexes, and views of an area; a large one has more indexes.
TABLES, INDEXES, LARGE_INDEXES, VIEWS = 10, 22, 25, 2
_STATEMENTS = ("events", "open_purchases", "pay", "search", "sessions", "shipments")
#: Areas whose statements are recorded.
_BUSY = 50
#: Of each table; and calls of each statement.
_ROWS, _CALLS = 200, 5
_AT = datetime(2026, 1, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a database is."""

    areas: int
    large: bool

    @property
    def tables(self) -> int:
        """Return the number of tables."""
        return self.areas * TABLES

    @property
    def indexes(self) -> int:
        """Return the number of indexes, those of keys among them."""
        return self.areas * (LARGE_INDEXES if self.large else INDEXES)

    @property
    def statements(self) -> int:
        """Return the number of recorded statements."""
        return min(self.areas, _BUSY) * len(_STATEMENTS)


def build(connection: Connection, size: Size) -> None:
    """Create the areas in an empty database, fill them, and let the server record the statements."""
    for extension in ("pg_stat_statements", "pg_trgm"):
        connection.execute(render("bench/create_extension", extension=extension))
    areas = [f"area_{number:03}" for number in range(size.areas)]
    for area in areas:
        for template in ("area_state", "area_slug", "area_touch"):
            connection.execute(render(f"bench/{template}", area=area))
        connection.execute(render("bench/area", area=area, large=size.large))
        connection.execute(render("bench/area_rows", area=area), {"rows": _ROWS})
    connection.execute(render("bench/vacuum_analyze"))
    connection.execute(render("demo/reset_statements"))
    for area in areas[:_BUSY]:
        for name, bind in _sent():
            connection.execute(render(f"bench/area_workload/{name}", area=area), bind)
    connection.execute(render("twin/checkpoint"))  # else a command shares the machine with writing all that out


def _sent() -> Iterator[tuple[str, dict[str, object]]]:
    for call in range(_CALLS):
        for name in _STATEMENTS:
            yield name, {"at": _AT, "number": 1 + call * 17, "text": f"a{call}"}
