"""Nothing but the result of a command reaches stdout, whoever prints and however."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Runs `twindex explain` while the code in NOISE runs, too.
SCRIPT = """
import ctypes, os, subprocess, sys
from analyzer.cli import explain, main

quiet = explain.command.callback

def noisy(**options):
    exec(os.environ["NOISE"], globals())
    return quiet(**options)

explain.command.callback = noisy
main(["explain", "TX101"])
"""

NOISES = {
    "a C library's buffer, which is written when the process ends": 'ctypes.CDLL(None).puts(b"noise")',
    "a write to the descriptor": 'os.write(1, b"noise\\n")',
    "a child process": 'subprocess.run(["echo", "noise"], check=True)',
    "a last word when the process ends": 'import atexit; atexit.register(os.write, 1, b"noise\\n")',
    "Python's first stdout": 'print("noise", file=sys.__stdout__)',
}


def run(noise: str, *, closing: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script with some of its standard streams closed, such as `>&-`."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {closing}', sys.executable, SCRIPT],
        cwd=ROOT, env=os.environ | {"NOISE": noise, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def quiet() -> str:
    """What the command prints with nothing beside it."""
    done = run("pass")
    assert done.stdout.startswith("# TX101")
    return done.stdout


@pytest.mark.parametrize("noise", NOISES.values(), ids=list(NOISES))
def test_what_others_print_goes_to_stderr(noise: str, quiet: str) -> None:
    done = run(noise)
    assert (done.returncode, done.stdout) == (0, quiet)
    assert "noise" in done.stderr


@pytest.mark.parametrize("noise", NOISES.values(), ids=list(NOISES))
def test_without_a_stderr_it_is_lost(noise: str, quiet: str) -> None:
    done = run(noise, closing="2>&-")
    assert (done.returncode, done.stdout) == (0, quiet)


@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(closing: str, tmp_path: Path) -> None:
    written = tmp_path / "written"
    script = (
        f'file = open({str(written)!r}, "wb")\nfor number in (1, 2): os.write(number, b"noise")\nfile.write(b"ours")'
    )
    run(script, closing=closing)
    assert written.read_bytes() == b"ours"


def test_a_module_that_prints_while_it_is_imported_leaves_the_document_whole(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(
        "import sqlalchemy\nprint('noise')\nmetadata = sqlalchemy.MetaData()\nsqlalchemy.Table('t', metadata)\n"
    )
    (tmp_path / "t.yaml").write_text("table: public.t\nindexes:\n  - {name: ix_t, keys: [a]}\n")
    done = subprocess.run(
        [sys.executable, "-m", "analyzer", "lint", "t.yaml", "--metadata", "models", "--format", "json"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["findings"] == []
    assert "noise" in done.stderr
