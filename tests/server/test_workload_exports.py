"""A workload comes as an export of pg_stat_statements, as a pgbench script, or as a directory of files, too."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.cli import main
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot, dump
from analyzer.workload.parse import parse_statements
from tests.server.capture_zoo import new_database, run

OBJECTS = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE pgbench_accounts AS SELECT i AS aid, i % 10 AS bid, 0 AS abalance FROM generate_series(1, 50000) i",
    "CREATE TABLE pgbench_history (aid integer, delta integer, mtime timestamp)",
    "CREATE TABLE visit AS SELECT i AS id, i % 5000 AS page FROM generate_series(1, 50000) AS i",
    "ANALYZE",
    "SELECT pg_stat_statements_reset()",
    *(f"SELECT * FROM visit WHERE page = {n}" for n in range(20)),
    "SELECT abalance FROM pgbench_accounts WHERE aid = 7",
    "PREPARE p(int) AS SELECT bid FROM pgbench_accounts WHERE aid = $1",
    "EXECUTE p(7)",
)
PGBENCH = r"""
\set aid random(1, 100000 * :scale)
\set delta \
    random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance::text FROM pgbench_accounts WHERE aid = :aid;
INSERT INTO pgbench_history (aid, delta, mtime) VALUES (:aid, :delta, CURRENT_TIMESTAMP);
END;
"""
_EXPORT = "COPY (SELECT * FROM pg_stat_statements WHERE calls > 0) TO STDOUT (FORMAT csv, HEADER)"


@pytest.fixture(scope="module")
def database(any_server: str) -> Iterator[tuple[str, Snapshot]]:
    with new_database(any_server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in OBJECTS:
                run(connection, statement)
        yield url, capture(url, allow_superuser=True)


@pytest.fixture
def project(database: tuple[str, Snapshot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    dump(database[1], tmp_path / "a.snapshot")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def proposed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, float]:
    """Return the tables of the proposals, with their shares."""
    with pytest.raises(SystemExit) as leaving:
        main(["propose", "a.snapshot", "--quiet", "--format", "json", *arguments])
    said = capsys.readouterr()
    assert (leaving.value.code, said.err) == (0, "")
    return {each["table"]: each["share_of_time"] for each in json.loads(said.out)["proposals"]}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as leaving:
        main(["propose", "a.snapshot", "--quiet", *arguments])
    said = capsys.readouterr()
    assert (leaving.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    return said.err


def test_an_export_is_the_workload_it_was_exported_from(
    database: tuple[str, Snapshot], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, snapshot = database
    with connect(url) as connection, connection.cursor().copy(_EXPORT.encode()) as copy:
        text = b"".join(copy).decode()
    (project / "export.csv").write_text(text)
    from_file = proposed(capsys, "--workload", "export.csv")
    assert set(from_file) == set(proposed(capsys)) == {"public.visit", "public.pgbench_accounts"}
    rows = [entry.model_dump(mode="json") for entry in snapshot.statements]
    renamed = [{"query": row["query"], "calls": row["calls"], "mean_exec_time": row["mean_ms"]} for row in rows]
    (project / "export.json").write_text(json.dumps({"rows": renamed}))
    shares = proposed(capsys, "--workload", "export.json")
    own = parse_statements(snapshot).shares
    visits = sum(share for statement, share in own.items() if "visit" in statement.text)
    assert shares["public.visit"] == pytest.approx(visits, rel=1e-6)


def test_a_pgbench_script_is_read(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "tpcb.pgbench").write_text(PGBENCH)
    assert list(proposed(capsys, "--workload", "tpcb.pgbench")) == ["public.pgbench_accounts"]


def test_a_directory_is_read_whole(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "w").mkdir()
    (project / "w" / "a.sql").write_text("SELECT * FROM visit WHERE page = 5;")
    (project / "w" / "b.pgbench").write_text(PGBENCH)
    (project / "w" / "notes.txt").write_text("not a workload")
    assert set(proposed(capsys, "--workload", "w")) == {"public.visit", "public.pgbench_accounts"}


def test_what_a_file_has_twice_counts_twice(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    visits, accounts = "SELECT * FROM visit WHERE page = 5;\n", "SELECT bid FROM pgbench_accounts WHERE aid = 7;\n"
    (project / "w").mkdir()
    (project / "w" / "a.sql").write_text(visits * 2 + accounts)
    (project / "w" / "b.sql").write_text(visits)
    shares = proposed(capsys, "--workload", "w")
    assert shares["public.pgbench_accounts"] == pytest.approx(1 / 4)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "a,b\n1,2\n", "x.csv has no column query"),
        ("x.csv", "query,calls\nSELECT 1,\n", "x.csv contains no statement with calls"),
        ("x.csv", "query,calls\nSELECT 1,1e400\n", "x.csv: statement 1: "),
        ("x.csv", "query,calls\nSELECT 1,nan\n", "x.csv: statement 1: "),
        ("x.json", "[", "x.json is not JSON"),
        ("x.json", "{}", "x.json does not contain a list of rows"),
        ("x.json", "[" * 100_000, "x.json is not JSON"),
        ("x.json", "[1, [], {}]", "x.json contains no statement with calls"),
    ],
)
def test_what_is_no_export_is_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, message: str
) -> None:
    (project / name).write_text(text)
    assert message in refused(capsys, "--workload", name)


def test_an_empty_directory_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "empty").mkdir()
    assert "empty contains no .sql, .pgbench, .csv or .json file" in refused(capsys, "--workload", "empty")
