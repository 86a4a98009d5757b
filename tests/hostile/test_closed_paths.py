"""A path that may not be entered, listed or written is the user's to fix: one line that names it, and no traceback."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.people import Person, person

pytestmark = pytest.mark.usefixtures("own_initdb")


@pytest.fixture(scope="module")
def user() -> Person:
    """Somebody whom a directory's mode can keep out, which root is not."""
    return person("user")


@pytest.fixture
def room(user: Person) -> Iterator[Path]:
    """A project of the user's beside a directory that is closed to them."""
    with tempfile.TemporaryDirectory(prefix="twx-") as name:
        place = Path(name)
        place.chmod(0o755)
        for path in ("closed/specs", "closed/bin", "unlisted", "fixed", "project/index_specs"):
            (place / path).mkdir(parents=True)
        (place / "closed" / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
        (place / "unlisted" / "t.yaml").write_text("table: public.t\nindexes: []\n")
        spec = "table: public.t\nindexes:\n  - name: ix\n    keys: [id]\n"
        (place / "project" / "index_specs" / "t.yaml").write_text(spec)
        (place / "project" / "empty.snapshot").touch()
        user.own(place)
        (place / "closed").chmod(0o000)
        (place / "unlisted").chmod(0o311)
        (place / "fixed").chmod(0o555)
        yield place
        for path in ("closed", "unlisted", "fixed"):
            (place / path).chmod(0o755)


NOWHERE = ("-d", "host=/nonexistent dbname=x user=x")


@pytest.mark.parametrize(
    ("arguments", "names", "status"),
    [
        (("capture", *NOWHERE, "-o", "closed/x.snapshot"), "closed/x.snapshot", 2),
        (("capture", *NOWHERE, "-o", "fixed/x.snapshot"), "fixed/x.snapshot", 2),
        (("report", "empty.snapshot", "-o", "closed/x.txt"), "closed", 2),
        (("report", "closed/x.snapshot"), "closed/x.snapshot", 2),
        (("lint", "closed/specs"), "closed/specs", 2),
        (("lint", "closed/specs/t.yaml"), "closed/specs/t.yaml", 2),
        (("lint", "unlisted"), "unlisted", 2),
        (("check", *NOWHERE, "--specs", "closed/specs"), "closed/specs", 2),
        (("check", *NOWHERE, "--specs", "unlisted"), "unlisted", 2),
        (("propose", "empty.snapshot", "--specs", "closed/specs", "--write"), "closed/specs", 2),
        (("pull", *NOWHERE, "--specs", "closed/specs"), "closed/specs", 2),
        (("revise", "-m", "x", *NOWHERE, "--config", "closed/alembic.ini"), "closed/alembic.ini", 2),
        (("demo", "--dir", "closed/demo"), "closed/demo", 2),
        (("lint", "index_specs", "-o", "closed/x.json"), "closed", 2),
    ],
)
def test_a_closed_path_is_one_line(
    arguments: tuple[str, ...], names: str, status: int, user: Person, room: Path
) -> None:
    roots = ("closed/", "unlisted", "fixed/")
    told = [str(room / each) if each.startswith(roots) else each for each in arguments]
    done = user.twindex(*told, cwd=room / "project")
    assert done.returncode == status, done.stderr
    *progress, line = done.stderr.splitlines()
    assert progress == [] or arguments[0] == "demo"
    assert line.startswith("twindex: ")
    assert str(room / names) in line
    assert re.search("permission denied|not readable", line, re.IGNORECASE)  # the latter are click's words


def test_settings_that_name_a_closed_directory_are_one_line(user: Person, room: Path) -> None:
    settings = [(name, "closed/it") for name in ("specs", "alembic", "development")]
    for setting, place in (*settings, ("specs", "unlisted")):
        (room / "project" / "pyproject.toml").write_text(f'[tool.twindex]\n{setting} = "{room}/{place}"\n')
        done = user.twindex("check", cwd=room / "project")
        assert done.returncode == 2, done.stderr
        assert f"{room}/{place}" in done.stderr
        assert "permission denied" in done.stderr.lower()
        assert done.stderr.count("\n") == 1


def test_a_closed_installation_is_a_missing_capability(user: Person, room: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from analyzer.twin.server.binaries import find_binaries\n"
        "from analyzer.errors import CapabilityError\n"
        "try: find_binaries(Path(sys.argv[1]))\n"
        "except CapabilityError as error: print(error.exit_status, error)"
    )
    done = user.run("-c", code, room / "closed" / "bin", cwd=room / "project")
    assert done.stdout.startswith("3 "), done.stderr
    assert f"{room}/closed/bin" in done.stdout
    assert "permission denied" in done.stdout


def test_any_path_that_the_system_refuses_is_no_defect_of_twindex(user: Person, room: Path) -> None:
    """What no helper asks about beforehand."""
    code = (
        "import sys\nfrom analyzer import cli\nfrom analyzer.cli import explain\n"
        "def fail(*_, **__): open(sys.argv[1])\n"
        "explain.command.callback = fail\ncli.main(['explain'])"
    )
    for path, reason in ((room / "closed" / "x", "permission denied"), (room / ("x" * 300), "file name too long")):
        done = user.run("-c", code, path, cwd=room / "project")
        assert done.returncode == 2, done.stderr
        assert str(path)[:200] in done.stderr
        assert reason in done.stderr
    done = user.twindex("lint", room / ("x" * 300), cwd=room / "project")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "file name too long" in done.stderr
