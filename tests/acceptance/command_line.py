"""Run twindex as a person does: a process of its own, its output and its exit status."""

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import templates
from tests.conftest import trusting

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """Return the one line of an error, after making sure that it is one and no traceback."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("twindex: ")
        assert self.out == ""
        return lines[0].removeprefix("twindex: ")


def environment(**changes: str) -> dict[str, str]:
    """Return an environment that names no database and asks for no colour."""
    unwanted = {"DATABASE_URL", "NO_COLOR", "FORCE_COLOR", "COLUMNS"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted and not name.startswith("PG")}
    return kept | changes


@functools.cache
def _preloaded() -> socket.socket:
    """Start the process that runs commands, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "tests.acceptance.preloaded", os.fspath(templates.directory())]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(PYTHONPATH=str(ROOT)), stdin=theirs.fileno(), start_new_session=True
        )
    ours.settimeout(300)
    atexit.register(_end, process, ours)
    return ours


def _end(process: subprocess.Popen[bytes], channel: socket.socket) -> None:
    """End that process and the command that it runs, which may hang."""
    channel.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait()


def twindex(*arguments: str | Path, cwd: Path, stdin: str | bytes = b"", env: Mapping[str, str] | None = None) -> Said:
    """Run one command to its end."""
    changed = environment(PYTHONPATH=str(ROOT)) | dict(env or {})
    request = {"arguments": trusting(arguments), "cwd": os.fspath(cwd), "environment": changed}
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        streams[0].write(stdin.encode() if isinstance(stdin, str) else stdin)
        for stream in streams:
            stream.seek(0)
        socket.send_fds(_preloaded(), [json.dumps(request).encode()], [stream.fileno() for stream in streams])
        try:
            status = int(_preloaded().recv(16))
        except TimeoutError:
            _preloaded.cache_clear()  # or its answer would be that of the next command
            raise
        for stream in streams:
            stream.seek(0)
        _, out, err = (stream.read().decode() for stream in streams)
    return Said(status=status, out=out, err=err)
