"""Around the steps of a deploy: who holds it up is named, one runs at a time, an interrupt is told."""

import signal
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from analyzer.db import connect, libpq_url, sqlalchemy_url
from analyzer.migrate.deploy.deploy_lock import KEY, one_deploy
from analyzer.migrate.deploy.online import DeployError, build_index, drop_index, rename_index
from analyzer.migrate.deploy.options import Options
from tests.server.executor import DROP, A, await_, configured, guarded, open_writer, state, upgrade
from tests.server.spec_project import SpecProject


@pytest.mark.parametrize("private", ["no", "yes"])
def test_the_watcher_names_phase_and_blocker_and_its_statement_unless_private(
    url: str, connection: Connection, caplog: pytest.LogCaptureFixture, private: str
) -> None:
    context = configured(connection, private=private)
    with open_writer(url) as writer:
        writer.execute("SELECT 'secret' AS \"PASSWORD 'hush'\"")
        threading.Timer(2, writer.rollback).start()
        build_index(context, A)
        pid = writer.info.backend_pid
    text = next(record.getMessage() for record in caplog.records if "waiting for writers" in record.getMessage())
    assert text.startswith("building public.ix_a: waiting for writers before build")
    assert f"waits for pid {pid} (role postgres, application twindex, idle in transaction, for " in text
    assert ("secret" in text) == (private == "no")
    assert "hush" not in text


def test_the_watcher_sees_drops_and_short_steps_too(
    url: str, context: MigrationContext, caplog: pytest.LogCaptureFixture
) -> None:
    build_index(context, A)
    with connect(url) as blocker:
        blocker.execute("COMMENT ON INDEX ix_a IS 'held'")
        threading.Timer(1.5, blocker.rollback).start()
        rename = replace(A, sql="ALTER INDEX public.ix_a RENAME TO ix_b", lock_timeout="5s")
        rename_index(context, rename, "ix_b")
        rename_index(context, replace(rename, name="ix_b", sql="ALTER INDEX public.ix_b RENAME TO ix_a"), "ix_a")
    with open_writer(url) as writer:
        threading.Timer(1.5, writer.rollback).start()
        drop_index(context, DROP)
    assert "renaming public.ix_a; waits for pid" in caplog.text
    assert "dropping public.ix_a; waits for pid" in caplog.text


def test_a_deploy_goes_on_without_a_watcher_that_cannot_connect(url: str, caplog: pytest.LogCaptureFixture) -> None:
    made: list[psycopg.Connection] = []

    def once() -> psycopg.Connection:
        if made:
            raise psycopg.OperationalError("the server takes no more connections; password=hush")
        made.append(psycopg.connect(libpq_url(url)))
        return made[0]

    engine = create_engine(sqlalchemy_url(url), creator=once)
    with engine.connect() as connection, open_writer(url) as writer:
        threading.Timer(1.5, writer.rollback).start()
        build_index(configured(connection), A)
    engine.dispose()
    assert "no progress is shown, because the monitoring connection failed: the server takes no more" in caplog.text
    assert state(url)["ix_a"][0]


def test_the_watcher_holds_no_snapshot_between_its_looks(url: str, context: MigrationContext) -> None:
    looks: list[dict[str, str | None]] = []

    def look() -> None:
        with connect(url, autocommit=True) as other:
            for _ in range(15):
                looks.extend(
                    other.execute(
                        "SELECT state, backend_xmin::text AS xmin, xact_start::text AS began "
                        "FROM pg_catalog.pg_stat_activity "
                        "WHERE application_name = 'twindex watcher'"
                    ).fetchall()
                )
                time.sleep(0.1)

    with open_writer(url) as writer:
        thread = threading.Thread(target=look)
        thread.start()
        threading.Timer(1.8, writer.rollback).start()
        build_index(context, A)
        thread.join()
    assert {"state": "idle", "xmin": None, "began": None} in looks
    # A look may meet a statement of the watcher's; what a watcher holds between its looks, nearly all of ours meet.
    longest_seen = Counter(look["began"] for look in looks if look["began"]).most_common(1)
    assert not longest_seen or longest_seen[0][1] <= 5
    assert len([look for look in looks if look["xmin"]]) <= 5


def test_a_second_deploy_waits_without_a_snapshot_and_names_the_first(
    url: str, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(url, autocommit=True, application="first deploy") as first:
        first.execute("SELECT pg_advisory_lock(%(key)s)", {"key": KEY})
        with pytest.raises(DeployError, match=r"another deploy of this database did not end within 1 s: pid \d+"):
            build_index(configured(connection, deploy_wait_seconds="1"), A)
        threading.Timer(1, lambda: first.execute("SELECT pg_advisory_unlock_all()")).start()
        build_index(configured(connection), A)
    assert "another deploy is running, pid" in caplog.text
    assert "application first deploy" in caplog.text
    assert state(url)["ix_a"][0]


def test_the_lock_of_a_failed_step_is_free(url: str, context: MigrationContext) -> None:
    with open_writer(url), pytest.raises(DeployError):
        build_index(context, replace(A, lock_timeout="200ms"))
    engine = create_engine(sqlalchemy_url(url))
    with engine.connect() as other, one_deploy(other, Options(deploy_wait_seconds=0)):
        assert not other.in_transaction()
    engine.dispose()


def project_of(directory: Path, url: str, *, env: dict[str, str] | None = None) -> SpecProject:
    """A project with a revision that builds on a table with rows."""
    project = SpecProject(directory, url, env=env)
    project.run("INSERT INTO t SELECT n, n FROM generate_series(1, 100) AS n")
    project.declare("{name: ix, keys: [a]}")
    assert project.autogenerate() is not None
    project.ini.write_text(project.ini.read_text() + "twindex_plain_build = 0\n")
    return project


def await_held_up(url: str, *, polls: str = "pg_try_advisory_lock") -> None:
    """Wait until one deploy waits for a writer, and another one for the first: `polls` is what it last asked."""
    query = """
        SELECT count(*) FILTER (WHERE query ~ %(polls)s AND state = 'idle') AS waiting,
               count(*) FILTER (WHERE query ~ '^CREATE INDEX' AND state = 'active') AS building
          FROM pg_stat_activity WHERE datname = current_database()"""
    with connect(url, autocommit=True) as other:
        await_(lambda: other.execute(query, {"polls": polls}).fetchall() == [{"waiting": 1, "building": 1}])


def test_two_deploys_at_once_end_well(tmp_path: Path, database: str) -> None:
    project = project_of(tmp_path, database)
    project.upgrade()  # else both make Alembic's table, and one fails before any step
    project.downgrade()
    with connect(database) as writer:
        writer.execute("UPDATE t SET b = 1 WHERE id = 1")
        both = [upgrade(project), upgrade(project)]
        await_held_up(database)
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert "another deploy completed everything" in "".join(outputs)


def test_around_all_of_a_run_the_second_deploy_of_a_new_database_finds_nothing_to_do(
    tmp_path: Path, database: str
) -> None:
    project = project_of(tmp_path, database)
    guarded(project)
    with connect(database) as writer:
        writer.execute("UPDATE t SET b = 1 WHERE id = 1")
        both = [upgrade(project), upgrade(project)]
        await_held_up(database, polls="COMMIT|ROLLBACK")
        time.sleep(1)  # it may have been another COMMIT, on the way there
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    # The one that waits does so before it reads where the database is, and then there is nothing to run.
    assert sum("another deploy is running, pid" in output for output in outputs) == 1
    assert not any("completed everything" in output for output in outputs)
    assert state(database, "ix")["ix"][0]


def test_around_all_of_a_run_a_lost_connection_is_one_line(tmp_path: Path, database: str) -> None:
    project = SpecProject(tmp_path, database)
    guarded(project)
    suicide = '    op.execute("SELECT pg_terminate_backend(pg_backend_pid())")\n'
    (project.versions / "0001_lost.py").write_text(REVISION + suicide)
    process = upgrade(project)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 255, output
    assert "Traceback" not in output
    last = output.strip().splitlines()[-1]
    assert last.startswith("FAILED: the connection was lost: terminating connection"), output
    assert last.endswith("run alembic again to continue")


def test_around_all_of_a_run_a_wait_is_limited_and_may_be_interrupted(tmp_path: Path, database: str) -> None:
    project = project_of(tmp_path, database)
    guarded(project)
    with connect(database, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%(key)s)", {"key": KEY})
        process = upgrade(project, "-x", "twindex_deploy_wait_seconds=1")
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 255, output
        assert "another deploy of this database did not end within 1 s" in output.strip().splitlines()[-1]
        process = upgrade(project)
        query = (
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT' AND state = 'idle'"
        )
        await_(lambda: len(first.execute(query).fetchall()) == 1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=30)[0]
        assert process.returncode == 130, output
        assert "Traceback" not in output
        assert output.strip().splitlines()[-1].endswith("interrupted; run alembic again")
        # Commands that change nothing wait for nobody.
        command.current(project.config)
        with pytest.raises(CommandError, match="not up to date"):
            command.check(project.config)
    project.upgrade()
    assert state(database, "ix")["ix"][0]


def test_an_interrupt_cancels_the_build_tells_the_state_and_ends_with_130(tmp_path: Path, database: str) -> None:
    project = project_of(tmp_path, database)
    with connect(database) as writer:
        writer.execute("UPDATE t SET b = 1 WHERE id = 1")
        process = upgrade(project)
        await_(lambda: "ix" in state(database, "ix"))
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=30)[0]
        assert process.returncode == 130, output
        assert "interrupted at public.ix: it is INVALID; run alembic again" in output
        assert "Traceback" not in output
        with connect(database, autocommit=True) as other:
            query = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^CREATE INDEX'"
            assert other.execute(query).fetchall() == []
    project.upgrade()
    assert state(database, "ix")["ix"][0]


def test_options_come_from_the_file_and_from_the_command_line(tmp_path: Path, database: str) -> None:
    project = project_of(tmp_path, database)
    for argument, message in (
        ("twindex_tries=3", "unknown option twindex_tries; the options are twindex_lock_timeout, "),
        (
            "twindex_lock_timeout=0",
            "the option twindex_lock_timeout=0: must be a time greater than zero, such as 500ms",
        ),
        ("twindex_lock_timeout=00 s", "must be a time greater than zero"),
        (
            "twindex_lock_pause_seconds=inf",
            "the option twindex_lock_pause_seconds=inf: Input should be a finite number",
        ),
        ("twindex_lock_attempts=0", "the option twindex_lock_attempts=0: Input should be greater than or equal to 1"),
    ):
        process = upgrade(project, "-x", argument)
        output = process.communicate(timeout=30)[0]
        assert process.returncode == 255, output
        assert message in output
        assert "Traceback" not in output


REVISION = """
from alembic import op
import analyzer.migrate.alembic_plugin

revision, down_revision = "0001", None


def upgrade():
"""
