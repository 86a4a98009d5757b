"""Start, join, stop and clean up PostgreSQL clusters of our own.

A cluster lives in a *home* directory: `data/`, `log`, its socket in `run/`, and the lock file `users`. Every process
that uses the cluster holds a shared lock on it; the last one to leave stops the server. The kernel drops a dead
process's lock, so a crashed owner's temporary cluster is recognised, and removed, at the next start.

As root the server runs under an otherwise unused user ID, which owns `data/` and `run/` and nothing else; no
permission outside our own directories is ever changed. Binaries and homes that such an account cannot reach are placed
below TMPDIR. A kept cluster is started only when a note outside its directory says that twindex made it.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from analyzer.db import Connection
from analyzer.errors import CapabilityError, ConflictError
from analyzer.sql import render
from analyzer.twin.server import containment, kept_clusters, postmaster, sandbox
from analyzer.twin.server.binaries import Binaries, find_binaries, reachable, sweep_copies
from analyzer.twin.server.connection import connect_own, conninfo, url
from analyzer.twin.server.databases import copy_database
from analyzer.twin.server.directories import (
    Account,
    account_of,
    can_reach,
    copies_dir,
    is_runtime_dir,
    locked,
    make_private,
    one_line,
    private_account,
    runtime_dir,
    socket_dir,
)
from analyzer.twin.server.file_access import LocalStorage, OwnStorage, Storage

__all__ = ["Binaries", "Cluster", "development", "find_binaries", "temporary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster."""

    home: Path
    socket_dir: Path
    binaries: Binaries
    user: str = postmaster.SUPERUSER
    #: Whether the kernel closes everything to it but its own files and its installation's.
    contained: bool = False

    @property
    def data(self) -> Path:
        """Return the data directory."""
        return self.home / "data"

    @property
    def version(self) -> str:
        """Return the server's version."""
        return self.binaries.version

    def storage(self, connection: Connection) -> Storage:
        """Return the way to its files."""
        account = account_of(self.data)
        if account is None and not os.access(sys.executable, os.X_OK):
            return OwnStorage(self.data)
        return LocalStorage(
            sandbox.Spec(
                arguments=(),
                environment=containment.environment(),
                directory=str(self.data),
                account=(account.uid, account.gid) if account is not None else None,
                contained=self.contained,
                **containment.editor_limits(self.data),
            )
        )

    def url(self, database: str = "postgres") -> str:
        """Return a libpq URL of one of its databases, which no PG* variable adds to."""
        return url(self._address(database, self.user))

    def conninfo(self, database: str = "postgres") -> str:
        """Return a libpq connection string, which no PG* variable adds to."""
        return conninfo(self._address(database, self.user))

    def _address(self, database: str, user: str) -> dict[str, str]:
        return {"host": str(self.socket_dir), "port": str(postmaster.PORT), "user": user, "dbname": database}

    @contextlib.contextmanager
    def connect(self, database: str = "postgres", *, user: str | None = None) -> Generator[Connection]:
        """Connect to this very cluster, in autocommit; raises UnreachableError where another one answers."""
        identifier = postmaster.system_identifier(self.data)
        with connect_own(self._address(database, user or self.user), identifier) as connection:
            yield connection

    def password_of(self, role: str) -> str | None:
        """Return None: who can open its socket may connect."""
        return None

    @property
    def exposure(self) -> str | None:
        """Say why the kernel does not contain it; None where it does."""
        return None if self.contained else containment.kernel_obstacle() or "containment by the kernel is switched off"

    def ensure_database(self, database: str) -> None:
        """Create a database unless it exists."""
        with self.connect() as connection:
            exists = connection.execute(render("twin/database_exists"), {"database": database}).fetchone()
            if exists is None:
                copy_database(connection, database)


@contextlib.contextmanager
def temporary(
    binaries: Binaries | None = None, *, settings: Mapping[str, str] | None = None, contained: bool = False
) -> Generator[Cluster]:
    """Run a cluster that is removed when the block ends; remove those of crashed owners first.

    A `contained` one can open and execute nothing but its own files and its installation's, nor connect anywhere.
    """
    found = binaries or find_binaries()
    with contextlib.ExitStack() as stack:
        account = private_account()
        runtime = runtime_dir(account)
        with one_line(runtime), locked(runtime / "lock"):
            _sweep(runtime)
            account = _unshared(account, runtime)
            found = _placed(found, account, runtime)
            home = runtime / f"c-{secrets.token_hex(4)}"
            _make_home(home, account)
            stack.enter_context(locked(home / "users", fcntl.LOCK_SH))
            stack.callback(_remove, home)
        with one_line(home):
            cluster = _started(home, found, account, settings, contained=contained)
        yield cluster


def _make_home(home: Path, account: Account | None) -> None:
    """Make a home that the server's account can pass through, and change nothing in but its own directories."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700 if account is None else 0o711)
    make_private(socket_dir(home), account)
    if socket_dir(home).parent != home:
        _note(_socket_note(home), home)


def _unshared(account: Account | None, runtime: Path) -> Account | None:
    """Return an account that no server below a runtime directory has; the caller holds its lock."""
    owners = frozenset(_owners(runtime))
    return private_account(owners) if account is not None and account.uid in owners else account


def _owners(runtime: Path) -> Iterator[int]:
    """Yield the users of the servers below a runtime directory, whether they run or not."""
    for directory in (*runtime.glob("*-*/run"), *runtime.glob("*-*/data"), *runtime.glob("s-*")):
        with contextlib.suppress(OSError):
            yield directory.lstat().st_uid


@contextlib.contextmanager
def development(
    directory: Path, *, binaries: Binaries | None = None, settings: Mapping[str, str] | None = None
) -> Generator[Cluster]:
    """Run, or join, the cluster that is kept in a directory such as `.twindex/`; the last user stops it.

    `binaries` create it if it does not exist; from then on it stays on their major version. `settings` take effect
    when this call is the one that starts the server, and stay until others are given.
    """
    with one_line(directory):
        directory.mkdir(parents=True, exist_ok=True)
    gate = directory.resolve() / "gate"
    with contextlib.ExitStack() as stack:
        with one_line(directory), locked(gate):
            home, account = _kept_home(directory.resolve())
            users = stack.enter_context(contextlib.ExitStack())
            users.enter_context(locked(home / "users", fcntl.LOCK_SH))
            stack.callback(_leave, gate, home, users)
            cluster = _started(home, _kept_binaries(home, account, binaries), account, settings)
            kept_clusters.remember(home)
        yield cluster


def _leave(gate: Path, home: Path, users: contextlib.ExitStack) -> None:
    """Give up our share of a kept cluster, and stop its server when it was the last one."""
    # Whatever has removed the directory removed these files as well; its server notices within a minute and ends.
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(FileNotFoundError):
            stack.enter_context(locked(gate))
        users.close()
        with (
            contextlib.suppress(BlockingIOError, FileNotFoundError),
            locked(home / "users", fcntl.LOCK_EX | fcntl.LOCK_NB),
        ):
            postmaster.stop(home / "data", signal.SIGINT)


def _started(
    home: Path,
    binaries: Binaries,
    account: Account | None,
    settings: Mapping[str, str] | None,
    *,
    contained: bool = False,
) -> Cluster:
    cluster = Cluster(home=home, socket_dir=socket_dir(home), binaries=binaries, contained=contained)
    if postmaster.running_pid(cluster.data) is not None:
        return cluster
    if not cluster.data.is_dir():
        postmaster.initialise(cluster.data, binaries, account, contained=contained)
    if settings is not None:
        postmaster.configure(cluster.data, settings)
    postmaster.start(cluster.data, binaries, account, sockets=cluster.socket_dir, contained=contained)
    return cluster


def _kept_home(directory: Path) -> tuple[Path, Account | None]:
    """Return the home of a directory's cluster and its account; create it if it does not exist.

    Where the account cannot reach the directory, `postgres` in it is a link to a home below TMPDIR, which lives as
    long as the link does. Raises ConflictError for a cluster that twindex did not make here.
    """
    link = directory / "postgres"
    if link.is_symlink() and not _is_own_link(link):
        raise ConflictError(f"{link} is a symbolic link not created by twindex; remove it to start again")
    if link.is_symlink() and not link.exists():
        link.unlink()
    if link.exists():
        return _found_home(link)
    account = private_account()
    if can_reach(directory, account):
        _make_home(link, account)
        return link, account
    runtime = runtime_dir(account)
    with locked(runtime / "lock"):
        _sweep(runtime)
        account = _unshared(account, runtime)
        home = runtime / f"d-{secrets.token_hex(4)}"
        _make_home(home, account)
        _note(home / "for", link)
        link.symlink_to(home)
    return home, account


def _is_own_link(link: Path) -> bool:
    """Say whether a link leads to a home of ours below a runtime directory, which need not be there any more."""
    target = link.readlink()
    return target.name.startswith("d-") and is_runtime_dir(target.parent) and target == target.parent / target.name


def _found_home(link: Path) -> tuple[Path, Account | None]:
    home = link.resolve()
    if not (home / "data").exists():  # a start that was cut short
        _clear(home)
        link.unlink(missing_ok=True)
        return _kept_home(link.parent)
    if not kept_clusters.is_ours(home):
        raise _strange(link)
    account = account_of(home / "data")
    if not can_reach(home, account):
        raise CapabilityError(
            need=f"a directory the account of {home} can enter",
            found=f"{home.parent} is not accessible to it",
            remedy=f"change its permissions, or remove {link} to start again",
        )
    if link.is_symlink():
        _note(home / "for", link)
    _make_home(home, account)
    return home, account


def _clear(home: Path) -> None:
    """Remove what a start that was cut short left, and nothing else; raises ConflictError for what holds more."""
    expected = {"run", "users", "log", "for", "data.new"}
    found = {path.name: path for path in home.iterdir()} if home.is_dir() else {"": home}
    if not found.keys() <= expected or any(path.is_symlink() for path in found.values()):
        raise _strange(home)
    for path in found.values():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    home.rmdir()


def _strange(link: Path) -> ConflictError:
    return ConflictError(
        f"{link} was not created by twindex here, so no server is started in it; remove {link} to start again"
    )


def _kept_binaries(home: Path, account: Account | None, wanted: Binaries | None) -> Binaries:
    """Find binaries of the major version that created a kept cluster; raises ConflictError if none are installed."""
    major = postmaster.made_by(home / "data")
    if major is None:
        found = wanted or find_binaries()
    else:
        try:
            found = find_binaries(major=major)
        except CapabilityError as error:
            raise ConflictError(
                f"{home / 'data'} was made by PostgreSQL {major}, but {error.found}; "
                f"install PostgreSQL {major}, or remove {home} to start again"
            ) from None
    runtime = runtime_dir(account)
    with locked(runtime / "lock"):
        return _placed(found, account, runtime)


def _placed(binaries: Binaries, account: Account | None, runtime: Path) -> Binaries:
    """Put binaries where the account can reach and run them; the caller holds the runtime directory's lock."""
    place = copies_dir(runtime, account)
    if place == runtime:
        return reachable(binaries, account, runtime)
    with locked(place / "lock"):
        return reachable(binaries, account, place)


def _remove(home: Path) -> None:
    postmaster.stop(home / "data", signal.SIGQUIT)
    sockets = socket_dir(home)
    if sockets.parent != home:
        shutil.rmtree(sockets, ignore_errors=True)
        _socket_note(home).unlink(missing_ok=True)
    shutil.rmtree(home, ignore_errors=True)


def _socket_note(home: Path) -> Path:
    """Return where it is written down, out of the account's reach, which home a socket elsewhere is for."""
    sockets = socket_dir(home)
    return sockets.with_name(f"{sockets.name}.for")


def _sweep(runtime: Path) -> None:
    """Remove what is no longer used or referenced; the caller holds the runtime lock."""
    for home in (*runtime.glob("c-*"), *(home for home in runtime.glob("d-*") if not _is_wanted(home))):
        unused = contextlib.suppress(BlockingIOError, FileNotFoundError)
        with unused, locked(home / "users", fcntl.LOCK_EX | fcntl.LOCK_NB):
            _remove(home)
    for sockets in (path for path in runtime.glob("s-*") if path.is_dir()):
        note = sockets.with_name(f"{sockets.name}.for")
        if (home := _noted(note)) is not None and not home.is_dir():
            shutil.rmtree(sockets, ignore_errors=True)
            note.unlink(missing_ok=True)
    if not any(runtime.glob("[cd]-*")):
        sweep_copies(runtime)


def _is_wanted(home: Path) -> bool:
    link = _noted(home / "for")
    return link is not None and link.is_symlink() and link.readlink() == home


def _note(path: Path, target: Path) -> None:
    """Write down which path a directory of ours is for."""
    path.unlink(missing_ok=True)
    path.write_bytes(os.fsencode(target))


def _noted(path: Path) -> Path | None:
    with contextlib.suppress(OSError):
        return Path(os.fsdecode(path.read_bytes()))
    return None
