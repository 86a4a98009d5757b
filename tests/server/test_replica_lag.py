"""A build waits while a replica lags, and is canceled and begun again when one begins to lag during it."""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analyzer.db import connect
from analyzer.migrate.deploy.online import DeployError, build_index
from analyzer.twin.server import cluster
from tests.conftest import fresh_database
from tests.server.executor import TABLE, A, await_, configured, deployer, open_writer, state
from tests.server.replicas import SETTINGS as REPLICATION
from tests.server.replicas import as_owner, running_as_owner, source_of, streaming
from tests.server.servers import DEBIAN_15, OTHER, need_15
from tests.server.servers import SETTINGS as QUICK

pytestmark = pytest.mark.usefixtures("hasty")

#: Of a replica that replays nothing for longer.
LIMIT = "300ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicated:
    """A database and its replica, by their URLs."""

    url: str
    replica: str
    primary: cluster.Cluster

    @contextlib.contextmanager
    def paused(self) -> Generator[None]:
        """Let the replica replay nothing during the block, though something is written."""
        with connect(self.replica, autocommit=True) as other:
            other.execute("SELECT pg_catalog.pg_wal_replay_pause()")
            with connect(self.url) as writer:
                writer.execute("CREATE TABLE IF NOT EXISTS written ()")
            try:
                yield
            finally:
                self.resume()

    def resume(self) -> None:
        with connect(self.replica, autocommit=True) as other:
            other.execute("SELECT pg_catalog.pg_wal_replay_resume()")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("other" if OTHER else "path"),
        pytest.param("debian-15", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[cluster.Cluster, str]]:
    """A primary and its streaming replica."""
    if request.param == "debian-15":
        need_15()
    place = {"path": None, "other": Path(OTHER or "."), "debian-15": DEBIAN_15}[request.param]
    binaries = cluster.find_binaries(place) if place is not None else None
    with cluster.temporary(binaries, settings=REPLICATION | QUICK) as primary, streaming(primary) as replica:
        yield primary, replica


@pytest.fixture
def replicated(servers: tuple[cluster.Cluster, str]) -> Iterator[Replicated]:
    """A database with the executor's table, on both."""
    primary, replica = servers
    with fresh_database(primary.url()) as url:
        with connect(url) as connection:
            connection.execute(TABLE.encode())
        yield Replicated(url=url, replica=replica, primary=primary)


@contextlib.contextmanager
def held_up(replicated: Replicated, log: pytest.LogCaptureFixture, *, until: Callable[[], bool]) -> Generator[None]:
    """Hold the build up until the replica replays nothing and it is canceled, and the replica for as long."""
    ready = threading.Event()

    def work() -> None:
        with open_writer(replicated.url) as writer:
            ready.set()
            await_(lambda: "waiting for writers" in log.text)
            with replicated.paused():
                await_(lambda: "was canceled" in log.text)
                writer.rollback()
                await_(until)

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        thread.join()


def test_a_build_is_canceled_when_a_replica_begins_to_lag_and_begun_again(
    replicated: Replicated, caplog: pytest.LogCaptureFixture
) -> None:
    waits = "building public.ix_a waits: the replica walreceiver is"
    with held_up(replicated, caplog, until=lambda: waits in caplog.text), deployer(replicated.url) as connection:
        build_index(configured(connection, max_lag=LIMIT), A)
    assert {name: valid for name, (valid, _) in state(replicated.url).items()} == {"ix_a": True}


def test_a_build_is_given_up_when_a_replica_lags_for_too_long(
    replicated: Replicated, caplog: pytest.LogCaptureFixture
) -> None:
    given_up = threading.Event()
    said = r"^building public\.ix_a did not begin within 1 s: the replica walreceiver is \d+ m?s behind "
    with deployer(replicated.url) as connection:
        with held_up(replicated, caplog, until=given_up.is_set):
            context = configured(connection, max_lag=LIMIT, build_wait_seconds="1")
            with pytest.raises(
                DeployError, match=said + r"\(twindex_max_lag: 300 ms\); run alembic upgrade again later"
            ):
                build_index(context, A)
            given_up.set()
        assert state(replicated.url) == {}
        build_index(configured(connection, max_lag=LIMIT), A)
    assert state(replicated.url)["ix_a"][0]


def test_what_replays_nothing_is_no_replica_that_lags(replicated: Replicated) -> None:
    home = replicated.primary.socket_dir
    archive = home / "archive"
    program = str(replicated.primary.binaries.bin_dir / "pg_receivewal")
    as_owner(home, "mkdir", "-p", str(archive))
    with running_as_owner(home, program, "-D", str(archive), "-d", source_of(replicated.primary)):
        with connect(replicated.url, autocommit=True) as other:
            await_(lambda: len(other.execute("SELECT 1 FROM pg_catalog.pg_stat_replication").fetchall()) == 2)
        with deployer(replicated.url) as connection:
            build_index(configured(connection, max_lag="1h", build_wait_seconds="0"), A)
    assert state(replicated.url)["ix_a"][0]


def test_the_lag_that_the_role_does_not_see_is_said(replicated: Replicated, caplog: pytest.LogCaptureFixture) -> None:
    with connect(replicated.url) as admin:
        admin.execute("CREATE ROLE twindex_blind LOGIN")
        admin.execute("GRANT CREATE ON SCHEMA public TO twindex_blind")
        admin.execute("ALTER TABLE t OWNER TO twindex_blind")
    with deployer(replicated.url.replace("postgres@", "twindex_blind@")) as connection:
        build_index(configured(connection, max_lag="1ms"), A)
    said = "twindex_max_lag: this role does not see how far the replica walreceiver is behind; GRANT pg_read_all_stats"
    assert caplog.text.count(said) == 1
    assert state(replicated.url)["ix_a"][0]
