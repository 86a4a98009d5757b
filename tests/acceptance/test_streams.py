"""Closed and full streams and defects: one line where it can go, an exit status, no traceback."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.command_line import environment

ROOT = Path(__file__).parents[2]
FULL = "stdout cannot be written (No space left on device); redirect it elsewhere"
#: Raises in a command what nobody foresaw.
DEFECTIVE = """
import sys, analyzer.cli, analyzer.cli.explain
def fail(**_):
    {body}
analyzer.cli.explain.command.callback = fail
analyzer.cli.main(sys.argv[1:])
"""


def shell(command: str, cwd: Path, **env: str) -> tuple[int, str, str]:
    """Run a command line of a shell, in which `twindex` is ours."""
    script = f'twindex() {{ "{sys.executable}" -m analyzer "$@"; }}; {command}'
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=cwd,
        env=environment(PYTHONPATH=str(ROOT)) | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def specs(directory: Path) -> None:
    (directory / "index_specs").mkdir()
    text = "table: shop.item\nindexes:\n  - {name: ix_a, keys: [a]}\n"
    (directory / "index_specs/shop.item.yaml").write_text(text)


@pytest.mark.parametrize(
    ("command", "status", "says"),
    [
        ("twindex explain >/dev/full", 2, FULL),
        ("twindex explain TX101 >/dev/full", 2, FULL),
        ("twindex sql capture/relations >/dev/full", 2, FULL),
        ("twindex --help >/dev/full", 2, FULL),
        ("twindex explain --help >/dev/full", 2, FULL),
        ("twindex --version >/dev/full", 2, FULL),
        ("twindex lint --format json >/dev/full", 2, FULL),
        ("twindex lint --format sarif -o /dev/full", 2, "/dev/full cannot be written (No space left on device)"),
        ("twindex explain >&-", 2, "stdout cannot be written (it is closed)"),
        ("twindex explain >&- 2>&-", 2, None),
        ("twindex explain 2>&-", 0, None),
        ("twindex explain <&-", 0, None),
        ("twindex explain nothing >&-", 2, "there is no rule nothing"),
        ("twindex explain nothing 2>&-", 2, None),
        ("twindex explain nothing 2>/dev/full", 2, None),
        ("twindex explain nothing >&- 2>&-", 2, None),
        ("DATABASE_URL=postgresql://127.0.0.1:1/x twindex whatif -q - <&-", 2, "stdin cannot be read (it is closed)"),
        ("twindex 2>/dev/full", 2, None),
        ("twindex nonsense 2>/dev/full", 2, None),
    ],
)
def test_a_stream_that_fails_is_one_line_and_a_status(
    command: str, status: int, says: str | None, tmp_path: Path
) -> None:
    specs(tmp_path)
    ended, out, err = shell(f"{command}", tmp_path)
    assert ended == status, err
    assert "Traceback" not in out + err
    assert "Exception ignored" not in err
    if says is None:
        assert err == ""
    else:
        assert err.startswith("twindex: ")
        assert err.count("\n") == 1
        assert says in err


def test_a_file_opened_later_does_not_take_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    specs(tmp_path)
    ended, _, _ = shell("twindex lint --format json -o found.json >&- 2>&-", tmp_path)
    assert ended == 0
    assert (tmp_path / "found.json").read_text().startswith("{")
    assert stat.S_IMODE((tmp_path / "found.json").stat().st_mode) == 0o600


def test_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    specs(tmp_path)
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    ended, out, err = shell("twindex lint -o pipe.json & cat pipe.json; wait $!", tmp_path)
    assert (ended, err) == (0, "")
    assert out.startswith("{")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert shell("twindex lint --format json -o /dev/stdout | head -c 1", tmp_path) == (0, "{", "")
    assert Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            "raise RuntimeError('odd\\n\\x1b[31mpostgresql://u:s3cret@h/x')",
            r"RuntimeError: odd \x1b[31mpostgresql://u:***@h/x",
        ),
        ("fail()", "RecursionError: maximum recursion depth exceeded"),
        ("raise MemoryError", "MemoryError;"),
        ("raise AssertionError", "AssertionError;"),
        ("raise OSError(28, 'No space left on device')", "OSError: [Errno 28] No space left on device"),
        ("raise ExceptionGroup('two', [ValueError('s3cret')])", "ExceptionGroup: two"),
        ("import warnings; warnings.warn('s3cret'); raise ValueError('x' * 5000)", "x…; set"),
    ],
)
def test_a_defect_is_one_line_and_a_traceback_on_request(body: str, says: str, tmp_path: Path) -> None:
    def run(**env: str) -> tuple[int, str]:
        code = DEFECTIVE.format(body=body)
        done = subprocess.run(
            [sys.executable, "-c", code, "explain"],
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(ROOT), DATABASE_URL="postgresql://u:s3cret@h/x") | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.stdout == ""
        return done.returncode, done.stderr

    status, err = run()
    assert status == 70
    assert err.startswith("twindex: internal error in ")
    assert err.count("\n") == 1
    assert says in err
    assert "TWINDEX_DEBUG=1" in err
    assert "s3cret" not in err
    status, err = run(TWINDEX_DEBUG="1")
    assert status == 70
    assert "Traceback (most recent call last)" in err
    assert "s3cret" not in err


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    """Write specs where there is no room: a file system of one page, which takes root to mount."""
    place = tmp_path / "index_specs"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system takes root")
    try:
        code = (
            "from pathlib import Path; from analyzer.objects.index import IndexDef, Key;"
            "from analyzer.specs.file import *;"
            "index = IndexDef(schema='s', table='t', name='i', keys=(Key(column='a'),));"
            "new = [NewSpec(definition=index, why='x' * 9000)]"
            "\n"
            "try: append_proposals(Path('index_specs'), new)\nexcept Exception as error: print(error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("index_specs/s.t.yaml cannot be written (No space left on device); nothing was")
        assert list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", place], check=True)
