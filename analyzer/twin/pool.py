"""Copies of a twin, each in a worker of an executor, that plan side by side.

Any `concurrent.futures.Executor` will do: threads, processes, or those of a cluster. What is run must be importable
where the worker is, and its tasks and results must survive pickling. A worker that dies costs time and nothing else.
"""

import atexit
import contextlib
import logging
import multiprocessing
import os
import secrets
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import TypeVar

from analyzer.twin.planner import Recipe, Twin

T = TypeVar("T")
R = TypeVar("R")


class TwinPool:
    """Copies of a twin; they have the indexes that are added to it, in its order."""

    def __init__(self, twin: Twin, executor: Executor, workers: int) -> None:
        self._twin = twin
        self._executor: Executor | None = executor
        self._workers = workers
        self._key = secrets.token_hex(8)

    def map(self, function: Callable[[Twin, T], R], tasks: Sequence[T]) -> list[R]:
        """Return what a function makes of each task, in their order, whichever copy it is given."""
        if self._executor is None or len(tasks) < 2:
            return [function(self._twin, task) for task in tasks]
        parts = [tasks[start :: self._workers] for start in range(min(self._workers, len(tasks)))]
        try:
            done = self._run(self._executor, function, parts)
        except BrokenExecutor:
            self._executor = None
            return self.map(function, tasks)
        results: list[R | None] = [None] * len(tasks)
        for start, part in enumerate(done):
            results[start :: self._workers] = part
        return results  # pyright: ignore[reportReturnType] - every place is filled

    def _run(self, executor: Executor, function: Callable[[Twin, T], R], parts: Sequence[Sequence[T]]) -> list[list[R]]:
        recipe = self._twin.recipe
        known = _Copy(key=self._key, indexes=len(recipe.indexes))
        first = [executor.submit(_work, known, function, part) for part in parts]
        # Who has no copy, or not all of its indexes, is told how to make it; the others need not be told again.
        told = _Copy(key=self._key, indexes=len(recipe.indexes), recipe=recipe)
        found = [future.result() for future in first]
        again = {
            place: executor.submit(_work, told, function, parts[place])
            for place, results in enumerate(found)
            if results is None
        }
        return [each if each is not None else again[place].result() or [] for place, each in enumerate(found)]

    def close(self) -> None:
        """Remove the copies of this process; others end with theirs."""
        with _LOCK:
            copies = _OPEN.pop(self._key, [])
        for twin in copies:
            twin.close()


@contextlib.contextmanager
def side_by_side(twin: Twin, workers: int) -> Generator[TwinPool]:
    """Run so many processes, each with a copy of a twin, until the block ends."""
    spawn = multiprocessing.get_context("spawn")  # a fork would share this process's connections
    with (
        ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin) as executor,
        contextlib.closing(TwinPool(twin, executor, workers)) as pool,
    ):
        yield pool


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin() -> None:
    """Leave Ctrl-C, which a terminal sends to all of its processes, and what is to be told to the one that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("psycopg").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A copy of a pool's twin, and how to make it where that is told."""

    key: str
    indexes: int
    recipe: Recipe | None = None


class _Own(threading.local):
    """The copies of one worker, which a thread of it uses."""

    def __init__(self) -> None:
        self.twins: dict[str, Twin] = {}


_OWN = _Own()
_LOCK = threading.Lock()
#: All copies of this process, by pool.
_OPEN: dict[str, list[Twin]] = {}


def _work(copy: _Copy, function: Callable[[Twin, T], R], tasks: Sequence[T]) -> list[R] | None:
    """Do tasks in a worker; None when it has no such copy and is not told how to make one."""
    twin = _OWN.twins.get(copy.key)
    if copy.recipe is None and (twin is None or len(twin.recipe.indexes) < copy.indexes):
        return None
    if copy.recipe is not None:
        if twin is None:
            twin = _OWN.twins[copy.key] = _made(copy.key, copy.recipe)
        twin.add(copy.recipe.indexes[len(twin.recipe.indexes) :])
    assert twin is not None  # noqa: S101 - it was there or is now
    return [function(twin, task) for task in tasks]


def _made(key: str, recipe: Recipe) -> Twin:
    twin = Twin(recipe.snapshot, statements=recipe.statements, wanted=recipe.wanted)
    with _LOCK:
        if not _OPEN:
            atexit.register(_close_all)
            # Which is what a process of multiprocessing runs when it ends.
            Finalize(None, _close_all, exitpriority=1)
        _OPEN.setdefault(key, []).append(twin)
    return twin


def _close_all() -> None:
    with _LOCK:
        copies = [twin for twins in _OPEN.values() for twin in twins]
        _OPEN.clear()
    for twin in copies:
        twin.close()
