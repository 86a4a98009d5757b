"""While a deploy runs, nobody writes slower than a short lock wait, and nobody reads without an index."""

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.server.deploys import PARTITIONED, ROWS, Deploy, Host, deadlocks, ended, new_project
from tests.server.servers import VERSIONS, server_of
from tests.server.spec_project import SCHEMA

pytestmark = pytest.mark.slow

WRITERS = 8
READERS = 4
#: The short lock budget: what a step of the deploy waits at most while others queue behind it.
BUDGET_SECONDS = 5.0
#: Rows of the tables of ROWS and PARTITIONED.
ROW_COUNT = 5000
_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(slots=True)
class Load:
    """What writers and readers met."""

    over: threading.Event = field(default_factory=threading.Event)
    write_seconds: list[float] = field(default_factory=list[float])
    read_seconds: list[float] = field(default_factory=list[float])
    #: Plans that read a whole table.
    without_index: list[str] = field(default_factory=list[str])

    def histogram(self, seconds: Sequence[float]) -> str:
        """Count latencies by their upper bounds."""
        bounds = (*_BOUNDS_MS, float("inf"))
        pairs = itertools.pairwise((0.0, *bounds))
        counts = [(high, sum(low < each * 1000 <= high for each in seconds)) for low, high in pairs]
        lines = (f"  <= {high:>6} ms {count:>7}" for high, count in counts if count)
        return "\n".join((*lines, f"  longest {max(seconds):.3f} s of {len(seconds)}"))


def write(url: str, load: Load, table: str, seed: int) -> None:
    """Write rows, now one by itself and now two in a transaction, until it is over."""
    chance = random.Random(seed)
    with psycopg.connect(url, autocommit=True) as connection:
        while not load.over.is_set():
            began = time.monotonic()
            # A writer's rows are its own: row locks are not what is measured.
            row = chance.randrange(ROW_COUNT // WRITERS) * WRITERS + seed + 1
            with connection.transaction() if chance.random() < 0.5 else contextlib.nullcontext():
                connection.execute(f"UPDATE {table} SET a = a WHERE id = {row}".encode())
                connection.execute(f"UPDATE {table} SET s = 'w' WHERE id = {row}".encode())
            load.write_seconds.append(time.monotonic() - began)
            time.sleep(0.005)


def read(url: str, load: Load, query: str) -> None:
    """Ask for the plan of a query and for its rows, until it is over."""
    with psycopg.connect(url, autocommit=True) as connection:
        while not load.over.is_set():
            began = time.monotonic()
            with connection.transaction():
                plan = [str(line) for (line,) in connection.execute(f"EXPLAIN {query}".encode()).fetchall()]
                connection.execute(query.encode())
            load.read_seconds.append(time.monotonic() - began)
            if any("Seq Scan" in line for line in plan):
                load.without_index.append("\n".join(plan))
            time.sleep(0.005)


@contextlib.contextmanager
def under_load(url: str) -> Generator[Load]:
    """Run writers and readers during the block; what one of them raises is raised at its end."""
    load = Load()
    queries = ("SELECT b FROM t WHERE a = 7", "SELECT s FROM p WHERE a = 7")
    running: list[Future[None]] = []
    with ThreadPoolExecutor(WRITERS + READERS) as pool:
        try:
            running.extend(pool.submit(write, url, load, ("t", "p")[seed % 2], seed) for seed in range(WRITERS))
            running.extend(pool.submit(read, url, load, queries[number % 2]) for number in range(READERS))
            time.sleep(1)
            yield load
            time.sleep(1)
        finally:
            load.over.set()
    for each in running:
        each.result()


@pytest.fixture(scope="module", params=VERSIONS)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with server_of(request) as url:
        yield Host(url=url)


def test_writers_hardly_wait_readers_keep_their_index_and_a_second_deployer_ends_well(
    host: Host, tmp_path: Path
) -> None:
    partitioned = PARTITIONED[: PARTITIONED.index("CREATE TABLE other")] + "ANALYZE p"
    with host.database() as url:
        project = new_project(tmp_path, url, schema=f"{SCHEMA}{ROWS};\n{partitioned}")
        project.declare("{name: ix_t, keys: [a]}")
        project.declare("{name: ix_p, keys: [a]}\n{name: ix_id, keys: [id]}", table="public.p", file="p.yaml")
        project.build()
        project.declare("{name: ix_t, keys: [a], include: [b]}")
        indexes = "{name: ix_p, keys: [a], include: [k]}\n{name: ix_id, keys: [id]}\n{name: ix_new, keys: [k, id]}"
        project.declare(indexes, table="public.p", file="p.yaml")
        assert project.autogenerate("load") is not None
        before = deadlocks(url)
        began = time.monotonic()
        with under_load(url) as load:
            deployers = [Deploy(project, url) for _ in range(2)]
            outcomes = [ended(process) for process in [deploy.start() for deploy in deployers]]
        print(f"\n{time.monotonic() - began:.1f} s; writes:\n{load.histogram(load.write_seconds)}")
        print(f"reads:\n{load.histogram(load.read_seconds)}")
        assert [outcome.status for outcome in outcomes] == [0, 0], outcomes
        assert load.without_index == []
        assert max(load.write_seconds) < BUDGET_SECONDS
        assert max(load.read_seconds) < BUDGET_SECONDS
        assert deadlocks(url) == before
        facts = deployers[0].facts()
        assert all(whole for _name, _parent, whole in deployers[0].tree())
        assert "INCLUDE (b)" in facts["ix_t"].ddl
        assert "INCLUDE (k)" in facts["ix_p"].ddl
        assert "(k, id)" in facts["ix_new"].ddl
        assert not any("twindex" in name or "_cc" in name for name in facts)
        assert deployers[0].at_head()
