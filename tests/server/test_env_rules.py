"""The rules of a project's env.py hold for specs, and check, revise and autogenerate read them alike."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli import check, revise
from analyzer.db import connect
from tests.server.spec_project import SCHEMA, SpecProject, names

TWO_SCHEMAS = f"{SCHEMA};\nCREATE SCHEMA billing;\nCREATE TABLE billing.orders (id int PRIMARY KEY, a int, b int)"
ORDERS = 'Table("orders", metadata, Column("id", Integer, primary_key=True), Column("a", Integer), Column("b", Integer)'

#: How an env.py leaves out the schema `billing`, or one index.
LEAVES_OUT_BILLING = (
    'options.update(include_schemas=True, include_name=lambda name, kind, parents: kind != "schema" or name is None)',
    (
        "options.update(include_schemas=True, include_object=lambda item, name, kind, *_: "
        'getattr(getattr(item, "table", item), "schema", None) != "billing")'
    ),
)
LEAVES_OUT_STRAY = (
    'options["include_name"] = lambda name, kind, parents: not (kind == "index" and name.startswith("ix_stray"))',
    (
        'options["include_object"] = lambda item, name, kind, reflected, other: '
        'not (kind == "index" and reflected and other is None)'
    ),
)


def _options(project: SpecProject) -> list[str]:
    files = ["--specs", str(project.specs), "--config", str(project.ini)]
    return ["-d", project.url, "--allow-superuser", "--quiet", *files]


def found_by_check(project: SpecProject, *options: str) -> str:
    """Return what `twindex check` prints."""
    return CliRunner().invoke(check.command, [*_options(project), *options], catch_exceptions=False).output


def revised(project: SpecProject) -> str:
    """Return the revision of `twindex revise`, if it writes one, and take it away again."""
    before = set(project.versions.glob("*.py"))
    result = CliRunner().invoke(revise.command, ["-m", "x", *_options(project)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    written = set(project.versions.glob("*.py")) - before
    text = "".join(path.read_text() for path in written)
    for path in written:
        path.unlink()
    return text


@pytest.mark.parametrize("rule", LEAVES_OUT_BILLING)
def test_a_schema_that_env_py_leaves_out_is_left_out_for_specs(tmp_path: Path, database: str, rule: str) -> None:
    project = SpecProject(tmp_path, database, schema=TWO_SCHEMAS, env={"options": rule})
    project.run("CREATE INDEX ix_stray ON billing.orders (b)")
    project.declare("{name: ix_orders, keys: [a]}", table="billing.orders", head="manage: all\n", file="orders.yaml")
    assert project.check() == []
    assert revised(project) == ""
    project.declare("{name: ix_a, keys: [a]}")
    assert names(project.check()) == {("build_index", "ix_a")}
    assert "ix_orders" not in revised(project)
    checked = found_by_check(project)
    assert "env.py leaves out its table" in checked
    assert re.findall(r"TX30\d.* ix_\w+", checked) == ["TX301 public.ix_a: ix_a"]


@pytest.mark.parametrize("rule", LEAVES_OUT_STRAY)
def test_manage_all_drops_no_index_that_env_py_leaves_out(tmp_path: Path, database: str, rule: str) -> None:
    project = SpecProject(tmp_path, database, env={"options": rule})
    project.run("CREATE INDEX ix_stray ON t (b);\nCREATE INDEX ix_a ON t (a)")
    project.declare("{name: ix_a, keys: [a]}", head="manage: all\n")
    assert project.check() == []
    assert revised(project) == ""
    assert "ix_stray" not in found_by_check(project)


def test_manage_all_drops_nothing_that_a_model_owns(tmp_path: Path, database: str) -> None:
    models = (
        "from sqlalchemy import Index, UniqueConstraint\nfrom sqlalchemy.dialects.postgresql import ExcludeConstraint\n"
        f'{ORDERS}, Column("c", Integer, index=True), Column("d", Integer, unique=True, index=True), '
        'Column("r", Integer), UniqueConstraint("a", "b", name="orders_ab"), Index("ix_partial", "a", '
        'postgresql_where="b > 0", unique=True), Index(None, "b", "a"), '
        'ExcludeConstraint(("r", "="), using="btree", name="orders_r"))\n'
    )
    project = SpecProject(
        tmp_path,
        database,
        env={"models": models},
        schema=f"""{SCHEMA};
        CREATE TABLE orders (id int PRIMARY KEY, a int, b int, c int, d int, r int, CONSTRAINT orders_ab UNIQUE (a, b),
            CONSTRAINT orders_r EXCLUDE USING btree (r WITH =));
        CREATE INDEX ix_orders_c ON orders (c);
        CREATE UNIQUE INDEX ix_orders_d ON orders (d);
        CREATE UNIQUE INDEX ix_partial ON orders (a) WHERE b > 0;
        CREATE INDEX ix_orders_b ON orders (b, a);
        CREATE INDEX ix_stray ON orders (a)""",
    )
    project.declare("{name: ix_own, keys: [r, a]}", table="public.orders", head="manage: all\n")
    expected = {("build_index", "ix_own"), ("drop_index_online", "ix_stray")}
    assert names(project.check()) == expected
    text = revised(project)
    assert set(re.findall(r'"(ix_\w+|orders_\w+)"', text)) >= {"ix_own", "ix_stray"}
    checked = found_by_check(project)
    for owned in ("ix_orders_c", "ix_orders_d", "ix_partial", "ix_orders_b", "orders_ab", "orders_r"):
        assert owned not in text
        assert owned not in checked
    assert "ix_stray on public.orders has no spec" in checked
    assert project.autogenerate() is not None
    project.upgrade()
    assert project.check() == []
    assert revised(project) == ""
    assert "TX30" not in found_by_check(project).partition("not examined")[0]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ('create_engine("postgresql+psycopg://u:hush@/nowhere").connect()', "it connects to a database"),
        ('raise RuntimeError("postgresql://u:hush@h/d\\nsecond line")', r"RuntimeError: postgresql://u:\*\*\*@h/d"),
        ("import no_such_module_of_ours", "ModuleNotFoundError: No module named 'no_such_module_of_ours'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_an_env_py_that_cannot_run_offline_is_said_and_reads_no_database(
    tmp_path: Path, database: str, code: str, reason: str
) -> None:
    project = SpecProject(tmp_path, database, env={"models": code})
    project.run("CREATE INDEX ix_stray ON t (b);\nCREATE INDEX ix_a ON t (a)")
    project.declare("{name: ix_a, keys: [a]}", head="manage: all\n")
    checked = found_by_check(project)
    assert re.search(r"env\.py cannot be run offline, as alembic upgrade --sql does: " + reason, checked)
    assert "hush" not in checked
    assert "ix_stray" not in checked
    assert revised(project) == ""


def test_env_py_receives_the_arguments_that_alembic_would_give_it(tmp_path: Path, database: str) -> None:
    left_out = (
        'left_out = context.get_x_argument(as_dictionary=True).get("left_out")\n'
        'options["include_name"] = lambda name, kind, parents: not (kind == "index" and name == left_out)'
    )
    project = SpecProject(tmp_path, database, env={"options": left_out})
    project.run("CREATE INDEX ix_stray ON t (b);\nCREATE INDEX ix_a ON t (a)")
    project.declare("{name: ix_a, keys: [a]}", head="manage: all\n")
    assert "ix_stray" in found_by_check(project)
    assert "ix_stray" not in found_by_check(project, "-x", "left_out=ix_stray")


@pytest.fixture
def loggers() -> Iterator[None]:
    """Leave the loggers of the process as they were, whatever an env.py configures."""
    known = [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    before = [(each, each.disabled, each.level) for each in known]
    yield
    for each, disabled, level in before:
        each.disabled = disabled
        each.setLevel(level)


@pytest.mark.usefixtures("loggers")
def test_the_logging_of_env_py_switches_off_none_of_our_lines(
    tmp_path: Path, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    logs = "from logging.config import dictConfig\ndictConfig({'version': 1})"
    left_out = LEAVES_OUT_BILLING[0]
    project = SpecProject(tmp_path, database, schema=TWO_SCHEMAS, env={"options": left_out, "models": logs})
    project.declare("{name: ix_orders, keys: [a]}", table="billing.orders")
    for verb in (project.check, lambda: revised(project)):
        caplog.clear()
        verb()
        assert "the specs of billing.orders are left out" in caplog.text


def test_an_env_py_that_writes_as_it_connects_writes_nothing(tmp_path: Path, database: str) -> None:
    writes = (
        'from sqlalchemy import text\nwith create_engine(context.config.get_main_option("sqlalchemy.url"))'
        '.begin() as early:\n    early.execute(text("CREATE TABLE written ()"))'
    )
    project = SpecProject(tmp_path, database, env={"models": writes})
    project.declare("{name: ix_a, keys: [a]}")
    found_by_check(project)
    found_by_check(project, "--no-env")
    with connect(database) as connection:
        assert connection.execute("SELECT to_regclass('public.written') AS made").fetchone() == {"made": None}
