"""The revisions of a project of some years: many small steps by several hands, from its first table to its models."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops
from sqlalchemy.dialects import postgresql as pg

IMPORTS = """import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One file: what it is called, and the bodies of its two functions."""

    message: str
    upgrade: str
    downgrade: str


def write_history(
    directory: Path, metadata: sa.MetaData, *, before: Sequence[Revision], after: Sequence[Revision], numbered: bool
) -> int:
    """Write a file for each step and return how many; two lines of development run side by side, then merge."""
    revisions = [*before, *_revisions(metadata), *after]
    fork = len(revisions) // 2
    idle = Revision(message="An idea of somebody else", upgrade="pass", downgrade="pass")
    parents: tuple[str, ...] = ()
    for number, revision in enumerate(revisions):
        name = f"{number + 1:04}" if numbered else hashlib.sha256(f"{number}".encode()).hexdigest()[:12]
        _write(directory, name, parents, revision)
        if number == fork:
            _write(directory, f"{name}b", parents, idle)
        parents = (name, f"{name}b") if number == fork else (name,)
    return len(revisions) + 1


def _write(directory: Path, name: str, parents: tuple[str, ...], revision: Revision) -> None:
    slug = "_".join(revision.message.lower().split())[:40]
    parent = parents[0] if len(parents) == 1 else parents or None
    (directory / f"{name}_{slug}.py").write_text(
        f'"""{revision.message}."""\n\n{IMPORTS}\nrevision = {name!r}\ndown_revision = {parent!r}\n\n\n'
        f"def upgrade():\n    {revision.upgrade}\n\n\ndef downgrade():\n    {revision.downgrade}\n",
        encoding="utf-8",
    )


def _revisions(metadata: sa.MetaData) -> Iterator[Revision]:
    for number, (message, step, detour) in enumerate(_steps(metadata)):
        write = (_by_operations, _by_operations, _by_statements)[number % 3]
        if detour is not None and number % 2:
            yield write(f"Try {detour.index_name}", detour)
            yield write(f"Drop {detour.index_name} again", detour.reverse())
        yield write(message.capitalize(), step)


def _steps(
    metadata: sa.MetaData,
) -> Iterator[tuple[str, ops.MigrateOperation, ops.CreateIndexOp | None]]:
    """Give each step with what it is called, and an index that somebody tried before it."""
    for table in metadata.sorted_tables:
        first = list(table.primary_key.columns)
        yield f"create {table.name}", _created(table, first), None
        for column in table.columns:
            if column not in first:
                added = ops.AddColumnOp(table.name, _bare(column), schema=table.schema)
                yield f"add {column.name} to {table.name}", added, _tried(table, first[0])
        for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
            if not isinstance(constraint, sa.PrimaryKeyConstraint):
                yield f"constrain {table.name}", ops.AddConstraintOp.from_constraint(constraint), None
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            yield f"index {table.name}", ops.CreateIndexOp.from_index(index), None


def _created(table: sa.Table, columns: Sequence[sa.Column[object]]) -> ops.CreateTableOp:
    key = sa.PrimaryKeyConstraint(*(column.name for column in columns), name=f"pk_{table.name}")
    return ops.CreateTableOp(table.name, [*map(_bare, columns), key], schema=table.schema)


def _bare(column: sa.Column[object]) -> sa.Column[object]:
    """Return a column without its keys and indexes, which come in steps of their own."""
    identity = [sa.Identity(always=column.identity.always)] if column.identity else []
    computed = [sa.Computed(column.computed.sqltext, persisted=column.computed.persisted)] if column.computed else []
    default: Any = getattr(column.server_default, "arg", None)
    kind = column.type
    if isinstance(kind, pg.ENUM):
        kind = pg.ENUM(*kind.enums, name=kind.name, create_type=False)
    return sa.Column(
        column.name,
        kind,
        *identity,
        *computed,
        nullable=column.nullable,
        server_default=default,
    )


def _tried(table: sa.Table, column: sa.Column[object]) -> ops.CreateIndexOp:
    return ops.CreateIndexOp(f"tmp_{table.name}_{column.name}", table.name, [column.name], schema=table.schema)


def by_sql(message: str, upgrade: str, downgrade: str) -> Revision:
    """Return a revision of one who likes SQL best."""
    return Revision(message=message, upgrade=f"op.execute({upgrade!r})", downgrade=f"op.execute({downgrade!r})")


def _by_operations(message: str, step: ops.MigrateOperation) -> Revision:
    context = MigrationContext.configure(dialect_name="postgresql")
    bodies = [
        render_python_code(ops.UpgradeOps(ops=[each]), migration_context=context) for each in (step, step.reverse())
    ]
    return Revision(message=message, upgrade=bodies[0].strip(), downgrade=bodies[1].strip())


def _by_statements(message: str, step: ops.MigrateOperation) -> Revision:
    return by_sql(message, _statements(step), _statements(step.reverse()))


def _statements(step: ops.MigrateOperation) -> str:
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written, "literal_binds": True}
    )
    Operations(context).invoke(step)
    return written.getvalue().strip()
