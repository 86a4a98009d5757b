"""A build waits while others keep the server busy, and is canceled and begun again when they begin during it."""

import contextlib
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.util import CommandError
from psycopg.conninfo import make_conninfo
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from analyzer.db import connect, libpq_url, sqlalchemy_url
from analyzer.migrate.deploy import watch
from analyzer.migrate.deploy.online import DeployError, build_index, reindex_index
from tests.server.executor import A, await_, configured, deployer, open_writer, state, upgrade
from tests.server.test_parallel_steps import BLOCK, hand_written

PARTITIONED = replace(A, table="p", name="ix_p", sql="CREATE INDEX ix_p ON ONLY public.p USING btree (a)")
_BUILD = "^(CREATE INDEX|REINDEX INDEX) CONCURRENTLY"
_RUNNING = (
    "SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND state = 'active' "
    "AND query ~ %(pattern)s"
)


def builds(look: "psycopg.Connection[dict[str, Any]]") -> list[int]:
    """Return the backends that build."""
    return [row["pid"] for row in look.execute(_RUNNING, {"pattern": _BUILD}).fetchall()]


class Load:
    """A session in another database that is active for a while: no build waits for its snapshot."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[object] | None = None

    def begin(self) -> None:
        self._connection = psycopg.connect(make_conninfo(self._url, dbname="postgres"), autocommit=True)
        self._connection.pgconn.send_query(b"SELECT pg_catalog.pg_sleep(60)")

    def end(self) -> None:
        if self._connection is not None:
            self._connection.cancel()
            self._connection.close()
            self._connection = None


@contextlib.contextmanager
def load(url: str) -> Generator[Load]:
    """Yield a session that is active during the block, or until it is ended."""
    found = Load(url)
    found.begin()
    try:
        yield found
    finally:
        found.end()


@contextlib.contextmanager
def load_during_builds(url: str, *, builds: int, holder: str = "UPDATE t SET b = 'w'") -> Generator[None]:
    """Keep the server busy while a build runs, the first few times; then let go of what holds it up."""
    stop = threading.Event()

    def work() -> None:
        busy = Load(url)
        with connect(url, autocommit=True) as look:

            def await_statement(pattern: str, *, runs: bool) -> None:
                while bool(look.execute(_RUNNING, {"pattern": pattern}).fetchall()) != runs and not stop.wait(0.02):
                    pass

            for _ in range(builds):
                with connect(url) as other:
                    other.execute(holder.encode())
                    busy.end()
                    await_statement(_BUILD, runs=True)
                    busy.begin()
                    await_statement(_BUILD, runs=False)
                    await_statement("^DROP INDEX", runs=True)
                    other.rollback()
                await_statement("^DROP INDEX", runs=False)
            busy.end()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("plain_build", ["16MB", "0"])
def test_a_build_waits_while_others_are_active(
    url: str, connection: Connection, caplog: pytest.LogCaptureFixture, plain_build: str
) -> None:
    context = configured(connection, max_active="0", plain_build=plain_build)
    with load(url) as other:
        threading.Timer(1, other.end).start()
        began = time.monotonic()
        build_index(context, A)
    assert time.monotonic() - began > 0.9
    assert "building public.ix_a waits: 1 active sessions of others (twindex_max_active: 0)" in caplog.text
    assert state(url)["ix_a"][0]


def test_a_build_that_may_not_begin_is_given_up_and_a_rerun_goes_on(url: str, connection: Connection) -> None:
    with (
        load(url),
        pytest.raises(
            DeployError,
            match=r"^building public\.ix_a did not begin within 500 ms: 1 active sessions of others "
            r"\(twindex_max_active: 0\); run alembic upgrade again later, it continues from here$",
        ),
    ):
        build_index(configured(connection, max_active="0", build_wait_seconds="0.5"), A)
    assert state(url) == {}
    with load(url):
        build_index(configured(connection, max_active="1"), A)
    assert state(url)["ix_a"][0]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("progress", ["log", "off"])
def test_a_build_is_canceled_cleared_away_and_begun_again(
    url: str, connection: Connection, caplog: pytest.LogCaptureFixture, progress: str
) -> None:
    with load_during_builds(url, builds=1):
        build_index(configured(connection, max_active="0", progress=progress), A)
    assert "building public.ix_a was canceled: 1 active sessions of others (twindex_max_active: 0)" in caplog.text
    assert {name: valid for name, (valid, _) in state(url, "ix%").items()} == {"ix_a": True}


@pytest.mark.usefixtures("hasty")
def test_a_build_is_begun_a_bounded_number_of_times(url: str, connection: Connection) -> None:
    with (
        load_during_builds(url, builds=3),
        pytest.raises(
            DeployError, match=r"^building public\.ix_a was canceled 3 times, at last because 1 active sessions of"
        ),
    ):
        build_index(configured(connection, max_active="0"), A)
    assert state(url) == {}


@pytest.mark.usefixtures("hasty")
def test_a_rebuild_is_canceled_and_begun_again(url: str, connection: Connection) -> None:
    build_index(configured(connection), A)
    before = state(url)
    with load_during_builds(url, builds=1):
        reindex_index(configured(connection, max_active="0"), replace(A, sql="REINDEX INDEX CONCURRENTLY public.ix_a"))
    assert set(state(url)) == {"ix_a"}
    assert state(url) != before


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("verb", ["build", "reindex"])
def test_the_part_of_a_partition_is_begun_again(url: str, connection: Connection, verb: str) -> None:
    with connect(url) as other:
        other.execute("CREATE TABLE p (a int, b text) PARTITION BY RANGE (a)")
        other.execute("CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (100)")
        other.execute("INSERT INTO p SELECT n, 'x' FROM generate_series(1, 50) AS n")
    if verb == "reindex":
        build_index(configured(connection), PARTITIONED)
    with load_during_builds(url, builds=1, holder="SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM p_1"):
        context = configured(connection, max_active="0")
        if verb == "build":
            build_index(context, PARTITIONED)
        else:
            reindex_index(context, replace(PARTITIONED, sql="REINDEX INDEX CONCURRENTLY public.ix_p"))
    assert {name: valid for name, (valid, _) in state(url, "p_1_%").items()} == {"p_1_a_idx": True}
    assert state(url)["ix_p"][0]


@pytest.mark.parametrize("function", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_cancel_by_somebody_else_is_one(
    url: str, connection: Connection, caplog: pytest.LogCaptureFixture, function: str
) -> None:
    def end() -> None:
        with connect(url, autocommit=True) as other:
            await_(lambda: bool(builds(other)))
            time.sleep(0.7)
            other.execute(f"SELECT {function}({builds(other)[0]})".encode())

    thread = threading.Thread(target=end)
    with deployer_of(url, ends="terminate" in function) as deploying, open_writer(url):
        thread.start()
        with pytest.raises(DeployError):
            build_index(configured(deploying, max_active="9"), A)
    thread.join()
    assert "was canceled:" not in caplog.text
    assert not state(url)["ix_a"][0]


@contextlib.contextmanager
def deployer_of(url: str, *, ends: bool) -> Generator[Connection]:
    """Yield a connection as a deploy has it; that of a session which ends cannot be looked at afterwards."""
    if not ends:
        with deployer(url) as connection:
            yield connection
        return
    engine = create_engine(sqlalchemy_url(url))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.usefixtures("hasty")
def test_a_watcher_that_lost_its_connection_makes_another(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "_AGAIN_SECONDS", 0.2)
    made: list[psycopg.Connection] = []

    def second_time() -> psycopg.Connection:
        made.append(psycopg.connect(libpq_url(url)))
        if len(made) == 2:
            raise psycopg.OperationalError("too many clients")
        return made[-1]

    engine = create_engine(sqlalchemy_url(url), creator=second_time)
    with engine.connect() as connection, load_during_builds(url, builds=1):
        build_index(configured(connection, max_active="0"), A)
    engine.dispose()
    for each in made:
        each.close()
    assert caplog.text.count("no progress is shown and no limit checked, because the monitoring connection failed") == 1
    assert "building public.ix_a was canceled: 1 active sessions of others" in caplog.text
    assert state(url)["ix_a"][0]


@pytest.mark.usefixtures("hasty")
def test_builds_side_by_side_are_no_load_of_others(tmp_path: Path, url: str) -> None:
    with connect(url) as other:
        other.execute("DROP TABLE t")
    project = hand_written(tmp_path, url, BLOCK)
    with connect(url) as writer, connect(url, autocommit=True) as other:
        writer.execute("UPDATE t SET b = 1 WHERE id = 1")
        writer.execute("UPDATE u SET a = 1 WHERE a = 1")
        process = upgrade(project, "-x", "twindex_jobs=2", "-x", "twindex_max_active=0")
        await_(lambda: len(builds(other)) == 2)
        time.sleep(1.5)
        other.close()
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert "waits:" not in output
    assert "was canceled" not in output
    assert {name: valid for name, (valid, _) in state(url).items()} == {"ix": True, "ix_b": True, "ix_u": True}


def test_what_the_role_does_not_see_is_said_once(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with connect(url) as admin:
        admin.execute("CREATE ROLE twindex_blind LOGIN")
        admin.execute("GRANT CREATE ON SCHEMA public TO twindex_blind")
        admin.execute("ALTER TABLE t OWNER TO twindex_blind")
    try:
        with load(url), deployer(url.replace("postgres@", "twindex_blind@")) as connection:
            context = configured(connection, max_active="0")
            build_index(context, A)
            build_index(context, replace(A, name="ix_b", sql=A.sql.replace("ix_a", "ix_b")))
    finally:
        with connect(url) as admin:
            admin.execute("DROP OWNED BY twindex_blind")
            admin.execute("DROP ROLE twindex_blind")
    told = [record.getMessage() for record in caplog.records if "does not see" in record.getMessage()]
    assert told[0].startswith("twindex_max_active: this role does not see whether ")
    assert told[0].endswith(" of other roles are active; GRANT pg_read_all_stats to it")
    assert len(told) == 2  # once in each step
    assert "waits:" not in caplog.text


@pytest.mark.parametrize("option", ["max_lag=10", "max_lag=-1s", "max_lag=soon", "max_active=-1", "max_active=many"])
def test_a_limit_that_cannot_be_read_is_refused(connection: Connection, option: str) -> None:
    name, _, value = option.partition("=")
    with pytest.raises(CommandError, match=rf"the option twindex_{name}={value}: .*; fix alembic.ini or -x") as failed:
        build_index(configured(connection, **{name: value}), A)
    assert "\n" not in str(failed.value)
