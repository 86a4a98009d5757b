"""Plan under row security: a table's policies are part of the plan of all who are not above them.

The twin's own session is the tables' owner's, which no policy applies to. Statements that name a table with row
security are planned in a second session, as an ordinary role. The snapshot does not say who runs a statement, so that
role is a member of every role a policy names.
"""

import re
from collections.abc import Collection, Iterator

import psycopg
from psycopg import sql

from analyzer.db import Connection
from analyzer.documents.snapshot import NotExamined, Policy, RowSecurity, Snapshot
from analyzer.errors import InputError
from analyzer.postgres.arrays import parse_array
from analyzer.postgres.lex import words
from analyzer.sql import render
from analyzer.twin.schema.clock import freeze_clock
from analyzer.twin.schema.named import named_in
from analyzer.twin.server.containment import APPLICATION

_SETTING = re.compile(r"current_setting\('((?:[^']|'')+)'")


def policy_statements(security: RowSecurity, roles: Collection[str]) -> Iterator[tuple[str, sql.SQL]]:
    """Yield what gives an empty table its policies, each with its name; `roles` are those that were made.

    A policy for another one, a predefined role or a name that the server has taken, is for the role that plans.
    """
    table = f"{security.schema_name}.{security.table}"
    yield f"row security of {table}", render("twin/enable_row_security", security=security)
    for policy in security.policies:
        using, check = (None if text is None else freeze_clock(text) for text in (policy.using, policy.check))
        named = tuple(dict.fromkeys(role if role in roles else APPLICATION for role in policy.roles))
        fitted = policy.model_copy(update={"roles": named})
        query = render("twin/create_policy", security=security, policy=fitted, using=using, check=check)
        yield f"policy {policy.name} of {table}", query


def create_roles(superuser: Connection, snapshot: Snapshot) -> frozenset[str]:
    """Make the roles that policies name, without rights, and let the one that plans be in each; return their names."""
    made: set[str] = set()
    for role in sorted({role for each in snapshot.row_security for policy in each.policies for role in policy.roles}):
        try:
            superuser.execute(render("twin/create_role", role=role))
        except (psycopg.Error, InputError):  # a name that is taken or reserved: no session gets that role
            continue
        superuser.execute(render("twin/grant_role", role=role, member=APPLICATION))
        made.add(role)
    return frozenset(made)


class Restricted:
    """Tells which statements policies apply to, and holds the session that plans them."""

    def __init__(self, connection: Connection | None, snapshot: Snapshot) -> None:
        self.connection = connection
        self._tables = frozenset(each.table for each in snapshot.row_security)
        # Other views are read with their owner's privileges.
        self._views = {
            each.name: words(each.definition or "")
            for each in snapshot.relations
            if each.kind == "v" and "security_invoker=true" in each.parameters
        }

    def applies(self, statement: str) -> bool:
        """Say whether a statement names a table with row security."""
        return bool(self._tables) and not self._tables.isdisjoint(named_in(statement, self._views))


def choose_settings(connection: Connection, snapshot: Snapshot) -> Iterator[NotExamined]:
    """Give the settings that policies read a value that is frequent in the table; yield what is not exact."""
    for security in snapshot.row_security:
        names = dict.fromkeys(name for policy in security.policies for name in _settings(policy))
        for name in names:
            _choose(connection, security, name, snapshot)
        reason = (
            "planned as an ordinary role to which every policy applies; statements of the owner have different plans"
        )
        if names:
            reason += f", and so do other values of {', '.join(names)}"
        yield NotExamined(what=f"row security of {security.schema_name}.{security.table}", reason=reason)


def _settings(policy: Policy) -> list[str]:
    return _SETTING.findall(f"{policy.using or ''} {policy.check or ''}")


def _choose(connection: Connection, security: RowSecurity, name: str, snapshot: Snapshot) -> None:
    for value in _candidates(security, name, snapshot):
        connection.execute(render("twin/set_setting"), {"name": name, "value": value})
        try:
            connection.execute(render("twin/probe_policies", security=security))
        except psycopg.errors.UndefinedObject:  # another setting is still missing
            return
        except psycopg.Error:
            continue
        return


def _candidates(security: RowSecurity, name: str, snapshot: Snapshot) -> Iterator[str]:
    expressions = [policy.using or policy.check or "" for policy in security.policies if name in _settings(policy)]
    named = frozenset[str]().union(*map(words, expressions))
    relation = snapshot.relation(security.schema_name, security.table)
    for column in relation.columns if relation is not None else ():
        if column.name in named:
            row = snapshot.column_statistics(security.schema_name, security.table, column.name)
            if row is not None:
                yield from parse_array(row.most_common_values or "{}")[:1]
                bounds = parse_array(row.histogram_bounds or "{}")
                yield from bounds[len(bounds) // 2 :][:1]
    yield from ("1", "", "00000000-0000-0000-0000-000000000000")
