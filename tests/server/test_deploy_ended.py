"""A step that an administrator cancels or terminates is over, of whatever kind: one line, and nothing else is tried."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from analyzer.db import connect, sqlalchemy_url
from analyzer.migrate.deploy import online, statistics
from analyzer.migrate.deploy.target import DeployError, Target
from tests.server.executor import DROP, TABLE, A, configured, state

Step = Callable[[MigrationContext], None]
INDEX = "CREATE INDEX ix_a ON t (a)"
STATISTICS = replace(A, name="st", sql="CREATE STATISTICS public.st ON a, c FROM t")
PARTITIONED = replace(A, table="p", sql="CREATE INDEX ix_a ON ONLY public.p USING btree (a)")
_WRITER, _LOCK = "UPDATE t SET b = 'w' WHERE a = 1", "LOCK TABLE t IN {} MODE"
_SHORT = _LOCK.format("SHARE UPDATE EXCLUSIVE")
_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ %(statement)s ORDER BY pid
"""


def of_index(verb: Callable[[MigrationContext, Target], None], target: Target) -> Step:
    return lambda context: verb(context, target)


def rename(context: MigrationContext) -> None:
    online.rename_index(context, replace(A, sql="ALTER INDEX public.ix_a RENAME TO ix_b"), "ix_b")


#: What there is before, what holds the step up, the statement that waits then, and the step.
STEPS: dict[str, tuple[str, str, str, Step]] = {
    "plain build": ("", _WRITER, "^CREATE INDEX ix_a", of_index(online.build_index, A)),
    "concurrent build": ("", _WRITER, "^CREATE INDEX CONCURRENTLY", of_index(online.build_index, A)),
    "look at the definition": (
        "", _LOCK.format("ACCESS EXCLUSIVE"), ".", of_index(online.build_index, A),
    ),
    "comparison": (
        INDEX, _LOCK.format("ACCESS EXCLUSIVE"), ".", of_index(online.replace_index, A),
    ),
    "swap": (INDEX, "COMMENT ON INDEX ix_a IS 'held'", "^ALTER INDEX", of_index(online.replace_index, A)),
    "drop": (INDEX, _WRITER, "^DROP INDEX", of_index(online.drop_index, DROP)),
    "rename": (INDEX, "COMMENT ON INDEX ix_a IS 'held'", "^ALTER INDEX", rename),
    "reindex": (
        INDEX, _WRITER, "^REINDEX",
        of_index(online.reindex_index, replace(A, sql="REINDEX INDEX CONCURRENTLY public.ix_a")),
    ),
    "partition": (
        "", "UPDATE p_1 SET a = 2", "^CREATE INDEX CONCURRENTLY", of_index(online.build_index, PARTITIONED),
    ),
    "statistics": ("", _SHORT, "^CREATE STATISTICS", of_index(statistics.create_statistics, STATISTICS)),
    "analyze": ("", _SHORT, "^ANALYZE", of_index(statistics.analyze_table, replace(A, sql="ANALYZE public.t"))),
}  # fmt: skip


@contextmanager
def ended(url: str, holder: str, statement: str, function: str) -> Generator[None]:
    """Hold a step up, and end it once it waits."""
    with connect(url) as blocker, connect(url, autocommit=True) as administrator:
        blocker.execute(holder.encode())

        def end() -> None:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                for row in administrator.execute(_WAITING, {"statement": statement}).fetchall():
                    administrator.execute(f"SELECT {function}({row['pid']})".encode())
                    return
                time.sleep(0.01)

        thread = threading.Thread(target=end)
        thread.start()
        try:
            yield
        finally:
            thread.join()


@pytest.fixture
def url(database: str) -> str:
    with connect(database) as connection:
        connection.execute(TABLE.encode())
    return database


@pytest.mark.parametrize("function", ["pg_cancel_backend", "pg_terminate_backend"])
@pytest.mark.parametrize("kind", STEPS)
def test_a_step_that_is_ended_is_over(url: str, kind: str, function: str, caplog: pytest.LogCaptureFixture) -> None:
    before, holder, statement, step = STEPS[kind]
    with connect(url) as other:
        other.execute("CREATE TABLE p (a int) PARTITION BY RANGE (a)")
        other.execute("CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (9)")
        other.execute("INSERT INTO p VALUES (1)")
        other.execute(before.encode())
    plain_build = "16MB" if kind == "plain build" else "0"
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        context = configured(connection, plain_build=plain_build)
        said = "due to user request" if "cancel" in function else "administrator command|closed the connection"
        with ended(url, holder, statement, function), pytest.raises(DeployError, match=said) as failed:
            step(context)
        assert "\n" not in str(failed.value)
        assert "alembic" in str(failed.value)
        assert "fix the spec" not in str(failed.value)
    assert "building concurrently" not in caplog.text
    if kind == "plain build":
        assert state(url) == {}
    with engine.connect() as connection:
        step(configured(connection, plain_build=plain_build))
    assert all(valid for valid, _ in state(url).values())
