"""The roles that own captured objects and run captured SQL; they have no other privileges."""

from analyzer.db import Connection
from analyzer.sql import render
from analyzer.twin.server.choose import Host
from analyzer.twin.server.containment import APPLICATION, CAPTURED, Containment

#: What ends a statement, or keeps one from waiting: of the captured roles' sessions, whatever a snapshot says.
LIMITS = {
    "statement_timeout": "60s",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
}
#: What only a superuser can lift; in kB. Nothing that is planned writes temporary files.
_TEMPORARY_FILES = "262144"


def create_captured_roles(superuser: Connection, host: Host, containment: Containment) -> None:
    """Create the owner of the captured objects, and the role to which row security applies."""
    for role in (CAPTURED, APPLICATION):
        values = {"is_superuser": not containment.role, "password": host.password_of(role)}
        superuser.execute(render("twin/create_captured_role", role=role, **values))
        for name, value in LIMITS.items():
            superuser.execute(render("twin/limit_role", role=role, name=name, value=value))
        superuser.execute(render("twin/limit_role", role=role, name="temp_file_limit", value=_TEMPORARY_FILES))
    superuser.execute(render("twin/let_read", role=APPLICATION))


def limit(connection: Connection, *, statement_timeout: str) -> None:
    """Give a session the limits that it began with, and this much time for a statement."""
    for name, value in (LIMITS | {"statement_timeout": statement_timeout}).items():
        connection.execute(render("twin/set_setting"), {"name": name, "value": value})
