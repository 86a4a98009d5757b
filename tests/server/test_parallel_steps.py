"""Builds of different tables run side by side where a revision says they may, as the generated ones do."""

import re
import signal
import time
from pathlib import Path

import pytest

from analyzer.db import connect
from tests.server.executor import await_, state, upgrade
from tests.server.spec_project import UNMODELLED, SpecProject, obey


def hand_written(directory: Path, url: str, body: str) -> SpecProject:
    """A project with one revision that builds two indexes in a block, of tables that are held up."""
    project = SpecProject(directory, url)
    project.run("INSERT INTO t SELECT n, n FROM generate_series(1, 100) AS n;\nCREATE TABLE u AS SELECT id AS a FROM t")
    (project.versions / "0001_block.py").write_text(REVISION + body)
    project.ini.write_text(project.ini.read_text() + "twindex_plain_build = 0\n")
    return project


REVISION = """
from alembic import op
import analyzer.migrate.alembic_plugin

revision, down_revision = "0001", None


def upgrade():
"""
BLOCK = """
    with op.side_by_side():
        op.build_index("ix", "t", schema="public", sql="CREATE INDEX CONCURRENTLY ix ON t (a)", lock_timeout="10s")
        op.build_index("ix_b", "t", schema="public", sql="CREATE INDEX CONCURRENTLY ix_b ON t (b)", lock_timeout="10s")
        op.build_index("ix_u", "u", schema="public", sql="CREATE INDEX CONCURRENTLY ix_u ON u (a)", lock_timeout="10s")
"""
_BUILDING = (
    "SELECT count(*) AS n FROM pg_stat_activity "
    "WHERE datname = current_database() AND query ~ '^CREATE INDEX' AND state = 'active'"
)


@pytest.mark.parametrize("jobs", [1, 2])
def test_builds_of_different_tables_run_side_by_side_when_they_may(tmp_path: Path, database: str, jobs: int) -> None:
    project = hand_written(tmp_path, database, BLOCK)
    with connect(database) as writer, connect(database, autocommit=True) as other:
        writer.execute("UPDATE t SET b = 1 WHERE id = 1")
        writer.execute("UPDATE u SET a = 1 WHERE a = 1")
        process = upgrade(project, "-x", f"twindex_jobs={jobs}")
        await_(lambda: other.execute(_BUILDING).fetchall()[0]["n"] == jobs)
        time.sleep(0.3)
        assert other.execute(_BUILDING).fetchall()[0]["n"] == jobs
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert {name: valid for name, (valid, _) in state(database).items()} == {"ix": True, "ix_b": True, "ix_u": True}


def test_the_failure_of_one_leaves_the_others_finished(tmp_path: Path, database: str) -> None:
    project = hand_written(
        tmp_path, database, BLOCK.replace("INDEX CONCURRENTLY ix_u", "UNIQUE INDEX CONCURRENTLY ix_u")
    )
    project.run("INSERT INTO u SELECT a FROM u")
    process = upgrade(project, "-x", "twindex_jobs=2")
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 255, output
    assert "building public.ix_u failed" in output
    assert {name: valid for name, (valid, _) in state(database).items()} == {"ix": True, "ix_b": True, "ix_u": False}


def test_after_a_death_during_two_builds_a_rerun_ends_with_all(tmp_path: Path, database: str) -> None:
    project = hand_written(tmp_path, database, BLOCK)
    with connect(database) as writer, connect(database, autocommit=True) as other:
        writer.execute("UPDATE t SET b = 1 WHERE id = 1")
        writer.execute("UPDATE u SET a = 1 WHERE a = 1")
        process = upgrade(project, "-x", "twindex_jobs=2")
        await_(lambda: other.execute(_BUILDING).fetchall()[0]["n"] == 2)
        process.kill()
        process.communicate(timeout=30)
        # Their backends do not know yet, and go on once they may: the rerun comes upon them at work.
        again = upgrade(project, "-x", "twindex_jobs=2")
        time.sleep(2)
        assert again.poll() is None
    output = again.communicate(timeout=60)[0]
    assert again.returncode == 0, output
    assert {name: valid for name, (valid, _) in state(database).items()} == {"ix": True, "ix_b": True, "ix_u": True}


def test_an_interrupt_cancels_all_of_them(tmp_path: Path, database: str) -> None:
    project = hand_written(tmp_path, database, BLOCK)
    with connect(database) as writer, connect(database, autocommit=True) as other:
        writer.execute("UPDATE t SET b = 1 WHERE id = 1")
        writer.execute("UPDATE u SET a = 1 WHERE a = 1")
        process = upgrade(project, "-x", "twindex_jobs=2")
        await_(lambda: other.execute(_BUILDING).fetchall()[0]["n"] == 2)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=30)[0]
        assert process.returncode == 130, output
        assert "Traceback" not in output
        assert other.execute(_BUILDING).fetchall()[0]["n"] == 0


#: A project's own hook sees each operation by itself.
HOOK = """
def see(context, revision, directives):
    assert all(hasattr(op, "index_name") for op in directives[0].upgrade_ops.ops)

options["process_revision_directives"] = see
"""


@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.slow
def test_builds_of_several_tables_share_a_block_also_when_they_come_back(
    tmp_path: Path, database: str, twin: bool
) -> None:
    project = SpecProject(tmp_path, database, env={"options": f"{UNMODELLED}{HOOK}"})
    project.run("CREATE TABLE u (a int);\nCREATE TABLE parts (a int) PARTITION BY RANGE (a)")
    project.run("CREATE TABLE parts_1 PARTITION OF parts DEFAULT;\nCREATE INDEX ix_before ON u (a)")
    for table, indexes in (
        ("t", "{name: ix, keys: [a]}\n{name: ix_b, keys: [b], comment: it's}"),
        ("u", "{name: ix_before, keys: [{column: a, order: desc}]}\n{name: ix_u, keys: [a], where: a > 0}"),
        ("parts", "{name: ix_parts, keys: [a]}"),
    ):
        project.declare(indexes, table=f"public.{table}", file=f"{table}.yaml")
    # A project's file tells Alembic so for all its runs.
    project.ini.write_text(project.ini.read_text() + "twindex_jobs = 2\n")
    text = obey(project, twin=twin)
    assert text.count("with op.side_by_side():") == 1
    assert re.findall(r"\n( +)op\.(\w+)\(", text.partition("def downgrade")[0]) == [
        *[(" " * 8, "build_index")] * 4, (" " * 4, "replace_index"),
    ]  # fmt: skip
    for table in ("t", "u", "parts"):
        spec = (project.specs / f"{table}.yaml").read_text()
        (project.specs / f"{table}.yaml").write_text(spec.replace("}\n", ", state: retired}\n"))
    text = obey(project, twin=twin)
    assert "side_by_side" not in text.partition("def downgrade")[0]
    assert text.count("with op.side_by_side():") == 1
