"""Take the platform's indexes away, and build them again through its revisions."""

import io
import time
from dataclasses import dataclass

from alembic import command as alembic
from alembic.config import Config

from analyzer import db
from analyzer.demo.project import project_files
from analyzer.demo.story import SCHEMA_REVISION
from analyzer.errors import ConflictError
from analyzer.objects.index import IndexDef
from analyzer.specs.file import load_specs
from analyzer.sql import render
from benchmarks.platform_plans import SCHEMAS


@dataclass(frozen=True, slots=True, kw_only=True)
class Builds:
    """How many indexes were built, and how long all of them took."""

    indexes: int
    seconds: float


def migrate(url: str) -> None:
    """Bring a database to the newest revision."""
    alembic.upgrade(_config(url), "head")


def drop_indexes(url: str) -> None:
    """Leave no index but those of primary keys and unique constraints, which are the tables' own."""
    alembic.downgrade(_config(url), SCHEMA_REVISION)
    with db.connect(url, autocommit=True) as connection:
        for index in _specified():
            connection.execute(render("index/drop_index", schema=index.schema, name=index.name, concurrently=False))
        if left := _free_indexes(connection):
            raise ConflictError(f"these indexes have no spec: {', '.join(sorted(left))}; drop them in drop_indexes()")


def build_indexes(url: str) -> Builds:
    """Build what the revisions build, and then what the specs name beyond that.

    Those of the partitioned table belong to the revision that creates it, which is not run again.
    """
    started = time.perf_counter()
    migrate(url)
    with db.connect(url, autocommit=True) as connection:
        present = _free_indexes(connection)
        for index in _specified():
            if index.name not in present:
                connection.execute(
                    render(f"index/create_{index.method}", index=index, concurrently=False, if_not_exists=False)
                )
        built = len(_free_indexes(connection))
    return Builds(indexes=built, seconds=time.perf_counter() - started)


def _specified() -> list[IndexDef]:
    specs = load_specs(project_files() / "index_specs").indexes
    return [each.spec.definition(each.schema, each.table, rows=None) for each in specs]


def _free_indexes(connection: db.Connection) -> set[str]:
    rows = connection.execute(render("bench/free_indexes"), {"schemas": list(SCHEMAS)}).fetchall()
    return {str(row["name"]) for row in rows}


def _config(url: str) -> Config:
    config = Config(project_files() / "alembic.ini", stdout=io.StringIO())
    config.attributes["url"] = url
    return config
