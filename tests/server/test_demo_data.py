"""The demo's data and workload on a real server, with the platform's indexes and without those the demo leaves out."""

import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from pgvector.psycopg import register_vector

from analyzer.db import Connection, connect
from analyzer.demo import LEFT_OUT, data, workload
from analyzer.demo.random_data import CLOCK
from analyzer.demo.statements import STATEMENTS
from analyzer.demo.story import SCHEMA_REVISION
from analyzer.specs.file import load_specs
from tests.conftest import fresh_database

ROOT = Path(__file__).parents[2]
#: Which statement each index that the demo leaves out is there for.
HELPS = {
    "ix_quote_rep_status_created": "pipeline_of_rep",
    "ix_product_classification_review_queue": "review_queue",
    "ix_product_subcategory_price": "product_price_band",
    "ix_product_name_trgm": "product_search",
    "ix_product_attributes": "product_by_attributes",
    "ix_classification_cache_embedding": "cache_similar",
    "ix_quote_product": "quotes_of_product",
    "ix_customer_email_lower": "customer_by_email",
    "ix_document_search": "document_search",
    "ix_customers_department_status_created": "customers_of_department",
    "ix_customer_scores_strong": "strong_scores",
    "ix_sentiment_analysis_latest": "latest_sentiment",
    "ix_sentiment_analysis_keywords": "sentiment_by_keyword",
    "ix_audit_log_recorded_brin": "audit_of_period",
}
#: At the fast scale their tables, or the partition of the month that has just begun, are so small that reading all of
#: them costs less.
SCANS = {"vendors_certified", "document_similar", "conversation"}
SEED = 11
#: Its revision creates its indexes.
PARTITIONED = "conversation_messages"
SCHEMA_OF = {declared.spec.name: declared.schema for declared in load_specs(ROOT / "index_specs").specs}


@pytest.fixture(scope="module")
def platform(server: str) -> Iterator[str]:
    """URL of the platform at its fast scale, with all its indexes."""
    with fresh_database(server) as url:
        config = Config(ROOT / "alembic.ini", stdout=StringIO())
        config.attributes["url"] = url
        command.upgrade(config, SCHEMA_REVISION)
        with connect(url) as connection:
            data.load(connection, scale=data.FAST, seed=SEED, progress=lambda _table, _done, _total: None)
        with connect(url, autocommit=True) as connection:
            for declared in load_specs(ROOT / "index_specs").specs:
                if declared.table == PARTITIONED:
                    continue
                ddl: Any = declared.spec.definition(declared.schema, declared.table, rows=None).ddl()
                connection.execute(ddl)
            data.settle(connection)
        yield url


def plan(connection: Connection, example: workload.Example, *, generic: bool = False) -> tuple[float, str]:
    """Return the cost of a statement and the text of its plan; a generic one ignores the values."""
    connection.execute("SET LOCAL random_page_cost = 1.1")  # as on the demo's own server
    query: Any = f"EXPLAIN (FORMAT JSON{', GENERIC_PLAN' if generic else ''}) {example.sql}"
    row = connection.execute(query, None if generic else example.parameters).fetchone()
    assert row is not None
    document: Any = row["QUERY PLAN"]
    return float(document[0]["Plan"]["Total Cost"]), json.dumps(document)


@pytest.fixture
def examples() -> dict[str, workload.Example]:
    """Every statement with values."""
    return {example.name: example for example in workload.examples(SEED, scale=data.FAST)}


def test_tables_hold_what_the_scale_says(platform: str) -> None:
    with connect(platform) as connection:
        found = connection.execute(
            """SELECT
                (SELECT count(*) FROM catalog.vendor) AS vendors,
                (SELECT count(*) FROM catalog.customer) AS customers,
                (SELECT count(*) FROM catalog.quote WHERE sales_rep <> 'new') AS quotes,
                (SELECT count(embedding) FROM catalog.classification_cache) AS embedded_cached,
                (SELECT count(embedding) FROM catalog.document) AS embedded_documents,
                (SELECT count(embedding) FROM catalog.product) AS embedded_products"""
        ).fetchone()
    assert found is not None
    assert found["vendors"] == data.FAST.vendors
    assert found["customers"] == data.FAST.customers
    assert found["quotes"] >= data.FAST.quotes
    embedded = found["embedded_cached"] + found["embedded_documents"] + found["embedded_products"]
    assert embedded == data.FAST.embedded_cached + data.FAST.embedded_documents + data.FAST.embedded_products


def test_keys_go_on_where_the_load_ended(platform: str) -> None:
    with connect(platform) as connection:
        made = connection.execute(
            "INSERT INTO catalog.company (name, domain, industry, country, region) "
            "VALUES ('n', 'n.example', 'retail', 'DE', 'europe') RETURNING id"
        ).fetchone()
        connection.rollback()
    assert made is not None
    assert made["id"] > data.FAST.companies


def test_data_is_skewed_and_recent(platform: str) -> None:
    with connect(platform) as connection:
        found = connection.execute(
            """SELECT
                (SELECT sum(n) FROM (SELECT count(*) AS n FROM catalog.product GROUP BY vendor_id
                    ORDER BY n DESC LIMIT %(tenth)s) AS largest) AS by_largest_tenth,
                (SELECT count(*) FROM catalog.quote WHERE created_at > %(clock)s - interval '350 days') AS recent,
                (SELECT avg((closed_at IS NULL)::int) FROM catalog.quote) AS open,
                (SELECT avg((deleted_at IS NULL)::int) FROM catalog.product) AS kept,
                (SELECT correlation FROM pg_catalog.pg_stats
                    WHERE tablename = 'quote' AND attname = 'created_at') AS in_order,
                (SELECT count(DISTINCT k) FROM (SELECT array_agg(k ORDER BY k) AS k
                    FROM catalog.product, jsonb_object_keys(attributes) AS k GROUP BY id) AS shapes) AS shapes""",
            {"tenth": data.FAST.vendors // 10, "clock": CLOCK},
        ).fetchone()
    assert found is not None
    assert found["by_largest_tenth"] > 0.3 * data.FAST.products
    # A quarter of the time holds clearly more than a quarter of the quotes.
    assert found["recent"] > 0.35 * data.FAST.quotes
    assert 0.02 < found["open"] < 0.1
    assert found["kept"] > 0.8
    assert found["in_order"] > 0.95
    assert found["shapes"] >= 5


@pytest.mark.parametrize("index", LEFT_OUT)
def test_what_is_left_out_clearly_helps_its_statement(
    platform: str, examples: dict[str, workload.Example], index: str
) -> None:
    example = examples[HELPS[index]]
    with connect(platform) as connection:
        register_vector(connection)
        cost_with, plan_with = plan(connection, example)
        drop: Any = f"DROP INDEX {SCHEMA_OF[index]}.{index}"
        connection.execute(drop)
        cost_without, _plan = plan(connection, example)
        connection.rollback()
    assert index in plan_with
    assert cost_without > 3 * cost_with


@pytest.mark.parametrize("index", LEFT_OUT)
def test_what_is_left_out_helps_the_text_that_the_server_records(
    platform: str, examples: dict[str, workload.Example], index: str
) -> None:
    # Everything is a parameter there, the LIMIT too, which the planner then takes for a tenth of the rows.
    names = iter(f"${number}" for number in range(1, 99))
    text = re.sub(r"%\(\w+\)[sb]", lambda _match: next(names), examples[HELPS[index]].sql)
    text = re.sub(r"LIMIT \d+", lambda _match: f"LIMIT {next(names)}", text)
    example = workload.Example(name=index, kind="read", sql=text, parameters={})
    with connect(platform) as connection:
        cost_with, plan_with = plan(connection, example, generic=True)
        drop: Any = f"DROP INDEX {SCHEMA_OF[index]}.{index}"
        connection.execute(drop)
        cost_without, _plan = plan(connection, example, generic=True)
        connection.rollback()
    assert index in plan_with
    assert cost_without > cost_with


def test_read_statements_use_an_index(platform: str, examples: dict[str, workload.Example]) -> None:
    reads = [spec.name for spec in STATEMENTS if spec.kind == "read" and spec.name not in SCANS]
    with connect(platform) as connection:
        register_vector(connection)
        scanning = [name for name in reads if "Seq Scan" in plan(connection, examples[name])[1]]
        connection.rollback()
    assert scanning == []


def test_the_workload_runs_twice_over_the_same_database(platform: str) -> None:
    seen: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        seen.append((done, total))

    first = workload.run(platform, scale=data.FAST, seed=SEED, count=700, progress=note)
    second = workload.run(platform, scale=data.FAST, seed=SEED, count=700)
    assert [(timing.name, timing.calls) for timing in first] == [(timing.name, timing.calls) for timing in second]
    assert {timing.name for timing in first} == {spec.name for spec in STATEMENTS}
    assert sum(timing.calls for timing in first) == 700
    assert seen[-1] == (700, 700)
    for timing in first:
        assert 0 < timing.median_ms <= timing.p95_ms <= timing.max_ms <= timing.total_ms


def test_several_clients_by_the_clock(platform: str) -> None:
    timings = workload.run(platform, scale=data.FAST, seed=SEED + 1, seconds=0.5, clients=2)
    assert sum(timing.calls for timing in timings) > 0
