"""Statistics that a table's owner wrote: what no server would have found out is named, and the rest is captured."""

import psycopg
import pytest

from analyzer.capture.capture import capture


def test_written_statistics_out_of_bounds_are_named(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        if connection.info.server_version < 180000:
            pytest.skip("pg_restore_attribute_stats came with 18")
        connection.execute("CREATE TABLE t (a integer, b integer)")
        connection.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i")
        connection.execute("ANALYZE t")
        connection.execute(
            "SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', 't', 'attname', 'a', 'inherited', "
            "false, 'version', 180000, 'null_frac', 7::real, 'avg_width', 4, 'n_distinct', -1::real)"
        )
        connection.execute(
            "SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', 't', 'reltuples', 1e30::real)"
        )
    snapshot = capture(database, statements=False)
    assert [row.column for row in snapshot.statistics] == ["b"]
    assert [relation.tuples for relation in snapshot.relations] == [1e13]
    assert [gap.what for gap in snapshot.not_examined] == ["statistics of public.t (a)"]
    assert "null_fraction is out of range" in snapshot.not_examined[0].reason
