"""Run a command whose stderr is a terminal of some width."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class OnTerminal:
    """A command that runs, and what its terminal got."""

    process: "subprocess.Popen[bytes]"
    shown: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        """Return what was written so far, control sequences included."""
        return self.shown.decode(errors="replace")


@contextlib.contextmanager
def on_terminal(command: Sequence[str], *, columns: int) -> Generator[OnTerminal]:
    """Begin a command; at the end of the block it has ended, or is killed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    hidden = {"COLUMNS", "LINES", "NO_COLOR", "CI", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | {"TERM": "xterm-256color"}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs, env=environment
    )
    os.close(theirs)
    running = OnTerminal(process)
    reader = threading.Thread(target=_read, args=(ours, running.shown))
    reader.start()
    try:
        yield running
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        reader.join()
        os.close(ours)


def _read(ours: int, shown: bytearray) -> None:
    # Linux says EIO when the other end is closed.
    with contextlib.suppress(OSError):
        while got := os.read(ours, 65536):
            shown += got
