"""The intelligence system: customers of the tenants, scores, conversations by month."""

import itertools

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: The months that conversations have a partition of their own for, but the last, which ends them; later revisions add
#: more.
MONTHS = (*(f"2025-{month:02}" for month in range(2, 13)), *(f"2026-{month:02}" for month in range(1, 5)))


def upgrade() -> None:
    """Create the schema and its tables, and the partitions of the conversations with their indexes."""
    op.execute("CREATE SCHEMA intelligence")
    _create_customers()
    _create_customer_scores()
    _create_conversation_messages()
    _create_partitions()
    _create_indexes_of_conversations()


def downgrade() -> None:
    """Drop the tables, the referencing ones first, and the schema; partitions go with their table."""
    op.drop_table("conversation_messages", schema="intelligence")
    op.drop_table("customer_scores", schema="intelligence")
    op.drop_table("customers", schema="intelligence")
    op.execute("DROP SCHEMA intelligence")


def _create_customers() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'prospect'"), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("traits", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('prospect', 'trial', 'active', 'paused', 'churned')", name=op.f("ck_customers_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("reference", name=op.f("uq_customers_reference")),
        schema="intelligence",
    )


def _create_customer_scores() -> None:
    op.create_table(
        "customer_scores",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("score_type", sa.Text(), nullable=False),
        sa.Column("score", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("confidence", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "score_type IN ('churn_risk', 'upsell', 'engagement', 'credit', 'satisfaction')",
            name=op.f("ck_customer_scores_score_type"),
        ),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_customer_scores_confidence")),
        sa.CheckConstraint("score BETWEEN 0 AND 1", name=op.f("ck_customer_scores_score")),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["intelligence.customers.id"],
            name=op.f("fk_customer_scores_customer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_scores")),
        schema="intelligence",
    )


def _create_conversation_messages() -> None:
    op.create_table(
        "conversation_messages",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "role IN ('user', 'assistant', 'agent', 'system')", name=op.f("ck_conversation_messages_role")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["intelligence.customers.id"],
            name=op.f("fk_conversation_messages_customer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", "timestamp", name=op.f("pk_conversation_messages")),
        schema="intelligence",
        postgresql_partition_by='RANGE ("timestamp")',
    )


def _create_partitions() -> None:
    """One a month, and the default partition: a message of no known month is kept, and found by whoever looks there."""
    for month, following in itertools.pairwise(MONTHS):
        op.execute(
            f"CREATE TABLE intelligence.conversation_messages_{month.replace('-', '_')} "
            "PARTITION OF intelligence.conversation_messages "
            f"FOR VALUES FROM ('{month}-01 00:00:00+00') TO ('{following}-01 00:00:00+00')"
        )
    op.execute(
        "CREATE TABLE intelligence.conversation_messages_default "
        "PARTITION OF intelligence.conversation_messages DEFAULT"
    )


def _create_indexes_of_conversations() -> None:
    """Index every partition through its table: nothing can be built concurrently there, and now they are empty."""
    op.execute(
        "CREATE INDEX ix_conversation_messages_customer_time "
        'ON intelligence.conversation_messages (customer_id, "timestamp", role)'
    )
    op.execute(
        'CREATE INDEX ix_conversation_messages_recent ON intelligence.conversation_messages ("timestamp", customer_id)'
    )
