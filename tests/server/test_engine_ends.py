"""Whatever ends a deploy, through whichever driver: one line, the exit status, and a rerun that finishes."""

import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analyzer.db import connect
from tests.server.engines import SCHEMA, written
from tests.server.executor import await_, upgrade
from tests.server.spec_project import SpecProject

pytestmark = pytest.mark.slow

DRIVERS = ("psycopg", "psycopg2", "psycopg_async", "asyncpg", "psycopg2's errors", "the project's errors")
_BUILDING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND query ~ '^CREATE INDEX CONCURRENTLY' AND wait_event_type = 'Lock' ORDER BY pid
"""


@pytest.fixture
def project(tmp_path: Path, database: str) -> SpecProject:
    project = SpecProject(tmp_path, database, schema=SCHEMA)
    project.declare("{name: ix_a, keys: [a]}")
    project.declare("{name: ix_b, keys: [a]}", table="public.u", file="u.yaml")
    project.ini.write_text(project.ini.read_text() + "twindex_plain_build = 0\n")
    written(project, "psycopg")
    assert project.autogenerate() is not None
    return project


@contextmanager
def building(project: SpecProject, jobs: int) -> Generator[tuple[subprocess.Popen[str], list[int]]]:
    """Begin a deploy whose builds wait for a writer; yield its process and the backends that build."""
    with connect(project.url) as writer, connect(project.url, autocommit=True) as other:
        writer.execute("UPDATE t SET s = 'w' WHERE id = 1")
        writer.execute("UPDATE u SET s = 'w' WHERE id = 1")
        process = upgrade(project, "-x", f"twindex_jobs={jobs}")
        try:
            await_(lambda: len(other.execute(_BUILDING).fetchall()) == jobs or process.poll() is not None)
            yield process, [row["pid"] for row in other.execute(_BUILDING).fetchall()]
            await_(lambda: process.poll() is not None)
        finally:
            process.kill()
            output = process.communicate()[0]
        assert "Traceback" not in output, output
        await_(lambda: not other.execute(_BUILDING).fetchall())


def finished(project: SpecProject) -> bool:
    project.upgrade()
    return [fact.valid for fact in project.facts().values()] == [True, True] and project.check() == []


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("kind", DRIVERS)
def test_an_interrupt_cancels_what_is_built(project: SpecProject, kind: str, jobs: int) -> None:
    written(project, kind, guarded=jobs == 1)
    with building(project, jobs) as (process, _):
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        output = process.communicate(timeout=60)[0]
        assert time.monotonic() - began < 10
        assert process.returncode == 130, output
        assert "interrupted at public.ix_a: it is INVALID" in output, output
    assert finished(project)


@pytest.mark.parametrize("function", ["pg_cancel_backend", "pg_terminate_backend"])
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("kind", DRIVERS)
def test_an_administrator_ends_it_in_one_line(project: SpecProject, kind: str, jobs: int, function: str) -> None:
    written(project, kind)
    with building(project, jobs) as (process, pids):
        with connect(project.url, autocommit=True) as other:
            for pid in pids:
                other.execute(f"SELECT {function}({pid})".encode())
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 255, output
        last = output.strip().splitlines()[-1]
        assert last.startswith("FAILED: "), output
        assert "run alembic" in last
        said = ("user request",) if "cancel" in function else ("administrator command", "server closed the connection")
        assert any(each in last for each in said)
    assert finished(project)
