"""Copies of a twin, each in a worker of an executor, that plan in parallel.

Any `concurrent.futures.Executor` will do: threads, processes, or those of a cluster. What is run must be importable
where the worker is, and its tasks and results must survive pickling. A worker that dies costs time and nothing else:
whatever a future raises, its tasks are done again elsewhere, and at last on the twin itself. So is a task that fails in
a worker, so that what it raises is raised here.
"""

import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Final, Generic, Literal, TypeVar

from analyzer.executors import Engine
from analyzer.processes import worker_processes
from analyzer.twin.copies import Asked, Base, Done, Lacking, Unfit, close_copies, model_of, work
from analyzer.twin.twin import Twin

T = TypeVar("T")
R = TypeVar("R")

#: How often tasks are handed out whose worker is lost.
_MOST_TRIES: Final = 3
#: After so many losses without an answer nothing more is handed out.
_MOST_LOSSES: Final = 10
#: Different losses that are logged at most.
_MOST_TOLD: Final = 3
#: How long no answer may come until it is asked whether one can.
_PATIENCE_SECONDS: Final = 5


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

    def __init__(self, twin: Twin, engine: Engine) -> None:
        self.twin = twin
        self.engine = engine
        self.key = secrets.token_hex(8)
        #: Whether tasks are handed out.
        self.is_open = True
        #: Whether a worker has a copy: the first tasks only show which of them have none.
        self.has_copies = False
        #: Since the last answer.
        self._losses = 0
        self._told: set[str] = set()

    def map(self, function: Callable[[Twin, T], R], tasks: Sequence[T]) -> list[R]:
        """Return what a function makes of each task, in their order, whichever copy it is given."""
        results: dict[int, R] = {}

        def one(place: int) -> Chain[T, R]:
            results[place] = yield tasks[place]

        self.run(function, [one(place) for place in range(len(tasks))])
        return [results[place] for place in range(len(tasks))]

    def run(self, function: Callable[[Twin, T], R], chains: Iterable[Chain[T, R]]) -> None:
        """Run chains of tasks in parallel; each chain keeps its order."""
        _Run(self, function, chains).finish()

    def close(self) -> None:
        """Remove the copies that can be reached; others end with their worker."""
        close_copies(self.key)
        self.engine.call_all(close_copies, self.key)

    @cached_property
    def base(self) -> bytes:
        """Return what a copy is made from, but for its indexes."""
        recipe = self.twin.recipe
        if not self.engine.is_own:
            return Base(recipe=recipe, model=model_of(self.twin)).dump()
        # Whether the kernel has to contain it was decided for this one.
        return Base(recipe=replace(recipe, wanted=replace(recipe.wanted, trust_schema=True)), model=None).dump()

    def gain(self) -> None:
        """Note that a worker has answered."""
        self.has_copies = True
        self._losses = 0

    def lose(self, reason: str, *, is_final: bool = False) -> None:
        """Note that a worker is lost."""
        self._losses += 1
        self.is_open = self.is_open and not is_final and self._losses < _MOST_LOSSES
        line = f"a worker is lost: {reason}; what it was asked is asked again"
        if line not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(line)
            self.engine.tell(line)


@contextlib.contextmanager
def pool_on(twin: Twin, engine: Engine) -> Generator[TwinPool]:
    """Have a copy of a twin in each worker of an engine until the block ends."""
    with contextlib.closing(TwinPool(twin, engine)) as pool:
        yield pool


@contextlib.contextmanager
def parallel_twins(twin: Twin, workers: int) -> Generator[TwinPool]:
    """Run that many processes, each with a copy of a twin, until the block ends."""
    with worker_processes(workers) as executor, pool_on(twin, Engine(executor=executor, workers=workers)) as pool:
        yield pool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch(Generic[T, R]):
    """Tasks that are handed out together."""

    items: Sequence[tuple[Chain[T, R], T]]
    #: How often their worker was lost.
    losses: int = 0
    has_base: bool = False
    #: From which one on the added indexes are sent; None for none.
    begin: int | None = None


class _Run(Generic[T, R]):
    """Chains of tasks on their way through a pool."""

    def __init__(self, pool: TwinPool, function: Callable[[Twin, T], R], chains: Iterable[Chain[T, R]]) -> None:
        self._pool = pool
        self._function = function
        self._ready = deque((chain, task) for chain in chains if (task := next(chain, _END)) is not _END)
        self._flying: dict[Future[Lacking | Unfit | Done[R]], _Batch[T, R]] = {}

    def finish(self) -> None:
        try:
            while self._pool.is_open and (self._ready or self._flying):
                self._hand_out()
                for future in self._landed():
                    self._take(self._flying.pop(future), self._answer(future))
        finally:
            for future in self._flying:
                future.cancel()
        for batch in self._flying.values():
            self._ready.extend(batch.items)
        while self._ready:
            _finish(self._pool.twin, self._function, *self._ready.popleft())

    def _hand_out(self) -> None:
        # Two parts for each, so that none waits for the next one.
        parts = self._pool.engine.workers * (2 if self._pool.has_copies else 1)
        while self._pool.is_open and self._ready and len(self._flying) < parts:
            size = min(1 + len(self._ready) // parts, len(self._ready))
            self._submit(_Batch(items=[self._ready.popleft() for _ in range(size)]))

    def _submit(self, batch: _Batch[T, R]) -> None:
        pool, added = self._pool, self._pool.twin.added
        try:
            asked = Asked(
                pool=pool.key,
                indexes=len(added),
                base=pool.base if batch.has_base else None,
                begin=batch.begin or 0,
                added=None if batch.begin is None else tuple(each.index for each in added[batch.begin :]),
            )
            future = pool.engine.executor.submit(work, asked, self._function, [task for _, task in batch.items])
        except Exception as error:  # noqa: BLE001 - an executor's own
            pool.lose(f"nothing can be submitted ({type(error).__name__})", is_final=True)
            self._ready.extend(batch.items)
        else:
            self._flying[future] = batch

    def _landed(self) -> set[Future[Lacking | Unfit | Done[R]]]:
        """Wait until something is answered, as long as there is hope."""
        while self._flying:
            if done := wait(self._flying, timeout=_PATIENCE_SECONDS, return_when=FIRST_COMPLETED).done:
                return done
            if not self._pool.engine.is_alive():
                self._pool.lose("none is left", is_final=True)
                break
        return set()

    def _answer(self, future: Future[Lacking | Unfit | Done[R]]) -> Lacking | Done[R] | None:
        """Return what a worker answers; None where it is lost."""
        try:
            error = future.exception()
        except CancelledError as cancelled:
            error = cancelled
        if error is not None:
            self._pool.lose(type(error).__name__, is_final=isinstance(error, BrokenExecutor))
            return None
        answer = future.result()
        if isinstance(answer, Unfit):
            self._pool.lose(answer.reason)
            return None
        return answer

    def _take(self, batch: _Batch[T, R], answer: Lacking | Done[R] | None) -> None:
        if isinstance(answer, Lacking):
            self._submit(replace(batch, has_base=answer.has_no_base, begin=answer.indexes))
        elif isinstance(answer, Done):
            self._pool.gain()
            for (chain, _), result in zip(batch.items, answer.results, strict=False):
                self._go_on(chain, result)
            if rest := batch.items[len(answer.results) :]:
                self._ask_here(*rest[0])
                self._ready.extend(rest[1:])
        elif not self._pool.is_open:
            self._ready.extend(batch.items)
        elif batch.losses + 1 < _MOST_TRIES:
            self._submit(_Batch(items=batch.items, losses=batch.losses + 1))
        else:
            for item in batch.items:
                self._ask_here(*item)

    def _ask_here(self, chain: Chain[T, R], task: T) -> None:
        self._go_on(chain, self._function(self._pool.twin, task))

    def _go_on(self, chain: Chain[T, R], result: R) -> None:
        if (task := _advance(chain, result)) is not _END:
            self._ready.append((chain, task))


def _advance(chain: Chain[T, R], result: R) -> T | Literal[_End.END]:
    try:
        return chain.send(result)
    except StopIteration:
        return _END


def _finish(twin: Twin, function: Callable[[Twin, T], R], chain: Chain[T, R], task: T | Literal[_End.END]) -> None:
    while task is not _END:
        task = _advance(chain, function(twin, task))
