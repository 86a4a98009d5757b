"""Send statements on Alembic's connection, outside its transaction, and leave its session as it was."""

import contextlib
import logging
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from sqlalchemy.engine import Connection

from analyzer.console import logger
from analyzer.migrate.deploy.driver import DriverError, commits_by_itself, driver_errors, patient, plain, read
from analyzer.migrate.deploy.target import DeployError
from analyzer.sql import render_text

#: What a deploy says; records of a finished build carry `built_index` and `build_seconds`.
LOG = logger("analyzer.migrate")

#: What to do before anything else, by SQLSTATE, where running Alembic again ends the same way.
_FIRST = {
    "23505": "remove the duplicate rows",
    "23P01": "remove the rows that exclude each other",
    "53100": "free space on the server's disk",
}
#: transaction_timeout came with PostgreSQL 17.
_TIMEOUTS = ("transaction_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout")


def match_alembic_log_level() -> None:
    """Speak as loudly as Alembic does, unless somebody configured our logger.

    `fileConfig()` in env.py, run after the import of our plugin, has switched the logger off.
    """
    LOG.disabled = False
    if LOG.level == logging.NOTSET and logging.getLogger("analyzer").level == logging.NOTSET:
        LOG.setLevel(logging.getLogger("alembic").getEffectiveLevel())


def rows(connection: Connection, template: str, **bind: object) -> Iterator[Mapping[str, Any]]:
    """Read what a template of `sql_templates` asks for, by default of its `online/`.

    During that, names are resolved only in pg_catalog; the session's own search_path is what others see, revisions and
    Alembic as well. Not for use between BEGIN and COMMIT on a connection that commits by itself.
    """
    with trusted_names(connection):
        return iter(_read(connection, template, bind))


def row(connection: Connection, template: str, **bind: object) -> Mapping[str, Any]:
    """Read the only row of a template as `rows` does."""
    (found,) = rows(connection, template, **bind)
    return found


def call(connection: Connection, template: str, **bind: object) -> Mapping[str, Any]:
    """Read the only row of a template in which nothing is looked up: pg_catalog's functions by their full names.

    It is one statement, which reaches one session, also through a proxy that pools transactions.
    """
    (found,) = _read(connection, template, bind)
    return found


def row_of_transaction(connection: Connection, template: str, **bind: object) -> Mapping[str, Any]:
    """Read a row as `row` does in a transaction that is to be rolled back, and so may keep the search_path."""
    call(connection, "session/trust_names")
    return call(connection, template, **bind)


@contextlib.contextmanager
def trusted_names(connection: Connection) -> Generator[None]:
    """Set the search_path for the block: what is set for a transaction reaches no other session behind a proxy."""
    if commits_by_itself(connection):
        plain(connection, render_text("online/begin"))
        try:
            call(connection, "session/trust_names")
            yield
        finally:
            rollback(connection)
    else:
        call(connection, "session/trust_names")
        yield  # an error makes the transaction fail, whose end undoes the setting
        call(connection, "session/restore_names")


def settle(connection: Connection) -> None:
    """Leave no transaction open where the connection does not commit by itself."""
    if not commits_by_itself(connection) and connection.in_transaction():
        with driver_errors():
            connection.commit()


def _read(connection: Connection, template: str, bind: Mapping[str, object]) -> list[dict[str, Any]]:
    return read(connection, render_text(template if "/" in template else f"online/{template}"), bind)


def execute(connection: Connection, sql: str, *, failed: str, remedy: str) -> None:
    """Send a statement; raises DeployError that says what failed, why, and what to do."""
    try:
        patient(connection, sql)
    except DriverError as error:
        first = _FIRST.get(error.sqlstate or "")
        raise DeployError(f"{failed}: {error}; {f'{first}, then {remedy}' if first else remedy}") from error


@contextlib.contextmanager
def settings(connection: Connection, wanted: Mapping[str, str]) -> Generator[None]:
    """Change settings for the block, but timeouts a server lacks, and restore each of them, also on an error."""
    known = _read(connection, "read_known_settings", {"names": list(wanted)}) if wanted else []
    found = {each["name"]: each["value"] for each in known}
    before = {name: value for name, value in found.items() if value is not None or name not in _TIMEOUTS}
    try:
        write_settings(connection, {name: wanted[name] for name in before})
        yield
    finally:
        if not connection.invalidated:
            write_settings(connection, {name: value for name, value in before.items() if value is not None})
            for name in (name for name, value in before.items() if value is None):
                plain(connection, render_text("online/reset", name=name))


def write_settings(connection: Connection, wanted: Mapping[str, str]) -> None:
    """Change settings of the session, all or none."""
    if wanted:
        _read(connection, "write_settings", {"names": list(wanted), "values": list(wanted.values())})


def unhurried(wanted: Mapping[str, str]) -> dict[str, str]:
    """Add to settings that no other timeout cuts a step short, or ends the session that waits beside it.

    And that a backslash in a literal is one: an expression was looked at, and found to be one, that way. And that what
    names no tablespace is in the database's own.
    """
    fixed = {"standard_conforming_strings": "on", "default_tablespace": ""}
    return dict.fromkeys(_TIMEOUTS, "0") | fixed | dict(wanted)


def milliseconds(connection: Connection, name: str) -> int:
    """Read a timeout of this session; 0 disables it."""
    return round(1000 * float(call(connection, "read_timeout", name=name)["seconds"]))


@contextlib.contextmanager
def transaction(connection: Connection) -> Generator[None]:
    """Run the block in a transaction of its own, on a connection that commits by itself; undo it on an error."""
    plain(connection, render_text("online/begin"))
    try:
        yield
        plain(connection, render_text("online/commit"))
    except BaseException:
        rollback(connection)
        raise


def rollback(connection: Connection) -> None:
    """Undo what was begun, where there is still a server to undo it."""
    if not connection.invalidated:
        plain(connection, render_text("online/rollback"))
