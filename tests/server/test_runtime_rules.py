"""What PostgreSQL does to a concurrent statement that meets somebody, row by row, and what a deploy makes of it."""

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import op
from alembic.util import CommandError
from psycopg.conninfo import conninfo_to_dict

from analyzer.db import connect
from tests.server.deploy_events import Orders, await_
from tests.server.deploys import (
    PARTITIONED,
    ROWS,
    Deploy,
    Host,
    Wait,
    deadlocks,
    ended,
    held,
    interrupted,
    led_into,
    new_project,
    run,
    write_revision,
)
from tests.server.servers import VERSIONS, server_of
from tests.server.spec_project import SCHEMA

SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT a FROM other"
WRITER = "BEGIN; UPDATE t SET s = 'w' WHERE id = 1"
READER = "BEGIN; SELECT b FROM t WHERE a = 7"
CREATE = "CREATE INDEX CONCURRENTLY ix_a ON public.t USING btree (a)"
REINDEX = "REINDEX INDEX CONCURRENTLY public.ix_a"
DROP = "DROP INDEX CONCURRENTLY public.ix_a"
IN_BUILD = Wait(holder=SNAPSHOT, statement="^CREATE INDEX", phase="waiting for old snapshots")
IN_WRITERS = "waiting for writers before build"
IN_DROP = Wait(holder=READER, statement="^DROP INDEX CONCURRENTLY")

Deploying = Callable[[str], Deploy]


@pytest.fixture(scope="module", params=VERSIONS)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with server_of(request) as url:
        yield Host(url=url)


@pytest.fixture(scope="module")
def template(host: Host) -> Iterator[str]:
    """Name of a database with a table, a partitioned one and one that nobody deploys to."""
    with host.database() as url:
        with connect(url, autocommit=True) as connection:
            for statement in f"{SCHEMA}{ROWS};\n{PARTITIONED}".split(";\n"):
                if "TABLE other" not in statement or "other" not in tables(connection):
                    connection.execute(statement.encode())
        yield str(conninfo_to_dict(url)["dbname"])


@pytest.fixture
def url(host: Host, template: str) -> Iterator[str]:
    with host.database(template) as url:
        yield url


@pytest.fixture
def deploying(url: str, tmp_path: Path) -> Deploying:
    """Make a deploy of one operation."""

    def make(body: str) -> Deploy:
        project = new_project(tmp_path, url, schema="")
        # The short budget, of the steps whose operation does not say.
        project.ini.write_text(f"{project.ini.read_text()}twindex_lock_timeout = 1s\n")
        write_revision(project, "step", body)
        return Deploy(project, url)

    return make


def tables(connection: psycopg.Connection[dict[str, object]]) -> set[object]:
    rows = connection.execute("SELECT relname FROM pg_catalog.pg_class WHERE relkind = 'r' ORDER BY 1").fetchall()
    return {row["relname"] for row in rows}


def build(create: str = CREATE, *, lock_timeout: str = "10min", table: str = "t") -> str:
    return (
        f'op.build_index("ix_a", "{table}", schema="public", sql="{create}", lock_timeout="{lock_timeout}",\n'
        "    attributes=(\"COMMENT ON INDEX public.ix_a IS 'wanted'\",))"
    )


def replacement(lock_timeout: str = "10min") -> str:
    return build(f"{CREATE} INCLUDE (b)", lock_timeout=lock_timeout).replace("op.build_index", "op.replace_index")


def drop(lock_timeout: str = "5s") -> str:
    return f'op.drop_index_online("ix_a", "t", schema="public", sql="{DROP}", lock_timeout="{lock_timeout}")'


def reindex(lock_timeout: str = "10min") -> str:
    if not hasattr(op, "reindex_index"):
        pytest.skip("there is no op.reindex_index")
    return f'op.reindex_index("ix_a", "t", schema="public", lock_timeout="{lock_timeout}")'


def flags(url: str, table: str = "t") -> dict[str, tuple[bool, bool]]:
    """Read which indexes of a table are valid and ready, but for those of its constraints."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT c.relname AS name, i.indisvalid AS valid, i.indisready AS ready FROM pg_catalog.pg_index AS i "
            "JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid "
            "WHERE i.indrelid = %(table)s::regclass AND c.relname NOT LIKE 't_%%' ORDER BY 1",
            {"table": f"public.{table}"},
        ).fetchall()
    return {row["name"]: (row["valid"], row["ready"]) for row in rows}


@contextlib.contextmanager
def background(url: str, statement: str) -> Generator[Callable[[], object]]:
    """Run a statement of somebody else's meanwhile; what is yielded waits for its end."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, url, statement)
        yield running.result


SOUND = {"ix_a": (True, True)}


@pytest.mark.parametrize(("holder", "left"), [(SNAPSHOT, (False, True)), (WRITER, (False, False))])
def test_a_build_that_waits_too_long_fails_once_and_its_rerun_builds_anew(
    url: str, deploying: Deploying, tmp_path: Path, holder: str, left: tuple[bool, bool]
) -> None:
    deploy = deploying(build(lock_timeout="2500ms"))
    with held(url, holder) as connection:
        pid = connection.info.backend_pid
        outcome = deploy.run(Orders(url=url, journal=str(tmp_path / "journal")))
    assert outcome.status > 0
    assert "lock timeout" in outcome.output
    assert "Traceback" not in outcome.output
    assert str(pid) in outcome.output, "it names who is in the way"
    # Never a blind retry: it would fail on what the first attempt left.
    assert (tmp_path / "journal").read_text().count("CREATE INDEX CONCURRENTLY") == 1
    assert flags(url) == {"ix_a": left}
    deploy.again()
    assert flags(url) == SOUND


def test_a_transaction_without_a_snapshot_that_does_not_write_to_the_table_holds_nothing_up(
    url: str, deploying: Deploying
) -> None:
    with held(url, READER), held(url, "BEGIN; UPDATE other SET a = 2"):
        deploying(build(lock_timeout="500ms")).again()
    assert flags(url) == SOUND


@pytest.mark.parametrize("holder", [SNAPSHOT, WRITER])
def test_an_invalid_index_is_not_taken_for_the_one_wanted(url: str, deploying: Deploying, holder: str) -> None:
    interrupted(url, CREATE, holder)
    run(url, CREATE.replace("CONCURRENTLY", "CONCURRENTLY IF NOT EXISTS"))
    assert not flags(url)["ix_a"][0]
    deploying(build()).again()
    assert flags(url) == SOUND


def test_an_invalid_index_is_replaced_as_well(url: str, deploying: Deploying) -> None:
    interrupted(url, CREATE, SNAPSHOT)
    deploy = deploying(replacement())
    deploy.again()
    assert flags(url) == SOUND
    assert "INCLUDE (b)" in deploy.facts()["ix_a"].ddl


def test_a_rebuild_repairs_an_invalid_index(url: str, deploying: Deploying) -> None:
    body = reindex()
    interrupted(url, CREATE, SNAPSHOT)
    deploying(body).again()
    assert flags(url) == SOUND


@pytest.mark.parametrize(("body", "after"), [(drop(), {}), (build(), SOUND), (replacement(), SOUND)])
def test_an_interrupted_drop_is_finished_or_undone(
    url: str, deploying: Deploying, body: str, after: dict[str, tuple[bool, bool]]
) -> None:
    run(url, CREATE)
    interrupted(url, DROP, READER)
    assert not flags(url)["ix_a"][0]
    deploying(body).again()
    assert flags(url) == after


def test_a_drop_that_a_reader_interrupts_is_tried_again_until_the_reader_is_gone(
    url: str, deploying: Deploying
) -> None:
    run(url, CREATE)
    with led_into(deploying(drop(lock_timeout="300ms")), (IN_DROP,)) as stuck:
        time.sleep(1)
        stuck.holder.close()
        outcome = ended(stuck.process)
    assert outcome.status == 0, outcome.output
    assert flags(url) == {}


@pytest.mark.parametrize(("holder", "leftover"), [(SNAPSHOT, "ix_a_ccnew"), (READER, "ix_a_ccold")])
@pytest.mark.parametrize("again", ["reindex", "build", "replace"])
def test_what_an_interrupted_rebuild_leaves_is_swept_and_the_index_stays_usable(
    url: str, deploying: Deploying, holder: str, leftover: str, again: str
) -> None:
    body = {"reindex": reindex, "build": build, "replace": replacement}[again]()
    run(url, CREATE)
    interrupted(url, REINDEX, holder)
    assert flags(url)["ix_a"] == (True, True)
    assert not flags(url)[leftover][0]
    deploying(body).again()
    assert flags(url) == SOUND


def test_a_rebuild_that_waits_too_long_leaves_the_index_valid_and_its_rerun_leaves_nothing_else(
    url: str, deploying: Deploying
) -> None:
    deploy = deploying(reindex(lock_timeout="500ms"))
    run(url, CREATE)
    with held(url, SNAPSHOT), pytest.raises(CommandError, match="lock timeout"):
        deploy.again()
    assert flags(url)["ix_a"] == (True, True)
    deploy.again()
    assert flags(url) == SOUND


@pytest.mark.parametrize("setting", ["statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout"])
def test_the_timeouts_of_the_database_do_not_cut_a_build_short(url: str, deploying: Deploying, setting: str) -> None:
    with connect(url, autocommit=True) as connection:
        if setting == "transaction_timeout" and connection.info.server_version < 170000:
            pytest.skip("transaction_timeout came with PostgreSQL 17")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {setting} = '400ms'".encode())
    with led_into(deploying(build()), (IN_BUILD,)) as stuck:
        time.sleep(1)
        stuck.holder.close()
        outcome = ended(stuck.process)
    assert outcome.status == 0, outcome.output
    assert flags(url) == SOUND


def test_duplicates_are_named_and_the_rerun_after_they_are_gone_builds_anew(url: str, deploying: Deploying) -> None:
    run(url, "INSERT INTO t (id, a) VALUES (-1, 5)")
    deploy = deploying(build(CREATE.replace("INDEX", "UNIQUE INDEX")))
    with pytest.raises(CommandError, match=r"\(a\)=\(5\) is duplicated"):
        deploy.again()
    assert not flags(url)["ix_a"][0]
    run(url, "DELETE FROM t WHERE id = -1")
    deploy.again()
    assert flags(url) == SOUND


def test_a_second_build_on_the_table_gives_up_without_a_trace_or_waits_its_turn(url: str, deploying: Deploying) -> None:
    deploy = deploying(build(lock_timeout="500ms"))
    other = "CREATE INDEX CONCURRENTLY ix_other ON t (b)"
    with held(url, SNAPSHOT) as holder, background(url, other) as finish:
        await_(lambda: flags(url).get("ix_other") == (False, True))
        with pytest.raises(CommandError, match="lock timeout"):
            deploy.again()
        assert flags(url) == {"ix_other": (False, True)}
        holder.close()
        finish()
    deploy.again()
    assert flags(url) == SOUND | {"ix_other": (True, True)}


def test_a_second_deployer_waits_without_holding_up_the_first(url: str, deploying: Deploying) -> None:
    deploy = deploying(build())
    before = deadlocks(url)
    with led_into(deploy, (IN_BUILD,)) as stuck:
        second = Deploy(deploy.project, url).start()
        # Long enough for a deadlock to be detected.
        time.sleep(2)
        assert second.poll() is None
        stuck.holder.close()
        outcomes = ended(stuck.process), ended(second)
    assert [outcome.status for outcome in outcomes] == [0, 0], outcomes
    assert deadlocks(url) == before
    assert flags(url) == SOUND


def test_the_swap_waits_for_nobody_who_reads_the_table(url: str, deploying: Deploying) -> None:
    run(url, CREATE)
    deploy = deploying(replacement())
    with led_into(deploy, (IN_DROP,)) as stuck:
        # The reader that began before the deploy has not ended, and the new definition has the name.
        assert "INCLUDE (b)" in deploy.facts()["ix_a"].ddl
        assert flags(url)["ix_a"] == (True, True)
        stuck.holder.close()
        assert ended(stuck.process).status == 0
    assert flags(url) == SOUND


def test_a_drop_that_waits_blocks_neither_readers_nor_writers(url: str, deploying: Deploying) -> None:
    run(url, CREATE)
    with led_into(deploying(drop()), (IN_DROP,)) as stuck:
        run(url, "SET lock_timeout = '100ms'", "SELECT b FROM t WHERE a = 8", "UPDATE t SET b = 1 WHERE a = 8")
        stuck.holder.close()
        assert ended(stuck.process).status == 0
    assert flags(url) == {}


PARENT = "CREATE INDEX ix_a ON public.p USING btree (a)"
LEAVES = ("p_1", "p_2", "p_3_0", "p_3_1")


def test_an_index_of_a_partitioned_table_is_valid_once_every_partition_has_its_own(
    url: str, deploying: Deploying
) -> None:
    deploy = deploying(build(PARENT, table="p"))
    wait = Wait(holder="BEGIN; UPDATE p_2 SET s = 'w' WHERE id = 1", statement="^CREATE INDEX", phase=IN_WRITERS)
    with led_into(deploy, (wait,)) as stuck:
        assert not flags(url, "p")["ix_a"][0]
        run(url, "SET lock_timeout = '100ms'", *(f"UPDATE {leaf} SET s = 'v' WHERE a = 5" for leaf in ("p", *LEAVES)))
        stuck.holder.close()
        outcome = ended(stuck.process)
    assert outcome.status == 0, outcome.output
    assert flags(url, "p") == SOUND
    children = [(name, parent) for name, parent, whole in deploy.tree() if parent and whole]
    assert len(children) == len(LEAVES) + 1


def test_a_writer_through_the_parent_delays_its_index_and_not_for_long_the_writers_behind_it(
    url: str, deploying: Deploying
) -> None:
    deploy = deploying(build(PARENT, table="p"))
    with held(url, "BEGIN; UPDATE p SET s = 'w' WHERE id = 1") as holder:
        process = deploy.start()
        longest_seconds, until = 0.0, time.monotonic() + 4
        while time.monotonic() < until:
            began = time.monotonic()
            run(url, "UPDATE p SET s = 'v' WHERE id = 5")
            longest_seconds = max(longest_seconds, time.monotonic() - began)
        holder.close()
        outcome = ended(process)
    assert outcome.status == 0, outcome.output
    assert longest_seconds < 1.9
    assert flags(url, "p") == SOUND


def test_a_reader_of_the_whole_table_holds_up_no_part_of_its_index(url: str, deploying: Deploying) -> None:
    # ATTACH of the last part of an index that is a part itself would take ACCESS EXCLUSIVE on the table at the top.
    deploy = deploying(build(PARENT, table="p"))
    with held(url, "BEGIN; SELECT a FROM p WHERE a = 7"):
        outcome = deploy.run(seconds=20)
    assert outcome.status == 0, outcome.output
    assert "no lock" not in outcome.output
    assert flags(url, "p") == SOUND


def test_matching_indexes_of_partitions_are_attached_not_built(url: str, deploying: Deploying) -> None:
    run(url, *(f"CREATE INDEX {leaf}_mine ON {leaf} (a)" for leaf in LEAVES))
    deploy = deploying(build(PARENT, table="p"))
    with connect(url) as connection:
        query = "SELECT oid::bigint AS oid, relname FROM pg_catalog.pg_class WHERE relname LIKE '%mine' ORDER BY 1"
        before = connection.execute(query).fetchall()
        connection.commit()
        deploy.again()
        assert connection.execute(query).fetchall() == before
    assert flags(url, "p") == SOUND
    parents = {name: parent for name, parent, _whole in deploy.tree()}
    assert all(parents[f"{leaf}_mine"] for leaf in LEAVES)
    assert len([parent for parent in parents.values() if parent]) == len(LEAVES) + 1


def test_the_drop_of_a_partitioned_index_is_tried_for_short_moments(url: str, deploying: Deploying) -> None:
    run(url, PARENT)
    body = 'op.drop_index_online("ix_a", "p", schema="public", sql="DROP INDEX public.ix_a", lock_timeout="300ms")'
    wait = Wait(holder="BEGIN; SELECT a FROM p WHERE a = 7", statement="^DROP")
    with led_into(deploying(body), (wait,)) as stuck:
        for _turn in range(5):
            # Whoever comes behind it gets through when the attempt gives up.
            run(url, "SET lock_timeout = '2s'", "SELECT a FROM p WHERE a = 8")
        stuck.holder.close()
        outcome = ended(stuck.process)
    assert outcome.status == 0, outcome.output
    assert flags(url, "p") == {}


def test_no_connection_of_the_deploy_sits_in_a_transaction_while_it_builds(url: str, deploying: Deploying) -> None:
    with led_into(deploying(build()), (IN_BUILD,)) as stuck, connect(url, autocommit=True) as connection:
        unrelated = {"mine": [connection.info.backend_pid, stuck.holder.info.backend_pid, stuck.pid]}
        until = time.monotonic() + 3
        while time.monotonic() < until:
            time.sleep(0.05)
            rows = connection.execute(
                "SELECT pid, state, query FROM pg_catalog.pg_stat_activity "
                "WHERE datname = pg_catalog.current_database() AND pid <> ALL (%(mine)s) "
                "AND clock_timestamp() - xact_start > interval '1 s' ORDER BY 1",
                unrelated,
            ).fetchall()
            assert rows == []
        stuck.holder.close()
        assert ended(stuck.process).status == 0
    assert flags(url) == SOUND
