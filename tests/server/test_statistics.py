"""Extended statistics as specs: revisions, deploys, drift and pull, on every version."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.capture.capture import capture
from analyzer.cli.check import command as check_command
from analyzer.cli.pull import command as pull_command
from analyzer.db import connect
from analyzer.migrate.deploy.online import DeployError, Target
from analyzer.migrate.deploy.statistics import (
    alter_statistics,
    analyze_table,
    create_statistics,
    drop_statistics,
    rename_statistics,
    replace_statistics,
)
from analyzer.objects.statistics import STATISTICS_KINDS, StatisticsDef
from analyzer.specs.file import is_statistics, load_specs
from tests.conftest import fresh_database, trusting
from tests.server.executor import configured, deployer
from tests.server.spec_project import UNMODELLED, SpecProject, names, obey
from tests.server.squawked import offline

EVERY_KIND = """
{name: st_all, columns: [b, a], target: 500}
{name: st_mcv, kinds: [mcv], columns: [a, s], why: "City and country."}
{name: st_two, kinds: [dependencies, ndistinct], columns: [v, d], expressions: ["lower(s)"]}
{name: St Single, expressions: ["a + b"]}
{name: st_case, columns: [a], expressions: ["CASE WHEN a > 1 THEN s END", "(t.b + 1)"]}
{name: ix_lower, columns: [b, d]}
{name: st_proposed, columns: [a, d], state: proposed}
"""


@pytest.mark.parametrize("twin", [False, True], ids=["autogenerate", "revise"])
def test_the_first_revision_creates_everything_and_takes_it_away_again(project: SpecProject, twin: bool) -> None:
    project.declare("{name: ix_lower, keys: [{expression: lower(s)}]}", statistics=EVERY_KIND)
    text = obey(project, twin=twin)
    assert text.count("op.create_statistics(") == 6
    assert text.count("op.drop_statistics(") == 6
    assert text.count("op.analyze_table(") == 1
    facts = project.facts()
    assert facts["statistics st_all"].statistics == "500"
    assert facts["statistics st_two"].ddl.endswith("(ndistinct, dependencies) ON v, d, lower(s) FROM t")
    assert "statistics st_proposed" not in facts


@pytest.mark.parametrize("twin", [False, True], ids=["autogenerate", "revise"])
def test_every_change_is_detected_and_undone(project: SpecProject, twin: bool) -> None:
    project.declare(
        "",
        statistics="""
        {name: st_kinds, columns: [a, b]}
        {name: st_columns, columns: [a, s], target: 7}
        {name: st_expression, expressions: ["a + b"]}
        {name: st_target, columns: [a, d], target: 10}
        {name: st_gone, columns: [b, d]}
        {name: st_old, columns: [b, s], target: 3}
        {name: st_same, columns: [v, s], expressions: ["upper(v)"]}
        """,
    )
    project.build()
    assert project.check() == []
    project.declare(
        "",
        statistics="""
        {name: st_kinds, columns: [b, a], kinds: [mcv]}
        {name: st_columns, columns: [a, s, v], target: 7}
        {name: st_expression, expressions: ["a + b + 1"]}
        {name: st_target, columns: [a, d]}
        {name: st_gone, columns: [b, d], state: retired}
        {name: st_new, columns: [b, s], target: 3}
        {name: st_same, columns: [s, v], kinds: [mcv, ndistinct, dependencies], expressions: ["(upper((v)::text))"]}
        """,
    )
    found = names(project.check())
    assert found == {
        ("replace_statistics", "st_kinds"),
        ("replace_statistics", "st_columns"),
        ("replace_statistics", "st_expression"),
        ("alter_statistics", "st_target"),
        ("drop_statistics", "st_gone"),
        ("rename_statistics", "st_old"),
    }
    text = obey(project, twin=twin)
    assert text.count("op.analyze_table(") == 2


def test_an_analyze_fills_them_in_each_direction(project: SpecProject) -> None:
    project.run("INSERT INTO t (id, a, b) SELECT n, n % 10, n % 10 FROM generate_series(1, 1000) AS n")
    project.declare("", statistics="{name: st, kinds: [ndistinct], columns: [a, b]}")
    assert project.autogenerate() is not None
    project.upgrade()
    assert distinct(project.url) == {"st": '{"2, 3": 10}'}
    project.declare("", statistics="{name: st, kinds: [ndistinct], columns: [a, b], state: retired}")
    assert project.autogenerate() is not None
    project.upgrade()
    assert distinct(project.url) == {}
    project.downgrade()
    assert distinct(project.url) == {"st": '{"2, 3": 10}'}


def distinct(url: str) -> dict[str, str]:
    with connect(url) as connection:
        query = "SELECT statistics_name AS name, n_distinct::text AS found FROM pg_stats_ext ORDER BY 1"
        return {row["name"]: row["found"] for row in connection.execute(query).fetchall()}


def test_of_a_partitioned_table_and_of_a_materialised_view(project: SpecProject) -> None:
    project.run(
        """
        CREATE TABLE p (a int, b int) PARTITION BY RANGE (a);
        CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (1000);
        INSERT INTO p SELECT n, n % 7 FROM generate_series(1, 900) AS n;
        CREATE MATERIALIZED VIEW m AS SELECT a, b FROM p
        """
    )
    env = project.versions.parent / "env.py"
    env.write_text(env.read_text().replace("# options\n", f"{UNMODELLED}\n"))
    for table in ("p", "m"):
        statistics = f"{{name: st_{table}, columns: [a, b], expressions: [a * b]}}"
        project.declare("", statistics=statistics, table=f"public.{table}", file=f"{table}.yaml")
    obey(project)
    assert distinct(project.url).keys() == {"st_p", "st_m"}


def test_offline_it_is_the_same_statements(project: SpecProject) -> None:
    project.declare("", statistics="{name: st, columns: [a, b]}")
    project.build()
    project.declare("", statistics="{name: st, columns: [a, b, s], target: 9}\n{name: st_new, expressions: [a + b]}")
    assert project.autogenerate() is not None
    sql = offline(project.config, f"base:{project.heads()}")
    replaced = sql.index("BEGIN;\n\nDROP STATISTICS IF EXISTS public.st;\n\nCREATE STATISTICS public.st ON a, b, s")
    created = sql.index("CREATE STATISTICS public.st_new ON (a + b) FROM public.t;")
    assert replaced < sql.index("ALTER STATISTICS public.st SET STATISTICS 9;") < sql.index("ANALYZE public.t;")
    assert created < sql.index("ANALYZE public.t;")


def test_index_and_statistics_steps_share_a_revision_apart_from_other_changes(project: SpecProject) -> None:
    env = project.versions.parent / "env.py"
    more = 'Table("u", metadata, Column("id", Integer, primary_key=True))'
    env.write_text(env.read_text().replace("# models\n", f"{more}\n"))
    project.declare("{name: ix_a, keys: [a]}", statistics="{name: st, columns: [a, b]}")
    first, second = project.autogenerate_all()
    assert "create_table" in first.read_text()
    text = second.read_text()
    assert "create_table" not in text
    build, create, analyze = (
        text.index(f"op.{name}(") for name in ("build_index", "create_statistics", "analyze_table")
    )
    assert build < create < analyze


A = Target(
    schema="public", table="t", name="st", lock_timeout="300ms",
    sql="CREATE STATISTICS public.st (mcv) ON a, b, ((t.c + 1)) FROM public.t",
)  # fmt: skip


def captured_target(url: str) -> int | None:
    (found,) = capture(url, statements=False).extended_statistics
    return found.target


def test_each_step_may_be_repeated(url: str) -> None:
    with deployer(url) as connection:
        context = configured(connection)
        for _ in range(2):
            create_statistics(context, replace(A, attributes=("ALTER STATISTICS public.st SET STATISTICS 7",)))
        create_statistics(context, A)
        assert captured_target(url) is None
        with pytest.raises(DeployError, match=r"exists with a different definition: .*; expected: .*; drop or rename"):
            create_statistics(context, replace(A, sql=A.sql.replace("(mcv) ", "")))
        other = replace(A, sql="CREATE STATISTICS public.st ON a, b FROM public.t")
        for _ in range(2):
            replace_statistics(context, other)
        for _ in range(2):
            alter_statistics(context, replace(A, sql="", attributes=("ALTER STATISTICS public.st SET STATISTICS 8",)))
        renaming = replace(A, sql="ALTER STATISTICS public.st RENAME TO st_new", new_name="st_new")
        for _ in range(2):
            rename_statistics(context, renaming)
        for _ in range(2):
            analyze_table(context, replace(A, name="t", sql="ANALYZE public.t"))
        assert distinct(url).keys() == {"st_new"}
        create_statistics(context, A)
        with pytest.raises(DeployError, match=r"public\.st cannot be renamed, public\.st_new exists"):
            rename_statistics(context, renaming)
        for _ in range(2):
            drop_statistics(context, replace(A, sql="DROP STATISTICS IF EXISTS public.st"))
        with pytest.raises(DeployError, match=r"public\.st does not exist; write the revision again"):
            alter_statistics(context, A)
        with pytest.raises(DeployError, match=r"neither public\.st nor public\.x exists"):
            rename_statistics(context, replace(A, new_name="x"))


def test_statistics_of_another_table_are_left_alone(url: str) -> None:
    with connect(url) as connection:
        connection.execute("CREATE TABLE u (a int, b int)")
        connection.execute("CREATE STATISTICS public.st ON a, b FROM u")
    with deployer(url) as connection:
        for step in (create_statistics, replace_statistics, drop_statistics, alter_statistics):
            with pytest.raises(DeployError, match=r"public\.st is a statistics object of public\.u, not of public\.t"):
                step(configured(connection), A)


def test_a_step_that_gets_no_lock_is_tried_again_and_changes_nothing(url: str) -> None:
    with deployer(url) as connection:
        context = configured(connection)
        with connect(url) as blocker:
            blocker.execute("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
            with pytest.raises(DeployError, match=r"creating public\.st failed: .*lock timeout; run alembic again"):
                create_statistics(context, A)
            with pytest.raises(DeployError, match=r"analyzing public\.t failed: .*lock timeout"):
                analyze_table(context, replace(A, name="t", sql="ANALYZE public.t"))
            blocker.rollback()
        create_statistics(context, A)


def test_the_server_refuses_a_spec_in_one_line(project: SpecProject) -> None:
    project.declare("", statistics="{name: st, columns: [a, j, missing]}")
    with pytest.raises(DeployError, match=r"t\.yaml:4: st cannot be built, .*column \"missing\" does not exist"):
        project.autogenerate()


def twindex(command: str, url: str, specs: Path, *more: str) -> Any:
    commands = {"pull": pull_command, "check": check_command}
    arguments = ["-d", url, "--allow-superuser", "--specs", str(specs), *more]
    trust = trusting([command])[1:]
    return CliRunner().invoke(commands[command], [*arguments, *trust], catch_exceptions=False)


def test_every_kind_of_drift_has_its_code_and_says_where(project: SpecProject) -> None:
    project.run(
        """
        CREATE TABLE u (a int, b int);
        CREATE STATISTICS st_kept ON a, b FROM t;
        CREATE STATISTICS st_kinds (mcv) ON a, s FROM t;
        CREATE STATISTICS st_target ON a, d FROM t;
        ALTER STATISTICS st_target SET STATISTICS 9;
        CREATE STATISTICS st_old ON b, d FROM t;
        CREATE STATISTICS st_stray ON v, s FROM t;
        CREATE STATISTICS st_of_u ON a, b FROM u;
        CREATE STATISTICS st_fine ON (lower(s)) FROM t
        """
    )
    project.declare(
        "",
        head="manage: all\n",
        statistics="""
        {name: st_gone, columns: [a, v]}
        {name: st_kept, columns: [a, b], state: retired}
        {name: st_kinds, columns: [s, a]}
        {name: st_target, columns: [a, d]}
        {name: st_new, columns: [d, b]}
        {name: st_of_u, columns: [a, b]}
        {name: st_impossible, columns: [a, nowhere]}
        {name: st_proposed, columns: [a, nowhere], state: proposed}
        {name: st_fine, expressions: ["lower(t.s)"]}
        """,
    )
    result = twindex("check", project.url, project.specs, "--format", "json")
    document = json.loads(result.stdout)
    messages = {
        (each["code"], each["object"].removeprefix("public.")): each["message"] for each in document["findings"]
    }
    assert set(messages) == {
        ("TX313", "st_gone"),
        ("TX314", "st_kinds"),
        ("TX315", "st_stray"),
        ("TX316", "st_kept"),
        ("TX317", "st_target"),
        ("TX318", "st_new"),
        ("TX310", "st_of_u"),
        ("TX310", "st_impossible"),
    }
    lines = (project.specs / "t.yaml").read_text().splitlines()
    for finding in document["findings"]:
        expected = "manage" if finding["code"] == "TX315" else finding["object"].removeprefix("public.")
        assert expected in lines[finding["line"] - 1]
    assert messages["TX314", "st_kinds"] == "st_kinds has a different definition, kinds: spec the default, database mcv"
    assert messages["TX317", "st_target"] == "st_target has another target: spec the default, database 9"
    assert messages["TX318", "st_new"].startswith("st_new exists as st_old")
    count = next(check for check in document["checks"] if check["code"] == "TX314")
    assert (count["examined"], count["flagged"]) == (7, 1)


def test_pull_leaves_out_what_no_spec_can_say(project: SpecProject) -> None:
    project.run(
        """
        CREATE SCHEMA other;
        CREATE STATISTICS other.st ON a, b FROM t;
        CREATE STATISTICS st ON a, b FROM t
        """
    )
    pulled = twindex("pull", project.url, project.specs)
    assert "not declared: other.st: a spec declares statistics in the schema of their table" in pulled.stderr
    assert [spec.spec.name for spec in load_specs(project.specs).specs] == ["st"]


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0%", exclude_categories=("Cs",)), min_size=1, max_size=12
)
COLUMNS = ("a", "b", "s", "v", "Größe", 'x "y"')
EXPRESSIONS = (
    "lower(s)", "a + b", "s || ' ' || v", "coalesce(a, 0)", "CASE WHEN a > 1 THEN s END", "(b - a) * 2",
    "t.a % 7", '"Größe" > 3', "s ~ E'\\\\d'", "ARRAY[a, b]", "extract(year FROM d)",
)  # fmt: skip


@st.composite
def definitions(draw: st.DrawFn) -> StatisticsDef:
    columns = draw(st.lists(st.sampled_from(COLUMNS), max_size=4, unique=True))
    fewest = 2 if len(columns) == 1 else 1 if not columns else 0
    expressions = draw(
        st.lists(st.sampled_from(EXPRESSIONS), min_size=max(fewest - len(columns), 0), max_size=4, unique=True)
    )
    kinds = draw(st.lists(st.sampled_from(STATISTICS_KINDS), unique=True))
    return StatisticsDef(
        schema="public",
        table="t",
        name="st",
        kinds=tuple(kinds) if len(columns) + len(expressions) > 1 else (),
        columns=tuple(columns),
        expressions=tuple(expressions),
        target=draw(st.none() | st.integers(0, 10_000)),
    )


@settings(deadline=None, max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=st.lists(definitions(), min_size=25, max_size=25),
    labels=st.lists(NAMES, min_size=25, max_size=25, unique=True),
)
def test_any_definitions_survive_the_round_trip(
    any_server: str, tmp_path_factory: pytest.TempPathFactory, found: list[StatisticsDef], labels: list[str]
) -> None:
    """A spec becomes DDL, the server prints it, pull writes a spec of that, and nothing differs."""
    specs = tmp_path_factory.mktemp("specs")
    with fresh_database(any_server) as url:
        with connect(url, autocommit=True) as connection:
            connection.execute(
                'CREATE TABLE t (a int, b int, s text, v varchar, "Größe" int, "x ""y""" int, d date)'.encode()
            )
            for label, definition in zip(labels, found, strict=True):
                named = replace(definition, name=f"st {label}")
                connection.execute(named.ddl().encode())
                if named.target is not None:
                    target = f"ALTER STATISTICS {named.qualified_name} SET STATISTICS {named.target}"
                    connection.execute(target.encode())
        twindex("pull", url, specs)
        assert len(load_specs(specs).specs) == len(found)
        checked = twindex("check", url, specs)
        assert checked.exit_code == 0, checked.stdout
        targets = {spec.spec.name: spec.spec.target for spec in load_specs(specs).specs if is_statistics(spec)}
        assert targets == {f"st {label}": each.target for label, each in zip(labels, found, strict=True)}
