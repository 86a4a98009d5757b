"""Let `alembic revision --autogenerate` and `alembic check` see the specs, and no managed index as one to drop."""

import logging
from collections.abc import Collection, Iterator
from pathlib import Path

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import CreateTableOp, DropIndexOp, DropTableOp, OpContainer, UpgradeOps
from alembic.util import PriorityDispatchResult
from sqlalchemy.engine import Connection

from analyzer.config import load_config
from analyzer.errors import TwindexError
from analyzer.migrate.live import Live
from analyzer.migrate.online import PLAIN_BUILD_BYTES, DeployError
from analyzer.migrate.revision import operations_of
from analyzer.specs.diff import Change, changes
from analyzer.specs.files import SpecSet, load_specs
from analyzer.sql import ident

LOG = logging.getLogger(__name__)

#: Name of the keyword of context.configure() that says where the specs are.
OPTION = "index_specs"

Name = tuple[str, str]


def compare_specs(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """Take the drops of managed indexes out of what Alembic found, and add what the specs ask for.

    Raises DeployError, which Alembic prints as one line.
    """
    directory, connection = specs_directory(context), context.connection
    if directory is not None and connection is not None:
        try:
            _compare(context, connection, load_specs(directory), upgrade_ops)
        except DeployError:
            raise
        except TwindexError as error:
            raise DeployError(str(error)) from error
    return PriorityDispatchResult.CONTINUE


def refuse_drops(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """Make sure that no managed index is dropped because the comparison above was left out.

    Raises DeployError.
    """
    directory = specs_directory(context)
    if directory is not None:
        named = _named(load_specs(directory))
        dropped = sorted(name for _, name in _drops(context, upgrade_ops) if name in named)
        if dropped:
            raise DeployError(
                f"autogenerate would drop {'.'.join(dropped[0])}, which {directory} declares: its comparison is "
                'switched off; in env.py, configure autogenerate_plugins with "alembic.autogenerate.*"'
            )
    return PriorityDispatchResult.CONTINUE


def specs_directory(context: AutogenContext) -> Path | None:
    """Find the specs: `context.configure(index_specs=…)`, else [tool.twindex] beside alembic.ini; None without any."""
    configured = context.opts.get(OPTION)
    if configured is not None:
        return Path(configured)
    alembic = context.migration_context.environment_context
    file = alembic.config.config_file_name if alembic is not None else None
    found = load_config(Path(file).parent if file is not None else None).specs
    return found if found.is_dir() else None


def _compare(context: AutogenContext, connection: Connection, specs: SpecSet, upgrade_ops: UpgradeOps) -> None:
    _refuse_declared_twice(context, specs)
    moving = {_name(context, op.schema, op.table_name) for op in _tables(upgrade_ops)}
    for table in sorted({(s.schema, s.table) for s in specs.specs} & moving):
        LOG.warning(
            "this revision creates or drops %s, so its specs wait; run autogenerate again after alembic upgrade",
            ident(*table),
        )
    waiting = SpecSet(
        specs=tuple(spec for spec in specs.specs if (spec.schema, spec.table) not in moving),
        managed={table: where for table, where in specs.managed.items() if table not in moving},
    )
    live = Live(connection, waiting.specs)
    found = changes(waiting, live.indexes(), live.canonical, live.rows)
    partitioned = {name for name, table in live.tables.items() if table.kind == "p"}
    for change in found:
        _refuse_partitioned(change, live)
        LOG.info("Detected index to %s: %s", change.kind, change.index.qualified_name)
    _prune(context, upgrade_ops, specs, found)
    if found and upgrade_ops.ops:
        LOG.warning(
            "this revision changes more than indexes, and index steps commit what ran before them: a run that fails "
            "among them cannot simply be repeated; move the index operations into a revision of their own"
        )
    upgrade_ops.ops.extend(operations_of(found, deparse=live.deparse, partitioned=partitioned))


def _refuse_declared_twice(context: AutogenContext, specs: SpecSet) -> None:
    declared = {(s.schema, s.spec.name): s for s in specs.specs if s.spec.state in {"approved", "retired"}}
    for table in context.sorted_tables:
        for index in table.indexes:
            if (spec := declared.get(_name(context, table.schema, str(index.name)))) is not None:
                raise DeployError(
                    f"{spec.where}: {index.name} is declared by the model of {table.fullname} as well; keep one of both"
                )


def _refuse_partitioned(change: Change, live: Live) -> None:
    table = live.tables.get((change.index.schema, change.index.table))
    builds = change.kind not in {"rename", "alter"}
    if builds and table is not None and table.kind == "p" and table.partitions_bytes > PLAIN_BUILD_BYTES:
        where = f"{change.spec.where}: " if change.spec is not None else ""
        raise DeployError(
            f"{where}{change.index.qualified_table} is partitioned and holds rows, and PostgreSQL builds or drops no "
            f"index of it concurrently; write the revision that has to {change.kind} {change.index.name} by hand"
        )


def _prune(context: AutogenContext, upgrade_ops: UpgradeOps, specs: SpecSet, found: Collection[Change]) -> None:
    """Remove the drops of indexes that are ours to keep or to drop."""
    ours = _named(specs) | {(c.index.schema, c.current.definition.name) for c in found if c.current is not None}
    drops = {id(op) for op, name in _drops(context, upgrade_ops) if name in ours or _on(context, op) in specs.managed}
    for container in (upgrade_ops, *_containers(upgrade_ops)):
        container.ops[:] = [op for op in container.ops if id(op) not in drops]
    upgrade_ops.ops[:] = [op for op in upgrade_ops.ops if not isinstance(op, OpContainer) or op.ops]


def _named(specs: SpecSet) -> frozenset[Name]:
    return frozenset((spec.schema, spec.spec.name) for spec in specs.specs)


def _drops(context: AutogenContext, upgrade_ops: UpgradeOps) -> Iterator[tuple[DropIndexOp, Name]]:
    for container in (upgrade_ops, *_containers(upgrade_ops)):
        for op in container.ops:
            if isinstance(op, DropIndexOp):
                yield op, _name(context, op.schema, str(op.index_name))


def _on(context: AutogenContext, op: DropIndexOp) -> Name:
    return _name(context, op.schema, op.table_name or "")


def _containers(upgrade_ops: UpgradeOps) -> Iterator[OpContainer]:
    return (op for op in upgrade_ops.ops if isinstance(op, OpContainer))


def _tables(upgrade_ops: UpgradeOps) -> Iterator[CreateTableOp | DropTableOp]:
    return (op for op in upgrade_ops.ops if isinstance(op, CreateTableOp | DropTableOp))


def _name(context: AutogenContext, schema: str | None, name: str) -> Name:
    return schema or context.dialect.default_schema_name or "public", name
