"""The migrations of the clinics, through an async engine as Alembic's template has it."""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from alembic import context
from clinic.models import Base
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

import analyzer.migrate.alembic_plugin  # noqa: F401  # pyright: ignore[reportUnusedImport]


def include_name(name: str | None, kind: str, parents: Mapping[Any, str | None]) -> bool:
    """Compare the tables of what is shared; the clinics have specs, but no models."""
    if kind == "schema":
        return name == "shared" or str(name).startswith("clinic_")
    return parents["schema_name"] == "shared"


def migrate(connection: Connection) -> None:
    """Run the revisions on the connection below the async one."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_schemas=True,
        include_name=include_name,
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
