"""Open a file that somebody named, which may be a pipe: `<(command)`, or a FIFO whose writer has yet to start."""

import contextlib
import io
import os
import select
import stat
import time
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, Final

from analyzer.console import tell
from analyzer.errors import InputError

#: Seconds that a FIFO may be without a writer.
_MOST_WAIT: Final = 10.0
#: Seconds of silence after which it is said what is waited for.
_SILENCE: Final = 5.0
_POLL_MS: Final = 200
_CHUNK_BYTES: Final = 1024**2


@contextlib.contextmanager
def opened(path: Path, most_bytes: int) -> Generator[BinaryIO]:
    """Open a file to read it; of a pipe, `most_bytes` are read, or a few more.

    Raises OSError, and InputError for a FIFO that nothing writes to.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # else opening a FIFO waits for its writer
    with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor
        if stat.S_ISFIFO(os.fstat(handle).st_mode):
            yield io.BytesIO(_piped(handle, path, most_bytes))
            return
        os.set_blocking(handle, True)
        yield file


def _piped(handle: int, path: Path, most_bytes: int) -> bytes:
    """Read a pipe to its end: as long as it has a writer, wait."""
    content, heard, is_told = bytearray(), time.monotonic(), False
    events = select.poll()
    events.register(handle, select.POLLIN)
    while len(content) <= most_bytes:
        is_ready = bool(events.poll(_POLL_MS))
        try:
            piece = os.read(handle, _CHUNK_BYTES)
        except BlockingIOError:  # it has a writer
            if not is_told and time.monotonic() - heard > _SILENCE:
                tell(f"twindex: waiting for the writer of {path}, a pipe, to write or to close it")
                is_told = True
            continue
        if piece:
            content += piece
            heard = time.monotonic()
        elif is_ready or content:
            break
        elif time.monotonic() - heard > _MOST_WAIT:
            raise InputError(f"{path} is a pipe that nothing writes to; start its writer first, or specify a file")
    return bytes(content)
