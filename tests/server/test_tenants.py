"""One spec for a table of many schemas, `table: tenant_*.orders`: one revision, a step for each schema as it is found."""

from pathlib import Path

import pytest

from analyzer.db import connect
from tests.server.spec_project import SpecProject, names, obey

ORDERS = "{name: ix_day, keys: [day]}\n{name: ix_open, keys: [id], where: open, comment: Open ones.}"


def tenants(project: SpecProject, *schemas: str, rest: str = "") -> None:
    """Create schemas with the table of a tenant."""
    for schema in schemas:
        project.run(
            f'CREATE SCHEMA "{schema}";\n'
            f'CREATE TABLE "{schema}".orders (id int, day date, open bool, note text) {rest}'
        )


def indexes(project: SpecProject) -> set[str]:
    return {name for name in project.facts() if "." in name}


def test_each_schema_gets_the_index(project: SpecProject) -> None:
    tenants(project, "tenant_1", "tenant_2", "Tenant 3", "other", "tenant_Größe")
    project.run("CREATE SCHEMA tenant_empty;\nCREATE VIEW tenant_empty.orders AS SELECT 1 AS day")
    project.declare(ORDERS, table="tenant_*.orders")
    text = obey(project)
    assert text.count("op.build_index(") == 4  # two for upgrade, two for the downgrade's absence
    assert 'schemas="tenant_*"' in text
    assert indexes(project) == {
        f"{schema}.{name}" for schema in ("tenant_1", "tenant_2", "tenant_Größe") for name in ("ix_day", "ix_open")
    }
