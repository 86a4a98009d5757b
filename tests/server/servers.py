"""Servers of every major version at hand, for fixtures to hand on."""

import contextlib
from collections.abc import Generator
from pathlib import Path

import pytest

from analyzer.twin import cluster

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "autovacuum": "off", "fsync": "off", "jit": "off"}
#: Parameters of a fixture that calls `server_of`.
VERSIONS = ("embedded", "debian-15")


@contextlib.contextmanager
def server_of(request: pytest.FixtureRequest) -> Generator[str]:
    """Yield the URL of a server of the version that the fixture's parameter names; skip when there is none."""
    if request.param == "embedded":
        yield request.getfixturevalue("server")
    elif not DEBIAN_15.is_dir():
        pytest.skip("apt-get install postgresql-15 postgresql-contrib to run this on PostgreSQL 15")
    else:
        with cluster.temporary(cluster.find_binaries(DEBIAN_15), settings=SETTINGS) as running:
            yield running.url()
