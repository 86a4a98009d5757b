"""A table that is renamed or moved during a step keeps nothing of it: leftovers are found by oid, by any later run."""

import contextlib
import re
from collections.abc import Generator
from dataclasses import replace

import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event
from sqlalchemy.engine import Connection

from analyzer.db import connect
from analyzer.migrate.deploy.online import DeployError, build_index, replace_index
from analyzer.objects.temporary_names import mark
from tests.server.executor import A, B, configured, state

RENAMED = "ALTER TABLE t RENAME TO u"
MOVED = "ALTER TABLE t SET SCHEMA elsewhere"
BACK = {RENAMED: "ALTER TABLE u RENAME TO t", MOVED: "ALTER TABLE elsewhere.t SET SCHEMA public"}
OTHER = replace(A, table="another", name="ix_other", sql="CREATE INDEX CONCURRENTLY ix_other ON public.another (n)")


@contextlib.contextmanager
def before(connection: Connection, pattern: str, url: str, deed: str) -> Generator[None]:
    """Have somebody else do something just before the deploy's statement that matches."""
    done: list[str] = []

    def act(_connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if not done and re.match(pattern, statement):
            done.append(statement)
            run(url, "SET lock_timeout = '2s'", deed)

    event.listen(connection.engine, "before_cursor_execute", act)
    yield
    event.remove(connection.engine, "before_cursor_execute", act)
    assert done


def run(url: str, *statements: str) -> None:
    with connect(url, autocommit=True) as other:
        for statement in statements:
            other.execute(statement.encode())


@pytest.mark.parametrize("deed", [RENAMED, MOVED])
@pytest.mark.parametrize("statement", ["COMMENT ON INDEX .*new", "ALTER INDEX", "DROP INDEX CONCURRENTLY"])
@pytest.mark.parametrize("back", [True, False])
def test_a_table_moved_during_a_replacement_keeps_no_leftover(
    url: str, connection: Connection, deed: str, statement: str, back: bool
) -> None:
    context = configured(connection)
    run(url, "CREATE SCHEMA elsewhere", "CREATE TABLE another (n int)")
    build_index(context, A)
    with before(connection, statement, url, deed), contextlib.suppress(DeployError):
        replace_index(context, B)
    if back:
        run(url, BACK[deed])
        replace_index(context, B)
    else:
        build_index(context, OTHER)
    # What died before it was marked is not provably ours, so it is named and not dropped.
    unmarked = not back and statement.startswith("COMMENT") and deed == MOVED
    assert set(state(url)) - {"ix_other"} == ({"ix_a", "ix_a_twindex_new"} if unmarked else {"ix_a"})


@pytest.mark.parametrize(
    "statement", ["CREATE INDEX CONCURRENTLY", "COMMENT ON INDEX .*new", "ALTER INDEX", "DROP INDEX"]
)
def test_a_table_dropped_and_made_again_during_a_replacement_gets_the_index_in_the_next_run(
    url: str, connection: Connection, statement: str
) -> None:
    context = configured(connection)
    build_index(context, A)
    made_again = "DROP TABLE t; CREATE TABLE t (a int, b text); CREATE TABLE another (n int)"
    with before(connection, statement, url, made_again), contextlib.suppress(DeployError):
        replace_index(context, B)
    replace_index(context, B)
    build_index(context, OTHER)
    assert {name: valid for name, (valid, _) in state(url).items()} == {"ix_a": True, "ix_other": True}


def test_a_new_index_that_a_rerun_goes_on_with_is_not_taken_for_an_orphan(url: str, context: MigrationContext) -> None:
    build_index(context, A)
    run(url, "CREATE TABLE another (n int)", "CREATE INDEX ix_a_twindex_new ON t (b)")
    run(url, f"COMMENT ON INDEX ix_a_twindex_new IS '{mark('public', 'ix_a', 'new')}'")
    oid = state(url)["ix_a_twindex_new"]
    build_index(context, OTHER)
    assert state(url)["ix_a_twindex_new"] == oid
    replace_index(context, B)
    assert state(url)["ix_a"] == oid


def test_an_orphan_that_is_in_use_holds_nothing_up(
    url: str, context: MigrationContext, caplog: pytest.LogCaptureFixture
) -> None:
    run(url, "CREATE TABLE another (n int)", "CREATE INDEX ix_gone_twindex_old ON t (b)")
    run(url, f"COMMENT ON INDEX ix_gone_twindex_old IS '{mark('public', 'ix_gone', 'old')}'")
    with connect(url) as reader:
        reader.execute("SELECT FROM t")
        build_index(context, replace(OTHER, lock_timeout="300ms"))
    assert "dropping public.ix_gone_twindex_old failed" in caplog.text
    build_index(context, OTHER)
    assert list(state(url)) == ["ix_other"]
