"""Indexes on functions that take rows: of their table, of a view, of a composite column."""

import pytest

from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.specs.file import load_specs
from analyzer.specs.tolerant import load_sources
from analyzer.workflows.check import check
from analyzer.workflows.lint import lint_against
from tests.server.spec_project import SpecProject, obey

SCHEMA = """
CREATE SCHEMA "odd one";
CREATE TYPE address AS (street text, city text);
CREATE TABLE "odd one"."of People" (id int PRIMARY KEY, first text, last text, age int, home address);
CREATE VIEW short AS SELECT id, first FROM "odd one"."of People";
CREATE FUNCTION full_name("odd one"."of People") RETURNS text LANGUAGE sql IMMUTABLE RETURN $1.first || $1.last;
CREATE FUNCTION label("odd one"."of People", text, int) RETURNS text LANGUAGE sql IMMUTABLE RETURN $1.first || $2 || $3;
CREATE FUNCTION adult("odd one"."of People") RETURNS bool LANGUAGE sql IMMUTABLE RETURN $1.age > 17;
CREATE FUNCTION city_of(address) RETURNS text LANGUAGE sql IMMUTABLE RETURN $1.city;
CREATE FUNCTION of_view(short) RETURNS text LANGUAGE sql IMMUTABLE RETURN $1.first
"""
TABLE = '\'"odd one"."of People"\''
INDEXES = """
{name: ix_full, keys: [{expression: 'full_name("of People")'}]}
{name: ix_qualified, keys: [{expression: 'full_name("odd one"."of People".*)'}, id]}
{name: ix_own_type, keys: [{expression: 'full_name("of People"::"odd one"."of People")'}, age]}
{name: ix_label, keys: [{expression: 'label("of People".*, ''x'', 2)'}]}
{name: ix_trgm, method: gin, keys: [{expression: 'full_name("of People")', opclass: gin_trgm_ops}]}
{name: ix_adult, keys: [id], where: 'adult("of People") AND "of People".* IS NOT NULL'}
{name: ix_attribute, keys: [{expression: '"of People".full_name'}], where: '"of People".adult'}
{name: ix_view, keys: [{expression: 'of_view(ROW(id, first)::short)'}]}
{name: ix_city, keys: [{expression: city_of(home)}, {expression: (home).street}]}
{name: ix_plain, keys: [age]}
"""


@pytest.mark.filterwarnings("ignore:Did not recognize type 'address'")
@pytest.mark.parametrize("twin", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_functions_of_rows(project: SpecProject, twin: bool) -> None:
    project.run(SCHEMA)
    project.declare(INDEXES, table=TABLE)
    linted = lint_against(load_sources([project.specs]), capture(project.url, statements=False))
    assert [finding for finding in linted.findings if finding.severity == "error"] == []
    text = obey(project, twin=twin)
    assert '"of People".*)::' not in text
    found = check(capture(project.url, statements=False), load_specs(project.specs), project.ini)
    assert [finding.message for finding in found.findings if finding.code.startswith("TX3")] == []
    project.declare(INDEXES.replace("''x'', 2", "''y'', 3").replace(", age]", "]"), table=TABLE)
    assert obey(project, twin=twin).count("op.replace_index(") == 4


@pytest.mark.filterwarnings("ignore:Did not recognize type 'address'")
def test_an_index_by_hand_is_the_one_declared(project: SpecProject) -> None:
    """Whoever built it: the catalog's print and the spec's are compared, and nothing is built again."""
    project.run(SCHEMA)
    project.declare(INDEXES, table=TABLE)
    project.build()
    with connect(project.url, autocommit=True) as other:
        other.execute('ALTER INDEX "odd one".ix_full RENAME TO ix_renamed')
    assert [(diff[0], diff[3]) for diff in project.check()] == [("rename_index", "ix_renamed")]


def test_lint_says_that_a_partitioned_table_has_no_such_index(project: SpecProject) -> None:
    project.run(
        "CREATE TABLE p (id int, name text) PARTITION BY RANGE (id);\n"
        "CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (9);\n"
        "CREATE FUNCTION of_part(p) RETURNS text LANGUAGE sql IMMUTABLE RETURN $1.name"
    )
    project.declare("{name: ix_part, keys: [{expression: of_part(p)}]}\n{name: ix_id, keys: [id]}", table="public.p")
    (finding,) = lint_against(load_sources([project.specs]), capture(project.url, statements=False)).findings
    assert (finding.code, finding.object) == ("TX128", "public.ix_part")
    assert "cannot convert whole-row table reference" in finding.message
