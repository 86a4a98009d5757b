"""The live side of the twin's benchmarks: a server with rows, and how it is captured."""

import contextlib
import sys
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.sql import render
from analyzer.twin.server import cluster
from analyzer.twin.server.binaries import find_binaries
from analyzer.twin.server.choose import PlannerChoice
from analyzer.twin.server.cluster import Cluster

#: The role of docs/your-database.md.
READER = "twindex_reader"
DEFAULT_DIRECTORY = Path(".twindex/bench")
#: The schemas are ours: a twin of one is built also where the kernel cannot contain it.
TRUSTED = PlannerChoice(trust_schema=True)
#: The older server beside the embedded one.
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
#: Loads are not what is measured. The planner's settings differ from the defaults, so that the twin has to follow.
SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "shared_buffers": "512MB",
    "maintenance_work_mem": "512MB",
    "random_page_cost": "1.1",
    "effective_cache_size": "4GB",
    "work_mem": "32MB",
}


@contextlib.contextmanager
def live_server(
    directory: Path = DEFAULT_DIRECTORY, *, bin_dir: Path | None = None, settings: Mapping[str, str] = SETTINGS
) -> Generator[Cluster]:
    """Run the server that keeps its databases below a directory, on these binaries beside the one on the usual ones.

    Raises CapabilityError where there are no such binaries.
    """
    binaries = None
    if bin_dir is not None:
        binaries = find_binaries(bin_dir)
        directory = directory / f"postgresql-{binaries.major}"
    with cluster.development(directory, binaries=binaries, settings=settings) as server:
        with connect(server.url(), autocommit=True) as connection:
            if connection.execute(render("demo/role_exists"), {"role": READER}).fetchone() is None:
                connection.execute(render("demo/create_reader", role=READER))
                if server.binaries.major >= 15:
                    connection.execute(render("demo/grant_track_counts", role=READER))
        yield server


def captured(server: Cluster, database: str, *, sample_rows: int = 0) -> Snapshot:
    """Capture a database as the documented least-privilege role."""
    return capture(replace(server, user=READER).url(database), statements=False, sample_rows=sample_rows)


def tell(what: str) -> None:
    """Say on stderr what is being done."""
    print(what, file=sys.stderr, flush=True)
