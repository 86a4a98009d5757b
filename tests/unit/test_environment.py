"""What env.py says by its text: is the comparison on, and is the connection free of transactions."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from analyzer.checks.environment import EnvironmentCheck, examine_environment
from analyzer.checks.registry import page

IMPORT = "import analyzer.migrate.alembic_plugin  # noqa: F401\n"
ONLINE = """
def run(engine):
    with engine.{connect}() as connection:
        {before}
        context.configure(connection=connection, target_metadata=None{more})
        with context.begin_transaction():
            connection.execute("SELECT 1")
"""


@pytest.fixture(params=["generic", "async", "multidb", "pyproject"])
def template(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """alembic.ini of a project that `alembic init` made."""
    (tmp_path / "pyproject.toml").touch()
    config = Config(tmp_path / "alembic.ini", toml_file=tmp_path / "pyproject.toml")
    command.init(config, str(tmp_path / "migrations"), template=request.param)
    return tmp_path / "alembic.ini"


def env(config: Path) -> Path:
    return config.parent / "migrations" / "env.py"


def codes(look: EnvironmentCheck) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.line) for finding in look.findings]


def test_every_template_of_alembic_lacks_the_import_and_multidb_begins(template: Path) -> None:
    found = codes(examine_environment(template))
    multidb = "begin_twophase" in env(template).read_text()
    assert [code for code, _ in found] == (["TX311", "TX312"] if multidb else ["TX311"])
    env(template).write_text(IMPORT + env(template).read_text())
    assert [code for code, _ in codes(examine_environment(template))] == (["TX312"] if multidb else [])


@pytest.mark.parametrize(
    ("connect", "before", "more", "expected"),
    [
        ("connect", "pass", "", []),
        ("begin", "pass", "", [("TX312", 4)]),
        ("begin", "connection.execute(text('SET a = 1')); connection.commit()", "", [("TX312", 4)]),
        ("connect", "connection.execute(text('SET search_path TO a'))", "", [("TX312", 5)]),
        ("connect", "connection.execute(text('SET search_path TO a')); connection.commit()", "", []),
        ("connect", "pass", ", autogenerate_plugins=['alembic.autogenerate.*', 'mine.*']", []),
        ("connect", "pass", ", autogenerate_plugins=['mine.*']", [("TX311", 6)]),
        (
            "connect",
            "pass",
            ", autogenerate_plugins=['alembic.autogenerate.*', '~alembic.autogenerate.twindex']",
            [("TX311", 6)],
        ),
    ],
)
def test_what_is_done_to_the_connection(
    tmp_path: Path, connect: str, before: str, more: str, expected: list[tuple[str, int]]
) -> None:
    command.init(Config(tmp_path / "alembic.ini"), str(tmp_path / "migrations"))
    config = tmp_path / "alembic.ini"
    env(config).write_text(IMPORT + ONLINE.format(connect=connect, before=before, more=more))
    look = examine_environment(config)
    assert codes(look) == expected
    assert {(check.code, check.examined, check.flagged) for check in look.checks} == {
        (code, 1, [found for found, _ in expected].count(code)) for code in ("TX311", "TX312")
    }


def test_a_revision_that_imports_it_is_enough(template: Path) -> None:
    (template.parent / "migrations" / "versions" / "0001_indexes.py").write_text(IMPORT)
    assert "TX311" not in [code for code, _ in codes(examine_environment(template))]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [("import (", "cannot be read"), (None, "cannot be read")],
)
def test_what_cannot_be_read_is_no_clean_bill(template: Path, broken: str | None, reason: str) -> None:
    env(template).unlink()
    if broken is not None:
        env(template).write_text(broken)
    look = examine_environment(template)
    assert look.findings == ()
    assert all(check.examined == 0 and reason in check.skipped_because[0] for check in look.checks)
    assert "does not exist" in examine_environment(template.parent / "none.ini").checks[0].skipped_because[0]


def test_the_pages_say_what_to_write() -> None:
    assert IMPORT in page("TX311")
    assert "connection.commit()" in page("TX312")
