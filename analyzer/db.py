"""Open connections; nothing else in twindex does."""

import contextlib
import json
import os
import re
from collections.abc import Generator, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import psycopg.conninfo
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_loads
from psycopg.types.string import StrDumper

from analyzer.console import passwords
from analyzer.errors import CapabilityError, InputError, TwindexError, UnreachableError
from analyzer.postgres import sql_ascii
from analyzer.postgres.versions import OLDEST
from analyzer.sql import render

Connection = psycopg.Connection[DictRow]

#: Stands at the end of every query of ours, so that pg_stat_statements' record of it can be told apart.
MARKER = "/* twindex capture */"

#: What a server, or a proxy such as pgbouncer, says of a parameter that it does not take at the start.
_REFUSED_STARTUP = re.compile(
    r"startup parameter|idle_session_timeout|statement_timeout|lock_timeout|transaction_timeout|\boptions\b"
)
_SQLALCHEMY_SCHEME = re.compile(r"^postgres(ql)?(\+\w+)?://")
#: Half of the default deadlock_timeout: of DDL and a command that wait for each other, the DDL must not be the victim.
_LOCK_TIMEOUT_MS = 500


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
    found: set[str | None] = {*passwords(url)}
    with contextlib.suppress(psycopg.ProgrammingError):
        found.add(str(psycopg.conninfo.conninfo_to_dict(libpq_url(url)).get("password") or ""))
    with contextlib.suppress(ValueError):
        found.add(urlsplit(url).password)
    return {word for part in found if part for word in (part, unquote(part))}


@contextlib.contextmanager
def reading(
    url: str,
    *,
    statement_timeout_ms: int = 30_000,
    lock_timeout_ms: int = _LOCK_TIMEOUT_MS,
    application: str = "twindex",
    allow_superuser: bool = True,
) -> Generator[Connection]:
    """Connect for reading: one read-only, repeatable-read transaction with both timeouts set.

    Names are resolved in pg_catalog alone, text comes as UTF-8, and no other timeout ends the transaction.
    Raises UnreachableError when no connection can be made or it is lost, InputError when the string cannot be read or,
    unless `allow_superuser`, the role has rights that a read-only transaction does not hold back, CapabilityError for a
    server before 14.
    """
    limits = {"statement_timeout": f"{statement_timeout_ms}ms", "lock_timeout": f"{lock_timeout_ms}ms"}
    with contextlib.closing(_opened(url, application, limits)) as connection:
        try:
            if not allow_superuser:
                _refuse_rights(connection, url)
            yield connection
        except psycopg.Error as error:
            if not connection.broken:
                raise
            raise _broken_off(url, error) from None
        if not connection.broken:
            connection.rollback()


def _opened(url: str, application: str, limits: Mapping[str, str]) -> Connection:
    """Open a connection and begin to read, whatever timeouts the role has and whatever a proxy takes at the start."""
    failure: TwindexError | None = None
    for startup in _startups(url, limits):
        try:
            connection = _connected(url, application=application, startup=startup)
        except UnreachableError as error:
            if not startup or not _REFUSED_STARTUP.search(str(error)):
                raise failure or error from None
            continue
        try:
            check_version(connection.info.server_version, url)
            _begin(connection, limits)
            if startup and "transaction_timeout" not in startup and _has_transaction_timeout(connection):
                connection.close()  # each of its transactions would begin with that, and may end before a statement
                continue
        except psycopg.Error as error:
            failure = _broken_off(url, error)
            connection.close()
        except CapabilityError:
            connection.close()
            raise
        else:
            return connection
    raise failure or UnreachableError(f"{describe(url)} does not accept connections")


def _has_transaction_timeout(connection: Connection) -> bool:
    if connection.info.server_version < 170_000:
        return False
    (row,) = connection.execute(marked("session/has_transaction_timeout")).fetchall()
    return bool(row["limited"])


def _startups(url: str, limits: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield what to set at the start, best first; the first statement sets all of it as well.

    Where a transaction may be ended before its first statement, that comes too late. Before 17 nothing does that, and a
    server refuses the name transaction_timeout and writes so into its log: so it is set only where it is needed.
    """
    parts = _parts(url)
    if "service" not in parts and "PGSERVICE" not in os.environ:  # its own options would be lost
        usual = {"idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0", **limits}
        yield usual
        yield {**usual, "transaction_timeout": "0"}
    yield {}


def see_the_present(
    connection: Connection, *, statement_timeout_ms: int, lock_timeout_ms: int = _LOCK_TIMEOUT_MS
) -> None:
    """End a transaction of `reading`, and begin another one in which each statement sees what is committed by then."""
    connection.rollback()
    limits = {"statement_timeout": f"{statement_timeout_ms}ms", "lock_timeout": f"{lock_timeout_ms}ms"}
    _begin(connection, limits, psycopg.IsolationLevel.READ_COMMITTED)


def _begin(
    connection: Connection,
    limits: Mapping[str, str],
    isolation: psycopg.IsolationLevel = psycopg.IsolationLevel.REPEATABLE_READ,
) -> None:
    """Begin a transaction; before anything of the database is named, settle how names are resolved."""
    connection.read_only = True
    connection.isolation_level = isolation
    pg = connection.info.server_version // 10_000
    any_bytes = connection.info.parameter_status("server_encoding") == "SQL_ASCII"  # to which it converts nothing
    encoding = {"client_encoding": "SQL_ASCII" if any_bytes else "UTF8"}
    connection.execute(marked("session/set_limits", pg=pg), {**limits, **encoding})
    if any_bytes:
        _take_any_bytes(connection)
    connection.execute(marked("session/trust_names"))


def _refuse_rights(connection: Connection, url: str) -> None:
    for row in connection.execute(marked("session/read_rights")).fetchall():
        rights = "is a superuser" if row["is_superuser"] else f"is a member of {', '.join(row['memberships'])}"
        if row["is_superuser"] or row["memberships"]:
            raise InputError(
                f"{describe(url)}: role {row['role']} {rights}, and user-defined code could run with its privileges; "
                "connect as a role with only pg_monitor and pg_read_all_data, or use --allow-superuser"
            )


def marked(template: str, /, **names: object) -> sql.Composed:
    """Render a query of ours with its mark."""
    return render(template, **names) + sql.SQL(" " + MARKER)


def _broken_off(url: str, error: psycopg.Error) -> UnreachableError:
    return UnreachableError(
        f"{describe(url)}: connection lost while reading ({without_secrets(str(error), url)}); try again"
    )


def check_version(version_number: int, url: str) -> None:
    """Raise CapabilityError for a server that is older than any query here is written for."""
    if version_number < OLDEST * 10_000:
        raise CapabilityError(
            need=f"PostgreSQL {OLDEST} or newer",
            found=f"{describe(url)} is PostgreSQL {version_number // 10_000}",
            remedy="upgrade the server",
        )


@contextlib.contextmanager
def connect(url: str, *, autocommit: bool = False, application: str = "twindex") -> Generator[Connection]:
    """Connect to a database that may be written: a twin, a development cluster, a demo.

    Raises UnreachableError when no connection can be made, InputError when the string cannot be read.
    """
    with _connected(url, application=application, autocommit=autocommit) as connection:
        yield connection


def _parts(url: str) -> dict[str, Any]:
    """Take a connection string apart; raises InputError."""
    try:
        parts: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(libpq_url(url))
    except psycopg.ProgrammingError as error:
        raise InputError(
            f"the connection string cannot be read ({_reason(error)}); give postgresql://user@host:port/database"
        ) from None
    if "@" in str(parts.get("host") or ""):
        raise InputError("the connection string has an @ in its password or host; write it as %40")
    return parts


def _connected(
    url: str, *, application: str, autocommit: bool = False, startup: Mapping[str, str] | None = None
) -> Connection:
    """Connect; with `startup` settings, also to text as UTF-8."""
    parts = _parts(url)
    options: dict[str, Any] = {"application_name": application}
    if "connect_timeout" not in parts:
        options["connect_timeout"] = 10
    if startup is not None:
        options["client_encoding"] = "UTF8"
    if startup:
        before = parts.get("options") or os.environ.get("PGOPTIONS") or ""
        options["options"] = " ".join([before, *(f"-c {name}={value}" for name, value in startup.items())]).strip()
    try:
        return Connection.connect(libpq_url(url), row_factory=dict_row, autocommit=autocommit, **options)
    except psycopg.OperationalError as error:
        raise UnreachableError(
            f"cannot connect to {describe(url)}: {without_secrets(str(error), url)}; "
            "check host, port, user and password (PGPASSWORD or ~/.pgpass keep it off the command line)"
        ) from None


def decoded(connection: Connection, data: bytes) -> str:
    """Decode text that a server sent past psycopg."""
    encoding = connection.info.encoding
    return sql_ascii.decode(data) if encoding == "ascii" else data.decode(encoding)


def encoded(connection: Connection, text: str) -> bytes:
    """Encode text that goes to a server past psycopg."""
    encoding = connection.info.encoding
    return sql_ascii.encode(text) if encoding == "ascii" else text.encode(encoding)


class _AnyBytesLoader(Loader):
    def load(self, data: Buffer) -> str:
        return sql_ascii.decode(bytes(data))


class _AnyBytesDumper(StrDumper):
    def dump(self, obj: str) -> bytes:
        return sql_ascii.encode(obj)


def _take_any_bytes(connection: Connection) -> None:
    """Read and send text that may not be UTF-8, as a database in SQL_ASCII contains it."""
    for name in ("text", "varchar", "bpchar", "name", '"char"'):
        connection.adapters.register_loader(name, _AnyBytesLoader)
    connection.adapters.register_dumper(str, _AnyBytesDumper)
    set_json_loads(_loads_any_bytes, connection)


def _loads_any_bytes(data: str | bytes) -> Any:
    return json.loads(data if isinstance(data, str) else sql_ascii.decode(data))


def execute_one(connection: Connection, query: sql.SQL) -> psycopg.Cursor[DictRow]:
    """Run text that came from outside through the extended protocol, which takes exactly one statement."""
    return connection.cursor(binary=True).execute(query)


def _reason(error: psycopg.ProgrammingError) -> str:
    """Say why a connection string cannot be read, without what libpq quotes of it: that may be the password."""
    return re.sub(r'[:\s]*".*"', " …", " ".join(str(error).split()))
