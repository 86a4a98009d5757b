"""The executor decides from the catalog, and leaves the session as it found it."""

import threading
from dataclasses import replace

import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from analyzer.db import connect, sqlalchemy_url
from analyzer.migrate.deploy.online import (
    DeployError,
    alter_index,
    build_index,
    drop_index,
    reindex_index,
    rename_index,
    replace_index,
)
from analyzer.objects.temporary_names import mark
from tests.server.executor import DROP, UNIQUE, A, B, await_, configured, open_writer, state, when_logged

NEW, OLD = (mark("public", "ix_a", word) for word in ("new", "old"))


def test_absent_is_built_and_the_same_is_skipped(url: str, context: MigrationContext) -> None:
    build_index(context, replace(A, settings=(("maintenance_work_mem", "16MB"),)))
    first = state(url)
    assert first["ix_a"][0]
    build_index(context, A)
    build_index(context, replace(A, sql=A.sql.replace(" USING btree", "").replace("CONCURRENTLY ", "")))
    assert state(url) == first


def test_a_valid_index_with_another_definition_is_a_conflict_that_names_both(
    url: str, context: MigrationContext
) -> None:
    build_index(context, A)
    before = state(url)
    with pytest.raises(DeployError, match=r"USING btree \(a\) WHERE.*expected: .* \(b\)"):
        build_index(context, B)
    with pytest.raises(DeployError, match="UNIQUE"):
        build_index(context, UNIQUE)
    assert state(url) == before


def test_an_index_left_invalid_by_duplicates_is_built_again(url: str, context: MigrationContext) -> None:
    with connect(url) as connection:
        connection.execute("INSERT INTO t (a) VALUES (5)")
    said = r"building public.ix_a failed: .*is duplicated.*remove the duplicate rows, then run alembic upgrade again"
    with pytest.raises(DeployError, match=said):
        build_index(context, UNIQUE)
    assert not state(url)["ix_a"][0]
    with connect(url) as connection:
        connection.execute("DELETE FROM t WHERE a = 5")
    build_index(context, UNIQUE)
    assert list(state(url)) == ["ix_a"]
    assert state(url)["ix_a"][0]


def test_an_index_left_invalid_by_a_lock_timeout_is_built_again(url: str, context: MigrationContext) -> None:
    with open_writer(url), pytest.raises(DeployError, match="lock timeout"):
        build_index(context, replace(A, lock_timeout="200ms"))
    assert not state(url)["ix_a"][0]
    build_index(context, A)
    assert state(url)["ix_a"][0]


@pytest.mark.parametrize("role", ["owner", "other"])
def test_an_index_that_another_backend_builds_is_a_conflict_that_names_its_pid(
    url: str, connection: Connection, context: MigrationContext, role: str
) -> None:
    pids: list[int] = []
    name = ""

    def build() -> None:
        with connect(url, autocommit=True) as builder:
            pids.append(builder.info.backend_pid)
            builder.execute(A.sql.replace("%", "%%").encode(), ())

    if role == "other":  # may not see what other roles' backends do
        name = f"deployer_{connection.exec_driver_sql('SELECT current_database()').scalar_one()}"
        connection.exec_driver_sql(f"CREATE ROLE {name}")
        connection.exec_driver_sql(f"SET ROLE {name}")
        connection.commit()
    thread = threading.Thread(target=build)
    with open_writer(url):
        thread.start()
        await_(lambda: "ix_a" in state(url))
        with pytest.raises(DeployError, match=r"is being built by the backend with pid (\d+)") as error:
            build_index(context, replace(A, lock_timeout="300ms"))
        with pytest.raises(DeployError, match="is being built"):
            drop_index(context, replace(DROP, lock_timeout="300ms"))
        assert str(pids[0]) in str(error.value)
    thread.join()
    if role == "other":
        connection.exec_driver_sql("RESET ROLE")
        connection.exec_driver_sql(f"DROP ROLE {name}")
        connection.commit()
    assert state(url)["ix_a"][0]


@pytest.mark.parametrize(
    ("name", "table", "message"),
    [
        ("t", "t", "is not an index"),
        ("t_c_key", "t", "belongs to the constraint t_c_key"),
        ("t_c_key", "u", "is an index of public.t, not of public.u"),
    ],
)
def test_what_is_not_ours_is_neither_built_over_nor_dropped(
    url: str, context: MigrationContext, name: str, table: str, message: str
) -> None:
    for verb in (build_index, replace_index, drop_index):
        with pytest.raises(DeployError, match=message):
            verb(context, replace(A, name=name, table=table))
    assert state(url, "t_c_key")["t_c_key"][0]


def test_a_drop_is_finished_when_it_is_repeated(url: str, context: MigrationContext) -> None:
    build_index(context, A)
    with open_writer(url), pytest.raises(DeployError, match="leaves the index INVALID"):
        drop_index(context, replace(DROP, lock_timeout="200ms"))
    drop_index(context, DROP)
    drop_index(context, DROP)
    assert state(url) == {}


def test_a_replaced_index_takes_the_name_and_nothing_else_is_left(url: str, context: MigrationContext) -> None:
    build_index(context, A)
    old = state(url)["ix_a"][1]
    replace_index(context, B)
    after = state(url)
    assert list(after) == ["ix_a"]
    assert after["ix_a"] != (True, old)
    replace_index(context, B)
    assert state(url) == after


@pytest.mark.parametrize(
    "leftovers",
    [
        ("CREATE INDEX ix_a_twindex_new ON t (b)",),
        ("CREATE INDEX ix_a_twindex_new ON t (b)", f"COMMENT ON INDEX ix_a_twindex_new IS '{NEW}'"),
        ("CREATE INDEX ix_a_twindex_new ON t (c)", f"COMMENT ON INDEX ix_a_twindex_new IS '{NEW}'"),
        (
            "ALTER INDEX ix_a RENAME TO ix_a_twindex_old",
            f"COMMENT ON INDEX ix_a_twindex_old IS '{OLD}'",
            "CREATE INDEX ix_a ON t (b)",
        ),
        ("ALTER INDEX ix_a RENAME TO ix_a_twindex_old", f"COMMENT ON INDEX ix_a_twindex_old IS '{OLD}'"),
    ],
)
def test_an_interrupted_replacement_is_finished(
    url: str, context: MigrationContext, leftovers: tuple[str, ...]
) -> None:
    build_index(context, A)
    with connect(url) as other:
        for statement in leftovers:
            other.execute(statement.encode())
    replace_index(context, B)
    assert list(state(url)) == ["ix_a"]
    build_index(context, B)


@pytest.mark.slow
def test_a_swap_that_waits_too_long_leaves_the_old_index_in_use(url: str, context: MigrationContext) -> None:
    build_index(context, A)
    before = state(url)["ix_a"]
    with connect(url) as blocker:
        blocker.execute("ALTER INDEX ix_a SET (fillfactor = 90)")
        blocker.commit()
        blocker.execute("BEGIN")
        blocker.execute("COMMENT ON INDEX ix_a IS 'held'")
        with pytest.raises(DeployError, match="the old index is still in use"):
            replace_index(context, replace(B, lock_timeout="2s"))
    assert state(url)["ix_a"] == before
    replace_index(context, B)
    assert list(state(url)) == ["ix_a"]


def test_names_of_63_bytes_have_room_for_a_replacement(url: str, context: MigrationContext) -> None:
    name = "ix_" + "ä" * 30
    first = replace(A, name=name, sql=f'CREATE INDEX CONCURRENTLY "{name}" ON public.t USING btree (a)')
    build_index(context, first)
    replace_index(context, replace(first, sql=f'CREATE INDEX CONCURRENTLY "{name}" ON public.t USING btree (b)'))
    assert list(state(url)) == [name]


def test_a_transaction_that_is_not_alembics_is_named_with_its_remedy(url: str) -> None:
    engine = create_engine(sqlalchemy_url(url))
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT 1")
        with pytest.raises(DeployError, match=r"in env.py"):
            build_index(configured(connection), A)
    engine.dispose()
    assert state(url) == {}


def test_a_backend_that_dies_during_the_build_is_reported_and_repaired(url: str) -> None:
    engine = create_engine(sqlalchemy_url(url))
    with open_writer(url), engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        connection.commit()

        def kill() -> None:
            await_(lambda: "ix_a" in state(url))
            with connect(url, autocommit=True) as killer:
                killer.execute("SELECT pg_terminate_backend(%(pid)s)", {"pid": pid})

        thread = threading.Thread(target=kill)
        thread.start()
        with pytest.raises(DeployError, match=r"building public\.ix_a failed"):
            build_index(configured(connection), A)
        thread.join()
    with engine.connect() as connection:
        build_index(configured(connection), A)
    engine.dispose()
    assert state(url)["ix_a"][0]


RENAME = replace(A, sql="ALTER INDEX public.ix_a RENAME TO ix_b", attributes=("COMMENT ON INDEX public.ix_b IS 'it'",))


def test_a_renaming_is_done_once_and_repeated_without_harm(url: str, context: MigrationContext) -> None:
    build_index(context, A)
    oid = state(url)["ix_a"][1]
    rename_index(context, RENAME, "ix_b")
    rename_index(context, RENAME, "ix_b")
    assert state(url) == {"ix_b": (True, oid)}
    build_index(context, A)
    with pytest.raises(DeployError, match=r"public\.ix_a cannot be renamed, public\.ix_b exists"):
        rename_index(context, RENAME, "ix_b")
    with pytest.raises(DeployError, match=r"neither public\.ix_x nor public\.ix_y exists"):
        rename_index(context, replace(RENAME, name="ix_x"), "ix_y")
    with connect(url) as own:
        own.execute("ALTER TABLE t ADD CONSTRAINT t_key PRIMARY KEY (c)")
    with pytest.raises(DeployError, match="belongs to the constraint t_key"):
        rename_index(context, replace(RENAME, name="t_key"), "ix_y")
    assert set(state(url)) == {"ix_a", "ix_b"}


def test_a_renaming_that_waits_too_long_changes_nothing(url: str, context: MigrationContext) -> None:
    build_index(context, A)
    with connect(url) as blocker:
        blocker.execute("COMMENT ON INDEX ix_a IS 'held'")
        with pytest.raises(DeployError, match=r"renaming public\.ix_a failed: .*lock timeout; run alembic again"):
            rename_index(context, replace(RENAME, lock_timeout="200ms"), "ix_b")
        blocker.rollback()
    rename_index(context, RENAME, "ix_b")
    assert set(state(url)) == {"ix_b"}


def test_what_is_altered_must_be_there(url: str, context: MigrationContext) -> None:
    altered = replace(A, sql="", attributes=("COMMENT ON INDEX public.ix_a IS '100 %s'",))
    with pytest.raises(DeployError, match=r"there is no index public\.ix_a"):
        alter_index(context, altered)
    build_index(context, A)
    alter_index(context, altered)
    alter_index(context, altered)
    with connect(url) as connection:
        row = connection.execute("SELECT obj_description('ix_a'::regclass) AS comment").fetchone()
    assert row == {"comment": "100 %s"}


def test_an_index_is_built_anew_and_leftovers_of_that_are_swept(url: str, context: MigrationContext) -> None:
    build_index(context, replace(A, attributes=("COMMENT ON INDEX public.ix_a IS 'kept'",)))
    reindex = replace(A, sql="REINDEX INDEX CONCURRENTLY public.ix_a", lock_timeout="300ms")
    before = state(url)["ix_a"]
    with (
        open_writer(url),
        pytest.raises(DeployError, match=r"rebuilding public\.ix_a failed: .*lock timeout; .*as it was"),
    ):
        reindex_index(context, reindex)
    left = state(url)
    assert left.pop("ix_a") == before
    assert [valid for valid, _ in left.values()] == [False]
    reindex_index(context, reindex)
    assert list(state(url)) == ["ix_a"]
    assert state(url)["ix_a"] != before
    with connect(url) as connection:
        row = connection.execute("SELECT obj_description('ix_a'::regclass) AS comment").fetchone()
    assert row == {"comment": "kept"}
    reindex_index(context, replace(reindex, name="t_c_key", sql="REINDEX INDEX CONCURRENTLY public.t_c_key"))
    with pytest.raises(DeployError, match=r"there is no index public\.ix_x"):
        reindex_index(context, replace(reindex, name="ix_x"))


def test_leftovers_that_are_not_provably_ours_are_left_alone(
    url: str, context: MigrationContext, caplog: pytest.LogCaptureFixture
) -> None:
    build_index(context, A)
    with connect(url, autocommit=True) as other:
        other.execute("CREATE INDEX ix_a_ccnew ON t (c)")
        other.execute("CREATE INDEX ix_a_twindex_old ON t (c)")
    build_index(context, A)
    assert set(state(url)) == {"ix_a", "ix_a_ccnew", "ix_a_twindex_old"}
    assert "ix_a_twindex_old looks like a leftover of public.ix_a" in caplog.text
    with pytest.raises(DeployError, match=r"ix_a_twindex_old blocks the replacement .* run DROP INDEX CONCURRENTLY"):
        replace_index(context, B)
    with connect(url, autocommit=True) as other:
        other.execute(f"COMMENT ON INDEX ix_a_twindex_old IS '{OLD}'".encode())
    replace_index(context, B)
    assert set(state(url)) == {"ix_a", "ix_a_ccnew"}


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "CREATE TABLE child (a int REFERENCES t (a))",
            r"the foreign key child_a_fkey (of public\.child )?needs public\.ix_a",
        ),
        ("ALTER TABLE t REPLICA IDENTITY USING INDEX ix_a", "ix_a is the replica identity of public.t"),
        ("CLUSTER t USING ix_a", "public.t is clustered on public.ix_a"),
    ],
)
def test_what_something_else_needs_is_not_replaced_and_nothing_is_built(
    url: str, context: MigrationContext, statement: str, message: str
) -> None:
    with connect(url, autocommit=True) as other:
        other.execute("ALTER TABLE t ALTER a SET NOT NULL")
    build_index(context, UNIQUE)
    with connect(url, autocommit=True) as other:
        other.execute(statement.encode())
    before = state(url)
    with pytest.raises(DeployError, match=message):
        replace_index(context, B)
    if "clustered" not in message:
        with pytest.raises(DeployError, match=message):
            drop_index(context, DROP)
    assert state(url) == before


def test_another_builder_is_waited_for_and_its_index_is_taken(
    url: str, context: MigrationContext, caplog: pytest.LogCaptureFixture
) -> None:
    def build() -> None:
        with connect(url, autocommit=True, application="psql of Ada") as builder:
            builder.execute(A.sql.replace("%", "%%").encode(), ())

    thread = threading.Thread(target=build)
    with open_writer(url) as writer:
        thread.start()
        await_(lambda: "ix_a" in state(url))
        oid = state(url)["ix_a"][1]
        threading.Timer(1, writer.rollback).start()
        build_index(context, A)
        thread.join()
    assert state(url) == {"ix_a": (True, oid)}
    assert "public.ix_a is being built or dropped by pid" in caplog.text
    assert "application psql of Ada, active" in caplog.text


def test_a_small_table_is_built_on_plainly_unless_writers_would_wait(url: str, connection: Connection) -> None:
    context = configured(connection, plain_build="16MB")
    with connect(url) as snapshot:
        # A concurrent build would wait for this one, which has nothing to do with the table.
        snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        snapshot.execute("SELECT count(*) FROM pg_catalog.pg_class")
        build_index(context, replace(A, lock_timeout="300ms"))
    drop_index(context, DROP)
    with open_writer(url), pytest.raises(DeployError, match="lock timeout"):
        build_index(context, replace(A, lock_timeout="300ms"))
    assert not state(url)["ix_a"][0]
    build_index(context, A)


def test_the_lock_of_short_steps_is_tried_for_again(
    url: str, context: MigrationContext, caplog: pytest.LogCaptureFixture
) -> None:
    build_index(context, A)
    with connect(url) as blocker, when_logged("no lock in attempt 1 of 2", blocker.rollback):
        blocker.execute("COMMENT ON INDEX ix_a IS 'held'")
        rename_index(context, replace(RENAME, lock_timeout="500ms"), "ix_b")
    assert set(state(url)) == {"ix_b"}
    assert "renaming public.ix_a: no lock in attempt 1 of 2" in caplog.text
