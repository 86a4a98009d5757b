"""Ask what is at a path that somebody named.

pathlib's own questions raise where a directory may not be entered, or answer "no" (Python 3.14), and its glob() finds
nothing in a directory that may not be listed. Neither says what is wrong.
"""

import errno
import os
import stat
from pathlib import Path

from analyzer.errors import InputError

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def is_there(path: Path) -> bool:
    """Say whether there is anything; raises InputError where that may not be known."""
    return _mode(path) is not None


def is_directory(path: Path) -> bool:
    """Say whether there is a directory; raises InputError where that may not be known."""
    return stat.S_ISDIR(_mode(path) or 0)


def is_file(path: Path) -> bool:
    """Say whether there is a regular file; raises InputError where that may not be known."""
    return stat.S_ISREG(_mode(path) or 0)


def files_of(directory: Path, suffix: str) -> tuple[Path, ...]:
    """List what of a directory has a suffix, sorted; raises InputError when it may not be listed."""
    try:
        return tuple(sorted(directory / name for name in os.listdir(directory) if name.endswith(suffix)))  # noqa: PTH208
    except OSError as error:
        raise InputError(
            f"{directory} cannot be listed ({reason_of(error)}); specify another one or change its permissions"
        ) from None


def reason_of(error: OSError) -> str:
    """Return what the system says, to stand within a sentence."""
    said = error.strerror or type(error).__name__
    return said[0].lower() + said[1:]


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise InputError(f"{path} cannot be examined ({reason_of(error)}); specify another path") from None
    except ValueError:
        raise InputError(f"{str(path)!r} is not a valid file name; specify another path") from None
