"""Write a step as SQL for psql, `alembic upgrade --sql`: what can be known without looking at the database.

Every step leaves the transaction that Alembic writes around a revision. What depends on the catalog is written as a
query that makes the statements, and `\\gexec`, by which psql runs each of them on its own.
"""

from collections.abc import Iterator
from datetime import timedelta

from alembic.runtime.migration import MigrationContext

from analyzer.migrate.deploy.create_index import is_concurrent_drop, parse_create
from analyzer.migrate.deploy.target import DeployError, Target
from analyzer.objects.temporary_names import KEPT, mark, temporary_name
from analyzer.postgres.lex import lex, significant
from analyzer.postgres.schema_patterns import Schemas, pieces_around
from analyzer.sql import render_text
from analyzer.visible import visible

_PSQL = "\\gexec"
_KEEP = "\\gset"


def write(context: MigrationContext, target: Target, statements: Iterator[str]) -> None:
    """Write statements, comments and queries for `\\gexec`, between the settings they run with."""
    session, written = target.session(), tuple(statements)
    if target.schemas is not None:
        written = tuple(_for_each_schema(statement, target, target.schemas) for statement in written)
    if any("\\" in statement.removesuffix(_PSQL) for statement in written):
        # An older revision, or one written manually, may hold a plain string that means something else where it is off.
        session = {"standard_conforming_strings": "on"} | session
    if parse_create(target.sql) is not None:
        session = {"default_tablespace": ""} | session
    lines = [render_text("online/set", name=name, value=value) for name, value in session.items()]
    lines += [*written, *(render_text("online/reset", name=name) for name in session)]
    with context.autocommit_block():
        for line in lines:
            complete = line.endswith((_PSQL, _KEEP)) or lex(line)[-1].kind == "comment"
            context.impl.static_output(line if complete else line.strip() + ";")


def build(target: Target) -> Iterator[str]:
    """Yield the build, with a comment on what an earlier attempt may have left."""
    create = parse_create(target.sql)
    if create is not None and create.only:
        # It builds nothing, so writers hardly wait for it.
        yield f"-- squawk-ignore require-concurrent-index-creation\n{target.sql}"
        yield from _partitions(target)
        return
    if create is not None and create.concurrently:
        yield _leftover(target.qualified_name)
    yield target.sql


def replacement(target: Target, beside: Target) -> Iterator[str]:
    """Yield the build beside the index, the exchange of the names, and the drop of the old one."""
    old = temporary_name(target.name, "old")
    create = parse_create(target.sql)
    only = create is not None and create.only
    drop_old = tuple(drop(render_text("index/drop_index", schema=target.schema, name=old, concurrently=not only)))
    yield from drop_old  # an index that the last replacement has kept
    yield from build(beside)
    if target.keep_old is not None:
        yield from _keeping_swap(target, old, beside.name, target.keep_old)
        return
    yield swap(target, old, beside.name)
    yield from drop_old


def drop(sql: str) -> Iterator[str]:
    """Yield a drop; that of a partitioned index knows no concurrent form."""
    plainly = not is_concurrent_drop(sql)
    yield f"-- squawk-ignore require-concurrent-index-deletion\n{sql}" if plainly else sql


def swap(target: Target, old: str, new: str) -> str:
    """Return the exchange of the names, in one short transaction."""
    statements = swap_statements(target, old, new, mark(target.schema, target.name, "old"))
    return ";\n".join((render_text("online/begin"), *statements, render_text("online/commit")))


def _keeping_swap(target: Target, old: str, new: str, keep: timedelta) -> Iterator[str]:
    """Yield the exchange of the names, after which the old index says until when it is kept."""
    if target.schemas is not None:
        raise DeployError(
            f"alembic upgrade --sql cannot write until when the index that {target.name} replaces is kept in several "
            "schemas; run alembic upgrade without --sql, or remove keep_old from the revision"
        )
    comment = mark(target.schema, target.name, "old")
    yield render_text("online/begin")
    yield from swap_statements(target, old, new, comment)
    facts = {"schema": target.schema, "name": old, "comment": comment + KEPT, "keep": f"{keep.total_seconds()} s"}
    yield render_text("online/write_kept_comment", **facts) + f"\n{_PSQL}"
    yield render_text("online/commit")


def swap_statements(target: Target, old: str, new: str, comment: str) -> Iterator[str]:
    """Yield what gives the new index the name, and the old one another with a comment that says why."""
    schema = target.schema
    yield render_text("online/rename_index", schema=schema, name=target.name, new_name=old)
    yield render_text("index/comment", schema=schema, name=old, comment=comment)
    yield render_text("online/rename_index", schema=schema, name=new, new_name=target.name)
    yield render_text("index/comment", schema=schema, name=target.name, comment=None)
    yield from target.attributes


def _for_each_schema(statement: str, target: Target, schemas: Schemas) -> str:
    """Write a query that makes the statement for each schema the database has, for `\\gexec`; a comment stays."""
    tokens = significant(lex(statement))
    if not tokens:
        return statement
    patterns, exceptions = schemas.likes()
    query = render_text(
        "online/write_for_each_schema",
        pieces=pieces_around(statement[tokens[0].start :]), table=target.table, patterns=patterns,
        exceptions=exceptions,
    )  # fmt: skip
    return f"{query}\n{_PSQL}"


def _partitions(target: Target) -> Iterator[str]:
    if target.schemas is not None:
        raise DeployError(
            f"alembic upgrade --sql cannot write the build of {target.name} on the partitioned tables of several "
            "schemas; run alembic upgrade without --sql"
        )
    facts = {"schema": target.schema, "name": target.name, "table": target.table}
    table = visible(target.qualified_table)
    yield (
        f"-- For each partition of {table} psql makes a statement and runs it; what fits is taken.\n"
        "-- Repeat these queries when one of their statements failed, after dropping what it left INVALID."
    )
    yield f"{render_text('online/trust_path')} {_KEEP}"
    yield render_text("online/write_partition_parents", **facts) + f"\n{_PSQL}"
    yield render_text("online/write_partition_builds", **facts) + f"\n{_PSQL}"
    yield render_text("online/write_partition_attachments", **facts) + f"\n{_PSQL}"
    yield f"{render_text('online/return_path')} {_KEEP}"


def _leftover(name: str) -> str:
    shown = visible(name)  # a carriage return ends a comment too
    return (
        f'-- If an earlier attempt left {shown} INVALID, the next statement fails with "already exists";\n'
        f"-- then run DROP INDEX CONCURRENTLY IF EXISTS {shown} and repeat it."
    )
