"""Copies of a twin, each in a worker of an executor, that plan in parallel.

Any `concurrent.futures.Executor` will do: threads, processes, or those of a cluster. What is run must be importable
where the worker is, and its tasks and results must survive pickling. A worker that dies costs time and nothing else.
"""

import atexit
import contextlib
import itertools
import secrets
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from enum import Enum
from multiprocessing.util import Finalize
from typing import Literal, TypeVar

from analyzer.processes import worker_processes
from analyzer.twin.twin import Recipe, Twin

T = TypeVar("T")
R = TypeVar("R")


class _End(Enum):
    """Where a chain has no more tasks."""

    END = 0


_END: Literal[_End.END] = _End.END


#: Yields tasks, each of which may depend on what came of the one before.
Chain = Generator[T, R, None]


def run_alone(twin: Twin, function: Callable[[Twin, T], R], chains: Iterable[Chain[T, R]]) -> None:
    """Run chains of tasks one after the other, on one twin."""
    for chain in chains:
        _finish(twin, function, chain, next(chain, _END))


class TwinPool:
    """Copies of a twin; they have the indexes that are added to it, in its order."""

    def __init__(self, twin: Twin, executor: Executor, workers: int) -> None:
        self._twin = twin
        self._executor: Executor | None = executor
        #: In so many parts what is to be done is handed out, so that none waits for the next one.
        self._parts = 2 * workers
        self._key = secrets.token_hex(8)

    def map(self, function: Callable[[Twin, T], R], tasks: Sequence[T]) -> list[R]:
        """Return what a function makes of each task, in their order, whichever copy it is given."""
        results: dict[int, R] = {}

        def one(place: int) -> Chain[T, R]:
            results[place] = yield tasks[place]

        self.run(function, [one(place) for place in range(len(tasks))])
        return [results[place] for place in range(len(tasks))]

    def run(self, function: Callable[[Twin, T], R], chains: Iterable[Chain[T, R]]) -> None:
        """Run chains of tasks in parallel; each chain keeps its order."""
        ready = deque((chain, task) for chain in chains if (task := next(chain, _END)) is not _END)
        flying: dict[Future[list[R] | None], list[tuple[Chain[T, R], T]]] = {}
        try:
            while self._executor is not None and (ready or flying):
                while ready and len(flying) < self._parts:
                    batch = list(itertools.islice(ready, 1 + len(ready) // self._parts))
                    flying[self._submit(function, batch, recipe=None)] = batch
                    for _ in batch:
                        ready.popleft()
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    if (results := future.result()) is None:
                        batch = flying[future]
                        flying[self._submit(function, batch, recipe=self._twin.recipe)] = batch
                        del flying[future]
                        continue
                    for (chain, _), result in zip(flying.pop(future), results, strict=True):
                        if (task := _advance(chain, result)) is not _END:
                            ready.append((chain, task))
        except BrokenExecutor:
            self._executor = None
        for chain, task in itertools.chain(*flying.values(), ready):
            _finish(self._twin, function, chain, task)

    def _submit(
        self, function: Callable[[Twin, T], R], batch: Sequence[tuple[Chain[T, R], T]], *, recipe: Recipe | None
    ) -> "Future[list[R] | None]":
        if self._executor is None:
            raise BrokenExecutor
        # Who has no copy, or not all of its indexes, answers nothing, and gets the recipe.
        copy = _Copy(key=self._key, indexes=len(self._twin.added), recipe=recipe)
        return self._executor.submit(_work, copy, function, [task for _, task in batch])

    def close(self) -> None:
        """Remove the copies of this process; others end with theirs."""
        with _LOCK:
            copies = _OPEN.pop(self._key, [])
        for twin in copies:
            twin.close()


@contextlib.contextmanager
def parallel_twins(twin: Twin, workers: int) -> Generator[TwinPool]:
    """Run that many processes, each with a copy of a twin, until the block ends."""
    with worker_processes(workers) as executor, contextlib.closing(TwinPool(twin, executor, workers)) as pool:
        yield pool


def _advance(chain: Chain[T, R], result: R) -> T | Literal[_End.END]:
    try:
        return chain.send(result)
    except StopIteration:
        return _END


def _finish(twin: Twin, function: Callable[[Twin, T], R], chain: Chain[T, R], task: T | Literal[_End.END]) -> None:
    while task is not _END:
        task = _advance(chain, function(twin, task))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A copy of a pool's twin, and its recipe if given."""

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
    if copy.recipe is None and (twin is None or len(twin.added) < copy.indexes):
        return None
    if copy.recipe is not None:
        if twin is None:
            twin = _OWN.twins[copy.key] = _made(copy.key, copy.recipe)
        twin.add(copy.recipe.indexes[len(twin.added) :])
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
