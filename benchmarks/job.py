"""The Join Order Benchmark's schema with generated data, and queries of the shapes of its 33 families.

V. Leis, A. Gubichev, A. Mirchev, P. Boncz, A. Kemper, T. Neumann, "How good are query optimizers, really?", VLDB 2015.
The benchmark itself is IMDb's data, which may not be passed on.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from analyzer.db import connect
from analyzer.specs.fields import Strict
from analyzer.sql import render, render_text
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.server.databases import copy_database
from benchmarks.job_data import Row, generate
from benchmarks.tpc import Column, Table

_SCHEMA, _QUERIES = (Path(__file__).with_name(name) for name in ("job_schema.yaml", "job_queries.yaml"))
_AT_ONCE = 5_000
#: By alias, digits aside.
_TABLES = {
    "an": "aka_name", "at": "aka_title", "cc": "complete_cast", "cct": "comp_cast_type", "chn": "char_name",
    "ci": "cast_info", "cn": "company_name", "ct": "company_type", "it": "info_type", "k": "keyword", "kt": "kind_type",
    "lt": "link_type", "mc": "movie_companies", "mi": "movie_info", "mk": "movie_keyword", "ml": "movie_link",
    "mx": "movie_info_idx", "n": "name", "pi": "person_info", "rt": "role_type", "t": "title",
}  # fmt: skip
#: Columns that are the same where their tables are joined.
_MOVIE = ("t.id", *(f"{alias}.movie_id" for alias in ("at", "cc", "ci", "mc", "mi", "mk", "ml", "mx")))
_PERSON = ("n.id", *(f"{alias}.person_id" for alias in ("an", "ci", "pi")))
_LOOK_UPS = (
    ("mc.company_id", "cn.id"), ("mc.company_type_id", "ct.id"), ("mk.keyword_id", "k.id"), ("ci.role_id", "rt.id"),
    ("ci.person_role_id", "chn.id"), ("t.kind_id", "kt.id"), ("ml.link_type_id", "lt.id"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """One query, called by its family and variant."""

    name: str
    text: str


class _Family(Strict):
    #: Aliases.
    tables: tuple[str, ...]
    joins: tuple[str, ...] = ()
    output: tuple[str, ...]
    where: str = ""
    variants: dict[str, str]


class _Document(Strict):
    #: Conditions of several families, by the name that these have in braces.
    conditions: dict[str, str]
    families: dict[int, _Family]


def read_tables() -> tuple[Table, ...]:
    """Read the schema."""
    document = TypeAdapter(dict[str, dict[str, str]]).validate_python(_load(_SCHEMA))
    return tuple(
        Table(
            name=name,
            columns=tuple(
                Column(name=column, type=kind.removesuffix("!"), nullable=not kind.endswith("!"))
                for column, kind in columns.items()
            ),
            key=("id",),
        )
        for name, columns in document.items()
    )


def read_queries() -> tuple[JobQuery, ...]:
    """Read all queries, in the order of their families."""
    document = _Document.model_validate(_load(_QUERIES))
    return tuple(
        JobQuery(name=f"{number}{variant}", text=_text(family, conditions, document.conditions))
        for number, family in document.families.items()
        for variant, conditions in family.variants.items()
    )


def _load(file: Path) -> object:
    return YAML(typ="safe").load(file)  # pyright: ignore[reportUnknownMemberType] - ruamel.yaml's own annotations


def _text(family: _Family, variant: str, named: Mapping[str, str]) -> str:
    written = [text for text in (family.where, variant) if text]
    for name, condition in named.items():
        written = [text.replace(f"{{{name}}}", condition) for text in written]
    return render_text(
        "bench/job_query",
        output=family.output,
        tables=[(_TABLES[alias.rstrip("12")], alias) for alias in family.tables],
        conditions=[*written, *_joins(family.tables, family.joins)],
    )


def _joins(aliases: Sequence[str], own: Sequence[str]) -> Iterator[str]:
    yield from own
    said = {side for join in own for side in join.split(" = ")}
    taken = {side.partition(".")[0] for side in said if "movie_id" in side}
    for alike in (_MOVIE, _PERSON):
        present = [column for column in alike if (alias := column.partition(".")[0]) in aliases and alias not in taken]
        yield from (f"{one} = {other}" for one, other in itertools.combinations(present, 2))
    for column, key in _LOOK_UPS:
        if {column.partition(".")[0], key.partition(".")[0]} <= {*aliases}:
            yield f"{column} = {key}"


def loaded(cluster: Cluster, scale: float, tell: Callable[[str], object]) -> str:
    """Return the URL of a database with the data at that scale; generate, vacuum and analyse it unless it is there."""
    database = f"job_{scale:g}"
    with connect(cluster.url(), autocommit=True) as maintenance:
        if maintenance.execute(render("twin/database_exists"), {"database": database}).fetchone():
            return cluster.url(database)
        unfinished = f"{database}_unfinished"
        maintenance.execute(render("twin/drop_database", database=unfinished))
        copy_database(maintenance, unfinished)
        tables = {table.name: table for table in read_tables()}
        for name, rows in generate(scale):
            tell(f"{database}: generate {name}")
            _fill(cluster.url(unfinished), tables[name], rows)
        tell(f"{database}: vacuum and analyse")
        with connect(cluster.url(unfinished), autocommit=True) as connection:
            connection.execute(render("bench/vacuum_analyze"))
        maintenance.execute(render("bench/rename_database", old=unfinished, new=database))
    return cluster.url(database)


def _fill(url: str, table: Table, rows: Iterable[Row]) -> None:
    columns = [column.name for column in table.columns]
    numbered = enumerate(rows, 1)
    with connect(url) as connection:
        connection.execute(render("bench/create_table", table=table))
        with connection.cursor().copy(render("bench/copy_text", table=table.name, columns=columns)) as copy:
            while some := list(itertools.islice(numbered, _AT_ONCE)):
                copy.write("".join(_line(number, row) for number, row in some))


def _line(number: int, row: Row) -> str:
    return "\t".join([str(number), *("\\N" if value is None else str(value) for value in row)]) + "\n"
