"""Run the revisions: against the URL a caller set, DATABASE_URL, `sqlalchemy.url`, or the development cluster."""

import contextlib
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

# Registers op.build_index and op.drop_index_online.
import analyzer.migrate.alembic_plugin  # noqa: F401  # pyright: ignore[reportUnusedImport]
from analyzer.db import sqlalchemy_url
from analyzer.demo.models import metadata
from analyzer.migrate.lock import one_deploy
from analyzer.twin.server.cluster import development

SCHEMAS = frozenset(table.schema for table in metadata.tables.values())
#: Alembic takes their partitions for tables that no model declares.
PARTITIONED = tuple(
    table for table in metadata.tables.values() if table.dialect_options["postgresql"]["partition_by"] is not None
)


def main() -> None:
    """Write the SQL with `--sql`, else run it."""
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", literal_binds=True, **OPTIONS)
        _migrate()
        return
    with (
        _database() as url,
        create_engine(url, poolclass=NullPool).connect() as connection,
        one_deploy(connection),
    ):
        # Not one statement before configure(): a transaction already open would forbid concurrent index builds.
        context.configure(connection=connection, **OPTIONS)
        _migrate()


def _include_name(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
    """Look at the platform's own schemas only, the database may hold others, and at no single partition."""
    if kind == "table":
        return not any(
            parents.get("schema_name") == table.schema and str(name).startswith(f"{table.name}_")
            for table in PARTITIONED
        )
    return kind != "schema" or name in SCHEMAS


def _include_object(_object: object, _name: str | None, kind: str, reflected: bool, compared: object) -> bool:  # noqa: FBT001 - Alembic's signature
    """Leave alone the indexes that neither a model nor a spec names; twindex compares the specs by itself."""
    return not (kind == "index" and reflected and compared is None)


#: One transaction a revision, so that a failed one takes back itself and nothing else.
OPTIONS: dict[str, Any] = {
    "target_metadata": metadata,
    "transaction_per_migration": True,
    "include_schemas": True,
    "include_name": _include_name,
    "include_object": _include_object,
}


def _migrate() -> None:
    with context.begin_transaction():
        context.run_migrations()


@contextlib.contextmanager
def _database() -> Generator[str]:
    configured: str | None = (
        context.config.attributes.get("url")
        or os.environ.get("DATABASE_URL")
        or context.config.get_main_option("sqlalchemy.url")
    )
    if configured:
        yield sqlalchemy_url(configured)
        return
    with development(Path(".twindex"), settings={"shared_preload_libraries": "pg_stat_statements"}) as cluster:
        cluster.ensure_database("platform")
        yield sqlalchemy_url(cluster.url("platform"))


main()
