"""A Dask scheduler and its workers, in processes of their own: `python -m tests.server.dask_cluster WORKERS`."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from distributed import LocalCluster

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def dask_cluster(workers: int) -> Generator[str]:
    """Run a scheduler with that many workers until the block ends, and yield its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.server.dask_cluster", str(workers)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        try:
            yield f"dask://{address.removeprefix('tcp://')}"
        finally:
            process.communicate()


if __name__ == "__main__":
    opening: Any = LocalCluster
    with opening(
        n_workers=int(sys.argv[1]), threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
