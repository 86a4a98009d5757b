"""`alembic revision --autogenerate` and `alembic check` see the specs after one import line."""

import os
import re
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.util import CommandError

from analyzer.twin.server import cluster
from tests.conftest import fresh_database
from tests.server.matrix import CHANGED, UNCHANGED
from tests.server.servers import OTHERS_SLOWLY
from tests.server.spec_project import UNMODELLED, SpecProject, names, obey


@pytest.fixture
def latest(tmp_path: Path, database: str) -> SpecProject:
    return SpecProject(tmp_path, database)


@pytest.mark.parametrize("any_server", OTHERS_SLOWLY, indirect=True)
def test_every_row_of_the_matrix_is_detected_and_none_churns(project: SpecProject) -> None:
    same = [f"{{name: same_{name}, {spec}}}" for name, spec in UNCHANGED]
    project.declare("\n".join([*same, *(f"{{name: {name}, {before}}}" for name, before, _ in CHANGED)]))
    project.build()
    assert project.check() == []
    assert project.autogenerate() is None
    project.declare("\n".join([*same, *(f"{{name: {name}, {after}}}" for name, _, after in CHANGED)]))
    assert names(project.check()) == {("replace_index", name) for name, _, _ in CHANGED}
    text = obey(project)
    assert text.count("op.replace_index(") == 2 * len(CHANGED)
    assert "op.drop_index(" not in text


def test_the_first_revision_builds_everything_and_takes_it_away_again(project: SpecProject) -> None:
    project.declare(
        """
        {name: ix_a, keys: [a], comment: "it's 100 % here", where: "s LIKE 'x%'"}
        {name: ix_lower, keys: [id, {expression: lower(s), statistics: 500}]}
        {name: Ix Mixed, keys: [b], unique: true}
        {name: ix_proposed, keys: [d], state: proposed}
        """
    )
    text = obey(project)
    assert set(project.facts()) == {"ix_a", "ix_lower", "Ix Mixed"}
    assert project.facts()["ix_a"].comment == "it's 100 % here"
    assert project.facts()["ix_lower"].statistics == "2=500"
    assert "import analyzer.migrate.alembic_plugin" in text


def test_comments_statistics_and_tablespaces_are_compared(latest: SpecProject) -> None:
    latest.declare(
        """
        {name: ix_comment, keys: [a], comment: first}
        {name: ix_statistics, keys: [{expression: lower(s), statistics: 500}, {expression: a + 1}]}
        {name: ix_place, keys: [b]}
        """
    )
    obey(latest)
    latest.declare(
        """
        {name: ix_comment, keys: [a], comment: "it's\\nthe second"}
        {name: ix_statistics, keys: [{expression: lower(s)}, {expression: a + 1, statistics: 0}], comment: new}
        {name: ix_place, keys: [b], tablespace: pg_default}
        """
    )
    assert names(latest.check()) == {("alter_index", "ix_comment"), ("alter_index", "ix_statistics")}
    obey(latest)
    facts = latest.facts()
    assert (facts["ix_comment"].comment, facts["ix_statistics"].statistics) == ("it's\nthe second", "2=0")
    text = (latest.specs / "t.yaml").read_text()
    first = next(line for line in text.splitlines() if "ix_comment" in line)
    (latest.specs / "t.yaml").write_text(text.replace(first, "  - {name: ix_comment, keys: [b, a]}"))
    text = obey(latest)
    assert "replace_index" in text
    assert latest.facts()["ix_comment"].comment is None


def test_a_move_to_another_tablespace_is_a_replacement(tmp_path: Path) -> None:
    with cluster.temporary(settings={"fsync": "off"}) as running, fresh_database(running.url()) as url:
        location = running.home / "fast"
        location.mkdir()
        account = running.data.stat()
        os.chown(location, account.st_uid, account.st_gid)
        project = SpecProject(tmp_path, url)
        project.run(f"CREATE TABLESPACE fast LOCATION '{location}'")
        project.declare("{name: ix, keys: [a]}")
        obey(project)
        project.declare("{name: ix, keys: [a], tablespace: fast}")
        assert names(project.check()) == {("replace_index", "ix")}
        obey(project)
        assert project.facts()["ix"].tablespace == "fast"
        project.declare("{name: ix, keys: [a]}")
        obey(project, twin=True)
        assert project.facts()["ix"].tablespace is None


def test_an_index_of_another_name_is_renamed_not_built(project: SpecProject) -> None:
    project.run("CREATE INDEX old_name ON t (a, lower(s));\nALTER INDEX old_name ALTER COLUMN 2 SET STATISTICS 7")
    project.declare("{name: New Name, keys: [a, {expression: lower(s)}], comment: fresh}")
    assert names(project.check()) == {("rename_index", "old_name")}
    text = obey(project)
    assert "op.drop_index" not in text
    assert "op.build_index" not in text
    assert set(project.facts()) == {"New Name"}
    project.run('ALTER INDEX "New Name" RENAME TO third')
    assert names(project.check()) == {("rename_index", "third")}
    obey(project, twin=True)


def test_a_retired_name_and_an_approved_one_of_the_same_definition_are_a_renaming(latest: SpecProject) -> None:
    latest.run("CREATE INDEX ix_old ON t (a)")
    latest.declare("{name: ix_old, keys: [a], state: retired}\n{name: ix_new, keys: [a]}")
    assert names(latest.check()) == {("rename_index", "ix_old")}
    obey(latest)


def test_managed_indexes_are_no_drops_and_those_of_models_still_are(project: SpecProject) -> None:
    project.run(
        "CREATE INDEX ix_managed ON t (a);\nCREATE UNIQUE INDEX ix_proposed ON t (id, b);\n"
        "CREATE INDEX ix_model ON t (b)"
    )
    project.declare(
        "{name: ix_managed, keys: [a]}\n{name: ix_proposed, keys: [id, b], unique: true, state: proposed}\n"
        "{name: ix_rejected, keys: [b], state: rejected, reason: no}"
    )
    (diff,) = project.check()
    assert (diff[0], diff[1].name) == ("remove_index", "ix_model")


def test_manage_all_without_any_spec_finds_what_check_finds(latest: SpecProject) -> None:
    latest.run("CREATE INDEX ix_stray ON t (a)")
    latest.declare("", head="manage: all\n")
    path = latest.autogenerate()
    assert path is not None
    assert 'op.drop_index_online(\n        "ix_stray"' in path.read_text()


def test_manage_all_takes_the_place_of_alembics_drops(latest: SpecProject) -> None:
    latest.run("CREATE INDEX ix_stray ON t (a)")
    latest.declare("{name: ix_kept, keys: [b]}", head="manage: all\n")
    assert names(latest.check()) == {("build_index", "ix_kept"), ("drop_index_online", "ix_stray")}
    text = obey(latest)
    assert "op.drop_index(" not in text


def test_an_invalid_index_is_seen_and_built_again(project: SpecProject) -> None:
    project.run("INSERT INTO t (id, a) VALUES (1, 1), (2, 1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        project.run("CREATE UNIQUE INDEX CONCURRENTLY ix ON t (a)")
    project.run("UPDATE t SET a = id")
    project.declare("{name: ix, keys: [a], unique: true}")
    assert names(project.check()) == {("build_index", "ix")}
    obey(project)


def test_what_something_needs_is_not_dropped(tmp_path: Path, database: str) -> None:
    latest = SpecProject(tmp_path, database, env={"options": UNMODELLED})
    latest.run(
        "CREATE UNIQUE INDEX ix_key ON t (id, a);\n"
        "CREATE TABLE child (id int, a int, FOREIGN KEY (id, a) REFERENCES t (id, a));\n"
        "CREATE UNIQUE INDEX ix_identity ON child (id);\nALTER TABLE child ALTER COLUMN id SET NOT NULL;\n"
        "ALTER TABLE child REPLICA IDENTITY USING INDEX ix_identity"
    )
    latest.declare("{name: ix_key, keys: [id, a], unique: true, state: retired}")
    with pytest.raises(CommandError, match=r"t.yaml:3: the foreign key child_id_a_fkey needs ix_key"):
        latest.check()
    latest.declare("{name: ix_identity, keys: [id], unique: true, state: retired}", table="public.child")
    with pytest.raises(CommandError, match=r"t.yaml:3: ix_identity is the replica identity of public.child"):
        latest.check()


@pytest.mark.parametrize(
    ("indexes", "message"),
    [
        ("{name: ix, keys: [nowhere]}", r't.yaml:3: ix cannot be built, column "nowhere" does not exist'),
        ("{name: ix, keys: [{expression: now()}]}", r"t.yaml:3: ix cannot be built, functions in index expression"),
        ("{name: t_code_key, keys: [code]}", r"t.yaml:3: t_code_key belongs to the constraint"),
        ("{name: ix_child, keys: [a]}", r"t.yaml:3: an index ix_child exists on public.other"),
        ("{name: ix, keys: [a], wher: b}", r"t.yaml:3: indexes.1.wher: unknown key"),
        ("{name: ix_model, keys: [a]}", r"t.yaml:3: ix_model is declared by the model of public\.modelled as well"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, database: str, indexes: str, message: str) -> None:
    models = 'Table("modelled", metadata, Column("a", Integer, index=True), Index("ix_model", "a"))'
    env = {"models": f"from sqlalchemy import Index\n{models}"}
    project = SpecProject(tmp_path, database, env=env)
    project.run("CREATE TABLE other (a int);\nCREATE INDEX ix_child ON other (a)")
    project.declare(indexes)
    with pytest.raises(CommandError, match=message) as error:
        project.check()
    assert "\n" not in str(error.value)


def test_a_hazard_that_the_project_refuses_is_named_and_no_revision_is_written(latest: SpecProject) -> None:
    (latest.ini.parent / "pyproject.toml").write_text('[tool.twindex]\nrefuse_hazards = ["INDEX_DROPPED"]\n')
    latest.declare("{name: ix, keys: [a]}\n{name: ix_old, keys: [b]}")
    assert latest.autogenerate() is not None
    latest.upgrade()
    latest.declare("{name: ix, keys: [a]}\n{name: ix_old, keys: [b], state: retired}")
    with pytest.raises(
        CommandError, match=r"^INDEX_DROPPED is refused: drop_index_online public.ix_old on public.t: queries that"
    ):
        latest.autogenerate()
    assert len(list(latest.versions.glob("*.py"))) == 1


def test_specs_of_a_table_that_comes_with_the_same_revision_wait(tmp_path: Path, database: str) -> None:
    project = SpecProject(tmp_path, database, env={"models": 'Table("fresh", metadata, Column("a", Integer))'})
    project.declare("{name: ix, keys: [a]}")
    project.declare("{name: ix_fresh, keys: [a]}", table="public.fresh", file="fresh.yaml")
    schema, steps = (path.read_text() for path in project.autogenerate_all())
    assert "create_table" in schema
    assert "build_index" not in schema
    assert "ix_fresh" not in steps
    project.upgrade()
    assert names(project.check()) == {("build_index", "ix_fresh")}
    project.autogenerate()
    project.upgrade()
    assert project.check() == []


#: A model of which the database has no table yet, and one column more than the database's t.
FRESH = 'Table("fresh", metadata, Column("a", Integer, index=True))'
ONE_MORE = 'metadata.tables["t"].append_column(Column("fresh", Integer))'


def test_index_steps_share_no_revision_with_other_changes(tmp_path: Path, database: str) -> None:
    project = SpecProject(tmp_path, database, env={"models": FRESH})
    project.run("CREATE INDEX ix_old ON t (b)")
    project.declare("{name: ix, keys: [a]}\n{name: ix_old, keys: [b], state: retired}")
    before = project.facts()
    diffs = project.check()
    assert {diff[0] for diff in diffs} == {"add_table", "add_index", "build_index", "drop_index_online"}
    schema, steps = project.autogenerate_all("add fresh", rev_id="0007")
    assert schema.name == "0007_add_fresh.py"
    assert steps.name == "0008_add_fresh_then_indexes.py"
    assert 'down_revision = "0007"' in steps.read_text()
    assert "import analyzer" not in schema.read_text()
    assert not {"build_index", "drop_index_online"} & set(re.findall(r"op\.(\w+)\(", schema.read_text()))
    assert set(re.findall(r"op\.(\w+)\(", steps.read_text())) == {"build_index", "drop_index_online"}
    project.upgrade()
    assert project.check() == []
    assert project.autogenerate() is None
    project.downgrade()
    project.downgrade()
    assert project.facts() == before


def test_the_projects_own_hook_sees_one_script_and_may_change_it(tmp_path: Path, database: str) -> None:
    hook = """
def rename(context, revision, directives):
    (script,) = directives
    script.rev_id = "mine"
    script.upgrade_ops.ops[:] = [op for op in script.upgrade_ops.ops if getattr(op, "index_name", "") != "ix_no"]
    script.downgrade_ops.ops[:] = [op for op in script.downgrade_ops.ops if getattr(op, "index_name", "") != "ix_no"]

options["process_revision_directives"] = rename
"""
    project = SpecProject(tmp_path, database, env={"models": FRESH, "options": hook})
    project.declare("{name: ix, keys: [a]}\n{name: ix_no, keys: [b]}")
    schema, steps = (path.read_text() for path in project.autogenerate_all())
    assert 'revision = "mine"' in schema
    assert 'down_revision = "mine"' in steps
    assert "ix_no" not in steps
    project.upgrade()
    assert "ix" in project.facts()


def test_a_hook_that_writes_no_empty_revision_still_writes_none(tmp_path: Path, database: str) -> None:
    hook = """
def not_empty(context, revision, directives):
    if directives[0].upgrade_ops.is_empty():
        directives[:] = []

options["process_revision_directives"] = not_empty
"""
    project = SpecProject(tmp_path, database, env={"options": hook})
    project.declare("{name: ix, keys: [a]}")
    for _ in range(2):
        command.revision(project.config, "indexes", autogenerate=True)
        project.upgrade()
    assert len(list(project.versions.glob("*.py"))) == 1


def test_specs_of_a_table_whose_columns_change_wait(tmp_path: Path, database: str) -> None:
    project = SpecProject(tmp_path, database, env={"models": ONE_MORE})
    project.declare("{name: ix_fresh, keys: [fresh]}\n{name: ix, keys: [a]}")
    path = project.autogenerate()
    assert path is not None
    assert "add_column" in path.read_text()
    project.upgrade()
    assert names(project.check()) == {("build_index", "ix_fresh"), ("build_index", "ix")}
    obey(project)


def test_one_definition_in_a_model_and_a_spec_is_refused_whatever_it_is_called(tmp_path: Path, database: str) -> None:
    models = 'from sqlalchemy import Index, func\nt = metadata.tables["t"]\nIndex("ix_model", func.lower(t.c.s), t.c.a)'
    project = SpecProject(tmp_path, database, env={"models": models})
    project.declare("{name: ix_other, keys: [{expression: lower(s)}, b]}")
    assert {diff[0] for diff in project.check()} == {"add_index", "build_index", "analyze_table"}
    project.declare("{name: ix_spec, keys: [{expression: LOWER( s )}, a]}")
    with pytest.raises(
        CommandError, match=r"t\.yaml:3: ix_spec is declared by the model of public\.t as well, there as"
    ):
        project.check()


def test_expressions_may_name_their_table(project: SpecProject) -> None:
    project.declare(
        """
        {name: ix_whole, keys: [{expression: t IS NULL}], where: "t.* IS NOT NULL"}
        {name: ix_table, keys: [{expression: "t.a + public.t.b"}], where: 'public."t".a > 0'}
        """
    )
    text = obey(project)
    assert "((t.* IS NULL))" in text
    assert project.revise() is None


def test_a_switched_off_comparison_is_said_before_managed_indexes_are_dropped(tmp_path: Path, database: str) -> None:
    options = 'options["autogenerate_plugins"] = ["alembic.autogenerate.*", "~alembic.autogenerate.twindex"]'
    project = SpecProject(tmp_path, database, env={"options": options})
    project.run("CREATE INDEX ix ON t (a)")
    project.declare("{name: ix, keys: [a]}")
    with pytest.raises(CommandError, match=r"autogenerate would drop public\.ix, which .* declares"):
        project.check()


def test_specs_are_found_where_configure_says(tmp_path: Path, database: str) -> None:
    options = f'options["index_specs"] = {str(tmp_path / "elsewhere")!r}'
    project = SpecProject(tmp_path, database, env={"options": options})
    with pytest.raises(CommandError, match=r"elsewhere is not a directory of spec files"):
        project.check()
    project.specs.rename(tmp_path / "elsewhere")
    project.specs = tmp_path / "elsewhere"
    project.declare("{name: ix, keys: [a]}")
    assert names(project.check()) == {("build_index", "ix")}


def test_a_project_without_specs_is_left_as_it_was(tmp_path: Path, database: str) -> None:
    project = SpecProject(tmp_path, database)
    project.specs.rmdir()
    assert project.check() == []
    project.run("CREATE INDEX ix ON t (a)")
    assert len(project.check()) == 1


def test_sql_before_configure_is_said_when_a_revision_is_written_and_when_it_runs(
    tmp_path: Path, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    project = SpecProject(tmp_path, database, env={"connected": 'connection.exec_driver_sql("SELECT 1")'})
    project.declare("{name: ix, keys: [a]}")
    with caplog.at_level("WARNING"):
        path = project.autogenerate()
    assert path is not None
    assert "the connection was in a transaction before context.configure()" in caplog.text
    with pytest.raises(
        CommandError, match=r"call connection\.commit\(\) after statements that run before context\.configure\(\)"
    ):
        project.upgrade()


def test_a_connection_that_commits_by_itself_is_left_as_it_was(tmp_path: Path, database: str) -> None:
    connected = 'connection = connection.execution_options(isolation_level="AUTOCOMMIT")'
    project = SpecProject(tmp_path, database, env={"connected": connected})
    project.declare("{name: ix, keys: [a]}\n{name: ix_s, keys: [{expression: lower(s)}]}")
    obey(project)
    project.declare("{name: ix, keys: [b]}\n{name: ix_s, keys: [{expression: LOWER( s )}]}")
    assert names(project.check()) == {("replace_index", "ix")}


def test_materialised_views_and_partitioned_tables_have_specs_too(project: SpecProject) -> None:
    project.run("""
        CREATE SCHEMA "Odd";
        CREATE TABLE "Odd"."Parts" (a int, "B b" text) PARTITION BY RANGE (a);
        CREATE TABLE "Odd".p1 PARTITION OF "Odd"."Parts" FOR VALUES FROM (0) TO (10);
        CREATE MATERIALIZED VIEW "Odd".seen AS SELECT a, s FROM t
    """)
    project.declare("{name: Ix, keys: [B b], comment: parts}", table='\'"Odd"."Parts"\'', file="p.yaml")
    project.declare("{name: ix_seen, keys: [a], unique: true}", table="'\"Odd\".seen'", file="m.yaml")
    text = obey(project)
    assert "CONCURRENTLY" not in text[text.index('"Parts"') : text.index("hazards", text.index('"Parts"'))]
    assert {"Odd.Ix", "Odd.ix_seen"} <= set(project.facts())
    project.declare("{name: Ix, keys: [B b, a]}", table='\'"Odd"."Parts"\'', file="p.yaml")
    obey(project, twin=True)
    project.declare("{name: Renamed, keys: [B b, a]}", table='\'"Odd"."Parts"\'', file="p.yaml")
    obey(project)


def test_a_partitioned_table_that_holds_rows_has_its_index_built_partition_by_partition(
    tmp_path: Path, database: str
) -> None:
    latest = SpecProject(tmp_path, database, env={"options": UNMODELLED})
    latest.run("""
        CREATE TABLE parts (a int, b text) PARTITION BY RANGE (a);
        CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
        INSERT INTO parts SELECT n, repeat('x', 500) FROM generate_series(1, 40000) AS n
    """)
    latest.declare("{name: ix, keys: [a]}", table="public.parts")
    obey(latest)
    assert latest.facts()["parts_1_a_idx"].valid
    latest.declare("{name: ix, keys: [a, {expression: lower(b), statistics: 50}]}", table="public.parts")
    obey(latest, twin=True)
