"""What `propose` executes, opens and connects to on a captured schema full of plants is on a short list.

The lists are those of docs/security.md.
"""

import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from analyzer.documents import snapshot as snapshots
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.server.containment import kernel_obstacle
from tests.hostile.conftest import Hostile
from tests.hostile.people import PEOPLE, Person, person
from tests.hostile.planting import workload_of
from tests.hostile.traces import CALLS, Call, read_trace

#: Programs, by their names: the tool's own interpreter starts initdb and postgres, and asks installations for their
#: version and directories; initdb runs postgres through a shell, and lists locales in one.
EXECUTES = {
    "twindex": r"python[\d.]*|initdb|postgres|pg_config|ld-linux.*|ld-musl.*|ld\.so.*",
    "initdb": r"sh|dash|bash|busybox",
    "sh": r"postgres|locale",
    # Each session of the single-user server that initdb runs may list locales; the shell is none of a server's.
    "postgres of initdb": r"sh|dash|bash|busybox",
    "postgres": None,
}
#: What a server, and initdb, may open; everything else is refused by the kernel.
OPENS = (
    r"(?!\.\./)[^/].*",  # below its data directory, which is its working directory
    r"{home}/.*",
    r"{installation}/.*",
    r"/project/.*",  # where the embedded server was compiled, and looks for its libraries first
    r"/(usr/)?(local/)?lib(32|64|x32)?/.*",
    r"/usr/share/.*",
    r"/nix/store/.*",
    r"/gnu/store/.*",
    r"/etc/(ld\.so\.(cache|preload)|localtime|timezone|nsswitch\.conf|passwd|group|ssl/openssl\.cnf)",
    r"/dev/(null|zero|u?random)",
    r"/proc/(meminfo|cpuinfo|filesystems|sys/kernel/cap_last_cap)",
    r"/sys/devices/system/cpu.*",
)
#: Tried, and not there or refused by the kernel: shared memory that belongs to all (initdb tests whether there is
#: some), and systemd's users, where names are looked up that no file has.
REFUSED = (r"/dev/shm/.*", r"/(run|run/host|etc|usr/lib)/(systemd/)?userdb(/.*)?")  # noqa: S108 - a pattern
#: Sockets that are connected to: the server's own, by the tool; a daemon that caches names, where that is (a server is
#: refused even that).
CONNECTS = {
    "twindex": r'sun_path="({home}/run/\.s\.PGSQL\.5432|/(var/)?run/nscd/socket)"',
    "postgres": r'sun_path="/(var/)?run/nscd/socket".* = -1 EPERM.*',
    "initdb": r'sun_path="/(var/)?run/nscd/socket".* = -1 EPERM.*',
}
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")


@pytest.fixture(scope="module", params=PEOPLE)
def traced(request: pytest.FixtureRequest, hostile: Hostile, captured: Snapshot) -> Iterator[tuple[Path, Person]]:
    """A directory in which `propose` was traced, and by whom."""
    if shutil.which("strace") is None:
        pytest.skip("apt-get install strace to run this")
    if (obstacle := kernel_obstacle()) is not None:
        pytest.skip(obstacle)
    who = person(request.param)
    directory = Path(tempfile.mkdtemp(prefix="tr", dir="/tmp"))
    snapshots.dump(captured, directory / "hostile.snapshot")
    (directory / "workload.sql").write_text(workload_of(hostile.plants))
    who.own(directory)
    hostile.canaries.silence()
    words = ("propose", "hostile.snapshot", "--workload", "workload.sql", "--jobs", "1", "--seconds", "3")
    before = ("strace", "-f", "-qq", "-s", "300", "-o", str(directory / "trace"), "-e", f"trace={CALLS}")
    done = who.run("-m", "analyzer", *words, cwd=directory, before=before)
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode in {0, 3}, done.stderr  # what the twin lacks is most of the workload
    yield directory, who
    shutil.rmtree(directory)


def test_a_call_that_others_interrupt_in_the_trace_is_read_whole() -> None:
    text = """10 execve("/usr/bin/python3", [], 0) = 0
10 clone(child_stack=NULL <unfinished ...>
11 execve("/x/initdb", ["a"] <unfinished ...>
10 <... clone resumed>) = 11
11 <... execve resumed>, 0x1) = 0
11 openat(AT_FDCWD, "/run/systemd/userdb/" <unfinished ...>
10 openat(AT_FDCWD, "/a", O_RDONLY) = 3
11 <... openat resumed>, O_RDONLY) = -1 ENOENT (No such file or directory)"""
    opened = [(each.program, each.target, each.failed) for each in read_trace(text) if each.name == "openat"]
    assert opened == [("/x/initdb", "/run/systemd/userdb/", True), ("/usr/bin/python3", "/a", False)]


@pytest.mark.slow
def test_propose_executes_opens_and_connects_to_what_the_manual_lists(
    traced: tuple[Path, Person], hostile: Hostile
) -> None:
    directory, _ = traced
    calls = read_trace((directory / "trace").read_text(errors="replace"))
    initdb = next(each for each in calls if each.name == "execve" and each.target.endswith("/initdb"))
    home = re.search(r'"-D", "([^"]*)/data\.new"', initdb.arguments)
    assert home is not None
    places = {"home": re.escape(home[1]), "installation": _installation(Path(initdb.target))}
    own = [each for each in calls if _who(each) is not None]
    assert {_who(each) for each in own} >= {"twindex", "initdb", "postgres"}
    assert _outside(own, places) == []
    assert _written(own, places, directory) == []
    assert not [each for each in calls if str(hostile.canaries.directory) in each.arguments and not each.failed]
    assert hostile.canaries.songs() == frozenset()


def _installation(initdb: Path) -> str:
    package = initdb.parents[2]
    return f"({re.escape(str(package))}|{re.escape(str(package.parent))}/[^/]*\\.libs)"


def _who(call: Call) -> str | None:
    """Say whose call it is; None for those of programs that only say where an installation is."""
    name = Path(call.program).name
    if re.fullmatch(r"python[\d.]*", name):
        return "twindex"
    return {"initdb": "initdb", "postgres": "postgres", "sh": "sh", "dash": "sh"}.get(name)


def _outside(calls: Iterable[Call], places: dict[str, str]) -> list[str]:
    """Return what is not on the lists."""
    found: list[str] = []
    for call in calls:
        who = str(_who(call))
        if call.name.startswith("execve"):
            patterns = [EXECUTES.get(who)]
            if who == "postgres" and _is_initdb(call):
                patterns = [EXECUTES["postgres of initdb"]]
            fits = any(pattern and re.fullmatch(pattern, Path(call.target).name) for pattern in patterns)
        elif call.name == "connect":
            pattern = CONNECTS.get(who, "(?!)").replace("{home}", places["home"])
            fits = re.search(pattern, call.target) is not None
        elif who == "twindex":
            continue  # it reads what a person names, and its own modules
        else:
            allowed = (*OPENS, *(REFUSED if call.failed else ()))
            target = posixpath.normpath(call.target)
            if target == "/" and "O_PATH" in call.arguments:
                continue  # where a path begins, which cannot be read through it
            fits = any(re.fullmatch(_filled(pattern, places), target) for pattern in allowed)
        if not fits:
            found.append(f"{who}: {call.name}({call.arguments}")
    return found


def _filled(pattern: str, places: dict[str, str]) -> str:
    return pattern.replace("{home}", places["home"]).replace("{installation}", places["installation"])


def _is_initdb(call: Call) -> bool:
    return "locale -a" in call.arguments


def _written(calls: Iterable[Call], places: dict[str, str], directory: Path) -> list[str]:
    """Return what was opened for writing outside of our own directory, and was not refused."""
    own = re.compile(
        f"[^/].*|{places['home']}/.*|/[^ ]*/twindex-\\d+/.*|{re.escape(str(directory))}/.*|/dev/(null|zero|shm/.*)"
        # How tempfile finds out whether a directory can be written.
        f"|{re.escape(tempfile.gettempdir())}/[a-z0-9_]{{8}}"
    )
    opened = [each for each in calls if each.name in {"open", "openat", "openat2", "creat"} and not each.failed]
    return [
        f"{each.program}: {each.arguments}"
        for each in opened
        if (each.name == "creat" or _WRITES.search(each.arguments)) and not own.fullmatch(each.target)
    ]
