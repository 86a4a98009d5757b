"""Verification: what counts as slower, as noise, as no finding at all; and what was expected."""

import math
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from analyzer.advise.verification import Expected, Measured, deviation, measure
from analyzer.capture.capture import capture
from analyzer.errors import NotExaminableError
from analyzer.render.output import render
from analyzer.workflows.verify import verify
from analyzer.workload.parse import parse_statements
from tests.server.catalog_free import pair, statement

SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE item (id integer PRIMARY KEY, name text, kind integer, note text);
INSERT INTO item SELECT i, 'name ' || i, i % 50, repeat('x', 100) FROM generate_series(1, 30000) AS i;
CREATE FUNCTION items_of(k integer) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM item WHERE kind = k';
ANALYZE;
SELECT pg_stat_statements_reset()
"""


def execute(url: str, script: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for each in script.split(";\n"):
            connection.execute(each.encode())


def work(url: str, times: int = 12) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(times):
            connection.execute("SELECT id FROM item WHERE name = %s", (f"name {number}",))
            connection.execute("SELECT note FROM item WHERE id = %s", (number,))
            connection.execute("SELECT 1")
            connection.execute("SELECT current_schema()")
            connection.execute("SELECT relname FROM pg_catalog.pg_class WHERE oid = %s", (1,))
            connection.execute("SELECT items_of(%s)", (number,))


def test_a_deploy_is_measured_beside_its_prediction(database: str) -> None:
    execute(database, SCHEMA)
    work(database)
    before = capture(database)
    execute(
        database,
        "CREATE INDEX ix_item_name ON item (name);\nCREATE TABLE other (id integer PRIMARY KEY);\n"
        "SELECT pg_stat_statements_reset()",
    )
    work(database)
    after = capture(database)
    report = verify(before, after)
    checked = report.verification
    assert checked is not None
    assert checked.indexes_added == ("public.ix_item_name",)
    assert checked.indexes_dropped == ()
    by_query = {each.query: each for each in checked.statements}
    assert set(by_query) == {
        "SELECT id FROM item WHERE name = $1", "SELECT note FROM item WHERE id = $1", "SELECT items_of($1)",
    }  # fmt: skip
    named, by_key = by_query["SELECT id FROM item WHERE name = $1"], by_query["SELECT note FROM item WHERE id = $1"]
    assert named.ratio is not None
    assert named.ratio > 3
    assert named.predicted_ratio is not None
    assert named.predicted_ratio > 10
    assert by_key.predicted_ratio == pytest.approx(1)
    assert (named.calls, named.calls_after) == (12, 12)
    assert named.stddev_ms_before is not None
    assert report.tableless == 4, "SELECT 1, current_schema(), pg_class and the reset"
    assert not [gap for gap in report.not_examined if "reads no table" in gap.reason]
    assert {check.code: check.skipped for check in report.checks} == {"TX901": 0}
    text = render(report, "text")
    assert text.startswith("With 1 index the workload runs ")
    assert "4 statements read no table" in text


def test_an_index_that_went_away_is_expected_to_hurt(database: str) -> None:
    execute(database, SCHEMA + ";\nCREATE INDEX ix_item_name ON item (name);\nANALYZE")
    # What takes hardly any time shows what every execution takes.
    nothing = ";\n".join(["SELECT id FROM item LIMIT 0"] * 12)
    work(database)
    execute(database, nothing)
    before = capture(database)
    execute(database, "DROP INDEX ix_item_name;\nSELECT pg_stat_statements_reset()")
    work(database)
    execute(database, nothing)
    report = verify(before, capture(database))
    checked = report.verification
    assert checked is not None
    assert checked.indexes_dropped == ("public.ix_item_name",)
    named = next(each for each in checked.statements if "name = $1" in each.query)
    assert named.regressed
    assert named.predicted_ratio is not None
    assert named.predicted_ratio < 0.1
    message = next(finding.message for finding in report.findings if finding.object == named.id)
    assert "the noise is" in message


def test_a_definition_replaced_under_its_name_counts(database: str) -> None:
    execute(database, SCHEMA + ";\nCREATE INDEX ix_item ON item (note);\nANALYZE")
    work(database)
    before = capture(database)
    execute(database, "DROP INDEX ix_item;\nCREATE INDEX ix_item ON item (name);\nSELECT pg_stat_statements_reset()")
    work(database)
    report = verify(before, capture(database))
    assert report.verification is not None
    assert report.verification.indexes_added == report.verification.indexes_dropped == ("public.ix_item",)
    named = next(each for each in report.verification.statements if "name = $1" in each.query)
    assert named.predicted_ratio is not None
    assert named.predicted_ratio > 10


def test_an_index_on_a_column_that_is_new_is_a_gap_not_a_failure(database: str) -> None:
    execute(database, SCHEMA)
    work(database)
    before = capture(database)
    execute(
        database,
        "ALTER TABLE item ADD COLUMN fresh integer;\nCREATE INDEX ix_fresh ON item (fresh);\n"
        "SELECT pg_stat_statements_reset()",
    )
    work(database)
    report = verify(before, capture(database))
    assert [gap.what for gap in report.not_examined if "expected to gain" in gap.what] == [
        "what public.ix_fresh was expected to gain"
    ]


def test_nothing_that_ran_again_is_exit_3(database: str) -> None:
    execute(database, SCHEMA)
    work(database)
    before = capture(database)
    execute(database, "SELECT pg_stat_statements_reset()")
    with pytest.raises(NotExaminableError, match="run the workload after the deploy"):
        verify(before, capture(database))


def test_counters_that_ran_on_are_taken_apart() -> None:
    times = [1.0, 2.0, 3.0, 4.0], [10.0, 12.0, 20.0]
    reset = datetime(2026, 1, 1, tzinfo=UTC)
    before, after = pair(statement("SELECT a FROM t", times[0]), statement("SELECT a FROM t", times[0] + times[1]))
    running = (
        before.model_copy(update={"statements_reset": reset}),
        after.model_copy(update={"statements_reset": reset}),
    )
    (measured,) = measure(*running)
    assert measured.calls_after == 3
    assert measured.mean_ms_after == pytest.approx(14)
    assert measured.stddev_ms_after == pytest.approx(math.sqrt(sum((t - 14) ** 2 for t in times[1]) / 3))
    later = after.model_copy(update={"statements_reset": reset + timedelta(hours=1)})
    (measured,) = measure(running[0], later)
    assert measured.calls_after == 7
    assert measure(running[0], running[0]) == ()


@pytest.mark.parametrize("cautious", [True, False])
def test_a_prediction_that_did_not_believe_a_limit_says_so(cautious: bool) -> None:
    _, after = pair(statement("SELECT a FROM t", [1.0]), statement("SELECT a FROM t", [1.0]))
    (ran,) = parse_statements(after).statements
    measured = Measured(
        before=ran,
        mean_ms_before=10.0,
        mean_ms_after=1.0,
        calls_after=5,
        stddev_ms_after=0.1,
        blocks_read_after=7,
    )
    expected = Expected(
        cost_before=100.0,
        cost_after=600.0,
        mean_ms_before=10.0,
        mean_ms_after=60.0,
        uses=("public.ix",),
        approximate=False,
        generic=False,
        limited=False,
        cautious=cautious,
        fixed_ms=0.0,
    )
    why = deviation(measured, expected, frozenset())
    said = "its LIMIT ended the scan of a new index early, and it was priced as if it did not"
    assert why == (said if cautious else "unknown reason")
