"""What a deploy looks at before it builds anything."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.runtime.migration import MigrationContext
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from analyzer.db import connect, libpq_url, sqlalchemy_url
from analyzer.migrate.deploy.deploy_lock import one_deploy
from analyzer.migrate.deploy.online import DeployError, build_index, replace_index
from analyzer.migrate.deploy.options import Options
from analyzer.postgres.pgvector import hnsw_bytes
from analyzer.twin.server import cluster
from analyzer.twin.server.directories import account_of
from tests.server.executor import TABLE, A, await_, configured, deployer, state
from tests.server.replicas import SETTINGS as REPLICATION
from tests.server.replicas import streaming

PGBOUNCER = Path(shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin") or "/nowhere")


@pytest.fixture
def url(database: str) -> str:
    with connect(database) as connection:
        connection.execute(TABLE.encode())
    return database


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("USING gin (b gin_trgm_ops)", r"gin_trgm_ops.* does not exist.*; run CREATE EXTENSION pg_trgm first"),
        ("USING hnsw (b vector_l2_ops)", r"hnsw.* does not exist; run CREATE EXTENSION vector first"),
        ("USING btree (nope)", r'column "nope" does not exist; fix the spec'),
        ("USING btree ((b::date))", r"must be marked IMMUTABLE; fix the spec"),
    ],
)
def test_what_the_server_would_refuse_leaves_nothing_behind(
    url: str, context: MigrationContext, rest: str, message: str
) -> None:
    with pytest.raises(DeployError, match=rf"public\.ix_a cannot be built: .*{message}"):
        build_index(context, replace(A, sql=f"CREATE INDEX CONCURRENTLY ix_a ON public.t {rest}"))
    assert state(url) == {}


@pytest.mark.parametrize(
    "rest",
    [
        "(lower(public.t.b))",
        '(a) WHERE "t".a > 0 AND t.* IS NOT NULL',
        "((t IS NULL))",
        "(of_row(t))",
        "(of_row(t.*)) WHERE public.t.c > 0",
        "((t.of_row)) WHERE of_row(public.t.*) > 0",
        "(of_row(t::public.t))",
    ],
)
def test_expressions_may_name_their_table(url: str, context: MigrationContext, rest: str) -> None:
    with connect(url) as other:
        other.execute("CREATE FUNCTION of_row(t) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT ($1).a'")
    index = replace(A, sql=f"CREATE INDEX CONCURRENTLY ix_a ON public.t USING btree {rest}")
    build_index(context, index)
    before = state(url)
    assert before["ix_a"][0]
    build_index(context, index)
    assert state(url) == before


@pytest.fixture
def vectors(url: str) -> str:
    with connect(url) as other:
        other.execute("CREATE EXTENSION vector")
        other.execute("ALTER TABLE t ADD v vector(64)")
        other.execute("UPDATE t SET v = array_fill(a, '{64}')::vector")
        other.execute("ANALYZE t")
    return url


def test_ivfflat_waits_for_rows_and_says_what_to_run_then(
    vectors: str, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    flat = replace(A, sql="CREATE INDEX CONCURRENTLY ix_a ON public.t USING ivfflat (v vector_l2_ops) WITH (lists = 3)")
    build_index(configured(connection), flat)
    assert state(vectors) == {}
    assert "public.ix_a is postponed" in caplog.text
    assert "public.t has 100 of at least 150" in caplog.text
    assert f"after loading the table, run: {flat.sql}" in caplog.text
    build_index(configured(connection, postpone="no"), flat)
    built = state(vectors)
    replace_index(configured(connection), replace(flat, sql=flat.sql.replace("3", "4")))
    assert state(vectors) == built
    replace_index(configured(connection), replace(flat, sql=flat.sql.replace("3", "2")))
    assert state(vectors)["ix_a"] != built["ix_a"]


def test_memory_of_hnsw_is_estimated_and_told_when_it_is_not_there(
    vectors: str, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    sql = "CREATE INDEX CONCURRENTLY ix_a ON public.t USING hnsw (v vector_l2_ops) WITH (m = 8)"
    hnsw = replace(A, sql=sql, settings=(("maintenance_work_mem", "1MB"),))
    build_index(configured(connection), hnsw)
    assert "wants about" not in caplog.text
    with connect(vectors) as other:
        other.execute("UPDATE pg_class SET reltuples = 100000 WHERE relname = 't'")
    build_index(configured(connection), replace(hnsw, name="ix_b", sql=sql.replace("ix_a", "ix_b")))
    assert "public.ix_b: the build needs about 69 MB and can use 1 MB" in caplog.text


def test_rows_without_a_vector_take_no_memory(
    vectors: str, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(vectors) as other:
        other.execute("UPDATE t SET v = NULL WHERE a > 25")
        other.execute("ANALYZE t")
        other.execute("UPDATE pg_class SET reltuples = 100000 WHERE relname = 't'")
    sql = "CREATE INDEX CONCURRENTLY ix_a ON public.t USING hnsw (v vector_l2_ops) WITH (m = 8)"
    hnsw = replace(A, sql=sql, settings=(("maintenance_work_mem", "18MB"),))
    build_index(configured(connection), hnsw)
    assert "the build wants" not in caplog.text
    partial = replace(hnsw, name="ix_b", sql=sql.replace("ix_a", "ix_b") + " WHERE a > 0", settings=())
    build_index(configured(connection), replace(partial, settings=(("maintenance_work_mem", "16MB"),)))
    assert "public.ix_b: the build needs at most 17 MB and can use 16 MB" in caplog.text


def test_the_formula_of_hnsw_memory() -> None:
    # 1M rows of 1536 dimensions with m = 16 were measured at 6.9 GB, halfvec at about half.
    assert hnsw_bytes(1e6, key_type="vector", dimensions=1536, m=16) == pytest.approx(6.86e9, rel=0.01)
    assert hnsw_bytes(1e6, key_type="halfvec", dimensions=1536, m=16) == pytest.approx(3.79e9, rel=0.01)


def test_old_transactions_are_named_before_a_concurrent_build(
    url: str, context: MigrationContext, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.migrate.deploy.preflight._OLD_SECONDS", 0.2)
    with connect(url, application="a long report") as other:
        other.execute("SELECT pg_sleep(0.3)")
        other.execute("CREATE TABLE elsewhere (a int)")
        build_index(context, A)
    assert "public.ix_a: a concurrent build waits for pid" in caplog.text
    assert "application a long report, idle in transaction" in caplog.text


def test_a_replica_that_lags_is_named_before_a_build(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.migrate.deploy.preflight._OLD_SECONDS", 0.5)
    with cluster.temporary(settings=REPLICATION | {"fsync": "off"}) as primary, streaming(primary) as replica:
        lag = "SELECT extract(epoch FROM replay_lag)::float8 AS seconds FROM pg_stat_replication ORDER BY 1"
        with connect(replica, autocommit=True) as standby, connect(primary.url(), autocommit=True) as source:
            source.execute(TABLE.encode())
            with deployer(primary.url()) as connection:
                build_index(configured(connection), A)
                assert "the replica" not in caplog.text
                standby.execute("SELECT pg_wal_replay_pause()")

                def lags() -> bool:
                    source.execute("UPDATE t SET b = 'w' WHERE a = 1")
                    (row,) = source.execute(lag).fetchall()
                    return row["seconds"] is not None and row["seconds"] > 1

                await_(lags)
                build_index(configured(connection), replace(A, name="ix_b", sql=A.sql.replace("ix_a", "ix_b")))
    assert re.search(r"public\.ix_b: the replica walreceiver is \d+ (s|ms) behind", caplog.text), caplog.text


@contextmanager
def pgbouncer(url: str, directory: Path, mode: str) -> Generator[str]:
    """Run a pgbouncer in front of a server and yield the URL of the database through it."""
    if not PGBOUNCER.exists():
        pytest.skip("apt-get install pgbouncer to run this")
    facts = conninfo_to_dict(libpq_url(url))
    account = account_of(Path(str(facts["host"])))
    directory.chmod(0o777)
    ini = directory / "pgbouncer.ini"
    ini.write_text(
        f"[databases]\n* = host={facts['host']} port={facts.get('port', 5432)} user={facts['user']}\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {directory}\nauth_type = any\n"
        f"pool_mode = {mode}\nignore_startup_parameters = extra_float_digits,options\n"
    )
    process = subprocess.Popen(
        [PGBOUNCER, "-q", ini],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else [],
    )
    try:
        await_((directory / ".s.PGSQL.6432").exists)
        yield f"postgresql://{facts['user']}@:6432/{facts['dbname']}?host={directory}"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_proxy_that_pools_transactions_is_refused_and_one_that_pools_sessions_is_not(
    url: str, mode: str, driver: str
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="twindex-", dir="/tmp") as name,
        pgbouncer(url, Path(name), mode) as proxied,
    ):
        engine = create_engine(sqlalchemy_url(proxied).replace("+psycopg:", f"+{driver}:"), poolclass=NullPool)
        refused = pytest.raises(DeployError, match=r"a proxy in transaction pooling mode is in front of the server")
        with engine.connect() as connection, nullcontext() if mode == "session" else refused:
            build_index(configured(connection), A)
        with (
            engine.connect() as connection,
            nullcontext() if mode == "session" else refused,
            one_deploy(connection, Options()),
        ):
            build_index(configured(connection), A)
        query = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' ORDER BY pid"
        with connect(
            url, autocommit=True
        ) as direct:  # the proxy keeps sessions, and cleans them when their client is gone
            await_(lambda: direct.execute(query).fetchall() == [])
    assert set(state(url)) == ({"ix_a"} if mode == "session" else set())
