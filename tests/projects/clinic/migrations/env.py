"""The migrations of the clinics, through an async engine as Alembic's template has it."""

import asyncio
import os

from alembic import context
from clinic.models import Base
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

import analyzer.migrate.alembic_plugin  # noqa: F401  # pyright: ignore[reportUnusedImport]


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Look at what is shared, and at the schemas of the clinics."""
    return kind != "schema" or name == "shared" or (name or "").startswith("clinic_")


def include_object(_item: object, _name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """Leave alone the tables of the clinics, which have no models."""
    return not (kind == "table" and reflected and compare_to is None)


def migrate(connection: Connection) -> None:
    """Run the revisions on the connection below the async one."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_schemas=True,
        include_name=include_name,
        include_object=include_object,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    """Connect as the application does."""
    engine = create_async_engine(os.environ["CLINIC_URL"], poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(main())
