"""The migrations of the market: schemas and version table of its own, settings before anything else."""

import os
from typing import Any

import sqlalchemy as sa
from alembic import context
from market.models import Base

import analyzer.migrate.alembic_plugin  # noqa: F401  # pyright: ignore[reportUnusedImport]
from analyzer.migrate.lock import one_deploy

SCHEMAS = {None, "public", "ops"}
#: Made and kept by raw SQL.
RAW = {"event", "seller_month", "spatial_ref_sys"}
#: The indexes of the models that no `Index` can say, made by raw SQL.
RAW_INDEXES = {"ix_listing_live_price", "ix_account_name_trgm"}


def include_name(name: str | None, kind: str, parents: dict[str, str | None]) -> bool:
    """Leave the schemas of others alone."""
    if kind == "schema":
        return name in SCHEMAS
    return kind != "table" or not (name in RAW or str(name).startswith("event_"))


def include_object(_object: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
    """Leave what raw SQL made."""
    return not (kind == "index" and reflected and compared is None and name in RAW_INDEXES)


options: dict[str, Any] = {
    "target_metadata": Base.metadata,
    "include_schemas": True,
    "include_name": include_name,
    "include_object": include_object,
    "version_table": "revision",
    "version_table_schema": "ops",
    "compare_server_default": False,
    "transaction_per_migration": True,
}

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = sa.create_engine(
        os.environ["MARKET_URL"], connect_args={"application_name": "market migrations"}, poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        # What this project's deploys set before anything runs; committed, so that index builds can run by themselves.
        connection.execute(sa.text("SELECT set_config('timezone', 'UTC', false)"))
        connection.execute(sa.text("SET lock_timeout = '10s'"))
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS ops"))
        connection.commit()
        context.configure(connection=connection, **options)
        with one_deploy(connection), context.begin_transaction():
            context.run_migrations()
