"""Watch the statements of a deploy from a connection of its own: how far they are, and who holds them up.

The connection commits by itself and holds no snapshot between two looks, else concurrent builds would wait for it.
It is made only for a statement that takes longer than a moment; where it cannot be made, the deploy goes on unwatched.
"""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TextIO, cast

import rich.progress
import rich.table
from sqlalchemy.engine import Connection, Engine

from analyzer.db import without_secrets
from analyzer.migrate.deploy.backends import Backend, duration, read_backends
from analyzer.migrate.deploy.driver import DriverError, on_another_connection
from analyzer.migrate.deploy.load_limits import LoadLimits
from analyzer.migrate.deploy.options import Options
from analyzer.migrate.deploy.session import LOG, call, rows, write_settings
from analyzer.terminal import Description, is_terminal, of_stderr

_FIRST_LOOK_SECONDS = 0.5
_LOOK_SECONDS = 1.0
#: How long a limit is to be exceeded, at each look, until a build is canceled.
_PATIENCE_SECONDS = 5.0
#: Until a connection that failed is made again.
_AGAIN_SECONDS = 5.0
#: Without a terminal a line is written when something new is to be said, or after this long.
_LINE_SECONDS = 30.0
_BAR_CHARACTERS = 20
_SETTINGS = {"statement_timeout": "2s", "application_name": "twindex watcher"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What was seen of one statement."""

    what: str
    seconds: float
    #: Of pg_stat_progress_create_index; None for a statement that reports none.
    phase: str | None
    #: 0 to 1 of the phase; None when it does not say.
    share: float | None
    blockers: tuple[Backend, ...]

    def describe(self, *, private: bool) -> str:
        """Say it in one line."""
        text = self.what + (f": {self.phase}" if self.phase else "")
        text += f", {self.share * 100:.0f} %" if self.share is not None else ""
        if self.blockers:
            text += "; waits for " + " and ".join(each.describe(private=private) for each in self.blockers)
        return text


@dataclass(slots=True, kw_only=True)
class Watch:
    """A statement under watch."""

    what: str
    since: float
    #: Whether it is canceled when a limit is exceeded.
    limited: bool
    #: The limit that it was canceled for; final when it is not watched any more.
    exceeded: str | None = None


class Watcher:
    """A thread that looks at the backends of a deploy while they work, and cancels builds when a limit is exceeded."""

    def __init__(self, engine: Engine, options: Options, limits: LoadLimits) -> None:
        """Take the engine of Alembic's connection, whose address, creator and arguments are used again."""
        self._source = engine
        self._options = options
        self._limits = limits
        self._exceeded_since: float | None = None
        self._watched: dict[int, Watch] = {}
        #: Held to cancel a statement and to end its watch: the next statement of its backend is not to be canceled.
        self._ending = threading.Lock()
        self._changed = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watching(self, pid: int, what: str, *, limited: bool = False) -> Generator[Watch]:
        """Watch a backend during the block; `what` describes its work, `limited` lets a limit cancel it."""
        watch = self._watched[pid] = Watch(what=what, since=time.monotonic(), limited=limited)
        if self._thread is None and (self._options.progress != "off" or self._limits.are_set):
            self._thread = threading.Thread(target=self._watch, name="twindex watcher", daemon=True)
            self._thread.start()
        self._changed.set()
        try:
            yield watch
        finally:
            with self._ending:
                self._watched.pop(pid, None)

    def close(self) -> None:
        """End the thread and its connection."""
        self._closed = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _watch(self) -> None:
        told = False
        while self._due():
            try:
                on_another_connection(self._source, self._watch_through)
            except (DriverError, OSError) as error:
                if not self._closed and not told:
                    told = True
                    url = self._source.url.render_as_string(hide_password=False)
                    LOG.warning(
                        "no progress is shown%s, because the monitoring connection failed: %s",
                        " and no limit checked" if self._limits.are_set else "", without_secrets(str(error), url),
                    )  # fmt: skip
            if not self._limits.are_set:
                return
            self._pause(_AGAIN_SECONDS)

    def _watch_through(self, connection: Connection) -> None:
        write_settings(connection, _SETTINGS)
        self._limits.own.add(int(call(connection, "read_pid")["pid"]))
        with _display(self._options) as show:
            while not self._closed:
                show(self._look(connection))
                self._limit(connection)
                self._pause(_LOOK_SECONDS)

    def _limit(self, connection: Connection) -> None:
        """Cancel the builds that run while a limit has been exceeded for a while."""
        running = {pid: watch for pid, watch in list(self._watched.items()) if watch.limited}
        exceeded = self._limits.exceeded(connection) if running else None
        if exceeded is None:
            self._exceeded_since = None
            return
        now = time.monotonic()
        self._exceeded_since = self._exceeded_since or now
        for pid, watch in running.items():
            if now - max(self._exceeded_since, watch.since) >= _PATIENCE_SECONDS:
                self._cancel(connection, pid, watch, exceeded)

    def _cancel(self, connection: Connection, pid: int, watch: Watch, exceeded: str) -> None:
        with self._ending:
            if self._watched.get(pid) is watch and watch.exceeded is None:
                call(connection, "cancel_backend", pid=pid)
                watch.exceeded = exceeded

    def _due(self) -> bool:
        """Wait until a statement has taken a moment; False if it has ended."""
        while not self._closed:
            oldest = min((watch.since for watch in list(self._watched.values())), default=None)
            if oldest is not None and time.monotonic() - oldest >= _FIRST_LOOK_SECONDS:
                return True
            self._pause(_FIRST_LOOK_SECONDS if oldest is not None else None)
        return False

    def _pause(self, seconds: float | None) -> None:
        self._changed.clear()
        if not self._closed:
            self._changed.wait(seconds)

    def _look(self, connection: Connection) -> tuple[Progress, ...]:
        watched = dict(self._watched)
        now = time.monotonic()
        due = {pid: watch for pid, watch in watched.items() if now - watch.since >= _FIRST_LOOK_SECONDS}
        if not due:
            return ()
        return tuple(
            Progress(
                what=due[seen["pid"]].what,
                seconds=now - due[seen["pid"]].since,
                phase=seen["phase"],
                share=_share(seen),
                blockers=read_backends(connection, seen["blockers"]) if seen["blockers"] else (),
            )
            for seen in rows(connection, "read_progress", pids=sorted(due))
        )


def _share(seen: Mapping[str, Any]) -> float | None:
    for unit in ("blocks", "tuples", "lockers"):
        if total := seen[f"{unit}_total"]:
            return min(1.0, seen[f"{unit}_done"] / total)
    return None


Show = Callable[[tuple[Progress, ...]], None]


@contextlib.contextmanager
def _display(options: Options) -> Generator[Show]:
    """Show looks as bars on a terminal, as lines of the log elsewhere."""
    if options.progress == "off":
        yield lambda _looks: None
        return
    bars = options.progress == "bar" or (options.progress == "auto" and is_terminal(sys.stderr))
    if not bars:
        yield _lines(options)
        return
    columns = (
        rich.progress.BarColumn(_BAR_CHARACTERS),
        rich.progress.TimeElapsedColumn(),
        # Who holds it up is the news, so it wraps and loses nothing on a narrow terminal.
        Description(table_column=rich.table.Column(overflow="fold")),
    )
    console = of_stderr()
    before = sys.stderr
    with rich.progress.Progress(*columns, console=console, transient=True) as progress, _logged_above(before):
        yield _bars(progress, options)


@contextlib.contextmanager
def _logged_above(before: TextIO) -> Generator[None]:
    """Have log lines written above the bars, not into them: rich has put a stream for that in the place of stderr."""
    moved = tuple(_writing_to(before, LOG))
    for handler in moved:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in moved:
            handler.setStream(before)


def _writing_to(stream: TextIO, logger: logging.Logger | None) -> "Iterator[logging.StreamHandler[Any]]":
    """Yield the handlers of a logger, and of those above that it tells, which write to a stream."""
    while logger is not None:
        for each in logger.handlers:
            if isinstance(each, logging.StreamHandler):
                handler = cast("logging.StreamHandler[Any]", each)
                if handler.stream is stream:
                    yield handler
        logger = logger.parent if logger.propagate else None


def _bars(progress: rich.progress.Progress, options: Options) -> Show:
    tasks: dict[str, rich.progress.TaskID] = {}

    def show(looks: tuple[Progress, ...]) -> None:
        for gone in tasks.keys() - {look.what for look in looks}:
            progress.remove_task(tasks.pop(gone))
        for look in looks:
            description = look.describe(private=options.private)
            if look.what not in tasks:
                tasks[look.what] = progress.add_task(description, total=None)
            total = None if look.share is None else 1.0
            progress.update(tasks[look.what], description=description, total=total, completed=look.share or 0.0)

    return show


def _lines(options: Options) -> Show:
    said: dict[str, tuple[object, float]] = {}

    def show(looks: tuple[Progress, ...]) -> None:
        for look in looks:
            news = (look.phase, tuple(each.pid for each in look.blockers))
            before, since = said.get(look.what, (None, 0.0))
            if news != before or look.seconds - since >= _LINE_SECONDS:
                said[look.what] = (news, look.seconds)
                text = f"{look.describe(private=options.private)} ({duration(look.seconds)})"
                LOG.warning("%s", text) if look.blockers else LOG.info("%s", text)

    return show
