"""A log says the same in however many parts and by however many processes it is read."""

import gzip
import itertools
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.workload import log_files, log_parts, log_workers
from analyzer.workload.log_files import FileRange, LogFileText
from analyzer.workload.log_parts import FileParts, Part
from analyzer.workload.log_reader import ServerLog, read_log
from analyzer.workload.log_readings import Reading, Wanted, read_part
from analyzer.workload.log_spelling import Identities
from tests.unit.test_server_log import QUERY, WORK, Said, csvlog, jsonlog, stderr, syslog, the_query

PLAN = "Query Text: SELECT 1\nFROM t\nSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)"
MORE: tuple[Said, ...] = (
    *WORK,
    ("LOG", "statement: SELECT b FROM t WHERE a = '1'", "", ""),
    ("LOG", "checkpoint complete", "", ""),
    ("LOG", "duration: 5.0 ms", "", ""),
    ("LOG", f"duration: 7.5 ms  plan:\n{PLAN}", "", ""),
    ("LOG", "duration: 3.5 ms  statement: SELECT 'a\n\nb', '\t' FROM t;\n", "", ""),
    ("ERROR", "deadlock detected", "Process 12 waits\nfor ShareLock", "SELECT 2 FROM t"),
    ("LOG", "statement: BEGIN", "", ""),
    ("LOG", "duration: 0.1 ms", "", ""),
    ("LOG", "execute <unnamed>: SELECT c FROM t WHERE a = $1", "Parameters: $1 = '2'", ""),
)
FORMS: tuple[Callable[[tuple[Said, ...]], str], ...] = (stderr, csvlog, jsonlog, syslog)


def counted(log: ServerLog) -> tuple[Any, ...]:
    """What does not depend on which values of a statement are kept."""
    statements = {
        each.query: each.model_dump(exclude={"query", "bindings", "other_calls", "total_ms", "stddev_ms"})
        | {"total_ms": pytest.approx(each.total_ms), "stddev_ms": pytest.approx(each.stddev_ms, abs=1e-4)}
        for each in log.statements
    }
    return statements, log.events, [(each.query, each.calls) for each in log.plans], log.files, log.not_examined


def in_parts(
    path: Path, part_bytes: int, *, database: str | None = None, prefix: str | None = None, values: bool = True
) -> ServerLog:
    return read_log([path], database=database, prefix=prefix, values=values, workers=1, part_bytes=part_bytes)


def look_at(patch: pytest.MonkeyPatch, *, window_bytes: int, block_bytes: int) -> None:
    """Look at so much of the text to cut it, and read so much of a part at once."""
    patch.setattr(log_parts, "_WINDOW_BYTES", window_bytes)
    patch.setattr(log_parts, "_BLOCK_BYTES", block_bytes)
    patch.setattr(log_files, "_BLOCK_BYTES", block_bytes)


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part_bytes", [1, 100, 700, 2000, 5000])
def test_what_is_read_in_parts_is_what_is_read_in_one(
    form: Callable[[tuple[Said, ...]], str],
    part_bytes: int,
    is_compressed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "a.log"
    log = form(MORE * 40).encode()
    path.write_bytes(gzip.compress(log) if is_compressed else log)
    whole = in_parts(path, 10**9)
    assert whole.statements
    assert whole.events
    assert counted(in_parts(path, part_bytes)) == counted(whole)
    look_at(monkeypatch, window_bytes=97, block_bytes=3000)
    assert counted(in_parts(path, part_bytes)) == counted(whole)


@pytest.mark.parametrize("form", FORMS)
def test_a_boundary_may_be_anywhere(
    form: Callable[[tuple[Said, ...]], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "duration: 9.5 ms  statement: SELECT 'ü€😀" + "\nü€😀" * 300 + "' FROM t"
    path = tmp_path / "a.log"
    path.write_text(form((*WORK, ("LOG", long, "", ""), *WORK) * 3), encoding="utf-8")
    whole = in_parts(path, 10**9)
    assert any("😀" in str(each.bindings) for each in whole.statements)
    look_at(monkeypatch, window_bytes=60, block_bytes=2500)
    for part_bytes in range(1200, 1230):
        assert counted(in_parts(path, part_bytes)) == counted(whole)


def ranges(parts: FileParts) -> list[FileRange]:
    return [part.source for part in parts if isinstance(part.source, FileRange)]


def test_a_file_that_is_not_compressed_is_read_by_its_readers(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("no record\n" + stderr(MORE * 40))
    found = ranges(FileParts(LogFileText(path), 0, part_bytes=4000))
    assert len(found) > 5
    assert (found[0].begin, found[-1].end) == (0, path.stat().st_size)
    assert all(one.end == other.begin for one, other in itertools.pairwise(found))
    assert max(each.end - each.begin for each in found) <= 4000
    text = path.read_bytes()
    assert all(text[each.begin :].startswith(b"2026") for each in found[1:])


def test_what_is_written_while_a_log_is_read_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(stderr(MORE * 40))
    size = path.stat().st_size
    parts = iter(FileParts(LogFileText(path), 0, part_bytes=4000))
    found = [next(parts)]
    with path.open("a") as file:
        file.write(stderr(MORE * 40))
    found += parts
    wanted = Wanted()
    records = sum(read_part(part, wanted, Identities()).tally.records for part in found)
    assert sum(part.size for part in found) == size
    assert 2 * records == in_parts(path, 10**9).files[0].records


def truncated(path: Path) -> None:
    os.truncate(path, 20_000)


def replaced(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    path.write_text(stderr(MORE * 40))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (truncated, "damaged or truncated"),
        (replaced, "damaged or truncated"),
        (Path.unlink, "no such file or directory"),
    ],
)
def test_a_file_that_changes_while_it_is_read_is_one_whose_rest_cannot_be_read(
    change: Callable[[Path], None], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.log"
    path.write_text(stderr(MORE * 40))
    whole = in_parts(path, 4000)
    seen: list[Part] = []

    def read(part: Part, wanted: Wanted, identities: Identities) -> Reading:
        seen.append(part)
        if len(seen) == 4:
            change(path)
        return read_part(part, wanted, identities)

    monkeypatch.setattr(log_workers, "read_part", read)
    log = in_parts(path, 4000)
    assert 0 < the_query(log).calls < the_query(whole).calls
    assert f"server log: 1 file whose rest cannot be read ({reason})" in [each.what for each in log.not_examined]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_mutilated_log_is_no_other_in_parts(tmp_path: Path, data: st.DataObject) -> None:
    log = bytearray(data.draw(st.sampled_from(FORMS))(MORE).encode() * 3)
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(2000, len(log) - 1))
        end = min(len(log), start + data.draw(st.integers(0, 60)))
        pieces = st.sampled_from([b"\n", b'"', b"'", b"\t", b"\0", b"{", b",", b"\r\n", b"\xff", b"\nLOG:  x", b"\n\t"])
        log[start:end] = data.draw(st.binary(max_size=20) | pieces)
    path = tmp_path / "a.log"
    path.write_bytes(log)
    whole = in_parts(path, 10**9)
    with pytest.MonkeyPatch.context() as patch:
        window_bytes, block_bytes = data.draw(st.integers(1, 500)), data.draw(st.sampled_from([100, 1000, 10**6]))
        patch.setattr(log_parts, "_WINDOW_BYTES", window_bytes)
        patch.setattr(log_parts, "_BLOCK_BYTES", block_bytes)
        assert counted(in_parts(path, data.draw(st.sampled_from([1, 300, 2000])))) == counted(whole)


def test_a_duration_finds_its_statement_of_an_earlier_part(tmp_path: Path) -> None:
    begun = (("LOG", "statement: SELECT * FROM t WHERE a = '1'", "", ""),)
    duration = (("LOG", "duration: 5.0 ms", "", ""),)
    between = stderr(WORK[4:5]) * 100
    path = tmp_path / "a.log"
    path.write_text(stderr(begun, p="1") + between + stderr(duration, p="1") + between + stderr(duration, p="1"))
    log = in_parts(path, 500)
    assert (the_query(log).calls, the_query(log).total_ms) == (1, 5.0)
    assert [each.what for each in log.not_examined] == ["server log: 1 duration without a statement (log_duration)"]
    path.write_text((stderr(begun, p="1") + between) * 2 + stderr(duration, p="1"))
    log = in_parts(path, 500)
    assert (the_query(log).calls, the_query(log).total_ms) == (2, 10.0)


def test_a_log_that_begins_no_record_is_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_parts, "_LONGEST_RECORD", 5_000)
    monkeypatch.setattr(log_parts, "_BLOCK_BYTES", 1_000)
    monkeypatch.setattr(log_parts, "_MOST_LINES", 20)
    path = tmp_path / "a.log"
    junk = "nothing of a server\n" * 3000
    path.write_text(stderr(WORK) + junk + stderr(WORK))
    log = in_parts(path, 1000)
    assert the_query(log).calls == 4
    assert "server log: 3,000 lines that are not part of a record" in [each.what for each in log.not_examined]
    for text in (stderr(WORK) + "\tx\n" * 30_000 + stderr(WORK), csvlog(WORK) + junk + csvlog(WORK)):
        path.write_text(text)
        log = in_parts(path, 1000)
        assert the_query(log).calls >= 2
        assert any("too long" in each.what for each in log.not_examined)


def test_frequent_values_are_found_across_parts(tmp_path: Path) -> None:
    text = "execute S_1: SELECT * FROM t WHERE a = $1"
    lines: list[Said] = []
    for number in range(3000):
        value = "often" if number % 5 == 0 else f"once {number}"
        lines.append(("LOG", f"duration: 1.0 ms  {text}", f"Parameters: $1 = '{value}'", ""))
    path = tmp_path / "a.log"
    path.write_text(stderr(tuple(lines)))
    for part_bytes in (2_000, 20_000, 10**9):
        found = the_query(in_parts(path, part_bytes))
        assert found.calls == 3000
        assert len(found.bindings) <= 8
        assert ("often",) in {each.values for each in found.bindings}


def write_two(tmp_path: Path) -> list[Path]:
    begun = stderr((("LOG", "statement: SELECT * FROM t WHERE a = '1'", "", ""),), p="1")
    ended = stderr((("LOG", "duration: 5.0 ms", "", ""),), p="1")
    (tmp_path / "a.log").write_text(stderr(MORE * 60) + begun)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress((ended + stderr(MORE * 60)).replace("16:07", "16:09").encode()))
    return [tmp_path / "a.log", tmp_path / "b.log.gz"]


def test_any_number_of_processes_reads_the_same(tmp_path: Path) -> None:
    paths = write_two(tmp_path)
    alone, two, three = (read_log(paths, part_bytes=3000, workers=workers) for workers in (1, 2, 3))
    assert alone == two == three
    assert the_query(alone).calls == 241
    assert not multiprocessing.active_children()


def test_a_lost_worker_costs_nothing(tmp_path: Path) -> None:
    paths = write_two(tmp_path)
    killed: list[int] = []

    def kill(_: str) -> None:
        for child in multiprocessing.active_children():
            killed.append(child.pid or 0)
            child.kill()

    found = read_log(paths, part_bytes=3000, workers=2, progress=kill)
    assert killed
    assert found == read_log(paths, part_bytes=3000, workers=1)


def test_other_options_hold_in_every_part(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(stderr(WORK * 20) + stderr(WORK * 20, d="other"))
    for part_bytes in (1000, 10**9):
        log = in_parts(path, part_bytes, database="shop", values=False)
        assert the_query(log).calls == 40
        assert not the_query(log).bindings
        assert any("records of other databases" in each.what for each in log.not_examined)
    assert QUERY in {each.query for each in in_parts(path, 1000, prefix="%m [%p] %q%u@%d ").statements}
