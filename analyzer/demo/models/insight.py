"""The `insight` system: sentiment, benchmarks, metrics and alerts, model training, templates, the audit log."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from analyzer.demo.models.base import Base, Keyed, one_of

SCHEMA = "insight"

ENTITY_TYPES = ("brand", "company", "product", "vendor")
SEVERITIES = ("info", "warning", "critical")
JOB_STATUSES = ("queued", "running", "succeeded", "failed")
DIRECTIONS = ("falling", "flat", "rising")


class SentimentAnalysis(Keyed, Base):
    """What a text said about an entity."""

    __tablename__ = "sentiment_analysis"
    __table_args__ = (one_of("entity_type", ENTITY_TYPES), {"schema": SCHEMA})

    entity_name: Mapped[str]
    entity_type: Mapped[str]
    source: Mapped[str]
    excerpt: Mapped[str]
    keywords: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    positive: Mapped[Decimal] = mapped_column(Numeric(4, 3))
    negative: Mapped[Decimal] = mapped_column(Numeric(4, 3))
    net: Mapped[Decimal | None] = mapped_column(Numeric(4, 3), Computed("positive - negative", persisted=True))
    processing_timestamp: Mapped[datetime] = mapped_column(server_default=text("now()"))


class BenchmarkResult(Keyed, Base):
    """One figure of one entity."""

    __tablename__ = "benchmark_result"
    __table_args__ = ({"schema": SCHEMA},)

    entity_name: Mapped[str]
    industry_sector: Mapped[str]
    metric_type: Mapped[str]
    value: Mapped[Decimal] = mapped_column(Numeric(14, 4))
    sample_size: Mapped[int]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    calculated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    comparisons: Mapped[list["BenchmarkComparison"]] = relationship(back_populates="result", passive_deletes=True)


class BenchmarkComparison(Keyed, Base):
    """A figure beside that of its peers."""

    __tablename__ = "benchmark_comparison"
    __table_args__ = ({"schema": SCHEMA},)

    result_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(BenchmarkResult.id, ondelete="CASCADE"))
    peer_group: Mapped[str]
    entity_value: Mapped[Decimal] = mapped_column(Numeric(14, 4))
    peer_value: Mapped[Decimal] = mapped_column(Numeric(14, 4))
    gap: Mapped[Decimal | None] = mapped_column(Numeric(14, 4), Computed("entity_value - peer_value", persisted=True))
    percentile: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    compared_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    result: Mapped[BenchmarkResult] = relationship(back_populates="comparisons")


class MetricsSnapshot(Base):
    """What a service measured in one minute; sent again when more of the minute is known."""

    __tablename__ = "metrics_snapshot"
    __table_args__ = ({"schema": SCHEMA},)

    service: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    captured_at: Mapped[datetime] = mapped_column(primary_key=True)
    value: Mapped[float]
    samples: Mapped[int] = mapped_column(server_default=text("1"))


class PerformanceAlert(Keyed, Base):
    """A threshold that was crossed; few are still open."""

    __tablename__ = "performance_alert"
    __table_args__ = (one_of("severity", SEVERITIES), {"schema": SCHEMA})

    service: Mapped[str]
    metric: Mapped[str]
    severity: Mapped[str]
    threshold: Mapped[float]
    observed: Mapped[float]
    raised_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    acknowledged_by: Mapped[str | None]
    resolved_at: Mapped[datetime | None]


class TrendAnalysis(Keyed, Base):
    """Where a figure of an entity is heading."""

    __tablename__ = "trend_analysis"
    __table_args__ = (one_of("direction", DIRECTIONS), {"schema": SCHEMA})

    entity_name: Mapped[str]
    metric_type: Mapped[str]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    direction: Mapped[str]
    slope: Mapped[float]
    strength: Mapped[Decimal] = mapped_column(Numeric(4, 3))


class MlTrainingJob(Keyed, Base):
    """One training of a model."""

    __tablename__ = "ml_training_job"
    __table_args__ = (one_of("status", JOB_STATUSES), {"schema": SCHEMA})

    model_type: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'queued'"))
    hyperparameters: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    accuracy: Mapped[Decimal | None] = mapped_column(Numeric(5, 4))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    seconds: Mapped[Decimal | None] = mapped_column(
        Numeric, Computed("EXTRACT(epoch FROM finished_at - started_at)", persisted=True)
    )


class IndustryTemplate(Keyed, Base):
    """A dashboard that fits an industry."""

    __tablename__ = "industry_template"
    __table_args__ = (CheckConstraint("rating BETWEEN 0 AND 5", name="rating"), {"schema": SCHEMA})

    industry_sector: Mapped[str]
    title: Mapped[str] = mapped_column(unique=True)
    rating: Mapped[Decimal | None] = mapped_column(Numeric(3, 2))
    #: Hot: every use counts it up.
    usage_count: Mapped[int] = mapped_column(server_default=text("0"))
    layout: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))


class AuditLog(Keyed, Base):
    """Who did what; a trigger refuses to change or remove a row."""

    __tablename__ = "audit_log"
    __table_args__ = ({"schema": SCHEMA},)

    actor: Mapped[str]
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[int] = mapped_column(BigInteger)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    recorded_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
