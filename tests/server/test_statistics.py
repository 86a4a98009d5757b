"""Extended statistics as specs: revisions, deploys, drift and pull, on every version."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import VERSIONS, server_of
from spec_project import SpecProject, names, obey

from tests.conftest import fresh_database

EVERY_KIND = """
{name: st_all, columns: [b, a], target: 500}
{name: st_mcv, kinds: [mcv], columns: [a, s], why: "City and country."}
{name: st_two, kinds: [dependencies, ndistinct], columns: [v, d], expressions: ["lower(s)"]}
{name: St Single, expressions: ["a + b"]}
{name: st_case, columns: [a], expressions: ["CASE WHEN a > 1 THEN s END", "(t.b + 1)"]}
{name: st_proposed, columns: [a, d], state: proposed}
"""


@pytest.fixture(scope="module", params=VERSIONS)
def any_server(request: pytest.FixtureRequest) -> Iterator[str]:
    with server_of(request) as url:
        yield url


@pytest.fixture
def project(tmp_path: Path, any_server: str) -> Iterator[SpecProject]:
    with fresh_database(any_server) as url:
        yield SpecProject(tmp_path, url)


@pytest.mark.parametrize("twin", [False, True], ids=["autogenerate", "revise"])
def test_the_first_revision_creates_everything_and_takes_it_away_again(project: SpecProject, twin: bool) -> None:
    project.declare("{name: ix_lower, keys: [{expression: lower(s)}]}", statistics=EVERY_KIND)
    text = obey(project, twin=twin)
    assert text.count("op.create_statistics(") == 5
    assert text.count("op.drop_statistics(") == 5
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
    project.run("ALTER STATISTICS st_target SET STATISTICS 10;\nALTER STATISTICS st_columns SET STATISTICS 7;\n")
    project.run("ALTER STATISTICS st_old SET STATISTICS 3")
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
        ("analyze_table", "t"),
    }
    text = obey(project, twin=twin)
    assert text.count("op.analyze_table(") == 2
