"""Clusters of the tests are copies of a few that initdb made."""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

from analyzer.twin.server import postmaster
from analyzer.twin.server.binaries import Binaries
from analyzer.twin.server.directories import Account


@functools.cache
def directory() -> Path:
    """Make a directory for the templates of this process and of those that it starts."""
    path = Path(tempfile.mkdtemp(prefix="twindex-templates-"))
    path.chmod(0o755)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


class Templates:
    """Data directories that initdb made once below a directory, to be copied: a tenth of its time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.original = postmaster.initialise

    def initialise(self, data: Path, binaries: Binaries, account: Account | None, *, contained: bool = False) -> None:
        """Copy what `postmaster.initialise` makes."""
        template = self.root / f"{binaries.bin_dir.as_posix().replace('/', '-')}{'-contained' if contained else ''}"
        if not template.exists():
            self.original(data, binaries, account, contained=contained)
            shutil.copytree(data, partial := template.with_suffix(".partial"))
            partial.rename(template)
            return
        shutil.copytree(template, data)
        data.chmod(0o700)
        if account is not None:
            for directory, _, names in os.walk(data):
                for path in (directory, *(os.path.join(directory, name) for name in names)):  # noqa: PTH118 - many
                    os.chown(path, account.uid, account.gid)
