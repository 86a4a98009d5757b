"""A snapshot is a file that anybody may have written: it is read in bounds, or one line says why it is not."""

import gzip
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzer.documents.bounded_file import MOST_BYTES
from analyzer.documents.snapshot import Snapshot, dump, load
from analyzer.errors import InputError
from analyzer.workflows.server_log import log_section
from analyzer.workload.log_workload import recorded_workload
from tests.fuzz.seeds import shop

Change = Callable[[dict[str, Any]], object]
LOADED = "import sys; from pathlib import Path; from analyzer.documents.snapshot import load; load(Path(sys.argv[1]))"


def changed(tmp_path: Path, change: Change) -> Path:
    """Write the snapshot of a shop with something changed in it."""
    document: dict[str, Any] = json.loads(shop().model_dump_json())
    change(document)
    path = tmp_path / "changed"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    return path


def told(snapshot: Snapshot) -> str:
    return "; ".join(f"{gap.what}: {gap.reason}" for gap in snapshot.not_examined)


def zipped(opening: bytes, filling: bytes, megabytes: int) -> bytes:
    """Compress a file that is much longer than it looks."""
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(opening), *(packer.compress(filling * 1024**2) for _ in range(megabytes))]
    return b"".join((*parts, packer.flush()))


def grow_beyond_measure(document: dict[str, Any]) -> None:
    large = {**document["relations"][0], "size_bytes": 2**45 - 8192}
    document["relations"] += [{**large, "name": f"n{number}"} for number in range(9)]


def inherit_in_a_circle(document: dict[str, Any]) -> None:
    document["relations"][0]["parents"] = [["public", "maker"]]
    document["relations"][1]["parents"] = [["public", "part"]]


def test_a_snapshot_with_every_kind_of_item_comes_back_whole(tmp_path: Path) -> None:
    dump(shop(), tmp_path / "a")
    assert load(tmp_path / "a") == shop()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(gzip.compress(b'{"format": ' + b"[" * 200_000), "recursion limit", id="brackets"),
        pytest.param(gzip.compress(b'{"format": ' + b'{"a":' * 200_000), "recursion limit", id="braces"),
        pytest.param(zipped(b"", b"\0", 300), "not a twindex snapshot", id="zeros"),
        pytest.param(zipped(b'{"format":', b" ", 300), "damaged", id="spaces"),
        pytest.param(gzip.compress(b'{"format": ' + b"9" * 100_000 + b"}"), "out of range", id="digits"),
        pytest.param(gzip.compress(b'{"format": "\\ud800"}'), "not valid JSON", id="surrogate"),
        pytest.param(gzip.compress(b'{"format": "\xff"}'), "not valid JSON", id="not UTF-8"),
        pytest.param(b"", "damaged", id="empty"),
    ],
)
def test_a_file_that_is_none_is_one_line(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=says) as raised:
        load(tmp_path / "file")
    assert "\n" not in str(raised.value)


def test_gigabytes_in_a_small_file_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(zipped(b'{"format":', b" ", 1200))
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); {LOADED}"
    done = subprocess.run(
        [sys.executable, "-c", limited, path], capture_output=True, text=True, timeout=60, check=False
    )
    assert "analyzer.errors.InputError" in done.stderr
    assert MOST_BYTES == 1 << 30


@pytest.mark.parametrize("size", ["MOST_BYTES", "MOST_COMPRESSED_BYTES"])
def test_what_is_larger_than_a_snapshot_is_neither_read_nor_written(
    size: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dump(shop(), tmp_path / "a")
    monkeypatch.setattr(f"analyzer.documents.bounded_file.{size}", 1000)
    monkeypatch.setattr(f"analyzer.documents.snapshot.{size}", 1000)
    with pytest.raises(InputError, match="larger than a snapshot can be"):
        load(tmp_path / "a")
    with pytest.raises(InputError, match="larger than a snapshot can be"):
        dump(shop(), tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


BROKEN: list[tuple[Change, str]] = [
    (lambda d: d.update(captured_at="0001-01-01T00:00:00Z"), "captured_at"),
    (lambda d: d.update(captured_at="2026-01-01T00:00:00"), "captured_at.*timezone"),
    (lambda d: d["server"].update(started_at="9999-12-31T23:59:59Z"), "server.started_at.*out of range"),
    (lambda d: d["server"].update(version_num=-1), "server.version_num: it is out of range"),
    (lambda d: d["server"].pop("role"), "server.role: it is missing"),
    (lambda d: d.update(relations={}), "relations"),
    (lambda d: d.update({"x\n::error::": 1}), r'"x\\n::error::": it is not known'),
    (lambda d: d["settings"].update(work_mem="4\0"), "settings.work_mem.*null byte"),
    (lambda d: d.update(version=True), "version true"),
    (grow_beyond_measure, "256 TB together"),
]


@pytest.mark.parametrize(("change", "says"), BROKEN)
def test_a_broken_envelope_is_one_line_with_the_place(change: Change, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as raised:
        load(changed(tmp_path, change))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "place", "field", "value"),
    [
        ("relations", 0, "size_bytes", 10**15),
        ("relations", 0, "tuples", float("nan")),
        ("relations", 0, "tuples", float("inf")),
        ("relations", 0, "pages", -5),
        ("relations", 0, "name", "a" * 64),
        ("relations", 0, "columns", [{"name": "c", "number": 1, "type": "integer"}] * 2000),
        ("relations", 0, "columns", [{"name": "c", "number": 1, "type": ") AS SELECT 1 WHERE (true"}]),
        ("relations", 0, "columns", [{"name": "c", "number": 1, "type": "integer), (pg_sleep(59)"}]),
        ("relations", 0, "columns", [{"name": "c", "number": 1, "type": "text", "collation": "x DEFAULT 1"}]),
        ("relations", 0, "dropped_columns", [1] * 2000),
        ("relations", 0, "dropped_columns", [-1]),
        ("relations", 0, "dropped_columns", ["1), (pg_sleep(59)"]),
        ("indexes", 0, "height", 10**9),
        ("indexes", 0, "height", -1),
        ("indexes", 0, "size_bytes", 10**15),
        ("indexes", 0, "tuples", 1e300),
        ("statistics", 1, "null_fraction", float("nan")),
        ("statistics", 1, "null_fraction", 2),
        ("statistics", 1, "distinct", -7),
        ("statistics", 1, "correlation", -1e9),
        ("statistics", 1, "average_width", 2**31),
        ("statistics", 1, "most_common_frequencies", [0.5, float("inf")]),
        ("statements", 0, "calls", -1),
        ("statements", 0, "calls", 2**63),
        ("statements", 0, "total_ms", float("inf")),
        ("statements", 0, "query", "SELECT '\0'"),
        ("statements", 0, "colour", "red"),
        ("extremes", 0, "column", ""),
        ("samples", 0, "columns", ["c"] * 2000),
    ],
)
def test_an_item_out_of_bounds_is_named_and_costs_no_other(
    kind: str, place: int, field: str, value: object, tmp_path: Path
) -> None:
    snapshot = load(changed(tmp_path, lambda d: d[kind][place].update({field: value})))
    assert f"{kind}[{place}].{field}" in told(snapshot)
    assert snapshot.relation("public", "maker") is not None
    assert len(snapshot.statements) >= len(shop().statements) - 1


def test_a_table_whose_index_cannot_be_read_goes_with_all_that_is_its(tmp_path: Path) -> None:
    snapshot = load(changed(tmp_path, lambda d: d["indexes"][1].update(height=-1)))
    assert [each.name for each in snapshot.relations] == ["maker", "busy"]
    assert snapshot.indexes == ()
    assert {each.relation for each in snapshot.statistics} == {"maker"}
    assert snapshot.extended_statistics == snapshot.extremes == ()


def test_a_table_whose_row_security_cannot_be_read_goes(tmp_path: Path) -> None:
    snapshot = load(changed(tmp_path, lambda d: d["row_security"][0]["policies"][0].update(command="all")))
    assert snapshot.relation("public", "maker") is None


CONTRADICTIONS: list[tuple[Change, str]] = [
    (lambda d: d["relations"].append(d["relations"][0]), r"relations\[3\] occurs twice"),
    (lambda d: d["indexes"].append(d["indexes"][0]), r"indexes\[2\] occurs twice"),
    (lambda d: d["relations"][0]["columns"].append(d["relations"][0]["columns"][0]), "two of its columns"),
    (inherit_in_a_circle, "inherits from itself"),
    (lambda d: d["indexes"][1]["definition"]["keys"][0].update(column="gone"), "which it does not have"),
    (lambda d: d["relations"][0]["constraints"][0].update(columns=["gone"]), "which it does not have"),
]


@pytest.mark.parametrize(("change", "says"), CONTRADICTIONS)
def test_contradictions_are_named(change: Change, says: str, tmp_path: Path) -> None:
    snapshot = load(changed(tmp_path, change))
    assert re.search(says, told(snapshot))


def test_many_bad_items_are_counted(tmp_path: Path) -> None:
    snapshot = load(changed(tmp_path, lambda d: d.update(statements=[{"x": 1}] * 10_000)))
    assert len(snapshot.not_examined) < 100
    assert "9950 more of the snapshot's statements" in told(snapshot)


def test_parts_of_a_log_that_are_out_of_range_do_not_affect_the_others(tmp_path: Path) -> None:
    good = {
        "query": "SELECT 1 FROM t WHERE a = $1", "calls": 2, "total_ms": 3,
        "bindings": [{"values": ["1", None], "share": 1.0}],
    }  # fmt: skip
    parts: dict[str, list[dict[str, Any]]] = {
        "log_files": [
            {"name": "a.log", "format": "stderr", "records": 1},
            {"name": "b", "format": "xml", "records": 1},
        ],
        "log_statements": [good, good | {"calls": -1}, good | {"bindings": good["bindings"] * 9}],
        "log_events": [{"kind": "error", "count": 1, "query": "'"}, {"kind": "meteor", "count": 1}],
    }
    snapshot = load(changed(tmp_path, lambda document: document.update(parts)))
    assert [len(each) for each in (snapshot.log_files, snapshot.log_statements, snapshot.log_events)] == [1, 1, 1]
    assert told(snapshot).count("log_") >= 4
    statements = recorded_workload(snapshot).statements
    assert [each.text for each in statements if each.only_logged] == [good["query"]]
    assert log_section(snapshot, statements) is not None
