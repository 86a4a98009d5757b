"""The snapshot file, and the pure parts of a capture."""

import gzip
import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analyzer.capture.btree_levels import height_in
from analyzer.capture.indexes import one_line, unwrapped
from analyzer.capture.literals import UnreadableStatementError, without_literals
from analyzer.documents.not_examined import NotExamined as GapRecord
from analyzer.documents.snapshot import Index, NotExamined, Server, Snapshot, dump, load
from analyzer.errors import InputError
from analyzer.objects.index import IndexDef, Key


@pytest.fixture
def snapshot() -> Snapshot:
    """A small snapshot with an index and a name outside ASCII."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    server = Server(
        version_num=180006, version="PostgreSQL 18.6", database="größe", encoding="UTF8", collate="C", ctype="C",
        locale_provider="c", locale=None, role="r", is_superuser=False, reads_all_statistics=True, in_recovery=False,
        started_at=moment, stats_reset=None,
    )  # fmt: skip
    definition = IndexDef(
        schema="s", table="t", name="i", method="gist", keys=(Key(column="c", opclass_parameters=(("siglen", "8"),)),)
    )
    return Snapshot(
        tool_version="0", captured_at=moment, values=True, server=server, settings={"work_mem": "4096"}, extensions=(),
        schemas=("s",), relations=(), indexes=(Index(definition=definition, ddl="CREATE INDEX …"),), statistics=(),
        not_examined=(NotExamined(what="x", reason="y"),),
    )  # fmt: skip


def rewrite(path: Path, **changes: Any) -> None:
    """Change fields of a snapshot file behind its back."""
    document = json.loads(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(json.dumps(document | changes).encode()))


def test_a_snapshot_comes_back_as_it_was_written(snapshot: Snapshot, tmp_path: Path) -> None:
    dump(snapshot, tmp_path / "a")
    assert load(tmp_path / "a") == snapshot
    assert load(tmp_path / "a").indexes[0].definition.keys == snapshot.indexes[0].definition.keys
    assert load(tmp_path / "a").server.major == 18


def test_the_same_snapshot_gives_the_same_bytes_in_a_private_file(snapshot: Snapshot, tmp_path: Path) -> None:
    dump(snapshot, tmp_path / "a")
    dump(load(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_write_that_fails_leaves_nothing_behind(snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        dump(snapshot, tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_snapshot_cut_short_is_refused_at_every_length(snapshot: Snapshot, tmp_path: Path) -> None:
    dump(snapshot, tmp_path / "a")
    whole = (tmp_path / "a").read_bytes()
    for length in range(len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(InputError, match="cut"):
            load(tmp_path / "cut")


def test_files_that_are_no_snapshot_are_refused_by_name(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load(tmp_path / "missing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match="not gzip-compressed"):
        load(tmp_path / "text")
    (tmp_path / "other").write_bytes(gzip.compress(b"[1]"))
    with pytest.raises(InputError, match="is not a twindex snapshot"):
        load(tmp_path / "other")


def test_a_newer_or_misspelt_snapshot_is_refused_with_the_reason(snapshot: Snapshot, tmp_path: Path) -> None:
    dump(snapshot, tmp_path / "a")
    rewrite(tmp_path / "a", version=999)
    with pytest.raises(InputError, match="version 999, this twindex reads up to 1; upgrade"):
        load(tmp_path / "a")
    dump(snapshot, tmp_path / "a")
    rewrite(tmp_path / "a", relatoins=[])
    with pytest.raises(InputError, match="relatoins"):
        load(tmp_path / "a")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT * FROM t WHERE a = 'x''y' AND b = $1", "SELECT * FROM t WHERE a = $2 AND b = $1"),
        ("SELECT 1.5, -3, .5, 1e5", "SELECT $1, -$2, $3, $4"),
        (r"SELECT E'a\'b', $q$ hush $q$, x'1F', N'z'", "SELECT $1, $2, $3, $4"),
        ("SELECT a -- hush\nFROM t /* hush */ LIMIT 5", "SELECT a FROM t LIMIT $1"),
        ("SELECT a FROM t GROUP BY 1, 2 ORDER BY 1 DESC, 2", "SELECT a FROM t GROUP BY 1, 2 ORDER BY 1 DESC, 2"),
        ("SELECT a FROM t ORDER BY 1234", "SELECT a FROM t ORDER BY $1"),
        ("SELECT a::numeric(10, 2), CAST(b AS varchar(20))", "SELECT a::numeric(10, 2), CAST(b AS varchar(20))"),
        ('SELECT "it\'s" FROM "T 5"', 'SELECT "it\'s" FROM "T 5"'),
        ("SELECT x->>'k' = ANY('{1}'::int[]), a[1]", "SELECT x->>$1 = ANY($2::int[]), a[$3]"),
        ("SELECT interval $1 FROM t WHERE f($12, 7)", "SELECT interval $1 FROM t WHERE f($12, $13)"),
    ],
)
def test_literals_are_taken_out_and_the_rest_stays(query: str, expected: str) -> None:
    assert without_literals(query) == expected


def test_a_statement_that_cannot_be_split_is_refused_whole() -> None:
    with pytest.raises(UnreadableStatementError):
        without_literals("SELECT 'unterminated")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(a > 1)", "a > 1"),
        ("((a))", "a"),
        ("(a) AND (b)", "(a) AND (b)"),
        ("(a = ')') OR (b = '(')", "(a = ')') OR (b = '(')"),
        ("(a = 'it''s (')", "a = 'it''s ('"),
        ('("odd)" > 1)', '"odd)" > 1'),
        ("lower(a)", "lower(a)"),
        ("a", "a"),
    ],
)
def test_only_parentheses_round_the_whole_come_off(text: str, expected: str) -> None:
    assert unwrapped(text) == expected


def test_line_breaks_go_and_quoted_ones_stay() -> None:
    assert (
        one_line("\nCASE\n    WHEN a THEN 'x\n  y'\n    ELSE \"b  c\"\nEND")
        == "CASE WHEN a THEN 'x\n  y' ELSE \"b  c\" END"
    )


@pytest.mark.parametrize(("cost", "height"), [(50, 0), (62.0, 0), (117, 1), (172.5, 2), (99.99, 0)])
def test_the_height_is_what_the_startup_cost_charges(cost: float, height: int) -> None:
    plan = {"Node Type": "Index Only Scan", "Index Name": "i", "Startup Cost": cost}
    assert height_in(plan, "i") == height


def test_another_plan_or_index_tells_no_height() -> None:
    assert height_in({"Node Type": "Index Scan", "Index Name": "j", "Startup Cost": 100}, "i") is None
    assert height_in({"Node Type": "Seq Scan", "Startup Cost": 0}, "i") is None


def test_a_gap_is_the_same_record_in_every_document_and_a_snapshot_keeps_its_two_fields(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    dump(snapshot, tmp_path / "a")
    assert json.loads(gzip.decompress((tmp_path / "a").read_bytes()))["not_examined"] == [{"what": "x", "reason": "y"}]
    assert {type(gap) for gap in load(tmp_path / "a").not_examined} == {GapRecord}
    rewrite(tmp_path / "a", not_examined=[{"what": "x", "reason": "y", "wat": 1}])
    assert [gap.reason for gap in load(tmp_path / "a").not_examined] == ["not_examined[0].wat is not known"]
