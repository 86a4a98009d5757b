"""How many of the ten nearest rows a search through each vector index finds."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, cast

from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg.sql import SQL

from analyzer import db
from analyzer.demo import words
from analyzer.demo.random_data import Embedder
from analyzer.demo.rows import LABELS
from analyzer.sql import render
from analyzer.twin.twin import walk

#: Embeddings that each search is asked about.
QUERIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is searched by distance, and what for."""

    table: str
    #: Only among the answers of one model.
    filtered: bool = False
    #: For something halfway between two of the platform's things: harder than what its services ask, who are always
    #: near one.
    between: bool = False
    #: Lists of an ivfflat index to look into; None for the setting that the platform ships.
    probes: int | None = None

    @property
    def is_asked(self) -> bool:
        """Say whether the workload asks this, with what it ships."""
        return not self.between and self.probes is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What one search found of what an exact one finds."""

    search: Search
    #: Name and settings of the index; None when the planner did without, and was exact.
    index: str | None
    #: Mean share, 0 to 1, and that of the worst query.
    share: float
    worst: float


SEARCHES = (
    Search(table="classification_cache"),
    Search(table="classification_cache", filtered=True),
    Search(table="document"),
    Search(table="product"),
    Search(table="classification_cache", between=True),
    Search(table="classification_cache", between=True, probes=2),
)


def measure_recall(url: str, *, seed: int) -> tuple[Recall, ...]:
    """Compare each search with an exact one for the same embeddings."""
    embedder = Embedder(seed=seed, clusters=len(LABELS))
    return tuple(_recall(url, search, list(_asked(search, embedder, seed))) for search in SEARCHES)


def _recall(url: str, search: Search, asked: list[dict[str, Any]]) -> Recall:
    query = render("bench/nearest", schema="catalog", table=search.table, filtered=search.filtered)
    with db.connect(url, application="platform") as connection:
        register_vector(connection)
        if search.probes is not None:
            _set(connection, "ivfflat.probes", str(search.probes))
        index = _index(connection, query, asked[0])
        approximate = [_nearest(connection, query, values) for values in asked]
        _set(connection, "enable_indexscan", "off")
        exact = [_nearest(connection, query, values) for values in asked]
    shares = [len(some & every) / len(every) for some, every in zip(approximate, exact, strict=True) if every]
    return Recall(search=search, index=index, share=sum(shares) / len(shares), worst=min(shares))


def _asked(search: Search, embedder: Embedder, seed: int) -> Iterator[dict[str, Any]]:
    random = Random(f"recall:{seed}")
    for _ in range(QUERIES):
        one, other = random.sample(range(len(LABELS)), 2)
        embedding = embedder.near(random, one)
        if search.between:
            pairs = zip(embedding.to_list(), embedder.near(random, other).to_list(), strict=True)
            embedding = Vector([(left + right) / 2 for left, right in pairs])
        yield {"embedding": embedding, "model_name": random.choice(words.MODELS)}


def _nearest(connection: db.Connection, query: SQL, values: dict[str, Any]) -> set[int]:
    return {int(row["id"]) for row in connection.execute(query, values, prepare=False)}


def _set(connection: db.Connection, name: str, value: str) -> None:
    connection.execute(render("twin/set_setting"), {"name": name, "value": value})


def _index(connection: db.Connection, query: SQL, values: dict[str, Any]) -> str | None:
    """Describe the index that the planner searches."""
    explain = render("bench/explain_analyze", statement=query.as_string(connection))
    row = cast("dict[str, Any]", connection.execute(explain, values, prepare=False).fetchone())
    nodes = walk(row["QUERY PLAN"][0]["Plan"])
    name = next((str(node["Index Name"]) for node in nodes if node["Node Type"] == "Index Scan"), None)
    found = connection.execute(render("bench/vector_index"), {"name": name}).fetchone()
    return f"{name} ({found['method']}; {found['parameters']}; {found['effort']})" if found else None
