"""What the application declares of its tables; history.py derives how they came to be."""

import datetime as dt
import decimal
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Names by convention, texts as text, times with their zone."""

    metadata = sa.MetaData(naming_convention=CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's name
        str: sa.Text,
        dt.datetime: sa.TIMESTAMP(timezone=True),
        decimal.Decimal: sa.Numeric(12, 2),
        dict[str, Any]: pg.JSONB,
        list[str]: pg.ARRAY(sa.Text),
    }


ORDER_STATE = pg.ENUM("new", "paid", "sent", "returned", name="order_state")
NOW = sa.func.now()


class Account(Base):
    """A person who buys or sells."""

    __tablename__ = "account"
    __table_args__ = (
        sa.Index("uq_account_email_lower", sa.text("lower(email)"), unique=True),
        sa.Index("ix_account_locked", "locked_at", postgresql_where=sa.text("locked_at IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    email: Mapped[str]
    public_id: Mapped[uuid.UUID] = mapped_column(unique=True, server_default=sa.func.gen_random_uuid())
    name: Mapped[str | None] = mapped_column(sa.String(120))
    status: Mapped[str] = mapped_column(sa.String(20), server_default="active")
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=sa.text("'{}'::jsonb"))
    locked_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=NOW, index=True)


class Seller(Base):
    """An account with a shop."""

    __tablename__ = "seller"
    __table_args__ = (sa.CheckConstraint("rating BETWEEN 0 AND 5", name="rating"),)
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id", ondelete="CASCADE"), index=True)
    slug: Mapped[str] = mapped_column(sa.String(80), unique=True)
    rating: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(2, 1))
    country: Mapped[str] = mapped_column(sa.CHAR(2), server_default="DE")
    about: Mapped[str | None]


class Category(Base):
    """A tree of kinds of goods."""

    __tablename__ = "category"
    __table_args__ = (sa.UniqueConstraint("parent_id", "name", postgresql_nulls_not_distinct=False),)
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("category.id"))
    name: Mapped[str]
    path: Mapped[list[str]] = mapped_column(server_default=sa.text("'{}'::text[]"))


class Listing(Base):
    """A thing for sale."""

    __tablename__ = "listing"
    __table_args__ = (
        sa.Index("ix_listing_seller_created", "seller_id", sa.text("created_at DESC")),
        sa.Index("ix_listing_attributes", "attributes", postgresql_using="gin"),
        sa.Index("ix_listing_search", "search", postgresql_using="gin"),
        sa.Index("ix_listing_title_trgm", "title", postgresql_using="gin", postgresql_ops={"title": "gin_trgm_ops"}),
        sa.CheckConstraint("price >= 0", name="price"),
    )
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    seller_id: Mapped[int] = mapped_column(sa.ForeignKey("seller.id"))
    category_id: Mapped[int | None] = mapped_column(sa.ForeignKey("category.id"), index=True)
    title: Mapped[str]
    body: Mapped[str | None]
    price: Mapped[decimal.Decimal]
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default=sa.text("'{}'::jsonb"))
    tags: Mapped[list[str]] = mapped_column(server_default=sa.text("'{}'::text[]"))
    search: Mapped[Any] = mapped_column(
        pg.TSVECTOR, sa.Computed("to_tsvector('simple'::regconfig, title)", persisted=True), nullable=True
    )
    created_at: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    deleted_at: Mapped[dt.datetime | None]


class Order(Base):
    """What an account buys."""

    __tablename__ = "order"
    __table_args__ = (
        sa.Index("ix_order_open", "account_id", "created_at", postgresql_where=sa.text("state = 'new'")),
        sa.Index("ix_order_state_total", "state", postgresql_include=["total"]),
    )
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"), index=True)
    state: Mapped[str] = mapped_column(ORDER_STATE, server_default="new")
    total: Mapped[decimal.Decimal] = mapped_column(server_default="0")
    note: Mapped[str | None]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=NOW)


class OrderLine(Base):
    """One listing in an order."""

    __tablename__ = "order_line"
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("order.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True)
    listing_id: Mapped[int] = mapped_column(sa.ForeignKey("listing.id"), index=True)
    quantity: Mapped[int] = mapped_column(server_default="1")
    price: Mapped[decimal.Decimal]


class Payment(Base):
    """Money for an order."""

    __tablename__ = "payment"
    __table_args__ = (sa.UniqueConstraint("provider", "reference"),)
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("order.id", deferrable=True, initially="DEFERRED"), index=True)
    provider: Mapped[str] = mapped_column(sa.String(20))
    reference: Mapped[str]
    amount: Mapped[decimal.Decimal]
    raw: Mapped[dict[str, Any] | None]


class Message(Base):
    """A message between two accounts."""

    __tablename__ = "message"
    __table_args__ = (sa.Index("ix_message_unread", "receiver_id", "id", postgresql_where=sa.text("read_at IS NULL")),)
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    sender_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    receiver_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    listing_id: Mapped[int | None] = mapped_column(sa.ForeignKey("listing.id"))
    body: Mapped[str]
    read_at: Mapped[dt.datetime | None]


class Review(Base):
    """What a buyer says of a seller."""

    __tablename__ = "review"
    id: Mapped[int] = mapped_column(primary_key=True)
    seller_id: Mapped[int] = mapped_column(sa.ForeignKey("seller.id"), index=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"), index=True)
    stars: Mapped[int] = mapped_column(sa.SmallInteger)
    text: Mapped[str | None]


class Booking(Base):
    """A listing lent for some days; no two at once."""

    __tablename__ = "booking"
    __table_args__ = (
        pg.ExcludeConstraint(("listing_id", "="), ("days", "&&"), name="ex_booking_overlap", using="gist"),
    )
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    listing_id: Mapped[int] = mapped_column(sa.ForeignKey("listing.id"))
    days: Mapped[Any] = mapped_column(pg.DATERANGE)
    note: Mapped[str | None]


class Job(Base):
    """Work for later."""

    __tablename__ = "job"
    __table_args__ = (
        sa.Index("ix_job_due", "queue", "run_at", postgresql_where=sa.text("finished_at IS NULL")),
        {"schema": "ops"},
    )
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    queue: Mapped[str] = mapped_column(sa.String(40))
    payload: Mapped[dict[str, Any]]
    run_at: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    finished_at: Mapped[dt.datetime | None]
    attempts: Mapped[int] = mapped_column(server_default="0")


class Audit(Base):
    """Who changed what."""

    __tablename__ = "audit"
    __table_args__ = (
        sa.Index("ix_audit_at", "at", postgresql_using="brin", postgresql_with={"pages_per_range": 32}),
        {"schema": "ops"},
    )
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(server_default=NOW)
    actor: Mapped[str | None]
    kind: Mapped[str]
    row: Mapped[dict[str, Any] | None]
