"""Where the tests write: in memory where there is room, because some disks take a second to drop a database."""

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of its own is made below it
#: Far more than the suites write.
_FEWEST_BYTES = 8 * 1024**3


def enter() -> Path | None:
    """Make a directory in memory and let this process, and those it starts, use it; None where TMPDIR is set."""
    if "TMPDIR" in os.environ or not _has_room():
        return None
    path = Path(tempfile.mkdtemp(prefix="twindex-tests-", dir=_MEMORY))
    # Servers and roles of the tests run as other users.
    path.chmod(0o1777)
    os.environ["TMPDIR"] = str(path)
    tempfile.tempdir = None
    return path


def leave(path: Path) -> None:
    """Remove the directory."""
    shutil.rmtree(path, ignore_errors=True)


def _has_room() -> bool:
    return (
        os.access(_MEMORY, os.W_OK)
        and shutil.disk_usage(_MEMORY).free > _FEWEST_BYTES
        and _available_memory() > _FEWEST_BYTES
    )


def _available_memory() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
