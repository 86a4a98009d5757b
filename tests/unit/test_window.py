"""What two snapshots of one server say of the time between them: counters subtracted, resets and evictions told."""

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli import cli
from analyzer.documents.server_log import LoggedStatement
from analyzer.documents.snapshot import Snapshot, StatementCounters, dump
from analyzer.errors import InputError
from analyzer.workflows.statements import list_statements
from analyzer.workflows.window import since
from analyzer.workload.log_workload import recorded_workload
from tests.unit.catalogs import NOON, recorded, snapshot, table

LATER = NOON + timedelta(hours=2)
TABLE = table("t", "a int, b int").model_copy(update={"oid": 7})


def at_noon(*statements: StatementCounters, **more: object) -> Snapshot:
    return snapshot(TABLE, statements=statements).model_copy(
        update={"statements_reset": NOON - timedelta(days=9), "statements_evicted": 5, **more}
    )


def later(*statements: StatementCounters, **more: object) -> Snapshot:
    return at_noon(*statements).model_copy(update={"captured_at": LATER, "statements_evicted": 7, **more})


def told(window: Snapshot) -> str:
    return " ".join(f"{gap.what}: {gap.reason}" for gap in window.not_examined)


def test_counters_are_those_of_the_time_between() -> None:
    before = recorded("SELECT a FROM t", calls=10, total_ms=100, rows=10)
    after = recorded("SELECT a FROM t", calls=30, total_ms=180, rows=50)
    idle = recorded("SELECT b FROM t", queryid="2", calls=10, total_ms=100)
    new = recorded("SELECT a, b FROM t", queryid="3", calls=4, total_ms=8)
    window = since(later(after, idle, new), at_noon(before, idle))
    first, second = window.statements
    assert (first.calls, first.total_ms, first.mean_ms, first.rows) == (20, 80, 4, 40)
    assert second == new
    assert (window.statements_reset, window.statements_evicted) == (NOON, 2)
    assert window.not_examined == ()


def test_the_deviation_is_that_of_the_executions_between() -> None:
    # Two of 1 and 3 ms, then two more of 5 and 7 ms.
    before = recorded("SELECT a FROM t", calls=2, total_ms=4).model_copy(update={"stddev_ms": 1.0})
    after = recorded("SELECT a FROM t", calls=4, total_ms=16).model_copy(update={"stddev_ms": 5**0.5})
    (found,) = since(later(after), at_noon(before)).statements
    assert (found.mean_ms, found.stddev_ms) == (6, pytest.approx(1))


def test_a_reset_counts_from_the_reset() -> None:
    before, after = recorded("SELECT a FROM t", calls=10), recorded("SELECT a FROM t", calls=30, total_ms=2000)
    reset = NOON + timedelta(hours=1)
    window = since(later(after, statements_reset=reset, statements_evicted=1), at_noon(before))
    assert window.statements == (after,)
    assert (window.statements_reset, window.statements_evicted) == (reset, 1)
    assert "was reset at 2026-01-01 13:00:00 UTC" in told(window)


@pytest.mark.parametrize(
    "after",
    [
        recorded("SELECT a FROM t", calls=3, total_ms=2000),
        recorded("SELECT a FROM t", calls=300, total_ms=20),
        recorded("SELECT a FROM t", calls=300, total_ms=2000).model_copy(
            update={"counted_since": NOON + timedelta(minutes=1)}
        ),
        recorded("SELECT a FROM t", calls=300, total_ms=2000, rows=9),
    ],
    ids=["fewer calls", "less time", "an entry made since", "fewer rows"],
)
def test_what_was_evicted_and_recorded_again_counts_from_then(after: StatementCounters) -> None:
    window = since(later(after), at_noon(recorded("SELECT a FROM t", calls=10, total_ms=100, rows=10)))
    assert window.statements == (after,)
    assert "1 statement: they were evicted or reset and recorded again" in told(window)


@pytest.mark.parametrize("path", [None, ("shop",)], ids=["older tool", "ALTER ROLE"])
def test_a_path_that_was_changed_between_is_of_no_consequence(path: tuple[str, ...] | None) -> None:
    before = recorded("SELECT a FROM t", calls=10, total_ms=100).model_copy(update={"search_path": path})
    after = recorded("SELECT a FROM t", calls=30, total_ms=180).model_copy(update={"search_path": ("shop", "public")})
    window = since(later(after), at_noon(before))
    assert [(each.calls, each.search_path) for each in window.statements] == [(20, ("shop", "public"))]
    assert window.not_examined == ()
    others = before.model_copy(update={"search_path": ("a",)})
    assert [each.calls for each in since(later(after), at_noon(before, others)).statements] == [30]


def test_what_is_no_longer_recorded_is_told() -> None:
    window = since(later(), at_noon(recorded("SELECT a FROM t")))
    assert window.statements == ()
    assert "1 statement of the older snapshot: they were evicted" in told(window)


@pytest.mark.parametrize(
    ("older", "message"),
    [
        (at_noon(captured_at=LATER), "is not older"),
        (at_noon(relations=(TABLE.model_copy(update={"oid": 8}),)), "are of different servers"),
        (at_noon(server=at_noon().server.model_copy(update={"database": "x"})), "different databases, x and shop"),
        (at_noon(server=at_noon().server.model_copy(update={"version_num": 150000})), "PostgreSQL 15 and 18"),
        (at_noon(server=at_noon().server.model_copy(update={"in_recovery": True})), "are of different servers"),
        (at_noon(server=at_noon().server.model_copy(update={"started_at": LATER})), "are of different servers"),
        (at_noon(statements_reset=NOON - timedelta(days=8)), "are of different servers"),
    ],
)
def test_snapshots_that_do_not_follow_each_other_are_refused(older: Snapshot, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        since(later(), older)
    assert "\n" not in str(raised.value)


def test_the_cluster_counts_and_not_the_oids_of_its_tables() -> None:
    known = at_noon().server.model_copy(update={"system_identifier": "7"})
    restored = at_noon(server=known, relations=(TABLE.model_copy(update={"oid": 8}),))
    after = recorded("SELECT a FROM t")
    assert since(later(after, server=known), restored).statements == (after,)
    other = known.model_copy(update={"system_identifier": "8"})
    with pytest.raises(InputError, match="are of different servers"):
        since(later(after, server=other), at_noon(server=known))


def test_the_list_of_statements_is_that_of_the_window(tmp_path: Path) -> None:
    dump(at_noon(recorded("SELECT a FROM t", calls=10, total_ms=100)), tmp_path / "a.snapshot")
    dump(later(recorded("SELECT a FROM t", calls=17, total_ms=170)), tmp_path / "b.snapshot")
    arguments = ["statements", str(tmp_path / "b.snapshot"), "--since", str(tmp_path / "a.snapshot")]
    said = CliRunner().invoke(cli, arguments).stdout
    assert "statements since 2026-01-01 12:00 UTC" in said
    assert " 7 " in said


def test_what_the_log_alone_has_counts_if_it_ran_in_the_window() -> None:
    times = {"SELECT a FROM t": NOON - timedelta(minutes=1), "SELECT b FROM t": NOON, "SELECT a, b FROM t": None}
    log = tuple(
        LoggedStatement(query=query, calls=5, total_ms=500, last_seen=last_seen) for query, last_seen in times.items()
    )
    window = since(later(log_statements=log), at_noon())
    workload = recorded_workload(window)
    assert {each.text for each in workload.statements} == {"SELECT b FROM t", "SELECT a, b FROM t"}
    (gap,) = workload.not_examined
    assert gap.what.startswith("server log: 1 statement: s")
    assert len(recorded_workload(later(log_statements=log)).statements) == 3
    listed = list_statements(window).statements
    assert {each.id: each.share_of_time for each in listed} == {each.id: 0.5 for each in workload.statements}
    assert {(each.only_logged, each.rows, each.calls) for each in listed} == {(True, None, 5)}
    assert list_statements(window, [listed[0].id]).statements == listed[:1]
    former = later(log_statements=tuple(each for each in log if each.last_seen != NOON))
    assert len(recorded_workload(since(former, at_noon())).statements) == 2
