"""Copies of a twin side by side answer as one alone, on whatever executor."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from analyzer.advise.limits import Limits
from analyzer.advise.proposal import Advice, propose
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.executors import Engine
from analyzer.objects.index import IndexDef, Key
from analyzer.sql import render
from analyzer.twin.pool import TwinPool, parallel_twins, pool_on
from analyzer.twin.twin import Twin, open_twin
from analyzer.workload.parse import parse_file
from tests.conftest import fresh_database

SETUP = (
    "CREATE TABLE parcel (id integer PRIMARY KEY, sender integer NOT NULL, city integer NOT NULL, sent date NOT NULL)",
    "CREATE TABLE stop (parcel integer NOT NULL REFERENCES parcel, place text NOT NULL, at timestamptz NOT NULL)",
    "INSERT INTO parcel SELECT i, i % 4000, i % 300, date '2026-01-01' + i % 300 FROM generate_series(1, 40000) AS i",
    """INSERT INTO stop SELECT 1 + i % 40000, 'place ' || i % 5000, timestamptz '2026-01-01 UTC' + i * interval '1 min'
       FROM generate_series(1, 120000) AS i""",
    "VACUUM ANALYZE",
)
WORKLOAD = """
    SELECT * FROM parcel WHERE sender = 17;
    SELECT * FROM parcel WHERE city = 5 AND sent > '2026-09-01';
    SELECT id FROM parcel WHERE sent = '2026-03-04' ORDER BY city LIMIT 5;
    SELECT p.id, s.place FROM parcel AS p JOIN stop AS s ON s.parcel = p.id WHERE p.sender = 9;
    SELECT count(*) FROM stop WHERE place = 'place 77';
    SELECT * FROM stop WHERE at < '2026-01-02' AND place = 'place 3';
    DELETE FROM parcel WHERE id = 3;
    SELECT * FROM nowhere
"""
PLACE = IndexDef(schema="public", table="stop", name="stop_place", keys=(Key(column="place"),))
QUERY = "SELECT count(*) FROM stop WHERE place = 'place 77'"


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


@contextlib.contextmanager
def threads(twin: Twin, workers: int) -> Generator[TwinPool]:
    with ThreadPoolExecutor(workers) as executor, pool_on(twin, Engine(executor=executor, workers=workers)) as pool:
        yield pool


def advised(twin: Twin, pool: TwinPool | None) -> Advice:
    return propose(twin, parse_file(WORKLOAD), limits=Limits(budget_bytes=2**23), pool=pool)


def told(advice: Advice) -> object:
    chosen = [(each.built.index, each.built.size, each.effects, each.cost_after) for each in advice.proposals]
    return chosen, advice.statements, advice.not_proposed, advice.not_examined


def cost(twin: Twin, is_shown: bool) -> float:
    twin.show(twin.added if is_shown else ())
    return twin.plan(QUERY).cost


def own_data(twin: Twin, _: int) -> tuple[int, Path]:
    time.sleep(0.2)  # so that none does all of them
    row = twin.built.inflated.superuser.execute(render("bench/data_directory")).fetchone()
    assert row is not None
    return os.getpid(), Path(row["directory"])


def die(twin: Twin, number: int) -> int:
    if os.getpid() != number:
        os.kill(os.getpid(), signal.SIGKILL)
    return twin.built.major


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("opening", [threads, parallel_twins])
def test_what_is_proposed_does_not_depend_on_who_plans(
    twin: Twin, snapshot: Snapshot, opening: Callable[..., contextlib.AbstractContextManager[TwinPool]], workers: int
) -> None:
    alone = advised(twin, None)
    assert len(alone.proposals) >= 3
    with open_twin(snapshot) as another, opening(another, workers) as pool:
        assert told(advised(another, pool)) == told(alone)


def test_copies_learn_of_indexes_that_are_added_later(twin: Twin) -> None:
    with parallel_twins(twin, 2) as pool:
        before = pool.map(cost, [False, True, False])
        twin.add([PLACE])
        after = pool.map(cost, [False, True, False, True])
    assert len({*before, after[0], after[2]}) == 1
    assert after[1] == after[3] < before[0] / 10


def test_every_process_has_its_own_copy_and_removes_it(twin: Twin) -> None:
    with parallel_twins(twin, 2) as pool:
        found = set(pool.map(own_data, range(6)))
        assert len(found) == len({directory for _, directory in found}) == 2
        assert all(directory.is_dir() for _, directory in found)
    assert os.getpid() not in {process for process, _ in found}
    assert not any(directory.exists() for _, directory in found)


def test_every_thread_has_its_own_copy_and_removes_it(twin: Twin) -> None:
    with threads(twin, 2) as pool:
        found = {directory for _, directory in pool.map(own_data, range(6))}
        assert len(found) == 2
    assert not any(directory.exists() for directory in found)


def test_without_workers_the_twin_itself_goes_on(twin: Twin) -> None:
    with parallel_twins(twin, 2) as pool:
        assert pool.map(die, [os.getpid()] * 4) == [twin.built.major] * 4
        assert pool.map(cost, [False, False])[0] == cost(twin, False)


class Fragile(ThreadPoolExecutor):
    """Takes so many submissions."""

    def __init__(self, most: int) -> None:
        super().__init__(1)
        self._most = most

    def submit(self, fn: Callable[..., Any], /, *args: Any, **options: Any) -> "Future[Any]":
        self._most -= 1
        if self._most < 0:
            raise BrokenExecutor
        return super().submit(fn, *args, **options)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_nothing_is_lost_when_workers_end(twin: Twin, most: int) -> None:
    twin.add([PLACE])
    with Fragile(most) as executor, pool_on(twin, Engine(executor=executor, workers=2)) as pool:
        found = pool.map(cost, [True, False, True, False, False, True])
    assert found == [cost(twin, shown) for shown in (True, False, True, False, False, True)]
