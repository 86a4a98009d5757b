"""Run twindex as root, or as an ordinary user, in an environment full of secrets."""

import os
import pwd
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from analyzer.twin.server.directories import Account, can_reach
from tests.conftest import trusting
from tests.hostile.canaries import SECRETS

ROOM = Path(__file__).parents[2]
_LIBRARIES = os.pathsep.join((str(ROOM), sysconfig.get_path("purelib")))
PEOPLE = ("root", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who runs a command; `account` is None for who runs the tests."""

    interpreter: str
    account: Account | None

    def own(self, directory: Path) -> Path:
        """Make a directory with all that is in it this person's."""
        if self.account is not None:
            for path in (directory, *directory.rglob("*")):
                os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)
        return directory

    def run(
        self, *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run Python with arguments to its end; `before` is a program that runs it."""
        return subprocess.run(
            [*before, self.interpreter, *map(str, arguments)],
            cwd=cwd,
            env=environment(cwd) | dict(env or {}),
            user=self.account.uid if self.account is not None else None,
            group=self.account.gid if self.account is not None else None,
            extra_groups=[] if self.account is not None else None,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=300,
        )

    def twindex(
        self, *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of twindex."""
        return self.run("-m", "analyzer", *trusting(arguments), cwd=cwd, env=env)


def environment(home: Path) -> dict[str, str]:
    """Return what a command is told of the environment: secrets, and what it takes to run."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "TWINDEX_NO_LANDLOCK") if name in os.environ}
    return kept | SECRETS | {"PYTHONPATH": _LIBRARIES, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


def person(name: str) -> Person:
    """Return root, or an ordinary user; skip where this one cannot be."""
    if name == "root":
        if os.geteuid() != 0:
            pytest.skip("these tests are not run by root")
        return Person(interpreter=sys.executable, account=None)
    if os.geteuid() != 0:
        return Person(interpreter=sys.executable, account=None)
    found = pwd.getpwnam("nobody")
    account = Account(uid=found.pw_uid, gid=found.pw_gid)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for interpreter in (Path(sys.executable), Path("/usr/bin") / version, Path("/usr/local/bin") / version):
        real = interpreter.resolve()
        if interpreter.exists() and can_reach(real.parent, account) and can_reach(ROOM, account):
            return Person(interpreter=str(interpreter), account=account)
    pytest.skip(f"no {version} and no checkout that an ordinary user can reach")
