"""Run twindex as a person does: a process of its own, its output and its exit status."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import trusting


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


def twindex(*arguments: str | Path, cwd: Path, stdin: str | bytes = b"", env: Mapping[str, str] | None = None) -> Said:
    """Run one command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "analyzer", *trusting(arguments)],
        cwd=cwd,
        env=environment(PYTHONPATH=str(Path(__file__).parents[2])) | dict(env or {}),
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        check=False,
        timeout=300,
    )
    return Said(status=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())
