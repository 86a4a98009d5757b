"""indexes found by the advisor."""

from alembic import op

import analyzer.migrate.alembic_plugin  # noqa: F401

revision = "0004"
down_revision = "0003"
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


def downgrade() -> None:
    """Take back."""
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
