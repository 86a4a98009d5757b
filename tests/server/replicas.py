"""Streaming replicas of servers of our own."""

import contextlib
import os
import subprocess
from collections.abc import Generator
from pathlib import Path

from analyzer.twin.server.cluster import Cluster

#: What a primary needs besides.
SETTINGS = {"wal_level": "replica", "max_wal_senders": "5", "hot_standby": "on"}


@contextlib.contextmanager
def streaming(primary: Cluster) -> Generator[str]:
    """Run a streaming replica of a cluster beside it, and yield its URL."""
    home = primary.socket_dir  # which its account owns
    data, tools = home / "replica", primary.binaries.bin_dir
    source = ("-d", source_of(primary), "-R", "-X", "stream", "-c", "fast")
    as_owner(home, str(tools / "pg_basebackup"), "-D", str(data), *source)
    options = f"-c port=5433 -c listen_addresses='' -c unix_socket_directories='{primary.socket_dir}'"
    control = (str(tools / "pg_ctl"), "-w", "-s", "-D", str(data))
    as_owner(home, *control, "-o", options, "-l", str(home / "replica.log"), "start")
    try:
        yield primary.url().replace(":5432/", ":5433/")
    finally:
        as_owner(home, *control, "-m", "immediate", "stop")


def source_of(primary: Cluster) -> str:
    """Return what programs of any version connect to a cluster with."""
    return f"host={primary.socket_dir} user=postgres"


def as_owner(home: Path, *words: str) -> None:
    """Run a program as the owner of a cluster's data, whoever runs the tests."""
    subprocess.run(_as_owner(home, words), check=True, capture_output=True, cwd=home, timeout=60)


@contextlib.contextmanager
def running_as_owner(home: Path, *words: str) -> Generator[None]:
    """Run a program during the block as `as_owner` does."""
    with subprocess.Popen(_as_owner(home, words), cwd=home, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def _as_owner(home: Path, words: tuple[str, ...]) -> tuple[str, ...]:
    owner = home.stat()
    if os.geteuid() != 0:
        return words
    return ("setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups", *words)
