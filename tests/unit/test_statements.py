"""`twindex statements`: what pg_stat_statements recorded, by twindex's own IDs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analyzer.cli import cli
from analyzer.documents.snapshot import dump
from analyzer.workload.parse import parse_statements
from tests.unit.catalogs import recorded, snapshot, table

RECORDED = (
    recorded("SELECT b FROM t WHERE a = $1", queryid="1", calls=10, total_ms=600),
    recorded("SELECT b\nFROM t  WHERE a = $1 -- \x1b[31mred", queryid="2", calls=30, total_ms=100),
    recorded("SELECT 'secret' FROM t", queryid="3", calls=1, total_ms=200),
    recorded("SELECT 'cut off", queryid="4", calls=1, total_ms=100),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.snapshot"
    dump(snapshot(table("t", "a int, b int"), statements=RECORDED), path)
    return path


def statements(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["statements", str(file), *arguments])


def test_statements_of_one_fingerprint_are_one(file: Path) -> None:
    listed = json.loads(statements(file, "--format", "json").stdout)["statements"]
    assert [each["queryids"] for each in listed] == [["1", "2"], ["3"], ["4"]]
    assert [each["share_of_time"] for each in listed] == [0.7, 0.2, 0.1]
    assert [each["obstacle"] is None for each in listed] == [True, True, False]
    first, *_, unparsed = listed
    assert (first["calls"], first["total_ms"], first["mean_ms"]) == (40, 700, 17.5)
    assert first["query"] == RECORDED[0].query
    assert (
        parse_statements(snapshot(statements=RECORDED))
        .not_examined[0]
        .what.startswith(f"the statement {unparsed['id']} with 10.0 % of")
    )


def test_an_id_or_a_queryid_shows_the_whole_text(file: Path) -> None:
    listed = json.loads(statements(file, "--format", "json").stdout)["statements"]
    for wanted in (listed[0]["id"], "2"):
        shown = statements(file, wanted).stdout
        assert "40 calls, 70.0 % of the recorded time" in shown.replace("70 %", "70.0 %")
        assert "queryid 1, 2" in shown
        assert "SELECT b FROM t WHERE a = $1" in shown
        assert "secret" not in shown
    assert "not planned: " in statements(file, "4").stdout


def test_an_unknown_id_is_an_error_in_the_input(file: Path) -> None:
    result = statements(file, "s0")
    assert "no recorded statement has the ID s0" in str(result.exception)


@pytest.mark.parametrize(("mode", "text"), [("normalised", "SELECT ? FROM t"), ("hash", "(statement s")])
def test_the_query_text_switch_holds(file: Path, mode: str, text: str) -> None:
    for arguments in ((), ("3",), ("--format", "json")):
        shown = statements(file, *arguments, "--query-text", mode).stdout
        assert "secret" not in shown
        assert text in shown


def test_no_text_writes_to_the_terminal(file: Path) -> None:
    assert "\x1b" not in statements(file).stdout
    assert "\x1b" not in statements(file, "2").stdout
