"""Snapshots of one cluster are merged: what is cumulative counts once, what is not adds up, all else is refused."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analyzer.cli import cli
from analyzer.documents.measured import ServerCounters
from analyzer.documents.server_log import LogFile, LoggedStatement
from analyzer.documents.snapshot import NotExamined, Snapshot, StatementCounters, dump
from analyzer.errors import InputError
from analyzer.workflows.merge import Named, merge
from tests.unit.catalogs import NOON, recorded, snapshot, table

HOUR = timedelta(hours=1)
RESET = NOON - timedelta(days=9)
TABLE = table("t", "a int, b int").model_copy(update={"oid": 7})
QUERY = "SELECT a FROM t"


def taken(
    hours: int,
    *statements: StatementCounters,
    reset: datetime | None = RESET,
    replica: bool = False,
    cluster: str | None = "7",
    **more: object,
) -> Snapshot:
    made = snapshot(TABLE, statements=statements)
    server = made.server.model_copy(
        update={
            "in_recovery": replica,
            "system_identifier": cluster,
            "started_at": NOON - HOUR * (2 if replica else 3),
        }
    )
    update = {"captured_at": NOON + HOUR * hours, "server": server, "statements_reset": reset, "statements_evicted": 5}
    return made.model_copy(update=update | more)


def merged(*snapshots: Snapshot) -> Snapshot:
    return merge([Named(name=f"s{number}", snapshot=each) for number, each in enumerate(snapshots)])


def ran(calls: int, query: str = QUERY, queryid: str = "1") -> StatementCounters:
    return recorded(query, calls=calls, total_ms=calls * 10, rows=calls, queryid=queryid)


def calls(found: Snapshot) -> dict[str, int]:
    return {each.query: each.calls for each in found.statements}


def told(found: Snapshot) -> str:
    return "\n".join(f"{gap.what}: {gap.reason}" for gap in found.not_examined)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_counters_that_were_not_reset_count_once(order: tuple[int, ...]) -> None:
    taken_at = [taken(0, ran(10)), taken(1, ran(15)), taken(2, ran(40), ran(1, "SELECT b FROM t", "2"))]
    found = merged(*(taken_at[each] for each in order))
    assert calls(found) == {QUERY: 40, "SELECT b FROM t": 1}
    assert (found.captured_at, found.statements_reset, found.statements_evicted) == (NOON + 2 * HOUR, RESET, 5)
    assert told(found) == ""
    assert [each.since_snapshot is None for each in found.merged] == [True, False, False]


def test_counters_since_a_reset_add_up() -> None:
    found = merged(taken(0, ran(10)), taken(3, ran(4), reset=NOON + HOUR), taken(4, ran(6), reset=NOON + HOUR))
    assert calls(found) == {QUERY: 16}
    assert (found.statements_reset, found.statements_evicted) == (RESET, 10)
    assert "statements between s0 and the reset: pg_stat_statements was reset at 2026-01-01 13:00:00 UTC" in told(found)


def test_a_primary_and_its_replicas_add_up_and_the_primary_gives_the_rest() -> None:
    replica = taken(2, ran(5), ran(3, "SELECT b FROM t", "2"), replica=True, reset=RESET + HOUR)
    later = taken(5, ran(9), ran(4, "SELECT b FROM t", "2"), replica=True, reset=RESET + HOUR)
    found = merged(replica, taken(1, ran(10)), later)
    assert calls(found) == {QUERY: 19, "SELECT b FROM t": 4}
    assert (found.server.in_recovery, found.captured_at) == (False, NOON + HOUR)
    assert told(found) == ""


def test_a_replica_that_was_promoted_is_one_server() -> None:
    before = taken(0, ran(5), replica=True)
    after = before.model_copy(
        update={
            "captured_at": NOON + HOUR,
            "server": before.server.model_copy(update={"in_recovery": False}),
            "statements": (ran(8),),
        }
    )
    assert calls(merged(before, after)) == {QUERY: 8}


def test_what_was_evicted_between_is_kept_and_told() -> None:
    found = merged(taken(0, ran(10), ran(7, "SELECT b FROM t", "2")), taken(1, ran(4)))
    assert calls(found) == {QUERY: 14, "SELECT b FROM t": 7}
    assert "1 statement of the older snapshot: they were evicted or reset" in told(found)
    assert "1 statement: they were evicted or reset and recorded again" in told(found)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (taken(1, cluster="8"), "s0 and s1 are of different clusters; use each separately"),
        (taken(1, cluster=None, relations=(TABLE.model_copy(update={"oid": 8}),)), "tables have different OIDs"),
        (
            taken(1, server=taken(0).server.model_copy(update={"database": "x"})),
            "s0 and s1 are of different databases, shop and x; specify snapshots of the same one",
        ),
        (taken(1, server=taken(0).server.model_copy(update={"version_num": 150000})), "are of different clusters"),
        (
            taken(1, servers=(ServerCounters(name="a", in_recovery=False, started_at=NOON, stats_reset=None),)),
            "s0 and s1 are of different servers",
        ),
        (taken(0), "s0 and s1 are the same snapshot; specify it once"),
    ],
)
def test_what_cannot_be_merged_is_refused(other: Snapshot, message: str) -> None:
    with pytest.raises(InputError) as raised:
        merged(taken(0), other)
    assert message in str(raised.value)


def test_a_reset_of_some_of_the_servers_is_refused() -> None:
    def servers(*resets: datetime) -> tuple[ServerCounters, ...]:
        return tuple(
            ServerCounters(
                name=str(number), in_recovery=number > 0, started_at=NOON, stats_reset=None, statements_reset=reset
            )
            for number, reset in enumerate(resets)
        )

    first = taken(0, ran(10), servers=servers(RESET, RESET))
    with pytest.raises(InputError, match="of some of the servers was reset between s0 and s1, of others not"):
        merged(first, taken(1, ran(12), servers=servers(RESET, NOON)))
    assert calls(merged(first, taken(1, ran(12), servers=servers(RESET, RESET)))) == {QUERY: 12}


def test_logs_are_summed_unless_they_have_a_file_in_common() -> None:
    def logged(hours: int, name: str, count: int, *, replica: bool = False) -> Snapshot:
        file = LogFile(name=name, format="stderr", records=count, begin=NOON)
        statement = LoggedStatement(query=QUERY, calls=count, total_ms=count * 2.0, last_seen=NOON + HOUR * hours)
        return taken(hours, log_files=(file,), log_statements=(statement,), replica=replica)

    (once,) = merged(logged(0, "a.log", 10), logged(1, "a.log", 15)).log_statements
    assert (once.calls, once.total_ms) == (15, 30)
    found = merged(logged(0, "a.log", 10), logged(1, "b.log", 15, replica=True))
    (summed,) = found.log_statements
    assert (summed.calls, summed.total_ms, summed.last_seen) == (25, 50, NOON + HOUR)
    assert [each.name for each in found.log_files] == ["b.log", "a.log"]


def test_gaps_of_all_are_told() -> None:
    gap = NotExamined(what="3 statements of other roles", reason="hidden")
    found = merged(taken(0, not_examined=(gap,)), taken(1))
    assert told(found) == "3 statements of other roles (s0): hidden"


# The command


def test_the_command_says_what_was_merged(tmp_path: Path) -> None:
    for name, each in {"a": taken(0, ran(10)), "b": taken(1, ran(15)), "c": taken(2, cluster="8")}.items():
        dump(each, tmp_path / name)

    def asked(*arguments: str) -> Result:
        return CliRunner().invoke(
            cli, ["statements", *(str(tmp_path / each) if each[0] != "-" else each for each in arguments)]
        )

    assert "merged: a (primary, captured 2026-01-01 12:00 UTC, statements since 2025-12-23 12:00 UTC); " in (
        asked("a", "b").stdout.replace("\n", " ")
    )
    assert "merged" not in asked("b").stdout
    assert "are of different clusters" in str(asked("a", "c").exception)
    assert "no recorded statement has the ID" in str(asked("a", "nothing").exception)
    assert "--since cannot be used with several snapshots" in str(asked("a", "b", "--since", "c").exception)
