"""Addresses of executors, and what is said of those that cannot be used."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from pathlib import Path
from typing import Any

import pytest

from analyzer import executors
from analyzer.errors import CapabilityError, InputError, TwindexError, UnreachableError
from analyzer.executors import Engine, connected, parse_address
from analyzer.twin.copies import Done, Lacking
from analyzer.twin.pool import TwinPool

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "place", "shown"),
    [
        ("dask://host:1234", "tcp://host:1234", "dask://host:1234"),
        ("dask://host", "tcp://host:8786", "dask://host:8786"),
        ("dask://host/", "tcp://host:8786", "dask://host:8786"),
        ("dask+tls://10.0.0.1:9", "tls://10.0.0.1:9", "dask+tls://10.0.0.1:9"),
        ("dask://[::1]:9", "tcp://[::1]:9", "dask://[::1]:9"),
        ("parsl://my.cluster_2", "my.cluster_2", "parsl://my.cluster_2"),
    ],
)
def test_an_address(text: str, place: str, shown: str) -> None:
    address = parse_address(text)
    assert (address.place, str(address)) == (place, shown)


@pytest.mark.parametrize(
    "text",
    [
        "", "host:8786", "dask://", "dask://:8786", "dask://host:99999", "dask://host:x", "dask://[::1", "ray://host",
        "dask://host/path", "dask://ho st", "dask://host\n", "dask://h\x1b[31m", "parsl://", "parsl://a/b", "parsl://a-b",
        "parsl://../x", "parsl://a:1", "dask://me:s3cret@host", "dask://s3cret@host", "dask://host?token=s3cret",
        "dask://host#s3cret", "dask://me:s3cret@[::1", "dask://me:s3cret@host:x", "s3cret", "tls://me:s3cret@host",
    ],
)  # fmt: skip
def test_what_is_no_address_is_one_line_that_does_not_repeat_it(text: str) -> None:
    with pytest.raises(InputError, match="--executor") as caught:
        parse_address(text)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_does_not_repeat_a_password_either(tmp_path: Path) -> None:
    arguments = ["propose", "no.snapshot", "--executor", "dask://me:s3cret@host"]
    done = subprocess.run(
        [sys.executable, "-m", "analyzer", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "s3cret" not in done.stderr


def said(address: str, expected: type[TwindexError]) -> str:
    with pytest.raises(expected) as caught, connected(parse_address(address)):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("address", "library"), [("dask://host", "distributed"), ("parsl://json", "parsl")])
def test_a_library_that_is_not_installed(address: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    message = said(address, CapabilityError)
    assert f"{library} is not installed; pip install 'twindex[" in message


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_nobody_answers_as_a_scheduler(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_CONNECT_SECONDS", 1)
    for port in (1, silent_port):
        message = said(f"dask://127.0.0.1:{port}", UnreachableError)
        assert f"dask://127.0.0.1:{port} does not answer as a Dask scheduler" in message
        assert UnreachableError.exit_status == 3


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("json", "parsl://json does not define `config`, a parsl.Config"),
        ("nowhere.at_all", "parsl://nowhere.at_all cannot be imported (ModuleNotFoundError"),
    ],
)
def test_a_module_without_a_configuration(module: str, says: str) -> None:
    assert says in said(f"parsl://{module}", InputError)


def test_certificates_that_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "needs certificates (none are configured)" in said("dask+tls://127.0.0.1:1", InputError)
    from dask import config

    with config.set({"distributed.comm.tls.ca-file": str(tmp_path / "none.pem")}):
        assert "needs certificates (" in said("dask+tls://127.0.0.1:1", InputError)


class OddError(Exception):
    """What a library of workers raises that is no BrokenExecutor."""


class Odd(Executor):
    """Does what it is told of one submission after the other, and then answers; each worker of it has a copy."""

    def __init__(self, plan: str) -> None:
        self._plan = iter(plan)
        self.done = ""
        self.bases = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        asked, function, tasks = args
        future: Future[Any] = Future()
        self.done += next(self._plan, ".")
        match self.done[-1]:
            case "s":
                raise OddError
            case "e":
                future.set_exception(OddError("lost"))
            case "x":
                future.set_exception(SystemExit(1))
            case "c":
                future.cancel()
                future.set_running_or_notify_cancel()
            case "l":
                future.set_result(Lacking(has_no_base=False, indexes=0))
            case "b":
                self.bases += asked.base is not None
                future.set_result(Lacking(has_no_base=True, indexes=0))
            case "f":
                future.set_result(Done(results=[function(None, task) for task in tasks[:-1]]))
            case "n":
                pass  # never
            case _:
                self.bases += asked.base is not None
                future.set_result(Done(results=[function(None, task) for task in tasks]))
        return future


class NoTwin:
    """Stands where nothing asks a twin."""

    added = ()


def double(_twin: object, number: int) -> int:
    return 2 * number


@pytest.mark.parametrize(
    "plan",
    ["", "e", "eee", "e" * 40, "x", "c", "ccc", "s", "..s", "l", "lll", "f", "ffff", ".f.e.c.f", "elelel", "n", ".n"],
)
def test_nothing_is_lost_whatever_an_executor_does(plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.twin.pool._PATIENCE_SECONDS", 0.01)
    told: list[str] = []
    executor = Odd(plan)
    engine = Engine(executor=executor, workers=2, tell=told.append, is_alive=lambda: False)
    pool = TwinPool(NoTwin(), engine)  # pyright: ignore[reportArgumentType] - no task asks it
    assert pool.map(double, range(9)) == [2 * number for number in range(9)]
    assert bool(told) == any(letter in "excsn" for letter in executor.done)
    assert len(told) <= 3
    assert CancelledError.__name__ in "".join(told) or "c" not in executor.done
