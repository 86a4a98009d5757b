"""Logs that real servers wrote: every format tells the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.twin.server import cluster
from analyzer.workload.log_reader import ServerLog, read_log
from tests.server.logged_workload import PREFIXES, Logs, server_logs
from tests.server.servers import DEBIAN_15, need_15


@pytest.fixture(scope="module", params=["embedded", "debian-15"])
def logs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logs]:
    """The logs of a workload on each version."""
    if request.param == "debian-15":
        need_15()
    binaries = cluster.find_binaries(DEBIAN_15 if request.param == "debian-15" else None)
    with server_logs(binaries, tmp_path_factory.mktemp("logs")) as found:
        yield found


def of_workload(log: ServerLog) -> dict[str, object]:
    """What a log tells of the workload that does not depend on the clock."""
    return {
        each.query: (
            each.calls, each.parses, each.binds, each.prepared, each.users, each.total_ms is not None,
            each.other_calls, len(each.bindings), round(sum(binding.share for binding in each.bindings), 9),
        )
        for each in log.statements
    }  # fmt: skip


def happened(log: ServerLog) -> set[tuple[str, str | None, int]]:
    return {(each.kind, each.query, each.count) for each in log.events}


def test_every_format_tells_the_same(logs: Logs) -> None:
    whole = read_log([logs.jsonlog], database="postgres")
    for path in (logs.csvlog, *logs.stderr.values()):
        log = read_log([path], database="postgres")
        assert of_workload(log) == of_workload(whole), path
        assert happened(log) == happened(whole), path
        assert len(log.plans) == len(whole.plans), path
    assert [file.format for file in whole.files] == ["jsonlog"]


def test_prefix_that_is_given_is_not_searched_for(logs: Logs) -> None:
    path = logs.stderr[PREFIXES[2]]
    assert of_workload(read_log([path], prefix=PREFIXES[2])) == of_workload(read_log([path]))
    assert not read_log([path], prefix="%p nothing like it ").statements


def test_statements_have_their_calls_values_and_names(logs: Logs) -> None:
    log = read_log([logs.csvlog])
    found = {each.query: each for each in log.statements}
    simple = found["SELECT count(*) FROM orders WHERE customer = $1"]
    assert (simple.calls, simple.applications, simple.databases) == (20, ("shop worker",), ("postgres",))
    assert {binding.values for binding in simple.bindings} == {("0",), ("1",), ("2",), ("3",)}
    extended = found["SELECT * FROM orders WHERE customer = $1 AND state = $2"]
    shares = {binding.values: binding.share for binding in extended.bindings}
    assert max(shares, key=lambda values: shares[values]) == ("7", "it's")
    assert shares["7", "it's"] == pytest.approx(0.5, abs=0.1)
    assert found["UPDATE orders SET note = $1 WHERE id = $2"].bindings[0].values == (None, "3")
    assert found["SELECT id FROM orders WHERE state = $1 LIMIT $2"].bindings[0].values == ("state 1", "1")
    in_list = found["SELECT id FROM orders WHERE id IN ($1, $2, $3) AND note IS NOT NULL"]
    assert (in_list.calls, len(in_list.bindings)) == (2, 2)
    assert all(each.queryids for each in log.statements)


def test_incidents_are_told_with_their_statement(logs: Logs) -> None:
    log = read_log([logs.jsonlog])
    found = {(each.kind, each.detail.split(" ")[0]): each for each in log.events}
    assert found["error", "23505"].count == 2
    assert found["canceled statement", "statement_timeout"].query == "SELECT pg_sleep($1) FROM orders"
    assert found["canceled statement", "lock_timeout"].count == 1
    assert found["temporary file", ""].total > 100_000
    assert found["lock wait", "RowExclusiveLock"].count == 1
    assert all(plan.query and plan.execution_ms is not None for plan in log.plans)


def test_texts_of_utility_statements_and_messages_are_not_kept(logs: Logs) -> None:
    for path in (logs.csvlog, logs.jsonlog, *logs.stderr.values()):
        log = read_log([path])
        told = repr((log.files, log.statements, log.events, log.not_examined))
        assert "hunter2" not in told
        assert "utility statements" in told


def test_values_are_left_out_where_they_are_not_wanted(logs: Logs) -> None:
    log = read_log([logs.jsonlog], values=False)
    assert of_workload(log).keys() == of_workload(read_log([logs.jsonlog])).keys()
    assert not any(each.bindings or each.applications for each in log.statements)


def test_cut_anywhere_a_log_is_read_as_far_as_it_goes(logs: Logs, tmp_path: Path) -> None:
    for whole in (logs.csvlog, logs.jsonlog, logs.stderr[PREFIXES[0]]):
        text, cut = whole.read_bytes(), tmp_path / whole.name
        everything = sum(each.calls for each in read_log([whole]).statements)
        for part in (text[: len(text) // 2], text[len(text) // 3 :]):
            cut.write_bytes(part)
            log = read_log([cut])
            assert 0 < sum(each.calls for each in log.statements) < everything
            assert log.files[0].records > 0
