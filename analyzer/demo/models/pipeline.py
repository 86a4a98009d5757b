"""The `pipeline` system: what agents read and write through the same database: runs, their queue, their outputs.

Its views (`strong_score`, `unclassified_product`) and materialised views (`quote_month`, `entity_sentiment`) live in
the revision alone; SQLAlchemy does not declare views.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Computed, ForeignKey, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from analyzer.demo.models.base import Base, Keyed, one_of
from analyzer.demo.models.catalog import Product

SCHEMA = "pipeline"

RUN_STATUSES = ("running", "succeeded", "failed")
WORK_STATUSES = ("pending", "claimed", "done", "failed")
MATERIALIZED_VIEWS = ("quote_month", "entity_sentiment")


class Run(Keyed, Base):
    """One run of an agent over many products."""

    __tablename__ = "run"
    __table_args__ = (one_of("status", RUN_STATUSES), {"schema": SCHEMA})

    agent: Mapped[str]
    model_name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'running'"))
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    finished_at: Mapped[datetime | None]

    outputs: Mapped[list["Output"]] = relationship(back_populates="run", passive_deletes=True)


class WorkItem(Keyed, Base):
    """A product that waits for an agent; claimed with SKIP LOCKED, so that agents do not wait for one another."""

    __tablename__ = "work_item"
    __table_args__ = (one_of("status", WORK_STATUSES), {"schema": SCHEMA})

    task: Mapped[str]
    product_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(Product.id, ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey(Run.id, ondelete="SET NULL"))
    priority: Mapped[int] = mapped_column(server_default=text("100"))
    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    claimed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=90)


class Output(Keyed, Base):
    """What a run said of a product, and how far apart its first two choices were."""

    __tablename__ = "output"
    __table_args__ = ({"schema": SCHEMA},)

    run_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(Run.id, ondelete="CASCADE"))
    product_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(Product.id, ondelete="CASCADE"))
    label: Mapped[str]
    confidence: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    runner_up: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    margin: Mapped[Decimal | None] = mapped_column(Numeric(5, 4), Computed("confidence - runner_up", persisted=True))
    applied_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=90)

    run: Mapped[Run] = relationship(back_populates="outputs")
