"""What goes wrong between a person and a server: one line, its exit status, no password, nothing left behind."""

import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command as alembic
from alembic.config import Config
from psycopg.conninfo import make_conninfo

from analyzer.documents import snapshot as snapshots
from analyzer.twin.server import cluster
from tests.acceptance.command_line import Said, environment, twindex
from tests.conftest import runs, trusting

SECRET = "s3cret-never-shown"
TABLE = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE item (id integer PRIMARY KEY, name text);
INSERT INTO item SELECT i, 'name ' || i FROM generate_series(1, 20000) AS i;
ANALYZE;
SELECT pg_stat_statements_reset();
SELECT id FROM item WHERE name = 'name 7'
"""


def execute(url: str, script: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in script.split(";\n"):
            connection.execute(statement.encode())


@pytest.fixture
def items(database: str) -> str:
    execute(database, TABLE)
    return database


@pytest.fixture
def snapshot(items: str, tmp_path: Path) -> Path:
    path = tmp_path / "items.snapshot"
    assert twindex("capture", "-d", items, "--allow-superuser", "-o", path, "--quiet", cwd=tmp_path).status == 0
    return path


@pytest.fixture(scope="module")
def guarded() -> Iterator[cluster.Cluster]:
    """Run a server that asks for passwords and has not preloaded pg_stat_statements."""
    with cluster.temporary() as running:
        with psycopg.connect(running.url(), autocommit=True) as connection:
            connection.execute(f"ALTER ROLE postgres PASSWORD '{SECRET}'".encode())
            connection.execute(f"CREATE ROLE idle NOLOGIN PASSWORD '{SECRET}'".encode())
            connection.execute("CREATE EXTENSION pg_stat_statements")
            (running.data / "pg_hba.conf").write_text("local all all scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")
        yield running


def failed(said: Said, status: int, says: str) -> None:
    assert said.status == status, said.err
    assert re.search(says, said.complaint), said.err
    assert SECRET not in said.err


@pytest.mark.parametrize(
    ("login", "password", "says"),
    [
        (
            "postgres@/postgres",
            "wrong-" + SECRET,
            "password authentication failed.*check host, port, user and password",
        ),
        ("postgres@/postgres", "", "no password supplied"),
        ("nobody_known@/postgres", SECRET, "password authentication failed"),
        ("postgres@/absent", SECRET, 'database "absent" does not exist'),
        ("idle@/postgres", SECRET, 'role "idle" is not permitted to log in'),
    ],
)
def test_a_refused_login_is_exit_3(
    guarded: cluster.Cluster, login: str, password: str, says: str, tmp_path: Path
) -> None:
    url = f"postgresql://{login}?host={guarded.socket_dir}"
    said = twindex("capture", "-d", url, "-o", "x.snapshot", cwd=tmp_path, env={"PGPASSWORD": password})
    failed(said, 3, says)
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_not_preloaded_is_exit_3_and_names_the_setting(
    guarded: cluster.Cluster, tmp_path: Path
) -> None:
    url = f"postgresql://{guarded.user}@/postgres?host={guarded.socket_dir}"
    said = twindex("propose", "-d", url, "--allow-superuser", cwd=tmp_path, env={"PGPASSWORD": SECRET})
    failed(said, 3, "its library is not loaded; add it to shared_preload_libraries")


def test_users_code_run_as_a_superuser_is_warned_of(tmp_path: Path) -> None:
    nowhere = ("-d", f"host={tmp_path}/absent dbname=x user=x", "--quiet")
    for command in (("capture", "-o", "x.snapshot"), ("propose",)):
        said = twindex(*command, *nowhere, "--allow-superuser", "--run-user-code", cwd=tmp_path)
        warning, complaint = said.err.splitlines()
        assert "user-defined functions run as a superuser" in warning
        assert (said.status, complaint.startswith("twindex: ")) == (3, True)
        for one in ("--allow-superuser", "--run-user-code"):
            assert "warning" not in twindex(*command, *nowhere, one, cwd=tmp_path).complaint


def test_a_missing_extension_is_exit_3_and_names_the_remedy(database: str, tmp_path: Path) -> None:
    for command in ("propose", "report", "whatif"):
        failed(
            twindex(command, "-d", database, "--allow-superuser", cwd=tmp_path),
            3,
            "CREATE EXTENSION pg_stat_statements",
        )


def test_a_role_without_privileges_is_told_what_to_grant(items: str, tmp_path: Path) -> None:
    role = f"twindex_powerless_{secrets.token_hex(4)}"
    execute(items, f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'")
    try:
        url = make_conninfo(items, user=role)
        said = twindex("capture", "-d", url, "-o", "x", cwd=tmp_path, env={"PGPASSWORD": SECRET})
        failed(said, 3, f"GRANT pg_read_all_stats.* TO {role}")
        execute(items, f"GRANT pg_monitor TO {role}")
        said = twindex("capture", "-d", url, "-o", "x", cwd=tmp_path, env={"PGPASSWORD": SECRET})
        assert said.status == 0, said.err
        assert "not examined (" in said.err
        report = twindex("report", "x", cwd=tmp_path)
        assert "GRANT SELECT ON public.item or GRANT pg_read_all_data" in " ".join(report.out.split())
    finally:
        execute(items, f"DROP OWNED BY {role};\nDROP ROLE {role}")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--create", "DROP TABLE item"), "'DROP TABLE item' is not a CREATE INDEX statement; specify one"),
        (("--create", "CREATE INDEX ON item (absent)"), 'column "absent" does not exist; fix the statement'),
        (("--create", "CREATE INDEX ON absent (id)"), 'relation "absent" does not exist; fix the statement'),
        (("--create", "CREATE INDEX ON item (id); DROP TABLE item"), "semicolon"),
        (("--drop", "public.absent"), "there is no index public.absent to drop; name it as schema.name"),
        (("--drop", "public.item"), "there is no index public.item to drop"),
        (("--drop", "a.b.c.d"), "a.b.c.d cannot be dropped .*; specify an index as schema.name"),
    ],
)
def test_whatif_refuses_what_is_no_index(arguments: tuple[str, str], says: str, snapshot: Path, tmp_path: Path) -> None:
    failed(twindex("whatif", snapshot, *arguments, "-o", "out.json", cwd=tmp_path), 2, says)
    assert [path.name for path in tmp_path.iterdir()] == ["items.snapshot"]


def test_what_a_twin_cannot_have_is_told_by_the_report_alone(items: str, tmp_path: Path) -> None:
    execute(items, "CREATE VIEW odd AS SELECT 1 AS one;\nCREATE VIEW over AS SELECT one FROM odd")
    path = tmp_path / "odd.snapshot"
    assert twindex("capture", "-d", items, "--allow-superuser", "-o", path, "--quiet", cwd=tmp_path).status == 0
    captured = snapshots.load(path)
    relations = tuple(
        each.model_copy(update={"definition": " SELECT gone.one FROM gone;"}) if each.name == "odd" else each
        for each in captured.relations
    )
    path.unlink()
    snapshots.dump(captured.model_copy(update={"relations": relations}), path)
    said = twindex("whatif", path, "--create", "CREATE INDEX ON item (name)", "--quiet", cwd=tmp_path)
    assert (said.status, said.err) == (0, "")


def test_a_spec_of_a_missing_table_is_named(items: str, snapshot: Path, tmp_path: Path) -> None:
    specs = tmp_path / "index_specs"
    specs.mkdir()
    (specs / "gone.yaml").write_text("table: public.gone\nindexes:\n  - name: ix_gone\n    keys: [id]\n")
    said = twindex("propose", snapshot, cwd=tmp_path)
    assert said.status == 0
    assert "gone.yaml:3: the captured database has no table public.gone" in " ".join(said.out.split())
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    failed(
        twindex("revise", "-m", "x", "-d", items, "--allow-superuser", cwd=tmp_path),
        2,
        "gone.yaml:3: ix_gone cannot be built.*fix",
    )
    assert not (tmp_path / "migrations").exists()


def test_revise_needs_one_project_with_one_head(items: str, tmp_path: Path) -> None:
    specs = tmp_path / "index_specs"
    specs.mkdir()
    (specs / "item.yaml").write_text("table: public.item\nindexes:\n  - name: ix_item_name\n    keys: [name]\n")
    revise = ("revise", "-m", "x", "-d", items, "--allow-superuser")
    failed(twindex(*revise, cwd=tmp_path), 2, "alembic.ini does not exist; run in the project's directory")
    with (tmp_path / "log").open("w") as log:
        config = Config(tmp_path / "alembic.ini", stdout=log)
        alembic.init(config, str(tmp_path / "migrations"))
        config = Config(tmp_path / "alembic.ini", stdout=log)
        for number in ("one", "two"):
            alembic.revision(config, number, head="base", splice=True, rev_id=number)
    before = sorted((tmp_path / "migrations" / "versions").glob("*.py"))
    failed(twindex(*revise, cwd=tmp_path), 2, "(?i)multiple heads")
    assert sorted((tmp_path / "migrations" / "versions").glob("*.py")) == before


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A temporary directory that the server's account can reach."""
    with tempfile.TemporaryDirectory(prefix="twx-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)
def test_a_signal_leaves_no_server_running(
    number: signal.Signals, status: int, snapshot: Path, runtime: Path, tmp_path: Path
) -> None:
    (tmp_path / "many.sql").write_text("SELECT id FROM item WHERE name = 'x';\n" * 5_000)
    with subprocess.Popen(
        [sys.executable, "-m", "analyzer", *trusting(["whatif", snapshot, "-q", "many.sql"])],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(Path(__file__).parents[2]), TMPDIR=str(runtime)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        server = waited_for_server(runtime, process)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert b"Traceback" not in err
    assert not list(runtime.glob("*/c-*"))
    assert not runs(server)


def waited_for_server(runtime: Path, process: subprocess.Popen[bytes]) -> int:
    """Wait until a process has a server of its own that takes connections; return the server's process id."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for path in runtime.glob("*/c-*/data/postmaster.pid"):
            lines = path.read_text(encoding="utf-8").splitlines()
            if lines and lines[-1].strip() == "ready":
                return int(lines[0])
        time.sleep(0.02)
    raise AssertionError("no server was started")


def test_output_that_nobody_reads_to_its_end_is_no_error(snapshot: Path, tmp_path: Path) -> None:
    (tmp_path / "some.sql").write_text("SELECT id FROM item WHERE name = 'x';\n" * 300)
    with subprocess.Popen(
        [sys.executable, "-m", "analyzer", *trusting(["whatif", snapshot, "-q", "some.sql", "--format", "json"])],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(Path(__file__).parents[2])),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
