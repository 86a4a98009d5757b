"""Connect to servers of our own, with nothing that the environment adds, and make sure which server answers."""

import contextlib
import os
import threading
from collections.abc import Generator, Mapping
from urllib.parse import quote, urlencode

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from analyzer.db import Connection
from analyzer.errors import UnreachableError
from analyzer.sql import render

#: What libpq does not take the empty value for: it is given instead. `service` cannot be given at all.
_NOT_EMPTY = {
    "channel_binding": "disable",
    "client_encoding": "UTF8",
    "connect_timeout": "30",
    "gssencmode": "disable",
    "gssdelegation": "0",
    "load_balance_hosts": "disable",
    "max_protocol_version": "3.0",
    "min_protocol_version": "3.0",
    "passfile": f"{os.devnull}/none",
    "require_auth": "none,password,md5,scram-sha-256",
    "sslcertmode": "disable",
    "sslmode": "disable",
    "sslnegotiation": "postgres",
    "ssl_max_protocol_version": "",
    "ssl_min_protocol_version": "TLSv1.2",
    "target_session_attrs": "any",
}
_LEFT_OUT = frozenset({"service", "servicefile"})
#: The environment is one for all threads.
_ENVIRONMENT = threading.Lock()


def parameters(address: Mapping[str, str]) -> dict[str, str]:
    """Return every parameter that this libpq would ask the environment for, an address among them."""
    known = [option.keyword.decode() for option in pq.Conninfo.get_defaults() if option.envvar]
    neutral = {name: _NOT_EMPTY.get(name, "") for name in known if name not in _LEFT_OUT}
    return neutral | dict(address)


def url(address: Mapping[str, str]) -> str:
    """Return a libpq URL with all parameters."""
    named = parameters(address)
    user, port, database = (quote(named.pop(name), safe="") for name in ("user", "port", "dbname"))
    host = named.pop("host")
    return f"postgresql://{user}@:{port}/{database}?{urlencode({'host': host, **named}, quote_via=quote)}"


def conninfo(address: Mapping[str, str]) -> str:
    """Return a libpq connection string with all parameters."""
    return make_conninfo(**parameters(address))


@contextlib.contextmanager
def connect_own(address: Mapping[str, str], identifier: int) -> Generator[Connection]:
    """Connect in autocommit to the cluster with a system identifier; raises UnreachableError where there is another."""
    # Nothing that is captured is in the path of the first statement.
    at_once = {"options": "-c search_path=pg_catalog,pg_temp", "application_name": "twindex"}
    try:
        with _without_variables():
            connection = Connection.connect(conninfo({**address, **at_once}), row_factory=dict_row, autocommit=True)
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        raise UnreachableError(f"cannot connect to the throw-away server in {address['host']}: {said}") from None
    with connection:
        found = connection.execute(render("twin/read_identity")).fetchone()
        if found is None or int(found["identifier"]) != identifier:
            raise UnreachableError(f"a server other than the throw-away one answers in {address['host']}")
        yield connection


def forget_variables() -> None:
    """Take from this process what libpq reads of the environment: it connects to servers of our own alone."""
    with _ENVIRONMENT:
        for name in [name for name in os.environ if name.startswith("PG")]:
            del os.environ[name]


@contextlib.contextmanager
def _without_variables() -> Generator[None]:
    """Take away what libpq reads of the environment beside its parameters: a service, PGTZ, PGDATESTYLE, PGGEQO."""
    with _ENVIRONMENT:
        kept = {name: value for name, value in os.environ.items() if name.startswith("PG")}
        for name in kept:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(kept)
