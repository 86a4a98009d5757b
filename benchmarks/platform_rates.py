"""How fast agents move rows in bulk: batch inserts, batch updates, and what a training job reads."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, cast

import psycopg
from pgvector.psycopg import register_vector
from psycopg.rows import tuple_row
from sqlalchemy import Table, bindparam, create_engine, insert, update
from sqlalchemy.pool import StaticPool

from analyzer import db
from analyzer.demo import words
from analyzer.demo.models.catalog import ProductClassification
from analyzer.demo.random_data import CLOCK, key
from analyzer.demo.rows import LABELS, Scale
from analyzer.sql import render

#: Rows of a batch, which is a transaction; and of a round trip of a training job's cursor.
BATCH_ROWS = 1_000
FETCH_ROWS = 2_000
#: Enough for a second or two, and no more than a training job reads.
_WRITTEN_ROWS = 20_000
_READ_ROWS = 200_000
_TRAININGS = ("predictions", "texts", "embeddings")

_Client = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many rows a second went one way."""

    #: What was moved, from or to where, with what.
    what: str
    rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Return the speed."""
        return self.rows / max(self.seconds, 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What was measured of each kind."""

    inserts: tuple[Rate, ...]
    updates: tuple[Rate, ...]
    fetches: tuple[Rate, ...]


def measure_rates(url: str, *, scale: Scale, seed: int) -> Rates:
    """Write and read in bulk, all indexes in place; every batch is committed, and what is written stays."""
    with db.connect(url, application="platform") as opened:
        connection = cast("_Client", opened)
        connection.row_factory = tuple_row
        register_vector(connection)
        connection.commit()
        return Rates(
            inserts=(_insert_outputs(connection, scale, seed), _insert_predictions(connection, scale, seed)),
            updates=(
                _update_predictions(connection, scale, seed),
                _update_prices(connection, scale, seed, strewn=False),
                _update_prices(connection, scale, seed, strewn=True),
                _update_reviews(connection, scale, seed),
            ),
            fetches=tuple(_fetch(connection, name) for name in _TRAININGS),
        )


def _insert_outputs(connection: _Client, scale: Scale, seed: int) -> Rate:
    random = Random(f"outputs:{seed}")
    query = render("demo/workload/batch_predict")

    def send() -> int:
        confidences = [round(random.random(), 4) for _ in range(BATCH_ROWS)]
        values = {
            "run_id": key(random, scale.runs),
            "product_ids": _keys(random, scale.products),
            "labels": random.choices(LABELS, k=BATCH_ROWS),
            "confidences": confidences,
            "at": CLOCK,
        }
        return connection.execute(query, values).rowcount

    return _timed("`pipeline.output`, arrays in one INSERT", connection, send)


def _insert_predictions(connection: _Client, scale: Scale, seed: int) -> Rate:
    random = Random(f"predictions:{seed}")
    statement = insert(cast("Table", ProductClassification.__table__))
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as core:

        def send() -> int:
            rows = [
                {
                    "product_id": product,
                    "model_name": random.choice(words.MODELS),
                    "model_version": "4.0",
                    "label": random.choice(LABELS),
                    "confidence": round(random.random(), 4),
                    "created_at": CLOCK,
                }
                for product in _keys(random, scale.products)
            ]
            core.execute(statement, rows)
            core.commit()
            return len(rows)

        return _timed("`catalog.product_classification`, rows of SQLAlchemy Core", connection, send)


def _update_predictions(connection: _Client, scale: Scale, seed: int) -> Rate:
    random = Random(f"corrections:{seed}")
    query = render("bench/update_predictions")

    def send() -> int:
        values = {
            "ids": random.sample(range(1, scale.classifications + 1), BATCH_ROWS),
            "labels": random.choices(LABELS, k=BATCH_ROWS),
            "confidences": [round(random.random(), 4) for _ in range(BATCH_ROWS)],
        }
        return connection.execute(query, values).rowcount

    return _timed("`catalog.product_classification`, arrays in one UPDATE", connection, send)


def _update_prices(connection: _Client, scale: Scale, seed: int, *, strewn: bool) -> Rate:
    """New prices of products by keyset, as agents go through them, or of products all over the table."""
    random = Random(f"prices:{seed}:{strewn}")
    query = render("bench/update_prices")
    products = range(1, scale.products + 1)
    starts = itertools.count(0, BATCH_ROWS)

    def send() -> int:
        values = {
            "ids": random.sample(products, BATCH_ROWS) if strewn else _following(products, next(starts)),
            "prices": [random.randrange(100, 90_000) / 100 for _ in range(BATCH_ROWS)],
            "at": CLOCK,
        }
        return connection.execute(query, values).rowcount

    where = "all over the table" if strewn else "by keyset"
    return _timed(f"`catalog.product` (12 indexes) {where}, arrays in one UPDATE", connection, send)


def _update_reviews(connection: _Client, scale: Scale, seed: int) -> Rate:
    random = Random(f"reviews:{seed}")
    table = cast("Table", ProductClassification.__table__)
    statement = (
        update(table).where(table.c.id == bindparam("key")).values(reviewed_by=bindparam("who"), reviewed_at=CLOCK)
    )
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as core:

        def send() -> int:
            keys = random.sample(range(1, scale.classifications + 1), BATCH_ROWS)
            core.execute(statement, [{"key": key, "who": "bench"} for key in keys])
            core.commit()
            return len(keys)

        return _timed("`catalog.product_classification`, rows of SQLAlchemy Core", connection, send)


def _keys(random: Random, size: int) -> list[int]:
    return [key(random, size, shift=200) for _ in range(BATCH_ROWS)]


def _following(keys: Sequence[int], start: int) -> list[int]:
    """Return a batch of keys that follow one another, from the start again after the last."""
    return [keys[(start + offset) % len(keys)] for offset in range(BATCH_ROWS)]


def _timed(what: str, connection: _Client, send: Callable[[], int]) -> Rate:
    """Send batches and commit each; drawing the values counts, as an agent too has to come by them."""
    started = time.perf_counter()
    rows = 0
    for _ in range(_WRITTEN_ROWS // BATCH_ROWS):
        rows += send()
        connection.commit()
    return Rate(what=what, rows=rows, seconds=time.perf_counter() - started)


def _fetch(connection: _Client, name: str) -> Rate:
    """Read through a cursor on the server, as a job does that cannot hold everything, into Python's own types."""
    started = time.perf_counter()
    rows = 0
    with connection.cursor(f"training_{name}", binary=True) as cursor:
        cursor.execute(render(f"bench/training_{name}"))
        for batch in _batches(cursor):
            rows += len(batch)
    connection.commit()
    return Rate(what=f"training {name}", rows=rows, seconds=time.perf_counter() - started)


def _batches(cursor: psycopg.ServerCursor[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    fetched = iter(lambda: cursor.fetchmany(FETCH_ROWS), [])
    yield from islice(fetched, _READ_ROWS // FETCH_ROWS)
