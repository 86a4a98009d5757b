"""Read the parts of a log in several processes; what is found depends neither on their number nor on their fate."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Final

from analyzer.processes import usable_cores, worker_processes
from analyzer.workload.log_parts import Part
from analyzer.workload.log_readings import Reading, Wanted, read_part
from analyzer.workload.log_spelling import Identities

#: More would wait for the one that unpacks a compressed log, and merges what they find.
_MOST_WORKERS: Final = 4
#: So many parts, or so much of the log, are read before a worker has started.
_LEAST_PARTS: Final = 4
_LEAST_BYTES: Final = 10 * 1024**2

#: Of a worker.
_IDENTITIES: Final = Identities()


def read_parts(parts: Iterable[Part], wanted: Wanted, workers: int | None = None) -> Iterator[tuple[Part, Reading]]:
    """Yield what each part says, in their order; read by as many processes as there are cores, or by this one."""
    workers = min(usable_cores(), _MOST_WORKERS) if workers is None else workers
    parts = iter(parts)
    first = deque(_first(parts)) if workers > 1 else deque[Part]()
    if workers > 1 and (following := next(parts, None)) is not None:
        first.append(following)
        yield from _in_parallel(_all(first, parts), wanted, workers)
        return
    identities = Identities()
    for part in _all(first, parts):
        yield part, read_part(part, wanted, identities)


def _first(parts: Iterator[Part]) -> Iterator[Part]:
    """Yield the parts that one process reads before another has started."""
    size = 0
    for part in itertools.islice(parts, _LEAST_PARTS - 1):
        yield part
        size += part.size
        if size > _LEAST_BYTES:
            return


def _all(first: deque[Part], rest: Iterator[Part]) -> Iterator[Part]:
    """Yield all parts, and keep none."""
    while first:
        yield first.popleft()
    yield from rest


def _in_parallel(parts: Iterable[Part], wanted: Wanted, workers: int) -> Iterator[tuple[Part, Reading]]:
    flying: deque[tuple[Part, Future[Reading] | None]] = deque()
    with worker_processes(workers) as executor:
        for part in parts:
            flying.append((part, _submitted(executor, part, wanted)))
            if len(flying) > workers:
                yield _result(*flying.popleft(), wanted)
        while flying:
            yield _result(*flying.popleft(), wanted)


def _submitted(executor: Executor, part: Part, wanted: Wanted) -> Future[Reading] | None:
    """Hand a part to a worker; None where none can be started any more."""
    try:
        return executor.submit(_work, part, wanted)
    except (BrokenExecutor, OSError):
        return None


def _work(part: Part, wanted: Wanted) -> Reading:
    return read_part(part, wanted, _IDENTITIES)


def _result(part: Part, future: Future[Reading] | None, wanted: Wanted) -> tuple[Part, Reading]:
    """Wait for what a worker says; of one that is lost, read the part again."""
    if future is not None:
        try:
            return part, future.result()
        except (BrokenExecutor, MemoryError):
            pass
    return part, read_part(part, wanted, _IDENTITIES)
