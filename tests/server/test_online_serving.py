"""An index is not dropped before queries use the one that takes its place."""

import contextlib
from collections.abc import Generator
from dataclasses import replace

import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from analyzer.db import connect
from analyzer.migrate.deploy.online import DeployError, build_index, reindex_index, replace_index
from analyzer.objects.temporary_names import mark
from tests.server.executor import A, B, configured, state

PLAIN = {"plain_build": "16MB"}
ON_A = replace(A, sql="CREATE INDEX CONCURRENTLY ix_a ON public.t USING btree (a)")


@contextlib.contextmanager
def older_transaction(url: str) -> Generator[None]:
    """Hold a transaction open that has written to another table, and change rows of `t` in place meanwhile."""
    run(url, "CREATE TABLE IF NOT EXISTS other (n int)")
    with connect(url) as writer:
        writer.execute("INSERT INTO other VALUES (1)")
        run(url, "UPDATE t SET b = b || 'x' WHERE a < 50")
        yield
        writer.rollback()


def run(url: str, *statements: str) -> None:
    with connect(url, autocommit=True) as other:
        for statement in statements:
            other.execute(statement.encode())


def uses_index(url: str, where: str) -> bool:
    """Say whether a new transaction reads the table by an index."""
    with connect(url) as other:
        other.execute("SET enable_seqscan = off")
        plan = other.execute(f"EXPLAIN SELECT a FROM t WHERE {where}".encode()).fetchall()
    return "ix_" in str(plan)


@pytest.mark.parametrize("first", [False, True])
def test_an_index_serves_at_once_though_an_older_transaction_writes_elsewhere(
    url: str, connection: Connection, first: bool
) -> None:
    context = configured(connection, **PLAIN)
    if not first:
        build_index(context, ON_A)
    with older_transaction(url):
        (build_index if first else replace_index)(context, B)
        assert uses_index(url, "b = '60'")
    assert list(state(url)) == ["ix_a"]


def test_a_small_table_whose_rows_nobody_changed_is_still_built_plainly(url: str, connection: Connection) -> None:
    with connect(url) as snapshot:
        snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        # A concurrent build would wait for this one.
        snapshot.execute("SELECT FROM t")
        build_index(configured(connection, **PLAIN), replace(ON_A, lock_timeout="300ms"))
    assert state(url)["ix_a"][0]


def closed_index(url: str, name: str, keys: str) -> None:
    """Leave an index that queries do not use yet, as an earlier deploy or somebody else may."""
    run(url, f"CREATE INDEX {name} ON t ({keys})")
    with connect(url) as other:
        row = other.execute(
            "SELECT indcheckxmin AS closed FROM pg_index WHERE indexrelid = 'ix_a'::regclass"
        ).fetchone()
    assert row == {"closed": True} or name != "ix_a"


def test_a_replacement_left_by_an_earlier_attempt_takes_over_only_when_queries_use_it(
    url: str, context: MigrationContext, caplog: pytest.LogCaptureFixture
) -> None:
    build_index(context, ON_A)
    before = state(url)["ix_a"]
    with older_transaction(url):
        closed_index(url, "ix_a_twindex_new", "b")
        run(url, f"COMMENT ON INDEX ix_a_twindex_new IS '{mark('public', 'ix_a', 'new')}'")
        with pytest.raises(DeployError, match=r"is valid, but queries do not use it until pid \d+ .* ends"):
            replace_index(context, replace(B, lock_timeout="600ms"))
        assert state(url)["ix_a"] == before
        assert uses_index(url, "a = 60")
    replace_index(context, B)
    assert list(state(url)) == ["ix_a"]
    assert "is not used by queries until" in caplog.text


def test_an_index_that_is_there_already_is_waited_for_before_the_step_ends(url: str, context: MigrationContext) -> None:
    with older_transaction(url):
        closed_index(url, "ix_a", "b")
        with pytest.raises(DeployError, match="queries do not use it"):
            build_index(context, replace(B, lock_timeout="300ms"))
    build_index(context, B)


def test_a_rebuilt_index_serves(url: str, context: MigrationContext) -> None:
    with older_transaction(url):
        closed_index(url, "ix_a", "b")
        reindex_index(context, replace(B, sql="REINDEX INDEX CONCURRENTLY public.ix_a"))
        assert uses_index(url, "b = '60'")


def test_the_index_of_a_small_partitioned_table_serves(url: str, connection: Connection) -> None:
    run(
        url,
        "CREATE TABLE p (a int, b text) PARTITION BY RANGE (a)",
        "CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (1000)",
        "INSERT INTO p SELECT n, n::text FROM generate_series(1, 100) AS n",
    )
    with older_transaction(url):
        run(url, "UPDATE p SET b = b || 'x' WHERE a < 50")
        plain = replace(A, table="p", sql="CREATE INDEX ix_a ON public.p USING btree (b)")
        build_index(configured(connection, **PLAIN), plain)
        with connect(url) as other:
            rows = other.execute(
                "SELECT indcheckxmin AS closed FROM pg_index WHERE indrelid = 'p_1'::regclass"
            ).fetchall()
        assert rows == [{"closed": False}]
