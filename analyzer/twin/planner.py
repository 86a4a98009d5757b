"""The twin: a throw-away cluster on which the real planner sees the captured server.

It holds two databases. `flat` is the captured schema with empty storage: definitions are built there and read back,
which makes them canonical. `twin` is a copy of it, inflated to the captured sizes and statistics: statements are
planned there.
"""

import contextlib
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.rows import DictRow

from analyzer.capture.indexes import definition
from analyzer.capture.reader import Reader
from analyzer.capture.snapshot import NotExamined, Snapshot
from analyzer.db import execute_one
from analyzer.errors import InputError, RejectedError
from analyzer.index import IndexDef
from analyzer.sql import ident, render
from analyzer.twin.build import Planting, building
from analyzer.twin.clock import asks_clock, running, stopped
from analyzer.twin.explain import PlanTree, explain, plan_tree, single, walk
from analyzer.twin.host import Wanted
from analyzer.twin.keys import wrapped_column
from analyzer.twin.lost import Losses
from analyzer.twin.parking import build_parked
from analyzer.twin.sampled import Sampled, look_up, restore_expressions
from analyzer.twin.sizing import BLOCK, IndexSize, current_rows, predict_size
from analyzer.workload.lex import lex, significant

__all__ = ["Plan", "PlanTree", "Twin", "TwinIndex", "Wanted", "open_twin", "walk"]

T = TypeVar("T")


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
    #: Whether the sample of its table's rows told of it.
    sampled: bool = False

    @property
    def size_bytes(self) -> int:
        """Return the predicted size."""
        return self.size.pages * BLOCK


@contextlib.contextmanager
def open_twin(
    snapshot: Snapshot, *, wanted: Wanted | None = None, progress: Callable[[str], None] | None = None
) -> Generator["Twin"]:
    """Build a twin of a snapshot and remove it when the block ends.

    Raises CapabilityError when there is no server to build it on.
    """
    twin = Twin(snapshot, wanted=wanted, progress=progress)
    with contextlib.closing(twin):
        yield twin


class Twin:
    """A twin that is ready to plan; one at a time may use it.

    When its server dies it is built again from the snapshot, and what was asked is asked once more.
    """

    def __init__(
        self, snapshot: Snapshot, *, wanted: Wanted | None = None, progress: Callable[[str], None] | None = None
    ) -> None:
        self.snapshot = snapshot
        #: Views or policies ask the clock: their plans name the functions that stand for it.
        self._asks_clock = asks_clock(snapshot)
        self._wanted = wanted
        self._progress = progress
        self._stack = contextlib.ExitStack()
        #: Indexes as they were handed out, in the order they were added.
        self._added: list[TwinIndex] = []
        #: By name of an existing index: its oids as they were handed out.
        self._dropped: dict[str, tuple[int, ...]] = {}
        #: Handed-out oids.
        self._hidden: frozenset[int] = frozenset()
        #: Where an oid that was handed out is another one now, because the server was built again.
        self._current: dict[int, int] = {}
        self._open()

    def _open(self) -> None:
        #: The server it runs on, another one after that died, and the connections to it.
        self.built = self._stack.enter_context(building(self.snapshot, wanted=self._wanted, progress=self._progress))
        self._connection = self.built.inflated
        self._flat = self.built.flat
        #: What of the snapshot this twin could not have.
        self.not_examined: tuple[NotExamined, ...] = self.built.not_examined
        self._losses = Losses(self.built.lost, self.snapshot)

    def close(self) -> None:
        """Remove the twin."""
        self._stack.close()

    @property
    def planner(self) -> str:
        """Say which planner answers, and how it relates to the captured server's."""
        same = "same major version" if self.built.major == self.snapshot.server.major else "another major version"
        sampled = ", row samples" if self.snapshot.samples else ""
        return f"PostgreSQL {self.built.host.version} twin ({same}{sampled})"

    def obstacle(self, statement: str) -> str | None:
        """Say why the twin must not be asked about a statement: it lacks something the statement may need."""
        return self._losses.obstacle(statement)

    def plan(self, statement: str, *, generic: bool = True) -> Plan:
        """Plan one statement as EXPLAIN does, at the moment of the capture; `generic` admits parameters without values.

        Raises psycopg.Error when the server cannot plan it.
        """
        return self._surviving(lambda: self._plan(statement, generic=generic))

    def _plan(self, statement: str, *, generic: bool) -> Plan:
        text = stopped(statement)
        connection = self._connection
        if self.built.restricted.applies(statement):
            connection = self.built.restricted.connection or connection
        tree = explain(connection, text, generic=generic, major=self.built.major)
        if text != statement or self._asks_clock:
            tree = running(tree)
        return Plan(cost=float(tree["Total Cost"]), rows=float(tree["Plan Rows"]), tree=tree)

    def _surviving(self, ask: Callable[[], T]) -> T:
        """Ask, and once more on a new server when the old one died of it, or before."""
        try:
            return ask()
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if not self._is_broken():
                raise
        self._build_again()
        return ask()

    def _is_broken(self) -> bool:
        apart = self.built.restricted.connection
        return self._connection.closed or self._flat.closed or (apart is not None and apart.closed)

    def _build_again(self) -> None:
        self._stack.close()
        self._open()
        self._current = {}
        hidden, self._hidden = self._hidden, frozenset[int]()
        indexes = [each.index for each in self._added]
        rebuilt, _ = self._try_add(indexes) if indexes else ((), {})
        for before, now in zip(self._added, rebuilt, strict=True):
            self._current |= dict(zip(before.oids, now.oids, strict=True))
        for name, oids in self._dropped.items():
            self._current |= dict(zip(oids, self._tree_oids(name), strict=True))
        self._hidden = frozenset(oid for each in self._added for oid in each.oids)
        self._hide(hidden)

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
        added, rejected = self._surviving(lambda: self._try_add(indexes))
        self._added += added
        return added, rejected

    def _try_add(self, indexes: Sequence[IndexDef]) -> tuple[tuple[TwinIndex, ...], dict[IndexDef, InputError]]:
        built: list[tuple[IndexDef, list[DictRow]]] = []
        rejected: dict[IndexDef, InputError] = {}
        for index in indexes:
            try:
                self._build_parked(index)
            except InputError as error:
                rejected[index] = error
                continue
            built.append((index, self._tree(ident(index.schema, index.name))))
        self._connection.execute(render("twin/checkpoint"))
        planting = Planting(self._connection, self.built.storage)
        sized = tuple(self._size(index, tree, planting) for index, tree in built)
        planting.finish()
        self._hide(self._hidden | {oid for index in sized for oid in index.oids})
        return sized, rejected

    def show(self, added: Collection[TwinIndex], *, without: Collection[str] = ()) -> None:
        """Let the planner see these added indexes, and the existing indexes but those named (`schema.name`, quoted)."""
        self._surviving(lambda: self._show(added, without))

    def _show(self, added: Collection[TwinIndex], without: Collection[str]) -> None:
        shown = {oid for index in added for oid in index.oids}
        dropped = {oid for name in without for oid in self._existing(name)}
        self._hide(({oid for index in self._added for oid in index.oids} - shown) | dropped)

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
        return self._surviving(lambda: self._read_back(ddl))

    def _read_back(self, ddl: str) -> DictRow:
        with self._flat.transaction(force_rollback=True):
            before = self._newest_index()
            try:
                execute_one(self._flat, render("twin/statement", statement=ddl))
            except psycopg.Error as error:
                if self._flat.closed:
                    raise
                raise _rejected(ddl, error) from None
            built = self._newest_index()
            if built == before:
                raise InputError(f"{ddl!r} makes no index")
            reader = Reader(connection=self._flat, major=self.built.major)
            search_path = reader.row("search_path")["schemas"]
            reader.fix_session()
            bind = {"relations": [built[1]], "blocked": [], "search_path": search_path}
            return next(row for row in reader.rows("indexes", bind) if row["oid"] == built[0])

    def _newest_index(self) -> tuple[int, int]:
        row = self._flat.execute(render("twin/newest_index")).fetchone()
        return (int(row["oid"]), int(row["table_oid"])) if row else (0, 0)

    def _build_parked(self, index: IndexDef) -> None:
        try:
            build_parked(self._connection, index)
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            raise _rejected(index.ddl(), error) from None

    def _size(self, index: IndexDef, tree: Sequence[Mapping[str, Any]], planting: Planting) -> TwinIndex:
        sizes: list[IndexSize] = []
        seen = False
        for row in tree:
            if row["partitioned"]:
                continue
            part = IndexDef(
                schema=row["table_schema"], table=row["table_name"], name=row["name"], method=index.method,
                keys=index.keys, include=index.include, where=index.where, unique=index.unique,
                parameters=index.parameters,
            )  # fmt: skip
            sampled = look_up(self._connection, self.snapshot, part)
            selectivity = self._selectivity(part) if sampled.selectivity is None else sampled.selectivity
            size = sampled.size or predict_size(part, self.snapshot, selectivity=selectivity)
            relation = self.snapshot.relation(part.schema, part.table)
            heap_blocks = ((relation.size_bytes or 0) if relation else 0) // BLOCK
            planting.plant(row, index.method, size, heap_blocks=heap_blocks)
            statistics = {"pages": size.pages, "tuples": size.tuples, "all_visible_pages": 0}
            names = {"schema_name": row["schema_name"], "name": row["name"]}
            self._connection.execute(
                render("twin/restore_relation_statistics", pg=self.built.major), names | statistics
            )
            self._restore_expressions(part, names, sampled)
            sizes.append(size)
            seen |= sampled.used
        total = IndexSize(
            pages=sum(size.pages for size in sizes),
            tuples=sum(size.tuples for size in sizes),
            height=max((size.height for size in sizes), default=0),
        )
        return TwinIndex(index=index, size=total, oids=tuple(int(row["oid"]) for row in tree), sampled=seen)

    def _restore_expressions(self, index: IndexDef, names: Mapping[str, str], sampled: Sampled) -> None:
        """Give expressions their statistics in the sample, else those of the column in such as lower(email)."""
        relation = self.snapshot.relation(index.schema, index.table)
        done = restore_expressions(self._connection, names["schema_name"], names["name"], sampled)
        for number, key in enumerate(index.keys, 1):
            if number in done:
                continue
            column = wrapped_column(key.expression or "", relation) if relation is not None else None
            row = self.snapshot.column_statistics(index.schema, index.table, column) if column is not None else None
            if row is not None:
                values = row.model_dump(include={"null_fraction", "average_width", "distinct"})
                query = render("twin/restore_expression_statistics", pg=self.built.major)
                self._connection.execute(query, {"number": number, **names, **values})

    def _selectivity(self, index: IndexDef) -> float:
        """Ask the planner which share of the rows a partial index holds."""
        relation = self.snapshot.relation(index.schema, index.table)
        rows = current_rows(relation) if relation else 0.0
        if index.where is None or not rows:
            return 1.0
        row = self._connection.execute(render("twin/predicate_rows", index=index)).fetchone()
        return min(1.0, float(plan_tree(row)["Plan Rows"]) / rows)

    def _existing(self, name: str) -> tuple[int, ...]:
        if name not in self._dropped:
            oids = self._tree_oids(name)
            if not oids:
                raise InputError(f"there is no index {name} to drop; name it as schema.name")
            self._dropped[name] = oids
        return self._dropped[name]

    def _tree_oids(self, name: str) -> tuple[int, ...]:
        return tuple(int(row["oid"]) for row in self._tree(name))

    def _tree(self, name: str) -> list[DictRow]:
        return self._connection.execute(render("twin/read_index_tree"), {"index": name}).fetchall()

    def _hide(self, hidden: Collection[int]) -> None:
        wanted = frozenset(hidden)
        changed = wanted ^ self._hidden
        if changed:
            now = self._current
            values = {
                "touched": sorted(now.get(oid, oid) for oid in changed),
                "shown": sorted(now.get(oid, oid) for oid in changed - wanted),
            }
            self._connection.execute(render("twin/set_index_validity"), values)
            self._hidden = wanted


def _rejected(statement: str, error: psycopg.Error) -> RejectedError:
    message = error.diag.message_primary or str(error)
    detail = error.diag.message_detail
    return RejectedError(statement=statement, sqlstate=error.sqlstate or "", message=message, detail=detail)


def _unnamed(ddl: str) -> tuple[str, str | None]:
    """Take CONCURRENTLY and the name off a CREATE INDEX, since the name may be taken; return the name beside it."""
    tokens = significant(lex(single(ddl)))
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
