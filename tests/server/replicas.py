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
    source = ("-d", primary.conninfo(), "-R", "-X", "stream", "-c", "fast")
    _as_owner(home, str(tools / "pg_basebackup"), "-D", str(data), *source)
    options = f"-c port=5433 -c listen_addresses='' -c unix_socket_directories='{primary.socket_dir}'"
    control = (str(tools / "pg_ctl"), "-w", "-s", "-D", str(data))
    _as_owner(home, *control, "-o", options, "-l", str(home / "replica.log"), "start")
    try:
        yield primary.url().replace(":5432/", ":5433/")
    finally:
        _as_owner(home, *control, "-m", "immediate", "stop")


def _as_owner(home: Path, *words: str) -> None:
    """Run a program as the owner of a cluster's data, whoever runs the tests."""
    owner = home.stat()
    if os.geteuid() == 0:
        words = ("setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups", *words)
    subprocess.run(words, check=True, capture_output=True, cwd=home, timeout=60)
