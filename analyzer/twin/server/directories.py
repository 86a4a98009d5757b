"""The directories of twindex's own clusters, their accounts, and the locks that mark their use."""

import contextlib
import fcntl
import grp
import hashlib
import os
import pwd
import random
import stat
import struct
import tempfile
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from analyzer.errors import CapabilityError

#: The one directory whose path is short everywhere; ours below it is checked before it is used.
_SHORT = Path("/tmp")  # noqa: S108
#: Where to go when TMPDIR is closed to the account, too small, or lets no program run.
_OTHERS = (_SHORT, Path("/var/tmp"))  # noqa: S108
#: What initdb, the databases of a small twin and their log take.
_ROOM_BYTES = 160 * 1024 * 1024
#: sun_path holds 108 bytes; this leaves room for `/.s.PGSQL.5432` and its lock file.
_LONGEST_SOCKET_DIR = 85
#: Names that are tried for a directory of our own.
_NAMES = 100
#: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_TOPDIR_FL of <linux/fs.h>.
_GET_FLAGS, _SET_FLAGS, _TOP_OF_HIERARCHIES = 0x80086601, 0x40086602, 0x00020000
#: Users that systems hand out for a while and never give a person (those of systemd's DynamicUser).
_PRIVATE = range(61184, 65520)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The unprivileged account PostgreSQL runs under when we are root."""

    uid: int
    gid: int


def account_of(path: Path) -> Account | None:
    """Return the account that a server's directory belongs to; None where that is ours."""
    found = path.stat()
    return None if found.st_uid == os.geteuid() else Account(uid=found.st_uid, gid=found.st_gid)


def private_account(taken: Collection[int] = ()) -> Account | None:
    """Return an account for a new server that no other process and no user has; ours (None) where we are not root.

    It has no name. `taken` are users of servers that do not run yet.
    """
    if os.geteuid() != 0:
        return None
    used = {*taken, *_running_users()}
    for uid in random.sample(_PRIVATE, len(_PRIVATE)):
        if uid not in used and not _has_name(uid):
            return Account(uid=uid, gid=uid)
    raise CapabilityError(
        need="an unused user ID for PostgreSQL",
        found=f"all user IDs from {_PRIVATE[0]} to {_PRIVATE[-1]} are in use",
        remedy="run twindex as an ordinary user",
    )


def named_account() -> Account:
    """Return an unprivileged account that has a name, as initdb asks for its own."""
    for entry in sorted(pwd.getpwall(), key=lambda each: each.pw_name != "nobody"):
        if entry.pw_uid != 0:
            return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise CapabilityError(
        need="an unprivileged account to run initdb under",
        found="root is the only user",
        remedy="run twindex as an ordinary user",
    )


def _running_users() -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield process.stat().st_uid


def _has_name(uid: int) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwuid(uid))
    with contextlib.suppress(KeyError):
        return bool(grp.getgrgid(uid))
    return False


def runtime_dir(account: Account | None) -> Path:
    """Return our directory below TMPDIR, or below another place where TMPDIR is closed to the account or too small."""
    root = _temporary_root()
    usable = [place for place in (root, *_OTHERS) if place.is_dir() and can_reach(place, account)]
    return own_dir(next((place for place in usable if _has_room(place)), usable[0] if usable else _SHORT))


def copies_dir(runtime: Path, account: Account | None) -> Path:
    """Return where binaries may be copied to: the runtime directory, or ours below a place that lets programs run."""
    places = [place for place in _OTHERS if place.is_dir() and can_reach(place, account)]
    if _runs_programs(runtime):
        return runtime
    return next((own_dir(place) for place in places if _runs_programs(place)), runtime)


def _has_room(place: Path) -> bool:
    return free_bytes(place) >= _ROOM_BYTES


def free_bytes(place: Path) -> int:
    """Return how much of the file system of a directory is free."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def _runs_programs(place: Path) -> bool:
    return not os.statvfs(place).f_flag & getattr(os, "ST_NOEXEC", 0)


def _temporary_root() -> Path:
    try:
        return Path(tempfile.gettempdir()).resolve()
    except FileNotFoundError:
        raise CapabilityError(
            need="a directory for temporary files",
            found="none is writable",
            remedy="free disk space, or set TMPDIR to a writable directory",
        ) from None


def socket_dir(home: Path) -> Path:
    """Return the directory of a cluster's socket: in its home, or one below /tmp.

    That is where the path is too long, or has a comma, at which libpq parts hosts.
    """
    path = os.fsencode(home / "run")
    if len(path) <= _LONGEST_SOCKET_DIR and b"," not in path:
        return home / "run"
    return own_dir(_SHORT) / f"s-{digest(str(home))}"


def own_dir(root: Path) -> Path:
    """Return our directory below a place that all can write; raises CapabilityError where somebody else has them all.

    Where somebody was there first, by mistake or on purpose, the next name is taken, and found again.
    """
    first = root / f"twindex-{os.geteuid()}"
    for path in (first, *(first.with_name(f"{first.name}-{number}") for number in range(1, _NAMES))):
        with one_line(path):
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o711)
                path.chmod(0o711)
            found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            _spread(path)
            return path
    raise CapabilityError(
        need=f"{first}, a directory of our own",
        found=f"another user owns it, and the {_NAMES - 1} names after it are taken",
        remedy="remove them, or set TMPDIR to a directory that only you can write to",
    )


def _spread(path: Path) -> None:
    """Let ext4 place each directory in this one in a block group of its own, as `chattr +T` does; others refuse.

    It does not use an inode again for minutes after a file was removed, and looks at all of those in a group whenever
    it creates a file there: the files of a cluster that was just removed slow down the next one.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            flags = bytearray(struct.calcsize("l"))
            fcntl.ioctl(descriptor, _GET_FLAGS, flags)
            (current,) = struct.unpack("l", flags)
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", current | _TOP_OF_HIERARCHIES))
    finally:
        os.close(descriptor)


def can_reach(path: Path, account: Account | None) -> bool:
    """Say whether an account may enter a directory and all above it; None is the account we are."""
    if account is None:
        return True
    path = path.resolve()
    for directory in (path, *path.parents):
        found = directory.stat()
        if found.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif found.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not found.st_mode & needed:
            return False
    return True


def is_runtime_dir(path: Path) -> bool:
    """Say whether a path is that of a directory of ours, as it is or as it was, which no other account can create."""
    if not path.name.startswith(f"twindex-{os.geteuid()}"):
        return False
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and (path / "lock").is_file()
    return True


def make_private(path: Path, account: Account | None) -> None:
    """Make a directory that only the account can enter, unless it is there."""
    with one_line(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A link in its place would give away what it leads to.
        if account is not None and path.lstat().st_uid != account.uid:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)


@contextlib.contextmanager
def locked(path: Path, operation: int = fcntl.LOCK_EX) -> Generator[None]:
    """Hold a lock on a file; with LOCK_NB raises BlockingIOError when another process holds it.

    The kernel drops it with the process, however that ends. A link in the file's place is not followed, because
    the account PostgreSQL runs under may write where root locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def one_line(path: Path) -> Generator[None]:
    """Turn what the operating system refuses in the block into one line that names the place."""
    try:
        yield
    except BlockingIOError:
        raise
    except OSError as error:
        raise CapabilityError(
            need=f"{path}, a directory of our own",
            found=f"it cannot be used ({error.strerror})",
            remedy="free disk space or fix its permissions, or set TMPDIR to another directory",
        ) from error


def digest(text: str) -> str:
    """Return a short name that stands for a text."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:8]
