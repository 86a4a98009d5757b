"""Start, join, stop and clean up PostgreSQL clusters of our own.

A cluster lives in a *home* directory: `data/`, `log`, its socket, and the lock file `users`. Every process that uses
the cluster holds a shared lock on it; the last one to leave stops the server. The kernel drops a dead process's lock,
so a crashed owner's temporary cluster is recognised, and removed, at the next start.

initdb and pg_ctl are called directly: as root through an unprivileged account, and no permission outside our own
directories is ever changed. Binaries and homes that such an account cannot reach are placed below TMPDIR.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import make_conninfo

from analyzer.db import Connection, connect
from analyzer.errors import CapabilityError, ConflictError
from analyzer.sql import render
from analyzer.twin import postmaster
from analyzer.twin.binaries import Binaries, find_binaries, reachable, sweep_copies
from analyzer.twin.places import (
    Account,
    account_for,
    can_reach,
    copies_dir,
    locked,
    make_private,
    one_line,
    runtime_dir,
    socket_dir,
)
from analyzer.twin.storage import LocalStorage, Storage

__all__ = ["Binaries", "Cluster", "development", "find_binaries", "temporary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster."""

    home: Path
    socket_dir: Path
    binaries: Binaries
    user: str = postmaster.SUPERUSER

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
        return LocalStorage(self.data)

    def url(self, database: str = "postgres") -> str:
        """Return a libpq URL of one of its databases."""
        return (
            f"postgresql://{self.user}@:{postmaster.PORT}/{quote(database, safe='')}?host={quote(str(self.socket_dir))}"
        )

    def conninfo(self, database: str = "postgres") -> str:
        """Return a libpq connection string."""
        return make_conninfo(host=str(self.socket_dir), port=postmaster.PORT, user=self.user, dbname=database)

    def ensure_database(self, database: str) -> None:
        """Create a database unless it exists."""
        with connect(self.url(), autocommit=True) as connection:
            exists = connection.execute(render("twin/database_exists"), {"database": database}).fetchone()
            if exists is None:
                connection.execute(render("twin/create_database", database=database, template="template0"))


@contextlib.contextmanager
def temporary(binaries: Binaries | None = None, *, settings: Mapping[str, str] | None = None) -> Generator[Cluster]:
    """Run a cluster that is removed when the block ends; remove those of crashed owners first."""
    found = binaries or find_binaries()
    account = account_for()
    runtime = runtime_dir(account)
    with contextlib.ExitStack() as stack:
        with one_line(runtime), locked(runtime / "lock"):
            _sweep(runtime)
            found = _placed(found, account, runtime)
            home = runtime / f"c-{secrets.token_hex(4)}"
            make_private(home, account)
            stack.enter_context(locked(home / "users", fcntl.LOCK_SH))
            stack.callback(_remove, home)
        with one_line(home):
            cluster = _started(home, found, account, settings)
        yield cluster


@contextlib.contextmanager
def development(
    directory: Path, *, binaries: Binaries | None = None, settings: Mapping[str, str] | None = None
) -> Generator[Cluster]:
    """Run, or join, the cluster that is kept in a directory such as `.twindex/`; the last user stops it.

    `binaries` make it where there is none yet; from then on it stays on their major version. `settings` take effect
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
        yield cluster


def _leave(gate: Path, home: Path, users: contextlib.ExitStack) -> None:
    """Give up our share of a kept cluster, and stop its server when it was the last one."""
    # Who removed the directory meanwhile removed these files too; its server notices within a minute and ends.
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(FileNotFoundError):
            stack.enter_context(locked(gate))
        users.close()
        with (
            contextlib.suppress(BlockingIOError, FileNotFoundError),
            locked(home / "users", fcntl.LOCK_EX | fcntl.LOCK_NB),
        ):
            postmaster.stop(home / "data", signal.SIGINT)


def _started(home: Path, binaries: Binaries, account: Account | None, settings: Mapping[str, str] | None) -> Cluster:
    cluster = Cluster(home=home, socket_dir=socket_dir(home), binaries=binaries)
    if postmaster.running_pid(cluster.data) is not None:
        return cluster
    if cluster.socket_dir != home:
        make_private(cluster.socket_dir, account)
        _note(cluster.socket_dir / "for", home)
    if not (cluster.data / "PG_VERSION").is_file():
        postmaster.initialise(cluster.data, binaries, account)
    if settings is not None:
        postmaster.configure(cluster.data, settings)
    postmaster.start(cluster.data, binaries, account, sockets=cluster.socket_dir)
    return cluster


def _kept_home(directory: Path) -> tuple[Path, Account | None]:
    """Return the home of a directory's cluster and its account; make it where there is none.

    Where the account cannot reach the directory, `postgres` in it is a link to a home below TMPDIR, which lives as
    long as the link does.
    """
    link = directory / "postgres"
    if link.is_symlink() and not link.exists():
        link.unlink()
    account = account_for(link)
    if link.is_dir() or can_reach(directory, account):
        home = link.resolve()
        if not can_reach(home.parent, account):
            raise CapabilityError(
                need=f"a directory the account of {home} can enter",
                found=f"{home.parent} is closed to it",
                remedy=f"open it, or remove {link} to start afresh",
            )
        if link.is_symlink():
            _note(home / "for", link)
        make_private(home, account)
        return home, account
    runtime = runtime_dir(account)
    with locked(runtime / "lock"):
        _sweep(runtime)
        home = runtime / f"d-{secrets.token_hex(4)}"
        make_private(home, account)
        _note(home / "for", link)
        link.symlink_to(home)
    return home, account


def _kept_binaries(home: Path, account: Account | None, wanted: Binaries | None) -> Binaries:
    """Find binaries of the major version that made a kept cluster; raises ConflictError when there are none."""
    try:
        major = int((home / "data" / "PG_VERSION").read_text())
    except FileNotFoundError:
        found = wanted or find_binaries()
    else:
        try:
            found = find_binaries(major=major)
        except CapabilityError as error:
            raise ConflictError(
                f"{home / 'data'} was made by PostgreSQL {major}, but {error.found}; "
                f"install PostgreSQL {major}, or remove {home} to start afresh"
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
    if sockets != home:
        shutil.rmtree(sockets, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _sweep(runtime: Path) -> None:
    """Remove what nobody uses or points at any more; the caller holds the runtime lock."""
    for home in (*runtime.glob("c-*"), *(home for home in runtime.glob("d-*") if not _is_wanted(home))):
        unused = contextlib.suppress(BlockingIOError, FileNotFoundError)
        with unused, locked(home / "users", fcntl.LOCK_EX | fcntl.LOCK_NB):
            _remove(home)
    for sockets in runtime.glob("s-*"):
        if (home := _noted(sockets / "for")) is not None and not home.is_dir():
            shutil.rmtree(sockets, ignore_errors=True)
    if not any(runtime.glob("[cd]-*")):
        sweep_copies(runtime)


def _is_wanted(home: Path) -> bool:
    link = _noted(home / "for")
    return link is not None and link.is_symlink() and link.readlink() == home


def _note(path: Path, target: Path) -> None:
    """Write down which path a directory of ours is for."""
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        file.write(os.fsencode(target))


def _noted(path: Path) -> Path | None:
    with contextlib.suppress(OSError):
        return Path(os.fsdecode(path.read_bytes()))
    return None
