"""Copies of a twin in the workers of real libraries: the same answers, whatever becomes of the workers."""

import contextlib
import os
import signal
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import distributed
import pytest
from psycopg import sql

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError
from analyzer.executors import connected, parse_address
from analyzer.objects.index import IndexDef, Key
from analyzer.sql import render
from analyzer.twin.pool import TwinPool, pool_on
from analyzer.twin.twin import Twin, open_twin
from tests.conftest import fresh_database
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


@pytest.fixture
def workers(scheduler: str) -> Iterator[distributed.Client]:
    """A connection of somebody else to it."""
    address = scheduler.replace("dask", "tcp")
    with distributed.Client(address, set_as_default=False) as client:
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


def shout(twin: Twin, number: int) -> int:
    distributed.print("from a worker", number)
    print("printed", number)
    os.write(1, b"written\n")
    return number


def test_workers_of_dask_answer_as_the_twin_itself(twin: Twin, scheduler: str) -> None:
    with dask(twin, scheduler) as pool:
        before = pool.map(cost, [False, True, False])
        twin.add([ROOM])
        assert pool.map(cost, [False, True] * 3) == [cost(twin, shown) for shown in [False, True] * 3]
    assert set(before) == {cost(twin, False)}


def test_workers_of_dask_have_a_copy_each_and_remove_it(
    twin: Twin, scheduler: str, workers: distributed.Client
) -> None:
    with dask(twin, scheduler) as pool:
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


def test_what_kills_every_worker_is_done_here(twin: Twin, scheduler: str) -> None:
    told: list[str] = []
    with connected(parse_address(scheduler), told.append) as engine, pool_on(twin, engine) as pool:
        assert pool.map(die, [os.getpid()] * 2) == [twin.built.major] * 2
    assert any("KilledWorker" in line for line in told)


def test_what_fails_in_a_worker_is_done_or_raised_here(twin: Twin, scheduler: str) -> None:
    with dask(twin, scheduler) as pool:
        assert pool.map(fail, [os.getpid()] * 4) == [twin.built.major] * 4
        with pytest.raises(InputError, match=r"^no$"):
            pool.map(refuse, range(4))


def test_nothing_that_workers_print_reaches_stdout(
    twin: Twin, scheduler: str, capfd: pytest.CaptureFixture[str], workers: distributed.Client
) -> None:
    with dask(twin, scheduler) as pool:
        assert pool.map(shout, range(3)) == [0, 1, 2]
        workers.run(lambda: distributed.print("from somebody else"))
        time.sleep(1)
    workers.unsubscribe_topic("print")
    # The other client prints its own messages.
    assert capfd.readouterr().out.count("from a worker") <= 3
