"""`unique: constraint`: a unique constraint added, replaced and dropped without blocking, and what refuses it."""

from typing import Any

import pytest
from alembic.script import ScriptDirectory

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.errors import ConflictError, InputError
from analyzer.migrate.deploy import online
from analyzer.migrate.deploy.target import DeployError
from analyzer.specs.file import load_specs
from analyzer.specs.tolerant import load_sources
from analyzer.workflows.check import check
from analyzer.workflows.lint import lint_against
from tests.server.executor import await_, guarded, upgrade
from tests.server.spec_project import SpecProject
from tests.server.squawked import ON_PURPOSE, offline, squawk

UX = "{name: ux, keys: [a], unique: constraint}"


def constraints(project: SpecProject) -> dict[str, Any]:
    """Read the unique constraints of public tables and the indexes that look like leftovers."""
    with connect(project.url) as connection:
        rows = connection.execute("""
            SELECT k.conname AS name, pg_get_constraintdef(k.oid) AS text, pg_get_indexdef(k.conindid) AS ddl,
                   obj_description(k.conindid, 'pg_class') AS comment, k.convalidated AS valid
            FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conindid
            WHERE k.contype = 'u' AND k.oid >= 16384 AND k.conname <> 't_code_key' ORDER BY 1
        """).fetchall()
    return {str(row.pop("name")): row for row in rows}


def drift(project: SpecProject) -> list[tuple[str, str]]:
    document = check(capture(project.url, statements=False), load_specs(project.specs), project.ini)
    return [(f.code, f.message) for f in document.findings if f.code.startswith("TX3")]


def whole(project: SpecProject) -> tuple[Any, Any]:
    return constraints(project), project.facts()


def obey(project: SpecProject, *, twin: bool) -> str:
    """See the laws of a revision kept, of constraints as well."""
    before = whole(project)
    assert drift(project)
    path = project.revise() if twin else project.autogenerate()
    assert path is not None
    project.upgrade()
    after = whole(project)
    assert (project.revise("again") if twin else project.autogenerate("again")) is None
    assert project.check() == []
    assert drift(project) == []
    project.downgrade()
    assert whole(project) == before
    project.upgrade()
    assert whole(project) == after
    down, up = ScriptDirectory.from_config(project.config).get_revision(project.heads()).down_revision, project.heads()
    for sql in (
        offline(project.config, f"{down or 'base'}:{up}"),
        offline(project.config, f"{up}:{down or 'base'}", down=True),
    ):
        found = squawk(sql)
        assert {finding["rule_name"] for finding in found} <= ON_PURPOSE, (found, sql)
    return path.read_text()


@pytest.mark.parametrize("twin", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (UX, "UNIQUE (a)"),
        ("{name: Ux, keys: [b, a], unique: constraint, deferrable: true, comment: One.}", "UNIQUE (b, a) DEFERRABLE"),
        (
            "{name: ux, keys: [a], include: [b], unique: constraint, deferrable: initially deferred}",
            "UNIQUE (a) INCLUDE (b) DEFERRABLE INITIALLY DEFERRED",
        ),
        ("{name: ux, keys: [a], unique: constraint, nulls_not_distinct: true}", "UNIQUE NULLS NOT DISTINCT (a)"),
    ],
)
def test_a_constraint_is_built_and_dropped(project: SpecProject, spec: str, text: str, twin: bool) -> None:
    project.declare(spec)
    written = obey(project, twin=twin)
    assert "op.build_unique_constraint(" in written
    assert "op.drop_unique_constraint(" in written
    ((_, constraint),) = constraints(project).items()
    assert constraint["text"] == text
    project.declare(f"{spec[:-1]}, state: retired}}")
    assert "op.build_unique_constraint(" in obey(project, twin=twin)
    assert constraints(project) == {}


@pytest.mark.parametrize("twin", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("before", "after", "verb"),
    [
        (UX, "{name: ux, keys: [a, b], unique: constraint}", "replace_unique_constraint"),
        (UX, "{name: ux, keys: [a], unique: constraint, deferrable: true}", "replace_unique_constraint"),
        (  # the revision breaks the line before DEFERRED
            "{name: ux_a, keys: [a], unique: constraint, deferrable: true}",
            "{name: ux_a, keys: [a], unique: constraint, deferrable: initially deferred}",
            "replace_unique_constraint",
        ),
        ("{name: ux, keys: [a], unique: true, comment: was}", UX, "replace_unique_constraint"),
        ("{name: ux, keys: [b], unique: true}", UX, "replace_unique_constraint"),
        (UX, "{name: uy, keys: [a], unique: constraint}", "rename_index"),
        (UX, "{name: ux, keys: [a], unique: constraint, comment: new}", "alter_index"),
    ],
)
def test_a_constraint_is_changed(project: SpecProject, before: str, after: str, verb: str, twin: bool) -> None:
    project.run("INSERT INTO t SELECT n, n, n FROM generate_series(1, 9) AS n")
    project.declare(before)
    project.autogenerate()
    project.upgrade()
    project.declare(after)
    assert f"op.{verb}(" in obey(project, twin=twin)
    assert len(constraints(project)) == 1
    assert not [name for name in project.facts() if "twindex" in name]


def test_writers_are_not_blocked_and_duplicates_are_refused(project: SpecProject) -> None:
    project.run("INSERT INTO t SELECT n, 1, n FROM generate_series(1, 2) AS n")
    project.declare(UX)
    project.autogenerate()
    with pytest.raises(DeployError, match="Key \\(a\\)=\\(1\\) is duplicated"):
        project.upgrade()
    assert constraints(project) == {}
    project.run("DELETE FROM t WHERE id = 2")
    project.upgrade()
    assert drift(project) == []


@pytest.mark.parametrize("statement", [0, *(pytest.param(each, marks=pytest.mark.slow) for each in range(1, 8))])
def test_a_failure_at_any_statement_is_continued(
    project: SpecProject, statement: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each short statement of a replacement fails once, before it and after it."""
    project.declare(UX)
    project.autogenerate()
    project.upgrade()
    project.declare("{name: ux, keys: [b, a], unique: constraint, comment: wanted}")
    project.autogenerate()
    counted, after = 0, statement % 2 == 1
    short = online.Deploy.short

    def failing(self: Any, step: Any, **facts: Any) -> None:
        nonlocal counted
        counted += 1
        if counted == statement // 2 + 1 and not after:
            raise DeployError("killed")
        short(self, step, **facts)
        if counted == statement // 2 + 1:
            raise DeployError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(online.Deploy, "short", failing)
        try:
            project.upgrade()
        except DeployError:
            assert "ux" in constraints(project)
    project.upgrade()
    assert constraints(project)["ux"]["text"] == "UNIQUE (b, a)"
    assert constraints(project)["ux"]["comment"] == "wanted"
    assert not [name for name in project.facts() if "twindex" in name]
    assert drift(project) == []


@pytest.mark.parametrize(
    ("before", "statement"), [("", "ALTER TABLE % ADD CONSTRAINT %"), (UX, "ALTER TABLE % DROP %")]
)
def test_a_backend_that_dies_as_it_waits_for_the_table(project: SpecProject, before: str, statement: str) -> None:
    project.declare(before)
    if before:
        project.autogenerate()
        project.upgrade()
    project.declare("{name: ux, keys: [a, b], unique: constraint}")
    project.autogenerate()
    guarded(project)
    with connect(project.url) as reader, connect(project.url, autocommit=True) as killer:
        reader.execute("SELECT FROM t")
        process = upgrade(project)
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock' AND query LIKE %(statement)s"
        )
        await_(lambda: bool(killer.execute(query, {"statement": statement}).fetchall()))
        output, _ = process.communicate(timeout=60)
        assert process.returncode != 0, output
        assert ("ux" in constraints(project)) == bool(before)
    project.upgrade()
    assert constraints(project)["ux"]["text"] == "UNIQUE (a, b)"
    assert not [name for name in project.facts() if "ux" in name]
    project.downgrade()
    assert constraints(project).keys() == ({"ux"} if before else set())


def test_a_foreign_key_is_told_how_to_move(project: SpecProject) -> None:
    project.declare(UX)
    project.autogenerate()
    project.upgrade()
    project.run('CREATE TABLE "Child" (a int CONSTRAINT "Fk" REFERENCES t (a) ON DELETE CASCADE)')
    project.declare("{name: ux, keys: [a], include: [b], unique: constraint}")
    assert project.revise() is not None
    with pytest.raises(DeployError) as caught:
        project.upgrade()
    first, _, rest = str(caught.value).partition("; run ")[2].partition(" first, and afterwards ")
    add, _, validate = rest.partition(" and ALTER TABLE")
    project.run(first)
    project.upgrade()
    project.run(add)
    project.run(f"ALTER TABLE{validate}")
    with connect(project.url) as connection:
        (row,) = connection.execute("SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = 'Fk'")
    assert row["text"] == "FOREIGN KEY (a) REFERENCES t(a) ON DELETE CASCADE"
    project.declare("{name: ux, keys: [a], include: [b], unique: constraint, state: retired}")
    with pytest.raises(ConflictError, match="the foreign key Fk needs ux"):
        project.revise()


def test_what_no_constraint_can_be(project: SpecProject) -> None:
    for more in (
        "keys: [{column: a, order: desc}]", "keys: [{expression: a + 1}]", "keys: [a], where: a > 1",
        "keys: [{column: s, opclass: text_pattern_ops}]", "keys: [a], method: hash",
    ):  # fmt: skip
        project.declare(f"{{name: ux, {more}, unique: constraint}}")
        with pytest.raises(InputError, match="a unique constraint is of plain columns"):
            load_specs(project.specs)
    project.declare("{name: ux, keys: [a], unique: true, deferrable: true}")
    with pytest.raises(InputError, match="only a constraint is deferrable"):
        load_specs(project.specs)


def test_a_partitioned_table(project: SpecProject) -> None:
    project.run("CREATE TABLE p (id int, a int) PARTITION BY RANGE (id)")
    project.declare(UX.replace("[a]", "[id, a]"), table="public.p")
    with pytest.raises(InputError, match="is partitioned, and PostgreSQL adds no constraint"):
        project.revise()
    document = lint_against(load_sources([project.specs]), capture(project.url, statements=False))
    assert "TX119" in {finding.code for finding in document.findings}
    project.run("ALTER TABLE p ADD CONSTRAINT ux UNIQUE (id, a)")
    assert project.revise() is None
    assert drift(project) == []


def test_an_exclusion_constraint_is_refused(project: SpecProject) -> None:
    project.run("ALTER TABLE t ADD CONSTRAINT ex EXCLUDE (a WITH =)")
    project.declare("{name: ex, keys: [a], unique: constraint}")
    with pytest.raises(
        DeployError, match=r"exclusion constraint ex of public\.t, which PostgreSQL cannot build concurrently"
    ):
        project.autogenerate()


def test_a_plain_spec_of_a_constraint(project: SpecProject) -> None:
    project.run("ALTER TABLE t ADD CONSTRAINT ux UNIQUE (a)")
    project.declare("{name: ux, keys: [a], unique: true}")
    with pytest.raises(DeployError, match="or write unique: constraint"):
        project.autogenerate()
    project.declare(UX)
    assert project.check() == []
    assert drift(project) == []
    assert project.revise() is None
    # As the message says.
    project.declare("{name: uy, keys: [a], unique: true}\n{name: ux, keys: [a], unique: constraint, state: retired}")
    assert project.revise() is not None
    project.upgrade()
    assert project.facts()["uy"].ddl == "CREATE UNIQUE INDEX uy ON public.t USING btree (a)"
    assert drift(project) == []


def test_models_and_specs_know_each_other(project: SpecProject) -> None:
    """Alembic drops no declared constraint, one declared twice is refused, and manage: all drops none."""
    env = project.versions.parent / "env.py"
    project.declare(UX, head="manage: all\n")
    project.autogenerate()
    project.upgrade()
    assert project.check() == []  # Alembic's own comparison would drop ux, and manage: all keeps t_code_key
    named = (("'ux'", "ux is declared by the model"), ('"uy" ""', "there as uy"), ("None", "there as"))
    for name, match in named:  # of several lengths: bytecode of a file that is as long and as new is used again
        text = env.read_text()
        code = 'Column("code", Text, unique=True),\n'
        more = f'{code} UniqueConstraint("a", name={name}),\n'
        env.write_text(text.replace(code, more).replace("String, Table", "String, Table, UniqueConstraint"))
        with pytest.raises(DeployError, match=match):
            project.check()
        env.write_text(text)
    project.declare("{name: ix, keys: [b]}", head="manage: all\n")
    assert [diff[0] for diff in project.check()] == ["remove_constraint", "build_index"]


def test_constraints_of_tenants(project: SpecProject) -> None:
    for schema in ("tenant_1", "Tenant 2"):
        project.run(f'CREATE SCHEMA "{schema}";\nCREATE TABLE "{schema}".o (a int)')
    project.declare(UX, table="'*.o'")
    text = obey(project, twin=True)
    assert text.count('ALTER TABLE "*".o') == 2


@pytest.mark.parametrize(
    ("made", "table", "refused"),
    [
        ("ALTER TABLE t ADD CONSTRAINT ux CHECK (a > 0)", "t", r"another constraint of public\.t, CHECK \(\(a > 0\)\)"),
        (
            "CREATE MATERIALIZED VIEW mv AS SELECT id, a FROM t",
            "mv",
            r"public\.mv is a materialized view, which has no",
        ),
    ],
)
def test_what_prevents_the_constraint_is_told_before_the_build(
    project: SpecProject, made: str, table: str, refused: str
) -> None:
    project.run(made)
    project.declare(UX, table=f"public.{table}")
    assert project.autogenerate() is not None
    with pytest.raises(DeployError, match=refused):
        project.upgrade()
    assert "ux" not in project.facts()


UPSERT = "INSERT INTO t (id, a) VALUES (1, 1) ON CONFLICT ON CONSTRAINT ux DO NOTHING"


@pytest.mark.parametrize(
    "dependent",
    [
        f"CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC {UPSERT}; END",
        f"CREATE VIEW v AS SELECT id FROM t;\nCREATE RULE r AS ON INSERT TO v DO INSTEAD {UPSERT}",
    ],
)
def test_what_depends_on_the_constraint_is_told_before_the_build(project: SpecProject, dependent: str) -> None:
    project.run("ALTER TABLE t ADD CONSTRAINT ux UNIQUE (a)")
    project.run(dependent)
    for changed in ("{name: ux, keys: [a, b], unique: constraint}", UX.replace("}", ", state: retired}")):
        project.declare(changed)
        written = project.autogenerate()
        assert written is not None
        with pytest.raises(
            DeployError, match=r"depends on the constraint public\.ux of public\.t; drop or change that"
        ):
            project.upgrade()
        assert set(constraints(project)) == {"ux"}
        assert "ux_twindex_new" not in project.facts()
        written.unlink()
