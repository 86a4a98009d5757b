"""indexes found by the advisor."""

from alembic import op

import analyzer.migrate.alembic_plugin  # noqa: F401

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.build_index(
        "ix_classification_cache_embedding",
        "classification_cache",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_classification_cache_embedding
            ON catalog.classification_cache USING ivfflat (embedding vector_cosine_ops)
            WITH (lists = 20)
        """,
        definition="""
            CREATE INDEX ix_classification_cache_embedding
            ON catalog.classification_cache USING ivfflat (embedding public.vector_cosine_ops)
            WITH (lists='20')
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customer_email_lower",
        "customer",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customer_email_lower
            ON catalog.customer USING btree ((lower(email)))
        """,
        definition="""CREATE INDEX ix_customer_email_lower ON catalog.customer USING btree (lower(email))""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_document_search",
        "document",
        schema="catalog",
        sql="""CREATE INDEX CONCURRENTLY ix_document_search ON catalog.document USING gin (search)""",
        definition="""CREATE INDEX ix_document_search ON catalog.document USING gin (search)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_attributes",
        "product",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_attributes
            ON catalog.product USING gin (attributes jsonb_path_ops)
            WITH (fastupdate = false)
        """,
        definition="""
            CREATE INDEX ix_product_attributes
            ON catalog.product USING gin (attributes jsonb_path_ops)
            WITH (fastupdate='false')
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_name_trgm",
        "product",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_name_trgm
            ON catalog.product USING gin (name gin_trgm_ops)
        """,
        definition="""CREATE INDEX ix_product_name_trgm ON catalog.product USING gin (name public.gin_trgm_ops)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_subcategory_price",
        "product",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_subcategory_price
            ON catalog.product USING btree (subcategory)
            INCLUDE (price, rating, stock_quantity)
        """,
        definition="""
            CREATE INDEX ix_product_subcategory_price
            ON catalog.product USING btree (subcategory)
            INCLUDE (price, rating, stock_quantity)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_product_classification_review_queue",
        "product_classification",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_product_classification_review_queue
            ON catalog.product_classification USING btree (confidence)
            WHERE needs_review
        """,
        definition="""
            CREATE INDEX ix_product_classification_review_queue
            ON catalog.product_classification USING btree (confidence)
            WHERE needs_review
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_quote_product",
        "quote",
        schema="catalog",
        sql="""CREATE INDEX CONCURRENTLY ix_quote_product ON catalog.quote USING btree (product_id)""",
        definition="""CREATE INDEX ix_quote_product ON catalog.quote USING btree (product_id)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_quote_rep_status_created",
        "quote",
        schema="catalog",
        sql="""
            CREATE INDEX CONCURRENTLY ix_quote_rep_status_created
            ON catalog.quote USING btree (sales_rep, status, created_at DESC)
        """,
        definition="""
            CREATE INDEX ix_quote_rep_status_created
            ON catalog.quote USING btree (sales_rep, status, created_at DESC)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_audit_log_recorded_brin",
        "audit_log",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_audit_log_recorded_brin
            ON insight.audit_log USING brin (recorded_at)
        """,
        definition="""CREATE INDEX ix_audit_log_recorded_brin ON insight.audit_log USING brin (recorded_at)""",
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_sentiment_analysis_latest",
        "sentiment_analysis",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_sentiment_analysis_latest
            ON insight.sentiment_analysis USING btree (processing_timestamp DESC, id DESC)
        """,
        definition="""
            CREATE INDEX ix_sentiment_analysis_latest
            ON insight.sentiment_analysis USING btree (processing_timestamp DESC, id DESC)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_sentiment_analysis_keywords",
        "sentiment_analysis",
        schema="insight",
        sql="""
            CREATE INDEX CONCURRENTLY ix_sentiment_analysis_keywords
            ON insight.sentiment_analysis USING gin (keywords)
        """,
        definition="""
            CREATE INDEX ix_sentiment_analysis_keywords
            ON insight.sentiment_analysis USING gin (keywords)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customer_scores_strong",
        "customer_scores",
        schema="intelligence",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customer_scores_strong
            ON intelligence.customer_scores USING btree (score, confidence)
            WHERE score > 0.7
        """,
        definition="""
            CREATE INDEX ix_customer_scores_strong
            ON intelligence.customer_scores USING btree (score, confidence)
            WHERE (score > 0.7)
        """,
        lock_timeout="10min",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for older transactions, blocks no reads or writes",
            "INDEX_BUILD: reads the whole table twice",
        ),
    )
    op.build_index(
        "ix_customers_department_status_created",
        "customers",
        schema="intelligence",
        sql="""
            CREATE INDEX CONCURRENTLY ix_customers_department_status_created
            ON intelligence.customers USING btree (department, status, created_at)
        """,
        definition="""
            CREATE INDEX ix_customers_department_status_created
            ON intelligence.customers USING btree (department, status, created_at)
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
        "ix_customers_department_status_created",
        "customers",
        schema="intelligence",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS intelligence.ix_customers_department_status_created""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customer_scores_strong",
        "customer_scores",
        schema="intelligence",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS intelligence.ix_customer_scores_strong""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_sentiment_analysis_keywords",
        "sentiment_analysis",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_sentiment_analysis_keywords""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_sentiment_analysis_latest",
        "sentiment_analysis",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_sentiment_analysis_latest""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_audit_log_recorded_brin",
        "audit_log",
        schema="insight",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS insight.ix_audit_log_recorded_brin""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_quote_rep_status_created",
        "quote",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_quote_rep_status_created""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_quote_product",
        "quote",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_quote_product""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_classification_review_queue",
        "product_classification",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_classification_review_queue""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_subcategory_price",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_subcategory_price""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_name_trgm",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_name_trgm""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_product_attributes",
        "product",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_product_attributes""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_document_search",
        "document",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_document_search""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_customer_email_lower",
        "customer",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_customer_email_lower""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
    op.drop_index_online(
        "ix_classification_cache_embedding",
        "classification_cache",
        schema="catalog",
        sql="""DROP INDEX CONCURRENTLY IF EXISTS catalog.ix_classification_cache_embedding""",
        lock_timeout="5s",
        hazards=(
            "LOCK: SHARE UPDATE EXCLUSIVE on the table; waits for transactions that use it",
            "INDEX_DROPPED: queries that used the index get another plan",
        ),
    )
