"""What differs between the drivers a project may have: parameters, values, errors, and how a connection is made.

Statements go through `read` and `plain`, which raise DriverError for whatever the driver says and SQLAlchemy, or a
`handle_error` listener of the project, makes of it.
"""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine

from analyzer.migrate.deploy.target import DeployError

Answer = TypeVar("Answer")

_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")
#: json and jsonb, which some drivers return as text.
_JSON = frozenset({114, 3802})
#: What Ctrl-C raises; asyncio.run() cancels its task instead.
INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError)
#: Of a chain of exceptions, which may lead back into itself.
_LONGEST_CHAIN = 100
#: By statement_timeout, or by somebody who wants the statement to end.
QUERY_CANCELED = "57014"
#: Classes of connection_exception and operator_intervention, such as query_canceled and admin_shutdown.
_INTERVENTIONS = ("08", "57")
#: What SQLAlchemy 2.0 puts before a message of asyncpg.
_CLASS = re.compile(r"\A<class '[^']*'>: ")


class DriverError(Exception):
    """What the driver says, as one line; the server's DETAIL is in parentheses."""

    def __init__(self, reason: str, *, sqlstate: str | None) -> None:
        """Keep the server's code beside it; None where the server said nothing, as of a lost connection."""
        super().__init__(reason)
        self.sqlstate = sqlstate


@contextlib.contextmanager
def driver_errors() -> Generator[None]:
    """Raise DriverError for an error of the driver in the block, whatever it has become on its way here."""
    try:
        yield
    except DriverError:
        raise
    except Exception as error:
        if driver_error(error) is None:
            raise
        raise DriverError(reason(error), sqlstate=sqlstate(error)) from error


def driver_error(error: BaseException | None) -> BaseException | None:
    """Return the driver's own error, from which an exception was made; None for any other."""
    found: BaseException | None = None
    for _ in range(_LONGEST_CHAIN):
        if hasattr(error, "sqlstate") or hasattr(error, "pgcode"):
            found = error
        error = getattr(error, "orig", None) or getattr(error, "__cause__", None)
    return found


def sqlstate(error: BaseException | None) -> str | None:
    """Return the code of what the server said, of an error or of one that was made from it."""
    found = driver_error(error)
    return getattr(found, "sqlstate", None) or getattr(found, "pgcode", None)


def ended(connection: Connection, error: BaseException) -> bool:
    """Say whether somebody ended the statement or its session: that says nothing about the statement itself."""
    return driver_error(error) is not None and (
        connection.invalidated or (sqlstate(error) or "").startswith(_INTERVENTIONS)
    )


def reason(error: BaseException) -> str:
    """Say what the server said, its DETAIL in parentheses."""
    found = driver_error(error) or error
    detail = getattr(getattr(found, "diag", None), "message_detail", None) or getattr(found, "detail", None)
    said = _CLASS.sub("", str(found).strip()).partition("\n")[0]
    return said + (f" ({detail.rstrip('.')})" if isinstance(detail, str) else "")


def read(connection: Connection, query: str, bind: Mapping[str, object]) -> list[dict[str, Any]]:
    """Return the rows of a query that has its values as `%(name)s`; json and jsonb are objects and arrays."""
    statement, parameters = _written(connection, query, bind)
    with driver_errors():
        result = connection.exec_driver_sql(statement, parameters)
        columns = result.cursor.description if result.cursor is not None else ()
        found = [dict(row) for row in result.mappings()]
    json_columns = [name for name, kind, *_ in columns if kind in _JSON]
    for row in found:
        row |= {name: json.loads(row[name]) for name in json_columns if isinstance(row[name], str)}
    return found


def plain(connection: Connection, sql: str) -> None:
    """Send a statement as it is; a per cent sign in it is no placeholder."""
    with driver_errors():
        connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def patient(connection: Connection, sql: str) -> None:
    """Send a statement as `plain` does, so that Ctrl-C cancels it while the server works on it.

    Not every driver notices a signal before the server answers: the main thread does while another one waits.
    """
    if connection.dialect.is_async:
        plain(connection, sql)
        return
    own: Any = connection.connection.driver_connection
    with ThreadPoolExecutor(1, thread_name_prefix="twindex statement") as pool:
        sent = pool.submit(plain, connection, sql)
        try:
            sent.result()
        except KeyboardInterrupt:
            own.cancel()
            raise


def _written(connection: Connection, query: str, bind: Mapping[str, object]) -> tuple[str, Any]:
    """Write a query and its values as the driver takes them."""
    match connection.dialect.paramstyle:
        case "pyformat":
            return query, dict(bind) or {"none": None}
        case "numeric_dollar":
            values: list[object] = []

            def numbered(found: re.Match[str]) -> str:
                if found[1] is None:
                    return "%"
                values.append(bind[found[1]])
                return f"${len(values)}"

            return _PLACEHOLDER.sub(numbered, query), tuple(values)
        case _:
            raise DeployError(
                f"env.py connects through {connection.dialect.driver}, which twindex does not support; use psycopg, "
                "psycopg2 or asyncpg, e.g. a URL that begins with postgresql+psycopg://"
            )


def commits_by_itself(connection: Connection) -> bool:
    """Say whether the connection is in autocommit mode."""
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))


def announced_backend(connection: Connection) -> int | None:
    """Return the backend that the server, or a proxy, announced when the connection was made."""
    own: Any = connection.connection.driver_connection
    if hasattr(own, "get_server_pid"):  # asyncpg
        return own.get_server_pid()
    return getattr(getattr(own, "info", None), "backend_pid", None)


def on_another_connection(source: Engine, work: Callable[[Connection], Answer]) -> Answer:
    """Do work on another connection to where an engine leads, made as the engine makes its own; it commits by itself.

    That of an asyncio driver has a thread and an event loop of its own: the caller's may be waiting for the answer.
    Raises DriverError when it cannot be made.
    """
    if source.dialect.is_async:
        with ThreadPoolExecutor(1, thread_name_prefix="twindex connection") as pool:
            return pool.submit(asyncio.run, _on_async_connection(source, work)).result()
    engine = create_engine(source.url, pool=source.pool.recreate())
    try:
        with driver_errors():
            connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            return work(connection)
    finally:
        engine.dispose()


async def _on_async_connection(source: Engine, work: Callable[[Connection], Answer]) -> Answer:
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - needs greenlet, which others may lack

    engine = create_async_engine(source.url, pool=source.pool.recreate())
    try:
        with driver_errors():
            connection = await engine.execution_options(isolation_level="AUTOCOMMIT").connect()
        async with contextlib.aclosing(connection):
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def pause(connection: Connection, seconds: float) -> None:
    """Sleep so that Ctrl-C is noticed: inside of an event loop it reaches only what the loop waits for."""
    if connection.dialect.is_async:
        _await(connection, asyncio.sleep(seconds))
    else:
        time.sleep(seconds)


def await_all(connection: Connection, futures: Sequence[Future[Any]]) -> None:
    """Wait for futures as `pause` does."""
    if connection.dialect.is_async:
        _await(connection, asyncio.to_thread(wait, futures))
    else:
        wait(futures)


def _await(connection: Connection, awaitable: Awaitable[Any]) -> None:
    def given(_connection: object) -> Awaitable[Any]:
        return awaitable

    adapted: Any = connection.connection.dbapi_connection
    adapted.run_async(given)
