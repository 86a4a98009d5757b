"""An env.py for every kind of engine that projects make."""

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
CREATE TABLE t (id int PRIMARY KEY, a int, s text);
CREATE TABLE u (id int PRIMARY KEY, a int, s text);
INSERT INTO t SELECT n, n / 2, n::text FROM generate_series(1, 100) AS n;
INSERT INTO u SELECT n, n / 2, n::text FROM generate_series(1, 100) AS n
"""
#: The role of a "SET ROLE" engine.
OWNED = """
GRANT CREATE ON SCHEMA public TO deployer;
GRANT deployer TO CURRENT_USER;
ALTER TABLE t OWNER TO deployer;
ALTER TABLE u OWNER TO deployer
"""


def written(project: SpecProject, kind: str, *, guarded: bool = True) -> None:
    """Write the project's env.py for a kind of engine."""
    driver, options, listener = KINDS[kind]
    guard = "one_deploy(connection), " if guarded else ""
    template = ASYNC if driver in {"asyncpg", "psycopg_async"} else SYNC
    text = MODELS.replace("{guard}", guard).replace("{driver}", driver)
    text += template.replace("{options}", options).replace("{listener}", listener)
    (project.versions.parent / "env.py").write_text(text)
