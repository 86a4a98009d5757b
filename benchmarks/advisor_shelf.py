"""Real indexes on a live server: each is built once, and hidden while a set without it is looked at.

The planner ignores an index whose pg_index.indisvalid is false, wherever it looks for one, so that a statement is
planned and executed as if it did not exist.
"""

import itertools
from collections.abc import Collection, Iterator, Sequence

from analyzer.db import Connection
from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import ident, render
from benchmarks.twin_live import tell

_SCHEMA = "public"
_GB = 1024**3


class Shelf:
    """The indexes that were built on a database, and which of them are seen."""

    def __init__(self, connection: Connection, *, most_bytes: int = 20 * _GB) -> None:
        """Drop what an interrupted run has left; the database is the benchmark's own."""
        self._connection = connection
        self._most_bytes = most_bytes
        #: What each was built as, and its size; what was looked at last is last.
        self._built: dict[IndexDef, tuple[IndexDef, int]] = {}
        self._numbers = itertools.count(1)
        self.close()

    def close(self) -> None:
        """Drop every index but those of keys."""
        self._built.clear()
        for row in self._connection.execute(render("bench/free_indexes"), {"schemas": [_SCHEMA]}).fetchall():
            self._drop(str(row["schema_name"]), str(row["name"]))

    def show(self, indexes: Sequence[IndexDef]) -> tuple[int, ...]:
        """Build what is missing, let the planner see these and no others, and return their sizes in bytes."""
        for index in indexes:
            if index in self._built:
                self._built[index] = self._built.pop(index)
            else:
                self._make_room(set(indexes))
                self._built[index] = self._build(index)
        shown = [_name(self._built[index][0]) for index in indexes]
        known = [_name(built) for built, _ in self._built.values()]
        self._connection.execute(render("bench/show_indexes"), {"shown": shown, "known": known})
        return tuple(self._built[index][1] for index in indexes)

    def definition(self, name: str) -> IndexDef | None:
        """Return what an index in a plan is; None for one of a key."""
        return next((index for index, (built, _) in self._built.items() if built.name == name), None)

    def _build(self, index: IndexDef) -> tuple[IndexDef, int]:
        built = index.renamed(f"bench_{next(self._numbers)}")
        tell(f"  {built.ddl()}")
        self._connection.execute(render("twin/statement", statement=built.ddl()))
        if any(key.expression is not None for key in built.keys):
            self._analyse(built.full_table)
        row = self._connection.execute(render("bench/index_bytes"), {"name": _name(built)}).fetchone()
        assert row is not None  # noqa: S101 - the index exists
        return built, int(row["size_bytes"])

    def _analyse(self, table: QualifiedName) -> None:
        """Gather the statistics of expressions, and leave those of the table's columns as the twin had them."""
        names = {"schema": table.schema, "name": table.name}
        columns = [str(row["name"]) for row in self._connection.execute(render("bench/columns"), names).fetchall()]
        before = self._connection.execute(render("bench/table_size"), names).fetchone()
        assert before is not None  # noqa: S101 - the table exists
        for target in (0, -1):
            values = {"table": table, "columns": columns, "target": target}
            self._connection.execute(render("bench/statistics_target", **values))
            if target == 0:
                self._connection.execute(render("bench/analyze", table=table.name))
        self._connection.execute(render("bench/restore_table_size"), {**names, **before})

    def _make_room(self, kept: Collection[IndexDef]) -> None:
        for index, (built, _) in list(self._built.items()):
            if sum(size for _, size in self._built.values()) < self._most_bytes:
                break
            if index not in kept:
                self._drop(built.schema, built.name)
                del self._built[index]

    def _drop(self, schema: str, name: str) -> None:
        self._connection.execute(render("index/drop_index", schema=schema, name=name, concurrently=False))


def _name(index: IndexDef) -> str:
    return ident(index.schema, index.name)


def outline(index: IndexDef) -> str:
    """Say in a line what an index is on."""
    return "".join(_parts(index))


def _parts(index: IndexDef) -> Iterator[str]:
    yield f"{index.table}({', '.join(key.column or f'({key.expression})' for key in index.keys)})"
    if index.method != "btree":
        yield f" {index.method}"
    if index.include:
        yield f" INCLUDE ({', '.join(index.include)})"
    if index.where is not None:
        yield f" WHERE {index.where}"
