"""The insight system: sentiment, benchmarks, metrics, alerts, training, templates, the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the schema and its tables; rows of the audit log are added and then stay as they are."""
    op.execute("CREATE SCHEMA insight")
    _create_sentiment_analysis()
    _create_benchmark_result()
    _create_benchmark_comparison()
    _create_metrics_snapshot()
    _create_performance_alert()
    _create_trend_analysis()
    _create_ml_training_job()
    _create_industry_template()
    _create_audit_log()
    _protect_audit_log()


def downgrade() -> None:
    """Drop the tables, the referencing ones first, what protects the audit log, and the schema."""
    op.drop_table("audit_log", schema="insight")
    op.drop_table("industry_template", schema="insight")
    op.drop_table("ml_training_job", schema="insight")
    op.drop_table("trend_analysis", schema="insight")
    op.drop_table("performance_alert", schema="insight")
    op.drop_table("metrics_snapshot", schema="insight")
    op.drop_table("benchmark_comparison", schema="insight")
    op.drop_table("benchmark_result", schema="insight")
    op.drop_table("sentiment_analysis", schema="insight")
    op.execute("DROP FUNCTION insight.refuse_change()")
    op.execute("DROP SCHEMA insight")


def _create_sentiment_analysis() -> None:
    op.create_table(
        "sentiment_analysis",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entity_name", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("keywords", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("positive", sa.Numeric(precision=4, scale=3), nullable=False),
        sa.Column("negative", sa.Numeric(precision=4, scale=3), nullable=False),
        sa.Column("net", sa.Numeric(precision=4, scale=3), sa.Computed("positive - negative", persisted=True)),
        sa.Column("processing_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "entity_type IN ('brand', 'company', 'product', 'vendor')", name=op.f("ck_sentiment_analysis_entity_type")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sentiment_analysis")),
        schema="insight",
    )


def _create_benchmark_result() -> None:
    op.create_table(
        "benchmark_result",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entity_name", sa.Text(), nullable=False),
        sa.Column("industry_sector", sa.Text(), nullable=False),
        sa.Column("metric_type", sa.Text(), nullable=False),
        sa.Column("value", sa.Numeric(precision=14, scale=4), nullable=False),
        sa.Column("sample_size", sa.Integer(), nullable=False),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("calculated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benchmark_result")),
        schema="insight",
    )


def _create_benchmark_comparison() -> None:
    op.create_table(
        "benchmark_comparison",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("result_id", sa.BigInteger(), nullable=False),
        sa.Column("peer_group", sa.Text(), nullable=False),
        sa.Column("entity_value", sa.Numeric(precision=14, scale=4), nullable=False),
        sa.Column("peer_value", sa.Numeric(precision=14, scale=4), nullable=False),
        sa.Column("gap", sa.Numeric(precision=14, scale=4), sa.Computed("entity_value - peer_value", persisted=True)),
        sa.Column("percentile", sa.Numeric(precision=5, scale=2), nullable=False),
        sa.Column("compared_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["result_id"],
            ["insight.benchmark_result.id"],
            name=op.f("fk_benchmark_comparison_result_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benchmark_comparison")),
        schema="insight",
    )


def _create_metrics_snapshot() -> None:
    op.create_table(
        "metrics_snapshot",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Double[float](), nullable=False),
        sa.Column("samples", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("service", "metric", "captured_at", name=op.f("pk_metrics_snapshot")),
        schema="insight",
    )


def _create_performance_alert() -> None:
    op.create_table(
        "performance_alert",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Double[float](), nullable=False),
        sa.Column("observed", sa.Double[float](), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("acknowledged_by", sa.Text()),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("severity IN ('info', 'warning', 'critical')", name=op.f("ck_performance_alert_severity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_performance_alert")),
        schema="insight",
    )


def _create_trend_analysis() -> None:
    op.create_table(
        "trend_analysis",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entity_name", sa.Text(), nullable=False),
        sa.Column("metric_type", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("slope", sa.Double[float](), nullable=False),
        sa.Column("strength", sa.Numeric(precision=4, scale=3), nullable=False),
        sa.CheckConstraint("direction IN ('falling', 'flat', 'rising')", name=op.f("ck_trend_analysis_direction")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trend_analysis")),
        schema="insight",
    )


def _create_ml_training_job() -> None:
    op.create_table(
        "ml_training_job",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("model_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("hyperparameters", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("accuracy", sa.Numeric(precision=5, scale=4)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("seconds", sa.Numeric(), sa.Computed("EXTRACT(epoch FROM finished_at - started_at)", persisted=True)),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed')", name=op.f("ck_ml_training_job_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ml_training_job")),
        schema="insight",
    )


def _create_industry_template() -> None:
    op.create_table(
        "industry_template",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("industry_sector", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("rating", sa.Numeric(precision=3, scale=2)),
        sa.Column("usage_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("layout", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint("rating BETWEEN 0 AND 5", name=op.f("ck_industry_template_rating")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_industry_template")),
        sa.UniqueConstraint("title", name=op.f("uq_industry_template_title")),
        schema="insight",
    )


def _create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        schema="insight",
    )


def _protect_audit_log() -> None:
    """Refuse what is not an insert, whoever asks: privileges would not stop the owner of the table."""
    op.execute(
        """
        CREATE FUNCTION insight.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege', HINT = 'Add a row that corrects the wrong one.';
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON insight.audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION insight.refuse_change()
        """
    )
