"""A workload whose log a real server writes, in every format at once."""

import contextlib
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from analyzer.db import connect
from analyzer.twin.server import cluster

#: As postgresql.conf of a server that is looked at.
SETTINGS: Mapping[str, str] = {
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "server",
    "log_destination": "stderr,csvlog,jsonlog",
    "log_min_duration_statement": "0",
    "log_temp_files": "0",
    "log_lock_waits": "on",
    "deadlock_timeout": "20ms",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_format": "json",
    "compute_query_id": "on",
    "log_timezone": "UTC",
    "log_parameter_max_length": "-1",
    "autovacuum": "off",
    "fsync": "off",
    "jit": "off",
}
#: Those of Debian, Amazon RDS and Google Cloud SQL.
PREFIXES = ("%m [%p] %q%u@%d ", "%t:%r:%u@%d:[%p]:", "%m [%p]: [%l-1] db=%d,user=%u ")
SCHEMA = """
CREATE TABLE orders (id integer PRIMARY KEY, customer integer, state text, note text, at timestamptz);
INSERT INTO orders SELECT i, i % 500, 'state ' || i % 3, repeat('n', 50), '2026-01-01' FROM generate_series(1, 20000) i;
ANALYZE orders
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The files that a server wrote, by format, and by prefix of stderr."""

    csvlog: Path
    jsonlog: Path
    stderr: Mapping[str, Path]


@contextlib.contextmanager
def server_logs(binaries: cluster.Binaries, directory: Path) -> Generator[Logs]:
    """Run the workload once for each prefix and yield the logs, those of csvlog and jsonlog of the first run."""
    with cluster.temporary(binaries, settings=SETTINGS) as running:
        url = running.url()
        with connect(url, autocommit=True) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement.encode())
        stderr: dict[str, Path] = {}
        for number, prefix in enumerate(PREFIXES):
            log = _begin(url, running.data, prefix, f"run{number}")
            work(url)
            _settle(log)
            stderr[prefix] = _copy(log.with_suffix(""), directory / f"run{number}.log")
        yield Logs(
            csvlog=_copy(running.data / "log/run0.csv", directory / "run.csv"),
            jsonlog=_copy(running.data / "log/run0.json", directory / "run.json"),
            stderr=stderr,
        )


def _begin(url: str, data: Path, prefix: str, name: str) -> Path:
    """Let the server begin new files under a name, and return that of jsonlog."""
    with connect(url, autocommit=True) as connection:
        connection.execute("SET log_min_duration_statement = -1")
        connection.execute("SET auto_explain.log_min_duration = -1")
        connection.execute(f"ALTER SYSTEM SET log_line_prefix = '{prefix}'".encode())
        connection.execute(f"ALTER SYSTEM SET log_filename = '{name}'".encode())
        connection.execute("SELECT pg_reload_conf()")
        log = data / f"log/{name}.json"
        for _ in range(200):
            connection.execute("SELECT pg_rotate_logfile()")
            if log.exists():
                break
            time.sleep(0.05)
    return log


def _settle(log: Path) -> None:
    """Wait until the collector has written what it got."""
    size = -1
    while size != (size := log.stat().st_size):
        time.sleep(0.3)


def _copy(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target


def work(url: str) -> None:
    """Run statements with constants and with parameters, simple and extended, and let things go wrong."""
    with connect(url, autocommit=True) as connection:
        connection.execute("SET application_name = 'shop worker'")
        for number in range(20):
            connection.execute(f"SELECT count(*) FROM orders WHERE customer = {number % 4}".encode())
            connection.execute(
                "SELECT * FROM orders\n\tWHERE customer = %s\nAND state = %s", (7 if number % 2 else number, "it's")
            )
        for number in range(6):
            connection.execute("SELECT id FROM orders WHERE id = %s", (number,), prepare=True)
        connection.execute("SELECT id FROM orders WHERE id IN (1, 2, 3) AND note IS NOT NULL")
        connection.execute("SELECT id FROM orders WHERE id IN (4, 5) AND note IS NOT NULL")
        connection.execute("UPDATE orders SET note = %s WHERE id = %s", (None, 3))
        connection.execute("PREPARE by_state(text) AS SELECT id FROM orders WHERE state = $1 LIMIT 1")
        connection.execute("EXECUTE by_state('state 1')")
        connection.execute("SET work_mem = '64kB'")
        connection.execute("SELECT * FROM orders ORDER BY note, id DESC")
        connection.execute("CREATE ROLE secretive PASSWORD 'hunter2'")
        connection.execute("DROP ROLE secretive")
        for _ in range(2):
            with contextlib.suppress(psycopg.Error):
                connection.execute("INSERT INTO orders (id, state) VALUES (1, 'hunter2')")
        connection.execute("SET statement_timeout = '30ms'")
        with contextlib.suppress(psycopg.Error):
            connection.execute("SELECT pg_sleep(2) FROM orders")
        connection.execute("RESET statement_timeout")
        with connect(url) as other:
            other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            connection.execute("SET lock_timeout = '80ms'")
            with contextlib.suppress(psycopg.Error):
                connection.execute("DELETE FROM orders WHERE id = -1")
