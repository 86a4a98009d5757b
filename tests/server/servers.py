"""Servers of every available major version, for fixtures to pass on."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from analyzer.twin.server import cluster

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
#: The binaries of the only version to test on; `pg_config` on the PATH must be of it, for its twins to run on it.
OTHER = os.environ.get("TWINDEX_TEST_BIN")
SETTINGS = {"autovacuum": "off", "fsync": "off", "jit": "off"}
#: Parameters of a fixture that calls `server_of`: what packages install, and what a person names.
PACKAGED = ("embedded", "debian-15")
VERSIONS = ("other",) if OTHER else PACKAGED
#: The same where one of them tells as much, and takes long.
OTHERS_SLOWLY = (VERSIONS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in VERSIONS[1:]))


def need_15() -> None:
    """Skip where PostgreSQL 15 is not installed."""
    if not DEBIAN_15.is_dir():
        pytest.skip("apt-get install postgresql-15 postgresql-contrib to run this on PostgreSQL 15")


@contextlib.contextmanager
def server_of(request: pytest.FixtureRequest) -> Generator[str]:
    """Yield the URL of a server of the version that the fixture's parameter names; skip if it is not installed."""
    if request.param == "embedded":
        yield request.getfixturevalue("server")
    else:
        if request.param == "debian-15":
            need_15()
        binaries = cluster.find_binaries(Path(OTHER) if OTHER and request.param == "other" else DEBIAN_15)
        settings = {"shared_preload_libraries": _preloaded(binaries), **SETTINGS}
        with cluster.temporary(binaries, settings=settings) as running:
            yield running.url()


def _preloaded(binaries: cluster.Binaries) -> str:
    """Preload what there is: some installations come without contrib."""
    return "pg_stat_statements" if "pg_stat_statements" in binaries.extensions() else ""
