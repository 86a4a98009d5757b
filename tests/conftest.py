"""A real PostgreSQL server for the whole session, and a fresh database for every test that asks for one."""

import contextlib
import os
import secrets
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from analyzer.db import connect
from analyzer.documents.snapshot import NotExamined
from analyzer.sql import render
from analyzer.twin.server import choose, cluster, postmaster
from analyzer.twin.server.containment import kernel_obstacle
from analyzer.twin.server.databases import copy_database
from analyzer.twin.twin import Twin
from tests import scratch
from tests.templates import Templates, directory

SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    # Or VACUUM finds rows whose commit is not yet in the log, and their pages are not all-visible.
    "synchronous_commit": "on",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "jit": "off",
}
# A busy machine is slow, and that is no fault of what is tested.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
#: Files that take longest begin first, or a worker would be left with one of them at the end.
LONGEST = (
    "test_deploy_fuzz.py", "test_kill.py", "test_fuzz.py", "test_many_tenants.py", "test_floors.py",
    "test_packaging.py",
)  # fmt: skip
# Where the kernel contains nothing, the suites test what stands behind it.
choose.REFUSES = kernel_obstacle() is None


def trusting(arguments: Sequence[str | Path]) -> list[str]:
    """Return a command's arguments with what it takes where the kernel contains nothing."""
    builds = {"propose", "report", "whatif", "lint", "check", "verify", "revise"}
    more = [] if choose.REFUSES or not builds.intersection(map(str, arguments)) else ["--trust-schema"]
    return [*map(str, arguments), *more]


def lacking(twin: Twin) -> tuple[NotExamined, ...]:
    """Return what of its snapshot a twin lacks, beside the containment where the kernel contains nothing."""
    return tuple(gap for gap in twin.not_examined if choose.REFUSES or gap.what != "containment")


@pytest.fixture(scope="session", autouse=True)
def templates() -> Iterator[Templates]:
    """Let the clusters of this process be copies; see `own_initdb`."""
    found = Templates(directory())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postmaster, "initialise", found.initialise)
        yield found


@pytest.fixture(scope="module")
def own_initdb(templates: Templates) -> Iterator[None]:
    """Let each cluster of a module be made by initdb, with a system identifier of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postmaster, "initialise", templates.original)
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Choose where the tests write, before workers start."""
    path = scratch.enter()
    if path is not None:
        config.add_cleanup(lambda: scratch.leave(path))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the others keep their order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_report_header() -> str:
    """Say whether the kernel contains twins."""
    return f"twins: contained by the kernel{'' if choose.REFUSES else f', but not here: {kernel_obstacle()}'}"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of a server we may create databases on: TWINDEX_TEST_DSN, a container, or the embedded server."""
    if dsn := os.environ.get("TWINDEX_TEST_DSN"):
        yield dsn
    elif os.environ.get("TWINDEX_TEST_SERVER") == "docker":
        from testcontainers.community.postgres import PostgresContainer

        command = "postgres " + " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        with PostgresContainer("pgvector/pgvector:pg18", driver=None).with_command(command) as container:
            yield container.get_connection_url()
    else:
        with cluster.temporary(settings=SETTINGS) as running:
            yield running.url()


def database_url(server_url: str, database: str) -> str:
    """Return the URL of another database of the same server."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(server_url)
    host = str(parts.get("host") or "")
    user = str(parts.get("user") or "postgres")
    if host.startswith("/"):
        return f"postgresql://{user}@:{parts.get('port') or 5432}/{database}?host={host}"
    password = f":{parts['password']}" if parts.get("password") else ""
    return f"postgresql://{user}{password}@{host}:{parts.get('port') or 5432}/{database}"


@contextlib.contextmanager
def fresh_database(server_url: str, *, template: str = "template0") -> Generator[str]:
    """Create a database, by default an empty one, and drop it afterwards."""
    name = f"t_{secrets.token_hex(5)}"
    with connect(server_url, autocommit=True) as connection:
        copy_database(connection, name, template=template)
    try:
        yield database_url(server_url, name)
    finally:
        with connect(server_url, autocommit=True) as connection:
            connection.execute(render("twin/drop_database", database=name))


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """URL of a fresh, empty database, as its superuser."""
    with fresh_database(server) as url:
        yield url


def runs(process_id: int) -> bool:
    """Say whether a process runs; one that has ended and that nobody has asked about has no command line any more."""
    try:
        os.kill(process_id, 0)
        return bool(Path(f"/proc/{process_id}/cmdline").read_bytes()) if Path("/proc/self").exists() else True
    except (ProcessLookupError, FileNotFoundError):
        return False
