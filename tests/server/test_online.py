"""The executor decides from the catalog, and leaves the session as it found it."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from analyzer.db import connect, sqlalchemy_url
from analyzer.migrate.online import (
    DeployError,
    Target,
    alter_index,
    build_index,
    drop_index,
    rename_index,
    replace_index,
)

A = Target(
    schema="public", table="t", name="ix_a", lock_timeout="10s",
    sql="CREATE INDEX CONCURRENTLY ix_a ON public.t USING btree (a) WHERE b LIKE '%x'",
)  # fmt: skip
UNIQUE = replace(A, sql="CREATE UNIQUE INDEX CONCURRENTLY ix_a ON public.t USING btree (a)")
B = replace(A, sql="CREATE INDEX CONCURRENTLY ix_a ON public.t (b)")
DROP = replace(A, sql="DROP INDEX CONCURRENTLY IF EXISTS public.ix_a")
SETTINGS = ("lock_timeout", "statement_timeout", "maintenance_work_mem")


@pytest.fixture
def url(database: str) -> str:
    with connect(database) as connection:
        connection.execute("CREATE TABLE t (a int, b text, c int CONSTRAINT t_c_key UNIQUE)")
        connection.execute("INSERT INTO t SELECT n, n::text, n FROM generate_series(1, 100) AS n")
    return database


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    engine = create_engine(sqlalchemy_url(url))
    with engine.connect() as connection:
        for name, value in zip(SETTINGS, ("7s", "9min", "5MB"), strict=True):
            connection.exec_driver_sql(f"SET {name} = '{value}'")
        connection.commit()
        yield connection
        # Whatever a test did, the session is as it was.
        values = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in SETTINGS]
        assert values == ["7s", "9min", "5MB"]
    engine.dispose()


@pytest.fixture
def context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection)


def state(url: str, pattern: str = "ix%") -> dict[str, tuple[bool, int]]:
    """Return validity and oid of the indexes that match a pattern."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT c.relname AS name, i.indisvalid AS valid, c.oid::bigint AS oid FROM pg_catalog.pg_index AS i "
            "JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid WHERE c.relname LIKE %(pattern)s ORDER BY 1",
            {"pattern": pattern},
        ).fetchall()
    return {row["name"]: (row["valid"], row["oid"]) for row in rows}


@contextmanager
def open_writer(url: str) -> Generator[psycopg.Connection[dict[str, object]]]:
    """Hold a transaction open that has written to the table: a concurrent build waits for it."""
    with connect(url) as writer:
        writer.execute("UPDATE t SET b = 'w' WHERE a = 1")
        yield writer
        writer.rollback()


def await_(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


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
    with pytest.raises(DeployError, match=r"USING btree \(a\) WHERE.*wanted: .* \(b\)"):
        build_index(context, B)
    with pytest.raises(DeployError, match="UNIQUE"):
        build_index(context, UNIQUE)
    assert state(url) == before


def test_an_index_left_invalid_by_duplicates_is_built_again(url: str, context: MigrationContext) -> None:
    with connect(url) as connection:
        connection.execute("INSERT INTO t (a) VALUES (5)")
    with pytest.raises(DeployError, match=r"building public.ix_a failed: .*is duplicated.*run alembic upgrade again"):
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
            build_index(context, A)
        with pytest.raises(DeployError, match="is being built"):
            drop_index(context, DROP)
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
        ("CREATE INDEX ix_a_twindex_new ON t (c)",),
        ("ALTER INDEX ix_a RENAME TO ix_a_twindex_old", "CREATE INDEX ix_a ON t (b)"),
        ("ALTER INDEX ix_a RENAME TO ix_a_twindex_old",),
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
            build_index(MigrationContext.configure(connection), A)
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
            build_index(MigrationContext.configure(connection), A)
        thread.join()
    with engine.connect() as connection:
        build_index(MigrationContext.configure(connection), A)
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
    with pytest.raises(DeployError, match=r"there is neither public\.ix_x nor public\.ix_y"):
        rename_index(context, replace(RENAME, name="ix_x"), "ix_y")
    with pytest.raises(DeployError, match="belongs to the constraint t_c_key"):
        rename_index(context, replace(RENAME, name="t_c_key"), "ix_y")
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
