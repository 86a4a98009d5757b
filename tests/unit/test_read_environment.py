"""What a project's env.py configures, learned by running it without a connection."""

import logging
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from analyzer.checks.environment import examine_environment
from analyzer.cli.metadata import load_tables
from analyzer.errors import InputError
from analyzer.migrate.plan.environment import Environment
from analyzer.migrate.plan.read_environment import alembic_config, read_environment
from analyzer.postgres.identifiers import QualifiedName

MODELS = """
from sqlalchemy import Column, Integer, MetaData, Table

target_metadata = MetaData()
Table("item", target_metadata, Column("id", Integer, primary_key=True), Column("a", Integer, index=True))
"""


def read(directory: Path) -> Environment:
    return read_environment(alembic_config(directory / "alembic.ini"), directory / "index_specs")


def initialised(directory: Path, template: str, old: str, new: str) -> Path:
    """Make a project as `alembic init` does, with a change to its env.py."""
    (directory / "pyproject.toml").touch()
    config = Config(directory / "alembic.ini", toml_file=directory / "pyproject.toml")
    command.init(config, str(directory / "migrations"), template=template)
    env = directory / "migrations" / "env.py"
    text = env.read_text()
    assert old in text
    env.write_text(text.replace(old, new))
    return env


@pytest.mark.parametrize("template", ["generic", "async", "pyproject", "pyproject_async"])
def test_every_template_of_alembic_tells_its_models_and_logs_nothing(
    tmp_path: Path, template: str, capfd: pytest.CaptureFixture[str]
) -> None:
    initialised(tmp_path, template, "target_metadata = None", MODELS)
    capfd.readouterr()
    found = read(tmp_path)
    assert found.unknown is None
    assert found.owned == {QualifiedName("public", "ix_item_a")}
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("analyzer.migrate.plan.revision").disabled


@pytest.mark.parametrize("rule", ["include_name", "include_object"])
def test_a_rule_that_fails_is_one_line(tmp_path: Path, rule: str) -> None:
    changed = f"context.configure(\n        {rule}=lambda *_: 1 / 0,"
    initialised(tmp_path, "generic", "context.configure(", changed)
    with pytest.raises(
        InputError, match=rf"^{rule} of env\.py failed \(ZeroDivisionError: division by zero\); fix it$"
    ):
        read(tmp_path).includes(QualifiedName("public", "t"))


def test_of_several_databases_the_one_with_these_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # offline, the template writes a file for each database
    env = initialised(
        tmp_path, "multidb", "target_metadata = {}", f'{MODELS}target_metadata = {{"engine2": target_metadata}}'
    )
    assert read(tmp_path).unknown == "env.py calls context.configure() 2 times offline; once is understood"
    env.write_text(
        env.read_text().replace(
            "target_metadata=target_metadata.get(name),",
            'target_metadata=target_metadata.get(name), index_specs="index_specs" if name == "engine2" else False,',
        )
    )
    assert read(tmp_path).owned == {QualifiedName("public", "ix_item_a")}


def test_what_env_py_lacks_is_said(tmp_path: Path) -> None:
    initialised(tmp_path, "generic", "target_metadata = None", "from of_nobody import target_metadata")
    assert read(tmp_path).unknown == (
        "env.py cannot be run offline, as alembic upgrade --sql does: ModuleNotFoundError: No module named 'of_nobody'"
    )


def test_a_metadata_without_tables_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    empty = "from sqlalchemy import MetaData\n\ntarget_metadata = MetaData()"
    initialised(tmp_path, "generic", "target_metadata = None", empty)
    assert read(tmp_path).unknown is None
    assert caplog.messages == ["target_metadata of env.py has no tables; import the modules of the models there"]


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import os\nos.environ['NO_SUCH_VARIABLE']", "KeyError: 'NO_SUCH_VARIABLE'; give an importable"),
        ("import of_nobody", "No module named 'of_nobody'; give an importable"),
        ("raise SystemExit(3)", "SystemExit: 3; give an importable"),
        ("import sqlalchemy\nmetadata = sqlalchemy.MetaData()", "has no tables; name a module that imports the models"),
    ],
)
def test_a_metadata_that_cannot_be_had_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"models_{len(module)}"
    (tmp_path / f"{name}.py").write_text(module)
    with pytest.raises(InputError, match=said):
        load_tables(name)


def test_a_section_has_its_own_env_py_and_has_to_exist(tmp_path: Path) -> None:
    initialised(tmp_path, "generic", "target_metadata = None", MODELS)
    ini = tmp_path / "alembic.ini"
    ini.write_text(ini.read_text() + "[other]\nscript_location = %(here)s/elsewhere\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "env.py").write_text("from alembic import context\ncontext.configure()\n")
    other = read_environment(alembic_config(ini, "other"), tmp_path / "index_specs")
    assert (other.unknown, other.owned) == (None, frozenset())
    (finding,) = examine_environment(ini, "other").findings
    assert str(finding.file).endswith("elsewhere/env.py")
    with pytest.raises(InputError, match=r"has no section \[third\]; name another with -n"):
        alembic_config(ini, "third")
