"""What names no tablespace is built in the database's own, whatever the session's default is."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from alembic.runtime.migration import MigrationContext

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.migrate.deploy.online import DeployError, build_index, replace_index
from analyzer.specs.file import load_specs
from analyzer.sql import ident
from analyzer.workflows.check import check
from tests.conftest import database_url
from tests.server.executor import A, B, configured, deployer, open_writer
from tests.server.spec_project import SCHEMA, UNMODELLED, SpecProject

TABLES = f"""
DROP TABLE t;
{SCHEMA};
CREATE TABLE p (a int, b text) PARTITION BY RANGE (a);
CREATE TABLE p_1 PARTITION OF p DEFAULT
"""


@pytest.fixture
def elsewhere(any_server: str) -> Iterator[str]:
    """Name of a tablespace of the server."""
    name = f"elsewhere_{secrets.token_hex(4)}"
    with connect(any_server, autocommit=True) as admin:
        admin.execute("SET allow_in_place_tablespaces = on")
        admin.execute(f"CREATE TABLESPACE {name} LOCATION ''".encode())
        yield name
        admin.execute(f"DROP TABLESPACE {name}".encode())


def places(url: str) -> dict[str, str | None]:
    """Return the tablespaces of the indexes by name, None for the database's own."""
    with connect(url) as other:
        rows = other.execute(
            "SELECT c.relname AS name, s.spcname AS place FROM pg_catalog.pg_class AS c "
            "LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = c.reltablespace WHERE c.relname LIKE 'ix%' ORDER BY 1"
        ).fetchall()
    return {row["name"]: row["place"] for row in rows}


def test_a_default_tablespace_of_the_database_changes_nothing_and_a_rerun_succeeds(elsewhere: str, url: str) -> None:
    with connect(url, autocommit=True) as other:
        row = other.execute("SELECT current_database() AS name").fetchone()
        assert row is not None
        other.execute(f"ALTER DATABASE {ident(row['name'])} SET default_tablespace = {elsewhere}".encode())
    with deployer(url) as connection:
        context = configured(connection)
        with open_writer(url), pytest.raises(DeployError, match="lock timeout"):
            build_index(context, replace(A, lock_timeout="200ms"))
        build_index(context, A)
        build_index(context, A)
        assert places(url) == {"ix_a": None}
        replace_index(context, B)
        replace_index(context, B)
        assert places(url) == {"ix_a": None}
        assert connection.exec_driver_sql("SHOW default_tablespace").scalar_one() == elsewhere
        connection.rollback()
        named = replace(B, sql=f"{B.sql} TABLESPACE {elsewhere}")
        with pytest.raises(DeployError, match=rf"in tablespace pg_default; expected: .* TABLESPACE {elsewhere}"):
            build_index(context, named)
        replace_index(context, named)
        assert places(url) == {"ix_a": elsewhere}


@pytest.fixture
def copy(elsewhere: str, any_server: str, url: str) -> Iterator[str]:
    """URL of a copy of the database whose own tablespace is that one."""
    with connect(url) as other:
        row = other.execute("SELECT current_database() AS name").fetchone()
    assert row is not None
    name = f"t_{secrets.token_hex(5)}"
    with connect(any_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {ident(row['name'])} TABLESPACE {elsewhere}".encode())
        yield database_url(any_server, name)
        admin.execute(f"DROP DATABASE {name}".encode())


def test_the_databases_own_tablespace_may_be_named(elsewhere: str, copy: str) -> None:
    own = replace(B, sql=f"{B.sql} TABLESPACE {elsewhere}")
    with deployer(copy) as connection:
        for target in (own, own, B):
            build_index(configured(connection), target)
        assert places(copy) == {"ix_a": None}
        with pytest.raises(DeployError, match="in tablespace elsewhere"):
            build_index(configured(connection), replace(B, sql=f"{B.sql} TABLESPACE pg_default"))


@pytest.mark.parametrize("table", ["t", "p"])
def test_a_spec_that_names_the_databases_own_tablespace_agrees_with_what_it_builds(
    tmp_path: Path, elsewhere: str, copy: str, table: str
) -> None:
    project = SpecProject(tmp_path, copy, schema=TABLES, env={"options": UNMODELLED})
    for place, found in ((elsewhere, None), ("pg_default", "pg_default"), (elsewhere, None)):
        project.declare(f"{{name: ix_a, keys: [b], tablespace: {place}}}", table=f"public.{table}")
        assert project.autogenerate() is not None
        project.upgrade()
        assert places(copy)["ix_a"] == found
        assert [diff for diff in project.check() if "ix_a" in diff] == []
        document = check(capture(copy, statements=False), load_specs(project.specs), project.ini)
        assert [finding.message for finding in document.findings if finding.code.startswith("TX3")] == []
        project.declare("{name: ix_a, keys: [b]}", table=f"public.{table}")
        assert (project.revise("own") is None) == (found is None)
        for path in project.versions.glob("*own*"):
            path.unlink()


def test_the_script_for_psql_says_so_too() -> None:
    buffer = StringIO()
    options = {"as_sql": True, "output_buffer": buffer, "literal_binds": True}
    build_index(MigrationContext.configure(dialect_name="postgresql", opts=options), A)
    assert "SET default_tablespace = ''" in buffer.getvalue()
    assert "RESET default_tablespace" in buffer.getvalue()
