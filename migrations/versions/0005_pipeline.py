"""The pipeline system: runs of agents, their queue, their outputs, and the views they and analysts read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the schema, its tables, then the views, which look into the other schemas."""
    op.execute("CREATE SCHEMA pipeline")
    _create_run()
    _create_work_item()
    _create_output()
    _create_views()
    _create_materialized_views()


def downgrade() -> None:
    """Drop the views, the tables, the referencing ones first, and the schema."""
    op.execute("DROP MATERIALIZED VIEW pipeline.entity_sentiment")
    op.execute("DROP MATERIALIZED VIEW pipeline.quote_month")
    op.execute("DROP VIEW pipeline.unclassified_product")
    op.execute("DROP VIEW pipeline.strong_score")
    op.drop_table("output", schema="pipeline")
    op.drop_table("work_item", schema="pipeline")
    op.drop_table("run", schema="pipeline")
    op.execute("DROP SCHEMA pipeline")


def _create_run() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'running'"), nullable=False),
        sa.Column("settings", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("status IN ('running', 'succeeded', 'failed')", name=op.f("ck_run_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        schema="pipeline",
    )


def _create_work_item() -> None:
    op.create_table(
        "work_item",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger()),
        sa.Column("priority", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("payload", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('pending', 'claimed', 'done', 'failed')", name=op.f("ck_work_item_status")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["catalog.product.id"], name=op.f("fk_work_item_product_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["pipeline.run.id"], name=op.f("fk_work_item_run_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_item")),
        schema="pipeline",
    )


def _create_output() -> None:
    op.create_table(
        "output",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("runner_up", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("margin", sa.Numeric(precision=5, scale=4), sa.Computed("confidence - runner_up", persisted=True)),
        sa.Column("applied_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["catalog.product.id"], name=op.f("fk_output_product_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["pipeline.run.id"], name=op.f("fk_output_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_output")),
        schema="pipeline",
    )


def _create_views() -> None:
    op.execute(
        """
        CREATE VIEW pipeline.strong_score AS
        SELECT s.id, s.customer_id, s.score_type, s.score, s.confidence, s.created_at
        FROM intelligence.customer_scores AS s
        WHERE s.score > 0.7
        """
    )
    op.execute(
        """
        CREATE VIEW pipeline.unclassified_product AS
        SELECT p.id, p.name, p.description, p.category, p.updated_at
        FROM catalog.product AS p
        WHERE
            p.is_active
            AND NOT EXISTS (SELECT FROM catalog.product_classification AS c WHERE c.product_id = p.id)
        """
    )


def _create_materialized_views() -> None:
    """Sum up for the analysts, each with the unique index that lets it be refreshed while it is read."""
    op.execute(
        """
        CREATE MATERIALIZED VIEW pipeline.quote_month AS
        SELECT
            date_trunc('month', q.created_at, 'UTC') AS month,
            q.sales_rep,
            count(*) AS quotes,
            count(*) FILTER (WHERE q.status = 'won') AS won,
            sum(q.total_amount) FILTER (WHERE q.status = 'won') AS turnover
        FROM catalog.quote AS q
        GROUP BY 1, 2
        """
    )
    op.execute("CREATE UNIQUE INDEX uq_quote_month_month ON pipeline.quote_month (month, sales_rep)")
    op.execute(
        """
        CREATE MATERIALIZED VIEW pipeline.entity_sentiment AS
        SELECT
            s.entity_type,
            s.entity_name,
            count(*) AS texts,
            avg(s.net) AS net,
            max(s.processing_timestamp) AS latest
        FROM insight.sentiment_analysis AS s
        GROUP BY s.entity_type, s.entity_name
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_entity_sentiment_entity_type ON pipeline.entity_sentiment (entity_type, entity_name)"
    )
