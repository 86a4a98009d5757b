"""Whatever a role, a database or a proxy sets, reading a server works or ends in one line."""

import contextlib
import re
import secrets
import select
import socket
import socketserver
import struct
import tempfile
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from analyzer.capture.capture import capture
from analyzer.cli import main
from analyzer.db import connect, reading
from analyzer.documents.snapshot import dump, load
from analyzer.errors import InputError, UnreachableError
from analyzer.specs.pull import pull
from analyzer.twin.twin import open_twin
from analyzer.workflows.capture import read_database
from tests.server.capture_zoo import as_role, build, new_role, run

READS = ("pg_monitor", "pg_read_all_data")
TABLE = (
    "CREATE TABLE t (id int PRIMARY KEY, note text)",
    "INSERT INTO t SELECT n, 'n' || n FROM generate_series(1, 500) AS n",
    "ANALYZE t",
)


@contextlib.contextmanager
def encoded(server: str, encoding: str) -> Generator[str]:
    """Create a database in an encoding."""
    name = f"encoded_{secrets.token_hex(4)}"
    with connect(server, autocommit=True) as connection:
        run(connection, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    try:
        yield make_conninfo(server, dbname=name)
    finally:
        with connect(server, autocommit=True) as connection:
            run(connection, f"DROP DATABASE {name} WITH (FORCE)")
            run(connection, "DROP EXTENSION IF EXISTS pg_stat_statements")
            run(connection, "CREATE EXTENSION pg_stat_statements")
            run(connection, "SELECT pg_stat_statements_reset()")
            run(connection, "DROP EXTENSION pg_stat_statements")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("transaction_timeout", "20ms"),
        ("transaction_timeout", "1ms"),
        ("idle_in_transaction_session_timeout", "1ms"),
        ("idle_session_timeout", "1ms"),
        ("statement_timeout", "1ms"),
        ("lock_timeout", "1ms"),
        ("standard_conforming_strings", "off"),
        ("client_encoding", "SQL_ASCII"),
        ("default_transaction_isolation", "serializable"),
    ],
)
def test_a_setting_of_the_role_does_not_end_a_capture(database: str, setting: str, value: str) -> None:
    with connect(database, autocommit=True) as connection:
        for statement in TABLE:
            run(connection, statement)
        if connection.info.server_version < 170_000 and setting == "transaction_timeout":
            pytest.skip("transaction_timeout came with PostgreSQL 17")
    with new_role(database, *READS) as role:
        with connect(database, autocommit=True) as connection:
            run(connection, f"ALTER ROLE {role} SET {setting} = '{value}'")
        snapshot = capture(as_role(database, role), statements=False, progress=lambda _: time.sleep(0.05))
    assert [each.column for each in snapshot.extremes] == ["id"]


def test_no_transaction_of_a_session_begins_with_a_timeout_of_the_role(database: str) -> None:
    with connect(database) as connection:
        if connection.info.server_version < 170_000:
            pytest.skip("transaction_timeout came with PostgreSQL 17")
    with new_role(database, *READS) as role:
        with connect(database, autocommit=True) as connection:
            run(connection, f"ALTER ROLE {role} SET transaction_timeout = '5s'")
        with reading(as_role(database, role)) as connection:
            connection.rollback()
            assert run(connection, "SHOW transaction_timeout") == [{"transaction_timeout": "0"}]


def test_a_session_that_is_ended_meanwhile_is_one_line(database: str) -> None:
    def read() -> None:
        with reading(database) as connection:
            (row,) = run(connection, "SELECT pg_backend_pid() AS pid")
            with connect(database, autocommit=True) as other:
                run(other, f"SELECT pg_terminate_backend({row['pid']})")
            run(connection, "SELECT 1")

    with pytest.raises(UnreachableError, match="connection lost while reading") as failing:
        read()
    assert "\n" not in str(failing.value)


def test_an_idle_session_that_the_server_ends_is_one_line(database: str) -> None:
    def read() -> None:
        with reading(database) as connection:
            run(connection, "SET LOCAL idle_in_transaction_session_timeout = '10ms'")
            time.sleep(0.3)
            run(connection, "SELECT 1")

    with pytest.raises(UnreachableError, match="connection lost while reading"):
        read()


def test_a_limit_of_the_server_is_not_called_a_lost_connection(database: str) -> None:
    url = make_conninfo(database, options="-c temp_file_limit=0 -c work_mem=64kB")
    with pytest.raises(UnreachableError, match=r"ended by the server \(.*temp_file_limit.*\); run the command again$"):
        read_database(url, allow_superuser=True)


def test_options_of_the_connection_string_stay(database: str) -> None:
    url = make_conninfo(database, options="-c search_path=wanted -c work_mem=7MB")
    settings = capture(url, statements=False).settings
    assert settings["search_path"] == "wanted"
    assert settings["work_mem"] == "7168"


def test_the_captured_search_path_is_the_roles_own(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        for statement in (
            "CREATE SCHEMA shop", "CREATE EXTENSION pg_trgm SCHEMA shop", *TABLE,
            "CREATE INDEX i ON t USING gin (note shop.gin_trgm_ops)",
        ):  # fmt: skip
            run(connection, statement)
    with new_role(database, *READS) as role:
        with connect(database, autocommit=True) as connection:
            run(connection, f'ALTER ROLE {role} SET search_path = shop, "$user"')
        own = capture(as_role(database, role), statements=False)
    assert own.settings["search_path"] == 'shop, "$user"'
    assert {index.definition.name: index.definition.keys[0].opclass for index in own.indexes}["i"] == "gin_trgm_ops"
    other = capture(database, statements=False)
    found = {index.definition.name: index.definition.keys[0].opclass for index in other.indexes}
    assert found["i"] == "shop.gin_trgm_ops"


def test_a_database_in_latin_1_is_read_whole(server: str) -> None:
    with encoded(server, "LATIN1") as url:
        with connect(url, autocommit=True) as connection:
            run(connection, "SET client_encoding = 'UTF8'")
            build(connection)
        with connect(make_conninfo(url, client_encoding="UTF8"), autocommit=True) as connection:
            run(connection, 'CREATE TABLE "caf\u00e9" ("\u00e9tat" text PRIMARY KEY)')
            run(connection, "INSERT INTO \"caf\u00e9\" VALUES ('\u00e0'), ('\u00fc')")
            run(connection, "ANALYZE")
        snapshot = capture(url, statements=False, sample_rows=10)
    (ends,) = [each for each in snapshot.extremes if each.table == "caf\u00e9"]
    assert (ends.column, ends.minimum, ends.maximum) == ("\u00e9tat", "\u00e0", "\u00fc")
    assert [each.lines for each in snapshot.samples if each.table == "caf\u00e9"] == [("\u00e0", "\u00fc")]


def test_what_is_no_utf_8_in_sql_ascii_is_read_and_planned(server: str, tmp_path: Path) -> None:
    with encoded(server, "SQL_ASCII") as url:
        with connect(make_conninfo(url, client_encoding="LATIN1"), autocommit=True) as connection:
            for statement in (
                *TABLE,
                "CREATE EXTENSION pg_stat_statements",
                "CREATE TYPE mood AS ENUM ('g\u00fct')",
                """CREATE TABLE "caf\u00e9" (
                       id int PRIMARY KEY, "\u00e9tat" text DEFAULT '\u00e9', mood mood, CHECK ("\u00e9tat" <> '\u00e0')
                   )""",
                """INSERT INTO "caf\u00e9"
                   SELECT n, 'caf\u00e9' || n % 7, 'g\u00fct' FROM generate_series(1, 500) AS n""",
                'CREATE INDEX "\u00e9tat" ON "caf\u00e9" ("\u00e9tat")',
                "CREATE INDEX plain ON t (note)",
                'CREATE VIEW seen AS SELECT id FROM "caf\u00e9" WHERE "\u00e9tat" = \'caf\u00e93\'',
                "COMMENT ON INDEX plain IS 'caf\u00e9'",
                "ANALYZE",
                "SELECT id FROM seen",
            ):
                run(connection, statement)
            top = run(connection, "EXPLAIN SELECT id FROM seen")[0]["QUERY PLAN"]
        dump(capture(url, sample_rows=100), tmp_path / "any.snapshot")
    snapshot = load(tmp_path / "any.snapshot")
    name = "caf\uf7e9"
    table = snapshot.relation("public", name)
    assert table is not None
    assert [column.name for column in table.columns] == ["id", "\uf7e9tat", "mood"]
    assert {"id", "\uf7e9tat", "mood"} <= {each.column for each in snapshot.statistics if each.relation == name}
    assert {each.column for each in snapshot.extremes if each.table == name} == {"id", "\uf7e9tat"}
    assert next(each.lines for each in snapshot.samples if each.table == name)
    assert [gap.what for gap in snapshot.not_examined if "SQL_ASCII" in gap.reason] == ["encoding of text"]
    assert "SELECT id FROM seen" in {each.query for each in snapshot.statements}
    with open_twin(snapshot) as twin:
        assert f"..{twin.plan('SELECT id FROM seen').cost:.2f} " in top
    pulled = pull(snapshot, tmp_path)
    assert [each.what for each in pulled.left_out] == ['public."\uf7e9tat"']
    assert pulled.objects == ("public.plain",)


@pytest.mark.parametrize(
    ("own", "other", "text"),
    [
        ("UTF8", "SQL_ASCII", "caf\u00e9"),
        ("WIN1251", "LATIN1", "caf\u00e9"),
        ("LATIN1", "UTF8", "\u043f\u0443\u0442\u044c"),
    ],
)
def test_text_of_another_database_keeps_the_statements_from_being_read_and_nothing_else(
    server: str, own: str, other: str, text: str
) -> None:
    with encoded(server, own) as url, encoded(server, other) as beside:
        with connect(url, autocommit=True) as connection:
            for statement in (*TABLE, "CREATE EXTENSION pg_stat_statements", "SELECT note FROM t WHERE id = 7"):
                run(connection, statement)
        encoding = "LATIN1" if other == "SQL_ASCII" else "UTF8"
        with connect(make_conninfo(beside, client_encoding=encoding), autocommit=True) as connection:
            run(connection, f'SELECT 1 AS "{text}"')
        snapshot = capture(url)
    assert snapshot.statements == ()
    assert {each.name for each in snapshot.relations} == {"t"}
    (gap,) = [each for each in snapshot.not_examined if "statements" in each.what]
    assert re.fullmatch(r"\d+ statements with all of the recorded time", gap.what)
    assert "pg_stat_statements_reset(0, oid)" in gap.reason
    assert f"{conninfo_to_dict(beside)['dbname']} ({other})" in gap.reason


def test_rights_that_reading_does_not_hold_back_are_refused(database: str) -> None:
    with (
        pytest.raises(InputError, match=r"is a superuser.*--allow-superuser"),
        reading(database, allow_superuser=False),
    ):
        pass
    with new_role(database, *READS) as reader:
        with reading(as_role(database, reader), allow_superuser=False) as connection:
            assert run(connection, "SELECT 1 AS one") == [{"one": 1}]
        became = make_conninfo(database, options=f"-c role={reader}")
        with pytest.raises(InputError, match="is a superuser"), reading(became, allow_superuser=False):
            pass
    for right in ("pg_execute_server_program", "pg_write_server_files", "pg_read_server_files"):
        with new_role(database, right) as role:
            url = as_role(database, role)
            with pytest.raises(InputError, match=f"member of {right}"), reading(url, allow_superuser=False):
                pass


COMMANDS = (
    ("capture", "-o", "app.snapshot"), ("propose",), ("report",), ("whatif", "--create", "CREATE INDEX ON t (id)"),
    ("check", "--specs", "."), ("pull", "--specs", "."), ("lint", "."), ("verify", "--against", "app.snapshot"),
    ("revise", "-m", "x", "--specs", ".", "--config", "alembic.ini"),
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_that_reads_a_server_refuses_a_superuser(
    database: str,
    command: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    directory = tmp_path_factory.mktemp("project")
    monkeypatch.chdir(directory)
    (directory / "alembic.ini").write_text("[alembic]\nscript_location = .\n")
    (directory / "env.py").write_text("from alembic import context\ncontext.configure(dialect_name='postgresql')\n")
    with connect(database, autocommit=True) as connection:
        run(connection, "CREATE EXTENSION pg_stat_statements")
    main_status(["capture", "-d", database, "-o", "app.snapshot", "--allow-superuser", "--quiet"], expected=0)
    main_status([command[0], "-d", database, *command[1:]], expected=2)
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "is a superuser" in said[0]


def main_status(arguments: list[str], *, expected: int) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == expected


@contextlib.contextmanager
def picky_proxy(directory: Path, database: str) -> Generator[str]:
    """Pass sessions on to the server, but refuse `options` at their start as pgbouncer does."""
    parts = conninfo_to_dict(database)
    server = f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}"

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head: bytes = self.request.recv(65536)
            if b"\0options\0" in head:
                fields = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
                self.request.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)
                return
            with socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(server)
                upstream.sendall(head)
                while True:
                    ready, _, _ = select.select([self.request, upstream], [], [])
                    for source in ready:
                        data = source.recv(65536)
                        if not data:
                            return
                        (upstream if source is self.request else self.request).sendall(data)

    with socketserver.ThreadingUnixStreamServer(str(directory / ".s.PGSQL.5432"), Handler) as proxy:
        proxy.daemon_threads = True
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield make_conninfo(database, host=str(directory), port=5432)
        finally:
            proxy.shutdown()
            thread.join()


def test_a_proxy_that_takes_no_options_is_read_through(database: str) -> None:
    if not str(conninfo_to_dict(database).get("host", "")).startswith("/"):
        pytest.skip("the proxy stands before a socket")
    with tempfile.TemporaryDirectory() as directory, picky_proxy(Path(directory), database) as url:
        with connect(database, autocommit=True) as connection:
            for statement in TABLE:
                run(connection, statement)
        with reading(url) as connection:
            found = run(
                connection,
                "SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'search_path') ORDER BY 1",
            )
            assert {row["name"]: row["setting"] for row in found} == {
                "statement_timeout": "30000",
                "search_path": "pg_catalog, pg_temp",
            }
        assert capture(url, statements=False).extremes
        with connect(url) as connection:
            assert run(connection, "SHOW search_path")[0]["search_path"] == '"$user", public'
