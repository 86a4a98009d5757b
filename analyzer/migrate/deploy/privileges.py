"""What the role of a deploy may do, and the statements that give it what it lacks."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy.engine import Connection

from analyzer.migrate.deploy.create_index import parse_create, tablespace_of
from analyzer.migrate.deploy.session import row, rows
from analyzer.migrate.deploy.target import DeployError, Target
from analyzer.sql import ident

#: SQLSTATE insufficient_privilege.
INSUFFICIENT = "42501"


def refuse_unprivileged(connection: Connection, target: Target) -> None:
    """Make sure that the role may build the index, on each partition too; raises DeployError with what it lacks."""
    found = _read(connection, target)
    grants = _listed(*_of_owner(found), *_of_builder(found, target))
    if grants:
        role, name = ident(found[0]["role_name"]), target.qualified_name
        raise DeployError(f"the role {role} lacks privileges to build {name}; run {grants}; then run alembic again")


def missing_grants(connection: Connection, target: Target) -> str:
    """Return the statements that give the role what a step was denied; nothing if none is known to be missing."""
    found = _read(connection, target)
    of_owner = tuple(_of_owner(found))
    if of_owner and parse_create(target.sql) is None:
        return _listed(*of_owner)
    return _listed(*of_owner, *_of_builder(found, target))


def refuse_without_copies(connection: Connection) -> None:
    """Make sure that the role may make temporary tables; raises DeployError with the GRANT."""
    found = row(connection, "read_temporary_privilege")
    if not found["may_copy"]:
        raise DeployError(f"definitions are compared on temporary tables; run {_grant_temporary(found)}")


def _read(connection: Connection, target: Target) -> list[Mapping[str, Any]]:
    bind = {"schema": target.schema, "table": target.table, "tablespace": tablespace_of(target.sql)}
    return list(rows(connection, "read_privileges", **bind))


def _listed(*statements: str) -> str:
    return "; ".join(dict.fromkeys(statements))


def _of_owner(found: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what makes the role an owner of the tables, and so of their indexes."""
    for each in found:
        role, owner = ident(each["role_name"]), ident(each["owner"])
        if not each["may_use_schema"]:
            yield f"GRANT USAGE ON SCHEMA {ident(each['schema_name'])} TO {role}"
        if not each["owns"]:
            yield f"SET ROLE {owner} in env.py" if each["may_become_owner"] else f"GRANT {owner} TO {role}"


def _of_builder(found: Iterable[Mapping[str, Any]], target: Target) -> Iterator[str]:
    """Yield what lets an owner create the index, and try that on a copy."""
    for each in found:
        role = ident(each["role_name"])
        if not each["may_create"]:
            yield f"GRANT CREATE ON SCHEMA {ident(each['schema_name'])} TO {role}"
        if each["may_use_tablespace"] is False:
            yield f"GRANT CREATE ON TABLESPACE {ident(tablespace_of(target.sql) or '')} TO {role}"
        if not each["may_copy"]:
            yield _grant_temporary(each)


def _grant_temporary(found: Mapping[str, Any]) -> str:
    return f"GRANT TEMPORARY ON DATABASE {ident(found['database_name'])} TO {ident(found['role_name'])}"
