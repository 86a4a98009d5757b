"""What a role needs to deploy is known before anything is built, and the line says the GRANT."""

import contextlib
import secrets
from collections.abc import Generator, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from analyzer.db import connect, sqlalchemy_url
from analyzer.migrate.deploy.online import DeployError, Target, build_index, drop_index, rename_index, replace_index
from analyzer.migrate.deploy.statistics import create_statistics
from analyzer.migrate.plan.alembic_catalog import Live
from analyzer.objects.index import IndexDef, Key
from analyzer.sql import ident
from tests.server.executor import configured

A = Target(
    schema="app", table="t", name="ix_a", lock_timeout="10s",
    sql="CREATE INDEX CONCURRENTLY ix_a ON app.t USING btree (lower(b))",
)  # fmt: skip
PART = replace(A, table="p", sql="CREATE INDEX ix_a ON app.p USING btree (a)")


class Roles:
    """A database with tables of one role, and another that deploys."""

    def __init__(self, url: str) -> None:
        self.url = url
        suffix = secrets.token_hex(4)
        self.owner, self.deployer, self.space = f"owner {suffix}", f"deployer_{suffix}", f"space_{suffix}"
        with connect(url) as connection:
            row = connection.execute("SELECT current_database() AS name").fetchone()
        assert row is not None
        self.database = row["name"]
        self.run(
            f'CREATE ROLE "{self.owner}"',
            f"CREATE ROLE {self.deployer}",
            "CREATE SCHEMA app",
            "CREATE TABLE app.t (a int, b text)",
            "INSERT INTO app.t SELECT n, n::text FROM generate_series(1, 9) AS n",
            "CREATE TABLE app.p (a int) PARTITION BY RANGE (a)",
            "CREATE TABLE app.p_1 PARTITION OF app.p FOR VALUES FROM (0) TO (9)",
            f'GRANT CREATE, USAGE ON SCHEMA app TO "{self.owner}", {self.deployer}',
            f"REVOKE TEMPORARY ON DATABASE {ident(self.database)} FROM PUBLIC",
            f'GRANT TEMPORARY ON DATABASE {ident(self.database)} TO "{self.owner}", {self.deployer}',
            *(f"ALTER TABLE app.{table} OWNER TO {self.deployer}" for table in ("t", "p", "p_1")),
            "SET allow_in_place_tablespaces = on",
            f"CREATE TABLESPACE {self.space} LOCATION ''",
        )

    def run(self, *statements: str) -> None:
        with connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @contextlib.contextmanager
    def deploying(self) -> Generator[Connection]:
        """Yield a connection as an engine makes it that sets the role."""
        engine = create_engine(sqlalchemy_url(self.url), poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SET ROLE {self.deployer}")
            connection.commit()
            yield connection
        engine.dispose()

    def indexes(self) -> list[str]:
        with connect(self.url) as connection:
            rows = connection.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'app' ORDER BY 1").fetchall()
        return [row["indexname"] for row in rows]


def said(message: str) -> list[str]:
    """Return what a message says to run."""
    return [part.strip().removeprefix("run ") for part in message.split(";")[1:-1]]


@pytest.fixture
def roles(url: str) -> Iterator[Roles]:
    found = Roles(url)
    yield found
    found.run(
        *(f'DROP OWNED BY "{role}" CASCADE' for role in (found.owner, found.deployer)),
        *(f'DROP ROLE "{role}"' for role in (found.owner, found.deployer)),
        f"DROP TABLESPACE {found.space}",
    )


LACKS = {
    "schema": ("REVOKE CREATE ON SCHEMA app FROM {deployer}", ["GRANT CREATE ON SCHEMA app TO {deployer}"], A),
    "temporary": (
        'REVOKE TEMPORARY ON DATABASE "{database}" FROM {deployer}',
        ["GRANT TEMPORARY ON DATABASE {ident} TO {deployer}"],
        A,
    ),
    "owner": ('ALTER TABLE app.t OWNER TO "{owner}"', ['GRANT "{owner}" TO {deployer}'], A),
    "usage": (
        "REVOKE ALL ON SCHEMA app FROM {deployer}",
        ["GRANT USAGE ON SCHEMA app TO {deployer}", "GRANT CREATE ON SCHEMA app TO {deployer}"],
        A,
    ),
    "tablespace": (
        "SELECT 1",
        ["GRANT CREATE ON TABLESPACE {space} TO {deployer}"],
        replace(A, sql=A.sql + " TABLESPACE {space}"),
    ),
    "a partition": ('ALTER TABLE app.p_1 OWNER TO "{owner}"', ['GRANT "{owner}" TO {deployer}'], PART),
    "the schema of partitions": (
        "CREATE SCHEMA parts; ALTER TABLE app.p_1 SET SCHEMA parts; GRANT USAGE ON SCHEMA parts TO {deployer}",
        ["GRANT CREATE ON SCHEMA parts TO {deployer}"],
        PART,
    ),
}  # fmt: skip


@pytest.mark.parametrize("replaces", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("lacks", LACKS)
def test_the_line_says_the_grant_before_anything_is_built(roles: Roles, lacks: str, replaces: bool) -> None:
    deed, grants, target = LACKS[lacks]
    names = {name: getattr(roles, name) for name in ("owner", "deployer", "space", "database")}
    names["ident"] = ident(roles.database)
    target = replace(target, sql=target.sql.format(**names))
    if replaces:
        roles.run(f"CREATE INDEX ix_a ON app.{target.table} (a DESC)")
    roles.run(*deed.format(**names).split("; "))
    before = roles.indexes()
    execute = replace_index if replaces else build_index
    with roles.deploying() as connection:
        with pytest.raises(DeployError) as refused:
            execute(configured(connection), target)
        assert roles.indexes() == before
        connection.rollback()
        assert "\n" not in str(refused.value)
        wanted = said(str(refused.value))
        assert wanted == [grant.format(**names) for grant in grants]
        roles.run(*wanted)
        execute(configured(connection), target)
        execute(configured(connection), target)


def test_a_member_that_does_not_inherit_sets_the_role(roles: Roles) -> None:
    roles.run(
        f'ALTER TABLE app.t OWNER TO "{roles.owner}"',
        f"ALTER ROLE {roles.deployer} NOINHERIT",
        f'GRANT "{roles.owner}" TO {roles.deployer}',
    )
    with roles.deploying() as connection:
        with pytest.raises(DeployError, match=rf'lacks privileges to build app\.ix_a; run SET ROLE "{roles.owner}" in'):
            build_index(configured(connection), A)
        connection.exec_driver_sql(f'SET ROLE "{roles.owner}"')
        connection.commit()
        build_index(configured(connection), A)
    assert roles.indexes() == ["ix_a"]


def test_other_steps_say_the_grant_when_they_are_denied(roles: Roles) -> None:
    roles.run("CREATE INDEX ix_a ON app.t (lower(b))", f'ALTER TABLE app.t OWNER TO "{roles.owner}"')
    dropped = replace(A, sql="DROP INDEX CONCURRENTLY IF EXISTS app.ix_a")
    renamed = replace(A, sql="ALTER INDEX app.ix_a RENAME TO ix_b", new_name="ix_b")
    statistics = replace(A, name="st", sql="CREATE STATISTICS app.st ON a, b FROM app.t")
    with roles.deploying() as connection:
        context = configured(connection)
        grant = rf'must be owner of .*; run GRANT "{roles.owner}" TO {roles.deployer}; then run alembic again'
        with pytest.raises(DeployError, match=grant):
            drop_index(context, dropped)
        with pytest.raises(DeployError, match=grant):
            rename_index(context, renamed, "ix_b")
        with pytest.raises(DeployError, match=grant):
            create_statistics(context, statistics)
        roles.run(f'GRANT "{roles.owner}" TO {roles.deployer}', f"REVOKE CREATE ON SCHEMA app FROM {roles.deployer}")
        roles.run(f'REVOKE CREATE ON SCHEMA app FROM "{roles.owner}"')
        with pytest.raises(DeployError, match=rf"run GRANT CREATE ON SCHEMA app TO {roles.deployer}; then"):
            rename_index(context, renamed, "ix_b")
        drop_index(context, dropped)
    assert roles.indexes() == []


def test_autogenerate_says_the_grant_for_its_copies(roles: Roles) -> None:
    roles.run(f"REVOKE TEMPORARY ON DATABASE {ident(roles.database)} FROM {roles.deployer}")
    index = IndexDef(schema="app", table="t", name="ix", keys=(Key(column="a"),))
    with roles.deploying() as connection, pytest.raises(DeployError, match=r"run GRANT TEMPORARY ON DATABASE \S+ TO"):
        Live(connection, ()).canonical(index)
