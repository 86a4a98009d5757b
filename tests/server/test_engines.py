"""A deploy through every kind of engine that an env.py makes: its steps, its progress, and its failures in one line."""

import threading
import time
from argparse import Namespace
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from analyzer.db import connect
from tests.server.spec_project import SpecProject

MODELS = """
import analyzer.migrate.alembic_plugin
import asyncio
from alembic import context
from analyzer.migrate.lock import one_deploy
from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, event, pool
from sqlalchemy.ext.asyncio import async_engine_from_config, create_async_engine

metadata = MetaData()
for name in ("t", "u"):
    Table(name, metadata, Column("id", Integer, primary_key=True), Column("a", Integer), Column("s", Text))

def run(connection):
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
    with {guard}context.begin_transaction():
        context.run_migrations()

url = context.config.get_main_option("sqlalchemy.url").replace("postgresql+psycopg:", "postgresql+{driver}:")
"""
SYNC = """
engine = create_engine(url, {options})
{listener}
try:
    with engine.connect() as connection:
        run(connection)
finally:
    engine.dispose()
"""
#: As Alembic's own template has it.
ASYNC = """
async def run_async():
    engine = create_async_engine(url, {options})
    {listener}
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()

asyncio.run(run_async())
"""
THE_DRIVERS_OWN = """
@event.listens_for(engine, "handle_error")
def unwrap(context):
    raise context.original_exception from context.sqlalchemy_exception
"""
AN_ERROR_OF_THE_PROJECT = """
class DatabaseError(Exception):
    pass

@event.listens_for(engine, "handle_error")
def wrap(context):
    raise DatabaseError("the database said no") from context.sqlalchemy_exception
"""
A_ROLE = """
@event.listens_for(engine, "connect")
def become(connection, record):
    cursor = connection.cursor()
    cursor.execute("SET ROLE deployer")
    cursor.close()
    connection.commit()
"""
#: Driver, arguments of create_engine(), and what listens.
KINDS = {
    "psycopg": ("psycopg", "", ""),
    "psycopg2": ("psycopg2", "", ""),
    "psycopg_async": ("psycopg_async", "poolclass=pool.NullPool", ""),
    "asyncpg": ("asyncpg", "poolclass=pool.NullPool", ""),
    "NullPool": ("psycopg", "poolclass=pool.NullPool", ""),
    "StaticPool": ("psycopg", "poolclass=pool.StaticPool", ""),
    "one connection": ("psycopg", "pool_size=1, max_overflow=0", ""),
    "pre-ping": ("psycopg", "pool_pre_ping=True", ""),
    "AUTOCOMMIT": ("psycopg", "isolation_level='AUTOCOMMIT'", ""),
    "psycopg2 AUTOCOMMIT": ("psycopg2", "isolation_level='AUTOCOMMIT'", ""),
    "asyncpg AUTOCOMMIT": ("asyncpg", "isolation_level='AUTOCOMMIT'", ""),
    "SET ROLE": ("psycopg", "", A_ROLE),
    "the driver's errors": ("psycopg", "", THE_DRIVERS_OWN),
    "psycopg2's errors": ("psycopg2", "", THE_DRIVERS_OWN),
    "the project's errors": ("psycopg", "", AN_ERROR_OF_THE_PROJECT),
}
SCHEMA = """
GRANT CREATE ON SCHEMA public TO deployer;
GRANT deployer TO CURRENT_USER;
CREATE TABLE t (id int PRIMARY KEY, a int, s text);
CREATE TABLE u (id int PRIMARY KEY, a int, s text);
INSERT INTO t SELECT n, n / 2, n::text FROM generate_series(1, 100) AS n;
INSERT INTO u SELECT n, n / 2, n::text FROM generate_series(1, 100) AS n
"""
OWNED = "ALTER TABLE t OWNER TO deployer;\nALTER TABLE u OWNER TO deployer"


def written(project: SpecProject, kind: str, *, guarded: bool = True) -> None:
    """Write the project's env.py for a kind of engine."""
    driver, options, listener = KINDS[kind]
    guard = "one_deploy(connection), " if guarded else ""
    template = ASYNC if driver in {"asyncpg", "psycopg_async"} else SYNC
    text = MODELS.replace("{guard}", guard).replace("{driver}", driver)
    text += template.replace("{options}", options).replace("{listener}", listener)
    (project.versions.parent / "env.py").write_text(text)


@pytest.fixture
def project(tmp_path: Path, database: str) -> SpecProject:
    return SpecProject(tmp_path, database, schema=SCHEMA)


@pytest.fixture(scope="module", autouse=True)
def role(server: str) -> Generator[None]:
    with connect(server, autocommit=True) as connection:
        connection.execute("CREATE ROLE deployer")
    yield
    with connect(server, autocommit=True) as connection:
        connection.execute("DROP ROLE deployer")


def upgrade(project: SpecProject, **options: str) -> None:
    config = Config(project.ini, cmd_opts=Namespace(x=[f"twindex_{name}={value}" for name, value in options.items()]))
    command.upgrade(config, "head")


@contextmanager
def blocked(project: SpecProject, log: pytest.LogCaptureFixture, awaited: str) -> Generator[None]:
    """Hold up concurrent builds on both tables until the log says something."""
    text = log.handler.stream
    with connect(project.url) as writer:
        writer.execute("UPDATE t SET s = 'w' WHERE id = 1")
        writer.execute("UPDATE u SET s = 'w' WHERE id = 1")

        def release() -> None:
            deadline = time.monotonic() + 20
            while awaited not in text.getvalue() and time.monotonic() < deadline:
                time.sleep(0.02)
            writer.rollback()

        thread = threading.Thread(target=release)
        thread.start()
        try:
            yield
        finally:
            thread.join()
    assert awaited in log.text


@pytest.mark.parametrize("guarded", [True, False], ids=["one_deploy", "no lock"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_engine_deploys_and_fails_in_one_line(
    project: SpecProject,
    kind: str,
    guarded: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("analyzer.migrate.deploy.watch._FIRST_LOOK_SECONDS", 0.05)
    caplog.set_level("INFO")
    written(project, kind, guarded=guarded)
    if kind == "SET ROLE":
        project.run(OWNED)
    project.declare("{name: ix_a, keys: [a]}")
    project.declare("{name: ix_b, keys: [s]}", table="public.u", file="u.yaml")
    assert project.autogenerate() is not None
    with blocked(project, caplog, "waits for pid"):
        upgrade(project, plain_build="0", jobs="2")
    assert {name: fact.valid for name, fact in project.facts().items()} == {"ix_a": True, "ix_b": True}
    assert project.check() == []

    project.declare(
        "{name: ix_a, keys: [a, s], comment: new}\n{name: ix_c, keys: [s]}", statistics="{name: st, columns: [a, s]}"
    )
    assert project.autogenerate() is not None
    upgrade(project)
    assert project.facts().keys() == {"ix_a", "ix_b", "ix_c", "statistics st"}
    assert project.check() == []

    project.declare("{name: ix_a, keys: [a, s], comment: new}\n{name: ix_c, keys: [s], state: retired}")
    project.declare("{name: ix_b, keys: [a], unique: true}", table="public.u", file="u.yaml")
    assert project.autogenerate() is not None
    with pytest.raises(CommandError, match=r"could not create unique index.*; run alembic upgrade again") as failed:
        upgrade(project, plain_build="0")
    assert "\n" not in str(failed.value)
    assert project.facts()["ix_b"].valid
    project.run("DELETE FROM u WHERE id % 2 = 1")
    upgrade(project, plain_build="0")
    assert project.facts().keys() == {"ix_a", "ix_b", "statistics st"}
    assert project.check() == []
