"""indexes."""

from alembic import op

import analyzer.migrate.alembic_plugin  # noqa: F401

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.build_index(
        "ix_classification_cache_popular",
        "classification_cache",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_classification_cache_popular
            ON catalog.classification_cache USING btree (hit_count DESC)
            INCLUDE (label)
        """,
        definition="""
            CREATE INDEX ix_classification_cache_popular
            ON catalog.classification_cache USING btree (hit_count DESC)
            INCLUDE (label)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_classification_cache_expires",
        "classification_cache",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_classification_cache_expires
            ON catalog.classification_cache USING btree (expires_at)
            WHERE expires_at IS NOT NULL
        """,
        definition="""
            CREATE INDEX ix_classification_cache_expires
            ON catalog.classification_cache USING btree (expires_at)
            WHERE (expires_at IS NOT NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_classification_cache_model",
        "classification_cache",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_classification_cache_model
            ON catalog.classification_cache USING btree (model_name, label)
        """,
        definition="""
            CREATE INDEX ix_classification_cache_model
            ON catalog.classification_cache USING btree (model_name, label)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_company_name_trgm",
        "company",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_company_name_trgm
            ON catalog.company USING gin (name gin_trgm_ops)
        """,
        definition="""CREATE INDEX ix_company_name_trgm ON catalog.company USING gin (name public.gin_trgm_ops)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_company_industry_revenue",
        "company",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_company_industry_revenue
            ON catalog.company USING btree (industry, annual_revenue DESC NULLS LAST)
            INCLUDE (name, employee_count)
        """,
        definition="""
            CREATE INDEX ix_company_industry_revenue
            ON catalog.company USING btree (industry, annual_revenue DESC NULLS LAST)
            INCLUDE (name, employee_count)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_company_country_region",
        "company",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_company_country_region
            ON catalog.company USING btree (country, region)
        """,
        definition="""CREATE INDEX ix_company_country_region ON catalog.company USING btree (country, region)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_company_employees",
        "company",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_company_employees
            ON catalog.company USING btree (employee_count)
            WHERE is_active
        """,
        definition="""
            CREATE INDEX ix_company_employees
            ON catalog.company USING btree (employee_count)
            WHERE is_active
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_company_firmographics",
        "company",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_company_firmographics
            ON catalog.company USING gin (firmographics jsonb_path_ops)
        """,
        definition="""
            CREATE INDEX ix_company_firmographics
            ON catalog.company USING gin (firmographics jsonb_path_ops)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_company_tags",
        "company",
        schema="catalog",
        sql="""CREATE INDEX CONCURRENTLY ix_company_tags ON catalog.company USING gin (tags)""",
        definition="""CREATE INDEX ix_company_tags ON catalog.company USING gin (tags)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customer_company",
        "customer",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customer_company
            ON catalog.customer USING btree (company_id)
            WHERE company_id IS NOT NULL
        """,
        definition="""
            CREATE INDEX ix_customer_company
            ON catalog.customer USING btree (company_id)
            WHERE (company_id IS NOT NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customer_segment_value",
        "customer",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customer_segment_value
            ON catalog.customer USING btree (segment, lifetime_value DESC)
            INCLUDE (first_name, last_name, engagement_score)
            WHERE is_active
        """,
        definition="""
            CREATE INDEX ix_customer_segment_value
            ON catalog.customer USING btree (segment, lifetime_value DESC)
            INCLUDE (first_name, last_name, engagement_score)
            WHERE is_active
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customer_stage_engagement",
        "customer",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customer_stage_engagement
            ON catalog.customer USING btree (lifecycle_stage, engagement_score DESC NULLS LAST)
        """,
        definition="""
            CREATE INDEX ix_customer_stage_engagement
            ON catalog.customer USING btree (lifecycle_stage, engagement_score DESC NULLS LAST)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customer_last_seen",
        "customer",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customer_last_seen
            ON catalog.customer USING btree (last_seen_at)
            WHERE last_seen_at IS NOT NULL
        """,
        definition="""
            CREATE INDEX ix_customer_last_seen
            ON catalog.customer USING btree (last_seen_at)
            WHERE (last_seen_at IS NOT NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customer_preferences",
        "customer",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customer_preferences
            ON catalog.customer USING gin (preferences jsonb_path_ops)
        """,
        definition="""
            CREATE INDEX ix_customer_preferences
            ON catalog.customer USING gin (preferences jsonb_path_ops)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customer_created_brin",
        "customer",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customer_created_brin
            ON catalog.customer USING brin (created_at)
        """,
        definition="""CREATE INDEX ix_customer_created_brin ON catalog.customer USING brin (created_at)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_document_product_kind",
        "document",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_document_product_kind
            ON catalog.document USING btree (product_id, kind)
        """,
        definition="""CREATE INDEX ix_document_product_kind ON catalog.document USING btree (product_id, kind)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_document_vendor",
        "document",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_document_vendor
            ON catalog.document USING btree (vendor_id)
            WHERE vendor_id IS NOT NULL
        """,
        definition="""
            CREATE INDEX ix_document_vendor
            ON catalog.document USING btree (vendor_id)
            WHERE (vendor_id IS NOT NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_document_embedding",
        "document",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_document_embedding
            ON catalog.document USING hnsw (embedding vector_cosine_ops)
            WITH (ef_construction = 64, m = 16)
        """,
        definition="""
            CREATE INDEX ix_document_embedding
            ON catalog.document USING hnsw (embedding public.vector_cosine_ops)
            WITH (ef_construction='64', m='16')
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_document_details",
        "document",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_document_details
            ON catalog.document USING gin (details jsonb_path_ops)
        """,
        definition="""CREATE INDEX ix_document_details ON catalog.document USING gin (details jsonb_path_ops)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_document_expires",
        "document",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_document_expires
            ON catalog.document USING btree (expires_at)
            WHERE expires_at IS NOT NULL
        """,
        definition="""
            CREATE INDEX ix_document_expires
            ON catalog.document USING btree (expires_at)
            WHERE (expires_at IS NOT NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_vendor",
        "product",
        schema="catalog",
        sql="""CREATE INDEX CONCURRENTLY ix_product_vendor ON catalog.product USING btree (vendor_id)""",
        definition="""CREATE INDEX ix_product_vendor ON catalog.product USING btree (vendor_id)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_active_recent",
        "product",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_active_recent
            ON catalog.product USING btree (category, created_at DESC, id DESC)
            WHERE is_active
        """,
        definition="""
            CREATE INDEX ix_product_active_recent
            ON catalog.product USING btree (category, created_at DESC, id DESC)
            WHERE is_active
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_tags",
        "product",
        schema="catalog",
        sql="""CREATE INDEX CONCURRENTLY ix_product_tags ON catalog.product USING gin (tags)""",
        definition="""CREATE INDEX ix_product_tags ON catalog.product USING gin (tags)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_category_path",
        "product",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_category_path
            ON catalog.product USING gin (category_path)
        """,
        definition="""CREATE INDEX ix_product_category_path ON catalog.product USING gin (category_path)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_brand",
        "product",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_brand
            ON catalog.product USING btree ((attributes ->> 'brand'))
        """,
        definition="""
            CREATE INDEX ix_product_brand
            ON catalog.product USING btree (((attributes ->> 'brand'::text)))
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_embedding",
        "product",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_embedding
            ON catalog.product USING hnsw (embedding vector_cosine_ops)
            WITH (ef_construction = 64, m = 16)
        """,
        definition="""
            CREATE INDEX ix_product_embedding
            ON catalog.product USING hnsw (embedding public.vector_cosine_ops)
            WITH (ef_construction='64', m='16')
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_low_stock",
        "product",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_low_stock
            ON catalog.product USING btree (stock_quantity)
            INCLUDE (sku, name, vendor_id)
            WHERE is_active
        """,
        definition="""
            CREATE INDEX ix_product_low_stock
            ON catalog.product USING btree (stock_quantity)
            INCLUDE (sku, name, vendor_id)
            WHERE is_active
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_updated",
        "product",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_updated
            ON catalog.product USING btree (updated_at, id)
        """,
        definition="""CREATE INDEX ix_product_updated ON catalog.product USING btree (updated_at, id)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_created_brin",
        "product",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_created_brin
            ON catalog.product USING brin (created_at)
            WITH (pages_per_range = 32)
        """,
        definition="""
            CREATE INDEX ix_product_created_brin
            ON catalog.product USING brin (created_at)
            WITH (pages_per_range='32')
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_classification_product",
        "product_classification",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_classification_product
            ON catalog.product_classification USING btree (product_id, created_at DESC)
        """,
        definition="""
            CREATE INDEX ix_product_classification_product
            ON catalog.product_classification USING btree (product_id, created_at DESC)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_classification_model",
        "product_classification",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_classification_model
            ON catalog.product_classification USING btree (model_name, model_version, confidence DESC)
        """,
        definition="""
            CREATE INDEX ix_product_classification_model
            ON catalog.product_classification USING btree (model_name, model_version, confidence DESC)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_classification_alternatives",
        "product_classification",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_classification_alternatives
            ON catalog.product_classification USING gin (alternatives)
        """,
        definition="""
            CREATE INDEX ix_product_classification_alternatives
            ON catalog.product_classification USING gin (alternatives)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_classification_created_brin",
        "product_classification",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_classification_created_brin
            ON catalog.product_classification USING brin (created_at)
        """,
        definition="""
            CREATE INDEX ix_product_classification_created_brin
            ON catalog.product_classification USING brin (created_at)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_quote_customer_created",
        "quote",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_quote_customer_created
            ON catalog.quote USING btree (customer_id, created_at DESC)
        """,
        definition="""
            CREATE INDEX ix_quote_customer_created
            ON catalog.quote USING btree (customer_id, created_at DESC)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_quote_company",
        "quote",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_quote_company
            ON catalog.quote USING btree (company_id)
            WHERE company_id IS NOT NULL
        """,
        definition="""
            CREATE INDEX ix_quote_company
            ON catalog.quote USING btree (company_id)
            WHERE (company_id IS NOT NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_quote_open_forecast",
        "quote",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_quote_open_forecast
            ON catalog.quote USING btree (expected_close_on)
            INCLUDE (status, total_amount, probability)
            WHERE closed_at IS NULL
        """,
        definition="""
            CREATE INDEX ix_quote_open_forecast
            ON catalog.quote USING btree (expected_close_on)
            INCLUDE (status, total_amount, probability)
            WHERE (closed_at IS NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_quote_lost_reason",
        "quote",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_quote_lost_reason
            ON catalog.quote USING btree (lost_reason, closed_at)
            WHERE lost_reason IS NOT NULL
        """,
        definition="""
            CREATE INDEX ix_quote_lost_reason
            ON catalog.quote USING btree (lost_reason, closed_at)
            WHERE (lost_reason IS NOT NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_quote_created_brin",
        "quote",
        schema="catalog",
        sql="""CREATE INDEX CONCURRENTLY ix_quote_created_brin ON catalog.quote USING brin (created_at)""",
        definition="""CREATE INDEX ix_quote_created_brin ON catalog.quote USING brin (created_at)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_name_trgm",
        "vendor",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_vendor_name_trgm
            ON catalog.vendor USING gin (name gin_trgm_ops)
        """,
        definition="""CREATE INDEX ix_vendor_name_trgm ON catalog.vendor USING gin (name public.gin_trgm_ops)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_name_lower",
        "vendor",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_vendor_name_lower
            ON catalog.vendor USING btree ((lower(name)))
        """,
        definition="""CREATE INDEX ix_vendor_name_lower ON catalog.vendor USING btree (lower(name))""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_place",
        "vendor",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_vendor_place
            ON catalog.vendor USING btree (latitude, longitude)
            WHERE is_active
        """,
        definition="""
            CREATE INDEX ix_vendor_place
            ON catalog.vendor USING btree (latitude, longitude)
            WHERE is_active
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_region_rating",
        "vendor",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_vendor_region_rating
            ON catalog.vendor USING btree (region, rating DESC NULLS LAST)
            INCLUDE (name, on_time_rate)
            WHERE is_active
        """,
        definition="""
            CREATE INDEX ix_vendor_region_rating
            ON catalog.vendor USING btree (region, rating DESC NULLS LAST)
            INCLUDE (name, on_time_rate)
            WHERE is_active
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_country_city",
        "vendor",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_vendor_country_city
            ON catalog.vendor USING btree (country, city)
        """,
        definition="""CREATE INDEX ix_vendor_country_city ON catalog.vendor USING btree (country, city)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_reliability",
        "vendor",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_vendor_reliability
            ON catalog.vendor USING btree (on_time_rate DESC NULLS LAST, defect_rate)
            WHERE is_active
        """,
        definition="""
            CREATE INDEX ix_vendor_reliability
            ON catalog.vendor USING btree (on_time_rate DESC NULLS LAST, defect_rate)
            WHERE is_active
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_specialties",
        "vendor",
        schema="catalog",
        sql="""CREATE INDEX CONCURRENTLY ix_vendor_specialties ON catalog.vendor USING gin (specialties)""",
        definition="""CREATE INDEX ix_vendor_specialties ON catalog.vendor USING gin (specialties)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_certifications",
        "vendor",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_vendor_certifications
            ON catalog.vendor USING gin (certifications)
        """,
        definition="""CREATE INDEX ix_vendor_certifications ON catalog.vendor USING gin (certifications)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_profile",
        "vendor",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_vendor_profile
            ON catalog.vendor USING gin (profile jsonb_path_ops)
        """,
        definition="""CREATE INDEX ix_vendor_profile ON catalog.vendor USING gin (profile jsonb_path_ops)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_never_audited",
        "vendor",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_vendor_never_audited
            ON catalog.vendor USING btree (onboarded_at)
            WHERE last_audit_at IS NULL
        """,
        definition="""
            CREATE INDEX ix_vendor_never_audited
            ON catalog.vendor USING btree (onboarded_at)
            WHERE (last_audit_at IS NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_vendor_status_created",
        "vendor",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_vendor_status_created
            ON catalog.vendor USING btree (status, created_at DESC)
        """,
        definition="""
            CREATE INDEX ix_vendor_status_created
            ON catalog.vendor USING btree (status, created_at DESC)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_audit_log_object",
        "audit_log",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_audit_log_object
            ON insight.audit_log USING btree (object_type, object_id)
        """,
        definition="""CREATE INDEX ix_audit_log_object ON insight.audit_log USING btree (object_type, object_id)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_benchmark_comparison_result",
        "benchmark_comparison",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_benchmark_comparison_result
            ON insight.benchmark_comparison USING btree (result_id)
        """,
        definition="""
            CREATE INDEX ix_benchmark_comparison_result
            ON insight.benchmark_comparison USING btree (result_id)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_benchmark_result_metric_calculated",
        "benchmark_result",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_benchmark_result_metric_calculated
            ON insight.benchmark_result USING btree (metric_type, calculated_at)
        """,
        definition="""
            CREATE INDEX ix_benchmark_result_metric_calculated
            ON insight.benchmark_result USING btree (metric_type, calculated_at)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_benchmark_result_entity_sector",
        "benchmark_result",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_benchmark_result_entity_sector
            ON insight.benchmark_result USING btree (entity_name, industry_sector)
        """,
        definition="""
            CREATE INDEX ix_benchmark_result_entity_sector
            ON insight.benchmark_result USING btree (entity_name, industry_sector)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_industry_template_sector_rating_usage",
        "industry_template",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_industry_template_sector_rating_usage
            ON insight.industry_template USING btree (industry_sector, rating DESC NULLS LAST,
            usage_count DESC)
        """,
        definition="""
            CREATE INDEX ix_industry_template_sector_rating_usage
            ON insight.industry_template USING btree (industry_sector, rating DESC NULLS LAST,
            usage_count DESC)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_metrics_snapshot_captured_brin",
        "metrics_snapshot",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_metrics_snapshot_captured_brin
            ON insight.metrics_snapshot USING brin (captured_at)
            WITH (pages_per_range = 16)
        """,
        definition="""
            CREATE INDEX ix_metrics_snapshot_captured_brin
            ON insight.metrics_snapshot USING brin (captured_at)
            WITH (pages_per_range='16')
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_ml_training_job_type_status_created",
        "ml_training_job",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_ml_training_job_type_status_created
            ON insight.ml_training_job USING btree (model_type, status, created_at)
        """,
        definition="""
            CREATE INDEX ix_ml_training_job_type_status_created
            ON insight.ml_training_job USING btree (model_type, status, created_at)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_ml_training_job_queue",
        "ml_training_job",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_ml_training_job_queue
            ON insight.ml_training_job USING btree (created_at)
            WHERE started_at IS NULL
        """,
        definition="""
            CREATE INDEX ix_ml_training_job_queue
            ON insight.ml_training_job USING btree (created_at)
            WHERE (started_at IS NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_performance_alert_open",
        "performance_alert",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_performance_alert_open
            ON insight.performance_alert USING btree (severity, raised_at)
            WHERE resolved_at IS NULL
        """,
        definition="""
            CREATE INDEX ix_performance_alert_open
            ON insight.performance_alert USING btree (severity, raised_at)
            WHERE (resolved_at IS NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_performance_alert_service",
        "performance_alert",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_performance_alert_service
            ON insight.performance_alert USING btree (service, raised_at)
        """,
        definition="""
            CREATE INDEX ix_performance_alert_service
            ON insight.performance_alert USING btree (service, raised_at)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_sentiment_analysis_entity_time",
        "sentiment_analysis",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_sentiment_analysis_entity_time
            ON insight.sentiment_analysis USING btree (entity_name, entity_type, processing_timestamp)
        """,
        definition="""
            CREATE INDEX ix_sentiment_analysis_entity_time
            ON insight.sentiment_analysis USING btree (entity_name, entity_type, processing_timestamp)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_trend_analysis_entity_metric",
        "trend_analysis",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_trend_analysis_entity_metric
            ON insight.trend_analysis USING btree (entity_name, metric_type, period_end DESC)
        """,
        definition="""
            CREATE INDEX ix_trend_analysis_entity_metric
            ON insight.trend_analysis USING btree (entity_name, metric_type, period_end DESC)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customer_scores_customer_type_created",
        "customer_scores",
        schema="intelligence",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customer_scores_customer_type_created
            ON intelligence.customer_scores USING btree (customer_id, score_type, created_at)
        """,
        definition="""
            CREATE INDEX ix_customer_scores_customer_type_created
            ON intelligence.customer_scores USING btree (customer_id, score_type, created_at)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customers_tenant_status_department",
        "customers",
        schema="intelligence",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customers_tenant_status_department
            ON intelligence.customers USING btree (tenant_id, status, department)
        """,
        definition="""
            CREATE INDEX ix_customers_tenant_status_department
            ON intelligence.customers USING btree (tenant_id, status, department)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customers_email",
        "customers",
        schema="intelligence",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customers_email
            ON intelligence.customers USING btree (email)
            WHERE email IS NOT NULL
        """,
        definition="""
            CREATE INDEX ix_customers_email
            ON intelligence.customers USING btree (email)
            WHERE (email IS NOT NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customers_traits",
        "customers",
        schema="intelligence",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customers_traits
            ON intelligence.customers USING gin (traits jsonb_path_ops)
        """,
        definition="""
            CREATE INDEX ix_customers_traits
            ON intelligence.customers USING gin (traits jsonb_path_ops)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_output_run_product",
        "output",
        schema="pipeline",
        sql="""
            CREATE INDEX CONCURRENTLY ix_output_run_product
            ON pipeline.output USING btree (run_id, product_id)
        """,
        definition="""CREATE INDEX ix_output_run_product ON pipeline.output USING btree (run_id, product_id)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_output_product",
        "output",
        schema="pipeline",
        sql="""CREATE INDEX CONCURRENTLY ix_output_product ON pipeline.output USING btree (product_id)""",
        definition="""CREATE INDEX ix_output_product ON pipeline.output USING btree (product_id)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_run_agent_started",
        "run",
        schema="pipeline",
        sql="""
            CREATE INDEX CONCURRENTLY ix_run_agent_started
            ON pipeline.run USING btree (agent, started_at DESC)
        """,
        definition="""CREATE INDEX ix_run_agent_started ON pipeline.run USING btree (agent, started_at DESC)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_work_item_pending",
        "work_item",
        schema="pipeline",
        sql="""
            CREATE INDEX CONCURRENTLY ix_work_item_pending
            ON pipeline.work_item USING btree (task, priority, id)
            WHERE claimed_at IS NULL
        """,
        definition="""
            CREATE INDEX ix_work_item_pending
            ON pipeline.work_item USING btree (task, priority, id)
            WHERE (claimed_at IS NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_work_item_product",
        "work_item",
        schema="pipeline",
        sql="""
            CREATE INDEX CONCURRENTLY ix_work_item_product
            ON pipeline.work_item USING btree (product_id)
        """,
        definition="""CREATE INDEX ix_work_item_product ON pipeline.work_item USING btree (product_id)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_work_item_run",
        "work_item",
        schema="pipeline",
        sql="""
            CREATE INDEX CONCURRENTLY ix_work_item_run
            ON pipeline.work_item USING btree (run_id)
            WHERE run_id IS NOT NULL
        """,
        definition="""
            CREATE INDEX ix_work_item_run
            ON pipeline.work_item USING btree (run_id)
            WHERE (run_id IS NOT NULL)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index_online(
        "ix_work_item_run",
        "work_item",
        schema="pipeline",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS pipeline.ix_work_item_run""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_work_item_product",
        "work_item",
        schema="pipeline",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS pipeline.ix_work_item_product""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_work_item_pending",
        "work_item",
        schema="pipeline",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS pipeline.ix_work_item_pending""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_run_agent_started",
        "run",
        schema="pipeline",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS pipeline.ix_run_agent_started""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_output_product",
        "output",
        schema="pipeline",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS pipeline.ix_output_product""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_output_run_product",
        "output",
        schema="pipeline",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS pipeline.ix_output_run_product""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customers_traits",
        "customers",
        schema="intelligence",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS intelligence.ix_customers_traits""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customers_email",
        "customers",
        schema="intelligence",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS intelligence.ix_customers_email""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customers_tenant_status_department",
        "customers",
        schema="intelligence",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS intelligence.ix_customers_tenant_status_department""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customer_scores_customer_type_created",
        "customer_scores",
        schema="intelligence",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS intelligence.ix_customer_scores_customer_type_created""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_trend_analysis_entity_metric",
        "trend_analysis",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_trend_analysis_entity_metric""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_sentiment_analysis_entity_time",
        "sentiment_analysis",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_sentiment_analysis_entity_time""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_performance_alert_service",
        "performance_alert",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_performance_alert_service""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_performance_alert_open",
        "performance_alert",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_performance_alert_open""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_ml_training_job_queue",
        "ml_training_job",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_ml_training_job_queue""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_ml_training_job_type_status_created",
        "ml_training_job",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_ml_training_job_type_status_created""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_metrics_snapshot_captured_brin",
        "metrics_snapshot",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_metrics_snapshot_captured_brin""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_industry_template_sector_rating_usage",
        "industry_template",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_industry_template_sector_rating_usage""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_benchmark_result_entity_sector",
        "benchmark_result",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_benchmark_result_entity_sector""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_benchmark_result_metric_calculated",
        "benchmark_result",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_benchmark_result_metric_calculated""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_benchmark_comparison_result",
        "benchmark_comparison",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_benchmark_comparison_result""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_audit_log_object",
        "audit_log",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_audit_log_object""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_status_created",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_status_created""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_never_audited",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_never_audited""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_profile",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_profile""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_certifications",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_certifications""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_specialties",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_specialties""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_reliability",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_reliability""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_country_city",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_country_city""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_region_rating",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_region_rating""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_place",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_place""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_name_lower",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_name_lower""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_vendor_name_trgm",
        "vendor",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_vendor_name_trgm""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_quote_created_brin",
        "quote",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_quote_created_brin""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_quote_lost_reason",
        "quote",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_quote_lost_reason""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_quote_open_forecast",
        "quote",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_quote_open_forecast""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_quote_company",
        "quote",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_quote_company""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_quote_customer_created",
        "quote",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_quote_customer_created""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_classification_created_brin",
        "product_classification",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_classification_created_brin""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_classification_alternatives",
        "product_classification",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_classification_alternatives""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_classification_model",
        "product_classification",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_classification_model""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_classification_product",
        "product_classification",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_classification_product""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_created_brin",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_created_brin""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_updated",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_updated""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_low_stock",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_low_stock""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_embedding",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_embedding""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_brand",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_brand""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_category_path",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_category_path""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_tags",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_tags""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_active_recent",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_active_recent""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_vendor",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_vendor""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_document_expires",
        "document",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_document_expires""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_document_details",
        "document",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_document_details""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_document_embedding",
        "document",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_document_embedding""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_document_vendor",
        "document",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_document_vendor""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_document_product_kind",
        "document",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_document_product_kind""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customer_created_brin",
        "customer",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_customer_created_brin""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customer_preferences",
        "customer",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_customer_preferences""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customer_last_seen",
        "customer",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_customer_last_seen""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customer_stage_engagement",
        "customer",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_customer_stage_engagement""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customer_segment_value",
        "customer",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_customer_segment_value""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customer_company",
        "customer",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_customer_company""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_company_tags",
        "company",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_company_tags""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_company_firmographics",
        "company",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_company_firmographics""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_company_employees",
        "company",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_company_employees""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_company_country_region",
        "company",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_company_country_region""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_company_industry_revenue",
        "company",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_company_industry_revenue""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_company_name_trgm",
        "company",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_company_name_trgm""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_classification_cache_model",
        "classification_cache",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_classification_cache_model""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_classification_cache_expires",
        "classification_cache",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_classification_cache_expires""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_classification_cache_popular",
        "classification_cache",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_classification_cache_popular""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
