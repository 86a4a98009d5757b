"""Tables to analyze: whose statistics the server lacks, and not those that the capture could not read."""

import pytest

from analyzer.advise.benefit import Execution, PricedStatement, Query
from analyzer.advise.stale_statistics import stale_tables
from analyzer.documents.snapshot import NotExamined, TableActivity
from analyzer.workload.parse import parse_file
from analyzer.workload.shapes import Shape, shape
from tests.unit.catalogs import NOON, snapshot, table

ACTIVITY = TableActivity(
    seq_scans=0, seq_rows_read=0, index_scans=0, rows_inserted=0, rows_updated=0, rows_hot_updated=0, rows_deleted=0,
    live_rows=1_000_000, dead_rows=0, modified_since_analyze=0, last_vacuum=None, last_analyze=NOON,
)  # fmt: skip


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ((), True),
        (("statistics of public.other", "statistics of the expressions of index public.t"), True),
        (("statistics of public.t",), False),
        (("statistics of public.t (id)",), False),
        (("statistics of 12 more tables",), False),
    ],
)
def test_statistics_that_the_role_may_not_read_are_not_missing(gaps: tuple[str, ...], *, expected: bool) -> None:
    catalog = snapshot(table("t", "id bigint")).model_copy(
        update={"not_examined": tuple(NotExamined(what=each, reason="") for each in gaps)}
    )
    relations = tuple(each.model_copy(update={"activity": ACTIVITY}) for each in catalog.relations)
    catalog = catalog.model_copy(update={"relations": relations})
    (statement,) = parse_file("SELECT id FROM t").statements
    shaped = shape(statement, catalog)
    assert isinstance(shaped, Shape)
    item = PricedStatement(
        statement=statement,
        shape=shaped,
        generic=statement.text,
        execution=Execution(queries=(Query(text=statement.text, times=1.0),)),
        tables=None,
    )
    assert bool(stale_tables(catalog, [item], {statement: 1.0})) == expected
