"""Tables that belong to an extension: what reads them is not examined, and nothing else is kept from being."""

from collections.abc import Iterator

import pytest

from analyzer.advise.whatif import try_indexes
from analyzer.capture.capture import capture
from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.sql import render
from analyzer.twin.twin import Twin, open_twin
from analyzer.workload.parse import parse_listed
from tests.server.capture_zoo import new_database, run

OBJECTS = (
    "CREATE EXTENSION citext",
    "CREATE SCHEMA cron",
    "CREATE TABLE cron.job (id integer PRIMARY KEY, command text)",
    "CREATE INDEX job_command ON cron.job (command)",
    "GRANT SELECT ON cron.job TO PUBLIC",
    "CREATE VIEW cron.jobs AS SELECT id, command FROM cron.job",
    "CREATE TABLE systems (id integer PRIMARY KEY, name text)",
    "CREATE TABLE note (id integer PRIMARY KEY, job integer, body text)",
    "CREATE TABLE own (id integer PRIMARY KEY)",
    "INSERT INTO cron.job SELECT i, 'c' || i FROM generate_series(1, 3000) AS i",
    "CREATE VIEW jobs_of_notes AS SELECT n.body, j.command FROM note AS n JOIN cron.job AS j ON j.id = n.job",
    "ALTER EXTENSION citext ADD TABLE cron.job",
    "ALTER EXTENSION citext ADD VIEW cron.jobs",
    "ALTER EXTENSION citext ADD TABLE systems",
)


@pytest.fixture(scope="module")
def database(any_server: str) -> Iterator[str]:
    with new_database(any_server) as url:
        with connect(url, autocommit=True) as connection:
            for statement in OBJECTS:
                run(connection, statement)
            with connection.transaction():
                # As the script of an extension does.
                run(connection, "CREATE TABLE scripted (id integer PRIMARY KEY, word text)")
                run(connection, "CREATE INDEX scripted_word ON scripted (word)")
                run(connection, "ALTER EXTENSION citext ADD TABLE scripted")
        yield url


@pytest.fixture(scope="module")
def snapshot(database: str) -> Snapshot:
    return capture(database, statements=False)


@pytest.fixture(scope="module")
def twin(snapshot: Snapshot) -> Iterator[Twin]:
    with open_twin(snapshot) as opened:
        yield opened


def test_indexes_of_users_on_them_are_named(snapshot: Snapshot) -> None:
    reasons = {gap.what: gap.reason for gap in snapshot.not_examined}
    assert reasons == {
        "index cron.job_command": "its table cron.job belongs to extension citext",
        "index cron.job_pkey": "its table cron.job belongs to extension citext",
        "index public.systems_pkey": "its table public.systems belongs to extension citext",
    }


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("SELECT * FROM cron.job WHERE command = 'c7'", "cron.job"),
        ("SELECT * FROM own JOIN cron.job AS j ON own.id = j.id", "cron.job"),
        ("SELECT * FROM cron.jobs", "cron.jobs"),
        ("SELECT * FROM jobs_of_notes WHERE body = 'x'", "cron.job"),
        ("SELECT * FROM systems WHERE id = $1", "public.systems"),
        ("UPDATE public.systems SET name = 'x'", "public.systems"),
    ],
)
def test_what_reads_them_is_not_examined(twin: Twin, statement: str, table: str) -> None:
    (trial,) = try_indexes(twin, parse_listed(statement))
    assert trial.error == f"it may need what the twin lacks: table {table} (it belongs to extension citext)"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT job FROM note WHERE job = 3",  # a column
        "SELECT note.job FROM note",
        "SELECT * FROM own AS job",  # not in the path
        "SELECT * FROM own WHERE id = $1",
    ],
)
def test_nothing_else_is_kept(twin: Twin, statement: str) -> None:
    (trial,) = try_indexes(twin, parse_listed(statement))
    assert trial.error is None


def test_nothing_reads_them_unnoticed(database: str) -> None:
    """A function that is put into a query can lead there as well."""
    with connect(database) as connection:
        connection.execute(render("twin/close_extension_tables"))
        run(connection, "CREATE ROLE stranger")
        row = connection.execute("SELECT has_table_privilege('stranger', 'cron.job', 'SELECT') AS may").fetchone()
        assert row == {"may": False}
        connection.rollback()
