"""Make, start and stop one server on one data directory, through initdb, pg_ctl and signals."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from analyzer.errors import CapabilityError
from analyzer.twin.binaries import Binaries
from analyzer.twin.places import Account

_LOG_PREFIX = re.compile(r"^[\d-]+ [\d:.]+ \w+ \[\d+\] ")
_TELLING = re.compile(r"FATAL|PANIC|error|ould not|unrecognized|invalid")

PORT = 5432
SUPERUSER = "postgres"


def initialise(data: Path, binaries: Binaries, account: Account | None) -> None:
    """Make a data directory; it gets its name when it is complete, so that a killed initdb leaves none."""
    unfinished = data.with_name("data.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if binaries.major >= 17 else ()
    checksums = ("--no-data-checksums",) if binaries.major >= 18 else ()
    options = ("-D", str(unfinished), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
    _run(binaries.bin_dir / "initdb", (*options, *locale, *checksums), data.parent, account)
    unfinished.rename(data)


def configure(data: Path, settings: Mapping[str, str]) -> None:
    """Write the settings the next start takes; they stay until others are given."""
    text = "".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items())
    # The account PostgreSQL runs under owns this directory: as root, a link it left here must not be followed.
    flags = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(data / "postgresql.auto.conf", flags), "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
        file.write(text)


def start(data: Path, binaries: Binaries, account: Account | None, *, sockets: Path) -> None:
    """Start a server that listens on a socket in a directory, and nowhere else; wait until it answers."""
    _forget_strangers(data, sockets)
    fixed = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    given = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in fixed.items())
    log = data.with_name("log")
    options = ("-D", str(data), "-l", str(log), "-o", given, "-w", "-t", "60", "-s", "start")
    _run(binaries.bin_dir / "pg_ctl", options, data.parent, account, log=log)


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
    pid = _recorded_pid(data / "postmaster.pid")
    return pid if pid is not None and _serves(pid, data) else None


def _recorded_pid(lock_file: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return abs(int(lock_file.read_text().split("\n", 1)[0]))
    return None


def _serves(pid: int, data: Path) -> bool:
    if Path("/proc/self/cmdline").is_file():
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return b"-D" in arguments and os.fsencode(data) in arguments
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True)
    return b"-D " + os.fsencode(data) in listed.stdout


def _forget_strangers(data: Path, sockets: Path) -> None:
    """Remove lock files whose process number now belongs to somebody else; PostgreSQL sees to the other dead ones."""
    for lock_file in (data / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock"):
        pid = _recorded_pid(lock_file)
        if pid is not None and not _serves(pid, data) and _exists(pid):
            lock_file.unlink(missing_ok=True)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _run(
    program: Path, options: Sequence[str], home: Path, account: Account | None, *, log: Path | None = None
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    process = subprocess.Popen(
        [program, *options],
        cwd=home,
        env=environment | {"LC_ALL": "C", "TZ": "UTC"},
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        errors="replace",
    )
    try:
        errors = process.communicate()[1]
    except BaseException:
        # Ctrl-C: a pg_ctl cut short would leave a server that nobody knows of yet.
        process.wait()
        raise
    if process.returncode != 0:
        said = log.read_text(errors="replace") if log is not None and log.is_file() else errors
        raise CapabilityError(
            need="a PostgreSQL server of our own",
            found=f"{program.name} failed: {_reason(said or errors)}",
            remedy="free memory or disk under TMPDIR, or point TMPDIR elsewhere",
        )


def _reason(said: str) -> str:
    """Pick the lines that tell why out of what a program or a server log said, without their prefix."""
    lines = [_LOG_PREFIX.sub("", line.strip()) for line in said.splitlines() if line.strip()]
    return " / ".join(([line for line in lines if _TELLING.search(line)] or lines)[-2:]) or "it gave no reason"
