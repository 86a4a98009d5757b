"""The benchmark of the commands runs them on a database with as much in it as it says."""

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from benchmarks import commands
from benchmarks.commands_areas import Size, build


@pytest.mark.parametrize("large", [False, True])
def test_an_area_has_the_tables_indexes_and_statements_it_says(database: str, large: bool) -> None:
    size = Size(areas=2, large=large)
    with connect(database, autocommit=True) as connection:
        build(connection, size)
    snapshot = capture(database)
    assert sum(each.kind == "r" for each in snapshot.relations) == size.tables
    assert len(snapshot.indexes) == size.indexes
    assert sum("area_0" in each.query for each in snapshot.statements) == size.statements


@pytest.mark.slow
def test_the_commands_are_measured() -> None:
    setting, section = commands.section(Size(areas=2, large=False), target_seconds=60)
    assert [target.name for target in section.targets] == [
        f"{name} on 20 tables with 44 indexes" for name in ("lint", "check", "revise", "report")
    ]
    assert all(target.met for target in section.targets)
    assert "## Targets" in commands.render_page(setting, [section])
