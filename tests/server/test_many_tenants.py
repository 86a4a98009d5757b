"""Five hundred schemas: written as one step, built in each, and compared in a time a person waits for."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.specs.file import load_specs
from analyzer.specs.tolerant import load_sources
from analyzer.workflows.check import check
from analyzer.workflows.lint import lint_against
from tests.conftest import fresh_database
from tests.server.spec_project import SpecProject

SCHEMAS = 500
SCHEMA = (
    "CREATE SCHEMA {}",
    "CREATE TABLE {}.orders (id int PRIMARY KEY, day date, open bool, note text)",
    "CREATE TABLE {}.items (id int PRIMARY KEY, name text)",
)
T = TypeVar("T")


@pytest.fixture
def many(tmp_path: Path, any_server: str) -> Iterator[SpecProject]:
    """A project whose database has many schemas with the same two tables."""
    with fresh_database(any_server) as url:
        project = SpecProject(tmp_path, url)
        with connect(url, autocommit=True) as connection:
            for number in range(SCHEMAS):
                for statement in SCHEMA:
                    connection.execute(statement.format(f"tenant_{number}").encode())
        yield project


@pytest.mark.slow
def test_five_hundred_schemas(many: SpecProject) -> None:
    def timed(what: str, do: Callable[[], T]) -> T:
        started = time.monotonic()
        done = do()
        print(f"{what}: {time.monotonic() - started:.1f} s")
        return done

    many.declare("{name: ix_day, keys: [day]}\n{name: ix_open, keys: [id], where: open}", table="tenant_*.orders")
    snapshot = timed("capture", lambda: capture(many.url, statements=False))
    linted = timed("lint", lambda: lint_against(load_sources([many.specs]), snapshot))
    assert linted.objects == 2 * SCHEMAS
    assert len(linted.findings) < 5
    missing = timed("check", lambda: check(snapshot, load_specs(many.specs), many.ini))
    assert sum(finding.code == "TX301" for finding in missing.findings) == 2
    written = timed("revise", many.revise)
    assert written is not None
    assert written.read_text().count("op.build_index(") == 2
    timed("upgrade", many.upgrade)
    facts = many.facts()
    assert sum(name.endswith(".ix_day") and fact.valid for name, fact in facts.items()) == SCHEMAS
    assert timed("alembic check", many.check) == []
    after = check(capture(many.url, statements=False), load_specs(many.specs), many.ini)
    assert not [finding for finding in after.findings if finding.code.startswith("TX3")]
    timed("downgrade", many.downgrade)
    assert many.facts() == {}
    timed("upgrade again", many.upgrade)
    assert many.facts() == facts
