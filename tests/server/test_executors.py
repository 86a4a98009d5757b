"""Copies of a twin in the workers of real libraries: the same answers, whatever becomes of the workers."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import distributed
import pytest
from psycopg import sql

from analyzer import executors
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot, dump
from analyzer.errors import CapabilityError, InputError
from analyzer.executors import Engine, connected, parse_address
from analyzer.objects.index import IndexDef, Key
from analyzer.sql import render
from analyzer.twin import copies
from analyzer.twin.pool import TwinPool, pool_on
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import fresh_database, trusting
from tests.server.dask_cluster import dask_cluster

ROOT = Path(__file__).parents[2]
SETUP = (
    "CREATE TABLE visit (id integer PRIMARY KEY, guest integer NOT NULL, room integer NOT NULL, day date NOT NULL)",
    "INSERT INTO visit SELECT i, i % 4000, i % 300, date '2026-01-01' + i % 300 FROM generate_series(1, 40000) AS i",
    "VACUUM ANALYZE",
)
WORKLOAD = """
    SELECT * FROM visit WHERE guest = 17;
    SELECT * FROM visit WHERE room = 5 AND day > '2026-09-01';
    SELECT id FROM visit WHERE day = '2026-03-04' ORDER BY room LIMIT 5;
    SELECT count(*) FROM visit AS a JOIN visit AS b ON a.guest = b.guest WHERE a.room = 9;
"""
ROOM = IndexDef(schema="public", table="visit", name="visit_room", keys=(Key(column="room"),))
CONFIG = """
from parsl import Config, HighThroughputExecutor
from parsl.providers import LocalProvider
config = Config(
    executors=[
        HighThroughputExecutor(
            label="workers", address="127.0.0.1", loopback_address="127.0.0.1", max_workers_per_node=2, encrypted=True,
            cores_per_worker=0.1, provider=LocalProvider(init_blocks=1, max_blocks=1),
        )
    ],
    run_dir={directory!r},
    initialize_logging=False,
)
"""


@pytest.fixture(scope="module")
def snapshot(server: str) -> Iterator[Snapshot]:
    with fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in SETUP:
                connection.execute(sql.SQL(statement))
        yield capture(url, statements=False)


@pytest.fixture
def twin(snapshot: Snapshot) -> Iterator[Twin]:
    with open_twin(snapshot) as opened:
        yield opened


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a Dask scheduler with two processes."""
    with dask_cluster(2) as address:
        yield address


@contextlib.contextmanager
def visiting(scheduler: str) -> Generator[Any]:
    """Connect to it as somebody else does."""
    with distributed.Client(scheduler.replace("dask", "tcp"), set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@contextlib.contextmanager
def dask(twin: Twin, scheduler: str) -> Generator[TwinPool]:
    with connected(parse_address(scheduler)) as engine, pool_on(twin, engine) as pool:
        yield pool


def cost(twin: Twin, is_shown: bool) -> float:
    twin.show(twin.added if is_shown else ())
    return twin.plan("SELECT * FROM visit WHERE room = 5").cost


def place(twin: Twin, _: int) -> tuple[int, str]:
    time.sleep(0.2)  # so that none does all of them
    row = twin.built.inflated.superuser.execute(render("bench/data_directory")).fetchone()
    assert row is not None
    return os.getpid(), str(row["directory"])


def die(twin: Twin, survivor: int) -> int:
    if os.getpid() != survivor:
        os.kill(os.getpid(), signal.SIGKILL)
    return twin.built.major


def die_once(twin: Twin, mark: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        os.kill(os.getpid(), signal.SIGKILL)
    return twin.built.major


class OddError(Exception):
    """Cannot be unpickled."""

    def __init__(self, *, one: int, two: int) -> None:
        super().__init__(one + two)


def fail(twin: Twin, survivor: int) -> int:
    if os.getpid() != survivor:
        raise OddError(one=1, two=2)
    return twin.built.major


def refuse(twin: Twin, number: int) -> int:
    if number == 2:
        raise InputError("no")
    return number


class Counting(Executor):
    """Counts how often what copies are made from is sent."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.bases = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.bases += args[0].base is not None
        return self._executor.submit(fn, *args, **kwargs)


def test_workers_of_dask_answer_as_the_twin_itself(twin: Twin, scheduler: str) -> None:
    with dask(twin, scheduler) as pool:
        before = pool.map(cost, [False, True, False])
        twin.add([ROOM])
        assert pool.map(cost, [False, True] * 3) == [cost(twin, shown) for shown in [False, True] * 3]
    assert set(before) == {cost(twin, False)}


def test_workers_of_dask_have_a_copy_each_and_remove_it(twin: Twin, scheduler: str) -> None:
    with visiting(scheduler) as workers, dask(twin, scheduler) as pool:
        found = set(pool.map(place, range(8)))
        assert {process for process, _ in found} == set(workers.run(os.getpid).values())
        assert len(found) == 2
        assert all(Path(directory).is_dir() for _, directory in found)
    assert not any(Path(directory).exists() for _, directory in found)


def test_a_worker_that_is_killed_costs_nothing_but_time(twin: Twin, scheduler: str, tmp_path: Path) -> None:
    with dask(twin, scheduler) as pool:
        pool.map(cost, [False] * 4)
        assert pool.map(die_once, [str(tmp_path / "died")] * 6) == [twin.built.major] * 6
        assert (tmp_path / "died").exists()
        assert pool.is_open


def test_what_kills_every_worker_is_done_here(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.twin.pool._MOST_TRIES", 1)  # Dask has given up four workers for it by then
    told: list[str] = []
    with (
        dask_cluster(1) as scheduler,  # a worker that is killed while it starts is not started again
        connected(parse_address(scheduler), told.append) as engine,
        pool_on(twin, engine) as pool,
    ):
        assert pool.map(die, [os.getpid()]) == [twin.built.major]
    assert len(told) == 1
    assert "KilledWorker" in told[0] or "none is left" in told[0]


def test_what_fails_in_a_worker_is_done_or_raised_here(twin: Twin, scheduler: str) -> None:
    with dask(twin, scheduler) as pool:
        assert pool.map(fail, [os.getpid()] * 4) == [twin.built.major] * 4
        with pytest.raises(InputError, match=r"^no$"):
            pool.map(refuse, range(4))


def test_other_versions_are_refused(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "__version__", "0.0.1")
    with pytest.raises(CapabilityError, match=r"^twindex 0\.0\.1, .* is required, but there is twindex ") as caught:
        connected(parse_address(scheduler)).__enter__()
    assert "\n" not in str(caught.value)


def test_a_planner_that_may_answer_differently_is_not_asked(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(twin: Twin) -> copies.Model:
        return replace(copies.model_of(twin), planner="14.0")

    monkeypatch.setattr("analyzer.twin.pool.model_of", other)
    told: list[str] = []
    with ThreadPoolExecutor(1) as executor:
        engine = Engine(executor=executor, workers=1, is_own=False, tell=told.append)
        with pool_on(twin, engine) as pool:
            assert pool.map(cost, [False] * 3) == [cost(twin, False)] * 3
    assert len(told) == 1
    assert f"its planner is PostgreSQL {twin.built.host.version}, not 14.0" in told[0]


def test_the_snapshot_is_sent_once_to_each_worker(twin: Twin) -> None:
    with ThreadPoolExecutor(2) as threads:
        executor = Counting(threads)
        with pool_on(twin, Engine(executor=executor, workers=2)) as pool:
            found = {directory for _, directory in pool.map(place, range(8))}
            twin.add([ROOM])
            pool.map(cost, [True] * 8)
    assert executor.bases == len(found) == 2


def test_copies_of_clients_that_were_killed_are_bounded(twin: Twin) -> None:
    directories: list[Path] = []
    with ThreadPoolExecutor(1) as executor:
        pools = [TwinPool(twin, Engine(executor=executor, workers=1, is_own=False)) for _ in range(3)]
        for pool in pools:
            directories += {Path(directory) for _, directory in pool.map(place, [1])}
        assert [directory.exists() for directory in directories] == [False, True, True]
        assert pools[0].map(cost, [False]) == [cost(twin, False)]
        copies.close_idle(-1)
        assert not any(directory.exists() for directory in directories)
        assert pools[2].map(cost, [False]) == [cost(twin, False)]
        for pool in pools:
            pool.close()


def proposed(snapshot: Path, *more: str, path: str = "") -> "subprocess.Popen[bytes]":
    """Start `twindex propose`."""
    arguments = trusting(["propose", snapshot, "--workload", snapshot.with_name("w.sql"), "--format", "json", *more])
    return subprocess.Popen(
        [sys.executable, "-m", "analyzer", *arguments],
        cwd=snapshot.parent,
        env=os.environ
        | {"PYTHONPATH": f"{ROOT}:{path}", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def copies_of_worker() -> tuple[int, int]:
    """Say who a worker is and how many copies it has."""
    return os.getpid(), sum(map(len, copies.kept().values()))


def kill_one(workers: Any, command: "subprocess.Popen[bytes]") -> int:
    """Kill the first worker that has a copy, and have Dask's clients print meanwhile."""
    while command.poll() is None:
        workers.log_event("print", {"args": ("noise",), "sep": None, "end": None, "file": 1, "flush": True})
        for process, number in workers.run(copies_of_worker, on_error="ignore").values():
            if number:
                os.kill(process, signal.SIGKILL)
                return process
        time.sleep(0.05)
    raise AssertionError("no worker was given a copy")


@pytest.mark.slow
def test_the_output_is_the_same_bytes_whoever_plans(snapshot: Snapshot, tmp_path: Path) -> None:
    file = tmp_path / "w.snapshot"
    dump(snapshot, file)
    file.with_name("w.sql").write_text(WORKLOAD)
    (tmp_path / "parsl_config").mkdir()
    (tmp_path / "parsl_config/twindex_workers.py").write_text(CONFIG.format(directory=str(tmp_path / "runinfo")))
    found: dict[str, bytes] = {}
    with dask_cluster(2) as scheduler, visiting(scheduler) as workers:
        for more in (("--jobs", "1"), ("--jobs", "2"), ("--executor", scheduler), ("--executor", scheduler, "--quiet")):
            command = proposed(file, *more)
            if "--quiet" in more:
                kill_one(workers, command)
            out, err = command.communicate(timeout=300)
            assert command.returncode == 0, err
            found[" ".join(more)] = out
    command = proposed(file, "--executor", "parsl://twindex_workers", path=str(tmp_path / "parsl_config"))
    out, err = command.communicate(timeout=300)
    assert (command.returncode, err) == (0, b"")
    assert (tmp_path / "runinfo").is_dir()
    assert len({*found.values(), out}) == 1
    assert len(json.loads(out)["proposals"]) >= 2
