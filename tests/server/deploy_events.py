"""Inside a deploy under test: keep a journal of the statements that change something, and die before one of them.

The env.py of such a deploy imports this module. It stands still between two statements while it looks or kills, so
every point is reached by counting, never by timing.
"""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from analyzer.twin.server import postmaster

How = Literal["client", "backend", "server"]
#: What leaves nothing behind: to die before it is to die before what follows.
_HARMLESS = re.compile(
    r"\s*(--.*\n\s*)*((SELECT|SHOW|SET|RESET|EXPLAIN|WITH|VALUES|BEGIN|ROLLBACK|CREATE TEMP\w*)\b|.*\bpg_temp\b)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a deploy under test is to do besides."""

    #: libpq URL of the database, for looking and killing from a connection of its own.
    url: str
    #: File that gets one JSON object a statement; none is kept without.
    journal: str | None = None
    #: A query whose plan is noted before every statement.
    question: str | None = None
    #: Die before the statement of this number, counted from 0.
    at: int | None = None
    how: How = "client"
    #: Data directory of the server that dies, for `how="server"`.
    data: str | None = None

    def write(self, path: Path) -> None:
        """Write the file that `listen` reads."""
        path.write_text(json.dumps(asdict(self)))


def listen(path: Path) -> None:
    """Carry out the orders of a file during this process; without one do nothing."""
    if not path.is_file():
        return
    orders = Orders(**json.loads(path.read_text()))
    count = 0

    def pause(connection: Connection, statement: str) -> None:
        nonlocal count
        at, count = count, count + 1
        if orders.journal is not None:
            plan = None if orders.question is None else plan_of(orders.url, orders.question)
            with Path(orders.journal).open("a") as journal:
                journal.write(json.dumps({"statement": " ".join(statement.split()), "plan": plan}) + "\n")
        if at == orders.at:
            _deed(orders, connection.connection.dbapi_connection)

    @event.listens_for(Engine, "before_cursor_execute")
    def _execute(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if not _HARMLESS.match(statement):
            pause(connection, statement)

    @event.listens_for(Engine, "commit")
    def _commit(connection: Connection) -> None:
        if not getattr(connection.connection.dbapi_connection, "autocommit", False):
            pause(connection, "COMMIT")


def plan_of(url: str, question: str) -> str:
    """Return EXPLAIN of a query; `locked` when somebody has the table to themselves for the moment."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '200ms'")
        try:
            rows = connection.execute(f"EXPLAIN (COSTS OFF) {question}".encode()).fetchall()
        except psycopg.errors.LockNotAvailable:
            return "locked"
    return "\n".join(str(line) for (line,) in rows)


def terminate(url: str, pid: int) -> None:
    """End a backend and wait until it is gone."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_catalog.pg_terminate_backend(%(pid)s)", {"pid": pid})
        query = "SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %(pid)s"
        await_(lambda: connection.execute(query, {"pid": pid}).fetchone() is None)


def await_(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.01)


def _deed(orders: Orders, dbapi_connection: Any) -> None:
    match orders.how:
        case "client":
            os.kill(os.getpid(), signal.SIGKILL)
        case "backend":
            terminate(orders.url, int(dbapi_connection.info.backend_pid))
        case "server":
            postmaster.stop(Path(str(orders.data)), signal.SIGQUIT)
