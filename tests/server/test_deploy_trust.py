"""A superuser's deploy runs what a table's owner wrote with the owner's rights, and nothing of other indexes at all.

The planted function writes a file in the server's own directory, which a superuser's session may: the canary.
"""

import secrets
from collections.abc import Iterator

import pytest

from analyzer.db import connect
from analyzer.migrate.deploy.online import Target, build_index
from analyzer.migrate.plan.alembic_catalog import Live
from analyzer.objects.index import IndexDef, Key
from tests.server.capture_zoo import run
from tests.server.executor import configured, deployer, state
from tests.server.hostile_schema import MALLORY, ROWS, TABLE, Hostile, hostile_database


@pytest.fixture
def planted(server: str) -> Iterator[Hostile]:
    with hostile_database(server) as hostile:
        hostile.plant(TABLE, ROWS)
        yield hostile


def target(name: str, rest: str) -> Target:
    sql = f"CREATE INDEX CONCURRENTLY {name} ON app.planted {rest}"
    return Target(schema="app", table="planted", name=name, lock_timeout="10s", sql=sql)


def test_the_rehearsal_of_a_build_gives_the_owners_function_the_owners_rights(planted: Hostile) -> None:
    unique = f"rehearsal {secrets.token_hex(4)}"
    with deployer(planted.url) as connection:
        build_index(configured(connection), target("ix_a", f"USING btree (b) WHERE app.quiet('{unique}') = 1"))
        connection.rollback()
        where = f"app.quiet('{unique}') = 1"
        index = IndexDef(schema="app", table="planted", name="ix", keys=(Key(column="b"),), where=where)
        assert Live(connection, ()).canonical(index).where is not None
        connection.rollback()
    assert state(planted.url)["ix_a"][0]
    assert unique not in planted.sung()
    with connect(planted.url, autocommit=True) as connection:
        run(connection, "EXPLAIN SELECT b FROM app.planted")
    assert unique in planted.sung(), "the planted code cannot be reached, so the test proves nothing"


def test_rows_are_not_counted_where_planning_runs_a_function_of_the_owner(planted: Hostile) -> None:
    unique = f"count {secrets.token_hex(4)}"
    with connect(planted.url, autocommit=True) as connection:
        run(connection, "CREATE EXTENSION vector SCHEMA public")
        run(connection, "ALTER TABLE app.planted ADD v public.vector(2)")
        run(connection, f"UPDATE app.planted SET v = ARRAY[id, 1]::public.vector WHERE current_user <> '{MALLORY}'")
    planted.plant("ANALYZE app.planted", f"CREATE INDEX ON app.planted (b) WHERE app.quiet('{unique}') = 1")
    with deployer(planted.url) as connection:
        rest = "USING ivfflat (v public.vector_l2_ops) WITH (lists = 3)"
        build_index(configured(connection), target("ix_v", rest))
    assert state(planted.url)["ix_v"][0]
    assert unique not in planted.sung()
    with connect(planted.url, autocommit=True) as connection:
        run(connection, "EXPLAIN SELECT b FROM app.planted")
    assert unique in planted.sung()


def test_a_backslash_in_a_literal_is_one_whatever_the_role_has_set(planted: Hostile) -> None:
    with deployer(planted.url) as connection:
        connection.exec_driver_sql("SET standard_conforming_strings = off")
        connection.exec_driver_sql("SET escape_string_warning = off")
        connection.commit()
        build_index(configured(connection), target("ix_b", r"USING btree (b) WHERE b <> '\'"))
        assert connection.exec_driver_sql("SHOW standard_conforming_strings").scalar_one() == "off"
        connection.rollback()
        index = IndexDef(schema="app", table="planted", name="ix", keys=(Key(column="b"),), where=r"b <> '\'")
        assert Live(connection, ()).canonical(index).where is not None
        connection.rollback()
    assert state(planted.url)["ix_b"][0]
