"""A role with less than the documented one gets a snapshot of what it may see, and is told exactly what it may not."""

from collections.abc import Iterator

import pytest

from analyzer.capture import statistics
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import CapabilityError
from tests.server.capture_zoo import as_role, new_database, new_role, run
from tests.server.servers import VERSIONS, server_of

OBJECTS = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE SCHEMA open",
    "CREATE SCHEMA closed",
    *(
        statement
        for table in ("open.granted", "open.partly", "open.denied", "open.secured", "closed.hidden")
        for statement in (
            f'CREATE TABLE {table} (id int PRIMARY KEY, "Secret one" int, other text, plain int)',
            f"INSERT INTO {table} SELECT i, i % 9, 'o' || i, i FROM generate_series(1, 1000) AS i",
            f"CREATE INDEX ON {table} (other)",
            f"CREATE INDEX ON {table} (lower(other))",
        )
    ),
    "ALTER TABLE open.secured ENABLE ROW LEVEL SECURITY",
    "ANALYZE",
    "SELECT pg_stat_statements_reset()",
)
GRANTS = (
    "GRANT USAGE ON SCHEMA open TO {role}",
    "GRANT SELECT ON open.granted, open.secured, closed.hidden TO {role}",
    "GRANT SELECT (id, plain) ON open.partly TO {role}",
)


@pytest.fixture(scope="module", params=VERSIONS)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of the database as its superuser."""
    with server_of(request) as server, new_database(server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in OBJECTS:
                run(connection, statement)
        yield url


@pytest.fixture(scope="module")
def partly(database_url: str) -> Iterator[Snapshot]:
    """What a role with pg_monitor and SELECT on some tables and columns captures."""
    with new_role(database_url, "pg_monitor") as role:
        with connect(database_url, autocommit=True) as connection:
            for grant in GRANTS:
                run(connection, grant.format(role=role))
        yield capture(as_role(database_url, role))


def gaps(snapshot: Snapshot) -> dict[str, str]:
    """Return what was not examined, by name."""
    return {gap.what: gap.reason for gap in snapshot.not_examined}


def test_what_it_may_read_is_all_there(partly: Snapshot) -> None:
    seen = {(row.relation, row.column) for row in partly.statistics}
    every = ("id", "Secret one", "other", "plain")
    assert seen == {
        *(("granted", column) for column in every),
        *(("hidden", column) for column in every),
        ("partly", "id"),
        ("partly", "plain"),
    }
    assert {(e.table, e.column) for e in partly.extremes} == {("granted", "id"), ("granted", "other"), ("partly", "id")}
    assert len(partly.relations) == 5


def test_each_table_and_column_it_may_not_read_is_named(partly: Snapshot) -> None:
    said = gaps(partly)
    statistics_named = {what: reason for what, reason in said.items() if what.startswith("statistics of open.")}
    assert set(statistics_named) == {
        'statistics of open.partly ("Secret one", other)',
        "statistics of open.denied",
        "statistics of open.secured",
    }
    assert "GRANT SELECT ON open.denied" in statistics_named["statistics of open.denied"]
    assert "BYPASSRLS" in statistics_named["statistics of open.secured"]
    assert "USAGE on schema closed" in said["extremes of closed.hidden"]
    assert "statistics of the expressions of index open.granted_lower_idx" in said
    assert not [what for what in said if what in {"statistics of open.granted", "statistics of closed.hidden"}]


def test_row_security_hides_the_statistics_even_of_who_reads_all_data(database_url: str) -> None:
    with new_role(database_url, "pg_monitor", "pg_read_all_data") as role:
        snapshot = capture(as_role(database_url, role))
    assert set(gaps(snapshot)) & {"statistics of open.denied", "statistics of open.granted"} == set()
    assert "BYPASSRLS" in gaps(snapshot)["statistics of open.secured"]
    assert "secured" not in {row.relation for row in snapshot.statistics}
    assert "secured" not in {extreme.table for extreme in snapshot.extremes}
    with new_role(database_url, "pg_monitor", "pg_read_all_data") as role:
        with connect(database_url, autocommit=True) as connection:
            run(connection, f"ALTER ROLE {role} BYPASSRLS")
        assert gaps(capture(as_role(database_url, role))) == {}


def test_a_cluster_whose_identifier_is_hidden_is_captured(database_url: str) -> None:
    with new_role(database_url, "pg_monitor") as role:
        assert capture(as_role(database_url, role)).server.system_identifier is not None
        with connect(database_url, autocommit=True) as connection:
            run(connection, "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC")
        try:
            snapshot = capture(as_role(database_url, role))
        finally:
            with connect(database_url, autocommit=True) as connection:
                run(connection, "GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO PUBLIC")
    assert snapshot.server.system_identifier is None
    assert snapshot.indexes


def test_without_pg_monitor_the_statements_are_missed_and_said(database_url: str) -> None:
    with connect(database_url, autocommit=True) as connection:
        run(connection, "SELECT count(*) FROM open.granted")
    with new_role(database_url, "pg_read_all_data") as role:
        with pytest.raises(CapabilityError, match=r"GRANT pg_read_all_stats \(or pg_monitor\)"):
            capture(as_role(database_url, role))
        with connect(as_role(database_url, role), autocommit=True) as connection:
            run(connection, "SELECT max(id) FROM open.granted")
        snapshot = capture(as_role(database_url, role))
    assert [each.query for each in snapshot.statements] == ["SELECT max(id) FROM open.granted"]
    (hidden,) = [reason for what, reason in gaps(snapshot).items() if "of other roles" in what]
    assert "pg_monitor" in hidden
    assert len(snapshot.statistics) >= 16


def test_a_long_list_is_cut(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_TABLES_NAMED", 2)
    monkeypatch.setattr(statistics, "_COLUMNS_NAMED", 1)
    with new_role(database_url, "pg_monitor") as role:
        with connect(database_url, autocommit=True) as connection:
            run(connection, f"GRANT SELECT (id, plain) ON closed.hidden TO {role}")
        said = gaps(capture(as_role(database_url, role)))
    assert 'statistics of closed.hidden ("Secret one" and 1 more)' in said
    assert "statistics of 3 more tables" in said
