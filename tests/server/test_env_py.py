"""What an env.py and the command line of Alembic may say of a deploy."""

import re
from pathlib import Path

import pytest
from alembic.util import CommandError

from analyzer.db import connect
from analyzer.workflows.project import project_environment
from tests.server.executor import upgrade
from tests.server.spec_project import SpecProject
from tests.server.squawked import offline

SET = {"connected": "connection.exec_driver_sql(\"SET application_name = 'deployer'\")"}
COMMITTED = {"connected": SET["connected"] + "\n        connection.commit()"}


def prepared(project: SpecProject) -> SpecProject:
    """Have an index built, and a revision written that drops it and alters statistics."""
    project.declare("{name: ix_a, keys: [a]}", statistics="{name: st, columns: [a, b]}")
    assert project.autogenerate() is not None
    project.upgrade()
    project.declare("{name: ix_a, keys: [a], state: retired}", statistics="{name: st, columns: [a, b, d]}")
    assert project.autogenerate() is not None
    return project


def test_a_statement_before_configure_is_refused_with_what_to_do(tmp_path: Path, database: str) -> None:
    project = SpecProject(tmp_path, database, env=SET)
    project.declare("{name: ix_a, keys: [a]}")
    assert project.autogenerate() is not None
    with pytest.raises(CommandError, match=r"call connection\.commit\(\) after statements .*, such as SET") as refused:
        project.upgrade()
    assert "\n" not in str(refused.value)
    env = project.versions.parent / "env.py"
    env.write_text(env.read_text().replace(SET["connected"], COMMITTED["connected"]))
    project.upgrade()
    assert project.facts()["ix_a"].valid


@pytest.mark.parametrize("where", ["-x", "[alembic]", "-n"])
def test_the_short_timeout_of_a_run_is_that_of_every_short_step(tmp_path: Path, database: str, where: str) -> None:
    project = prepared(SpecProject(tmp_path, database))
    options = {"twindex_lock_timeout": "110ms", "twindex_lock_attempts": "1"}
    lines = "".join(f"{name} = {value}\n" for name, value in options.items())
    arguments: list[str] = []
    match where:
        case "-x":
            arguments = [word for name, value in options.items() for word in ("-x", f"{name}={value}")]
        case "[alembic]":
            project.ini.write_text(project.ini.read_text() + lines)
        case _:
            of_alembic = project.ini.read_text().replace("[alembic]", "[other]")
            project.ini.write_text(project.ini.read_text() + of_alembic + lines)
            arguments = ["-n", "other"]
    for holder, step in (
        ("UPDATE t SET b = 2 WHERE id = 1", r"dropping public\.ix_a"),
        ("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE", r"replacing public\.st"),
    ):
        project.run("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING")
        with connect(database) as other:
            other.execute(holder.encode())
            process = upgrade(project, *arguments)
            output = process.communicate(timeout=30)[0]
        last = output.strip().splitlines()[-1]
        assert re.search(rf"FAILED: {step} failed: canceling statement due to lock timeout", last), output
        if "ix_a" in step:
            project.run("DROP INDEX ix_a")


def test_the_short_timeout_of_a_run_stands_in_its_script(tmp_path: Path, database: str) -> None:
    project = prepared(SpecProject(tmp_path, database))
    config = project.config
    config.set_main_option("twindex_lock_timeout", "110ms")
    script = offline(config, "head")
    assert "SET lock_timeout = '10min'" in script
    assert "SET lock_timeout = '110ms'" in script
    assert "SET lock_timeout = '5s'" not in script


@pytest.mark.parametrize("elsewhere", ['"/"', "Path(__file__).parent"])
def test_a_change_of_directory_in_env_py_hides_no_spec(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch, elsewhere: str
) -> None:
    """Alembic's own comparison would drop the index of a spec that is not found; check's files stay where they are."""
    changing = f"import os\nfrom pathlib import Path\nos.chdir({elsewhere})"
    project = SpecProject(tmp_path, database, env={"options": changing})
    project.declare("{name: ix_a, keys: [a]}")
    project.build()
    monkeypatch.chdir(tmp_path)
    project.ini = Path("alembic.ini")
    assert project.check() == []
    monkeypatch.chdir(tmp_path)
    assert project.autogenerate() is None
    monkeypatch.chdir(tmp_path)
    assert project_environment(project.ini, None, (), project.specs, run=True).unknown is None
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("style", ["German, DMY", "Postgres, MDY"])
def test_a_datestyle_of_the_database(tmp_path: Path, database: str, style: str) -> None:
    project = SpecProject(tmp_path, database)
    with connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET datestyle = '{style}'".encode())
    project.declare("{name: ix_a, keys: [a]}")
    assert project.autogenerate() is not None
    project.upgrade()
    project.declare("{name: ix_a, keys: [a, b], keep_old: 1d}")
    assert project.autogenerate() is not None
    project.upgrade()
    assert {"ix_a", "ix_a_twindex_old"} <= set(project.facts())
    project.downgrade()
    assert project.facts()["ix_a"].ddl.endswith("(a)")
