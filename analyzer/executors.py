"""Executors that the user names: workers of a Dask scheduler, or those that a configuration of Parsl starts.

What their libraries log goes nowhere: a failure is one line of ours. None of them is imported unless it is named.
"""

import contextlib
import functools
import importlib
import os
import pickle
import platform
import re
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from analyzer import __version__
from analyzer.console import silenced_libraries
from analyzer.errors import CapabilityError, InputError, NotExaminableError, UnreachableError

T = TypeVar("T")

#: How long a scheduler may take to accept a connection, and to have a worker.
_CONNECT_SECONDS: Final = 10
#: How long a scheduler may have no worker: one that was killed is started again within seconds.
_ALONE_SECONDS: Final = 30
#: How long workers may take for what is asked of all of them.
_ASK_SECONDS: Final = 20
_MOST_SLOTS: Final = 1_000
_MOST_OF_A_REASON: Final = 200
_DASK_PORT: Final = 8786
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_FORMS: Final = "dask://HOST:PORT, dask+tls://HOST:PORT or parsl://MODULE"


def _ignore(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An executor, and what its pool must know of its workers."""

    executor: Executor
    #: How many tasks it runs at a time.
    workers: int
    #: Whether its workers are processes or threads of this machine that this process started.
    is_own: bool = True
    #: Says whether there is still hope of an answer.
    is_alive: Callable[[], bool] = lambda: True
    #: Calls a function in each worker process, where that can be.
    call_all: Callable[..., object] = _ignore
    #: Called with what is lost, in one line.
    tell: Callable[[str], object] = _ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the workers are."""

    kind: Literal["dask", "parsl"]
    #: HOST:PORT with the protocol in front of it, or a module.
    place: str

    def __str__(self) -> str:
        """Name it as the user does."""
        protocol, _, place = self.place.rpartition("://")
        return f"{self.kind}{'+tls' if protocol == 'tls' else ''}://{place}"


def parse_address(text: str) -> Address:
    """Parse the address of an executor; raises InputError, which does not repeat a text that may hold a password."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InputError(f"--executor is not an address; specify {_FORMS}") from None
    if not text.isprintable():  # urlsplit() leaves out line ends
        raise InputError(f"--executor is not an address; specify {_FORMS}")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise InputError(
            "--executor takes no user, password or parameters; for an authenticated scheduler use dask+tls:// and the "
            "certificates of Dask's configuration"
        )
    if parts.scheme == "parsl" and _MODULE.fullmatch(parts.netloc) and not parts.path:
        return Address(kind="parsl", place=parts.netloc)
    if parts.scheme in {"dask", "dask+tls"} and _HOST.fullmatch(parts.hostname or "") and parts.path in {"", "/"}:
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        protocol = "tls" if parts.scheme == "dask+tls" else "tcp"
        return Address(kind="dask", place=f"{protocol}://{host}:{_DASK_PORT if port is None else port}")
    raise InputError(f"--executor is not an address; specify {_FORMS}")


@contextlib.contextmanager
def connected(address: Address, tell: Callable[[str], object] = _ignore) -> Generator[Engine]:
    """Connect to workers until the block ends; within it nothing reaches `sys.stdout`.

    Raises CapabilityError where the library is not installed or the workers have other versions, UnreachableError
    where none answers.
    """
    with contextlib.ExitStack() as stack:
        # Dask prints what any worker of the scheduler asks its clients to print, at any time.
        nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        yield stack.enter_context((_dask if address.kind == "dask" else _parsl)(address, tell))


@contextlib.contextmanager
def _dask(address: Address, tell: Callable[[str], object]) -> Generator[Engine]:
    distributed = _library("distributed", "dask")
    with contextlib.ExitStack() as stack:
        stack.enter_context(silenced_libraries("distributed", "tornado", "asyncio"))
        if address.place.startswith("tls:"):
            _check_certificates(address, distributed)
        try:
            # It waits for ever for the first word of a scheduler.
            client = _within(
                2 * _CONNECT_SECONDS,
                lambda: distributed.Client(
                    address.place, timeout=_CONNECT_SECONDS, set_as_default=False, name="twindex"
                ),
            )
        except Exception as error:  # noqa: BLE001 - whatever it raises, there is no connection
            raise UnreachableError(
                f"{address} does not answer as a Dask scheduler ({_reason(error)}); check the address, and the version "
                "of Dask there"
            ) from None
        stack.callback(_attempt, _ASK_SECONDS, client.close)
        for topic in ("print", "warn"):
            client.unsubscribe_topic(topic)
        try:
            client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            found = _within(_CONNECT_SECONDS, client.scheduler_info)["workers"]
            slots = sum(each["nthreads"] for each in found.values())
        except Exception as error:  # noqa: BLE001
            raise UnreachableError(f"{address} has no workers ({_reason(error)}); start `dask worker`") from None
        _check_versions(address, client)

        def call_all(function: Callable[..., object], *arguments: object) -> None:
            pickled = pickle.dumps((function, arguments))
            _attempt(_ASK_SECONDS, lambda: client.run(_call, pickled, on_error="ignore"))

        yield Engine(
            executor=_Pickled(client.get_executor(pure=False)),
            workers=max(slots, 1),
            is_own=False,
            is_alive=_Pulse(client),
            call_all=call_all,
            tell=tell,
        )


def _check_certificates(address: Address, distributed: Any) -> None:
    """Raise InputError unless Dask's configuration has what a client presents."""
    try:
        reason = "none are configured"
        if distributed.Security().get_connection_args("client")["ssl_context"] is not None:
            return
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the files
        reason = _reason(error)
    raise InputError(
        f"{address} needs certificates ({reason}); set distributed.comm.tls.ca-file, client.cert and client.key in "
        "Dask's configuration"
    )


def _check_versions(address: Address, client: Any) -> None:
    """Raise CapabilityError unless the scheduler and all workers have the same versions as this process."""
    own = describe("distributed")
    try:
        found = [
            _within(_ASK_SECONDS, lambda: client.run_on_scheduler(describe, "distributed")),
            *_within(_ASK_SECONDS, lambda: client.run(describe, "distributed")).values(),
        ]
    except Exception as error:  # noqa: BLE001
        found = [f"no usable twindex ({_reason(error)})"]
    for each in found:
        if each != own:
            raise CapabilityError(
                need=f"{own} at {address}, its scheduler and each worker",
                found=f"there is {each}",
                remedy="install the same versions there",
            )


class _Pulse:
    """Says whether a scheduler has had a worker lately."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._seen = time.monotonic()

    def __call__(self) -> bool:
        if self._client.status == "closed":
            return False
        if _attempt(_CONNECT_SECONDS, lambda: self._client.scheduler_info()["workers"]):
            self._seen = time.monotonic()
        return time.monotonic() - self._seen < _ALONE_SECONDS


class _Pickled(Executor):
    """An executor to which a task is one string of bytes, which neither it nor its scheduler looks into."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Submit a call."""
        return self._executor.submit(_call, pickle.dumps((functools.partial(fn, **kwargs), args)))


def _call(pickled: bytes) -> object:
    function, arguments = pickle.loads(pickled)  # noqa: S301 - of the client, which a scheduler trusts in any case
    return function(*arguments)


def describe(library: str | None = None) -> str:
    """Return what has to be the same wherever the planner is asked, and the version of a library that is imported."""
    python = ".".join(platform.python_version_tuple()[:2])
    also = f", {library} {sys.modules[library].__version__}" if library is not None else ""
    return f"twindex {__version__}, Python {python} ({platform.machine()}){also}"


@contextlib.contextmanager
def _parsl(address: Address, tell: Callable[[str], object]) -> Generator[Engine]:
    parsl = _library("parsl", "parsl")
    pool = importlib.import_module("parsl.concurrent").ParslPoolExecutor
    try:
        config = getattr(importlib.import_module(address.place), "config", None)
    except Exception as error:  # noqa: BLE001 - a module of the user's
        raise InputError(f"{address} cannot be imported ({_reason(error)}); is it on PYTHONPATH?") from None
    if not isinstance(config, parsl.Config):
        raise InputError(f"{address} does not define `config`, a parsl.Config")
    with contextlib.ExitStack() as stack:
        stack.enter_context(silenced_libraries("parsl", "asyncio"))
        try:
            kernel = parsl.load(config)
        except Exception as error:  # noqa: BLE001
            raise NotExaminableError(f"{address} starts no workers ({_reason(error)}); check its `config`") from None
        stack.callback(parsl.clear)
        stack.callback(_attempt, _ASK_SECONDS, kernel.cleanup)
        yield Engine(executor=pool(dfk=kernel), workers=_slots(config), is_own=False, tell=tell)


def _slots(config: Any) -> int:
    """Return how many tasks the executors of a configuration run at a time, as far as they say so."""
    total = 0.0
    for each in config.executors:
        provider = getattr(each, "provider", None)
        nodes = getattr(provider, "max_blocks", 1) * getattr(provider, "nodes_per_block", 1)
        total += getattr(each, "max_workers_per_node", getattr(each, "max_threads", 1)) * nodes
    return int(min(max(total, 1), _MOST_SLOTS))


def _library(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise CapabilityError(
            need=f"--executor {extra}://", found=f"{name} is not installed", remedy=f"pip install 'twindex[{extra}]'"
        ) from None


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call returns; one that takes longer is left behind, and TimeoutError is raised."""
    answer: Future[T] = Future()

    def attempt() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            answer.set_exception(error)

    threading.Thread(target=attempt, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError as error:
        raise error if answer.done() else TimeoutError(f"no answer within {seconds:g} s") from None


def _attempt(seconds: float, call: Callable[[], T]) -> T | None:
    """Return what a call returns; None when it fails or takes longer."""
    try:
        return _within(seconds, call)
    except Exception:  # noqa: BLE001 - what was asked for is not needed
        return None


def _reason(error: BaseException) -> str:
    """Say what a library raised, in a part of a line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:_MOST_OF_A_REASON]}" if text else type(error).__name__
