"""The server of a twin: built again from the snapshot when it dies, or when a statement needs more than it holds."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

import psycopg

from analyzer.documents.snapshot import Snapshot
from analyzer.progress import Progress
from analyzer.twin.build import BuiltFlat
from analyzer.twin.schema.missing import Losses
from analyzer.twin.schema.subset import Reach
from analyzer.twin.server.choose import PlannerChoice

T = TypeVar("T")
B_co = TypeVar("B_co", bound=BuiltFlat, covariant=True)


class Build(Protocol[B_co]):
    """Builds what a server is to hold, and removes it when the block ends."""

    def __call__(
        self, snapshot: Snapshot, *, wanted: PlannerChoice | None, progress: Progress
    ) -> contextlib.AbstractContextManager[B_co]:
        """Build it of a snapshot."""
        ...


class Survivor(Generic[B_co]):
    """What a twin runs on, and what it holds of the snapshot; built when it is first asked for."""

    def __init__(
        self,
        snapshot: Snapshot,
        build: Build[B_co],
        *,
        statements: Iterable[str] | None,
        choice: PlannerChoice,
        progress: Progress,
    ) -> None:
        self.snapshot = snapshot
        self.choice = choice
        self._build = build
        self._progress = progress
        #: What the twin holds; None when it is everything.
        self._reach = Reach(snapshot) if statements is not None else None
        if self._reach is not None and statements is not None:
            self._reach.grow(statements)
        self._stack = contextlib.ExitStack()
        #: What puts back on a new server what was on the old one.
        self.on_rebuilt: Callable[[], None] = lambda: None
        self._built: B_co | None = None
        self._losses = Losses((), snapshot)

    @property
    def built(self) -> B_co:
        """Return the server and the connections to it, others after that died."""
        if self._built is None:
            held = self.snapshot if self._reach is None else self._reach.narrowed()
            making = self._build(held, wanted=self.choice, progress=self._progress)
            self._built = self._stack.enter_context(making)
            self._losses = Losses(self._built.lost, self.snapshot)
        return self._built

    @property
    def is_built(self) -> bool:
        """Say whether it was asked for."""
        return self._built is not None

    @property
    def planner(self) -> str:
        """Return the planner and how it relates to that of the captured server."""
        same = "same major version" if self.built.major == self.snapshot.server.major else "another major version"
        sampled = ", row samples" if self.snapshot.samples else ""
        return f"PostgreSQL {self.built.host.version} twin ({same}{sampled})"

    def close(self) -> None:
        """Remove the server."""
        self._stack.close()

    @property
    def statements(self) -> tuple[str, ...] | None:
        """Return the statements it holds all for; None when it holds everything."""
        return None if self._reach is None else tuple(sorted(self._reach.statements))

    def hold(self, *statements: str) -> None:
        """Build it again where a statement needs more than it holds."""
        if self._reach is not None and self._reach.grow(statements) and self._built is not None:
            self._build_again()

    def obstacle(self, statement: str) -> str | None:
        """Say what it lacks that a statement may need."""
        self.hold(statement)
        return self._losses.obstacle(statement)

    def lacked(self, sqlstate: str, message: str) -> str | None:
        """Say what the server did not find because the twin lacks it."""
        return self._losses.lacked(sqlstate, message)

    def read_by(self, relations: Iterable[str]) -> str | None:
        """Say which of the relations in a plan stands in another one's place."""
        return self._losses.read_by(relations)

    def surviving(self, ask: Callable[[], T]) -> T:
        """Ask, and once more on a new server when the old one died of it, or before."""
        try:
            return ask()
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if not self.built.is_broken:
                raise
        self._build_again()
        return ask()

    def _build_again(self) -> None:
        self._stack.close()
        self._built = None
        self.on_rebuilt()
