"""Predicted sizes and heights against indexes that were really built."""

from collections.abc import Iterator

import pytest
from psycopg import sql

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.twin.predict.index_size import predict_size
from tests.conftest import fresh_database

ROWS = 60_000

SETUP = (
    "CREATE EXTENSION vector",
    "CREATE EXTENSION pg_trgm",
    """
    CREATE TABLE item (
        id bigint PRIMARY KEY, small smallint, many integer, nullable integer, amount numeric(12, 2), code text,
        phrase text, made timestamptz, tags text[], doc jsonb, spot vector(64), uid uuid
    )
    """,
    f"""
    INSERT INTO item
    SELECT i, i % 7, i / 3, CASE WHEN i % 4 = 0 THEN i END, (i % 5000) / 100.0, 'c-' || lpad((i * 7)::text, 9, '0'),
           md5(i::text) || ' ' || md5((i / 2)::text), timestamptz '2026-01-01' + i * interval '1 min',
           ARRAY['a' || i % 20, 'b' || i % 300], jsonb_build_object('k', i % 50, 'name', 'n' || i % 900),
           (SELECT array_agg(((i * n) % 97) / 97.0) FROM generate_series(1, 64) AS n)::real[]::vector(64),
           gen_random_uuid()
      FROM generate_series(1, {ROWS}) AS i
    """,
    "VACUUM ANALYZE item",
)


def of(*columns: str, name: str = "ix", include: tuple[str, ...] = (), unique: bool = False, **rest: str) -> IndexDef:
    return IndexDef(
        schema="public",
        table="item",
        name=name,
        keys=tuple(Key(column=column) for column in columns),
        include=include,
        unique=unique,
        parameters=tuple(rest.items()),
    )


BTREES = {
    "unique integers": of("id", unique=True),
    "seven values": of("small"),
    "triples": of("many"),
    "a quarter present": of("nullable"),
    "numeric, which is not deduplicated": of("amount"),
    "text of one length": of("code"),
    "wide text": of("phrase"),
    "timestamps": of("made"),
    "uuid": of("uid"),
    "composite": of("small", "made"),
    "composite of text and integer": of("code", "id"),
    "covering": of("small", include=("amount", "code")),
    "fillfactor": of("made", fillfactor="60"),
    "not deduplicated by wish": of("small", deduplicate_items="off"),
}


@pytest.fixture(scope="module")
def loaded(server: str) -> Iterator[tuple[str, Snapshot]]:
    with fresh_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in SETUP:
                connection.execute(sql.SQL(statement))  # pyright: ignore[reportArgumentType] - a constant above
        yield url, capture(url, statements=False)


def build(url: str, index: IndexDef) -> tuple[int, int]:
    """Return pages and height of the index as the server builds it."""
    with connect(url) as connection:
        connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS pageinspect"))
        connection.execute(sql.SQL(index.ddl()))  # pyright: ignore[reportArgumentType] - rendered by our templates
        row = connection.execute(
            sql.SQL("SELECT pg_relation_size(%(name)s::regclass) AS size, 0 AS level"), {"name": index.name}
        ).fetchone()
        assert row is not None
        level = 0
        if index.method == "btree":
            found = connection.execute(sql.SQL("SELECT level FROM bt_metap(%(name)s)"), {"name": index.name}).fetchone()
            assert found is not None
            level = found["level"]
        connection.rollback()
        return row["size"] // BLOCK_BYTES, level


@pytest.mark.parametrize("index", BTREES.values(), ids=BTREES.keys())
def test_a_btree_is_predicted_within_a_tenth_and_its_height_exactly(
    loaded: tuple[str, Snapshot], index: IndexDef
) -> None:
    url, snapshot = loaded
    pages, height = build(url, index)
    predicted = predict_size(index, snapshot)
    assert predicted.pages == pytest.approx(pages, rel=0.1)
    assert predicted.height == height


def test_a_partial_btree_is_as_large_as_its_share_of_the_rows(loaded: tuple[str, Snapshot]) -> None:
    url, snapshot = loaded
    index = IndexDef(schema="public", table="item", name="ix", keys=(Key(column="made"),), where="small = 3")
    assert predict_size(index, snapshot, selectivity=1 / 7).pages == pytest.approx(build(url, index)[0], rel=0.1)


def special(method: str, column: str, opclass: str | None = None, **parameters: str) -> IndexDef:
    return IndexDef(
        schema="public",
        table="item",
        name="ix",
        method=method,
        keys=(Key(column=column, opclass=opclass),),
        parameters=tuple(parameters.items()),
    )


OTHERS = {
    "hash": special("hash", "code"),
    "trigram": special("gin", "phrase", "gin_trgm_ops"),
    "array": special("gin", "tags"),
    "path_ops": special("gin", "doc", "jsonb_path_ops"),
    "brin": special("brin", "made", pages_per_range="4"),
    "ivfflat": special("ivfflat", "spot", "vector_l2_ops", lists="60"),
    "hnsw": special("hnsw", "spot", "vector_l2_ops", m="8", ef_construction="16"),
}


@pytest.mark.parametrize("index", OTHERS.values(), ids=OTHERS.keys())
def test_other_methods_are_predicted_within_a_factor_of_two(loaded: tuple[str, Snapshot], index: IndexDef) -> None:
    url, snapshot = loaded
    assert 0.5 < predict_size(index, snapshot).pages / build(url, index)[0] < 2
