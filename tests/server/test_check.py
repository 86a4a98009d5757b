"""Drift is found, each kind under its own code, and nothing else is."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from analyzer.cli.check import command
from analyzer.db import connect
from analyzer.errors import NotExaminableError
from analyzer.sql import ident
from tests.server.matrix import CHANGED, UNCHANGED
from tests.server.spec_project import SpecProject


@pytest.fixture
def latest(tmp_path: Path, database: str) -> SpecProject:
    return SpecProject(tmp_path, database)


def check(project: SpecProject, *options: str) -> dict[str, Any]:
    """Run the command; its exit status must be 1 exactly when something was found."""
    arguments = ["-d", project.url, "--allow-superuser", "--specs", str(project.specs), "--format", "json", *options]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    document = json.loads(result.stdout)
    assert result.exit_code == (1 if document["findings"] else 0)
    return document


def found(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(finding["code"], finding["object"]) for finding in document["findings"]}


def test_every_row_of_the_matrix_is_found_and_none_churns(project: SpecProject) -> None:
    same = [f"{{name: same_{name}, {spec}}}" for name, spec in UNCHANGED]
    with connect(project.url) as connection:
        older = connection.info.server_version < 150_000
    changed = [row for row in CHANGED if not (older and "nulls_not_distinct" in row[2])]
    project.declare("\n".join([*same, *(f"{{name: {name}, {before}}}" for name, before, _ in changed)]))
    project.build()
    assert found(check(project)) == set()
    project.declare("\n".join([*same, *(f"{{name: {name}, {after}}}" for name, _, after in changed)]))
    before = project.facts()
    document = check(project)
    assert found(document) == {("TX302", ident("public", name)) for name, _, _ in changed}
    count = next(count for count in document["checks"] if count["code"] == "TX302")
    assert (count["examined"], count["skipped"], count["flagged"]) == (len(changed) + len(UNCHANGED), 0, len(changed))
    assert project.facts() == before


def test_every_kind_of_drift_has_its_code_and_says_where(latest: SpecProject, tmp_path_factory: Any) -> None:
    indexes = """
        {name: ix_gone, keys: [a]}
        {name: ix_invalid, keys: [b], unique: true}
        {name: ix_kept, keys: [s], state: retired}
        {name: ix_comment, keys: [d], comment: wanted}
        {name: ix_place, keys: [d, a], tablespace: elsewhere}
        {name: ix_statistics, keys: [{expression: lower(s), statistics: 500}]}
        {name: ix_new_name, keys: [v, a]}
        {name: t_code_key, keys: [code]}
        {name: ix_impossible, keys: [nowhere]}
        {name: ix_proposed, keys: [nowhere], state: proposed}
        {name: ix_fine, keys: [a, b, d]}
    """
    latest.declare(indexes, head="manage: all\n")
    latest.run("""
        INSERT INTO t (id, b) VALUES (1, 1), (2, 1);
        CREATE INDEX ix_kept ON t (s);
        CREATE INDEX ix_comment ON t (d);
        COMMENT ON INDEX ix_comment IS 'found';
        CREATE INDEX ix_place ON t (d, a);
        CREATE INDEX ix_statistics ON t (lower(s));
        CREATE INDEX ix_old_name ON t (v, a);
        CREATE INDEX ix_stray ON t (v);
        CREATE INDEX ix_fine ON t (a, b, d)
    """)
    with pytest.raises(psycopg.errors.UniqueViolation):
        latest.run("CREATE UNIQUE INDEX CONCURRENTLY ix_invalid ON t (b)")
    document = check(latest)
    assert found(document) == {
        ("TX301", "public.ix_gone"),
        ("TX303", "public.ix_invalid"),
        ("TX304", "public.ix_stray"),
        ("TX305", "public.ix_kept"),
        ("TX306", "public.ix_comment"),
        ("TX307", "public.ix_place"),
        ("TX308", "public.ix_statistics"),
        ("TX309", "public.ix_new_name"),
        ("TX310", "public.t_code_key"),
        ("TX310", "public.ix_impossible"),
    }
    lines = (latest.specs / "t.yaml").read_text().splitlines()
    for finding in document["findings"]:
        expected = "manage" if finding["code"] == "TX304" else finding["object"].removeprefix("public.")
        assert expected in lines[finding["line"] - 1]
    messages = {finding["code"]: finding["message"] for finding in document["findings"]}
    assert messages["TX310"].startswith("ix_impossible cannot be built, the server rejects it: ")
    assert messages["TX306"] == "ix_comment has another comment: spec 'wanted', database 'found'"
    assert messages["TX309"].startswith("ix_new_name exists as ix_old_name")


@pytest.mark.parametrize(
    ("output_format", "expected"),
    [
        ("text", "t.yaml:3: error TX301 public.ix: ix does not exist on public.t"),
        ("github", "::error file="),
        ("sarif", '"ruleId": "TX301"'),
    ],
)
def test_every_format_names_file_line_and_code(latest: SpecProject, output_format: str, expected: str) -> None:
    latest.declare("{name: ix, keys: [a]}")
    arguments = ["-d", latest.url, "--allow-superuser", "--specs", str(latest.specs), "--format", output_format]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 1
    assert expected in result.stdout


def test_an_environment_that_would_drop_managed_indexes_is_said(
    latest: SpecProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    latest.declare("{name: ix, keys: [a]}")
    latest.build()
    monkeypatch.chdir(latest.specs)
    count = next(count for count in check(latest)["checks"] if count["code"] == "TX311")
    assert (count["examined"], count["skipped_because"]) == (0, ["alembic.ini does not exist in this directory"])
    monkeypatch.chdir(latest.ini.parent)
    assert found(check(latest)) == set()
    env = latest.versions.parent / "env.py"
    env.write_text(env.read_text().replace("import analyzer.migrate.alembic_plugin\n", ""))
    result = CliRunner().invoke(command, ["-d", latest.url, "--allow-superuser"], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"{env}:1: warning TX311 env.py: neither env.py nor a revision imports" in result.stdout


def test_a_difference_is_shown_from_both_sides(latest: SpecProject) -> None:
    latest.declare("{name: ix, keys: [a, {column: b, order: desc}], where: a > 1, with: {fillfactor: 80}}")
    latest.run("CREATE INDEX ix ON t (a, b) WHERE a > 2")
    (finding,) = check(latest)["findings"]
    assert finding["message"] == (
        "ix has a different definition, keys: spec (a, b DESC), database (a, b); where: spec a > 1, database a > 2; "
        "parameters: spec fillfactor=80, database none"
    )


def test_what_cannot_be_looked_at_is_no_agreement(latest: SpecProject) -> None:
    latest.declare("{name: ix, keys: [a]}")
    latest.declare("{name: ix_other, keys: [a]}", table="public.other", file="other.yaml")
    latest.run("CREATE TABLE other (a int);\nCREATE INDEX ix ON t (a)")
    with connect(latest.url) as holder:
        holder.execute("LOCK TABLE other")
        document = check(latest)
        assert document["findings"] == []
        assert document["objects"] == 1
        (gap,) = document["not_examined"]
        assert gap["what"] == "public.ix_other"
        assert "ACCESS EXCLUSIVE" in gap["reason"]
        (latest.specs / "t.yaml").unlink()
        with pytest.raises(NotExaminableError, match=r"no spec could be compared: another session holds"):
            check(latest)
        holder.rollback()
    (latest.specs / "other.yaml").unlink()
    with pytest.raises(NotExaminableError, match=r"no approved spec is declared; twindex pull"):
        check(latest)


def test_check_knows_the_models_of_env_py_as_autogenerate_does(
    latest: SpecProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(latest.ini.parent)
    latest.run("CREATE INDEX ix_model ON t (a);\nCREATE INDEX ix_stray ON t (b)")
    env = latest.versions.parent / "env.py"
    env.write_text(env.read_text().replace("# models\n", 'Index("ix_model", metadata.tables["t"].c.a)\n'))
    env.write_text(env.read_text().replace("import Column,", "import Column, Index,"))
    latest.declare("{name: ix_stray, keys: [b]}", head="manage: all\n")
    assert found(check(latest)) == set()
    latest.declare("{name: ix_model, keys: [a]}")
    (finding,) = check(latest)["findings"]
    assert (finding["code"], finding["message"]) == (
        "TX310", "ix_model is declared by the model of public.t as well; keep one of both"
    )  # fmt: skip
    env.write_text(env.read_text().replace("if context", "raise SystemExit(1)\nif context"))
    document = check(latest)
    assert document["findings"] == []
    reason = "env.py cannot be run offline, as alembic upgrade --sql does: SystemExit: 1"
    assert [gap["reason"] for gap in document["not_examined"] if gap["what"] == "models"] == [reason]
