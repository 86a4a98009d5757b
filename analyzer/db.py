"""Open connections; nothing else in twindex does."""

import contextlib
import re
from collections.abc import Generator
from typing import Any, LiteralString, cast
from urllib.parse import unquote, urlsplit

import psycopg
import psycopg.conninfo
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from analyzer.errors import CapabilityError, InputError, UnreachableError
from analyzer.sql import literal

Connection = psycopg.Connection[DictRow]

_OLDEST = 140_000
#: What stands where a password does, in a URL or a list of keywords.
_PASSWORDS = re.compile(r"//[^/@:]*:(.*)@|password\s*=\s*'([^']*)|password\s*=\s*([^\s&']+)")
_SQLALCHEMY_SCHEME = re.compile(r"^postgres(ql)?(\+\w+)?://")


def libpq_url(url: str) -> str:
    """Turn a SQLAlchemy URL (`postgresql+psycopg://`) into the one libpq knows; leave a libpq conninfo alone."""
    return _SQLALCHEMY_SCHEME.sub("postgresql://", url)


def sqlalchemy_url(url: str) -> str:
    """Turn a libpq URL into one that makes SQLAlchemy use psycopg 3."""
    return _SQLALCHEMY_SCHEME.sub("postgresql+psycopg://", url)


def has_password(url: str) -> bool:
    """Say whether a connection string carries a password."""
    try:
        return bool(psycopg.conninfo.conninfo_to_dict(libpq_url(url)).get("password"))
    except psycopg.ProgrammingError:
        return bool(re.search(r"//[^/@]*:[^/@]+@|password\s*=", url))


def describe(url: str) -> str:
    """Say where a connection string points, without user or password."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(libpq_url(url))
    except psycopg.ProgrammingError:
        return "the given connection string"
    host = parts.get("host") or parts.get("hostaddr") or "the default socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{host}{port}, database {parts.get('dbname') or 'default'}"


def without_secrets(text: str, url: str) -> str:
    """Cut the password of a connection string out of a message about it, and the message down to one line."""
    for password in sorted(_passwords(url), key=len, reverse=True):
        text = text.replace(password, "***")
    return " ".join(text.split())


def _passwords(url: str) -> set[str]:
    """Find the password of a connection string, also of one that cannot be read."""
    found: set[str | None] = {part for match in _PASSWORDS.finditer(url) for part in match.groups()}
    with contextlib.suppress(psycopg.ProgrammingError):
        found.add(str(psycopg.conninfo.conninfo_to_dict(libpq_url(url)).get("password") or ""))
    with contextlib.suppress(ValueError):
        found.add(urlsplit(url).password)
    return {word for part in found if part for word in (part, unquote(part))}


@contextlib.contextmanager
def reading(
    url: str, *, statement_timeout_ms: int = 30_000, lock_timeout_ms: int = 1_000, application: str = "twindex"
) -> Generator[Connection]:
    """Connect for reading: one read-only, repeatable-read transaction with both timeouts set.

    Raises UnreachableError when no connection can be made, InputError when the string cannot be read, CapabilityError
    for a server before 14.
    """
    with connect(url, application=application) as connection:
        check_version(connection.info.server_version, url)
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(_set("statement_timeout", f"{statement_timeout_ms}ms"))
        connection.execute(_set("lock_timeout", f"{lock_timeout_ms}ms"))
        yield connection
        connection.rollback()


def check_version(version_number: int, url: str) -> None:
    """Raise CapabilityError for a server that is older than any query here is written for."""
    if version_number < _OLDEST:
        raise CapabilityError(
            need="PostgreSQL 14 or newer",
            found=f"{describe(url)} is PostgreSQL {version_number // 10_000}",
            remedy="upgrade the server",
        )


@contextlib.contextmanager
def connect(url: str, *, autocommit: bool = False, application: str = "twindex") -> Generator[Connection]:
    """Connect to a database that may be written: a twin, a development cluster, a demo.

    Raises UnreachableError when no connection can be made, InputError when the string cannot be read.
    """
    target = libpq_url(url)
    try:
        host = psycopg.conninfo.conninfo_to_dict(target).get("host")
    except psycopg.ProgrammingError as error:
        raise InputError(
            f"the connection string cannot be read ({_reason(error)}); give postgresql://user@host:port/database"
        ) from None
    if "@" in str(host or ""):
        raise InputError("the connection string has an @ in its password or host; write it as %40")
    options: dict[str, Any] = {"application_name": application}
    if "connect_timeout" not in target:
        options["connect_timeout"] = 10
    try:
        connection = Connection.connect(target, row_factory=dict_row, autocommit=autocommit, **options)
    except psycopg.OperationalError as error:
        raise UnreachableError(
            f"cannot connect to {describe(url)}: {without_secrets(str(error), url)}; "
            "check host, port, user and password (PGPASSWORD or ~/.pgpass keep it off the command line)"
        ) from None
    with connection:
        yield connection


def execute_one(connection: Connection, query: sql.SQL) -> psycopg.Cursor[DictRow]:
    """Run text that came from outside through the extended protocol, which takes exactly one statement."""
    return connection.cursor(binary=True).execute(query)


def _reason(error: psycopg.ProgrammingError) -> str:
    """Say why a connection string cannot be read, without what libpq quotes of it: that may be the password."""
    return re.sub(r'[:\s]*".*"', " …", " ".join(str(error).split()))


def _set(name: LiteralString, value: str) -> sql.SQL:
    return sql.SQL(cast("LiteralString", f"SET {name} = {literal(value)}"))
