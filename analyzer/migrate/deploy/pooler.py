"""Refuse a proxy that gives each transaction another server session: settings and locks would be someone else's."""

from sqlalchemy.engine import Connection

from analyzer.migrate.deploy.driver import DriverError, announced_backend, on_another_connection
from analyzer.migrate.deploy.session import LOG, call, settle
from analyzer.migrate.deploy.target import DeployError

#: Marks, in Connection.info, a session that was found to be one.
_PROBED = "twindex pooler"
_ASKED = 3
_REFUSAL = (
    "a proxy in transaction pooling mode is in front of the server ({}): the session that builds would lose its "
    "settings and its lock between statements; connect to the server itself, or through a proxy that pools sessions"
)


def refuse_pooler(connection: Connection) -> None:
    """Make sure, once a connection, that all its statements reach one backend.

    Raises DeployError. A server tells a client which backend serves it, and a proxy tells it a number of its own: where
    the two differ, a second connection asks for its backend. A proxy that pools transactions gives it the one that the
    first connection had, or gives the first one another afterwards.
    """
    if connection.info.get(_PROBED):
        return
    pids = {_pid(connection) for _ in range(_ASKED)}
    if len(pids) > 1:
        raise DeployError(_REFUSAL.format("statements came to different backends"))
    if announced_backend(connection) not in {None, *pids}:
        _probe(connection, pids)
    connection.info[_PROBED] = True


def _probe(connection: Connection, pids: set[int]) -> None:
    try:
        taken = on_another_connection(connection.engine, _pid)
    except (DriverError, OSError):
        LOG.warning("a proxy stands before the server, and whether it pools transactions could not be found out")
        return
    if taken in pids or _pid(connection) not in pids:
        raise DeployError(_REFUSAL.format("two connections were given the same backend"))


def _pid(connection: Connection) -> int:
    pid = int(call(connection, "read_pid")["pid"])
    settle(connection)  # a transaction would keep its backend
    return pid
