"""Write files whole or not at all."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from analyzer import stdout
from analyzer.errors import InputError

#: Of what holds values of rows or literals of statements: its owner's alone.
PRIVATE = 0o600


def replace_file(path: Path, content: bytes | str, *, mode: int | None = PRIVATE) -> None:
    """Put a file in the place of another, or of none; without a mode it gets what the umask leaves.

    The name is replaced and a link that bears it is not followed. A device or a pipe is written to.
    Raises InputError that names the file.
    """
    payload = content.encode() if isinstance(content, str) else content
    try:
        put_in_place(path, payload, mode=mode)
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from None


def put_in_place(path: Path, payload: bytes, *, mode: int | None = PRIVATE) -> None:
    """Do what `replace_file` does; raises OSError."""
    if _is_special(path):
        stdout.named(path).write_bytes(payload)
        return
    staged = stage_file(path, payload, mode=mode)
    try:
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    _synchronise(path.parent)


def stage_file(path: Path, payload: bytes, *, mode: int | None = PRIVATE) -> Path:
    """Write a file, complete and on disk, beside the one it is to replace; raises OSError and leaves nothing."""
    # mkstemp chooses an unpredictable name and does not open an existing file.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask() if mode is None else mode)
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def unwritable(path: Path, error: OSError | ValueError) -> InputError:
    """Say which file cannot be written, and why."""
    reason = error.strerror if isinstance(error, OSError) else "its name is not a valid file name"
    return InputError(f"{path} cannot be written ({reason}); specify a file in a directory you own")


def _is_special(path: Path) -> bool:
    """Say whether there is something that is no regular file, such as /dev/stdout, however it is redirected."""
    try:
        found = path.stat().st_mode
        return not (stat.S_ISREG(found) or stat.S_ISDIR(found)) or _is_descriptor(path)
    except OSError:
        return False


def _is_descriptor(path: Path) -> bool:
    """Say whether a path is an open file of a process: /dev/stdout, /dev/fd/1, /proc/self/fd/1."""
    if not path.is_symlink():
        return False
    return any(each.parts[1:2] == ("proc",) for each in (path.parent.resolve(), path.readlink()))


def _synchronise(directory: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can, and the file is there
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
