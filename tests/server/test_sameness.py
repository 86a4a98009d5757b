"""One notion of sameness: what was deployed from a spec is what the spec declares, in every command."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from analyzer.db import connect
from analyzer.objects.index import IndexDef
from analyzer.specs.file import load_specs
from tests.server.definitions import FIXED, TABLE, quoted, specs
from tests.conftest import fresh_database
from tests.server.spec_project import UNMODELLED, SpecProject
from tests.server.test_check import check, found


@pytest.fixture
def grammar(tmp_path: Path, any_server: str) -> Iterator[SpecProject]:
    """A project with the table of the grammar, which no model declares."""
    with fresh_database(any_server) as url:
        project = SpecProject(tmp_path, url, env={"options": UNMODELLED})
        project.run(TABLE)
        yield project


def buildable(project: SpecProject) -> None:
    """Leave out what PostgreSQL itself rejects: the grammar does not know every rule of types."""
    kept: list[str] = []
    lines = (project.specs / "g.yaml").read_text().splitlines()
    with connect(project.url) as connection:
        for spec in load_specs(project.specs).specs:
            definition = spec.spec.definition(spec.schema, spec.table, None)
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(definition.ddl().encode())
                kept.append(lines[spec.line - 1].removeprefix("  - "))
            except psycopg.Error:
                continue
    project.declare("\n".join(kept), table="public.g", file="g.yaml")


def agreed(project: SpecProject) -> None:
    """See that the three verbs find nothing."""
    assert project.check() == []
    assert found(check(project)) == set()
    assert project.revise("again") is None


def test_what_is_deployed_is_what_is_declared(grammar: SpecProject) -> None:
    lines = [f"{{name: ix_{number}, keys: [i], where: {quoted(text)}}}" for number, text in enumerate(FIXED)]
    lines += [f"{{name: ex_{number}, keys: [{{expression: {quoted(text)}}}]}}" for number, text in enumerate(FIXED)]
    grammar.declare("\n".join(lines), table="public.g", file="g.yaml")
    buildable(grammar)
    assert len(load_specs(grammar.specs).specs) > len(FIXED)
    grammar.build()
    agreed(grammar)
