"""A deploy through every kind of engine that an env.py makes: its steps, its progress, and its failures in one line."""

import threading
import time
from argparse import Namespace
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from analyzer.db import connect
from tests.server.engines import KINDS, OWNED, SCHEMA, written
from tests.server.spec_project import SpecProject


@pytest.fixture
def project(tmp_path: Path, database: str) -> SpecProject:
    return SpecProject(tmp_path, database, schema=SCHEMA)


@pytest.fixture(scope="module", autouse=True)
def role(server: str) -> Generator[None]:
    with connect(server, autocommit=True) as connection:
        connection.execute("CREATE ROLE deployer")
    yield
    with connect(server, autocommit=True) as connection:
        connection.execute("DROP ROLE deployer")


#: Half of them hold the lock around all of a run; `make check-slow` has the other half.
CASES = [
    pytest.param(guarded, kind, marks=() if guarded == (number % 2 == 0) else pytest.mark.slow)
    for number, kind in enumerate(KINDS)
    for guarded in (True, False)
]


def upgrade(project: SpecProject, **options: str) -> None:
    config = Config(project.ini, cmd_opts=Namespace(x=[f"twindex_{name}={value}" for name, value in options.items()]))
    command.upgrade(config, "head")


@contextmanager
def blocked(project: SpecProject, log: pytest.LogCaptureFixture, awaited: str) -> Generator[None]:
    """Hold up concurrent builds on both tables until the log says something."""
    text = log.handler.stream
    with connect(project.url) as writer:
        writer.execute("UPDATE t SET s = 'w' WHERE id = 1")
        writer.execute("UPDATE u SET s = 'w' WHERE id = 1")

        def release() -> None:
            deadline = time.monotonic() + 20
            while awaited not in text.getvalue() and time.monotonic() < deadline:
                time.sleep(0.02)
            writer.rollback()

        thread = threading.Thread(target=release)
        thread.start()
        try:
            yield
        finally:
            thread.join()
    assert awaited in log.text


@pytest.mark.parametrize(("guarded", "kind"), CASES)
def test_every_engine_deploys_and_fails_in_one_line(
    project: SpecProject,
    kind: str,
    guarded: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("analyzer.migrate.deploy.watch._FIRST_LOOK_SECONDS", 0.05)
    caplog.set_level("INFO")
    written(project, kind, guarded=guarded)
    if kind == "SET ROLE":
        project.run(OWNED)
    project.declare("{name: ix_a, keys: [a]}")
    project.declare("{name: ix_b, keys: [s]}", table="publi*.u", file="u.yaml")
    assert project.autogenerate() is not None
    with blocked(project, caplog, "waits for pid"):
        upgrade(project, plain_build="0", jobs="2")
    assert {name: fact.valid for name, fact in project.facts().items()} == {"ix_a": True, "ix_b": True}
    assert project.check() == []

    project.declare(
        "{name: ix_a, keys: [a, s], comment: new}\n{name: ix_c, keys: [s]}", statistics="{name: st, columns: [a, s]}"
    )
    assert project.autogenerate() is not None
    upgrade(project)
    assert project.facts().keys() == {"ix_a", "ix_b", "ix_c", "statistics st"}
    assert project.check() == []

    project.declare("{name: ix_a, keys: [a, s], comment: new}\n{name: ix_c, keys: [s], state: retired}")
    project.declare("{name: ix_b, keys: [a], unique: true}", table="publi*.u", file="u.yaml")
    assert project.autogenerate() is not None
    said = r"could not create unique index.*; remove the duplicate rows, then run alembic upgrade again"
    with pytest.raises(CommandError, match=said) as failed:
        upgrade(project, plain_build="0")
    assert "\n" not in str(failed.value)
    assert project.facts()["ix_b"].valid
    project.run("DELETE FROM u WHERE id % 2 = 1")
    upgrade(project, plain_build="0")
    assert project.facts().keys() == {"ix_a", "ix_b", "statistics st"}
    assert project.check() == []
