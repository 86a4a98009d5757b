"""Create, start and stop one server on one data directory, through initdb, postgres and signals."""

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

from analyzer.errors import CapabilityError
from analyzer.twin.server import containment, relation_pages, sandbox
from analyzer.twin.server.binaries import Binaries
from analyzer.twin.server.directories import Account, make_private, named_account

_LOG_PREFIX = re.compile(r"^[\d-]+ [\d:.]+ \w+ \[\d+\] ")
_TELLING = re.compile(r"FATAL|PANIC|error|ould not|unrecognized|invalid")
#: How long a server may take to start.
_START_SECONDS = 60
#: Of a file that a server's account can write.
_LONGEST_NOTE = 64 * 1024

PORT = 5432
SUPERUSER = "postgres"


def initialise(data: Path, binaries: Binaries, account: Account | None, *, contained: bool = False) -> None:
    """Make a data directory; it gets its name when it is complete, so that a killed initdb leaves none.

    initdb looks up its user by name. Therefore, as root, an account with a name runs it, in a directory that no other
    account can enter, before anything but PostgreSQL's files is in it; then its files get their new owner.
    """
    unfinished = data.with_name("data.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    maker = named_account() if account is not None else None
    make_private(unfinished, maker)
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if binaries.major >= 17 else ()
    checksums = ("--no-data-checksums",) if binaries.major >= 18 else ()
    options = ("-D", str(unfinished), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
    spec = sandbox.Spec(
        arguments=(str(binaries.bin_dir / "initdb"), *options, *locale, *checksums),
        environment=containment.environment(),
        directory=str(unfinished),
        account=_pair(maker),
        contained=contained,
        **containment.initdb_limits(binaries, unfinished),
    )
    process = _launch(spec)
    try:
        errors = process.communicate()[1]
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        raise _failed("initdb", errors)
    if account is not None and maker is not None:
        _give(unfinished, maker, account)
    unfinished.rename(data)


def _give(directory: Path, maker: Account, account: Account) -> None:
    """Give what one account made to another: files with one name and directories, through descriptors."""
    for _, directories, names, parent in os.fwalk(directory):
        for name in (*directories, *names):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            try:
                _give_one(descriptor, maker, account)
            finally:
                os.close(descriptor)
    descriptor = os.open(directory, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _give_one(descriptor, maker, account)
    finally:
        os.close(descriptor)


def _give_one(descriptor: int, maker: Account, account: Account) -> None:
    found = os.fstat(descriptor)
    lone = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
    if found.st_uid != maker.uid or not lone:
        raise _failed("initdb", "error: another user changed its files")
    os.fchown(descriptor, account.uid, account.gid)


def configure(data: Path, settings: Mapping[str, str]) -> None:
    """Write the settings the next start takes; they stay until others are given."""
    text = "".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items())
    with open(_opened(data, "postgresql.auto.conf", os.O_WRONLY), "w", encoding="utf-8") as file:
        file.truncate()
        file.write(text)


def start(data: Path, binaries: Binaries, account: Account | None, *, sockets: Path, contained: bool = False) -> None:
    """Start a server that listens on a socket in a directory, and nowhere else; wait until it answers.

    `contained` closes everything to it but its own directories and its installation's programs and libraries.
    """
    _forget_strangers(data, sockets)
    fixed = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # Not below /dev/shm, which belongs to all.
        **({"dynamic_shared_memory_type": "mmap"} if contained else {}),
    }
    given = [part for name, value in fixed.items() for part in ("-c", f"{name}={value}")]
    spec = sandbox.Spec(
        arguments=(str(binaries.bin_dir / "postgres"), "-D", str(data), *given),
        environment=containment.environment(),
        directory=str(data),
        account=_pair(account),
        contained=contained,
        detached=True,
        **containment.server_limits(binaries, (data, sockets)),
    )
    log = data.with_name("log")
    with open(os.open(log, _LOG_FLAGS, 0o600), "ab") as said:  # noqa: PTH123 - a descriptor
        begun = said.tell()
        process = _launch(spec, errors=said.fileno())
        pid = None
        try:
            pid = int(process.communicate()[0] or 0)
            _wait(data, pid)
        except BaseException:
            # Ctrl-C: a start cut short would leave a server that no note names yet.
            _kill(pid or int(process.communicate()[0] or 0))
            raise
    if running_pid(data) is None:
        with log.open(errors="replace") as file:
            file.seek(begun)
            raise _failed("postgres", file.read())


_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def _pair(account: Account | None) -> tuple[int, int] | None:
    return (account.uid, account.gid) if account is not None else None


def _launch(spec: sandbox.Spec, *, errors: int = subprocess.PIPE) -> subprocess.Popen[str]:
    command, prepare = [sys.executable, "-I", "-S", sandbox.__file__, json.dumps(asdict(spec))], None
    if not os.access(sys.executable, os.X_OK):
        # An interpreter that was started with other rights than these: there is but this process to begin from.
        command, prepare = list(spec.arguments), partial(sandbox.prepare, spec)
    return subprocess.Popen(
        command,
        cwd="/",
        env=spec.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
        text=True,
        errors="replace",
        preexec_fn=prepare,  # noqa: PLW1509 - it waits for no lock that another thread can hold
    )


def _wait(data: Path, pid: int) -> None:
    """Wait until a server says that it is ready, or is gone."""
    deadline = time.monotonic() + _START_SECONDS
    while _lives(pid) and _status(data, pid) not in {"ready", "standby"}:
        if time.monotonic() > deadline:
            _kill(pid)
            raise _failed("postgres", f"error: it is not ready after {_START_SECONDS} seconds")
        time.sleep(0.005)


def _status(data: Path, pid: int) -> str | None:
    """Read what a postmaster writes of itself (PMSignal's LOCK_FILE_LINE_PM_STATUS, the eighth line)."""
    lines = _read(data, "postmaster.pid").split("\n")
    return lines[7].strip() if len(lines) > 7 and lines[0] == str(pid) else None


def _kill(pid: int) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)


def _failed(program: str, said: str) -> CapabilityError:
    return CapabilityError(
        need="a private PostgreSQL server",
        found=f"{program} failed: {_reason(said)}",
        remedy="free memory or disk under TMPDIR, or point TMPDIR elsewhere",
    )


def _opened(data: Path, name: str, flags: int) -> int:
    """Open a file that a server's account can put another in place of: no link, one name."""
    directory = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return relation_pages.open_regular(directory, name, flags)
    finally:
        os.close(directory)


def _read(data: Path, name: str) -> str:
    """Read the start of a file of a data directory; nothing where it cannot be."""
    with contextlib.suppress(OSError), open(_opened(data, name, os.O_RDONLY), "rb") as file:
        return file.read(_LONGEST_NOTE).decode(errors="replace")
    return ""


def made_by(data: Path) -> int | None:
    """Return the major version that made a data directory; None if it is empty."""
    text = _read(data, "PG_VERSION").strip()
    return int(text) if text.isascii() and text.isdigit() else None


def system_identifier(data: Path) -> int:
    """Read which cluster a data directory is of: the first field of its control file (ControlFileData)."""
    with open(_opened(data, "global/pg_control", os.O_RDONLY), "rb") as file:
        return int.from_bytes(file.read(8), sys.byteorder)


def stop(data: Path, how: signal.Signals) -> None:
    """Stop the server of a data directory, if one runs, and wait for its end.

    `how` is PostgreSQL's: SIGINT for a fast shutdown, SIGQUIT for an immediate one; harder ones follow when it hangs.
    """
    pid = running_pid(data)
    if pid is None:
        return
    for number, patience_seconds in ((how, 60), (signal.SIGQUIT, 15), (signal.SIGKILL, 15)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience_seconds
        while _serves(pid, data):
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        else:
            return


def running_pid(data: Path) -> int | None:
    """Return the process that serves a data directory; a stranger with a recycled number is not one."""
    pid = _recorded_pid(data, "postmaster.pid")
    return pid if pid is not None and _serves(pid, data) else None


def _recorded_pid(directory: Path, name: str) -> int | None:
    with contextlib.suppress(ValueError):
        return abs(int(_read(directory, name).split("\n", 1)[0]))
    return None


def _serves(pid: int, data: Path) -> bool:
    """Say whether a process serves a data directory, as the account that owns it."""
    process = Path(f"/proc/{pid}")
    try:
        if process.stat().st_uid != data.stat().st_uid:
            return False
        arguments = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"-D" in arguments and os.fsencode(data) in arguments


def _lives(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (OSError, IndexError):
        return False


def _forget_strangers(data: Path, sockets: Path) -> None:
    """Remove lock files whose process number now belongs to somebody else; PostgreSQL sees to the other dead ones."""
    for directory, name in ((data, "postmaster.pid"), (sockets, f".s.PGSQL.{PORT}.lock")):
        pid = _recorded_pid(directory, name)
        if pid is not None and not _serves(pid, data) and _exists(pid):
            (directory / name).unlink(missing_ok=True)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _reason(said: str) -> str:
    """Extract the lines with the reason from the output of a program or a server log, without their prefix."""
    lines = [_LOG_PREFIX.sub("", line.strip()) for line in said.splitlines() if line.strip()]
    return " / ".join(([line for line in lines if _TELLING.search(line)] or lines)[-2:]) or "no reason given"
