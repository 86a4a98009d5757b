"""`twindex lint` and `twindex explain` as a person meets them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config

from analyzer.capture.capture import capture
from analyzer.checks.registry import RULES
from analyzer.cli import main
from analyzer.db import connect
from analyzer.documents import snapshot as snapshots

ROOT = Path(__file__).parents[2]
OBJECTS = (
    "CREATE EXTENSION btree_gin",
    "CREATE SCHEMA shop",
    'CREATE TABLE shop."Item" ("Id" int PRIMARY KEY, name text, ts timestamptz)',
    """INSERT INTO shop."Item" SELECT n, 'name ' || n, now() FROM generate_series(1, 100) AS n""",
    'ANALYZE shop."Item"',
)
SPECS = """\
table: shop."Item"
indexes:
  - name: ix_Item_name
    method: gin
    keys: [name]
  - name: ix_Item_day
    keys: [{expression: "date_trunc('day', ts)"}]
  - name: ix_Item_gone
    keys: [id]
"""


def run(*arguments: str) -> int:
    """Run the command; returns its exit status."""
    with pytest.raises(SystemExit) as leaving:
        main(list(arguments))
    code = leaving.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture
def shop(database: str) -> str:
    """URL of a small database."""
    with connect(database, autocommit=True) as connection:
        for statement in OBJECTS:
            connection.execute(statement.encode())
    return database


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A spec file with two mistakes that only a server sees, and one dubious index."""
    path = tmp_path / "shop.Item.yaml"
    path.write_text(SPECS, encoding="utf-8")
    return path


def test_the_text_alone_finds_nothing_and_says_what_it_could_not_see(
    specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("lint", str(specs), "--format", "json") == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["findings"] == []
    skipped = {check["code"]: check["skipped"] for check in document["checks"]}
    assert (skipped["TX113"], skipped["TX110"], skipped["TX102"], skipped["TX106"]) == (3, 3, 1, 0)


def test_a_database_makes_it_exact_and_is_only_read(
    shop: str, specs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(shop, autocommit=True) as connection:
        before = connection.execute("SELECT count(*) AS n FROM pg_class").fetchone()
        assert run("lint", str(specs), "-d", shop, "--allow-superuser", "--format", "json") == 1
        assert connection.execute("SELECT count(*) AS n FROM pg_class").fetchone() == before
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    found = {(f["code"], f["object"], f["line"], f["fix"]) for f in document["findings"]}
    day = """keys: [{expression: "date_trunc('day', ts AT TIME ZONE 'UTC')"}]\n"""
    assert found == {
        ("TX102", 'shop."ix_Item_day"', 7, day),
        ("TX113", 'shop."ix_Item_gone"', 9, None),
        ("TX201", 'shop."ix_Item_name"', 5, "keys: [{column: name, opclass: gin_trgm_ops}]\n"),
    }
    assert "the column is called Id" in {f["rewrite"] for f in document["findings"]}

    captured = tmp_path / "shop.snapshot"
    snapshots.dump(capture(shop, statements=False), captured)
    assert run("lint", str(specs), "--snapshot", str(captured), "--format", "json") == 1
    again: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert again["findings"] == document["findings"]


def test_fail_on_and_outputs(specs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    specs.write_text(SPECS + "    where: id > 7\n", encoding="utf-8")
    outputs = [tmp_path / "out.json", tmp_path / "out.sarif", tmp_path / "out.txt"]
    options = [option for path in outputs for option in ("-o", str(path))]
    assert run("lint", str(specs), *options) == 0
    assert run("lint", str(specs), "--fail-on", "warning", *options) == 0
    assert run("lint", str(specs), "--fail-on", "info", *options) == 1
    assert capsys.readouterr().out == ""
    assert json.loads(outputs[0].read_text())["format"] == "twindex-findings"
    assert json.loads(outputs[1].read_text())["version"] == "2.1.0"
    assert "info TX211" in outputs[2].read_text()
    assert run("lint", str(specs), "-o", str(tmp_path / "out.xml")) == 2
    assert "unknown suffix" in capsys.readouterr().err


def test_mistakes_and_nothing_to_examine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", str(tmp_path / "none")) == 2
    assert run("lint", str(tmp_path)) == 3
    (tmp_path / "a.yaml").write_text("table: a.b\nindexes: [{name: i, keys: [a]}]\n")
    assert run("lint", str(tmp_path), "--metadata", "no_such_module:metadata") == 2
    assert run("lint", str(tmp_path), "--metadata", "analyzer.objects.index:Key") == 2
    assert run("lint", str(tmp_path), "-d", "postgresql://nobody:hush@127.0.0.1:1/none") == 3
    said = capsys.readouterr()
    assert said.err.count("\n") == said.err.count("twindex: ")
    assert "hush" not in said.err


def test_an_index_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lint_models.py").write_text(
        "from sqlalchemy import Column, Index, Integer, MetaData, Table\n"
        "metadata = MetaData(schema='shop')\n"
        "Table('item', metadata, Column('a', Integer), Index('ix_a', 'a'))\n"
    )
    (tmp_path / "specs.yaml").write_text("table: shop.item\nindexes:\n  - name: ix_a\n    keys: [a]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    assert run("lint", "specs.yaml", "--metadata", "lint_models:metadata") == 1
    assert "specs.yaml:3: error TX127 shop.ix_a" in capsys.readouterr().out


def test_the_reference_specs_are_clean_on_the_reference_schema(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    configuration = Config(ROOT / "alembic.ini")
    configuration.attributes["url"] = database
    command.upgrade(configuration, "head")
    models = ("--metadata", "analyzer.demo.models:metadata")
    status = run("lint", "-d", database, "--allow-superuser", *models, "--fail-on", "warning", "--format", "json")
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    open_ones = [f"{f['file']}:{f['line']} {f['code']}" for f in document["findings"] if f["severity"] != "info"]
    assert open_ones == []
    assert status == 0
    exact = {check["code"]: check["skipped"] for check in document["checks"] if check["code"] < "TX2"}
    assert set(exact.values()) == {0}


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "tx101") == 0
    assert capsys.readouterr().out.startswith("# TX101 expression-volatile\n")
    assert run("explain") == 0
    listed = capsys.readouterr().out.splitlines()
    codes = [line.split()[0] for line in listed]
    assert codes == list(RULES)
    assert run("explain", "TX999") == 2
    assert "there is no rule TX999" in capsys.readouterr().err
