"""A new or replaced index on an expression has statistics when the deploy ends, on every partition."""

import pytest

from analyzer.db import connect
from tests.server.spec_project import SpecProject, names, obey

PARTITIONED = """
CREATE TABLE p (k int, s text) PARTITION BY RANGE (k);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (500);
CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (500) TO (1001);
INSERT INTO p SELECT n, 'X' FROM generate_series(1, 1000) AS n;
ANALYZE p
"""


def statistics(project: SpecProject) -> set[str]:
    """Return the indexes that have statistics of an expression."""
    query = "SELECT DISTINCT tablename FROM pg_stats WHERE tablename LIKE '%x%' AND schemaname = 'public' ORDER BY 1"
    with connect(project.url) as connection:
        return {row["tablename"] for row in connection.execute(query).fetchall()}


@pytest.mark.parametrize("twin", [False, True], ids=["autogenerate", "revise"])
def test_an_index_on_an_expression_is_analyzed_in_the_direction_that_builds_it(
    project: SpecProject, twin: bool
) -> None:
    project.run("INSERT INTO t (id, s) SELECT n, 'X' FROM generate_series(1, 1000) AS n;\nANALYZE t")
    project.declare("{name: ix_a, keys: [a]}\n{name: ix_s, keys: [{expression: lower(s)}]}")
    assert obey(project, twin=twin).count("op.analyze_table(") == 1
    assert statistics(project) == {"ix_s"}
    project.declare("{name: ix_a, keys: [a]}\n{name: ix_s, keys: [s]}")
    assert names(project.check()) == {("replace_index", "ix_s")}
    text = obey(project, twin=twin)
    assert text.index("def downgrade") < text.index("op.analyze_table(")
    project.downgrade()
    assert statistics(project) == {"ix_s"}


def test_another_statistics_target_is_used_at_once(project: SpecProject) -> None:
    project.declare("{name: ix_s, keys: [{expression: lower(s)}]}")
    project.build()
    project.declare("{name: ix_s, keys: [{expression: lower(s), statistics: 500}]}")
    assert names(project.check()) == {("alter_index", "ix_s")}
    obey(project)


def test_each_partitions_index_has_its_statistics(project: SpecProject) -> None:
    project.run(PARTITIONED)
    project.declare("{name: ix_p, keys: [{expression: lower(s)}]}", table="public.p")
    assert project.revise() is not None
    project.upgrade()
    assert statistics(project) == {"p_1_lower_idx", "p_2_lower_idx"}
