"""The laws, and what the catalogs and planners of versions differ in, on servers of other major versions.

`make matrix` takes all of them, `make check-slow` the oldest and one in the middle.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.majors import UnavailableError, install

ROOT = Path(__file__).parents[2]
MAJORS = tuple(map(int, os.environ.get("TWINDEX_TEST_MAJORS", "14 17").split()))
SELECTED = (
    "test_zoo", "test_twin_schema", "test_twin_derived", "test_capture_extended", "test_capture_role", "test_pull",
    "test_check", "test_bloom", "test_statistics_corpus", "test_online_partitions",
)  # fmt: skip
MOST_SECONDS = 900


@pytest.mark.slow
@pytest.mark.parametrize("major", MAJORS)
def test_another_major_version_passes(major: int) -> None:
    try:
        server = install(major)
    except UnavailableError as error:
        pytest.skip(f"PostgreSQL {major} cannot be installed: {error}")
    files = [f"tests/server/{name}.py" for name in SELECTED]
    environment = os.environ | {
        "PATH": f"{server.on_path}:{os.environ['PATH']}",
        "TWINDEX_TEST_BIN": str(server.bin_dir),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *files]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=MOST_SECONDS
    )
    assert done.returncode == 0, f"on PostgreSQL {major}:\n{done.stdout[-20_000:]}\n{done.stderr[-2_000:]}"
