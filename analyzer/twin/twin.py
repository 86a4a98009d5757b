"""The twin: a throw-away cluster on which the real planner sees the captured server.

It holds two databases. `flat` is the captured schema with empty storage: definitions are built there and read back,
which makes them canonical. `twin` is a copy of it, inflated to the captured sizes and statistics: statements are
planned there.
"""

import contextlib
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import psycopg
from psycopg.rows import DictRow

from analyzer.capture.indexes import definition
from analyzer.db import Connection
from analyzer.documents.measured import ExtendedStatistics
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.errors import InputError
from analyzer.objects.definition import D, Definition
from analyzer.objects.index import IndexDef
from analyzer.objects.statistics import StatisticsDef, printed_ddl
from analyzer.postgres.lex import lex, significant
from analyzer.specs.existing import as_printed
from analyzer.sql import ident
from analyzer.twin.build import building
from analyzer.twin.hypothetical.add_indexes import Addition, TwinIndex, read_trees
from analyzer.twin.hypothetical.explain import Asked, PlanTree, explain, explain_together, single, walk
from analyzer.twin.hypothetical.read_back import BUILT_NAME, read_back_index, read_back_statistics
from analyzer.twin.hypothetical.visibility import Table, Visibility
from analyzer.twin.schema.clock import asks_clock, freeze_clock, thaw_clock
from analyzer.twin.schema.missing import Losses
from analyzer.twin.schema.subset import Reach
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.server.roles import LIMITS, limit

__all__ = ["Asked", "Plan", "PlanTree", "Twin", "TwinIndex", "PlannerChoice", "open_twin", "walk"]

T = TypeVar("T")

#: Statements that may take all the time there is; others have the short one from then on.
_MOST_CANCELED, _SHORT_TIMEOUT = 2, "3s"


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
class Recipe:
    """What another twin that answers like one is made from."""

    snapshot: Snapshot
    statements: tuple[str, ...] | None
    wanted: PlannerChoice
    #: What was added, in its order.
    indexes: tuple[IndexDef, ...]


@contextlib.contextmanager
def open_twin(
    snapshot: Snapshot,
    *,
    statements: Iterable[str] | None = None,
    wanted: PlannerChoice | None = None,
    progress: Callable[[str], None] | None = None,
) -> Generator["Twin"]:
    """Build a twin of a snapshot and remove it when the block ends.

    With `statements` it holds what those need, DDL among them, and is built again when others need more; without, all.
    Raises CapabilityError when there is no server to build it on.
    """
    twin = Twin(snapshot, statements=statements, wanted=wanted, progress=progress)
    with contextlib.closing(twin):
        yield twin


class Twin:
    """A twin that is ready to plan; one at a time may use it.

    When its server dies it is built again from the snapshot, and what was asked is asked once more.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        statements: Iterable[str] | None = None,
        wanted: PlannerChoice | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.snapshot = snapshot
        #: What the twin holds; None when it is everything.
        self._reach = Reach(snapshot) if statements is not None else None
        if self._reach is not None and statements is not None:
            self._reach.grow(statements)
        #: Views or policies ask the clock: their plans name the functions that stand for it.
        self._asks_clock = asks_clock(snapshot)
        self._wanted = wanted or PlannerChoice()
        self._progress = progress
        self._stack = contextlib.ExitStack()
        #: Statements that ended at the statement timeout.
        self._canceled = 0
        #: Indexes as they were handed out, in the order they were added.
        self.added: list[TwinIndex] = []
        #: By name of an existing index: its table, and its oids as they were handed out.
        self._dropped: dict[str, tuple[Table, tuple[int, ...]]] = {}
        #: Handed-out oids by table: added indexes that are to be seen, existing ones that are not.
        self._departures: dict[Table, frozenset[int]] = {}
        #: Where an oid that was handed out is another one now, because the server was built again.
        self._current: dict[int, int] = {}
        self._open()

    def _open(self) -> None:
        #: The server it runs on, another one after that died, and the connections to it.
        held = self.snapshot if self._reach is None else self._reach.narrowed()
        self.built = self._stack.enter_context(building(held, wanted=self._wanted, progress=self._progress))
        self._connection = self.built.inflated.captured
        self._visibility = Visibility(self.built.inflated.superuser)
        #: What of the snapshot this twin could not have.
        self.not_examined: tuple[NotExamined, ...] = self.built.not_examined
        self._losses = Losses(self.built.lost, self.snapshot)

    def _hold(self, *statements: str) -> None:
        """Build the twin again where a statement needs more than it holds."""
        if self._reach is not None and self._reach.grow(statements):
            self._build_again()

    def close(self) -> None:
        """Remove the twin."""
        self._stack.close()

    @property
    def planner(self) -> str:
        """Say which planner answers, and how it relates to the captured server's."""
        same = "same major version" if self.built.major == self.snapshot.server.major else "another major version"
        sampled = ", row samples" if self.snapshot.samples else ""
        return f"PostgreSQL {self.built.host.version} twin ({same}{sampled})"

    @property
    def recipe(self) -> Recipe:
        """Return what a copy is made from."""
        return Recipe(
            snapshot=self.snapshot,
            statements=None if self._reach is None else tuple(sorted(self._reach.statements)),
            # Whether the kernel has to contain it was decided for this one.
            wanted=replace(self._wanted, trust_schema=True),
            indexes=tuple(each.index for each in self.added),
        )

    def obstacle(self, statement: str) -> str | None:
        """Say why the twin must not be asked about a statement: it lacks something the statement may need."""
        self._hold(statement)
        return self._losses.obstacle(statement)

    def plan(self, statement: str, *, generic: bool = True) -> Plan:
        """Plan one statement as EXPLAIN does, at the moment of the capture; `generic` admits parameters without values.

        Raises psycopg.Error when the server cannot plan it.
        """
        return self.plan_all((Asked(text=statement, generic=generic),))[0]

    def plan_all(self, asked: Sequence[Asked]) -> tuple[Plan, ...]:
        """Plan statements under one configuration, in one round trip where that can be.

        Raises psycopg.Error when the server cannot plan one of them.
        """
        self._hold(*(each.text for each in asked))
        try:
            return self._surviving(lambda: self._plan_all(asked))
        except psycopg.errors.QueryCanceled:
            self._lose_patience()
            raise

    def _plan_all(self, asked: Sequence[Asked]) -> tuple[Plan, ...]:
        self._settle()
        standing = [Asked(text=freeze_clock(each.text), generic=each.generic) for each in asked]
        trees = self._planned_together(standing) or self._planned_alone(standing)
        plans: list[Plan] = []
        for each, still, tree in zip(asked, standing, trees, strict=True):
            seen = thaw_clock(tree) if still.text != each.text or self._asks_clock else tree
            plans.append(Plan(cost=float(tree["Total Cost"]), rows=float(tree["Plan Rows"]), tree=seen))
        return tuple(plans)

    def _lose_patience(self) -> None:
        """Give statements less time when several took all of it: there may be thousands of that kind."""
        self._canceled += 1
        if not self._is_broken():
            for connection in self._planning:
                limit(connection, statement_timeout=self._timeout)

    @property
    def _timeout(self) -> str:
        return _SHORT_TIMEOUT if self._canceled >= _MOST_CANCELED else LIMITS["statement_timeout"]

    @property
    def _planning(self) -> tuple[Connection, ...]:
        """Return the sessions that statements are planned in."""
        apart = self.built.restricted.connection
        return (self._connection,) if apart is None else (self._connection, apart)

    def _settle(self) -> None:
        """Put back what a function could have set: then a text that was read as one statement is one, and ends."""
        for connection in self._planning:
            if self._wanted.has_bodies or connection.info.parameter_status("standard_conforming_strings") != "on":
                limit(connection, statement_timeout=self._timeout)

    def _planned_together(self, asked: Sequence[Asked]) -> list[PlanTree] | None:
        """Plan in one round trip; None where that cannot be, or an error is to be told apart from the others."""
        if any(self.built.restricted.applies(each.text) for each in asked):
            return None
        departures = self._departures_now()
        change = self._visibility.change(departures)
        try:
            trees = explain_together(self._connection, asked, before=change, major=self.built.major)
        except psycopg.Error as error:
            if self._connection.closed or (len(asked) == 1 and isinstance(error, psycopg.errors.QueryCanceled)):
                raise
            return None
        if trees is not None:
            self._visibility.changed(departures)
        return trees

    def _planned_alone(self, asked: Sequence[Asked]) -> list[PlanTree]:
        departures = self._departures_now()
        if (change := self._visibility.change(departures)) is not None:
            self._connection.execute(change, prepare=False)
            self._visibility.changed(departures)
        trees: list[PlanTree] = []
        for each in asked:
            connection = self._connection
            if self.built.restricted.applies(each.text):
                connection = self.built.restricted.connection or connection
            trees.append(explain(connection, each.text, generic=each.generic, major=self.built.major))
        return trees

    def _departures_now(self) -> Mapping[Table, frozenset[int]]:
        """Return the departures with the oids that the indexes have on this server."""
        if not self._current:
            return self._departures
        now = self._current
        return {table: frozenset(now.get(oid, oid) for oid in oids) for table, oids in self._departures.items()}

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
        sessions = (self.built.inflated, self.built.flat)
        return any(each.is_broken for each in sessions) or (apart is not None and apart.closed)

    def _build_again(self) -> None:
        self._stack.close()
        self._open()
        self._current = {}
        rebuilt, _ = self._try_add([each.index for each in self.added]) if self.added else ((), {})
        for before, now in zip(self.added, rebuilt, strict=True):
            self._current |= dict(zip(before.oids, now.oids, strict=True))
        for name, (_, oids) in self._dropped.items():
            self._current |= dict(zip(oids, (int(row["oid"]) for row in self._known(name)), strict=True))

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
        self._hold(*(index.ddl() for index in indexes))
        added, rejected = self._surviving(lambda: self._try_add(indexes))
        self.added += added
        return added, rejected

    def _try_add(self, indexes: Sequence[IndexDef]) -> tuple[tuple[TwinIndex, ...], dict[IndexDef, InputError]]:
        addition = Addition(built=self.built, snapshot=self.snapshot, visibility=self._visibility)
        return addition.run(indexes), addition.rejected

    def show(
        self, added: Collection[TwinIndex], *, without: Collection[str] = (), tables: Collection[Table] | None = None
    ) -> None:
        """Let the planner see these added indexes, and the existing indexes but those named (`schema.name`, quoted).

        With `tables` the indexes of others stay as they are. It takes effect with the next plan.
        """
        departing = [((index.index.schema, index.index.table), index.oids) for index in added]
        departing += [self._existing(name) for name in without]
        departures: dict[Table, set[int]] = {
            each: set() for each in self._departures if tables is None or each in tables
        }
        for table, oids in departing:
            if tables is None or table in tables:
                departures.setdefault(table, set()).update(oids)
        self._departures.update((table, frozenset(oids)) for table, oids in departures.items())

    def canonical(self, wanted: D) -> D:
        """Return a definition as the server itself deparses it; the name stays.

        Raises InputError for a definition the server rejects.
        """
        if isinstance(wanted, StatisticsDef):
            return cast("D", as_printed(wanted, self._built_statistics(wanted)))
        return cast("D", definition(self._built_flat(wanted.renamed(BUILT_NAME).ddl())).renamed(wanted.name))

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
                raise InputError(f"{error}; fix the statement") from None
            name, number = given or index.name, 1
            while (index.schema, name) in taken:
                number += 1
                name = f"{(given or index.name)[:58]}_{number}"
            taken.add((index.schema, name))
            found.append(index.renamed(name))
        return tuple(found)

    def server_ddl(self, wanted: Definition) -> str:
        """Return pg_get_indexdef or pg_get_statisticsobjdef of a definition, under its own name."""
        if isinstance(wanted, StatisticsDef):
            return printed_ddl(self._built_statistics(wanted).definition, wanted)
        ddl = str(self._built_flat(wanted.renamed(BUILT_NAME).ddl())["ddl"])
        return ddl.replace(f" {BUILT_NAME} ", f" {ident(wanted.name)} ", 1)

    def _built_flat(self, ddl: str) -> DictRow:
        """Build an index on the flat database and read it back."""
        self._hold(ddl)
        return self._surviving(lambda: read_back_index(self.built.flat, ddl))

    def _built_statistics(self, wanted: StatisticsDef) -> ExtendedStatistics:
        self._hold(wanted.ddl())
        return self._surviving(lambda: read_back_statistics(self.built.flat, wanted))

    def _existing(self, name: str) -> tuple[Table, tuple[int, ...]]:
        """Return the table of an existing index, and the oids of its tree; raises InputError where there is none."""
        if name not in self._dropped:
            self._hold(name)
            tree = self._surviving(lambda: self._known(name))
            root = next((row for row in tree if row["is_root"]), None)
            if root is None:
                raise InputError(f"there is no index {name} to drop; name it as schema.name")
            table = (root["table_schema"], root["table_name"])
            self._dropped[name] = table, tuple(int(row["oid"]) for row in tree)
        return self._dropped[name]

    def _known(self, name: str) -> list[DictRow]:
        """Read the tree of an existing index, which can be hidden from then on."""
        (tree,) = read_trees(self.built.inflated.superuser, [name])
        self._visibility.know({row["oid"]: row["table_oid"] for row in tree})
        return tree


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
