"""What tests on servers of each version share: a project, a table, and a deployer's connection to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from analyzer.db import connect
from analyzer.migrate.deploy import watch
from tests.conftest import fresh_database
from tests.server.executor import TABLE, configured, deployer
from tests.server.sentences import Sentences, open_sentences
from tests.server.servers import VERSIONS, server_of
from tests.server.spec_project import SpecProject


@pytest.fixture(scope="module", params=VERSIONS)
def any_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a server of each available version."""
    with server_of(request) as url:
        yield url


@pytest.fixture
def project(tmp_path: Path, any_server: str) -> Iterator[SpecProject]:
    """A project with specs, on a server of each available version."""
    with fresh_database(any_server) as url:
        yield SpecProject(tmp_path, url)


@pytest.fixture
def url(any_server: str) -> Iterator[str]:
    """URL of a database with the executor's table."""
    with fresh_database(any_server) as database:
        with connect(database) as connection:
            connection.execute(TABLE.encode())
        yield database


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """A connection as a deploy has it."""
    with deployer(url) as connection:
        yield connection


@pytest.fixture
def context(connection: Connection) -> MigrationContext:
    """A migration context on that connection."""
    return configured(connection)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancel a build soon after a limit is exceeded."""
    monkeypatch.setattr(watch, "_PATIENCE_SECONDS", 0.5)


@pytest.fixture(scope="session")
def sentences(server: str) -> Iterator[Sentences]:
    """The twin that sentences are checked on, which all modules share."""
    with open_sentences(server) as opened:
        yield opened
