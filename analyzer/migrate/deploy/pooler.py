"""Refuse a proxy that gives each transaction another server session: settings and locks would be someone else's."""

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from analyzer.migrate.deploy.session import LOG, call
from analyzer.migrate.deploy.target import DeployError
from analyzer.migrate.deploy.watch import another_connection
from analyzer.sql import render_text

#: Marks, in Connection.info, a session that was found to be one.
_PROBED = "twindex pooler"
_ASKED = 3
_REFUSAL = (
    "a proxy in transaction pooling mode is in front of the server ({}): the session that builds would lose its "
    "settings "
    "and its lock between statements; connect to the server itself, or through a proxy that pools sessions"
)


def refuse_pooler(connection: Connection) -> None:
    """Make sure, once a connection, that all its statements reach one backend.

    Raises DeployError. A server tells a client which backend serves it, and a proxy tells it a number of its own: where
    the two differ, a second connection holds a transaction open, and a proxy that pools transactions then has to serve
    both connections with one backend, or the first one with another than before.
    """
    if connection.info.get(_PROBED):
        return
    pids = {_pid(connection) for _ in range(_ASKED)}
    if len(pids) > 1:
        raise DeployError(_REFUSAL.format("statements came to different backends"))
    if _announced(connection) not in {None, *pids}:
        _probe(connection, pids)
    connection.info[_PROBED] = True


def _probe(connection: Connection, pids: set[int]) -> None:
    try:
        with another_connection(connection.engine) as other:
            other.exec_driver_sql(render_text("online/begin"))
            taken = _pid(other)
            if taken in pids or _pid(connection) not in pids:
                raise DeployError(_REFUSAL.format("two connections were given the same backend"))
    except SQLAlchemyError:
        LOG.warning("a proxy stands before the server, and whether it pools transactions could not be found out")


def _pid(connection: Connection) -> int:
    return int(call(connection, "read_pid")["pid"])


def _announced(connection: Connection) -> int | None:
    """Return the backend that the server, or a proxy, announced when the connection was made."""
    info = getattr(connection.connection.dbapi_connection, "info", None)
    return getattr(info, "backend_pid", None)
