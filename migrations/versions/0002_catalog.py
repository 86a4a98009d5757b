"""The catalog system: vendors, companies, customers, products, quotes, documents, classification."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import Vector
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the schema and its tables, the referenced ones first; their indexes come from index_specs/.

    Embeddings that are searched lie in the table itself: the planner counts the pages of a table and not those of its
    TOAST table, takes a scan of all the distances for cheap and leaves the vector index alone.
    """
    op.execute("CREATE SCHEMA catalog")
    _create_vendor()
    _create_company()
    _create_customer()
    _create_product()
    _create_quote()
    _create_document()
    _create_product_classification()
    _create_classification_cache()
    op.execute("ALTER TABLE catalog.document ALTER COLUMN embedding SET STORAGE PLAIN")
    op.execute("ALTER TABLE catalog.classification_cache ALTER COLUMN embedding SET STORAGE PLAIN")


def downgrade() -> None:
    """Drop the tables, the referencing ones first, and the schema."""
    op.drop_table("classification_cache", schema="catalog")
    op.drop_table("product_classification", schema="catalog")
    op.drop_table("document", schema="catalog")
    op.drop_table("quote", schema="catalog")
    op.drop_table("product", schema="catalog")
    op.drop_table("customer", schema="catalog")
    op.drop_table("company", schema="catalog")
    op.drop_table("vendor", schema="catalog")
    op.execute("DROP SCHEMA catalog")


def _create_vendor() -> None:
    op.create_table(
        "vendor",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'applied'"), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Double[float](), nullable=False),
        sa.Column("longitude", sa.Double[float](), nullable=False),
        sa.Column("rating", sa.Numeric(precision=3, scale=2)),
        sa.Column("review_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("on_time_rate", sa.Numeric(precision=4, scale=3)),
        sa.Column("defect_rate", sa.Numeric(precision=5, scale=4)),
        sa.Column("specialties", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("certifications", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("profile", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("onboarded_at", sa.DateTime(timezone=True)),
        sa.Column("last_audit_at", sa.DateTime(timezone=True)),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("status IN ('applied', 'approved', 'suspended')", name=op.f("ck_vendor_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vendor")),
        sa.UniqueConstraint("slug", name=op.f("uq_vendor_slug")),
        schema="catalog",
    )


def _create_company() -> None:
    op.create_table(
        "company",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("legal_name", sa.Text()),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("industry", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("employee_count", sa.Integer()),
        sa.Column("annual_revenue", sa.Numeric(precision=16, scale=2)),
        sa.Column("founded_year", sa.Integer()),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("firmographics", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company")),
        sa.UniqueConstraint("domain", name=op.f("uq_company_domain")),
        schema="catalog",
    )


def _create_customer() -> None:
    op.create_table(
        "customer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("company_id", sa.BigInteger()),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text()),
        sa.Column("job_title", sa.Text()),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("lifecycle_stage", sa.Text(), server_default=sa.text("'lead'"), nullable=False),
        sa.Column("lifetime_value", sa.Numeric(precision=14, scale=2), server_default=sa.text("0"), nullable=False),
        sa.Column("order_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("engagement_score", sa.Numeric(precision=5, scale=2)),
        sa.Column("marketing_opt_in", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("preferences", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True)),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "lifecycle_stage IN ('lead', 'qualified', 'customer', 'dormant', 'churned')",
            name=op.f("ck_customer_lifecycle_stage"),
        ),
        sa.CheckConstraint(
            "segment IN ('consumer', 'small_business', 'mid_market', 'enterprise', 'public_sector')",
            name=op.f("ck_customer_segment"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["catalog.company.id"], name=op.f("fk_customer_company_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("email", name=op.f("uq_customer_email")),
        schema="catalog",
    )


def _create_product() -> None:
    op.create_table(
        "product",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("vendor_id", sa.BigInteger(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("subcategory", sa.Text(), nullable=False),
        sa.Column("category_path", postgresql.ARRAY(sa.Integer()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("price", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("cost", sa.Numeric(precision=12, scale=2)),
        sa.Column("currency", sa.Text(), server_default=sa.text("'EUR'"), nullable=False),
        sa.Column("stock_quantity", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("rating", sa.Numeric(precision=3, scale=2)),
        sa.Column("review_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attributes", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("embedding", Vector(1536)),
        sa.Column("discontinued_at", sa.DateTime(timezone=True)),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "status IN ('draft', 'active', 'backorder', 'discontinued')", name=op.f("ck_product_status")
        ),
        sa.CheckConstraint("price >= 0", name=op.f("ck_product_price")),
        sa.ForeignKeyConstraint(["vendor_id"], ["catalog.vendor.id"], name=op.f("fk_product_vendor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("sku", name=op.f("uq_product_sku")),
        schema="catalog",
    )


def _create_quote() -> None:
    op.create_table(
        "quote",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("company_id", sa.BigInteger()),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("sales_rep", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("discount_percent", sa.Numeric(precision=5, scale=2), server_default=sa.text("0"), nullable=False),
        sa.Column("total_amount", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("probability", sa.Numeric(precision=4, scale=3), nullable=False),
        sa.Column("terms", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("expected_close_on", sa.Date()),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("lost_reason", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "status IN ('draft', 'sent', 'negotiation', 'won', 'lost', 'expired')", name=op.f("ck_quote_status")
        ),
        sa.CheckConstraint("probability BETWEEN 0 AND 1", name=op.f("ck_quote_probability")),
        sa.ForeignKeyConstraint(
            ["company_id"], ["catalog.company.id"], name=op.f("fk_quote_company_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["catalog.customer.id"], name=op.f("fk_quote_customer_id")),
        sa.ForeignKeyConstraint(["product_id"], ["catalog.product.id"], name=op.f("fk_quote_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quote")),
        schema="catalog",
    )


def _create_document() -> None:
    op.create_table(
        "document",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("product_id", sa.BigInteger()),
        sa.Column("vendor_id", sa.BigInteger()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), server_default=sa.text("'en'"), nullable=False),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("embedding", Vector(1536)),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed("to_tsvector('english'::regconfig, (title || ' '::text) || body)", persisted=True),
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "kind IN ('datasheet', 'manual', 'certificate', 'contract', 'invoice')", name=op.f("ck_document_kind")
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["catalog.product.id"], name=op.f("fk_document_product_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["catalog.vendor.id"], name=op.f("fk_document_vendor_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
        schema="catalog",
    )


def _create_product_classification() -> None:
    op.create_table(
        "product_classification",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("alternatives", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("confidence", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("features", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("latency_ms", sa.Integer()),
        sa.Column("needs_review", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reviewed_by", sa.Text()),
        sa.Column("reviewed_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_product_classification_confidence")),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["catalog.product.id"],
            name=op.f("fk_product_classification_product_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_classification")),
        schema="catalog",
    )


def _create_classification_cache() -> None:
    op.create_table(
        "classification_cache",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("input_text", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("result", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("embedding", Vector(1536)),
        sa.Column("hit_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_hit_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_classification_cache")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_classification_cache_content_hash")),
        schema="catalog",
    )
