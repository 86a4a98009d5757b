"""What the environment, the directory for temporary files, a server's own account or a repository says does nothing."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import pq

from analyzer.documents import snapshot as snapshots
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import CapabilityError, ConflictError
from analyzer.twin.server import cluster, postmaster, relation_pages
from analyzer.twin.server.containment import kernel_obstacle
from analyzer.twin.server.relation_pages import SEGMENT_BLOCKS, Edit
from analyzer.twin.twin import PlannerChoice, open_twin
from tests.hostile.canaries import SECRET, SECRETS
from tests.hostile.conftest import Hostile
from tests.hostile.people import PEOPLE, Person, person

pytestmark = pytest.mark.usefixtures("own_initdb")

#: What libpq reads beside its parameters.
OTHERS = ("PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGTZ", "PGDATESTYLE", "PGGEQO", "PGHOSTADDR", "PGLOCALEDIR")
ASK = "SELECT * FROM trigger.t WHERE a = 5 ORDER BY id"


def known_variables() -> list[str]:
    """Return every variable that this libpq knows."""
    found = {option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    return sorted(found | set(OTHERS))


@pytest.fixture(scope="module", params=PEOPLE)
def who(request: pytest.FixtureRequest) -> Person:
    """Who runs it."""
    return person(request.param)


@pytest.fixture
def project(who: Person, captured: Snapshot) -> Iterator[Path]:
    """A directory with a snapshot and a statement."""
    directory = Path(tempfile.mkdtemp(prefix="he", dir="/tmp"))
    snapshots.dump(captured, directory / "s.snapshot")
    (directory / "q.sql").write_text(f"{ASK};")
    yield who.own(directory)
    shutil.rmtree(directory)


def whatif(who: Person, project: Path, **variables: str) -> float:
    """Return the cost of the statement with variables in the environment."""
    done = who.twindex("whatif", "s.snapshot", "-q", "q.sql", "--format", "json", cwd=project, env=variables)
    assert done.returncode == 0, done.stderr
    return float(json.loads(done.stdout)["total_before"])


def test_no_variable_of_libpq_moves_a_twin_or_a_cost(who: Person, project: Path, hostile: Hostile) -> None:
    hostile.canaries.silence()
    expected = whatif(who, project)
    port = str(hostile.canaries.port)
    (project / "pg_service.conf").write_text(f"[decoy]\nhostaddr=127.0.0.1\nport={port}\nuser=postgres\n")
    decoy = {
        "PGHOST": "127.0.0.1",
        "PGHOSTADDR": "127.0.0.1",
        "PGPORT": port,
        "PGUSER": "postgres",
        "PGDATABASE": "postgres",
        "PGSERVICE": "decoy",
        "PGSERVICEFILE": str(project / "pg_service.conf"),
        "PGSYSCONFDIR": str(project),
        "PGOPTIONS": "-c enable_seqscan=off -c random_page_cost=1 -c search_path=trigger",
        "PGTZ": "Asia/Tokyo",
        "PGDATESTYLE": "German",
        "PGGEQO": "off",
        "PGCLIENTENCODING": "SQL_ASCII",
    }
    assert whatif(who, project, **decoy) == expected
    assert whatif(who, project, **dict.fromkeys(known_variables(), "nonsense")) == expected
    demanding = {
        "PGREQUIREAUTH": "scram-sha-256",
        "PGCHANNELBINDING": "require",
        "PGTARGETSESSIONATTRS": "standby",
        "PGGSSENCMODE": "require",
        "PGSSLMODE": "verify-full",
        "PGSSLNEGOTIATION": "direct",
        "PGLOADBALANCEHOSTS": "random",
        "PGREQUIREPEER": "nobody-at-all",
    }
    assert whatif(who, project, **demanding) == expected
    assert hostile.canaries.songs() == frozenset()


def test_no_process_of_a_server_has_a_secret_in_its_environment(
    captured: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with open_twin(captured, wanted=PlannerChoice(trust_schema=True)) as twin:
        home = Path(twin.built.inflated.superuser.info.host).parent
        server = postmaster.running_pid(home / "data")
        assert server is not None
        processes = [server, *_children(server)]
        assert len(processes) > 3
        told = {name for each in processes for name in _environment(each)}
    # PostgreSQL tells its children where it was found, and where its directories are.
    assert told <= {
        "PATH",
        "LD_LIBRARY_PATH",
        "LC_ALL",
        "TZ",
        "PGDATA",
        "PG_GRANDPARENT_PID",
        "LC_COLLATE",
        "LC_CTYPE",
        "LC_MESSAGES",
        "LC_MONETARY",
        "LC_NUMERIC",
        "LC_TIME",
        "PGLOCALEDIR",
        "PGSYSCONFDIR",
        "OLDPWD",
        "PWD",
    }


def _children(parent: int) -> list[int]:
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == parent:
            found.append(int(process.name))
    return found


def _environment(pid: int) -> list[str]:
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except FileNotFoundError:  # it has ended meanwhile
        return []
    assert SECRET.encode() not in content
    # A process that wrote its title over its environment leaves that.
    return [word.partition(b"=")[0].decode() for word in content.split(b"\0") if b"=" in word and b" " not in word]


def test_the_directory_for_temporary_files_may_have_any_name(who: Person, project: Path) -> None:
    name = 'it\'s "$HOME" $(id) `id`, back\\slash; %s'
    place = project / name
    place.mkdir()
    place.chmod(0o1777)
    who.own(place)
    project.chmod(0o755)
    assert whatif(who, project, TMPDIR=str(place)) > 0


def test_another_user_who_was_first_in_the_directory_for_temporary_files_blocks_nobody(
    who: Person, project: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory to another user")
    uid = who.account.uid if who.account is not None else 0
    place = project / "tmp"
    place.mkdir()
    place.chmod(0o1777)
    project.chmod(0o755)
    (place / f"twindex-{uid}").mkdir(mode=0o777)
    os.chown(place / f"twindex-{uid}", 12345, 12345)
    (place / f"twindex-{uid}-1").symlink_to("/etc")
    (place / f"twindex-{uid}-2").write_text("a file")
    assert whatif(who, project, TMPDIR=str(place)) > 0
    assert (place / f"twindex-{uid}-3").is_dir()
    assert not list((place / f"twindex-{uid}").iterdir())


@pytest.fixture
def running() -> Iterator[cluster.Cluster]:
    """A server that the kernel contains, under an account of its own where root runs the tests."""
    if (obstacle := kernel_obstacle()) is not None:
        pytest.skip(obstacle)
    with cluster.temporary(contained=True) as found:
        yield found


@pytest.fixture
def treasure() -> Iterator[Path]:
    """A file that only root can read or write, in a directory that only root can enter."""
    if os.geteuid() != 0:
        pytest.skip("only root has something that a server's account has not")
    directory = Path(tempfile.mkdtemp(prefix="tr"))
    path = directory / "treasure"
    path.write_text("1\n/tmp\n")
    path.chmod(0o600)
    before = path.stat()
    yield path
    after = path.stat()
    kept = ("st_uid", "st_gid", "st_mode", "st_size", "st_mtime_ns")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert path.read_text() == "1\n/tmp\n"
    shutil.rmtree(directory)


def plant_link(data: Path, name: str, target: Path, *, hard: bool) -> None:
    """Let a server's account put a link in place of a file; a hard one, which Linux forbids it, is root's."""
    account = data.stat()
    if hard:
        (data / name).unlink(missing_ok=True)
        os.link(target, data / name)
        return
    script = 'rm -f -- "$1" && ln -s -- "$2" "$1"'
    words = ["/bin/sh", "-c", script, "sh", str(data / name), str(target)]
    subprocess.run(words, check=True, user=account.st_uid, group=account.st_gid, extra_groups=[], cwd="/")


@pytest.mark.parametrize("hard", [False, True], ids=["symbolic", "hard"])
def test_a_link_in_place_of_a_relation_is_not_followed(running: cluster.Cluster, treasure: Path, hard: bool) -> None:
    with running.connect() as connection:
        connection.execute("CREATE TABLE public.t (a integer)")
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT pg_relation_filepath('public.t') AS path").fetchone()
        assert row is not None
        storage = running.storage(connection)
        for name, blocks in ((f"{row['path']}.1", SEGMENT_BLOCKS + 10), (row["path"], 10)):
            plant_link(running.data, name, treasure, hard=hard)
            with pytest.raises(CapabilityError, match="edit the files below"):
                storage.edit([Edit(path=row["path"], blocks=blocks)])
            (running.data / name).unlink()
        plant_link(running.data, "base/linked", Path(treasure.parent), hard=False)
        with pytest.raises(CapabilityError, match="edit the files below"):
            storage.edit([Edit(path="base/linked/treasure", blocks=10)])
        for path in ("../../../../etc/passwd", str(treasure), "base/../../log"):
            with pytest.raises(CapabilityError, match="edit the files below"):
                storage.edit([Edit(path=path, blocks=10)])
        storage.close()


@pytest.mark.parametrize("hard", [False, True], ids=["symbolic", "hard"])
def test_links_in_place_of_what_a_server_notes_are_not_followed(
    running: cluster.Cluster, treasure: Path, hard: bool
) -> None:
    pid = postmaster.running_pid(running.data)
    assert pid is not None
    for name in ("postgresql.auto.conf", "PG_VERSION", "postmaster.pid", "global/pg_control"):
        (running.data / name).rename(running.data / f"{name}.kept")
        plant_link(running.data, name, treasure, hard=hard)
    with pytest.raises(OSError, match=r"not a regular file|symbolic links"):
        postmaster.configure(running.data, {"port": "1"})
    assert postmaster.made_by(running.data) is None
    assert postmaster.running_pid(running.data) is None
    with pytest.raises(OSError, match=r"not a regular file|symbolic links"):
        postmaster.system_identifier(running.data)
    for name in ("postgresql.auto.conf", "PG_VERSION", "postmaster.pid", "global/pg_control"):
        (running.data / name).unlink()
        (running.data / f"{name}.kept").rename(running.data / name)
    assert postmaster.running_pid(running.data) == pid


def test_a_server_cannot_put_a_link_in_place_of_its_log(running: cluster.Cluster, treasure: Path) -> None:
    words = ["ln", "-sf", str(treasure), str(running.home / "log")]
    account = running.data.stat()
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(words, check=True, user=account.st_uid, group=account.st_gid, extra_groups=[], cwd="/")
    assert not (running.home / "log").is_symlink()


def test_a_server_that_the_kernel_contains_has_the_collations_of_the_system(running: cluster.Cluster) -> None:
    names = "SELECT collname FROM pg_collation ORDER BY collname"
    with cluster.temporary() as free, free.connect() as outside, running.connect() as inside:
        assert inside.execute(names).fetchall() == outside.execute(names).fetchall()


def test_a_process_that_a_server_names_is_not_ended_unless_it_is_that_server(running: cluster.Cluster) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        note = running.data / "postmaster.pid"
        text = note.read_text()
        note.write_text("\n".join([str(stranger.pid), *text.split("\n")[1:]]))
        postmaster.stop(running.data, signal.SIGQUIT)
        assert stranger.poll() is None
        note.write_text(text)
        stranger.kill()


def test_a_server_that_a_repository_brings_is_not_started(tmp_path: Path) -> None:
    place = Path(tempfile.mkdtemp(prefix="rp", dir="/tmp"))
    place.chmod(0o755)
    try:
        with cluster.development(place / "mine") as made:
            home = made.home.resolve()
        shutil.copytree(place / "mine", place / "theirs", symlinks=True)
        brought = place / "theirs" / "postgres"
        if brought.is_symlink():
            brought.unlink()
            shutil.copytree(home, brought, symlinks=True)
        proof = place / "proof"
        with (brought / "data" / "postgresql.auto.conf").open("a") as file:
            file.write(f"archive_mode = on\narchive_command = 'touch {proof}'\nrestore_command = 'touch {proof}'\n")
        with (
            pytest.raises(ConflictError, match="was not created by twindex here"),
            cluster.development(place / "theirs"),
        ):
            pass
        assert not proof.exists()
        assert postmaster.running_pid(brought / "data") is None
    finally:
        shutil.rmtree(place)


def test_files_opens_no_path_that_leaves_a_directory(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").write_text("x")
    (tmp_path / "inside" / "link").symlink_to("../outside")
    directory = os.open(tmp_path / "inside", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for path in ("../outside", str(tmp_path / "outside"), "link", "../inside/../outside"):
            with pytest.raises(OSError, match=r"link|levels|denied|permitted"):
                relation_pages.open_regular(directory, path, os.O_RDONLY)
    finally:
        os.close(directory)
