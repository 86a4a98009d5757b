"""Look at specs from Alembic's own connection: which objects exist, and how this server prints a definition.

Definitions are built on an empty temporary copy of their table, in a savepoint that is rolled back: nothing is left
behind, and the table itself is touched with no more than ACCESS SHARE.
"""

import contextlib
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from sqlalchemy.engine import Connection

from analyzer.capture.extended import as_extended
from analyzer.capture.indexes import as_index, definition
from analyzer.errors import InputError
from analyzer.migrate.deploy.create_index import parts_of_create, unqualified
from analyzer.migrate.deploy.driver import DriverError, commits_by_itself, ended, plain, read
from analyzer.migrate.deploy.privileges import refuse_without_copies
from analyzer.migrate.deploy.session import rollback, write_settings
from analyzer.migrate.deploy.table_copy import as_on_table, build_beside, owner_for_copy
from analyzer.objects.definition import D, Definition, canonical
from analyzer.objects.fixpoint import printed_once
from analyzer.objects.index import IndexDef
from analyzer.objects.statistics import StatisticsDef, printed_ddl
from analyzer.objects.temporary_names import is_temporary
from analyzer.postgres.identifiers import QualifiedName
from analyzer.specs.existing import Existing, as_printed, existing_statistics
from analyzer.specs.file import DeclaredSpec
from analyzer.specs.spec_file import Spec
from analyzer.sql import conforming, expression, ident, render_text

_COPY = "twindex_copy_object"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What the catalog says of a table that specs name."""

    oid: int
    schema_name: str
    name: str
    #: `relkind`.
    kind: str
    #: Estimated rows; -1 when never analysed.
    tuples: float
    partitions_bytes: int


def tables_named(connection: Connection, names: Collection[str]) -> frozenset[QualifiedName]:
    """Return the tables of some names, in whatever schema."""
    if not names:
        return frozenset()
    with _discarded(connection):
        read(connection, render_text("session/trust_names"), {})
        found = read(connection, render_text("online/read_tables_named"), {"names": sorted(names)})
    return frozenset(QualifiedName(row["schema_name"], row["name"]) for row in found)


class Live:
    """A database as Alembic's connection sees it."""

    def __init__(
        self, connection: Connection, specs: Sequence[DeclaredSpec[Spec]], managed: Collection[QualifiedName] = ()
    ) -> None:
        self._connection = connection
        self._major = int(self._row("online/read_setting", {"name": "server_version_num"})["value"]) // 10_000
        tables = [*(spec.full_table for spec in specs), *managed]
        self._names = {
            "schemas": [spec.schema for spec in specs],
            "names": [spec.spec.name for spec in specs],
        }
        bind = {
            "schemas": [table.schema for table in tables],
            "tables": [table.name for table in tables],
            "indexes": self._names["names"],
        }
        with _discarded(connection):
            self._row("session/trust_names")
            self._search_path = list(self._row("capture/former_search_path")["schemas"])
            rows = self._rows("specs/read_tables", bind)
            self.own_tablespace = str(self._row("online/read_own_tablespace")["tablespace"])
        self._tables = {(row["schema_name"], row["name"]): Table(**row) for row in rows}
        #: Of tables that were copied: the role a copy is given to, if any.
        self._owners: dict[QualifiedName, str | None] = {}
        self._printed_once = printed_once(self._printed, key=lambda each: (each, each.name))

    @property
    def tables(self) -> Mapping[tuple[str, str], Table]:
        """Return the tables that exist, by schema and name."""
        return self._tables

    def rows(self, schema: str, table: str) -> float | None:
        """Return the estimated rows of a table; None if unknown."""
        known = self._tables.get((schema, table))
        return None if known is None or known.tuples < 0 else known.tuples

    def objects(self) -> tuple[Existing, ...]:
        """Read the indexes and statistics of the tables, and statistics of other tables that have a spec's name."""
        oids = [table.oid for table in self._tables.values()]
        with _discarded(self._connection):
            self._print_backslashes_alike()
            self._row("session/trust_names")
            found_indexes = [as_index(row) for row in self._read_indexes(oids)]
            indexes = (each for each in found_indexes if not is_temporary(each.definition.name, each.comment))
            found = [*self._rows("capture/extended_statistics", {"relations": oids})]
            found += self._rows("capture/named_statistics", self._names)
        statistics = {int(row["oid"]): existing_statistics(as_extended(row)) for row in found}
        return (*indexes, *statistics.values())

    def canonical(self, wanted: D) -> D:
        """Return the canonical form of a definition on this server; raises InputError when it would not build it."""
        return canonical(wanted, self._printed_once)

    def _printed(self, wanted: D) -> D:
        if isinstance(wanted, StatisticsDef):
            return cast("D", as_printed(wanted, as_extended(self._created(wanted))))
        built = definition(self._built(wanted))
        return cast("D", replace(built, schema=wanted.schema, table=wanted.table, name=wanted.name, tablespace=None))

    def deparse(self, wanted: Definition) -> str:
        """Return pg_get_indexdef or pg_get_statisticsobjdef of a definition on its own table."""
        if isinstance(wanted, StatisticsDef):
            return printed_ddl(str(self._created(wanted)["definition"]), wanted)
        return self._deparse_index(wanted)

    def _deparse_index(self, index: IndexDef) -> str:
        unique, rest = parts_of_create(str(self._built(index)["ddl"])) or (False, "")
        table = self._tables.get(index.full_table)
        only = "ONLY " if table is not None and table.kind == "p" else ""
        return f"CREATE {'UNIQUE ' if unique else ''}INDEX {ident(index.name)} ON {only}{index.qualified_table} {rest}"

    def _built(self, index: IndexDef) -> dict[str, Any]:
        """Build an index on a copy of its table and read it back."""
        copy = replace(_relative(index), schema="pg_temp", name=_COPY, tablespace=None)
        with self._on_copy(index, copy.ddl()):
            oid = int(self._row("specs/read_copy", {"table": index.table})["oid"])
            (row,) = self._read_indexes([oid])
            return as_on_table(row, index.schema, index.table)

    def _created(self, statistics: StatisticsDef) -> dict[str, Any]:
        """Create a statistics object on a copy of its table and read it back."""
        expressions = tuple(_without_schema(text, statistics) for text in statistics.expressions)
        copy = replace(statistics, schema="pg_temp", name=_COPY, expressions=expressions)
        with self._on_copy(statistics, copy.ddl()):
            self._rows("capture/fix_session")
            return self._row("online/read_copy_statistics", {"name": _COPY})

    @contextlib.contextmanager
    def _on_copy(self, wanted: Definition, ddl: str) -> Generator[None]:
        """Run a statement on an empty temporary copy of a table, let the block look at it, and roll back."""
        owner = self._owner_for_copy(wanted.full_table)
        with _discarded(self._connection):
            # To find a better order of joins takes longer than to read one index.
            self._print_backslashes_alike(join_collapse_limit="1")
            try:
                build_beside(self._connection, wanted.schema, wanted.table, owner, ddl)
            except DriverError as error:
                if ended(self._connection, error):
                    raise
                raise InputError(str(error)) from None
            self._row("session/trust_names")
            yield

    def _owner_for_copy(self, table: QualifiedName) -> str | None:
        if not self._owners:
            refuse_without_copies(self._connection)
        if table not in self._owners:
            self._owners[table] = owner_for_copy(self._connection, *table)
        return self._owners[table]

    def _print_backslashes_alike(self, **more: str) -> None:
        """Have what exists printed as what is built, whatever the role or the database has set."""
        write_settings(self._connection, {"standard_conforming_strings": "on", **more})

    def _read_indexes(self, relations: Sequence[int]) -> list[dict[str, Any]]:
        self._rows("capture/fix_session")
        bind = {"relations": list(relations), "blocked": [], "search_path": self._search_path}
        return [row for row in self._rows("capture/indexes", bind) if row["ddl"] is not None]

    def _row(self, template: str, bind: Mapping[str, Any] | None = None) -> dict[str, Any]:
        (row,) = self._rows(template, bind)
        return row

    def _rows(self, template: str, bind: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        return read(self._connection, render_text(template, pg=getattr(self, "_major", 0)), bind or {})


def _relative(index: IndexDef) -> IndexDef:
    """Take the schema off columns written `schema.table.column`: the copy is in another schema."""
    keys = tuple(
        key if key.expression is None else replace(key, expression=_without_schema(key.expression, index))
        for key in index.keys
    )
    return replace(index, keys=keys, where=None if index.where is None else _without_schema(index.where, index))


def _without_schema(text: str, wanted: Definition) -> str:
    return unqualified(expression(conforming(text)), wanted.schema, wanted.table)


@contextlib.contextmanager
def _discarded(connection: Connection) -> Generator[None]:
    """Undo whatever the block does: in a savepoint, or in a transaction where the connection commits by itself."""
    if not commits_by_itself(connection):
        with connection.begin_nested() as savepoint:
            yield
            savepoint.rollback()
        return
    plain(connection, render_text("online/begin"))
    try:
        yield
    finally:
        rollback(connection)
