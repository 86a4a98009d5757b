"""`alembic revision --autogenerate` and `alembic check` see the specs after one import line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError

from matrix import CHANGED, UNCHANGED
from servers import VERSIONS, server_of
from spec_project import SpecProject, names, obey

from tests.conftest import fresh_database


@pytest.fixture(scope="module", params=VERSIONS)
def any_server(request: pytest.FixtureRequest) -> Iterator[str]:
    with server_of(request) as url:
        yield url


@pytest.fixture
def project(tmp_path: Path, any_server: str) -> Iterator[SpecProject]:
    with fresh_database(any_server) as url:
        yield SpecProject(tmp_path, url)


@pytest.fixture
def latest(tmp_path: Path, database: str) -> SpecProject:
    return SpecProject(tmp_path, database)


def test_every_row_of_the_matrix_is_detected_and_none_churns(project: SpecProject) -> None:
    same = [f"{{name: same_{name}, {spec}}}" for name, spec in UNCHANGED]
    project.declare("\n".join([*same, *(f"{{name: {name}, {before}}}" for name, before, _ in CHANGED)]))
    project.build()
    assert project.check() == []
    assert project.autogenerate() is None
    project.declare("\n".join([*same, *(f"{{name: {name}, {after}}}" for name, _, after in CHANGED)]))
    assert names(project.check()) == {("replace_index", name) for name, _, _ in CHANGED}
    text = obey(project)
    assert text.count("op.replace_index(") == 2 * len(CHANGED)
    assert "op.drop_index(" not in text


def test_the_first_revision_builds_everything_and_takes_it_away_again(project: SpecProject) -> None:
    project.declare(
        """
        {name: ix_a, keys: [a], comment: "it's 100 % here", where: "s LIKE 'x%'"}
        {name: ix_lower, keys: [id, {expression: lower(s), statistics: 500}]}
        {name: Ix Mixed, keys: [b], unique: true}
        {name: ix_proposed, keys: [d], state: proposed}
        """
    )
    text = obey(project)
    assert set(project.facts()) == {"ix_a", "ix_lower", "Ix Mixed"}
    assert project.facts()["ix_a"].comment == "it's 100 % here"
    assert project.facts()["ix_lower"].statistics == "2=500"
    assert "import analyzer.migrate.alembic_plugin" in text
