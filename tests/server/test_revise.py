"""Specs in, a revision out, the indexes they ask for in the database."""

import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from click.testing import CliRunner

from analyzer.capture.capture import capture
from analyzer.cli.revise import command as revise_command
from analyzer.db import connect, sqlalchemy_url
from analyzer.errors import ConflictError, InputError
from analyzer.specs.file import load_specs, set_state
from analyzer.workflows.revise import revise
from tests.conftest import trusting

ROOT = Path(__file__).parents[2]

SCHEMA = """
CREATE EXTENSION vector;
CREATE EXTENSION pg_trgm;
CREATE SCHEMA shop;
CREATE TABLE shop.product (
    id bigint PRIMARY KEY, name text, status text, attributes jsonb, tags text[], embedding vector(3), made date
);
CREATE TABLE shop."Order Items" (id bigint PRIMARY KEY, "Unit Price" numeric, code text UNIQUE);
"""

PRODUCT = """
table: shop.product
indexes:
  - {name: ix_attributes, method: gin, keys: [{column: attributes, opclass: jsonb_path_ops}], with: {fastupdate: false}}
  - {name: ix_trgm, method: gist, keys: [{column: name, opclass: gist_trgm_ops, opclass_parameters: {siglen: 64}}]}
  - name: ix_status
    keys: [status, {column: made, order: desc, nulls: last}]
    include: [name]
    where: status <> 'it''s'
  - {name: ix_status_in, keys: [made], where: "status IN ('new', '50%') AND name LIKE 'a%'"}
  - name: ix_brand
    keys: [{expression: "attributes ->> 'brand'", collation: C}]
    unique: true
    nulls_not_distinct: true
  - {name: ix_hash, method: hash, keys: [name]}
  - {name: ix_made, method: brin, keys: [made], with: {pages_per_range: 32}}
  - {name: ix_flat, method: ivfflat, keys: [{column: embedding, opclass: vector_cosine_ops}], with: {lists: auto}}
  - name: ix_hnsw
    method: hnsw
    keys: [{column: embedding, opclass: vector_l2_ops}]
    with: {m: 8}
    build: {maintenance_work_mem: 32MB, parallel_workers: 0}
  - {name: ix_later, keys: [id, name], state: proposed}
"""

ITEMS = """
table: shop."Order Items"
indexes:
  - {name: Ix Price, keys: [Unit Price]}
  - name: ix_very_long_predicate
    keys: [code]
    where: >-
      code LIKE 'a rather long constant that goes on and on%'
      AND "Unit Price" > 100 AND "Unit Price" < 100000
"""

ENV = """
from alembic import context
from sqlalchemy import create_engine

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
    connection.engine.dispose()
"""


class Project:
    """A user's project: an Alembic environment, specs and a database."""

    def __init__(self, directory: Path, url: str) -> None:
        self.url = url
        self.specs = directory / "index_specs"
        self.versions = directory / "migrations" / "versions"
        self.ini = directory / "alembic.ini"
        self.specs.mkdir()
        self.versions.mkdir(parents=True)
        (self.versions.parent / "env.py").write_text(ENV)
        shutil.copy(ROOT / "migrations" / "script.py.mako", self.versions.parent)
        self.ini.write_text(
            f"[alembic]\nscript_location = {self.versions.parent}\npath_separator = os\n"
            f"sqlalchemy.url = {sqlalchemy_url(url).replace('%', '%%')}\n"
            "twindex_postpone = no\n"
        )
        (self.specs / "product.yaml").write_text(PRODUCT)
        (self.specs / "items.yaml").write_text(ITEMS)
        with connect(url) as connection:
            connection.execute(SCHEMA.encode())

    @property
    def config(self) -> Config:
        return Config(self.ini)

    def revise(self, message: str = "indexes") -> Path | None:
        snapshot = capture(self.url, statements=False)
        return revise(snapshot, load_specs(self.specs), self.ini, message=message)

    def revised(self) -> Path:
        """Write a revision and see the laws kept; it has run, and been taken back exactly."""
        before = self.definitions()
        path = self.revise()
        assert path is not None
        command.upgrade(self.config, "head")
        assert self.revise("again") is None
        command.downgrade(self.config, "-1")
        assert self.definitions() == before
        return path

    def definitions(self) -> dict[str, str]:
        with connect(self.url) as connection:
            rows = connection.execute(
                "SELECT c.relname AS name, pg_get_indexdef(i.indexrelid) AS ddl FROM pg_catalog.pg_index AS i "
                "JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid "
                "WHERE c.relnamespace = 'shop'::regnamespace AND i.indisvalid AND c.relname LIKE '_x%' ORDER BY 1"
            ).fetchall()
        return {row["name"]: row["ddl"] for row in rows}


@pytest.fixture
def project(tmp_path: Path, database: str) -> Iterator[Project]:
    """A project whose revisions, whatever a test makes of them, can be taken back and run again."""
    project = Project(tmp_path, database)
    yield project
    if any(project.versions.glob("*.py")) and project.ini.is_file():
        command.upgrade(project.config, "head")
        built = project.definitions()
        command.downgrade(project.config, "base")
        command.upgrade(project.config, "head")
        assert project.definitions() == built


def test_a_revision_builds_every_kind_of_index_and_its_downgrade_takes_them_away_again(project: Project) -> None:
    path = project.revised()
    py_compile.compile(str(path), doraise=True)
    command.upgrade(project.config, "head")
    built = project.definitions()
    assert len(built) == 11
    assert built["ix_attributes"].endswith("USING gin (attributes jsonb_path_ops) WITH (fastupdate='false')")
    assert "lists='10'" in built["ix_flat"]
    assert project.revise("again") is None
    command.downgrade(project.config, "base")
    assert project.definitions() == {}
    command.upgrade(project.config, "head")
    assert project.definitions() == built


@pytest.mark.slow
def test_a_revision_is_written_as_ruff_would_and_no_line_is_too_long(project: Project) -> None:
    path = project.revised()
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "format", "--diff", "--config", ROOT / "pyproject.toml", path], check=True)
    subprocess.run([*ruff, "check", "--config", ROOT / "pyproject.toml", "--select", "E,F,W,UP,Q", path], check=True)


def test_a_replaced_index_is_exchanged_and_its_downgrade_restores_the_old_definition(project: Project) -> None:
    project.revised()
    command.upgrade(project.config, "head")
    before = project.definitions()
    text = (project.specs / "product.yaml").read_text()
    (project.specs / "product.yaml").write_text(text.replace("keys: [made], where", "keys: [made, id], where"))
    path = project.revised()
    assert "op.replace_index(" in path.read_text()
    command.upgrade(project.config, "head")
    after = project.definitions()
    assert {name for name in before if before[name] != after[name]} == {"ix_status_in"}
    assert set(after) == set(before)
    command.downgrade(project.config, "-1")
    assert project.definitions() == before


@pytest.mark.slow
def test_a_retired_index_is_dropped_and_its_downgrade_restores_it(project: Project) -> None:
    project.revised()
    command.upgrade(project.config, "head")
    before = project.definitions()
    set_state(project.specs, ["ix_brand", "Ix Price"], "retired")
    project.revised()
    command.upgrade(project.config, "head")
    assert set(before) - set(project.definitions()) == {"ix_brand", "Ix Price"}
    assert project.revise("again") is None
    command.downgrade(project.config, "-1")
    assert project.definitions() == before


@pytest.mark.slow
def test_lists_auto_is_no_change_when_the_table_has_grown(project: Project) -> None:
    project.revised()
    command.upgrade(project.config, "head")
    with connect(project.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO shop.product (id, embedding, attributes) "
            "SELECT n, '[1,2,3]', json_build_object('brand', n) FROM generate_series(1, 20000) AS n"
        )
        connection.execute("ANALYZE shop.product")
    assert project.revise("again") is None


def test_an_approved_proposal_enters_the_next_revision_which_continues_the_numbering(project: Project) -> None:
    first = project.revised()
    first.rename(first.with_name("0007_first.py"))
    renamed = first.with_name("0007_first.py")
    revision = next(line for line in renamed.read_text().splitlines() if line.startswith("revision = "))
    renamed.write_text(renamed.read_text().replace(revision, 'revision = "0007"'))
    command.upgrade(project.config, "head")
    set_state(project.specs, ["ix_later"], "approved")
    second = project.revised()
    assert second.name == "0008_indexes.py"
    assert "ix_later" in second.read_text()
    assert "ix_hash" not in second.read_text()


def test_manage_all_drops_what_no_spec_names_but_never_a_constraints_index(project: Project) -> None:
    with connect(project.url) as connection:
        connection.execute('CREATE INDEX ix_old ON shop."Order Items" (code, id)')
        connection.execute("CREATE INDEX ix_unmanaged ON shop.product (id)")
    (project.specs / "items.yaml").write_text(ITEMS.replace("indexes:", "manage: all\nindexes:"))
    text = project.revised().read_text()
    assert "DROP INDEX CONCURRENTLY IF EXISTS shop.ix_old" in text
    assert "ix_unmanaged" not in text
    assert "_key" not in text
    assert "pkey" not in text


def test_offline_sql_runs_in_psql_outside_transactions(project: Project) -> None:
    assert project.revise() is not None
    config = project.config
    with (project.ini.parent / "up.sql").open("w") as script:
        config.output_buffer = script
        command.upgrade(config, "head", sql=True)
    text = (project.ini.parent / "up.sql").read_text()
    assert "SET lock_timeout = '10min';" in text
    assert "RESET lock_timeout;" in text
    assert "INVALID" in text
    with connect(project.url, autocommit=True) as connection:
        for statement in _statements(text):
            connection.execute(statement.encode())
    offline = project.definitions()
    command.stamp(project.config, "base")
    command.upgrade(project.config, "head")
    assert project.definitions() == offline


def _statements(script: str) -> Iterator[str]:
    kept = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    return (part for part in kept.split(";\n") if part.strip())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("keys: [name]}", "keys: [nme]}", r'product.yaml:15: ix_hash cannot be built.*column "nme" does not exist'),
        ("method: hash, keys: [name]", "method: hash, keys: [name, id]", r"product.yaml:15: .*multicolumn"),
        (
            "name: ix_hash",
            "name: product_pkey",
            r"product.yaml:15: product_pkey belongs to the constraint product_pkey",
        ),
        ("name: ix_hash", "name: Order Items_pkey", r"product.yaml:15: an index Order Items_pkey exists on shop"),
    ],
)
def test_a_spec_no_server_would_build_is_named_with_its_line(
    project: Project, old: str, new: str, message: str
) -> None:
    (project.specs / "product.yaml").write_text(PRODUCT.replace(old, new))
    with pytest.raises((InputError, ConflictError), match=message):
        project.revise()
    assert list(project.versions.glob("*.py")) == []


@pytest.mark.slow
def test_an_invalid_leftover_is_built_again(project: Project) -> None:
    with connect(project.url, autocommit=True) as connection:
        connection.execute("INSERT INTO shop.product (id, attributes) SELECT n, '{}' FROM generate_series(1, 3) AS n")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(
                "CREATE UNIQUE INDEX CONCURRENTLY ix_brand ON shop.product ((attributes ->> 'brand') COLLATE \"C\") "
                "NULLS NOT DISTINCT"
            )
        connection.execute("DELETE FROM shop.product")
    assert "ix_brand" in project.revised().read_text()
    command.upgrade(project.config, "head")
    assert "ix_brand" in project.definitions()


def test_the_command_prints_the_revision_then_that_nothing_is_to_do(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = [
        "-m",
        "add indexes",
        "-d",
        project.url,
        "--allow-superuser",
        "--specs",
        str(project.specs),
        "--config",
        str(project.ini),
    ]
    first = CliRunner().invoke(revise_command, arguments)
    assert first.exit_code == 0, first.output
    assert Path(first.stdout.strip()).is_file()
    with caplog.at_level("WARNING"):  # of a database that was not upgraded to it
        early = CliRunner().invoke(revise_command, arguments)
    assert caplog.messages
    assert all("builds ix_" in each or "builds Ix Price" in each for each in caplog.messages), caplog.messages
    Path(early.stdout.strip()).unlink()
    command.upgrade(project.config, "head")
    second = CliRunner().invoke(revise_command, arguments)
    assert second.stdout.startswith("nothing to do")
    assert len(list(project.versions.glob("*.py"))) == 1


def test_a_refused_hazard_is_named_with_its_step_and_nothing_is_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.ini.parent)
    Path("pyproject.toml").write_text('[tool.twindex]\nrefuse_hazards = ["UNIQUE"]\n')
    said = [
        "UNIQUE is refused: build_index shop.ix_brand on shop.product: fails on duplicates and leaves an INVALID index"
    ]
    allowed = [option for code in ("lock", "index_build", "analyze") for option in ("--allow-hazard", code)]

    def revised(*options: str) -> tuple[int, list[str]]:
        where = ["-d", project.url, "--allow-superuser", "--specs", str(project.specs), "--config", str(project.ini)]
        done = CliRunner().invoke(revise_command, ["-m", "add indexes", *where, *options])
        return done.exit_code, done.stdout.splitlines()

    assert revised() == (1, said)
    assert revised("--refuse-hazard", "all", *allowed) == (1, said)
    assert list(project.versions.glob("*.py")) == []
    status, (path,) = revised("--allow-hazard", "UNIQUE", "--refuse-hazard", "INDEX_DROPPED")
    assert status == 0
    assert Path(path).is_file()


def test_what_the_project_prints_is_not_part_of_the_result(project: Project) -> None:
    hooks = "[post_write_hooks]\nhooks = say\nsay.type = exec\nsay.executable = echo\nsay.options = noise of a hook\n"
    project.ini.write_text(f"{project.ini.read_text()}\n{hooks}")
    loaded = (
        'print("noise of a revision")\nrevision = "0001"\ndown_revision = None\nupgrade = downgrade = lambda: None\n'
    )
    (project.versions / "0001_first.py").write_text(loaded)
    done = subprocess.run(
        [sys.executable, "-m", "analyzer", *trusting(
            ["revise", "-m", "add", "-d", project.url, "--allow-superuser", "--specs", str(project.specs),
             "--config", str(project.ini)]
        )],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (path,) = done.stdout.splitlines()
    assert Path(path).is_file()
    assert "noise of a revision" in done.stderr


def test_a_missing_alembic_ini_is_one_line(project: Project) -> None:
    project.ini.unlink()
    with pytest.raises(InputError, match=r"alembic.ini does not exist"):
        project.revise()
