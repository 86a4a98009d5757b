"""The server of a twin: built again from the snapshot when it dies, or when a statement needs more than it holds."""

import contextlib
from collections.abc import Callable, Iterable
from typing import TypeVar

import psycopg

from analyzer.documents.snapshot import Snapshot
from analyzer.progress import Progress
from analyzer.twin.build import Built, building
from analyzer.twin.schema.missing import Losses
from analyzer.twin.schema.subset import Reach
from analyzer.twin.server.choose import PlannerChoice

T = TypeVar("T")


class Survivor:
    """What a twin runs on, and what it holds of the snapshot."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        statements: Iterable[str] | None,
        choice: PlannerChoice,
        progress: Progress,
    ) -> None:
        self.snapshot = snapshot
        self.choice = choice
        self._progress = progress
        #: What the twin holds; None when it is everything.
        self._reach = Reach(snapshot) if statements is not None else None
        if self._reach is not None and statements is not None:
            self._reach.grow(statements)
        self._stack = contextlib.ExitStack()
        #: What puts back on a new server what was on the old one.
        self.on_rebuilt: Callable[[], None] = lambda: None
        self._open()

    def _open(self) -> None:
        held = self.snapshot if self._reach is None else self._reach.narrowed()
        #: The server and the connections to it, others after that died.
        self.built: Built = self._stack.enter_context(building(held, wanted=self.choice, progress=self._progress))
        self._losses = Losses(self.built.lost, self.snapshot)

    def close(self) -> None:
        """Remove the server."""
        self._stack.close()

    @property
    def statements(self) -> tuple[str, ...] | None:
        """Return the statements it holds all for; None when it holds everything."""
        return None if self._reach is None else tuple(sorted(self._reach.statements))

    def hold(self, *statements: str) -> None:
        """Build it again where a statement needs more than it holds."""
        if self._reach is not None and self._reach.grow(statements):
            self._build_again()

    def obstacle(self, statement: str) -> str | None:
        """Say what it lacks that a statement may need."""
        self.hold(statement)
        return self._losses.obstacle(statement)

    def lacked(self, sqlstate: str, message: str) -> str | None:
        """Say what the server did not find because the twin lacks it."""
        return self._losses.lacked(sqlstate, message)

    def surviving(self, ask: Callable[[], T]) -> T:
        """Ask, and once more on a new server when the old one died of it, or before."""
        try:
            return ask()
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if not self.is_broken():
                raise
        self._build_again()
        return ask()

    def is_broken(self) -> bool:
        """Say whether a connection to it is lost."""
        apart = self.built.restricted.connection
        sessions = (self.built.inflated, self.built.flat)
        return any(each.is_broken for each in sessions) or (apart is not None and apart.closed)

    def _build_again(self) -> None:
        self._stack.close()
        self._open()
        self.on_rebuilt()
