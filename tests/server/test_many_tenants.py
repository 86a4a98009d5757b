"""Five hundred schemas: one spec, one step, and a deploy that goes on from where an earlier one was interrupted."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.findings import FindingsDocument
from analyzer.specs.file import load_specs
from analyzer.specs.tolerant import load_sources
from analyzer.workflows.check import check
from analyzer.workflows.lint import lint_against
from tests.conftest import fresh_database
from tests.server.executor import await_, state, upgrade
from tests.server.spec_project import SpecProject

SCHEMAS = 500
HALF = SCHEMAS // 2
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
        create_schemas(url, *range(SCHEMAS))
        yield project


def create_schemas(url: str, *numbers: int) -> None:
    with connect(url, autocommit=True) as connection:
        for number in numbers:
            for statement in SCHEMA:
                connection.execute(statement.format(f"tenant_{number:03}").encode())


def built(project: SpecProject) -> dict[str, int]:
    """Return the oid of each valid index of the spec by its schema."""
    with connect(project.url) as connection:
        rows = connection.execute(
            "SELECT n.nspname AS schema_name, c.oid::bigint AS oid FROM pg_index AS i "
            "JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace "
            "WHERE c.relname = 'ix_day' AND i.indisvalid ORDER BY 1"
        ).fetchall()
    return {row["schema_name"]: row["oid"] for row in rows}


def drift(document: FindingsDocument) -> list[tuple[str, str, str]]:
    return [(f.code, f.object, f.message) for f in document.findings if f.code.startswith("TX3")]


def timed(what: str, do: Callable[[], T]) -> T:
    started = time.monotonic()
    done = do()
    print(f"{what}: {time.monotonic() - started:.1f} s")
    return done


@pytest.mark.slow
def test_five_hundred_schemas(many: SpecProject, caplog: pytest.LogCaptureFixture) -> None:
    def checked() -> FindingsDocument:
        return check(capture(many.url, statements=False), load_specs(many.specs), many.ini)

    many.declare("{name: ix_day, keys: [day], where: open}", table="tenant_*.orders")
    snapshot = timed("capture", lambda: capture(many.url, statements=False))
    linted = timed("lint", lambda: lint_against(load_sources([many.specs]), snapshot))
    assert linted.objects == SCHEMAS
    assert len(linted.findings) < 5
    ((code, _, message),) = drift(timed("capture and check", checked))
    assert code == "TX301"
    assert message.startswith("in each of 500 schemas: ")
    written = timed("revise", many.revise)
    assert written is not None
    assert written.read_text().count("op.build_index(") == 1

    process = upgrade(many)
    await_(lambda: len(built(many)) >= HALF, seconds=240)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0, output
    before = built(many)
    assert HALF <= len(before) < SCHEMAS
    with caplog.at_level(logging.INFO, "analyzer.migrate"):
        timed("upgrade of the other half", many.upgrade)
    assert "ix_day in schema tenant_007, 8 of 500" in caplog.messages
    assert "tenant_007.ix_day is there already" in caplog.messages
    assert sum(message.startswith("built tenant_") for message in caplog.messages) == SCHEMAS - len(before)
    after = built(many)
    assert len(after) == SCHEMAS
    assert {name: oid for name, oid in after.items() if name in before} == before
    assert drift(checked()) == []
    assert timed("alembic check", many.check) == []

    create_schemas(many.url, SCHEMAS)
    ((_, _, message),) = drift(checked())
    assert message.startswith("in 1 of 501 schemas, tenant_500: ix_day does not exist")
    written = many.revise()
    assert written is not None
    assert '"tenant_500"' in written.read_text()
    timed("upgrade of a new schema", many.upgrade)
    assert drift(checked()) == []
    many.downgrade()
    assert built(many) == after
    timed("downgrade", many.downgrade)
    assert state(many.url) == {}
