"""The `intelligence` system: who talks to us, what they said, and what models think of them."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from analyzer.demo.models.base import Base, Keyed, Tracked, one_of

SCHEMA = "intelligence"

DEPARTMENTS = ("sales", "support", "marketing", "finance", "operations", "engineering", "legal", "research")
CUSTOMER_STATUSES = ("prospect", "trial", "active", "paused", "churned")
SCORE_TYPES = ("churn_risk", "upsell", "engagement", "credit", "satisfaction")
ROLES = ("user", "assistant", "agent", "system")


class TenantCustomer(Keyed, Tracked, Base):
    """A customer of one of our tenants; few of the tenants have most of them."""

    __tablename__ = "customers"
    __table_args__ = (one_of("status", CUSTOMER_STATUSES), {"schema": SCHEMA})

    tenant_id: Mapped[int]
    #: The tenant's own name for it.
    reference: Mapped[str] = mapped_column(unique=True)
    department: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'prospect'"))
    full_name: Mapped[str]
    #: Unknown for two in five.
    email: Mapped[str | None]
    traits: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))

    scores: Mapped[list["CustomerScore"]] = relationship(back_populates="customer", passive_deletes=True)


class CustomerScore(Keyed, Base):
    """What a model thinks of a customer at one time, 0 to 1."""

    __tablename__ = "customer_scores"
    __table_args__ = (
        one_of("score_type", SCORE_TYPES),
        CheckConstraint("score BETWEEN 0 AND 1", name="score"),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
        {"schema": SCHEMA},
    )

    customer_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(TenantCustomer.id, ondelete="CASCADE"))
    score_type: Mapped[str]
    score: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    confidence: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=90)

    customer: Mapped[TenantCustomer] = relationship(back_populates="scores")


class ConversationMessage(Base):
    """One turn of a conversation; a partition a month, and one for what no month was made for."""

    __tablename__ = "conversation_messages"
    __table_args__ = (
        one_of("role", ROLES),
        {"schema": SCHEMA, "postgresql_partition_by": 'RANGE ("timestamp")'},
    )

    #: A UUID, for no sequence is shared by partitions before PostgreSQL 17.
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"), sort_order=-1)
    customer_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(TenantCustomer.id, ondelete="CASCADE"))
    timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    role: Mapped[str]
    content: Mapped[str]
