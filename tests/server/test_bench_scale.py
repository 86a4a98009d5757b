"""The benchmark of the advisor's scale has the tables, indexes and statements that it says, the same in every run."""

from pathlib import Path

import pytest

from analyzer.documents.snapshot import dump, load
from benchmarks.advisor_scale import captured_schema, measure, section, with_statements
from benchmarks.advisor_schema import ddl, tables
from benchmarks.advisor_workload import statements


def test_a_smaller_workload_is_the_beginning_of_a_larger_one() -> None:
    found = tables(30)
    assert list(ddl(found, 200)) == list(ddl(tables(30), 200))
    few, many = statements(found, 50), statements(found, 200)
    assert many[:50] == few
    whole = sum(each.total_ms for each in many)
    assert max(each.total_ms for each in many) < 0.05 * whole


@pytest.mark.slow
def test_the_advisor_is_measured(tmp_path: Path) -> None:
    snapshot = captured_schema(10, 60).snapshot
    assert sum(each.kind in "rp" and not each.parents for each in snapshot.relations) == 10
    assert len(snapshot.indexes) >= 60
    path = tmp_path / "scale.snapshot"
    dump(with_statements(snapshot, 40, 10), path)
    assert not load(path).not_examined
    found = measure("propose", path)
    assert found.statements == 40
    assert found.proposals > 0
    assert "`propose`" in section([found]).text
