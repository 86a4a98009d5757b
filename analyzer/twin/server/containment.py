"""What contains captured code: the kernel round the server, a role without rights, functions without bodies.

Any of the three is enough against what is known; the tests switch the other two off to show it.
"""

import functools
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from analyzer.twin.server import sandbox
from analyzer.twin.server.binaries import Binaries, interpreter

#: Switches the kernel's containment off, to test what stands behind it; never trusts anything by that.
NO_LANDLOCK = "TWINDEX_NO_LANDLOCK"

#: The role that captured objects belong to, and the one that plans what row security applies to.
CAPTURED, APPLICATION = "twindex_captured", "twindex_application"

#: Libraries, time zones, locales and what name look-ups read; where a system lacks one it is left out.
_SYSTEM = (
    "/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/usr/share",
    "/nix/store", "/gnu/store", "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/timezone",
    "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/ssl/openssl.cnf", "/dev/urandom", "/dev/random",
    "/proc/meminfo", "/proc/cpuinfo", "/sys/devices/system/cpu",
)  # fmt: skip
_WRITABLE = ("/dev/null", "/dev/zero")
_SHELL = "/bin/sh"
#: Of a directory that a variable names.
_MOST_LIBRARIES = 1000
#: What a server gets of the environment.
_INHERITED = ("PATH", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Containment:
    """The layers that are on."""

    #: Landlock and seccomp.
    kernel: bool = True
    #: Captured SQL runs in sessions of a role without rights.
    role: bool = True
    #: Functions that need not run are stubs.
    stubs: bool = True

    @property
    def is_open(self) -> bool:
        """Say whether the server's own functions are left to whoever calls them."""
        return not self.role and not self.stubs


ALL = Containment()


class Limits(TypedDict):
    """What a process may open and execute, as fields of a sandbox's Spec."""

    own: tuple[str, ...]
    readable: tuple[str, ...]
    writable_files: tuple[str, ...]
    executable: tuple[str, ...]


def kernel_obstacle() -> str | None:
    """Say why the kernel cannot contain a server here; None where it can."""
    if os.environ.get(NO_LANDLOCK):
        return f"{NO_LANDLOCK} is set"
    if sandbox.landlock_version() < 1:
        return "this kernel does not have Landlock (Linux 5.13 or newer), or denies it to this process"
    return None


def environment() -> dict[str, str]:
    """Return the complete environment of a server of ours and of its launcher."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {"PATH": os.defpath, **inherited, "LC_ALL": "C", "TZ": "UTC"}


def server_limits(binaries: Binaries, own: tuple[Path, ...]) -> Limits:
    """Return what a server may open and execute; `own` are its directories."""
    postgres = binaries.bin_dir / "postgres"
    return {
        "own": tuple(map(str, own)),
        "readable": (*_SYSTEM, *_installed(binaries)),
        "writable_files": _WRITABLE,
        "executable": tuple(_programs(postgres)),
    }


def initdb_limits(binaries: Binaries, own: Path) -> Limits:
    """Return what initdb may do: a server's rights, and those to run one through a shell, and to list locales.

    Nothing that is captured is there yet.
    """
    limits = server_limits(binaries, (own,))
    # Without it the cluster has no collation of libc's but C.
    lister = shutil.which("locale", path=environment()["PATH"])
    names = (_SHELL, str(binaries.bin_dir / "initdb"), *((lister,) if lister is not None else ()))
    shells = (program for name in names for program in _programs(Path(name)))
    return {**limits, "executable": (*limits["executable"], *shells)}


def editor_limits(data: Path) -> Limits:
    """Return what the process may do that edits a server's files."""
    return {"own": (str(data),), "readable": ("/proc/self",), "writable_files": (), "executable": ()}


def _programs(program: Path) -> Iterator[str]:
    real = Path(os.path.realpath(program))
    yield str(real)
    if (loader := interpreter(real)) is not None:
        yield os.path.realpath(loader)


def _installed(binaries: Binaries) -> Iterator[str]:
    installation = binaries.bin_dir.resolve().parent
    yield str(installation)
    if binaries.origin == "wheel":
        yield str(installation.parent.with_name(f"{installation.parent.name}.libs"))
    yield from _configured(binaries.bin_dir)
    for directory in filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)):
        # The libraries alone: the variable could name any directory.
        yield from itertools.islice(map(str, Path(directory).glob("lib*.so*")), _MOST_LIBRARIES)


@functools.cache
def _configured(bin_dir: Path) -> tuple[str, ...]:
    """Return where pg_config and the loader say that an installation has its parts."""
    found: list[str] = []
    config = bin_dir / "pg_config"
    if config.is_file():
        asked = [config, "--sharedir", "--pkglibdir", "--libdir"]
        found += subprocess.run(asked, check=False, capture_output=True, text=True).stdout.split("\n")
    for program in (bin_dir / "postgres", bin_dir / "initdb"):
        if (loader := interpreter(program)) is not None:
            listed = subprocess.run([loader, "--list", program], check=False, capture_output=True, text=True).stdout
            found += [line.split(" => ")[1].rpartition("/")[0] for line in listed.splitlines() if " => /" in line]
    return tuple(dict.fromkeys(os.path.realpath(path) for path in found if path.startswith("/")))
