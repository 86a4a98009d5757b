"""Copies of a twin in the worker of an executor: made when first asked for, kept, and closed with the worker.

Each thread of a worker has its own copy. What it is made from is kept for the process, so it is sent once.
"""

import atexit
import contextlib
import os
import pickle
import signal
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Final, Generic, TypeVar

from analyzer.documents.snapshot import NotExamined
from analyzer.errors import TwindexError
from analyzer.executors import describe
from analyzer.objects.index import IndexDef
from analyzer.twin.twin import Recipe, Twin

T = TypeVar("T")
R = TypeVar("R")

#: How many copies a thread keeps: those of a client that was killed are not closed by it.
_MOST_COPIES: Final = 2
#: Of how many pools a process keeps what copies are made from.
_MOST_BASES: Final = 4
#: How long a copy may be idle that the process which asked for it cannot see ending.
_IDLE_SECONDS: Final = 600
#: How long a copy in use is waited for when the process ends.
_END_SECONDS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What two twins that answer the same have in common."""

    software: str
    planner: str
    gaps: tuple[NotExamined, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a copy is made from, but for its indexes."""

    recipe: Recipe
    #: What it has to be like, in a worker that this process did not start.
    model: Model | None

    def dump(self) -> bytes:
        """Return it as it is sent."""
        return zlib.compress(pickle.dumps(self), level=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A copy of a pool's twin, and what it is made from, as far as that is sent."""

    pool: str
    #: How many indexes it has.
    indexes: int
    #: A dumped `Base`.
    base: bytes | None = None
    #: Its indexes from one on.
    begin: int = 0
    added: tuple[IndexDef, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A worker has no copy, and perhaps nothing to make it from, or only so many indexes."""

    has_no_base: bool
    indexes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A worker can have no copy that answers the same."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Generic[R]):
    """The results of the tasks, up to the first one that failed."""

    results: list[R]


def model_of(twin: Twin) -> Model:
    """Return what another twin must have to answer like this one."""
    gaps = tuple(each for each in twin.not_examined if each.what != "containment")
    return Model(software=describe(), planner=twin.built.host.version, gaps=gaps)


def work(asked: Asked, function: Callable[[Twin, T], R], tasks: Sequence[T]) -> Lacking | Unfit | Done[R]:
    """Do tasks in a worker, or say what it lacks for that."""
    _keep_base(asked)
    held = _find(asked.pool)
    if held is None:
        base = _KEPT.bases.get(asked.pool)
        if base is None:
            return Lacking(has_no_base=True, indexes=0)
        held = _make(asked.pool, base)
        if isinstance(held, Unfit):
            return held
    with held.lock:
        answer = _answer(held, asked, function, tasks)
    held.used_at = time.monotonic()
    if held.is_ending:
        held.close()
    return answer


def _answer(held: "_Held", asked: Asked, function: Callable[[Twin, T], R], tasks: Sequence[T]) -> Lacking | Done[R]:
    number = len(held.twin.added)
    if held.is_closed or number < asked.indexes:
        if held.is_closed or asked.added is None or number < asked.begin:
            return Lacking(has_no_base=False, indexes=0 if held.is_closed else number)
        held.twin.add(asked.added[number - asked.begin :])
    results: list[R] = []
    try:
        for task in tasks:
            results.append(function(held.twin, task))  # noqa: PERF401 - those before one that fails count
    except Exception:  # noqa: BLE001 - it is raised again where the task comes from, if it was the task's fault
        held.is_ending = True
    return Done(results=results)


def close_copies(pool: str) -> None:
    """Close all copies that this process has of a pool's twin, each one in use after its task."""
    with _KEPT.lock:
        copies = _KEPT.copies.pop(pool, [])
        _KEPT.bases.pop(pool, None)
    for held in copies:
        held.close()


class _Held:
    """A copy in a worker."""

    def __init__(self, twin: Twin, *, is_lent: bool) -> None:
        self.twin = twin
        self.is_lent = is_lent
        self.used_at = time.monotonic()
        #: Held while it is used.
        self.lock = threading.Lock()
        self.is_ending = False
        self.is_closed = False

    def close(self, seconds: float = 0) -> None:
        """Close it, or let its user do so who has not finished by then."""
        self.is_ending = True
        if not self.lock.acquire(timeout=seconds):
            return
        try:
            if not self.is_closed:
                self.is_closed = True
                self.twin.close()
        finally:
            self.lock.release()


class _Own(threading.local):
    """What a thread has of each pool, the latest last."""

    def __init__(self) -> None:
        self.copies: dict[str, _Held | Unfit] = {}


class _Kept:
    """What a process has of each pool, the latest last."""

    def __init__(self) -> None:
        # Reentrant: a signal may arrive while it is held.
        self.lock = threading.RLock()
        self.copies: dict[str, list[_Held]] = {}
        self.bases: dict[str, bytes] = {}
        self.is_watched = False
        self.is_registered = False


_OWN = _Own()
_KEPT = _Kept()


def _keep_base(asked: Asked) -> None:
    if asked.base is not None:
        with _KEPT.lock:
            _KEPT.bases[asked.pool] = asked.base
            while len(_KEPT.bases) > _MOST_BASES:
                del _KEPT.bases[next(iter(_KEPT.bases))]


def _find(pool: str) -> "_Held | None":
    """Return this thread's copy."""
    held = _OWN.copies.get(pool)
    if isinstance(held, _Held) and not held.is_ending:
        return held
    return None


def _make(pool: str, dumped: bytes) -> "_Held | Unfit":
    known = _OWN.copies.pop(pool, None)
    if isinstance(known, Unfit):
        _OWN.copies[pool] = known
        return known
    while len(_OWN.copies) >= _MOST_COPIES:
        oldest = _OWN.copies.pop(next(iter(_OWN.copies)))
        if isinstance(oldest, _Held):
            oldest.close()
    made = _OWN.copies[pool] = _made(pickle.loads(zlib.decompress(dumped)))  # noqa: S301 - who asks is trusted
    if isinstance(made, _Held):
        with _KEPT.lock:
            _KEPT.copies.setdefault(pool, []).append(made)
            _watch(is_lent=made.is_lent)
    return made


def _made(base: Base) -> "_Held | Unfit":
    recipe = base.recipe
    twin = Twin(recipe.snapshot, statements=recipe.statements, wanted=recipe.wanted)
    if base.model is None:
        return _Held(twin, is_lent=False)
    try:
        reason = _misfit(model_of(twin), base.model)
    except TwindexError as error:
        reason = str(error)
    except BaseException:
        twin.close()
        raise
    if reason is None:
        return _Held(twin, is_lent=True)
    twin.close()
    return Unfit(reason=reason)


def _misfit(own: Model, model: Model) -> str | None:
    """Say why a copy may answer differently."""
    if own.software != model.software:
        return f"it has {own.software}, not {model.software}"
    if own.planner != model.planner:
        return f"its planner is PostgreSQL {own.planner}, not {model.planner}"
    return None if own.gaps == model.gaps else "its PostgreSQL has other extensions or settings than this one's"


def _watch(*, is_lent: bool) -> None:
    """Have the copies of this process closed when it ends, and those lent to another one when they are idle."""
    if not _KEPT.is_registered:
        _KEPT.is_registered = True
        atexit.register(_close_all)
        # Which is what a process of multiprocessing runs when it ends.
        Finalize(None, _close_all, exitpriority=1)
    if not is_lent:
        return
    if not _KEPT.is_watched:
        _KEPT.is_watched = True
        threading.Thread(target=_close_idle_regularly, name="twindex-idle", daemon=True).start()
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _close_idle_regularly() -> None:
    while True:
        time.sleep(_IDLE_SECONDS / 10)
        close_idle(_IDLE_SECONDS)


def close_idle(seconds: float) -> None:
    """Close copies lent to another process that have been idle for that long."""
    for each in (held for copies in kept().values() for held in copies):
        if each.is_lent and time.monotonic() - each.used_at > seconds and not each.lock.locked():
            each.close()


def kept() -> "dict[str, list[_Held]]":
    """Return the open copies of this process, by pool."""
    with _KEPT.lock:
        opened = ((pool, [one for one in copies if not one.is_closed]) for pool, copies in _KEPT.copies.items())
        _KEPT.copies = {pool: copies for pool, copies in opened if copies}
        return dict(_KEPT.copies)


def _terminate(number: int, _frame: object) -> None:
    with contextlib.suppress(Exception):
        _close_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _close_all() -> None:
    with _KEPT.lock:
        copies = [each for held in _KEPT.copies.values() for each in held]
        _KEPT.copies.clear()
    for each in copies:
        each.close(_END_SECONDS)
