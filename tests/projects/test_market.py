"""A project of 200 revisions by several hands adopts twindex: pull, check, a change, a deploy, and back."""

from collections.abc import Iterator

import pytest

from tests.conftest import fresh_database
from tests.projects.history import by_sql
from tests.projects.market.market.models import Base
from tests.projects.project import Project

MANY = 180
SUPERUSER = ("--allow-superuser",)
LISTING = """
table: public.listing
indexes:
  - name: ix_listing_live_price
    keys: [category_id, {column: price, order: desc, nulls: last}]
    include: [title]
    where: deleted_at IS NULL AND NOT (tags @> ARRAY['hidden'])
    with: {fillfactor: 70}
  - name: ix_listing_tags
    method: gin
    keys: [tags]
"""
ACCOUNT = """
table: public.account
indexes:
  - name: ix_account_name_trgm
    method: gin
    keys: [{expression: lower(name), opclass: gin_trgm_ops}]
    where: status IN ('active', 'trial')
"""
BEFORE = (
    by_sql("Extensions", "CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gist", "DROP EXTENSION btree_gist, pg_trgm"),
    by_sql("States", "CREATE TYPE order_state AS ENUM ('new', 'paid', 'sent', 'returned')", "DROP TYPE order_state"),
)
AFTER = (
    by_sql(
        "Prices of what is on sale",
        "CREATE INDEX ix_listing_live_price ON listing (category_id, price DESC NULLS LAST) INCLUDE (title) "
        "WITH (fillfactor = 80) WHERE deleted_at IS NULL AND NOT (tags @> ARRAY['hidden'])",
        "DROP INDEX ix_listing_live_price",
    ),
    by_sql(
        "Search for people",
        "CREATE INDEX ix_account_name_trgm ON account USING gin (lower(name) gin_trgm_ops) "
        "WHERE status IN ('active', 'trial')",
        "DROP INDEX ix_account_name_trgm",
    ),
    by_sql(
        "Events",
        "CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, account_id bigint, "
        "kind text NOT NULL, data jsonb, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); "
        "CREATE TABLE event_2026_01 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); "
        "CREATE TABLE event_2026_02 PARTITION OF event FOR VALUES FROM ('2026-02-01') TO ('2026-03-01'); "
        "CREATE TABLE event_rest PARTITION OF event DEFAULT; CREATE INDEX ix_event_account ON event (account_id, at)",
        "DROP TABLE event",
    ),
    by_sql(
        "Touch orders",
        "CREATE FUNCTION touch_order() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
        "INSERT INTO ops.audit (kind, row) VALUES ('order', to_jsonb(NEW)); RETURN NEW; END$$; "
        'CREATE TRIGGER touch AFTER UPDATE ON "order" FOR EACH ROW EXECUTE FUNCTION touch_order()',
        'DROP TRIGGER touch ON "order"; DROP FUNCTION touch_order()',
    ),
    by_sql(
        "Sales of a month",
        "CREATE MATERIALIZED VIEW seller_month AS SELECT l.seller_id, date_trunc('month', o.created_at) AS month, "
        'sum(ol.price * ol.quantity) AS total FROM "order" o JOIN order_line ol ON ol.order_id = o.id '
        "JOIN listing l ON l.id = ol.listing_id GROUP BY 1, 2; "
        "CREATE UNIQUE INDEX uq_seller_month ON seller_month (seller_id, month)",
        "DROP MATERIALIZED VIEW seller_month",
    ),
)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[Project]:
    with fresh_database(server) as url:
        project = Project("market", tmp_path_factory.mktemp("market"), url)
        revisions = project.write_history(Base.metadata, before=BEFORE, after=AFTER, numbered=False)
        assert revisions > MANY
        project.alembic("upgrade", "head")
        yield project


def test_before_twindex_has_specs_alembic_works_as_before(market: Project) -> None:
    assert "No new upgrade operations detected" in market.alembic("check")


def test_the_whole_history_goes_back(market: Project) -> None:
    before = market.indexes()
    market.alembic("downgrade", "base")
    assert not {name for name in market.indexes() if not name.startswith("ops.")}
    market.alembic("upgrade", "head")
    assert market.indexes() == before


def test_adoption_a_change_and_the_way_back(market: Project) -> None:
    """What the models declare stays theirs; raw SQL's indexes become specs, and change as specs do."""
    before = market.indexes()
    market.twindex("pull", "--metadata", "market.models:Base.metadata", *SUPERUSER)
    assert {path.stem for path in (market.directory / "index_specs").glob("*.yaml")} == {
        "public.account", "public.event", "public.listing", "public.seller_month"
    }  # fmt: skip
    clean(market)
    market.spec("public.listing").write_text(LISTING, encoding="utf-8")
    market.spec("public.account").write_text(ACCOUNT, encoding="utf-8")
    found = market.twindex("check", *SUPERUSER, status=1).out
    assert "TX301 public.ix_listing_tags" in found
    assert "TX302 public.ix_listing_live_price" in found
    assert "ix_account_name_trgm" not in found  # the same by the server's own print
    market.alembic("check", status=255)
    market.alembic("revision", "--autogenerate", "-m", "Faster listings")
    assert "ix_account_name_trgm" not in market.newest_revision()
    market.alembic("upgrade", "head")
    clean(market)
    after = market.indexes()
    market.alembic("downgrade", "-1")
    assert market.indexes() == before
    market.alembic("upgrade", "head")
    assert market.indexes() == after


def clean(market: Project) -> None:
    """Hold that no door finds anything."""
    market.twindex("lint", "-d", market.url, "--metadata", "market.models:Base.metadata", *SUPERUSER)
    market.twindex("check", *SUPERUSER)
    assert "No new upgrade operations detected" in market.alembic("check")
