"""A small table, its index steps, and the connection and options they run with."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from analyzer.db import connect, sqlalchemy_url
from analyzer.migrate.deploy.online import Target
from analyzer.migrate.deploy.session import LOG
from tests.server.spec_project import SpecProject

A = Target(
    schema="public", table="t", name="ix_a", lock_timeout="10s",
    sql="CREATE INDEX CONCURRENTLY ix_a ON public.t USING btree (a) WHERE b LIKE '%x'",
)  # fmt: skip
UNIQUE = replace(A, sql="CREATE UNIQUE INDEX CONCURRENTLY ix_a ON public.t USING btree (a)")
B = replace(A, sql="CREATE INDEX CONCURRENTLY ix_a ON public.t (b)")
DROP = replace(A, sql="DROP INDEX CONCURRENTLY IF EXISTS public.ix_a")
SETTINGS = ("lock_timeout", "statement_timeout", "maintenance_work_mem")
TABLE = """
CREATE TABLE t (a int, b text, c int CONSTRAINT t_c_key UNIQUE);
INSERT INTO t SELECT n, n::text, n FROM generate_series(1, 100) AS n
"""


@contextmanager
def deployer(url: str) -> Generator[Connection]:
    """Yield a connection as env.py has one, and see that the session is left as it was."""
    engine = create_engine(sqlalchemy_url(url))
    with engine.connect() as connection:
        for name, value in zip(SETTINGS, ("7s", "9min", "5MB"), strict=True):
            connection.exec_driver_sql(f"SET {name} = '{value}'")
        connection.commit()
        yield connection
        values = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in SETTINGS]
        assert values == ["7s", "9min", "5MB"]
    engine.dispose()


def configured(connection: Connection, **options: str) -> MigrationContext:
    """Return a context with options of alembic.ini; by default nothing is built plainly, and a deploy gives up soon."""
    config = Config()
    for name, value in {"plain_build": "0", "lock_attempts": "2", "lock_pause_seconds": "0.1", **options}.items():
        config.set_main_option(f"twindex_{name}", value)
    environment = EnvironmentContext(config, ScriptDirectory("."))
    return MigrationContext.configure(connection, environment_context=environment)


def state(url: str, pattern: str = "ix%") -> dict[str, tuple[bool, int]]:
    """Return validity and oid of the indexes that match a pattern."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT c.relname AS name, i.indisvalid AS valid, c.oid::bigint AS oid FROM pg_catalog.pg_index AS i "
            "JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid WHERE c.relname LIKE %(pattern)s ORDER BY 1",
            {"pattern": pattern},
        ).fetchall()
    return {row["name"]: (row["valid"], row["oid"]) for row in rows}


@contextmanager
def open_writer(url: str) -> Generator[psycopg.Connection[dict[str, object]]]:
    """Hold a transaction open that has written to the table: a concurrent build waits for it."""
    with connect(url) as writer:
        writer.execute("UPDATE t SET b = 'w' WHERE a = 1")
        yield writer
        writer.rollback()


@contextmanager
def when_logged(text: str, do: Callable[[], object]) -> Generator[None]:
    """Do something when a deploy logs a text, before it goes on."""

    def seen(record: logging.LogRecord) -> bool:
        if text in record.getMessage():
            do()
        return True

    LOG.addFilter(seen)
    try:
        yield
    finally:
        LOG.removeFilter(seen)


def guarded(project: SpecProject) -> None:
    """Have env.py hold the lock around all of a run, as docs/deploy.md asks for."""
    env = project.versions.parent / "env.py"
    bare, guard = "with engine.connect() as connection:", "with engine.connect() as connection, one_deploy(connection):"
    text = env.read_text()
    assert bare in text
    env.write_text("from analyzer.migrate.lock import one_deploy\n" + text.replace(bare, guard))


def upgrade(project: SpecProject, *arguments: str) -> "subprocess.Popen[str]":
    """Begin `alembic upgrade head` of a project as a process of its own."""
    line = [sys.executable, "-m", "alembic", *arguments, "-c", str(project.ini), "upgrade", "head"]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def await_(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
