"""A project of 200 revisions by several hands adopts twindex: pull, check, a change, a deploy, and back."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import fresh_database
from tests.projects.history import by_sql
from tests.projects.market.market.models import Base
from tests.projects.project import Project

MANY = 180
SUPERUSER = ("--allow-superuser",)
METADATA = "market.models:Base.metadata"
YOUR_DATABASE = (Path(__file__).parents[2] / "docs" / "your-database.md").read_text(encoding="utf-8")
#: Each operation of a revision with the name of its index, and the name that a finding begins with.
OPERATION = re.compile(r'op\.(\w+)\(\s*"(\w+)"')
INDEX = re.compile(r"^\w+")
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


def test_what_the_models_declare_stays_theirs(market: Project) -> None:
    """The rest becomes specs, as env.py or the command line names the models; Alembic has nothing to do."""
    assert "No new upgrade operations detected" in market.alembic("check")
    for options in ((), ("--metadata", METADATA)):
        market.forget_specs()
        market.documented(market.twindex("pull", *options, *SUPERUSER))
        assert set(market.specs()) == {"public.account", "public.event", "public.listing", "public.seller_month"}
    assert "No new upgrade operations detected" in market.alembic("check")


@pytest.mark.slow
def test_the_whole_history_goes_back(market: Project) -> None:
    before = market.indexes()
    market.alembic("downgrade", "base")
    assert not {name for name in market.indexes() if not name.startswith("ops.")}
    market.alembic("upgrade", "head")
    assert market.indexes() == before


@pytest.mark.slow
def test_a_change_a_deploy_and_the_way_back(market: Project) -> None:
    """Raw SQL's indexes change as specs do, and every door says the same of them."""
    before = market.indexes()
    pulled(market)
    clean(market)
    market.documented(market.twindex("check", *SUPERUSER))
    listing = market.spec("public.listing").read_text(encoding="utf-8")
    assert listing in YOUR_DATABASE
    added = listing.replace("fillfactor: 80", "fillfactor: 70") + LISTING[LISTING.index("  - name: ix_listing_tags") :]
    market.spec("public.listing").write_text(added, encoding="utf-8")
    market.documented(market.twindex("check", *SUPERUSER, status=1))
    market.spec("public.listing").write_text(LISTING, encoding="utf-8")
    market.spec("public.account").write_text(ACCOUNT, encoding="utf-8")  # the same by the server's own print
    assert agreed(market) == {
        ("build_index", "ix_listing_tags", "TX301"),
        ("replace_index", "ix_listing_live_price", "TX302"),
    }
    market.alembic("revision", "--autogenerate", "-m", "Faster listings")
    market.alembic("upgrade", "head")
    clean(market)
    after = market.indexes()
    market.alembic("downgrade", "-1")
    assert market.indexes() == before
    market.alembic("upgrade", "head")
    assert market.indexes() == after
    market.alembic("downgrade", "-1")
    market.newest_path().unlink()


@pytest.mark.slow
def test_manage_all_drops_what_neither_model_nor_constraint_nor_spec_has(market: Project) -> None:
    pulled(market)
    with market.stray_index("stray", "account (name)"), market.stray_index("stray_job", "ops.job (attempts)"):
        market.spec("public.account").write_text(ACCOUNT.replace("indexes:", "manage: all\nindexes:"), encoding="utf-8")
        market.spec("public.booking").write_text("table: public.booking\nmanage: all\n", encoding="utf-8")
        market.spec("ops.job").write_text("table: ops.job\nmanage: all\n", encoding="utf-8")
        assert agreed(market) == {
            ("drop_index_online", "stray", "TX304"),
            ("drop_index_online", "stray_job", "TX304"),
        }
    clean(market)


@pytest.mark.slow
def test_adopted_indexes_are_the_models_until_they_are_removed_there(market: Project) -> None:
    pulled(market)
    market.documented(market.twindex("pull", "--adopt", "--table", "public.message", *SUPERUSER))
    twice = "ix_message_unread is declared by the model of public.message as well; keep one of both"
    assert twice in market.twindex("check", *SUPERUSER, status=1).out
    assert twice in market.alembic("check", status=255)
    models = market.directory / "market" / "models.py"
    text = models.read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if "ix_message_unread" in line)
    models.write_text(text.replace(line, ""), encoding="utf-8")
    clean(market)
    models.write_text(text, encoding="utf-8")


def pulled(market: Project) -> None:
    """Begin with the specs of what no model declares."""
    market.forget_specs()
    market.twindex("pull", *SUPERUSER)


def clean(market: Project) -> None:
    """Hold that no door finds anything."""
    market.twindex("lint", "-d", market.url, "--metadata", METADATA, *SUPERUSER)
    market.twindex("check", *SUPERUSER)
    assert "nothing to do" in market.twindex("revise", "-m", "nothing", *SUPERUSER).out
    assert "No new upgrade operations detected" in market.alembic("check")


def agreed(market: Project) -> set[tuple[str, str, str]]:
    """Hold that check, revise and autogenerate find the same; return operation, index and code of each."""
    findings = json.loads(market.twindex("check", "--format", "json", *SUPERUSER, status=1).out)["findings"]
    codes = {INDEX.findall(finding["message"])[0]: finding["code"] for finding in findings}
    found: list[set[tuple[str, str]]] = []
    for write in (
        lambda: market.twindex("revise", "-m", "Theirs", *SUPERUSER),
        lambda: market.alembic("revision", "--autogenerate", "-m", "Alembic's"),
    ):
        write()
        upgrade = market.newest_revision().partition("def downgrade")[0]
        found.append({(operation, name) for operation, name in OPERATION.findall(upgrade)})
        market.newest_path().unlink()
    assert found[0] == found[1]
    assert codes.keys() == {name for _, name in found[0]}
    return {(operation, name, codes[name]) for operation, name in found[0]}
