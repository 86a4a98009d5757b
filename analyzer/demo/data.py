"""Fill the reference platform: COPY, batch by batch, always the same rows for the same seed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from sqlalchemy.dialects import postgresql

from analyzer.demo import rows, rows_insight, rows_intelligence, rows_pipeline
from analyzer.demo.models import catalog, insight, intelligence, pipeline
from analyzer.demo.random_data import Embedder
from analyzer.demo.rows import FAST, FULL, LABELS, Row, Scale
from analyzer.sql import render

__all__ = ["FAST", "FULL", "Loaded", "Scale", "load", "settle"]

Progress = Callable[[str, int, int], None]
Model = type[catalog.Base]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What one table got and how long it took."""

    table: str
    rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Return the speed of the load."""
        return self.rows / max(self.seconds, 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where the rows of a table come from."""

    model: Model
    count: Callable[[Scale], int]
    #: Tuples, or lines as COPY reads them.
    rows: Callable[[Random, Scale, Embedder], Iterator[Row] | Iterator[str]]
    #: Rows of one COPY.
    batch_rows: int = 10_000
    #: Binary where most of a row is an embedding: its text is three times as long and slow to write and to read.
    binary: bool = False

    @property
    def schema(self) -> str:
        return str(self.model.__table__.schema)

    @property
    def table(self) -> str:
        return self.model.__tablename__

    @property
    def has_identity(self) -> bool:
        """Say whether the server numbers the rows."""
        return any(column.identity is not None for column in self.model.__table__.columns)

    @property
    def columns(self) -> dict[str, str]:
        """Name and type of the columns that are written, in order."""
        columns = self.model.__table__.columns
        return {c.name: c.type.compile(_DIALECT).split("(")[0].lower() for c in columns if c.computed is None}


_DIALECT = postgresql.dialect()

#: In the order that the foreign keys ask for.
_SOURCES = (
    _Source(model=catalog.Vendor, count=lambda scale: scale.vendors, rows=rows.vendors),
    _Source(model=catalog.Company, count=lambda scale: scale.companies, rows=rows.companies, batch_rows=3_000),
    _Source(model=catalog.Customer, count=lambda scale: scale.customers, rows=rows.customers, batch_rows=4_000),
    _Source(model=catalog.Product, count=lambda scale: scale.products, rows=rows.products),
    _Source(model=catalog.Quote, count=lambda scale: scale.quotes, rows=rows.quotes),
    _Source(
        model=catalog.Document, count=lambda scale: scale.documents, rows=rows.documents, batch_rows=1_000, binary=True
    ),
    _Source(
        model=catalog.ProductClassification,
        count=lambda scale: scale.classifications,
        rows=rows.classifications,
        batch_rows=8_000,
    ),
    _Source(
        model=catalog.ClassificationCache,
        count=lambda scale: scale.cached,
        rows=rows.cached,
        batch_rows=1_000,
        binary=True,
    ),
    _Source(
        model=intelligence.TenantCustomer,
        count=lambda scale: scale.tenant_customers,
        rows=rows_intelligence.customers,
    ),
    _Source(model=intelligence.CustomerScore, count=lambda scale: scale.scores, rows=rows_intelligence.scores),
    _Source(
        model=intelligence.ConversationMessage, count=lambda scale: scale.messages, rows=rows_intelligence.messages
    ),
    _Source(model=insight.SentimentAnalysis, count=lambda scale: scale.sentiments, rows=rows_insight.sentiments),
    _Source(model=insight.BenchmarkResult, count=lambda scale: scale.benchmarks, rows=rows_insight.benchmarks),
    _Source(model=insight.BenchmarkComparison, count=lambda scale: scale.benchmarks, rows=rows_insight.comparisons),
    _Source(model=insight.MetricsSnapshot, count=lambda scale: scale.metrics, rows=rows_insight.metrics),
    _Source(model=insight.PerformanceAlert, count=lambda scale: scale.alerts, rows=rows_insight.alerts),
    _Source(model=insight.TrendAnalysis, count=lambda scale: scale.trends, rows=rows_insight.trends),
    _Source(model=insight.MlTrainingJob, count=lambda scale: scale.training_jobs, rows=rows_insight.training_jobs),
    _Source(model=insight.IndustryTemplate, count=lambda scale: scale.templates, rows=rows_insight.templates),
    _Source(model=insight.AuditLog, count=lambda scale: scale.audited, rows=rows_insight.audited, batch_rows=4_000),
    _Source(model=pipeline.Run, count=lambda scale: scale.runs, rows=rows_pipeline.runs),
    _Source(model=pipeline.WorkItem, count=lambda scale: scale.work_items, rows=rows_pipeline.work_items),
    _Source(model=pipeline.Output, count=lambda scale: scale.outputs, rows=rows_pipeline.outputs),
)


def load(connection: psycopg.Connection[Any], *, scale: Scale, seed: int, progress: Progress) -> tuple[Loaded, ...]:
    """Fill the empty tables of the platform in one transaction, which the caller commits.

    `progress` is called with the table, its rows so far and its rows in all after every batch.
    """
    register_vector(connection)
    connection.execute(render("demo/collect_pending"))
    embedder = Embedder(seed, len(LABELS))
    loaded: list[Loaded] = []
    for source in _SOURCES:
        started = time.perf_counter()
        total = source.count(scale)
        generated = source.rows(Random(f"{seed}:{source.table}"), scale, embedder)
        for done in range(0, total, source.batch_rows):
            _copy(connection, source, islice(generated, source.batch_rows))
            progress(source.table, min(done + source.batch_rows, total), total)
        if source.has_identity:
            connection.execute(render("demo/advance_key", schema=source.schema, table=source.table))
        loaded.append(Loaded(table=source.table, rows=total, seconds=time.perf_counter() - started))
    return tuple(loaded)


def total_rows(scale: Scale) -> int:
    """Count the rows of all tables."""
    return sum(source.count(scale) for source in _SOURCES)


def settle(connection: psycopg.Connection[Any]) -> None:
    """Sum up what was loaded, set the counters to zero, vacuum and analyse; the connection must be in autocommit mode.

    In this order: the counters know how many rows are alive only after a vacuum or an analyse.
    """
    for name in pipeline.MATERIALIZED_VIEWS:
        connection.execute(render("demo/refresh", schema=pipeline.SCHEMA, view=name))
    connection.execute(render("demo/reset_counters"))
    for source in _SOURCES:
        connection.execute(render("demo/vacuum_analyze", schema=source.schema, table=source.table))
    for name in pipeline.MATERIALIZED_VIEWS:
        connection.execute(render("demo/vacuum_analyze", schema=pipeline.SCHEMA, table=name))


def _copy(connection: psycopg.Connection[Any], source: _Source, batch: Iterator[Row | str]) -> None:
    columns = source.columns
    query = render("demo/copy", schema=source.schema, table=source.table, columns=tuple(columns), binary=source.binary)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        if source.binary:
            copy.set_types(list(columns.values()))
        for row in batch:
            if isinstance(row, str):
                copy.write(row)
            else:
                copy.write_row(row)
