"""One spec for a table of many schemas, `table: tenant_*.orders`: one revision, and a step in each schema found."""

import datetime as dt
import logging
import re
import subprocess

import psycopg
import pytest
from alembic.script import ScriptDirectory

from analyzer.capture.capture import capture
from analyzer.db import connect, libpq_url
from analyzer.documents.findings import FindingsDocument
from analyzer.errors import InputError, NotExaminableError
from analyzer.migrate.deploy import online
from analyzer.migrate.deploy.catalog import Table
from analyzer.migrate.deploy.target import DeployError
from analyzer.specs.file import load_specs
from analyzer.specs.pull import pull
from analyzer.specs.tolerant import load_sources
from analyzer.workflows.check import check
from analyzer.workflows.lint import lint_against, lint_text
from tests.server.executor import await_, guarded, upgrade
from tests.server.spec_project import SpecProject, names, obey
from tests.server.squawked import offline

ORDERS = "{name: ix_day, keys: [day]}\n{name: ix_open, keys: [id], where: open, comment: Open ones.}"


def tenants(project: SpecProject, *schemas: str, rest: str = "") -> None:
    """Create schemas with the table of a tenant."""
    for schema in schemas:
        project.run(
            f'CREATE SCHEMA "{schema}";\nCREATE TABLE "{schema}".orders (id int, day date, open bool, note text) {rest}'
        )


def indexes(project: SpecProject) -> set[str]:
    return {name for name in project.facts() if "." in name}


def of(*schemas: str, index: str = "ix_day") -> set[str]:
    return {f"{schema}.{index}" for schema in schemas}


def checked(project: SpecProject) -> FindingsDocument:
    return check(capture(project.url, statements=False), load_specs(project.specs), project.ini)


def drift(project: SpecProject) -> list[tuple[str, str, str]]:
    return [(f.code, f.object, f.message) for f in checked(project).findings if f.code.startswith("TX3")]


@pytest.mark.parametrize("twin", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_each_schema_gets_the_index(project: SpecProject, twin: bool) -> None:
    tenants(project, "tenant_1", "tenant_2", "Tenant 3", "other", "tenant_Größe")
    project.run("CREATE SCHEMA tenant_empty;\nCREATE VIEW tenant_empty.orders AS SELECT 1 AS day")
    project.declare(ORDERS, table="tenant_*.orders")
    text = obey(project, twin=twin)
    assert text.count("op.build_index(") == 2
    assert text.count('schemas="tenant_*"') == 4
    found = ("tenant_1", "tenant_2", "tenant_Größe")
    assert indexes(project) == of(*found) | of(*found, index="ix_open")
    assert drift(project) == []


def test_odd_names_and_exceptions(project: SpecProject) -> None:
    tenants(project, "t12", "Tenant 3", "Tenant ö", "other", "select")
    project.run('CREATE SCHEMA "a""b";\nCREATE TABLE "a""b".orders (id int, day date, open bool, note text)')
    head = 'except_schemas: ["t??", other, \'*" 3"\']\n'
    project.declare("{name: ix_day, keys: [day]}", table="'*.orders'", head=head)
    obey(project)
    assert indexes(project) == of("Tenant ö", 'a"b', "select")
    assert drift(project) == []


def test_a_name_in_quotes_is_no_pattern(project: SpecProject) -> None:
    tenants(project, "tenant_*", "tenant_1")
    project.declare("{name: ix_day, keys: [day]}", table="'\"tenant_*\".orders'")
    assert "schemas=" not in obey(project)
    assert indexes(project) == of("tenant_*")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{name: ix_day, keys: [day]}", "{name: ix_day, keys: [day, id]}"),
        ("{name: ix_day, keys: [day]}", "{name: ix_days, keys: [day]}"),
        ("{name: ix_day, keys: [day]}", "{name: ix_day, keys: [day], comment: Days.}"),
        ("{name: ix_day, keys: [day]}", "{name: ix_day, keys: [day], state: retired}"),
        ("{name: ix_day, keys: [{expression: lower(note)}]}",
         "{name: ix_day, keys: [{expression: lower(note), statistics: 500}]}"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("twin", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_change_is_one_step(project: SpecProject, before: str, after: str, twin: bool) -> None:
    tenants(project, "tenant_1", "tenant_2", "Tenant")
    project.declare(before, table="tenant_*.orders")
    project.autogenerate()
    project.upgrade()
    project.declare(after, table="tenant_*.orders")
    text = obey(project, twin=twin)
    steps = len(re.findall(r"op\.(?!analyze_table)\w+\(", text))
    assert steps == 2
    assert text.count('schemas="tenant_*"') == steps + text.count("op.analyze_table(")
    assert drift(project) == []


@pytest.mark.parametrize("twin", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_statistics_too(project: SpecProject, twin: bool) -> None:
    tenants(project, "tenant_1", "tenant_2")
    project.declare("", statistics="{name: s, columns: [id, day], target: 200}", table="tenant_*.orders")
    text = obey(project, twin=twin)
    assert text.count("op.create_statistics(") == text.count("op.analyze_table(") == 1
    project.declare("", statistics="{name: s, columns: [id, day, open]}", table="tenant_*.orders")
    assert 'schemas="tenant_*"' in obey(project, twin=twin)
    assert drift(project) == []


def test_the_schema_in_an_expression(project: SpecProject) -> None:
    tenants(project, "tenant_1", "tenant_2")
    for schema in ("tenant_1", "tenant_2"):
        project.run(
            f"CREATE FUNCTION {schema}.plain(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN lower($1) || '{schema}'"
        )
    project.declare("""{name: ix_day, keys: [{expression: '"*".plain(note)'}]}""", table="tenant_*.orders")
    text = obey(project, twin=True)
    assert text.count('"*".plain(note)') == 2
    assert 'schemas="tenant_*"' in text
    assert "tenant_2.plain(note)" in project.facts()["tenant_2.ix_day"].ddl


@pytest.mark.parametrize("twin", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_new_schema_is_caught_up(project: SpecProject, twin: bool) -> None:
    tenants(project, "tenant_1", "tenant_2", "tenant_3")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    project.autogenerate()
    project.upgrade()
    tenants(project, "tenant_4", "tenant_Fünf")
    ((code, name, message),) = drift(project)
    assert (code, name) == ("TX301", "tenant_*.ix_day")
    assert message.startswith('in 2 of 5 schemas, tenant_4, "tenant_Fünf": ix_day does not exist on tenant_*.orders')
    text = obey(project, twin=twin)
    assert '"tenant_4"' in text
    assert "tenant_1" not in text
    project.downgrade()
    assert indexes(project) == of("tenant_1", "tenant_2", "tenant_3")


def test_one_schema_that_another_database_lacks(project: SpecProject) -> None:
    tenants(project, "tenant_1", "tenant_2")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    project.autogenerate()
    project.upgrade()
    tenants(project, "tenant_3")
    written = project.autogenerate()
    assert written is not None
    assert 'schemas="tenant_3"' in written.read_text()
    project.run("DROP SCHEMA tenant_3 CASCADE")
    project.upgrade()
    assert drift(project) == []
    project.downgrade()
    assert indexes(project) == of("tenant_1", "tenant_2")


def test_the_deploy_takes_in_what_it_finds(project: SpecProject) -> None:
    """A schema created after the revision is written, one dropped, and one that has the index already."""
    tenants(project, "tenant_1", "tenant_2")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    project.autogenerate()
    project.run("DROP SCHEMA tenant_2 CASCADE")
    tenants(project, "tenant_3", "tenant_4")
    project.run("CREATE INDEX ix_day ON tenant_3.orders (day)")
    project.upgrade()
    assert indexes(project) == of("tenant_1", "tenant_3", "tenant_4")
    project.downgrade()
    assert indexes(project) == set()


def test_a_schema_apart_gets_its_own_step(project: SpecProject) -> None:
    tenants(project, "tenant_1", "tenant_2", "tenant_3")
    project.run("CREATE INDEX ix_day ON tenant_2.orders (day, id)")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    text = obey(project)
    assert 'op.replace_index(\n        "ix_day",\n        "orders",\n        schemas="tenant_2"' in text
    project.downgrade()
    assert project.facts()["tenant_2.ix_day"].ddl.endswith("(day, id)")


@pytest.mark.parametrize("twin", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_partitioned_and_plain_tables(project: SpecProject, twin: bool) -> None:
    tenants(project, "tenant_1")
    tenants(project, "tenant_2", "tenant_3", rest="PARTITION BY RANGE (id)")
    for schema in ("tenant_2", "tenant_3"):
        project.run(f"CREATE TABLE {schema}.orders_1 PARTITION OF {schema}.orders FOR VALUES FROM (0) TO (9)")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    before = project.facts()
    written = project.revise() if twin else project.autogenerate()
    assert written is not None
    project.upgrade()
    assert drift(project) == []
    assert (project.revise() if twin else project.autogenerate()) is None
    assert of("tenant_1", "tenant_2", "tenant_3") < indexes(project)
    assert all(fact.valid for fact in project.facts().values())
    project.downgrade()
    assert project.facts() == before


def test_partitioned_schemas_alone(project: SpecProject) -> None:
    """What the revision says of partitioned tables holds for a plain one found later."""
    tenants(project, "tenant_2", "tenant_3", rest="PARTITION BY RANGE (id)")
    project.run("CREATE TABLE tenant_2.orders_1 PARTITION OF tenant_2.orders FOR VALUES FROM (0) TO (9)")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    written = project.autogenerate()
    assert written is not None
    assert 'schemas="tenant_*"' in written.read_text()
    tenants(project, "tenant_4")
    project.upgrade()
    assert drift(project) == []
    with pytest.raises(DeployError, match="run alembic upgrade without --sql"):
        offline(project.config, "base:head")
    project.downgrade()
    assert indexes(project) == set()


def test_a_schema_dropped_during_the_deploy(project: SpecProject, monkeypatch: pytest.MonkeyPatch) -> None:
    tenants(project, "tenant_1", "tenant_2", "tenant_3")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    project.autogenerate()
    build = online.make

    def meanwhile(deploy: online.Deploy, target: online.Target, table: Table | None) -> bool:
        if target.schema == "tenant_2":
            project.run("DROP SCHEMA tenant_2 CASCADE")
            tenants(project, "tenant_0")
        return build(deploy, target, table)

    monkeypatch.setattr(online, "make", meanwhile)
    project.upgrade()
    assert indexes(project) == of("tenant_0", "tenant_1", "tenant_3")


def test_what_is_done_is_skipped_after_a_failure(project: SpecProject, caplog: pytest.LogCaptureFixture) -> None:
    tenants(project, "tenant_1", "tenant_2", "tenant_3")
    project.run("INSERT INTO tenant_2.orders VALUES (1), (1)")
    project.declare("{name: ix_day, keys: [id], unique: true}", table="tenant_*.orders")
    project.autogenerate()
    with caplog.at_level(logging.INFO, "analyzer.migrate"), pytest.raises(DeployError, match=r"tenant_2\.ix_day"):
        project.upgrade()
    assert "ix_day in schema tenant_2, 2 of 3" in caplog.messages
    before = project.facts()["tenant_1.ix_day"]
    project.run("DELETE FROM tenant_2.orders")
    caplog.clear()
    with caplog.at_level(logging.INFO, "analyzer.migrate"):
        project.upgrade()
    assert "tenant_1.ix_day is there already" in caplog.messages
    assert project.facts()["tenant_1.ix_day"] == before
    assert of("tenant_1", "tenant_2", "tenant_3") == indexes(project)
    assert all(fact.valid for fact in project.facts().values())


def test_side_by_side(project: SpecProject) -> None:
    tenants(project, "tenant_1", "tenant_2", "tenant_3")
    project.run("CREATE TABLE tenant_1.items (a int);\nCREATE TABLE tenant_2.items (a int)")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    project.declare("{name: ix_item, keys: [a]}", table="tenant_*.items", file="items.yaml")
    written = project.autogenerate()
    assert written is not None
    assert "with op.side_by_side():" in written.read_text()
    guarded(project)
    process = upgrade(project, "-x", "twindex_jobs=3")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert indexes(project) == of("tenant_1", "tenant_2", "tenant_3") | of("tenant_1", "tenant_2", index="ix_item")


def test_the_sql_finds_the_schemas_too(project: SpecProject) -> None:
    tenants(project, "tenant_1", "tenant_2", "tenant_a", "Tenant")
    project.run("CREATE SCHEMA tenantx;\nCREATE TABLE tenantx.orders (id int, day date)")
    head = "except_schemas: [tenant_a*]\n"
    for keys in ("day", "day, id"):
        project.declare(f"{{name: ix_day, keys: [{keys}], comment: 100 % of '*'}}", table="tenant_*.orders", head=head)
        project.autogenerate()
        down = ScriptDirectory.from_config(project.config).get_revision(project.heads()).down_revision
        script = offline(project.config, f"{down or 'base'}:{project.heads()}")
        subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", libpq_url(project.url)],
            input=script, text=True, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert indexes(project) == of("tenant_1", "tenant_2")
        assert drift(project) == []


def test_manage_all(project: SpecProject) -> None:
    tenants(project, "tenant_1", "tenant_2", "other")
    for schema in ("tenant_1", "tenant_2", "other"):
        project.run(f"CREATE INDEX stray ON {schema}.orders (note)")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders", head="manage: all\n")
    found = drift(project)
    assert {(code, name) for code, name, _ in found} == {("TX301", "tenant_*.ix_day"), ("TX304", "tenant_*.stray")}
    assert all(message.startswith("in each of 2 schemas: ") for _, _, message in found)
    obey(project, twin=True)
    assert indexes(project) == of("tenant_1", "tenant_2") | of("other", index="stray")


def test_the_other_doors(project: SpecProject) -> None:
    """Pull, lint and alembic check know what a pattern declares."""
    tenants(project, "tenant_1", "tenant_2", "tenant_3")
    project.run("ALTER TABLE tenant_2.orders DROP COLUMN note")
    project.declare("{name: ix_day, keys: [day]}\n{name: ix_note, keys: [note]}", table="tenant_*.orders")
    sources, snapshot = load_sources([project.specs]), capture(project.url, statements=False)
    lint_text(sources)
    (finding,) = (f for f in lint_against(sources, snapshot).findings if f.code == "TX113")
    assert finding.object == "tenant_*.ix_note"
    assert finding.message.startswith("in 1 of 3 schemas, tenant_2: ")
    project.run("ALTER TABLE tenant_2.orders ADD COLUMN note text")
    assert names(project.check()) == {("build_index", "ix_day"), ("build_index", "ix_note")}
    project.autogenerate()
    project.upgrade()
    project.run("CREATE INDEX more ON tenant_3.orders (note, day)")
    assert pull(capture(project.url, statements=False), project.specs).objects == ("tenant_3.more",)


def test_lint_says_everything_once(project: SpecProject) -> None:
    tenants(project, *(f"tenant_{number}" for number in range(12)))
    project.declare("{name: ix_x, keys: [nothing]}\n{name: ix_y, keys: [day]}", table="tenant_*.orders")
    project.declare("{name: ix_y, keys: [id]}", table="tenant_1.orders", file="one.yaml")
    document = lint_against(load_sources([project.specs]), capture(project.url, statements=False))
    said = {(f.code, f.object): f.message for f in document.findings}
    assert said["TX113", "tenant_*.ix_x"].startswith("in each of 12 schemas: ")
    twice = [f for f in document.findings if "already declared" in f.message]
    assert len(twice) == 1
    with pytest.raises(InputError, match=r"tenant_1\.ix_y is already declared at .*except_schemas"):
        project.revise()


def test_a_pattern_without_tables(project: SpecProject) -> None:
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    assert project.autogenerate() is None
    assert project.check() == []
    with pytest.raises(NotExaminableError, match="no schema that matches has the table"):
        checked(project)
    document = lint_against(load_sources([project.specs]), capture(project.url, statements=False))
    assert [(f.code, f.object) for f in document.findings if f.severity == "error"] == [("TX113", "tenant_*.ix_day")]


def test_a_rejection_holds_in_each_schema(project: SpecProject) -> None:
    tenants(project, "tenant_1")
    until = dt.date.max
    line = f"{{name: ix_day, keys: [day], state: rejected, reason: no, until: {until}}}"
    project.declare(line, table="tenant_*.orders")
    assert project.autogenerate() is None


def test_a_kill_in_one_of_the_schemas(project: SpecProject) -> None:
    """A backend that dies between two schemas leaves what the next run completes."""
    tenants(project, "tenant_1", "tenant_2", "tenant_3")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    project.autogenerate()
    guarded(project)
    with connect(project.url) as blocker:
        blocker.execute("LOCK TABLE tenant_2.orders IN ROW EXCLUSIVE MODE")
        process = upgrade(project, "-x", "twindex_plain_build=0")
        with connect(project.url, autocommit=True) as killer:
            _kill_when_waiting(killer)
        output, _ = process.communicate(timeout=60)
    assert process.returncode != 0, output
    assert of("tenant_1") <= indexes(project)
    project.upgrade()
    assert indexes(project) == of("tenant_1", "tenant_2", "tenant_3")
    assert all(fact.valid for fact in project.facts().values())
    project.downgrade()
    assert indexes(project) == set()


def _kill_when_waiting(killer: psycopg.Connection[dict[str, object]]) -> None:
    query = (
        "SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX CONCURRENTLY%'"
    )
    await_(lambda: bool(killer.execute(query).fetchall()))


def test_schemas_that_env_py_leaves_out_are_named_once(project: SpecProject, caplog: pytest.LogCaptureFixture) -> None:
    tenants(project, "tenant_1", "tenant_2", "tenant_3")
    project.declare("{name: ix_day, keys: [day]}", table="tenant_*.orders")
    env = project.versions.parent / "env.py"
    rule = 'options["include_name"] = lambda name, kind, parents: kind != "schema" or name in {}\n# options'
    for seen, said in (
        ("(None,)", "tenant_*.orders in 3 schemas"),
        ("(None, 'tenant_1', 'tenant_3')", "tenant_2.orders"),
    ):
        env.write_text(env.read_text().replace("# options", rule.replace("{}", seen)))
        caplog.clear()
        found = project.check()
        assert [message for message in caplog.messages if "left out" in message] == [
            f"the specs of {said} are left out, for env.py leaves out the table"
        ]
        assert len(found) == (seen != "(None,)")
