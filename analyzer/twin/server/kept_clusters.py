"""Record, outside any project, which kept clusters twindex created: a repository could contain its own.

A server's configuration holds commands. So only what is noted in the state directory of the account's owner, or where
that cannot be written in a directory of ours below /var/tmp, is started; neither place is taken from the environment.
"""

import contextlib
import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from analyzer.atomic_file import put_in_place
from analyzer.twin.server.directories import digest, own_dir
from analyzer.twin.server.postmaster import system_identifier


def remember(home: Path) -> None:
    """Record that a complete cluster is ours."""
    for place in _places():
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            put_in_place(place / digest(str(home.resolve())), json.dumps(_identity(home)).encode())
            return


def is_ours(home: Path) -> bool:
    """Tell whether this directory was recorded with this cluster."""
    for place in _places():
        with contextlib.suppress(OSError, ValueError):
            note = place / digest(str(home.resolve()))
            if json.loads(note.read_text(encoding="utf-8")) == _identity(home):
                return True
    return False


def _identity(home: Path) -> dict[str, str | int]:
    data = home.resolve() / "data"
    found = data.stat()
    return {
        "data": str(data),
        "device": found.st_dev,
        "inode": found.st_ino,
        "cluster": str(system_identifier(data)),
    }


def _places() -> Iterator[Path]:
    with contextlib.suppress(KeyError):
        yield Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".local" / "state" / "twindex" / "clusters"
    yield own_dir(Path("/var/tmp")) / "clusters"  # noqa: S108 - a directory of ours, checked before it is used
