"""Settings are found where the project says, and a mistake in them is one line."""

import os
from pathlib import Path

import pytest

from analyzer.config import Config, configured_url, load_config
from analyzer.errors import InputError
from analyzer.postgres.identifiers import QualifiedName


def test_there_are_defaults(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    assert config.specs == tmp_path / "index_specs"
    assert config.alembic == tmp_path / "alembic.ini"
    assert config.development == tmp_path / ".twindex"


def test_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.twindex]\nspecs = "db/specs"\nalembic = "/etc/alembic.ini"\n')
    config = load_config(tmp_path)
    assert config.specs == tmp_path / "db" / "specs"
    assert config.alembic == Path("/etc/alembic.ini")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.twindex]\nspec = 'x'\n", r"\[tool.twindex\] spec: "),
        ("[tool.twindex]\nspecs = 3\n", r"\[tool.twindex\] specs: "),
        ("[tool]\ntwindex = 3\n", "not a table"),
        ("[tool.twindex\n", "cannot be read"),
        ("[[tool.twindex]]\n", "not a table"),
        ('[tool.twindex]\nspecs = "a\\u0000b"\n', "a path contains a NUL"),
        ('[tool.twindex]\n"a\\u001b\\n::error::" = 3\n', r"a\\x1b ::error::: unknown setting"),
        (
            "[[tool.twindex.rules]]\nmost_indexes = 3\n",
            r"rules.0.tables: must be given; the settings of a rule are tables",
        ),
        ('[[tool.twindex.rules]]\ntables = ["audit"]\n', r"rules.0.tables.0: is not schema.table"),
        ("[[tool.twindex.rules]]\ntables = []\n", r"rules.0.tables: "),
        ('[[tool.twindex.rules]]\ntables = ["a.*"]\nbudget = "much"\n', "rules.0.budget: 'much' is not a size"),
        ('[[tool.twindex.rules]]\ntables = ["a.*"]\nbudget = -1\n', "rules.0.budget: "),
        ('[[tool.twindex.rules]]\ntables = ["a.*"]\nmethods = ["btre"]\n', "'btre' is not one of the access methods"),
        ('[[tool.twindex.rules]]\ntables = ["a.*"]\nmost = 2\n', "rules.0.most: unknown setting"),
        ("[tool.twindex]\nrules = 3\n", "rules: must be a list"),
        ("x = " + "[" * 5_000, r"cannot be read \(it is nested too deeply\)"),
        ("x = " + "9" * 5_000, "cannot be read"),
        ("x = 2027-02-30", "cannot be read"),
        ("#" * 1_000_001, "larger than 1,000,000 bytes"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        load_config(tmp_path)
    assert str(raised.value).startswith(str(tmp_path / "pyproject.toml"))
    assert "\n" not in str(raised.value)


def test_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pyproject.toml")
    with pytest.raises(InputError, match="not a regular file"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    "text", ["[alembic]\ns3cret\n", "s3cret = 1\n", "[alembic]\n[alembic]\n", "[alembic]\n\0 s3cret"]
)
def test_a_broken_alembic_ini_is_one_line_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "alembic.ini").write_text(text)
    with pytest.raises(InputError, match=r"alembic\.ini cannot be read") as raised:
        configured_url(Config(alembic=tmp_path / "alembic.ini"))
    assert "\n" not in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_the_environment_comes_before_alembic_ini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ini = tmp_path / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = %(here)s/m\nsqlalchemy.url = postgresql+psycopg://u:p%%40x@h/d\n")
    config = Config(alembic=ini)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert configured_url(config) == "postgresql+psycopg://u:p%40x@h/d"
    monkeypatch.setenv("DATABASE_URL", "postgresql://other/db")
    assert configured_url(config) == "postgresql://other/db"


def test_no_alembic_ini_is_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert configured_url(Config(alembic=tmp_path / "none.ini")) is None


def test_an_alembic_ini_that_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "alembic.ini").write_text("sqlalchemy.url = x\n")
    with pytest.raises(InputError, match=r"alembic.ini cannot be read") as raised:
        configured_url(Config(alembic=tmp_path / "alembic.ini"))
    assert "\n" not in str(raised.value)


def test_rules_name_their_tables_by_patterns(tmp_path: Path) -> None:
    text = '[[tool.twindex.rules]]\ntables = ["audit.*", \'tenant_*."Order Items"\']\nbudget = "200 MB"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    (found,) = load_config(tmp_path).rules
    assert found.budget == 200 * 1024 * 1024
    held = {
        name: found.holds(QualifiedName(*name))
        for name in (("audit", "log"), ("tenant_7", "Order Items"), ("tenant_7", "log"), ("pg_audit", "x"))
    }
    assert held == {
        ("audit", "log"): True, ("tenant_7", "Order Items"): True, ("tenant_7", "log"): False, ("pg_audit", "x"): False,
    }  # fmt: skip
