"""Stdout is for results alone: what a library, its native code or a child process prints goes to stderr."""

import contextlib
import ctypes
import io
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

_STDOUT, _STDERR = 1, 2


def reserve() -> None:
    """Keep stdout for this interpreter's `sys.stdout`, and let descriptor 1 lead to stderr, until the process ends.

    It is not given back: native code writes what it has buffered no earlier than the process ends. Does nothing to a
    stdout that somebody has replaced or that was closed.
    """
    # A standard stream that was closed would otherwise be the next file that is opened, and be written into.
    while (spare := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(spare)
    stream = sys.stdout
    if not _leads_to(sys.stdout, _STDOUT) or not isinstance(stream, io.TextIOWrapper):
        return
    stream.flush()
    kept = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    sys.stdout = open(  # noqa: PTH123, SIM115 - a descriptor, open as long as the process
        kept, "w", encoding=stream.encoding, errors=stream.errors, buffering=1 if stream.line_buffering else -1
    )
    sys.stdout.reconfigure(write_through=stream.write_through)


def named(path: Path) -> Path:
    """Return the path of a file to write to: another one for a name of stdout, which leads to stderr now."""
    names = {"/dev/stdout", f"/dev/fd/{_STDOUT}", f"/proc/self/fd/{_STDOUT}"}
    if str(path) not in names or sys.stdout is None:
        return path
    with contextlib.suppress(OSError, ValueError):
        return Path(f"/dev/fd/{sys.stdout.fileno()}")
    return path


@contextlib.contextmanager
def diverted() -> Generator[None]:
    """Run code of the user's, which may print: its result is not ours, so it goes to stderr."""
    with contextlib.ExitStack() as stack:
        stderr = sys.stderr or stack.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123
        stack.enter_context(contextlib.redirect_stdout(stderr))
        yield


@contextlib.contextmanager
def silenced() -> Generator[None]:
    """Run a library that prints unsolicited output, in native code or in Python, and has no option to suppress it."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        kept = os.dup(_STDOUT)
        _flush_native()
        os.dup2(nowhere.fileno(), _STDOUT)
        try:
            yield
        finally:
            _flush_native()
            os.dup2(kept, _STDOUT)
            os.close(kept)


def _flush_native() -> None:
    """Write out what C's streams hold: into a pipe they write when they are full or the process ends."""
    ctypes.CDLL(None).fflush(None)


def _leads_to(stream: TextIO | None, descriptor: int) -> bool:
    try:
        return stream is not None and stream.fileno() == descriptor
    except (OSError, ValueError):  # captured, or closed
        return False
