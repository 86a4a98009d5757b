"""Statements weigh by time, calls or blocks, and every share says of what."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli import cli
from analyzer.cli.inputs import check_weights
from analyzer.db import MARKER
from analyzer.documents.snapshot import Snapshot, StatementCounters, dump
from analyzer.documents.weights import Weight
from analyzer.errors import InputError
from analyzer.workload.exports import read_workload
from analyzer.workload.parse import parse_file, parse_statements
from analyzer.workload.statement import weighed
from tests.unit.catalogs import recorded, snapshot, table


def entry(query: str, calls: int, total_ms: float, hit: int, read: int) -> StatementCounters:
    counted = recorded(query, queryid=query, calls=calls, total_ms=total_ms)
    return counted.model_copy(update={"shared_blocks_hit": hit, "shared_blocks_read": read})


RECORDED = (
    entry("SELECT a FROM t", calls=1, total_ms=700, hit=10, read=10),
    entry("SELECT b FROM t", calls=90, total_ms=200, hit=20, read=0),
    entry("SELECT 'cut off", calls=9, total_ms=100, hit=0, read=60),
)


def shop() -> Snapshot:
    return snapshot(table("t", "a int, b int"), statements=RECORDED)


@pytest.mark.parametrize(
    ("weigh_by", "shares", "unread"),
    [("time", [0.7, 0.2], "10.0 % of the recorded time"), ("calls", [0.9, 0.01], "9.0 % of the recorded calls"),
     ("blocks", [0.2, 0.2], "60.0 % of the recorded blocks")],
)  # fmt: skip
def test_shares_are_of_what_is_asked_for(weigh_by: Weight, shares: list[float], unread: str) -> None:
    workload = parse_statements(shop(), weigh_by)
    assert [workload.shares[each] for each in workload.statements] == shares
    assert unread in workload.not_examined[0].what
    assert workload.weighed_by == weigh_by


def test_without_any_time_shares_are_of_calls() -> None:
    assert parse_file("SELECT a FROM t").weighed_by == "calls"
    with pytest.raises(InputError, match="--weigh-by blocks: the workload has no count of blocks"):
        check_weights(weighed(parse_file("SELECT a FROM t"), "blocks"))


def test_an_export_carries_calls_and_blocks(tmp_path: Path) -> None:
    rows = [
        {"query": each.query, "calls": each.calls, "total_exec_time": each.total_ms,
         "shared_blks_hit": each.shared_blocks_hit, "shared_blks_read": each.shared_blocks_read}
        for each in RECORDED[:2]
    ]  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps(rows))
    workload = read_workload(tmp_path / "x.json", lambda path: path.read_text(), shop(), "blocks")
    assert [each.blocks for each in workload.statements] == [20, 20]
    check_weights(workload)


def test_the_list_says_of_what_its_shares_are(tmp_path: Path) -> None:
    dump(shop(), tmp_path / "a.snapshot")

    def said(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["statements", str(tmp_path / "a.snapshot"), *arguments]).stdout

    assert "Statements by time (3)" in said()
    assert "Statements by calls (3)" in said("--weigh-by", "calls")
    document = json.loads(said("--weigh-by", "calls", "--format", "json"))
    assert document["weighed_by"] == "calls"
    assert [each["share_of_time"] for each in document["statements"]] == [0.9, 0.09, 0.01]
    assert "9 % of the recorded calls" in said("SELECT 'cut off", "--weigh-by", "calls").replace("9.0 %", "9 %")


def test_an_entry_that_the_snapshot_has_keeps_its_id(tmp_path: Path) -> None:
    own = recorded("SELECT a FROM t", queryid="7").model_copy(update={"search_path": ("elsewhere", "public")})
    rows = [
        {"query": own.query, "queryid": "7", "calls": 3, "total_exec_time": 9},
        {"query": f"SELECT 1 {MARKER}", "queryid": "8", "calls": 3, "total_exec_time": 9},
    ]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    there = shop().model_copy(update={"statements": (own,)})
    (only,) = read_workload(tmp_path / "x.json", lambda path: path.read_text(), there).statements
    (known,) = parse_statements(there).statements
    assert (only.id, only.search_path, only.calls) == (known.id, known.search_path, 3)


def test_exports_of_several_nodes_are_added_up(tmp_path: Path) -> None:
    (tmp_path / "nodes").mkdir()
    for node, calls in (("one", 10), ("two", 30)):
        row = {"query": "SELECT a FROM t", "queryid": node, "calls": calls, "total_exec_time": calls}
        (tmp_path / "nodes" / f"{node}.json").write_text(json.dumps([row]))
    (only,) = read_workload(tmp_path / "nodes", lambda path: path.read_text(), shop()).statements
    assert (only.calls, only.total_ms) == (40, 40)
