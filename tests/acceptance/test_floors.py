"""Deploys run on the lowest releases that pyproject.toml allows, the commands on the lowest that [twin] does."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOYS = (
    "tests/unit/test_environment.py",
    "tests/server/test_autogenerate.py",
    "tests/server/test_env_py.py",
    "tests/server/test_online.py",
)
COMMANDS = ("tests/unit/test_cli.py", "tests/server/test_alembic_templates.py")


def lowest(requirements: Iterable[str]) -> dict[str, str]:
    """Return the lowest version that is allowed of each package, by its name with its extras."""
    found = (re.fullmatch(r"([\w.\[\]-]+)>=([\d.]+)", each) for each in requirements)
    return {each[1]: each[2] for each in found if each is not None}


def install(floors: dict[str, str], directory: Path) -> None:
    """Install the packages beside the installed ones, where they are found first."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--only-binary", ":all:")
    wanted = (f"{name}=={version}" for name, version in floors.items())
    subprocess.run((*pip, "--target", str(directory), *wanted), check=True, cwd=directory.parent, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize(("extra", "suites"), [(None, DEPLOYS), ("twin", COMMANDS)], ids=["deploys", "commands"])
def test_the_lowest_releases_do_what_the_newest_do(tmp_path: Path, extra: str | None, suites: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floors = lowest(project["dependencies"])
    if extra is not None:
        asked = {**lowest(project["optional-dependencies"][extra])}
        floors |= {name: version for name, version in asked.items() if name in floors}
    install(floors, tmp_path / "lowest")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "lowest")}
    versions = (
        "import alembic, sqlalchemy, psycopg; print(alembic.__version__, sqlalchemy.__version__, psycopg.__version__)"
    )
    seen = subprocess.run((sys.executable, "-c", versions), check=True, cwd=ROOT, env=environment, capture_output=True)
    assert seen.stdout.decode().split() == [floors["alembic"], floors["SQLAlchemy"], floors["psycopg[binary]"]]
    # What older releases deprecate is not ours.
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "filterwarnings=default", "-k", "not debian")
    tests = (sys.executable, "-m", "pytest", *options, *suites)
    done = subprocess.run(tests, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
