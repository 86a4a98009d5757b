"""The lowest Alembic that pyproject.toml allows passes the same tests as the newest, which is installed."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import alembic
import pytest

ROOT = Path(__file__).parents[2]
SUITES = (
    "tests/server/test_autogenerate.py",
    "tests/server/test_alembic_templates.py",
    "tests/unit/test_environment.py",
)


def lowest() -> str:
    """Return the lowest version of Alembic that is allowed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (version,) = (found[1] for each in project["dependencies"] if (found := re.fullmatch(r"alembic>=([\d.]+)", each)))
    return version


@pytest.mark.slow
def test_the_lowest_alembic_does_what_the_newest_does(tmp_path: Path) -> None:
    version = lowest()
    assert version != alembic.__version__
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    install = (*pip, "install", "--no-deps", "--target", str(tmp_path / "old"), f"alembic=={version}")
    subprocess.run(install, check=True, cwd=tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "old")}
    which = (sys.executable, "-c", "import alembic; print(alembic.__version__)")
    seen = subprocess.run(which, check=True, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert seen.stdout.strip() == version
    tests = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not debian", *SUITES)
    done = subprocess.run(tests, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
