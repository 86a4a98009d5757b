"""What functions run is counted once, and the query inside a utility statement counts."""

from collections.abc import Iterator

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.specs.file import SpecSet
from analyzer.twin.server import cluster
from analyzer.workflows.propose import propose
from analyzer.workload.parse import Statement, Workload, parse_statements
from tests.server.capture_zoo import new_database, run
from tests.server.servers import DEBIAN_15, SETTINGS, VERSIONS, need_15

OBJECTS = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE t AS SELECT i AS id, i % 5000 AS k, i AS v FROM generate_series(1, 50000) AS i",
    "CREATE MATERIALIZED VIEW mv AS SELECT * FROM t WHERE k = 17",
    """CREATE FUNCTION f(a int) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE n bigint; r record; x bigint;
    BEGIN
        SELECT count(*) INTO STRICT n FROM t WHERE k = a;
        x := (SELECT max(v) FROM t WHERE k = a AND id > 5);
        IF EXISTS (SELECT 1 FROM t WHERE v = a + 7) THEN n := n + 1; END IF;
        FOR r IN SELECT id, k FROM t WHERE k = a LIMIT 3 LOOP
            UPDATE t SET v = v + 1 WHERE id = r.id;
        END LOOP;
        PERFORM count(*) FROM t WHERE v < a;
        EXECUTE 'SELECT sum(v) FROM t WHERE k = $1' INTO n USING a;
        RETURN (SELECT count(*) FROM t WHERE v > a);
    END $$""",
    "CREATE FUNCTION h(a int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN f(a); END $$",
    "ANALYZE",
)
NESTED = (
    "(SELECT count(*) FROM t WHERE v > a)",
    "SELECT count(*)               FROM t WHERE k = a",
    "SELECT count(*) FROM t WHERE v < a",
    "EXISTS (SELECT $2 FROM t WHERE v = a + $3)",
    "SELECT id, k FROM t WHERE k = a LIMIT $2",
    "UPDATE t SET v = v + $8 WHERE id = r.id",
    "x := (SELECT max(v) FROM t WHERE k = a AND id > $2)",
    "SELECT sum(v) FROM t WHERE k = $1",
)


@pytest.fixture(scope="module", params=VERSIONS)
def tracked(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a database whose server records nested statements."""
    binaries = None
    if request.param != "embedded":
        need_15()
        binaries = cluster.find_binaries(DEBIAN_15)
    settings = {
        **SETTINGS, "shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "all",
    }  # fmt: skip
    with cluster.temporary(binaries, settings=settings) as running, new_database(running.url()) as url:
        with connect(url, autocommit=True) as connection:
            for statement in OBJECTS:
                run(connection, statement)
        yield url


def recorded(url: str, *statements: str, track: str = "all") -> Snapshot:
    with connect(url, autocommit=True) as connection:
        run(connection, f"SET pg_stat_statements.track = '{track}'")
        run(connection, "SELECT pg_stat_statements_reset()")
        for statement in statements:
            run(connection, statement)
    snapshot = capture(url, allow_superuser=True)
    kept = tuple(entry for entry in snapshot.statements if "reset" not in entry.query)
    return snapshot.model_copy(update={"statements": kept})


def by_text(workload: Workload) -> dict[str, Statement]:
    return {each.text: each for each in workload.statements}


def test_the_statements_of_a_function_are_counted_once(tracked: str) -> None:
    snapshot = recorded(tracked, *(f"SELECT f({n})" for n in range(20)))
    workload = parse_statements(snapshot)
    found = by_text(workload)
    squeezed = {" ".join(text.split()): each for text, each in found.items()}
    for text in NESTED:
        assert squeezed[" ".join(text.split())].toplevel is False, text
    caller = found["SELECT f($1)"]
    nested_ms = sum(entry.total_ms for entry in snapshot.statements if not entry.toplevel)
    assert caller.total_ms is not None
    assert caller.nested_ms == pytest.approx(nested_ms)
    assert sum(workload.shares.values()) == pytest.approx(1)
    assert workload.shares[caller] < 0.5


def test_a_function_that_another_one_calls_without_a_statement(tracked: str) -> None:
    snapshot = recorded(tracked, *(f"SELECT h({n})" for n in range(5)))
    caller = by_text(parse_statements(snapshot))["SELECT h($1)"]
    nested_ms = sum(entry.total_ms for entry in snapshot.statements if not entry.toplevel)
    assert caller.nested_ms == pytest.approx(nested_ms)


def test_the_variables_of_a_function_are_parameters(tracked: str) -> None:
    snapshot = recorded(tracked, *(f"SELECT f({n})" for n in range(20)))
    found = propose(snapshot, parse_statements(snapshot), SpecSet(specs=()))
    assert [gap for gap in found.document.not_examined if gap.share_of_time is not None] == []
    assert found.document.share_not_examined == 0
    keys = {(proposal.table, tuple(key.column for key in each.built.index.keys))
            for proposal, each in zip(found.document.proposals, found.advice.proposals, strict=True)}  # fmt: skip
    assert {("public.t", ("k",)), ("public.t", ("id",))} <= {(table, columns[:1]) for table, columns in keys}


@pytest.mark.parametrize(
    "statements",
    [
        ("PREPARE p(int) AS SELECT * FROM t WHERE k = $1 AND v > 5", "EXECUTE p(1)", "EXECUTE p(2)", "DEALLOCATE p"),
        ("EXPLAIN ANALYZE SELECT * FROM t WHERE k = 4",),
        ("EXPLAIN (ANALYZE, COSTS off) SELECT * FROM t WHERE k = 4",),
        ("CREATE TABLE t2 AS SELECT * FROM t WHERE k = 3", "DROP TABLE t2"),
        ("CREATE TEMP TABLE t3 AS (SELECT * FROM t WHERE k = 3) WITH DATA", "DROP TABLE t3"),
        ("SELECT * INTO t4 FROM t WHERE k = 3", "DROP TABLE t4"),
        ("REFRESH MATERIALIZED VIEW mv",),
        ("COPY (SELECT * FROM t WHERE k = 12) TO '/dev/null'",),
        ("DO $$ BEGIN FOR n IN 1..50 LOOP PERFORM * FROM t WHERE k = 5; END LOOP; END $$",),
    ],
    ids=lambda statements: statements[0][:30],
)
@pytest.mark.parametrize("track", ["top", "all"])
def test_the_query_inside_counts(tracked: str, statements: tuple[str, ...], track: str) -> None:
    snapshot = recorded(tracked, *statements, track=track)
    workload = parse_statements(snapshot)
    if statements[0].startswith("DO") and track == "top":
        (gap,) = workload.not_examined
        assert "track = 'all'" in gap.reason
        assert gap.share_of_time == pytest.approx(1)
        return
    found = propose(snapshot, workload, SpecSet(specs=()))
    assert [proposal.table for proposal in found.document.proposals] == ["public.t"]
    assert found.document.share_not_examined < 0.5
    assert len({each.id for each in workload.statements}) == len(workload.statements)


def test_what_explain_only_plans_is_no_work(tracked: str) -> None:
    snapshot = recorded(tracked, "EXPLAIN SELECT * FROM t WHERE k = 9", "EXPLAIN (ANALYZE off) SELECT 1")
    assert snapshot.statements == ()
