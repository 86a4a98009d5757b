"""Show the planner some of a twin's indexes and hide the others.

To plan a statement opens every index in its tables' lists, the invalid ones too. So a hidden index is in no list: its
row of pg_index says that it is of another table. A plan takes as long beside 1,500 hidden indexes as beside none.
"""

from collections.abc import Iterable, Iterator, Mapping

from psycopg import sql

from analyzer.db import Connection
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import render

#: By table: those of its indexes that are not as they were found. What exists is shown, what was added is hidden.
Departures = Mapping[QualifiedName, frozenset[int]]


class Visibility:
    """The indexes of one database that the planner sees; changed only through this object."""

    def __init__(self, superuser: Connection) -> None:
        self._superuser = superuser
        row = superuser.execute(render("twin/read_parking")).fetchone()
        superuser.execute(render("twin/own_places"))
        superuser.execute(render("twin/own_placing", nowhere=int(row["oid"]) if row is not None else 0))
        self._added: set[int] = set()
        self._departures: dict[QualifiedName, frozenset[int]] = {}

    def add(self, tables: Mapping[int, int]) -> None:
        """Hide new indexes of these tables until they are shown."""
        self.know(tables)
        self._added.update(tables)
        self._superuser.execute(self._placing(dict.fromkeys(tables, False)))

    def know(self, tables: Mapping[int, int]) -> None:
        """Note of which tables existing indexes are, so that they can be hidden."""
        places = {"indexes": list(tables), "tables": list(tables.values())}
        self._superuser.execute(render("twin/add_places"), places)

    def change(self, wanted: Departures) -> sql.SQL | None:
        """Return the statement that shows and hides the given indexes; None if nothing changes."""
        return self._placing(places) if (places := dict(self._places(wanted))) else None

    def changed(self, wanted: Departures) -> None:
        """Note that the statement was run."""
        self._departures.update(wanted)

    def _places(self, wanted: Departures) -> Iterator[tuple[int, bool]]:
        """Yield the indexes that change, each with whether it is shown then."""
        for table, departing in wanted.items():
            for index in departing ^ self._departures.get(table, frozenset()):
                yield index, (index in departing) == (index in self._added)

    def _placing(self, places: Mapping[int, bool]) -> sql.SQL:
        ordered = sorted(places)
        shown = ["t" if places[index] else "f" for index in ordered]
        return render("twin/place_indexes", indexes=_array(map(str, ordered)), are_shown=_array(shown))


def _array(words: Iterable[str]) -> str:
    return "{" + ",".join(words) + "}"
