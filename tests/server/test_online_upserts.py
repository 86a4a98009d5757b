"""INSERT … ON CONFLICT goes on while the unique index of a small table is replaced."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy.engine import Connection

from analyzer.db import connect
from analyzer.migrate.deploy.online import DeployError, build_index, replace_index
from tests.server.executor import UNIQUE, configured, state

UPSERT = b"INSERT INTO t (a) VALUES (%s) ON CONFLICT (a) DO UPDATE SET b = t.b || 'x'"


@pytest.mark.slow
def test_upserts_go_on_while_a_unique_index_of_a_small_table_is_replaced(url: str, connection: Connection) -> None:
    context = configured(connection, plain_build="16MB", lock_attempts="10")
    build_index(context, UNIQUE)
    covering = replace(UNIQUE, sql=f"{UNIQUE.sql} INCLUDE (c)")
    over, keys = threading.Event(), itertools.count(1000)

    def upsert() -> int:
        """Upsert new rows, each about twice at the same time, until it is over."""
        done = 0
        with psycopg.connect(url, autocommit=True) as writer:
            while not over.is_set():
                writer.execute(UPSERT, (next(keys) // 4,))
                done += 1
        return done

    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(upsert) for _ in range(6)]
        for turn in range(8):
            replace_index(context, covering if turn % 2 == 0 else UNIQUE)
        over.set()
        assert sum(writer.result() for writer in writers) > 100
    assert list(state(url)) == ["ix_a"]


def test_a_unique_index_of_a_small_table_is_dropped_at_once_when_it_is_replaced(
    url: str, connection: Connection
) -> None:
    context = configured(connection, plain_build="16MB", lock_attempts="1", lock_timeout="300ms")
    build_index(context, UNIQUE)
    with connect(url) as reader:
        reader.execute("SELECT FROM t")
        with pytest.raises(DeployError, match=r"dropping public\.ix_a_twindex_old failed"):
            replace_index(context, replace(UNIQUE, sql=f"{UNIQUE.sql} INCLUDE (c)"))
        # A concurrent drop would have made it INVALID first.
        assert all(valid for valid, _ in state(url).values())
    replace_index(context, replace(UNIQUE, sql=f"{UNIQUE.sql} INCLUDE (c)"))
    assert list(state(url)) == ["ix_a"]
