"""The twin answers every demo statement as the live server does, before and after the new indexes exist."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command as alembic
from alembic.config import Config

from analyzer.capture.capture import capture
from analyzer.db import Connection, connect
from analyzer.demo import LEFT_OUT, data, workload
from analyzer.demo.project import copy_project
from analyzer.demo.rows import FAST
from analyzer.demo.story import SCHEMA_REVISION
from analyzer.documents.snapshot import NotExamined
from analyzer.sql import render
from analyzer.twin.twin import PlanTree, Twin, open_twin, walk
from analyzer.workload.parse import Statement, parse_statements
from analyzer.workload.repair import repair
from analyzer.workload.shapes import shape
from tests.conftest import fresh_database

TOLERANCE = 0.001


def _silent(_table: str, _done: int, _total: int) -> None:
    """Show no progress."""


def migrate(project: Path, url: str, revision: str) -> None:
    """Run the revisions of a project."""
    config = Config(project / "alembic.ini")
    config.attributes["url"] = url
    alembic.upgrade(config, revision)


@pytest.fixture(scope="module")
def platform(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the platform without the indexes that the demo leaves out, loaded and worked with."""
    project = tmp_path_factory.mktemp("platform") / "project"
    copy_project(project, leave_out=LEFT_OUT)
    with fresh_database(server) as url:
        migrate(project, url, SCHEMA_REVISION)
        with connect(url) as connection:
            data.load(connection, scale=FAST, seed=1, progress=_silent)
        migrate(project, url, "head")
        settle(url)
        workload.run(url, scale=FAST, seed=1, count=600)
        yield url


def settle(url: str) -> None:
    with connect(url, autocommit=True) as connection:
        data.settle(connection)


def live_plan(connection: Connection, text: str) -> PlanTree:
    query = render("twin/explain", statement=text, generic=True, verbose=False)
    row: Any = connection.execute(query, prepare=False).fetchone()
    return row["QUERY PLAN"][0]["Plan"]


def plannable(connection: Connection, statement: Statement) -> str:
    """Mend parameters without a type until the live server plans the statement."""
    text: str | None = statement.plannable
    while text is not None:
        try:
            live_plan(connection, text)
        except psycopg.Error as error:
            text = repair(text, error)
        else:
            return text
    pytest.fail(f"the live server does not plan {statement.text}")


def outline(plan: PlanTree) -> list[tuple[str, str | None, str | None]]:
    return [(node["Node Type"], node.get("Relation Name"), node.get("Index Name")) for node in walk(plan)]


def differences(connection: Connection, twin: Twin, statements: tuple[Statement, ...]) -> list[str]:
    found: list[str] = []
    for statement in statements:
        text = plannable(connection, statement)
        live, twinned = live_plan(connection, text), twin.plan(text)
        ratio = twinned.cost / live["Total Cost"] if live["Total Cost"] else 1.0
        if abs(ratio - 1) > TOLERANCE or outline(live) != outline(twinned.tree):
            found.append(f"{twinned.cost} for {live['Total Cost']}: {' '.join(text.split())[:200]}")
    return found


def test_every_statement_costs_on_the_twin_what_it_costs_live(platform: str, tmp_path: Path) -> None:
    with connect(platform, autocommit=True) as connection:
        settle(platform)
        before = capture(platform)
        recorded = parse_statements(before).statements
        # Queries of the system catalogs (drivers', the executor's) run on tables the twin has of its own.
        statements = tuple(each for each in recorded if not isinstance(shape(each, before), NotExamined))
        assert len(statements) >= 40
        with open_twin(before) as twin:
            assert differences(connection, twin, statements) == []
        copy_project(tmp_path / "whole", leave_out=())
        migrate(tmp_path / "whole", platform, "head")
        settle(platform)
        after = capture(platform)
        assert set(LEFT_OUT) <= {index.definition.name for index in after.indexes}
        with open_twin(after) as twin:
            assert differences(connection, twin, statements) == []
