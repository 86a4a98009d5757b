"""The twin: a throw-away cluster on which the real planner sees the captured server.

It holds two databases. `flat` is the captured schema with empty storage: definitions are built there and read back,
which makes them canonical. `twin` is a copy of it, inflated to the captured sizes and statistics: statements are
planned there.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.rows import DictRow
from psycopg.sql import SQL

from analyzer.capture.indexes import definition
from analyzer.capture.reader import Reader
from analyzer.capture.snapshot import Snapshot
from analyzer.db import execute_one
from analyzer.errors import InputError, RejectedError
from analyzer.index import IndexDef
from analyzer.sql import ident, render
from analyzer.twin.build import Built, building, plant
from analyzer.twin.cluster import Binaries
from analyzer.twin.sizing import BLOCK, IndexSize, current_rows, predict_size, wrapped_column
from analyzer.workload.lex import IncompleteError, lex, significant

#: EXPLAIN (FORMAT JSON)'s "Plan".
PlanTree = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the planner answers to one statement."""

    cost: float
    rows: float
    tree: PlanTree

    @property
    def indexes(self) -> frozenset[str]:
        """Return the names of the indexes the plan uses."""
        return frozenset(str(node["Index Name"]) for node in walk(self.tree) if "Index Name" in node)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinIndex:
    """An index that exists on the twin only."""

    index: IndexDef
    size: IndexSize
    #: The index itself, and its partitions' where the table is partitioned.
    oids: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Return the predicted size."""
        return self.size.pages * BLOCK


def walk(tree: PlanTree) -> Iterator[PlanTree]:
    """Yield every node of a plan, parents first."""
    yield tree
    for child in tree.get("Plans", ()):
        yield from walk(child)


@contextlib.contextmanager
def open_twin(
    snapshot: Snapshot, *, binaries: Binaries | None = None, progress: Callable[[str], None] | None = None
) -> Generator["Twin"]:
    """Build a twin of a snapshot and remove it when the block ends.

    Raises CapabilityError when no server binaries of PostgreSQL 18 or newer are installed.
    """
    with building(snapshot, binaries=binaries, progress=progress) as built:
        yield Twin(built, snapshot)


class Twin:
    """A twin that is ready to plan; one at a time may use it."""

    def __init__(self, built: Built, snapshot: Snapshot) -> None:
        self._cluster = built.cluster
        self._flat = built.flat
        self._connection = built.inflated
        self.snapshot = snapshot
        #: What of the snapshot this twin could not have.
        self.not_examined = built.not_examined
        self._added: set[int] = set()
        self._dropped: dict[str, frozenset[int]] = {}
        self._hidden: frozenset[int] = frozenset()

    @property
    def planner(self) -> str:
        """Say which planner answers, and how it relates to the captured server's."""
        version, major = self._cluster.binaries.version, self._cluster.binaries.major
        same = "same major version" if major == self.snapshot.server.major else "another major version"
        return f"PostgreSQL {version} twin ({same})"

    def plan(self, statement: str, *, generic: bool = True) -> Plan:
        """Plan one statement as EXPLAIN does; `generic` admits parameters ($n) without values.

        Raises psycopg.Error when the server cannot plan it.
        """
        row = self._connection.execute(_explain(statement, generic=generic), prepare=False).fetchone()
        tree = _plan_tree(row)
        return Plan(cost=float(tree["Total Cost"]), rows=float(tree["Plan Rows"]), tree=tree)

    def add(self, indexes: Sequence[IndexDef]) -> tuple[TwinIndex, ...]:
        """Build indexes on the twin at their predicted sizes, hidden until `show`; takes milliseconds each.

        Their names must be new to the database.

        Raises InputError for a definition the server rejects.
        """
        added, rejected = self.try_add(indexes)
        for error in rejected.values():
            raise error
        return added

    def try_add(self, indexes: Sequence[IndexDef]) -> tuple[tuple[TwinIndex, ...], dict[IndexDef, InputError]]:
        """Add what the server takes, as `add` does, and return beside it why it rejects the others."""
        built: list[tuple[IndexDef, list[dict[str, Any]]]] = []
        rejected: dict[IndexDef, InputError] = {}
        for index in indexes:
            try:
                self._build_parked(index)
            except InputError as error:
                rejected[index] = error
                continue
            name = ident(index.schema, index.name)
            tree = self._connection.execute(render("twin/read_index_tree"), {"index": name}).fetchall()
            built.append((index, tree))
        self._connection.execute(render("twin/checkpoint"))
        sized = tuple(self._size(index, tree) for index, tree in built)
        oids = [oid for index in sized for oid in index.oids]
        self._connection.execute(render("twin/evict"), {"oids": oids})
        self._hide(self._hidden | set(oids))
        return sized, rejected

    def show(self, added: Collection[TwinIndex], *, without: Collection[str] = ()) -> None:
        """Let the planner see these added indexes, and the existing indexes but those named (`schema.name`, quoted)."""
        shown = {oid for index in added for oid in index.oids}
        dropped = {oid for name in without for oid in self._existing(name)}
        self._hide((self._added - shown) | dropped)

    def canonical(self, index: IndexDef) -> IndexDef:
        """Return the definition as the server itself deparses it; the name stays.

        Raises InputError for a definition the server rejects.
        """
        return definition(self._built_flat(index.renamed("twindex_canonical").ddl())).renamed(index.name)

    def parse_ddl(self, statements: Sequence[str]) -> tuple[IndexDef, ...]:
        """Return the canonical definitions of CREATE INDEX statements somebody wrote, under names that are free.

        Raises InputError for text that is not one, or that the server rejects.
        """
        taken = {(index.definition.schema, index.definition.name) for index in self.snapshot.indexes}
        found: list[IndexDef] = []
        for ddl in statements:
            unnamed, given = _unnamed(ddl)
            try:
                index = definition(self._built_flat(unnamed))
            except InputError as error:
                raise InputError(f"{error}; mend the statement") from None
            name, number = given or index.name, 1
            while (index.schema, name) in taken:
                number += 1
                name = f"{(given or index.name)[:58]}_{number}"
            taken.add((index.schema, name))
            found.append(index.renamed(name))
        return tuple(found)

    def server_ddl(self, index: IndexDef) -> str:
        """Return pg_get_indexdef of a definition, under its own name."""
        ddl = str(self._built_flat(index.renamed("twindex_canonical").ddl())["ddl"])
        return ddl.replace(" twindex_canonical ", f" {ident(index.name)} ", 1)

    def _built_flat(self, ddl: str) -> DictRow:
        """Build on the flat database, read back what was built, roll back."""
        with self._flat.transaction(force_rollback=True):
            before = self._newest_index()
            try:
                execute_one(self._flat, render("twin/statement", statement=ddl))
            except psycopg.Error as error:
                raise _rejected(ddl, error) from None
            built = self._newest_index()
            if built == before:
                raise InputError(f"{ddl!r} makes no index")
            reader = Reader(connection=self._flat, major=self._cluster.binaries.major)
            search_path = reader.row("search_path")["schemas"]
            reader.fix_session()
            bind = {"relations": [built[1]], "blocked": [], "search_path": search_path}
            return next(row for row in reader.rows("indexes", bind) if row["oid"] == built[0])

    def _newest_index(self) -> tuple[int, int]:
        row = self._flat.execute(render("twin/newest_index")).fetchone()
        return (int(row["oid"]), int(row["table_oid"])) if row else (0, 0)

    def _build_parked(self, index: IndexDef) -> None:
        connection = self._connection
        try:
            with connection.transaction():
                table = ident(index.schema, index.table)
                parked = connection.execute(render("twin/read_parked"), {"table": table}).fetchall()
                oids = [row["oid"] for row in parked]
                connection.execute(render("twin/park"), {"oids": oids})
                execute_one(connection, render("twin/statement", statement=index.ddl()))
                columns = ("pages", "tuples", "all_visible_pages")
                saved = {name: [row[name] for row in parked] for name in columns}
                saved["filenodes"] = [row["filenode"] for row in parked]
                connection.execute(render("twin/unpark"), {"oids": oids, **saved})
        except psycopg.Error as error:
            raise _rejected(index.ddl(), error) from None

    def _size(self, index: IndexDef, tree: Sequence[Mapping[str, Any]]) -> TwinIndex:
        sizes: list[IndexSize] = []
        for row in tree:
            if row["partitioned"]:
                continue
            part = IndexDef(
                schema=row["table_schema"], table=row["table_name"], name=row["name"], method=index.method,
                keys=index.keys, include=index.include, where=index.where, unique=index.unique,
                parameters=index.parameters,
            )  # fmt: skip
            size = predict_size(part, self.snapshot, selectivity=self._selectivity(part))
            relation = self.snapshot.relation(part.schema, part.table)
            heap_blocks = ((relation.size_bytes or 0) if relation else 0) // BLOCK
            plant(self._cluster.data / row["path"], index.method, size, heap_blocks=heap_blocks)
            statistics = {"pages": size.pages, "tuples": size.tuples, "all_visible_pages": 0}
            names = {"schema_name": row["schema_name"], "name": row["name"]}
            self._connection.execute(render("twin/restore_relation_statistics"), names | statistics)
            self._restore_expressions(part, names)
            sizes.append(size)
        total = IndexSize(
            pages=sum(size.pages for size in sizes),
            tuples=sum(size.tuples for size in sizes),
            height=max((size.height for size in sizes), default=0),
        )
        oids = tuple(int(row["oid"]) for row in tree)
        self._added |= set(oids)
        return TwinIndex(index=index, size=total, oids=oids)

    def _restore_expressions(self, index: IndexDef, names: Mapping[str, str]) -> None:
        """Give expressions such as lower(email) the statistics of their column; ANALYZE would give them their own."""
        relation = self.snapshot.relation(index.schema, index.table)
        for number, key in enumerate(index.keys, 1):
            column = wrapped_column(key.expression or "", relation) if relation is not None else None
            row = self.snapshot.column_statistics(index.schema, index.table, column) if column is not None else None
            if row is not None:
                values = row.model_dump(include={"null_fraction", "average_width", "distinct"})
                query = render("twin/restore_expression_statistics")
                self._connection.execute(query, {"number": number, **names, **values})

    def _selectivity(self, index: IndexDef) -> float:
        """Ask the planner which share of the rows a partial index holds."""
        relation = self.snapshot.relation(index.schema, index.table)
        rows = current_rows(relation) if relation else 0.0
        if index.where is None or not rows:
            return 1.0
        row = self._connection.execute(render("twin/predicate_rows", index=index)).fetchone()
        return min(1.0, float(_plan_tree(row)["Plan Rows"]) / rows)

    def _existing(self, name: str) -> frozenset[int]:
        if name not in self._dropped:
            tree = self._connection.execute(render("twin/read_index_tree"), {"index": name}).fetchall()
            if not tree:
                raise InputError(f"there is no index {name} to drop; name it as schema.name")
            self._dropped[name] = frozenset(int(row["oid"]) for row in tree)
        return self._dropped[name]

    def _hide(self, hidden: Collection[int]) -> None:
        wanted = frozenset(hidden)
        changed = wanted ^ self._hidden
        if changed:
            values = {"touched": sorted(changed), "shown": sorted(changed - wanted)}
            self._connection.execute(render("twin/set_index_validity"), values)
            self._hidden = wanted


def _rejected(statement: str, error: psycopg.Error) -> RejectedError:
    message = error.diag.message_primary or str(error)
    detail = error.diag.message_detail
    return RejectedError(statement=statement, sqlstate=error.sqlstate or "", message=message, detail=detail)


def _unnamed(ddl: str) -> tuple[str, str | None]:
    """Take CONCURRENTLY and the name off a CREATE INDEX, since the name may be taken; return the name beside it."""
    tokens = significant(lex(_single(ddl)))
    words = [token.word for token in tokens]
    if words[:2] != ["create", "index"] and words[:3] != ["create", "unique", "index"]:
        raise InputError(f"{ddl!r} is not a CREATE INDEX; give one")
    start = words.index("index") + 1
    if "on" not in words[start:]:
        raise InputError(f"{ddl!r} names no table; give CREATE INDEX … ON table (…)")
    table = words.index("on", start)
    last = tokens[table - 1]
    given = None
    if table > start and last.word != "concurrently":
        given = last.word or last.text[1:-1].replace('""', '"')
    return f"{ddl[: tokens[start - 1].end]} {ddl[tokens[table].start :]}", given


@lru_cache(maxsize=4096)
def _explain(statement: str, *, generic: bool) -> SQL:
    """Return the query that plans a statement; the same few are asked thousands of times."""
    return render("twin/explain", statement=_single(statement), generic=generic)


def _single(statement: str) -> str:
    """Make sure that text is one statement: $n without values needs the simple protocol, which would take several.

    Raises InputError.
    """
    try:
        tokens = significant(lex(statement))
    except IncompleteError as error:
        raise InputError(f"the statement cannot be read: {error}") from None
    if any(token.text == ";" and token.kind == "punctuation" for token in tokens[:-1]):
        raise InputError("there is a semicolon inside the statement; plan one statement at a time")
    return statement


def _plan_tree(row: Mapping[str, Any] | None) -> PlanTree:
    if row is None:
        raise RuntimeError("EXPLAIN returned nothing")
    document = row["QUERY PLAN"]
    parsed: Any = json.loads(document) if isinstance(document, str) else document
    return parsed[0]["Plan"]
