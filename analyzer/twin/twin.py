"""The twin: a throw-away cluster on which the real planner sees the captured server.

It holds two databases. `flat` is the captured schema with empty storage: definitions are built there and read back,
which makes them canonical. `twin` is a copy of it, inflated to the captured sizes and statistics: statements are
planned there.
"""

import contextlib
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.errors import InputError
from analyzer.objects.definition import D, Definition
from analyzer.objects.index import IndexDef
from analyzer.objects.operator_classes import OperatorClasses
from analyzer.postgres.identifiers import QualifiedName
from analyzer.progress import Progress, silent
from analyzer.twin.build import Built, building
from analyzer.twin.definitions import Definitions
from analyzer.twin.exposure import Exposure
from analyzer.twin.hypothetical.add_indexes import TwinIndex
from analyzer.twin.hypothetical.explain import Asked, PlanTree, walk
from analyzer.twin.planning import Plan, Planner
from analyzer.twin.schema.operator_classes import read_operator_classes
from analyzer.twin.schema.volatility import read_volatility
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.statistics import SampledStatistics
from analyzer.twin.survivor import Survivor

__all__ = ["Asked", "Plan", "PlanTree", "Twin", "TwinIndex", "PlannerChoice", "open_twin", "walk"]


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
    progress: Progress = silent,
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
        progress: Progress = silent,
    ) -> None:
        self.snapshot = snapshot
        choice = wanted or PlannerChoice()
        self._server = Survivor(snapshot, building, statements=statements, choice=choice, progress=progress)
        self._exposure = Exposure(self._server)
        self._planner = Planner(self._server, self._exposure)
        self._definitions = Definitions(self._server)
        #: What samples say of keys of their tables.
        self.sampled = SampledStatistics(self._server)
        #: Of the server it was read from: another one holds more of the snapshot.
        self._catalog: tuple[Built, Catalog] | None = None

    def close(self) -> None:
        """Remove the twin."""
        self._server.close()

    @property
    def built(self) -> Built:
        """Return the server it runs on, another one after that died, and the connections to it."""
        return self._server.built

    @property
    def not_examined(self) -> tuple[NotExamined, ...]:
        """Return what of the snapshot this twin could not have."""
        return self.built.not_examined

    @property
    def added(self) -> Sequence[TwinIndex]:
        """Return the added indexes, in their order."""
        return self._exposure.added

    @property
    def planner(self) -> str:
        """Return the planner and how it relates to that of the captured server."""
        return self._server.planner

    @property
    def catalog(self) -> Catalog:
        """Return the look-up over the snapshot, with what it has found already and what its server has."""
        built = self._server.built
        if self._catalog is None or self._catalog[0] is not built:
            superuser = built.flat.superuser
            operators, volatility = read_operator_classes(superuser), read_volatility(superuser)
            self._catalog = built, Catalog(self.snapshot, operators=operators, volatility=volatility)
        return self._catalog[1]

    @property
    def operator_classes(self) -> OperatorClasses:
        """Return the operators and operator classes of the server, with those of the captured extensions and types."""
        return self.catalog.operators

    @property
    def recipe(self) -> Recipe:
        """Return the recipe of a copy."""
        return Recipe(
            snapshot=self.snapshot,
            statements=self._server.statements,
            wanted=replace(self._server.choice, early=None),
            indexes=tuple(each.index for each in self.added),
        )

    def obstacle(self, statement: str) -> str | None:
        """Say why the twin must not be asked about a statement: it lacks something the statement may need."""
        return self._server.obstacle(statement)

    def lacked(self, sqlstate: str, message: str) -> str | None:
        """Say what the planner did not find because the twin lacks it; None when it refuses something else."""
        return self._server.lacked(sqlstate, message)

    def replaced_in(self, plan: Plan) -> str | None:
        """Say in place of which table another one is in a plan, whose cost is then not the captured server's."""
        return self._server.read_by(plan.relations)

    def plan(
        self,
        statement: str,
        *,
        generic: bool = True,
        verbose: bool = False,
        search_path: tuple[str, ...] | None = None,
    ) -> Plan:
        """Plan one statement as EXPLAIN does, at the moment of the capture; `generic` admits parameters without values.

        With `verbose` its nodes say what they put out. Without a `search_path` names are found as the capturing session
        found them.

        Raises psycopg.Error when the server cannot plan it.
        """
        return self.plan_all((Asked(text=statement, generic=generic, verbose=verbose),), search_path=search_path)[0]

    def offset(self, statement: str, error: psycopg.Error, *, verbose: bool = False) -> int:
        """Return by how many characters an error of planning a statement counts its place too far."""
        return self._planner.offset(Asked(text=statement, verbose=verbose), error)

    def plan_all(self, asked: Sequence[Asked], *, search_path: tuple[str, ...] | None = None) -> tuple[Plan, ...]:
        """Plan statements under one configuration and search path, in one round trip where that can be.

        Raises psycopg.Error when the server cannot plan one of them.
        """
        return self._planner.plan_all(asked, search_path)

    def plan_under(
        self, settings: Mapping[str, str], statement: str, *, search_path: tuple[str, ...] | None = None
    ) -> Plan:
        """Plan one statement as a session with these settings would, as far as the planner reads them.

        Raises psycopg.Error when the server cannot plan it.
        """
        return self._planner.plan_under(settings, Asked(text=statement), search_path)

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
        return self._exposure.try_add(indexes)

    def show(
        self,
        added: Collection[TwinIndex],
        *,
        without: Collection[str] = (),
        tables: Collection[QualifiedName] | None = None,
    ) -> None:
        """Let the planner see these added indexes, and the existing indexes but those named (`schema.name`, quoted).

        With `tables` the indexes of others stay as they are. It takes effect with the next plan.
        """
        self._exposure.show(added, without=without, tables=tables)

    def existing(self, names: Collection[str]) -> frozenset[str]:
        """Return which of these indexes (`schema.name`, quoted) of the captured database can be hidden."""
        return self._exposure.existing(names)

    def canonical(self, wanted: D) -> D:
        """Return a definition as the server itself deparses it; the name stays.

        Raises InputError for a definition the server rejects.
        """
        return self._definitions.canonical(wanted)

    def printed(self, definition: D) -> D:
        """Return the canonical form of a definition, or the definition where the server rejects it."""
        return self._definitions.printed(definition)

    def parse_ddl(self, statements: Sequence[str]) -> tuple[IndexDef, ...]:
        """Return the canonical definitions of CREATE INDEX statements somebody wrote, under names that are free.

        Raises InputError for text that is not one, or that the server rejects.
        """
        return self._definitions.parse_ddl(statements)

    def server_ddl(self, wanted: Definition) -> str:
        """Return pg_get_indexdef or pg_get_statisticsobjdef of a definition, under its own name."""
        return self._definitions.server_ddl(wanted)
