"""The log reader on logs that nobody meant well, in every format and prefix."""

import bz2
import csv
import gzip
import io
import json
import lzma
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.documents.server_log import LogEvent, LogFile, LoggedStatement
from analyzer.errors import InputError
from analyzer.render.server_log import log_event
from analyzer.workflows.server_log import add_log, log_section
from analyzer.workload import log_files, log_spelling, log_statements
from analyzer.workload.log_prefix import KNOWN, find_prefix, record_pattern
from analyzer.workload.log_reader import ServerLog, read_log
from tests.unit.catalogs import NOON, snapshot

#: What a session logged: severity, message, detail, statement.
Said = tuple[str, str, str, str]
WORK: tuple[Said, ...] = (
    ("LOG", "duration: 1.5 ms  parse S_1: SELECT * FROM t WHERE a = $1", "", ""),
    ("LOG", "duration: 0.5 ms  bind S_1: SELECT * FROM t WHERE a = $1", "Parameters: $1 = 'x'", ""),
    ("LOG", "duration: 12.5 ms  execute S_1: SELECT * FROM t WHERE a = $1", "Parameters: $1 = 'it''s'", ""),
    ("LOG", "duration: 2.5 ms  statement: SELECT *\nFROM t\n\tWHERE a = 'b, \"c\"'", "", ""),
    ("LOG", "checkpoint starting: time", "", ""),
    ("ERROR", "canceling statement due to user request", "", "SELECT *\nFROM t WHERE a = 'q'"),
    ("LOG", 'temporary file: path "base/pgsql_tmp/pgsql_tmp1.0", size 4096', "", "SELECT 1 FROM t"),
)
QUERY = "SELECT * FROM t WHERE a = $1"
TUPLE = "tuple (0,1) of relation 9 of database 5"
TIME = "2026-11-29 16:07:07.123 UTC"


def stderr(work: tuple[Said, ...], prefix: str = "%m [%p] %q%u@%d ", **values: str) -> str:
    shown = {
        "m": TIME, "t": TIME.replace(".123", ""), "p": "12", "u": "bob", "d": "shop", "a": "web app 2", "l": "3",
        "r": "10.0.0.1(5000)", "h": "10.0.0.1", "c": "66a1b2c3.c", "q": "", "e": "57014", "Q": "-7",
    } | values  # fmt: skip
    for letter, value in shown.items():
        prefix = prefix.replace(f"%{letter}", value)
    lines: list[str] = []
    for severity, message, detail, statement in work:
        for word, text in ((severity, message), ("DETAIL", detail), ("STATEMENT", statement)):
            if text:
                shown_text = text.replace("\n", "\n\t")
                lines.append(f"{prefix}{word}:  {shown_text}\n")
    return "".join(lines)


def csvlog(work: tuple[Said, ...], columns: int = 26) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for severity, message, detail, statement in work:
        row = [TIME, "bob", "shop", "12", "[local]", "66a1.c", "3", "SELECT", TIME, "3/7", "0", severity, "57014"]
        row += [message, detail, "", "", "", "", statement, "", "", "web app 2", "client backend", "", "-7"]
        writer.writerow(row[:columns])
    return text.getvalue()


def jsonlog(work: tuple[Said, ...]) -> str:
    said = (
        {"timestamp": TIME, "user": "bob", "dbname": "shop", "pid": 12, "error_severity": severity, "message": message}
        | ({"detail": detail} if detail else {})
        | ({"statement": statement} if statement else {})
        | {"query_id": -7}
        for severity, message, detail, statement in work
    )
    return "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in said)


def syslog(work: tuple[Said, ...]) -> str:
    """As rsyslog writes it: each line is a message, and a tab is escaped."""
    return "".join(
        f"Nov 29 16:07:07 db1 postgres[12]: [{place}-{number}] {line.replace(chr(9), '#011')}\n"
        for place, said in enumerate(work)
        for number, line in enumerate(stderr((said,), "").splitlines(), 1)
    )


def read(
    tmp_path: Path,
    text: str | bytes,
    name: str = "server.log",
    *,
    prefix: str | None = None,
    database: str | None = None,
) -> ServerLog:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_log([path], prefix=prefix, database=database)


def the_query(log: ServerLog) -> LoggedStatement:
    (found,) = [each for each in log.statements if each.query == QUERY]
    return found


def check_work(log: ServerLog) -> None:
    found = the_query(log)
    assert (found.calls, found.parses, found.binds, found.total_ms, found.prepared) == (2, 1, 1, 15.0, 1)
    assert {each.values for each in found.bindings} == {("it's",), ('b, "c"',)}
    assert {(each.kind, each.detail, each.query, each.count) for each in log.events} == {
        ("canceled statement", "user request", QUERY, 1),
        ("temporary file", "", "SELECT $1 FROM t", 1),
    }


@pytest.mark.parametrize("prefix", [each for each in KNOWN if each.strip()])
def test_known_prefixes_are_found(prefix: str, tmp_path: Path) -> None:
    log = read(tmp_path, stderr(WORK, prefix))
    check_work(log)
    assert the_query(log).users == (("bob",) if "%u" in prefix else ())
    assert the_query(log).databases == (("shop",) if "%d" in prefix else ())
    assert the_query(log).applications == (("web app 2",) if "%a" in prefix else ())
    assert log.not_examined == ()


def test_any_prefix_can_be_given(tmp_path: Path) -> None:
    prefix = "<%-8u> {%d} %e %Q %m; "
    log = read(tmp_path, stderr(WORK, prefix.replace("%-8u", "bob     ")), prefix=prefix)
    check_work(log)
    assert (the_query(log).users, the_query(log).queryids) == (("bob",), ("-7",))


@pytest.mark.parametrize(
    "prefix",
    [
        "%m|%u@%d|%h|[%p] ",
        "pid=%p db=%d user=%u app=%a time=%m ",
        "[%m] (%p) {%u@%d} - ",
        "<%t %p user:%u db:%d [%p]> ",
    ],
)
def test_other_prefixes_are_understood(prefix: str, tmp_path: Path) -> None:
    log = read(tmp_path, stderr(WORK, prefix))
    check_work(log)
    assert log.files[0].begin is not None
    assert (the_query(log).users, the_query(log).databases) == (("bob",), ("shop",))


def test_names_may_contain_what_stands_behind_them() -> None:
    pattern = record_pattern("%m [%p] %q%u@%d %a ")
    found = pattern.search(f"{TIME} [12] bob@corp.example@shop DBeaver 24 - Main LOG:  duration: 1 ms")
    assert found is not None
    assert (found["user"], found["application"]) == ("bob", "DBeaver 24 - Main")
    assert find_prefix(stderr(WORK, "%m [%p] ")) is not None


@pytest.mark.parametrize("columns", [23, 24, 26])
def test_csvlog_of_every_version(columns: int, tmp_path: Path) -> None:
    log = read(tmp_path, csvlog(WORK, columns))
    check_work(log)
    assert (the_query(log).applications, the_query(log).queryids) == (("web app 2",), ("-7",) if columns == 26 else ())
    assert log.files[0].records == len(WORK)


def test_jsonlog_and_what_operators_make_of_csvlog(tmp_path: Path) -> None:
    check_work(read(tmp_path, jsonlog(WORK)))
    wrapped = [{"level": "info", "msg": "record", "record": json.loads(line)} for line in jsonlog(WORK).splitlines()]
    check_work(read(tmp_path, "".join(json.dumps(each) + "\n" for each in wrapped)))


def test_syslog(tmp_path: Path) -> None:
    check_work(read(tmp_path, syslog(WORK)))


def test_compressed_files_and_rotated_ones(tmp_path: Path) -> None:
    text = stderr(WORK)
    for pack, name in ((gzip.compress, "a.gz"), (bz2.compress, "a.bz2"), (lzma.compress, "a.xz")):
        check_work(read(tmp_path, pack(text.encode()), name))
    parts = text.splitlines(keepends=True)
    for number, lines in enumerate((parts[5:], parts[:5])):
        (tmp_path / "dir").mkdir(exist_ok=True)
        content = "".join(lines).replace("16:07:07", f"1{7 - number}:07:07").encode()
        (tmp_path / f"dir/postgresql.log.{number}.gz").write_bytes(gzip.compress(content))
    log = read_log([tmp_path / "dir"])
    assert [each.name for each in log.files] == ["postgresql.log.1.gz", "postgresql.log.0.gz"]
    assert the_query(log).calls == 2


def test_of_one_log_in_several_formats_one_is_read(tmp_path: Path) -> None:
    for suffix, text in ((".log", stderr(WORK)), (".csv", csvlog(WORK)), (".json", jsonlog(WORK))):
        (tmp_path / f"postgresql-Sun{suffix}").write_text(text)
    assert [each.format for each in read_log([tmp_path]).files] == ["jsonlog"]
    check_work(read_log([tmp_path]))


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.log", tmp_path):
        with pytest.raises(InputError, match="give a log file"):
            read_log([path])


# Events


def test_a_statement_gets_the_duration_that_its_process_logs_next(tmp_path: Path) -> None:
    first = (("LOG", "statement: SELECT * FROM t WHERE a = '1'", "", ""),)
    second = (("LOG", "execute <unnamed>: SELECT * FROM t WHERE a = $1", "Parameters: $1 = '2'", ""),)
    duration = (("LOG", "duration: 5.0 ms", "", ""),)
    text = stderr(first, p="1") + stderr(second, p="2") + stderr(duration, p="2") + stderr(duration, p="1")
    found = the_query(read(tmp_path, text))
    assert (found.calls, found.total_ms, {each.values for each in found.bindings}) == (2, 10.0, {("1",), ("2",)})
    assert the_query(read(tmp_path, stderr(first))).total_ms is None
    alone = read(tmp_path, stderr(duration))
    assert [each.what for each in alone.not_examined] == ["server log: 1 duration without a statement (log_duration)"]


def test_what_is_a_constant_in_the_only_text_of_a_statement_is_known(tmp_path: Path) -> None:
    text = "SELECT * FROM t WHERE a = $1 AND state = 'open' AND note IS NOT NULL LIMIT 5"

    def said(sent: str, value: str) -> str:
        return stderr((("LOG", f"duration: 5.0 ms  execute s1: {sent}", f"Parameters: $1 = '{value}'", ""),))

    (found,) = read(tmp_path, said(text, "1") + said(text, "2")).statements
    places = {
        number for number in found.constants if {each.values[number - 1] for each in found.bindings} <= {"open", "5"}
    }
    assert (len(found.constants), len(places), found.prepared) == (2, 2, 2)
    (found,) = read(tmp_path, said(text.replace("open", "$"), "1")).statements
    assert len(found.constants) == 2
    (found,) = read(tmp_path, said(text, "1") + said(text.replace("open", "sent"), "2")).statements
    assert found.constants == ()


def test_a_statement_may_end_in_the_next_file(tmp_path: Path) -> None:
    (tmp_path / "postgresql.log.1").write_text(stderr((("LOG", "statement: SELECT * FROM t WHERE a = '1'", "", ""),)))
    later = stderr((("LOG", "duration: 5.0 ms", "", ""),)).replace("16:07", "16:08")
    (tmp_path / "postgresql.log").write_text(later)
    assert the_query(read_log([tmp_path])).total_ms == 5.0


def test_a_portal_that_goes_on_is_one_call(tmp_path: Path) -> None:
    text = "duration: {} ms  execute {}S_1/C_2: SELECT * FROM t WHERE a = $1"
    work = (("LOG", text.format(3, ""), "Parameters: $1 = 'x'", ""), ("LOG", text.format(4, "fetch from "), "", ""))
    found = the_query(read(tmp_path, stderr(work)))
    assert (found.calls, found.total_ms) == (1, 7.0)


def test_waits_deadlocks_and_conflicts(tmp_path: Path) -> None:
    work: tuple[Said, ...] = (
        ("LOG", "process 12 still waiting for ShareLock on transaction 77 after 1000.1 ms", "", "SELECT 1 FROM t"),
        ("LOG", "process 12 acquired ShareLock on transaction 77 after 2000.5 ms", "", "SELECT 1 FROM t"),
        ("LOG", f"process 12 still waiting for AccessShareLock on {TUPLE} after 1.1 ms at character 9", "", ""),
        ("ERROR", "deadlock detected", "Process 12 waits for ShareLock", "SELECT 1 FROM t"),
        ("ERROR", "canceling statement due to conflict with recovery", "", "SELECT 1 FROM t"),
        ("FATAL", "terminating connection due to conflict with recovery", "", ""),
        ("ERROR", "canceling statement due to lock timeout", "", ""),
        ("ERROR", 'relation "nope" does not exist at character 5', "", "SELECT * FROM nope"),
    )  # fmt: skip
    log = read(tmp_path, stderr(work))
    assert {(each.kind, each.detail, each.count, each.total) for each in log.events} == {
        ("lock wait", "ShareLock on transaction", 1, 2000.5),
        ("lock wait", "AccessShareLock on tuple 9", 1, 0.0),
        ("deadlock", "", 1, 0.0),
        ("replication conflict", "", 1, 0.0),
        ("canceled statement", "lock_timeout", 1, 0.0),
        ("error", "", 1, 0.0),
    }
    assert sum(each.count for each in log.events if each.kind == "replication conflict") == 2


def test_plans_are_kept_whole(tmp_path: Path) -> None:
    plan = "Query Text: SELECT 1\nFROM t\nSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)"
    for text in (stderr, csvlog, jsonlog):
        log = read(tmp_path, text((("LOG", f"duration: 7.5 ms  plan:\n{plan}", "", ""),)))
        (kept,) = log.plans
        assert (kept.query, kept.execution_ms, kept.calls) == ("SELECT 1\nFROM t", 7.5, 1)
        assert kept.tree["Node Type"] == "Seq Scan"
        assert [(each.query, each.calls, each.total_ms) for each in log.statements] == [("SELECT $1 FROM t", 1, 7.5)]


def test_messages_in_another_language_are_counted(tmp_path: Path) -> None:
    german = (
        stderr(WORK)
        .replace("ERROR:  canceling statement", "FEHLER:  storniere Anfrage")
        .replace("STATEMENT:", "ANWEISUNG:")
    )
    log = read(tmp_path, german)
    assert the_query(log).calls == 2
    assert not [each for each in log.events if each.kind == "canceled statement"]
    assert any("not in English" in each.what for each in log.not_examined)


def test_durations_in_another_language_are_counted(tmp_path: Path) -> None:
    german = [("LOG", "Dauer: 1.5 ms  Anweisung: SELECT 1", "", ""), ("FEHLER", "Verklemmung", "", "")]
    for text in (stderr, csvlog, jsonlog):
        log = read(tmp_path, text((*WORK, *german)))
        assert the_query(log).calls == 2
        assert next(each.what for each in log.not_examined if "English" in each.what).startswith(
            "server log: 2 records"
        )


def test_other_databases_are_counted_and_left_out(tmp_path: Path) -> None:
    log = read(tmp_path, stderr(WORK) + stderr(WORK, d="other"), database="shop")
    assert the_query(log).calls == 2
    assert "records of other databases" in " ".join(each.what for each in log.not_examined)


@pytest.mark.parametrize(
    ("since", "calls", "total_ms"),
    [
        ("2026-11-29 15:00:00+00:00", 3, 60.0),
        ("2026-11-29 16:07:30+00:00", 2, 50.0),
        ("2026-11-29 16:08:00+00:00", 1, 30.0),
        ("2026-11-29 17:00:00+00:00", 3, 60.0),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "+01"])
def test_executions_before_the_counters_begin_do_not_count(
    tmp_path: Path, since: str, calls: int, total_ms: float, zone: str
) -> None:
    text = "".join(
        f"2026-11-29 {17 if zone == '+01' else 16}:{time} {zone} [1] LOG:  duration: {ms} ms  "
        f"statement: SELECT * FROM t WHERE a = '{ms}'\n"
        for time, ms in (("07:07.123", 10), ("07:31.000", 20), ("08:00.000", 30))
    )
    (tmp_path / "a.log").write_text(text)
    counted = snapshot().model_copy(update={"statements_reset": datetime.fromisoformat(since)})
    (found,) = add_log(counted, [tmp_path / "a.log"], prefix="%m [%p] ").log_statements
    assert (found.calls, found.total_ms) == (calls, pytest.approx(total_ms))


@pytest.mark.parametrize(
    ("count", "minutes", "said"),
    [(1, 4, "1 deadlock in 4.0 min"), (12, 4, "12 deadlocks in 4.0 min"), (12, 20, "12 deadlocks, 36.0 per hour"),
     (3, 20, "3 deadlocks in 20.0 min"), (3, 90, "3 deadlocks, 2.0 per hour")],
)  # fmt: skip
def test_few_events_of_a_short_log_are_no_rate(count: int, minutes: int, said: str) -> None:
    file = LogFile(name="a", format="stderr", records=9, begin=NOON, end=NOON + timedelta(minutes=minutes))
    told = {"log_files": (file,), "log_events": (LogEvent(kind="deadlock", count=count),)}
    section = log_section(snapshot().model_copy(update=told), ())
    assert section is not None
    assert log_event(section.events[0], section) == said


# Values


def test_frequent_and_slow_values_are_kept_and_weighed(tmp_path: Path) -> None:
    lines: list[Said] = []
    for number in range(2000):
        value, ms = ("often", 1.0) if number % 2 else (f"once {number}", 500.0 if number % 100 == 0 else 1.0)
        text = "execute S_1: SELECT * FROM t WHERE a = $1"
        lines.append(("LOG", f"duration: {ms} ms  {text}", f"Parameters: $1 = '{value}'", ""))
    found = the_query(read(tmp_path, stderr(tuple(lines))))
    shares = {each.values[0]: each.share for each in found.bindings}
    assert len(shares) <= 8
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["often"] == pytest.approx(0.5, abs=0.1)
    slow = [value for value in shares if value and value.startswith("once") and int(value.split()[1]) % 100 == 0]
    assert sum(shares[value] for value in slow) == pytest.approx(0.01, abs=0.005)
    assert found.other_calls > 900


# Hostile logs


def test_a_bad_file_does_not_cost_the_others(tmp_path: Path) -> None:
    (tmp_path / "good.log").write_text(stderr(WORK))
    (tmp_path / "junk.log").write_bytes(bytes(range(256)) * 500)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(stderr(WORK).encode() * 50)[:-20])
    (tmp_path / "empty.log").write_bytes(b"")
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8b" + b"x" * 100)
    log = read_log([tmp_path])
    assert the_query(log).calls > 50
    told = {each.what: each.reason for each in log.not_examined}
    assert "junk.log" in told["server log: 3 files in which no record of PostgreSQL is found"]
    damaged = told["server log: 2 files whose rest cannot be read (damaged or truncated)"]
    assert damaged.endswith(": broken.gz, cut.gz")


def test_a_log_may_begin_with_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "_BLOCK_BYTES", 4096)
    for text in (stderr(WORK), csvlog(WORK), jsonlog(WORK)):
        log = read(tmp_path, b"\x00\xff junk\n" * 2000 + text.encode())
        check_work(log)
        assert any("not part of a record" in each.what for each in log.not_examined)


def test_a_bomb_is_not_unpacked_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "_ALWAYS_BYTES", 1024**2)
    log = read(tmp_path, gzip.compress(stderr(WORK).encode() + b"x" * (32 * 1024**2)), "bomb.gz")
    assert any("unpacks to more than a log does" in each.what for each in log.not_examined)
    check_work(log)


def test_lines_and_statements_of_any_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "_BLOCK_BYTES", 1000)
    monkeypatch.setattr(log_files, "_LONGEST_LINE", 5000)
    log = read(tmp_path, stderr(WORK) + "y" * 50_000 + "\n" + stderr(WORK))
    assert the_query(log).calls == 4
    assert any("1 line that is too long" in each.what for each in log.not_examined)
    monkeypatch.undo()
    long = (("LOG", f"duration: 1 ms  statement: SELECT '{'z' * 200_000}'", "", ""),)
    assert any("100,000 characters" in each.what for each in read(tmp_path, stderr(long)).not_examined)


def test_millions_of_statements_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_statements, "MOST_STATEMENTS", 50)
    monkeypatch.setattr(log_spelling, "_MOST_SPELLINGS", 100)
    work = tuple(("LOG", f"duration: {number} ms  statement: SELECT c{number} FROM t", "", "") for number in range(500))
    log = read(tmp_path, stderr(work))
    assert len(log.statements) <= 50
    assert log.statements[0].query == "SELECT c499 FROM t"
    assert any("the cheapest" in each.what for each in log.not_examined)


def test_mixed_encodings_cost_the_values_alone(tmp_path: Path) -> None:
    text = stderr((("LOG", "duration: 1 ms  statement: SELECT * FROM t WHERE a = 'caf\xe9'", "", ""),))
    found = the_query(read(tmp_path, text.encode("latin-1")))
    assert (found.calls, found.bindings) == (1, ())


def test_times_of_any_zone(tmp_path: Path) -> None:
    for zone, hour in (("UTC", 16), ("+02", 14), ("-0330", 19), ("CEST", 16)):
        log = read(tmp_path, stderr(WORK).replace("UTC", zone))
        begin = log.files[0].begin
        assert begin is not None
        assert begin.hour == hour
        assert any("time zone" in each.what for each in log.not_examined) == (zone == "CEST")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutilated_logs_are_read_as_far_as_they_go(tmp_path: Path, data: st.DataObject) -> None:
    make = data.draw(st.sampled_from([stderr, csvlog, jsonlog, syslog]))
    log = bytearray(make(WORK).encode() * 2)
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(log) - 1))
        end = min(len(log), start + data.draw(st.integers(0, 60)))
        log[start:end] = data.draw(
            st.binary(max_size=20) | st.sampled_from([b"\n", b'"', b"'", b"\t", b"\0", b"{", b","])
        )
        log = log or bytearray(b"\n")
    found = read(tmp_path, bytes(log))
    assert all(each.calls <= 8 for each in found.statements)
    assert found.files or found.not_examined
