"""Two captures of a real server give the time between them; weights decide whose index is worth it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.capture.capture import capture
from analyzer.cli import main
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot, dump
from analyzer.workflows.window import since
from tests.server.capture_zoo import new_database, run

OBJECTS = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE often AS SELECT i AS id, i % 20000 AS a FROM generate_series(1, 20000) AS i",
    "CREATE TABLE seldom AS SELECT i AS id, i % 90000 AS b, repeat('x', 80) AS pad FROM generate_series(1, 90000) AS i",
    "ANALYZE",
    "SELECT pg_stat_statements_reset()",
)
OFTEN, SELDOM = "SELECT id FROM often WHERE a = 7", "SELECT id FROM seldom WHERE b = 7"
GONE = "SELECT id FROM seldom WHERE pad = 'y'"


@pytest.fixture(scope="module")
def windows(any_server: str) -> Iterator[tuple[Snapshot, Snapshot, Snapshot]]:
    """Capture before, after some statements more, and after a reset."""
    with new_database(any_server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in (*OBJECTS, *[OFTEN] * 3, SELDOM, GONE):
                run(connection, statement)
            first = capture(url, allow_superuser=True)
            run(connection, "SELECT pg_stat_statements_reset(s.userid, s.dbid, s.queryid) FROM pg_stat_statements AS s "
                            "WHERE s.query LIKE 'SELECT id FROM seldom WHERE pad%'")  # fmt: skip
            for statement in (*[OFTEN] * 20, SELDOM):
                run(connection, statement)
            second = capture(url, allow_superuser=True)
            run(connection, "SELECT pg_stat_statements_reset()")
            run(connection, SELDOM)
        yield first, second, capture(url, allow_superuser=True)


def calls(snapshot: Snapshot) -> dict[str, float]:
    return {each.query.split()[3]: each.calls for each in snapshot.statements if each.query.startswith("SELECT id")}


def test_the_time_between_two_captures(windows: tuple[Snapshot, Snapshot, Snapshot]) -> None:
    first, second, _ = windows
    window = since(second, first)
    assert calls(window) == {"often": 20, "seldom": 1}
    assert all(each.total_ms > 0 for each in window.statements)
    assert "1 statement of the older snapshot" in {gap.what for gap in window.not_examined}
    has_entries = second.server.major >= 17
    assert all((each.counted_since is not None) == has_entries for each in second.statements)


def test_snapshots_are_merged_without_counting_anything_twice(
    windows: tuple[Snapshot, Snapshot, Snapshot], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = windows
    assert first.server.system_identifier == third.server.system_identifier
    assert first.server.system_identifier is not None
    for name, each in {"1": first, "2": second, "3": third}.items():
        dump(each, tmp_path / f"{name}.snapshot")
    files = [str(tmp_path / f"{name}.snapshot") for name in "123"]
    with pytest.raises(SystemExit) as ended:
        main(["statements", *files, "--format", "json"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    listed = [each for each in found["statements"] if each["query"].startswith("SELECT id")]
    assert {each["query"].partition("WHERE ")[2][:3]: each["calls"] for each in listed} == {
        "a =": 23,
        "b =": 3,  # one before each of the first two captures, one since the reset
        "pad": 1,  # reset by itself between
    }
    merged = found["provenance"]["merged"]
    assert [(each["name"], each["since_snapshot"]) for each in merged] == [
        ("1.snapshot", None), ("2.snapshot", "1.snapshot"), ("3.snapshot", None),
    ]  # fmt: skip
    for command in (["propose"], ["report"], ["whatif", "--create", "CREATE INDEX ON often (a)"]):
        with pytest.raises(SystemExit) as ended:
            main([*command, *files])
        assert ended.value.code == 0
        assert "merged: 1.snapshot (primary" in capsys.readouterr().out.replace("\n", " ")


def test_a_reset_between_two_captures(windows: tuple[Snapshot, Snapshot, Snapshot]) -> None:
    _, second, third = windows
    window = since(third, second)
    assert calls(window) == {"seldom": 1}
    assert "statements before the reset" in {gap.what for gap in window.not_examined}


@pytest.mark.parametrize(("weigh_by", "table"), [("calls", "public.often"), ("blocks", "public.seldom")])
def test_weights_decide_which_index_comes_first(
    windows: tuple[Snapshot, Snapshot, Snapshot],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    weigh_by: str,
    table: str,
) -> None:
    first, second, _ = windows
    # Of the two, one reads far more, and the other is called far more often.
    blocks = {"often": 100, "seldom": 90_000}
    counted = second.model_copy(
        update={
            "statements": tuple(
                each.model_copy(update={"shared_blocks_hit": blocks.get(each.query.split()[3], 0)})
                for each in second.statements
                if each.query.startswith("SELECT id")
            )
        }
    )
    dump(counted, tmp_path / "b.snapshot")
    dump(first.model_copy(update={"statements": ()}), tmp_path / "a.snapshot")
    with pytest.raises(SystemExit) as leaving:
        main([*map(str, ("propose", tmp_path / "b.snapshot", "--since", tmp_path / "a.snapshot")),
              "--weigh-by", weigh_by, "--max", "1", "--quiet", "--format", "json"])  # fmt: skip
    said = capsys.readouterr()
    assert (leaving.value.code, said.err) == (0, "")
    document = json.loads(said.out)
    assert document["weighed_by"] == weigh_by
    (proposal,) = document["proposals"]
    assert proposal["table"] == table
    assert proposal["share_of_time"] > 0.8
