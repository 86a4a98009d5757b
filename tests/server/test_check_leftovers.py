"""`twindex check` names whatever something interrupted has left, on any table, and nothing else."""

import contextlib
import json
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from analyzer.cli.check import command
from analyzer.objects.temporary_names import mark
from tests.server.deploys import interrupted
from tests.server.spec_project import SpecProject

TABLES = """
CREATE TABLE u (id int PRIMARY KEY, n int, m int);
CREATE TABLE p (k int, n int) PARTITION BY RANGE (k);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE other (a int);
INSERT INTO u VALUES (1, 1, 1), (2, 1, 2);
INSERT INTO p VALUES (1, 1), (2, 1)
"""


def leftovers(project: SpecProject) -> dict[str, str]:
    """Run the command and return what it says of leftovers, by index."""
    arguments = ["-d", project.url, "--allow-superuser", "--specs", str(project.specs), "--format", "json"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    document: dict[str, Any] = json.loads(result.stdout)
    assert {finding["code"] for finding in document["findings"]} <= {"TX319"}
    assert result.exit_code == (1 if document["findings"] else 0)
    return {finding["object"]: finding["message"] for finding in document["findings"]}


@pytest.fixture
def declared(project: SpecProject) -> SpecProject:
    project.run(TABLES)
    project.declare("{name: ix_a, keys: [a]}")
    project.build()
    return project


def test_every_leftover_is_named_on_every_table(declared: SpecProject) -> None:
    assert leftovers(declared) == {}
    reader, writer = "BEGIN; SELECT FROM u", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other"
    interrupted(declared.url, "CREATE INDEX CONCURRENTLY ix_cut ON u (n)", writer)
    interrupted(declared.url, "REINDEX INDEX CONCURRENTLY u_pkey", writer)
    declared.run("CREATE INDEX ix_drop ON u (m)")
    interrupted(declared.url, "DROP INDEX CONCURRENTLY ix_drop", reader)
    for index, table in (("ix_twice", "u"), ("ix_part", "p_1")):
        with contextlib.suppress(psycopg.errors.UniqueViolation):
            declared.run(f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON {table} (n)")
    declared.run(f"""
        CREATE INDEX ix_p ON ONLY p (n);
        CREATE INDEX ix_unmarked_twindex_new ON u (n);
        CREATE INDEX ix_moved ON u (n);
        COMMENT ON INDEX ix_moved IS '{mark("public", "ix_b", "new")}';
        CREATE INDEX ix_b_twindex_old ON u (n);
        COMMENT ON INDEX ix_b_twindex_old IS '{mark("elsewhere", "ix_b", "old")}';
        CREATE INDEX ix_mine ON u (n)
    """)
    found = leftovers(declared)
    assert set(found) == {
        "public.ix_cut", "public.u_pkey_ccnew", "public.ix_drop", "public.ix_twice", "public.ix_part", "public.ix_p",
        "public.ix_unmarked_twindex_new", "public.ix_moved", "public.ix_b_twindex_old",
    }  # fmt: skip
    assert found["public.ix_cut"].endswith("or DROP INDEX CONCURRENTLY IF EXISTS public.ix_cut")
    assert found["public.ix_p"].endswith("or DROP INDEX IF EXISTS public.ix_p")
    for message in found.values():
        declared.run(message.rpartition(", or ")[2])
    assert leftovers(declared) == {}


def test_a_dead_index_of_an_interrupted_drop_is_named(declared: SpecProject) -> None:
    declared.run("CREATE INDEX ix_dead ON u (m)")
    # What a drop writes before its second wait.
    declared.run(
        "SET allow_system_table_mods = on;\n"
        "UPDATE pg_index SET indislive = false, indisready = false WHERE indexrelid = 'ix_dead'::regclass"
    )
    assert set(leftovers(declared)) == {"public.ix_dead"}


def test_an_invalid_part_of_a_partitioned_index_is_to_be_rebuilt(declared: SpecProject) -> None:
    declared.run("CREATE INDEX ix_p ON p (n)")
    declared.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'p_1_n_idx'::regclass")
    (message,) = leftovers(declared).values()
    assert (
        message == "public.p_1_n_idx is an INVALID part of public.ix_p; run REINDEX INDEX CONCURRENTLY public.p_1_n_idx"
    )


def test_a_partitioned_index_that_lacks_parts_is_told_so(declared: SpecProject) -> None:
    declared.run("CREATE INDEX ix_p ON ONLY p (n)")
    (message,) = leftovers(declared).values()
    assert "is INVALID until ALTER INDEX … ATTACH PARTITION has attached to it an index of every partition" in message
