"""The listed indexes and the table of other types; TPC-H's and TPC-DS's tables are in tpc.py."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from analyzer.db import connect
from analyzer.objects.index import IndexDef
from analyzer.specs.fields import Strict
from analyzer.specs.index import IndexSpec
from analyzer.sql import render, render_text
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.server.databases import copy_database

_FILE = Path(__file__).with_name("twin_indexes.yaml")
_EXTENSIONS = ("vector", "pg_trgm", "pageinspect")
#: Rows of the varied table at scale 1.
_ROWS = 100_000


class Probe(Strict):
    """A small query on an index's table."""

    where: str | None = None
    columns: tuple[str, ...] = ("*",)
    order: str | None = None
    limit: int | None = None


class _ProbedSpec(IndexSpec):
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An index, and the queries it is made for."""

    index: IndexDef
    probes: tuple[str, ...]

    @property
    def has_expression(self) -> bool:
        """Say whether the index brings statistics of its own."""
        return any(key.expression is not None for key in self.index.keys)


def load_listed() -> dict[str, tuple[Listed, ...]]:
    """Load the listed indexes by suite."""
    document: dict[str, dict[str, list[dict[str, Any]]]] = YAML(typ="safe").load(_FILE)  # pyright: ignore[reportUnknownMemberType] - ruamel.yaml's own annotations
    return {
        suite: tuple(
            _listed(table, TypeAdapter(_ProbedSpec).validate_python({"name": f"{table}_{number}"} | entry))
            for table, entries in tables.items()
            for number, entry in enumerate(entries, 1)
        )
        for suite, tables in document.items()
    }


def _listed(table: str, spec: _ProbedSpec) -> Listed:
    probes = tuple(render_text("bench/probe", table=table, probe=probe) for probe in spec.probes)
    return Listed(index=spec.definition("public", table, None), probes=probes)


def loaded_varied(cluster: Cluster, scale: float, tell: Callable[[str], object]) -> str:
    """Return the URL of a database with the table of other types; fill it unless it is there."""
    database = f"varied_{scale:g}"
    with connect(cluster.url(), autocommit=True) as maintenance:
        if maintenance.execute(render("twin/database_exists"), {"database": database}).fetchone():
            return cluster.url(database)
        unfinished = f"{database}_unfinished"
        maintenance.execute(render("twin/drop_database", database=unfinished))
        copy_database(maintenance, unfinished)
        tell(f"{database}: fill")
        create_extensions(cluster.url(unfinished))
        with connect(cluster.url(unfinished), autocommit=True) as connection:
            connection.execute(render("bench/create_varied"))
            connection.execute(render("bench/fill_varied", rows=round(_ROWS * scale)))
            connection.execute(render("bench/vacuum_analyze"))
        maintenance.execute(render("bench/rename_database", old=unfinished, new=database))
    return cluster.url(database)


def create_extensions(url: str) -> None:
    """Create the extensions that the listed indexes are made with."""
    with connect(url, autocommit=True) as connection:
        for extension in _EXTENSIONS:
            connection.execute(render("bench/create_extension", extension=extension))
