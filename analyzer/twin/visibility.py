"""Show the planner some of a twin's indexes and hide the others.

To plan a statement opens every index in its tables' lists, the invalid ones too. So a hidden index is in no list: its
row of pg_index says that it is of another table. A plan takes as long beside 1,500 hidden indexes as beside none.
"""

from collections.abc import Iterator, Mapping

from psycopg import sql

from analyzer.db import Connection
from analyzer.sql import render

Table = tuple[str, str]
#: By table: those of its indexes that are not as they were found. What exists is shown, what was added is hidden.
Departures = Mapping[Table, frozenset[int]]


class Visibility:
    """What the planner sees of one database; nobody else may change it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.execute(render("twin/own_placing"))
        row = connection.execute(render("twin/read_parking")).fetchone()
        self._nowhere = int(row["oid"]) if row is not None else 0
        #: By index: the table it is of.
        self._tables: dict[int, int] = {}
        self._added: set[int] = set()
        self._departures: dict[Table, frozenset[int]] = {}

    def add(self, tables: Mapping[int, int]) -> None:
        """Hide new indexes, each of which is of a table, until they are wanted."""
        self._tables.update(tables)
        self._added.update(tables)
        self._connection.execute(self._placing(dict.fromkeys(tables, self._nowhere)))

    def know(self, tables: Mapping[int, int]) -> None:
        """Note of which tables existing indexes are, so that they can be hidden."""
        self._tables.update(tables)

    def change(self, wanted: Departures) -> sql.SQL | None:
        """Return the statement that shows and hides what is wanted; None where nothing changes."""
        return self._placing(places) if (places := dict(self._places(wanted))) else None

    def changed(self, wanted: Departures) -> None:
        """Note that the statement was run."""
        self._departures.update(wanted)

    def _places(self, wanted: Departures) -> Iterator[tuple[int, int]]:
        for table, departing in wanted.items():
            for index in departing ^ self._departures.get(table, frozenset()):
                is_shown = (index in departing) == (index in self._added)
                yield index, self._tables[index] if is_shown else self._nowhere

    def _placing(self, places: Mapping[int, int]) -> sql.SQL:
        ordered = sorted(places)
        listing = sorted({self._tables[index] for index in ordered})
        return render(
            "twin/place_indexes",
            indexes=_array(ordered),
            tables=_array([places[index] for index in ordered]),
            listing=_array(listing),
        )


def _array(numbers: list[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
