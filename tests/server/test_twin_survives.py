"""A twin outlives its server, and servers live in whatever place they are given."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL

from analyzer.capture.capture import capture
from analyzer.db import Connection, connect
from analyzer.documents import snapshot as snapshots
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import CapabilityError
from analyzer.objects.index import IndexDef, Key
from analyzer.twin import planning
from analyzer.twin.hypothetical.explain import Asked, PlanTree, explain_together
from analyzer.twin.server import cluster, postmaster
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.twin import Twin, open_twin
from tests.server.capture_zoo import run

pytestmark = pytest.mark.slow

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="run as root to mount file systems of the test's own")

Death = Callable[[Twin], int]

BY_KIND = "SELECT id FROM t WHERE kind = 7"
BY_ID = "SELECT kind FROM t WHERE id = $1"
KIND = IndexDef(schema="public", table="t", name="t_kind", keys=(Key(column="kind"),))
OTHER = IndexDef(schema="public", table="t", name="t_other", keys=(Key(column="other"),), method="brin")


@pytest.fixture
def captured(database: str) -> Snapshot:
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE TABLE t (id integer PRIMARY KEY, kind integer, other integer)")
        run(connection, "INSERT INTO t SELECT i, i % 500, i FROM generate_series(1, 20000) AS i")
        run(connection, "VACUUM ANALYZE t")
    return capture(database, statements=False)


def server_of(twin: Twin) -> Cluster:
    host = twin.built.host
    assert isinstance(host, Cluster)
    return host


def kill_server(twin: Twin) -> int:
    """Kill the postmaster as the kernel does when memory runs out."""
    pid = postmaster.running_pid(server_of(twin).data)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def crash_backend(twin: Twin) -> int:
    """Let the backend that plans die of a segmentation fault; the server takes all others down with it."""
    pid = twin.built.inflated.captured.info.backend_pid
    os.kill(pid, signal.SIGSEGV)
    return pid


def crash_other_backend(twin: Twin) -> int:
    """Let the backend of the flat database die."""
    pid = twin.built.flat.captured.info.backend_pid
    os.kill(pid, signal.SIGSEGV)
    return pid


def crash_restricted_backend(twin: Twin) -> int:
    """Let the backend die that plans under row security."""
    apart = twin.built.restricted.connection
    assert apart is not None
    os.kill(apart.info.backend_pid, signal.SIGSEGV)
    return apart.info.backend_pid


def stop_server(twin: Twin) -> int:
    """Stop the server behind the twin's back."""
    pid = postmaster.running_pid(server_of(twin).data)
    assert pid is not None
    postmaster.stop(server_of(twin).data, signal.SIGINT)
    return pid


def end(twin: Twin, die: Death) -> None:
    """Let a twin's server die and wait until nobody answers any more."""
    pids = (twin.built.inflated.captured.info.backend_pid, twin.built.flat.captured.info.backend_pid, die(twin))
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


DEATHS: tuple[Death, ...] = (kill_server, crash_backend, crash_other_backend, stop_server)


@pytest.mark.parametrize("die", DEATHS)
def test_what_was_added_shown_and_hidden_survives(die: Death, captured: Snapshot) -> None:
    with open_twin(captured) as twin:
        kind, other = twin.add([KIND, OTHER])
        twin.show([kind], without=["public.t_pkey"])
        before = [twin.plan(statement) for statement in (BY_KIND, BY_ID)]
        home = server_of(twin).home
        end(twin, die)
        assert [twin.plan(statement) for statement in (BY_KIND, BY_ID)] == before
        assert server_of(twin).home != home
        assert not home.exists()
        twin.show([])
        assert "t_kind" not in twin.plan(BY_KIND).indexes
        assert twin.plan(BY_ID).indexes == {"t_pkey"}
        twin.show([kind, other])
        assert twin.plan(BY_KIND).indexes == {"t_kind"}
        end(twin, die)
        (again,) = twin.add([IndexDef(schema="public", table="t", name="t_again", keys=KIND.keys, include=("id",))])
        twin.show([again])
        assert twin.plan(BY_KIND).indexes == {"t_again"}


@pytest.mark.parametrize("die", DEATHS[:2])
def test_a_part_of_a_twin_survives_and_grows_on(die: Death, captured: Snapshot) -> None:
    with open_twin(captured) as whole, open_twin(captured, statements=["SELECT 1"]) as part:
        assert part.plan("SELECT 1").cost == whole.plan("SELECT 1").cost
        end(part, die)
        assert part.plan(BY_ID) == whole.plan(BY_ID)
        end(part, die)
        assert part.plan(BY_ID) == whole.plan(BY_ID)


def test_a_plan_under_row_security_survives(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE TABLE own (id integer PRIMARY KEY, tenant integer)")
        run(connection, "INSERT INTO own SELECT i, i % 7 FROM generate_series(1, 5000) AS i")
        run(connection, "ALTER TABLE own ENABLE ROW LEVEL SECURITY")
        run(connection, "CREATE POLICY own ON own USING (tenant = 3)")
        run(connection, "ANALYZE own")
    with open_twin(capture(database, statements=False)) as twin:
        before = twin.plan("SELECT id FROM own")
        assert before.tree["Filter"] == "(tenant = 3)"
        end(twin, crash_restricted_backend)
        assert twin.plan("SELECT id FROM own") == before


@pytest.mark.parametrize("die", DEATHS[:2])
def test_every_question_is_asked_once_more(die: Death, captured: Snapshot) -> None:
    with open_twin(captured) as twin:
        end(twin, die)
        assert twin.canonical(KIND) == KIND
        end(twin, die)
        assert [index.name for index in twin.parse_ddl(["CREATE INDEX ON t (other)"])] == ["t_other_idx"]
        end(twin, die)
        assert twin.server_ddl(KIND) == "CREATE INDEX t_kind ON public.t USING btree (kind)"


def test_what_kills_the_server_again_is_an_error_and_the_next_question_is_answered(captured: Snapshot) -> None:
    with open_twin(captured) as twin:
        before = twin.plan(BY_ID)

        def deadly(
            connection: Connection, asked: Sequence[Asked], *, before: Sequence[SQL], major: int
        ) -> list[PlanTree] | None:
            end(twin, crash_backend)
            return explain_together(connection, asked, before=before, major=major)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(planning, "explain_together", deadly)
            with pytest.raises(psycopg.OperationalError):
                twin.plan(BY_ID)
        assert twin.plan(BY_ID) == before


def test_a_refusal_is_not_taken_for_a_death(captured: Snapshot) -> None:
    with open_twin(captured) as twin:
        home = server_of(twin).home
        with pytest.raises(psycopg.errors.UndefinedTable):
            twin.plan("SELECT 1 FROM nothing")
        assert server_of(twin).home == home


PLAN = """
import sys
from pathlib import Path
from analyzer.documents.snapshot import load
from analyzer.twin.twin import PlannerChoice, open_twin
with open_twin(load(Path(sys.argv[1])), wanted=PlannerChoice(trust_schema=True)) as twin:
    print(twin.plan("SELECT id FROM t WHERE kind = 7").cost, flush=True)
    sys.stdin.readline()
    print(twin.plan("SELECT kind FROM t WHERE id = $1").cost, flush=True)
"""


def test_processes_have_twins_of_their_own(captured: Snapshot, tmp_path: Path) -> None:
    snapshots.dump(captured, tmp_path / "snapshot")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", PLAN, str(tmp_path / "snapshot")]
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(2)
        ]
        first = [process.stdout.readline() for process in processes if process.stdout is not None]
        second = [process.communicate("\n", timeout=60)[0] for process in processes]
    with open_twin(captured) as twin:
        assert first == [f"{twin.plan(BY_KIND).cost}\n"] * 2
        assert second == [f"{twin.plan(BY_ID).cost}\n"] * 2


def test_threads_have_twins_of_their_own(captured: Snapshot) -> None:
    costs: list[float] = []

    def plan() -> None:
        with open_twin(captured) as twin:
            costs.append(twin.plan(BY_KIND).cost)

    threads = [threading.Thread(target=plan) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(costs) == 2
    assert len(set(costs)) == 1


@contextlib.contextmanager
def mounted(options: str) -> Generator[Path]:
    """Mount a file system in memory that every account may write; skip where root may not mount."""
    place = Path(tempfile.mkdtemp(prefix="tw-", dir="/tmp"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False, capture_output=True)
    if done.returncode:
        place.rmdir()
        pytest.skip("allow mount (CAP_SYS_ADMIN) to run this")
    try:
        place.chmod(0o1777)
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


@pytest.fixture
def noexec(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with mounted("noexec,size=300m") as place:
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        yield place


@as_root
def test_a_place_where_no_program_may_run_is_good_enough(noexec: Path, captured: Snapshot) -> None:
    with open_twin(captured) as twin:
        assert server_of(twin).home.is_relative_to(noexec)
        assert twin.plan(BY_ID).indexes == {"t_pkey"}


@as_root
def test_binaries_are_not_copied_to_where_no_program_may_run(
    noexec: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = cluster.find_binaries()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = found.bin_dir.parents[1]
    for source in (package, package.with_name(f"{package.name}.libs")):
        (closed / source.name).symlink_to(source)
    unreachable = cluster.Binaries(
        bin_dir=closed / package.name / "pginstall" / "bin", version=found.version, origin="wheel"
    )

    def can_reach(path: Path, _account: object) -> bool:
        return path != unreachable.bin_dir

    monkeypatch.setattr("analyzer.twin.server.binaries.can_reach", can_reach)
    with cluster.temporary(unreachable) as running, connect(running.url()) as connection:
        assert run(connection, "SELECT 1 AS one") == [{"one": 1}]
        assert not running.binaries.bin_dir.is_relative_to(noexec)


@as_root
def test_a_place_that_is_too_small_is_passed_over(monkeypatch: pytest.MonkeyPatch, captured: Snapshot) -> None:
    with mounted("size=20m") as place:
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        with open_twin(captured) as twin:
            assert not server_of(twin).home.is_relative_to(place)
            assert twin.plan(BY_ID).indexes == {"t_pkey"}


@as_root
@pytest.mark.parametrize("size_mb", [45, 50, 55])
def test_a_disk_that_fills_up_while_the_twin_is_built_is_one_line(
    size_mb: int, monkeypatch: pytest.MonkeyPatch, captured: Snapshot
) -> None:
    tables = tuple(
        each.model_copy(update={"name": f"t_{number}"}) for each in captured.relations for number in range(300)
    )
    many = captured.model_copy(update={"relations": tables, "indexes": (), "constraints": ()})
    monkeypatch.setattr("analyzer.twin.server.directories._ROOM_BYTES", 1)
    with mounted(f"size={size_mb}m") as place:
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        with pytest.raises(CapabilityError, match=r"room.* set TMPDIR to") as raised, open_twin(many):
            pass
        assert "\n" not in str(raised.value)
        assert not [path for path in place.rglob("*") if path.name == "data"]


@as_root
def test_no_place_large_enough_is_one_line(monkeypatch: pytest.MonkeyPatch, captured: Snapshot) -> None:
    with mounted("size=20m") as place:
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        monkeypatch.setattr("analyzer.twin.server.directories._OTHERS", (place,))
        with (
            pytest.raises(CapabilityError, match=r"(free|room|TMPDIR)") as raised,
            open_twin(captured),
        ):
            pass
    assert "\n" not in str(raised.value)
