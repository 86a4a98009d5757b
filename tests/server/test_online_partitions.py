"""The index of a partitioned table is built partition by partition, from wherever an earlier attempt ended."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import StringIO

import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from analyzer.db import connect, libpq_url
from analyzer.migrate.deploy.online import DeployError, Target, build_index, drop_index, reindex_index, replace_index
from analyzer.objects.temporary_names import partition_names
from analyzer.twin.server import cluster
from tests.conftest import fresh_database
from tests.server.executor import configured, state

P = Target(
    schema="public", table="p", name="ix_p", lock_timeout="10s",
    sql="CREATE INDEX ix_p ON ONLY public.p USING btree (lower(s), a) INCLUDE (k) WHERE a > 1",
)  # fmt: skip
OTHER = replace(P, sql="CREATE INDEX ix_p ON ONLY public.p (a)")
REST = "USING btree (lower(s), a) INCLUDE (k) WHERE a > 1"
LONG = "p_2_" + "x" * 50
TABLES = f"""
CREATE TABLE p (a int, k int, s text) PARTITION BY RANGE (k);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (1);
CREATE TABLE {LONG} PARTITION OF p FOR VALUES FROM (1) TO (2);
CREATE TABLE p_3 PARTITION OF p FOR VALUES FROM (2) TO (3) PARTITION BY HASH (a);
CREATE TABLE p_3_0 PARTITION OF p_3 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE SCHEMA "Odd";
CREATE TABLE "Odd"."P 3" PARTITION OF p_3 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO p SELECT n, n % 3, n::text FROM generate_series(1, 300) AS n
"""
#: Index, its partitioned index, whether it is valid.
Tree = dict[str, tuple[str | None, bool]]


@pytest.fixture
def url(any_server: str) -> Iterator[str]:
    with fresh_database(any_server) as database:
        run(database, TABLES)
        yield database


def run(url: str, statements: str) -> None:
    with connect(url, autocommit=True) as other:
        for statement in statements.split(";\n"):
            other.execute(statement.encode())


def tree(url: str) -> Tree:
    with connect(url) as other:
        rows = other.execute(
            "SELECT c.relname AS name, k.relname AS parent, i.indisvalid AS valid FROM pg_catalog.pg_index AS i "
            "JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relnamespace::regnamespace::text !~ '^pg_' "
            "LEFT JOIN pg_catalog.pg_inherits AS h ON h.inhrelid = c.oid "
            "LEFT JOIN pg_catalog.pg_class AS k ON k.oid = h.inhparent ORDER BY 1"
        ).fetchall()
    return {row["name"]: (row["parent"], row["valid"]) for row in rows}


def names_postgresql_chooses(url: str) -> Tree:
    """Let the server build it in one plain statement, in the way it always could."""
    run(url, f"CREATE INDEX ix_p ON p {REST}")
    chosen = tree(url)
    run(url, "DROP INDEX ix_p")
    return chosen


def test_every_partition_gets_its_part_under_the_name_postgresql_would_choose(
    url: str, context: MigrationContext
) -> None:
    chosen = names_postgresql_chooses(url)
    build_index(context, replace(P, attributes=("COMMENT ON INDEX public.ix_p IS 'whole'",)))
    assert tree(url) == chosen
    assert len(chosen) == 6
    oids = state(url, "%p%")
    build_index(context, P)
    assert state(url, "%p%") == oids
    with connect(url) as other:
        definition = other.execute("SELECT pg_get_indexdef('ix_p'::regclass) AS ddl").fetchone()
    assert definition == {"ddl": f"CREATE INDEX ix_p ON ONLY public.p {REST.replace('a > 1', '(a > 1)')}"}
    run(url, "CREATE TABLE p_4 PARTITION OF p FOR VALUES FROM (3) TO (4)")
    assert len(tree(url)) == 7
    drop_index(context, replace(P, sql="DROP INDEX CONCURRENTLY IF EXISTS public.ix_p"))
    assert tree(url) == {}


@pytest.mark.parametrize(
    "leftovers",
    [
        f"CREATE INDEX ix_p ON ONLY p {REST}",
        f"CREATE INDEX ix_p ON ONLY p {REST};\nCREATE INDEX p_1_lower_a_k_idx ON p_1 {REST}",
        (
            f"CREATE INDEX ix_p ON ONLY p {REST};\nCREATE INDEX p_3_lower_a_k_idx ON ONLY p_3 {REST};\n"
            "ALTER INDEX ix_p ATTACH PARTITION p_3_lower_a_k_idx"
        ),
        (
            f"CREATE INDEX p_1_lower_a_k_idx ON p_1 {REST};\n"
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'p_1_lower_a_k_idx'::regclass"
        ),
        (
            f"CREATE INDEX ix_p ON ONLY p {REST};\nCREATE INDEX p_1_lower_a_k_idx ON p_1 {REST};\n"
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'p_1_lower_a_k_idx'::regclass"
        ),
        (
            f"CREATE INDEX ix_p ON ONLY p {REST};\nCREATE INDEX p_1_lower_a_k_idx ON p_1 {REST};\n"
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'p_1_lower_a_k_idx'::regclass;\n"
            "ALTER INDEX ix_p ATTACH PARTITION p_1_lower_a_k_idx"
        ),
    ],
)
def test_a_build_goes_on_from_wherever_it_ended(url: str, context: MigrationContext, leftovers: str) -> None:
    chosen = names_postgresql_chooses(url)
    run(url, leftovers)
    build_index(context, P)
    assert tree(url) == chosen


def test_an_index_of_a_partition_that_matches_is_attached_and_one_that_does_not_keeps_its_name(
    url: str, context: MigrationContext, caplog: pytest.LogCaptureFixture
) -> None:
    run(url, f"CREATE INDEX by_hand ON p_1 {REST};\nCREATE INDEX p_3_0_lower_a_k_idx ON p_3_0 (a)")
    by_hand = state(url, "by_hand")
    build_index(context, P)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning == "public.by_hand becomes a part of public.ix_p, and is dropped with it, in a downgrade too"
    found = tree(url)
    assert found["by_hand"] == ("ix_p", True)
    assert state(url, "by_hand") == by_hand
    assert found["p_3_0_lower_a_k_idx"] == (None, True)
    assert found["p_3_0_lower_a_k_idx1"] == ("p_3_lower_a_k_idx", True)
    assert found["ix_p"] == (None, True)


def test_an_index_that_postgresql_named_is_told_as_well(
    url: str, context: MigrationContext, caplog: pytest.LogCaptureFixture
) -> None:
    run(url, f"CREATE INDEX ON p_1 {REST}")
    build_index(context, P)
    assert "public.p_1_lower_a_k_idx becomes a part of public.ix_p" in caplog.text


def test_a_partitioned_index_is_replaced_whole_and_the_old_one_goes_whole(url: str, context: MigrationContext) -> None:
    build_index(context, P)
    parts = len(tree(url))
    replace_index(context, replace(OTHER, attributes=("COMMENT ON INDEX public.ix_p IS 'new'",)))
    found = tree(url)
    assert len(found) == parts
    assert {name for name in found if "lower" in name} == set()
    assert all(valid for _, valid in found.values())
    replace_index(context, OTHER)
    assert tree(url) == found
    with connect(url) as other:
        assert other.execute("SELECT obj_description('ix_p'::regclass) AS c").fetchone() == {"c": "new"}


def test_a_replacement_that_was_given_up_is_built_again_from_what_is_there(url: str, context: MigrationContext) -> None:
    build_index(context, P)
    run(url, "CREATE INDEX ix_p_twindex_new ON ONLY p USING btree (a);\nCREATE INDEX mine ON p_1 (a)")
    replace_index(context, OTHER)
    found = tree(url)
    assert found["mine"] == ("ix_p", True)
    assert len(found) == 6


def test_another_definition_is_a_conflict_also_when_it_is_not_whole(url: str, context: MigrationContext) -> None:
    run(url, "CREATE INDEX ix_p ON ONLY p USING btree (k)")
    with pytest.raises(DeployError, match=r"exists INVALID and with a different definition: .*\(k\)"):
        build_index(context, P)


def test_duplicates_and_a_key_without_the_partition_key_are_said(url: str, context: MigrationContext) -> None:
    with pytest.raises(DeployError, match="partition"):
        build_index(context, replace(P, sql="CREATE UNIQUE INDEX ix_p ON ONLY public.p (a)"))
    assert tree(url) == {}
    unique = replace(P, sql="CREATE UNIQUE INDEX ix_p ON ONLY public.p (k, a)")
    run(url, "INSERT INTO p VALUES (1, 1, 'a')")
    with pytest.raises(DeployError, match="is duplicated"):
        build_index(context, unique)
    run(url, "DELETE FROM p WHERE s = 'a'")
    build_index(context, unique)
    assert all(valid for _, valid in tree(url).values())
    assert len(tree(url)) == 6


def test_a_partition_that_is_a_foreign_table_is_refused_before_anything_is_built(
    url: str, context: MigrationContext
) -> None:
    run(
        url,
        """CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE far PARTITION OF p FOR VALUES FROM (9) TO (10) SERVER nowhere""",
    )
    with pytest.raises(DeployError, match=r"public\.far is a foreign table"):
        build_index(context, P)
    assert tree(url) == {}


def test_a_plain_statement_is_run_as_it_is_on_little_and_by_partition_on_much(url: str, connection: Connection) -> None:
    plain = replace(P, sql=f"CREATE INDEX ix_p ON public.p {REST}")
    chosen = names_postgresql_chooses(url)
    for limit in ("16MB", "0"):
        build_index(configured(connection, plain_build=limit), plain)
        assert tree(url) == chosen
        run(url, "DROP INDEX ix_p")


def test_a_partitioned_index_is_rebuilt(url: str, context: MigrationContext) -> None:
    build_index(context, P)
    before = state(url, "p_1%")
    reindex_index(context, replace(P, sql="REINDEX INDEX CONCURRENTLY public.ix_p"))
    assert state(url, "p_1%") != before
    assert all(valid for _, valid in tree(url).values())


def test_the_rebuild_of_one_partition_does_not_hold_up_the_writers_of_another(
    url: str, context: MigrationContext
) -> None:
    build_index(context, P)
    reindexed = threading.Thread(
        target=reindex_index, args=(context, replace(P, sql="REINDEX INDEX CONCURRENTLY public.ix_p"))
    )
    with connect(url) as writer:
        writer.execute("UPDATE p_1 SET a = a + 1")
        reindexed.start()
        time.sleep(1)
        assert reindexed.is_alive()
        with connect(url) as other:
            other.execute("SET lock_timeout = '1s'")
            other.execute("UPDATE p SET a = a + 1 WHERE k = 1")
            other.execute("INSERT INTO p VALUES (1, 0, 'x')")
    reindexed.join(30)
    assert not reindexed.is_alive()
    assert all(valid for _, valid in tree(url).values())


def test_the_offline_script_makes_the_same_in_psql_and_may_be_repeated(
    url: str, request: pytest.FixtureRequest
) -> None:
    chosen = names_postgresql_chooses(url)
    script = offline(P)
    psql(url, script)
    assert tree(url) == chosen
    queries = "\n".join(part + "\\gexec" for part in script.split("\\gexec")[:-1])
    psql(url, queries[queries.index("WITH wanted") :])
    assert tree(url) == chosen
    run(url, "CREATE INDEX mine ON p_1 (a)")
    psql(url, offline(OTHER, verb="replace"))
    found = tree(url)
    assert found["mine"] == ("ix_p", True)
    assert len(found) == 6
    assert all(valid for _, valid in found.values())


def offline(target: Target, *, verb: str = "build") -> str:
    buffer = StringIO()
    options = {"as_sql": True, "output_buffer": buffer, "literal_binds": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    (build_index if verb == "build" else replace_index)(context, target)
    return buffer.getvalue()


def psql(url: str, sql: str) -> None:
    program = cluster.find_binaries().bin_dir / "psql"
    arguments = [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", libpq_url(url), "-f", "-"]
    done = subprocess.run(arguments, input=sql, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + sql


def test_names_of_parts_fit_63_bytes() -> None:
    for name in ("t" * 63, "ä" * 31):
        names = partition_names(name, ("b" * 63, "ö" * 20))
        assert all(len(next(names).encode()) <= 63 for _ in range(12))


def test_locks_of_many_partitions_are_waited_for_no_longer_than_one(url: str, connection: Connection) -> None:
    context = configured(connection, lock_attempts="9")
    build_index(context, P)
    budget_seconds, waits = 1.0, list[float]()
    drop = replace(P, sql="DROP INDEX public.ix_p", lock_timeout="1s")
    over = threading.Event()

    def read() -> None:
        """Read the whole table again and again, and note the longest time that takes."""
        with connect(url, autocommit=True) as reader:
            while not over.is_set():
                began = time.monotonic()
                reader.execute("SELECT FROM p WHERE a = 7")
                waits.append(time.monotonic() - began)

    with ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:
        reading = pool.submit(read)
        # Each lock comes within the budget, all of them together do not.
        for number, table in enumerate(("p_1", LONG, "p_3_0", '"Odd"."P 3"'), start=1):
            holder = stack.enter_context(connect(url))
            holder.execute(f"SELECT FROM {table}".encode())
            threading.Timer(0.7 * number, holder.rollback).start()
        drop_index(context, drop)
        over.set()
        reading.result()
    assert tree(url) == {}
    assert budget_seconds * 0.5 < max(waits) < budget_seconds * 1.3
