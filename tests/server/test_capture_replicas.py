"""One snapshot of a primary and its streaming replica: what each counted, and the sums."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.capture.capture import capture
from analyzer.cli.capture import command
from analyzer.db import connect
from analyzer.documents import snapshot as snapshots
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import ConflictError, UnreachableError
from analyzer.twin.server import cluster
from analyzer.workflows.merge import Named, merge
from tests.server.capture_zoo import as_role, run
from tests.server.replicas import SETTINGS as REPLICATION
from tests.server.replicas import streaming

pytestmark = pytest.mark.usefixtures("own_initdb")

SETTINGS = REPLICATION | {
    "shared_preload_libraries": "pg_stat_statements", "autovacuum": "off", "fsync": "off", "jit": "off",
    "shared_buffers": "16MB",
}  # fmt: skip
OBJECTS = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE thing (id int PRIMARY KEY, kind int, note text)",
    "CREATE INDEX thing_kind ON thing (kind)",
    "CREATE INDEX thing_note ON thing (note)",
    "INSERT INTO thing SELECT i, i % 1000, 'note ' || i FROM generate_series(1, 20000) AS i",
    "VACUUM ANALYZE thing",
    "CREATE ROLE reader LOGIN IN ROLE pg_monitor, pg_read_all_data",
    "GRANT SET ON PARAMETER track_counts TO reader",
)
BY_KIND = "SELECT count(*) FROM thing WHERE kind = 5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """URLs, as the reading role."""

    primary: str
    replica: str


def caught_up(primary: str, replica: str) -> None:
    """Wait until the replica has all that the primary wrote."""
    with connect(primary, autocommit=True) as source, connect(replica, autocommit=True) as target:
        (written,) = run(source, "SELECT pg_current_wal_lsn()::text AS lsn")
        for _ in range(200):
            (row,) = run(target, "SELECT pg_last_wal_replay_lsn() >= %(lsn)s::pg_lsn AS done", lsn=written["lsn"])
            if row["done"]:
                return
            time.sleep(0.05)
    raise AssertionError("the replica does not follow")


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """A primary that wrote and a replica that read."""
    with cluster.temporary(settings=SETTINGS) as primary:
        with connect(primary.url(), autocommit=True) as connection:
            for statement in OBJECTS:
                run(connection, statement)
        with streaming(primary) as replica:
            caught_up(primary.url(), replica)
            with connect(primary.url(), autocommit=True) as connection:
                run(connection, "SELECT pg_stat_statements_reset()")
                run(connection, "SET enable_seqscan = off")
                for _ in range(3):
                    run(connection, BY_KIND)
                run(connection, "UPDATE thing SET kind = kind WHERE id = 7")
            with connect(replica, autocommit=True) as connection:
                run(connection, "SET enable_seqscan = off")
                for _ in range(5):
                    run(connection, BY_KIND)
                run(connection, "SELECT id FROM thing WHERE note = 'note 7'")
            time.sleep(1.2)  # counters are flushed once a second
            yield Servers(primary=as_role(primary.url(), "reader"), replica=as_role(replica, "reader"))


@pytest.fixture(scope="module")
def both(servers: Servers) -> Snapshot:
    """The snapshot of both."""
    return capture(servers.primary, replicas=[servers.replica])


def scans(snapshot: Snapshot, name: str) -> int | None:
    """Return how often an index was scanned."""
    return next(index.scans for index in snapshot.indexes if index.definition.name == name)


def calls(snapshot: Snapshot, beginning: str) -> int:
    """Return how often a statement was called."""
    return sum(each.calls for each in snapshot.statements if each.query.startswith(beginning))


def test_an_index_that_only_the_replica_uses_is_used(servers: Servers, both: Snapshot) -> None:
    alone = capture(servers.primary)
    assert scans(alone, "thing_note") == 0
    assert (alone.server.standbys, both.server.standbys) == (1, 1)
    assert scans(both, "thing_note") == 1
    assert scans(alone, "thing_kind") == 3
    assert scans(both, "thing_kind") == 8
    thing, single = both.relation("public", "thing"), alone.relation("public", "thing")
    assert thing is not None
    assert thing.activity is not None
    assert single is not None
    assert single.activity is not None
    assert thing.activity.index_scans == single.activity.index_scans + 6
    assert thing.activity.live_rows == single.activity.live_rows > 0


def test_calls_are_summed_and_the_replica_s_own_statements_are_there(both: Snapshot) -> None:
    assert calls(both, "SELECT count(*) FROM thing") == 8
    assert calls(both, "SELECT id FROM thing") == 1
    assert calls(both, "UPDATE thing") == 1
    summed = next(each for each in both.statements if each.query.startswith("SELECT count(*)"))
    assert summed.mean_ms == pytest.approx(summed.total_ms / 8)


def test_each_server_s_counters_are_kept(both: Snapshot, tmp_path: Path) -> None:
    snapshots.dump(both, tmp_path / "both.snapshot")
    primary, replica = snapshots.load(tmp_path / "both.snapshot").servers
    assert (primary.in_recovery, replica.in_recovery) == (False, True)
    assert primary.name != replica.name
    uses = [{use.name: use.scans for use in server.indexes} for server in (primary, replica)]
    assert [(use["thing_kind"], use["thing_note"]) for use in uses] == [(3, 0), (5, 1)]
    asked = {each.queryid for each in both.statements if " FROM thing WHERE " in each.query}
    assert sum(use.calls for use in replica.statements if use.queryid in asked) == 6
    starts = [server.stats_reset for server in (primary, replica) if server.stats_reset is not None]
    assert both.server.stats_reset == max(starts)
    assert not both.server.in_recovery


def test_a_replica_by_itself_is_captured_too(servers: Servers) -> None:
    alone = capture(servers.replica)
    assert alone.server.standbys == 0
    assert alone.server.in_recovery
    assert scans(alone, "thing_note") == 1
    assert alone.servers == ()


def test_snapshots_of_each_server_are_merged_like_one_of_both(servers: Servers, both: Snapshot) -> None:
    apart = merge([Named(name=url, snapshot=capture(url)) for url in (servers.replica, servers.primary)])
    assert not apart.server.in_recovery
    assert {each.queryid: each.calls for each in apart.statements if "FROM thing" in each.query} == {
        each.queryid: each.calls for each in both.statements if "FROM thing" in each.query
    }


def test_what_is_no_replica_of_the_first_is_refused(servers: Servers, server: str) -> None:
    with pytest.raises(ConflictError, match=r"specify the primary first"):
        capture(servers.replica, replicas=[servers.primary])
    with pytest.raises(ConflictError, match=r"are the same server; specify it once"):
        capture(servers.primary, replicas=[servers.primary])
    with pytest.raises(ConflictError, match=r"system identifiers differ"):
        capture(servers.primary, replicas=[server])
    with pytest.raises(UnreachableError, match=r"cannot connect"):
        capture(servers.primary, replicas=["postgresql://nobody@localhost:1/nothing"])


def test_the_command_takes_the_primary_and_then_its_replicas(servers: Servers, server: str, tmp_path: Path) -> None:
    output = tmp_path / "both.snapshot"
    done = CliRunner().invoke(
        command, ["--allow-superuser", "-d", servers.primary, "-d", servers.replica, "-o", str(output)]
    )
    assert done.exit_code == 0, done.output
    assert len(snapshots.load(output).servers) == 2
    refused = CliRunner().invoke(
        command, ["--allow-superuser", "-d", servers.primary, "-d", server, "-o", str(tmp_path / "not.snapshot")]
    )
    assert isinstance(refused.exception, ConflictError)
    assert refused.exception.exit_status == 2
    assert not (tmp_path / "not.snapshot").exists()


def test_no_values_names_no_host(servers: Servers) -> None:
    taken = capture(servers.primary, replicas=[servers.replica], values=False)
    assert [each.name for each in taken.servers] == ["primary", "replica 1"]
