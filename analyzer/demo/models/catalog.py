"""The `catalog` system: products and vendors, customers and their quotes, documents, machine classification."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pgvector.sqlalchemy import Vector
from sqlalchemy import BigInteger, CheckConstraint, Computed, Double, ForeignKey, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from analyzer.demo.models.base import Base, Keyed, Retirable, Tracked, one_of

SCHEMA = "catalog"
#: What text-embedding models return, and the widest that leaves room under pgvector's index limit of 2,000.
DIMENSIONS = 1536

PRODUCT_STATUSES = ("draft", "active", "backorder", "discontinued")
VENDOR_STATUSES = ("applied", "approved", "suspended")
SEGMENTS = ("consumer", "small_business", "mid_market", "enterprise", "public_sector")
LIFECYCLE_STAGES = ("lead", "qualified", "customer", "dormant", "churned")
QUOTE_STATUSES = ("draft", "sent", "negotiation", "won", "lost", "expired")
DOCUMENT_KINDS = ("datasheet", "manual", "certificate", "contract", "invoice")


class Vendor(Keyed, Retirable, Tracked, Base):
    """Who sells products, where they are and how well they deliver."""

    __tablename__ = "vendor"
    __table_args__ = (one_of("status", VENDOR_STATUSES), {"schema": SCHEMA})

    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(server_default=text("'applied'"))
    country: Mapped[str]
    region: Mapped[str]
    city: Mapped[str]
    latitude: Mapped[float] = mapped_column(Double)
    longitude: Mapped[float] = mapped_column(Double)
    rating: Mapped[Decimal | None] = mapped_column(Numeric(3, 2))
    review_count: Mapped[int] = mapped_column(server_default=text("0"))
    on_time_rate: Mapped[Decimal | None] = mapped_column(Numeric(4, 3))
    defect_rate: Mapped[Decimal | None] = mapped_column(Numeric(5, 4))
    specialties: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    certifications: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    profile: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    onboarded_at: Mapped[datetime | None]
    last_audit_at: Mapped[datetime | None]

    products: Mapped[list["Product"]] = relationship(back_populates="vendor")


class Company(Keyed, Retirable, Tracked, Base):
    """An organisation that customers work for."""

    __tablename__ = "company"
    __table_args__ = ({"schema": SCHEMA},)

    name: Mapped[str]
    legal_name: Mapped[str | None]
    domain: Mapped[str] = mapped_column(unique=True)
    industry: Mapped[str]
    country: Mapped[str]
    region: Mapped[str]
    employee_count: Mapped[int | None]
    annual_revenue: Mapped[Decimal | None] = mapped_column(Numeric(16, 2))
    founded_year: Mapped[int | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    firmographics: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))

    customers: Mapped[list["Customer"]] = relationship(back_populates="company")


class Customer(Keyed, Retirable, Tracked, Base):
    """A person who buys or may buy."""

    __tablename__ = "customer"
    __table_args__ = (
        one_of("segment", SEGMENTS),
        one_of("lifecycle_stage", LIFECYCLE_STAGES),
        {"schema": SCHEMA},
    )

    company_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey(Company.id, ondelete="SET NULL"))
    email: Mapped[str] = mapped_column(unique=True)
    first_name: Mapped[str]
    last_name: Mapped[str]
    phone: Mapped[str | None]
    job_title: Mapped[str | None]
    segment: Mapped[str]
    lifecycle_stage: Mapped[str] = mapped_column(server_default=text("'lead'"))
    lifetime_value: Mapped[Decimal] = mapped_column(Numeric(14, 2), server_default=text("0"))
    order_count: Mapped[int] = mapped_column(server_default=text("0"))
    engagement_score: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    marketing_opt_in: Mapped[bool] = mapped_column(server_default=text("false"))
    preferences: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    last_seen_at: Mapped[datetime | None]

    company: Mapped[Company | None] = relationship(back_populates="customers")
    quotes: Mapped[list["Quote"]] = relationship(back_populates="customer")


class Product(Keyed, Retirable, Tracked, Base):
    """Something a vendor sells."""

    __tablename__ = "product"
    __table_args__ = (
        one_of("status", PRODUCT_STATUSES),
        CheckConstraint("price >= 0", name="price"),
        {"schema": SCHEMA},
    )

    vendor_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(Vendor.id))
    sku: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str | None]
    category: Mapped[str]
    subcategory: Mapped[str]
    #: Keys of the category tree from the root down.
    category_path: Mapped[list[int]] = mapped_column(ARRAY(INTEGER), server_default=text("'{}'"))
    status: Mapped[str] = mapped_column(server_default=text("'draft'"))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    cost: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    currency: Mapped[str] = mapped_column(server_default=text("'EUR'"))
    stock_quantity: Mapped[int] = mapped_column(server_default=text("0"))
    rating: Mapped[Decimal | None] = mapped_column(Numeric(3, 2))
    review_count: Mapped[int] = mapped_column(server_default=text("0"))
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    #: Only what the shop window shows has one.
    embedding: Mapped[Any | None] = mapped_column(Vector(DIMENSIONS), deferred=True)
    discontinued_at: Mapped[datetime | None]

    vendor: Mapped[Vendor] = relationship(back_populates="products")
    #: The database keeps a product that has quotes from being deleted; the ORM need not load them to find out.
    quotes: Mapped[list["Quote"]] = relationship(back_populates="product", passive_deletes="all")


class Quote(Keyed, Tracked, Base):
    """An offer to a customer, from draft to won or lost."""

    __tablename__ = "quote"
    __table_args__ = (
        one_of("status", QUOTE_STATUSES),
        CheckConstraint("probability BETWEEN 0 AND 1", name="probability"),
        {"schema": SCHEMA},
    )

    customer_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(Customer.id))
    company_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey(Company.id, ondelete="SET NULL"))
    product_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(Product.id))
    sales_rep: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'draft'"))
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    discount_percent: Mapped[Decimal] = mapped_column(Numeric(5, 2), server_default=text("0"))
    total_amount: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    probability: Mapped[Decimal] = mapped_column(Numeric(4, 3))
    terms: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    expected_close_on: Mapped[date | None]
    sent_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    lost_reason: Mapped[str | None]
    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=92)

    customer: Mapped[Customer] = relationship(back_populates="quotes")
    product: Mapped[Product] = relationship(back_populates="quotes")


class Document(Keyed, Tracked, Base):
    """A text that belongs to a product or a vendor, with its embedding once that was computed."""

    __tablename__ = "document"
    __table_args__ = (one_of("kind", DOCUMENT_KINDS), {"schema": SCHEMA})

    product_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("catalog.product.id", ondelete="CASCADE"))
    vendor_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("catalog.vendor.id", ondelete="SET NULL"))
    kind: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    language: Mapped[str] = mapped_column(server_default=text("'en'"))
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    embedding: Mapped[Any | None] = mapped_column(Vector(DIMENSIONS), deferred=True)
    search: Mapped[Any | None] = mapped_column(
        TSVECTOR,
        Computed("to_tsvector('english'::regconfig, (title || ' '::text) || body)", persisted=True),
        deferred=True,
    )
    expires_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=92)


class ProductClassification(Keyed, Base):
    """What a model said a product is."""

    __tablename__ = "product_classification"
    __table_args__ = (CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"), {"schema": SCHEMA})

    product_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("catalog.product.id", ondelete="CASCADE"))
    model_name: Mapped[str]
    model_version: Mapped[str]
    label: Mapped[str]
    alternatives: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    confidence: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    features: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    latency_ms: Mapped[int | None]
    needs_review: Mapped[bool] = mapped_column(server_default=text("false"))
    reviewed_by: Mapped[str | None]
    reviewed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=90)


class ClassificationCache(Keyed, Base):
    """An answer worth keeping: what was asked, its embedding, the label, how often it was used since."""

    __tablename__ = "classification_cache"
    __table_args__ = ({"schema": SCHEMA},)

    content_hash: Mapped[str] = mapped_column(unique=True)
    input_text: Mapped[str]
    model_name: Mapped[str]
    label: Mapped[str]
    confidence: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    result: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    embedding: Mapped[Any | None] = mapped_column(Vector(DIMENSIONS), deferred=True)
    hit_count: Mapped[int] = mapped_column(server_default=text("0"))
    last_hit_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=90)
