"""Take a step in each schema of a pattern, as the database has them when it runs.

The catalog says what is left to do in each, so a deploy that was interrupted skips those that are done.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from analyzer.migrate.deploy.session import LOG, match_alembic_log_level, rows
from analyzer.migrate.deploy.target import Target
from analyzer.postgres.schema_patterns import Schemas, specialized

Execute = Callable[[MigrationContext, Target], None]


def in_each_schema(context: MigrationContext, target: Target, schemas: Schemas, execute: Execute) -> None:
    """Take a step in each schema that has the table, those created during it included.

    A schema that is dropped during it is skipped. Raises DeployError for the first schema in which the step fails.
    """
    if context.as_sql or context.connection is None:
        execute(context, replace(target, schemas=schemas))  # written as queries that find the schemas
        return
    match_alembic_log_level()
    done: set[str] = set()
    while remaining := [each for each in _found(context.connection, target, schemas) if each not in done]:
        for schema in remaining:
            number, count = len(done) + 1, len(done) + len(remaining) - remaining.index(schema)
            LOG.info("%s in schema %s, %d of %d", target.name, schema, number, count)
            execute(context, _in_schema(target, schema, schemas))
            done.add(schema)
    if not done:
        LOG.warning("no schema that matches %s has a table %s; nothing to do", schemas, target.table)


def _in_schema(target: Target, schema: str, schemas: Schemas) -> Target:
    return replace(
        target,
        schema=schema,
        schemas=schemas,
        sql=specialized(target.sql, schema),
        definition=None if target.definition is None else specialized(target.definition, schema),
        attributes=tuple(specialized(statement, schema) for statement in target.attributes),
        constraint=None if target.constraint is None else specialized(target.constraint, schema),
    )


def _found(connection: Connection, target: Target, schemas: Schemas) -> Iterator[str]:
    found = (str(each["schema_name"]) for each in rows(connection, "read_tables_named", names=[target.table]))
    return (schema for schema in found if schemas.match(schema))
