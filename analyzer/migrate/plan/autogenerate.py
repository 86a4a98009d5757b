"""Let `alembic revision --autogenerate` and `alembic check` see the specs, and no managed index as one to drop."""

from collections.abc import Collection, Iterator
from pathlib import Path

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateTableOp,
    DropColumnOp,
    DropConstraintOp,
    DropIndexOp,
    DropTableOp,
    MigrateOperation,
    ModifyTableOps,
    OpContainer,
    UpgradeOps,
)
from alembic.util import PriorityDispatchResult
from sqlalchemy.engine import Connection

from analyzer.config import Config, load_config
from analyzer.errors import TwindexError
from analyzer.migrate.deploy.driver import DriverError
from analyzer.migrate.deploy.online import DeployError
from analyzer.migrate.deploy.session import LOG, match_alembic_log_level
from analyzer.migrate.hazards import refused_codes
from analyzer.migrate.plan.alembic_catalog import Live, tables_named
from analyzer.migrate.plan.environment import Environment
from analyzer.migrate.plan.read_environment import INDEX_SPECS
from analyzer.migrate.plan.removal_log import tell_removals
from analyzer.migrate.plan.revision import operations_of, planned
from analyzer.migrate.plan.split_revision import keep_apart
from analyzer.objects.index import IndexDef
from analyzer.objects.temporary_names import has_temporary_name
from analyzer.paths import is_directory
from analyzer.postgres.identifiers import QualifiedName
from analyzer.specs.diff import Change
from analyzer.specs.file import SpecSet, load_specs
from analyzer.specs.table_patterns import expanded
from analyzer.sql import ident


def compare_specs(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """Take the drops of managed indexes out of what Alembic found, and add what the specs ask for.

    Raises DeployError, which Alembic prints as one line.
    """
    directory, connection = specs_directory(context), context.connection
    if directory is not None and connection is not None:
        match_alembic_log_level()
        try:
            _compare(context, connection, load_specs(directory), upgrade_ops)
        except DeployError:
            raise
        except (TwindexError, DriverError) as error:
            raise DeployError(str(error)) from error
    tell_removals({name.name for _, name in _drops(context, upgrade_ops)})
    return PriorityDispatchResult.CONTINUE


def refuse_drops(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """Make sure that no managed index is dropped because the comparison above was left out.

    Raises DeployError.
    """
    directory = specs_directory(context)
    if directory is not None:
        specs = load_specs(directory)
        if context.connection is not None:
            specs = expanded(specs, tables_named(context.connection, {table.name for table in specs.patterns}))
        named = _named(specs)
        dropped = sorted(name for _, name in _drops(context, upgrade_ops) if name in named)
        if dropped:
            raise DeployError(
                f"autogenerate would drop {'.'.join(dropped[0])}, which {directory} declares: its comparison is "
                'switched off; in env.py, configure autogenerate_plugins with "alembic.autogenerate.*"'
            )
    return PriorityDispatchResult.CONTINUE


def specs_directory(context: AutogenContext) -> Path | None:
    """Find the specs: `context.configure(index_specs=…)`, else [tool.twindex] beside alembic.ini; None without any.

    `index_specs=False` says that this database has none.
    """
    configured = context.opts.get(INDEX_SPECS)
    if configured is not None:
        return Path(configured) if configured else None
    found = _settings(context).specs
    return found if is_directory(found) else None


def _settings(context: AutogenContext) -> Config:
    alembic = context.migration_context.environment_context
    if alembic is None or alembic.config.config_file_name is None:
        return load_config()
    # Where Alembic read its file: env.py may have changed the directory since.
    return load_config(Path(alembic.config.get_main_option("here") or Path(alembic.config.config_file_name).parent))


def _compare(context: AutogenContext, connection: Connection, specs: SpecSet, upgrade_ops: UpgradeOps) -> None:
    _check_connection(context)
    specs = expanded(specs, tables_named(connection, {table.name for table in specs.patterns}))
    moving = {_name(context, schema, table) for schema, table in _changing(upgrade_ops)}
    for table in sorted({(s.schema, s.table) for s in specs.specs} & moving):
        LOG.warning(
            "%s or its columns change first, so its specs wait; run autogenerate again after alembic upgrade",
            ident(*table),
        )
    waiting = SpecSet(
        specs=tuple(spec for spec in specs.specs if (spec.schema, spec.table) not in moving),
        managed={table: where for table, where in specs.managed.items() if table not in moving},
        patterns=specs.patterns,
    )
    environment = _environment(context)
    live = Live(connection, waiting.specs, waiting.managed)
    found = planned(environment, waiting, live.objects(), live.canonical, live.rows, own_tablespace=live.own_tablespace)
    partitioned = {name for name, table in live.tables.items() if table.kind == "p"}
    for change in found:
        what = "index" if isinstance(change.definition, IndexDef) else "statistics object"
        LOG.info("Detected %s to %s: %s", what, change.kind, change.definition.qualified_name)
    _prune(context, upgrade_ops, environment, specs, found)
    refused = refused_codes(project=_settings(context).refuse_hazards)
    upgrade_ops.ops.extend(
        operations_of(found, deparse=live.deparse, partitioned=partitioned, patterns=specs.patterns, refused=refused)
    )
    keep_apart(context)


def _environment(context: AutogenContext) -> Environment:
    migration = context.migration_context
    versions = {"version_table": migration.version_table, "version_table_schema": migration.version_table_schema}
    options = {**migration.opts, "target_metadata": context.metadata, **versions}
    return Environment.of(options, default_schema=_default_schema(context))


def _check_connection(context: AutogenContext) -> None:
    """Say early what would only fail in the deploy."""
    # Alembic's own name for it is private, and the only one there is once its comparison has begun a transaction.
    if getattr(context.migration_context, "_in_external_transaction", False):
        LOG.warning(
            "the connection was in a transaction before context.configure(), in which no index can be built "
            "concurrently: alembic upgrade will refuse; in env.py, call connection.commit() after statements that run "
            "before configure(), such as SET, and use engine.connect() instead of begin()"
        )


def _prune(
    context: AutogenContext,
    upgrade_ops: UpgradeOps,
    environment: Environment,
    specs: SpecSet,
    found: Collection[Change],
) -> None:
    """Remove the drops of indexes that are ours to keep or to drop; that of a model's own is Alembic's."""
    existing = (change.current.definition for change in found if change.current is not None)
    ours = _named(specs) | {each.full_name for each in existing if isinstance(each, IndexDef)}

    def is_ours(op: DropIndexOp | DropConstraintOp, name: QualifiedName) -> bool:
        if isinstance(op, DropIndexOp) and has_temporary_name(name.name):
            return True  # a deploy's, which drops it itself
        managed = isinstance(op, DropIndexOp) and _on(context, op) in specs.managed
        return name in ours or (managed and name not in environment.owned)

    drops = {id(op) for op, name in _drops(context, upgrade_ops) if is_ours(op, name)}
    for container in (upgrade_ops, *_containers(upgrade_ops)):
        container.ops[:] = [op for op in container.ops if id(op) not in drops]
    upgrade_ops.ops[:] = [op for op in upgrade_ops.ops if not isinstance(op, OpContainer) or op.ops]


def _named(specs: SpecSet) -> frozenset[QualifiedName]:
    return frozenset(QualifiedName(spec.schema, spec.spec.name) for spec in specs.indexes)


def _drops(
    context: AutogenContext, upgrade_ops: UpgradeOps
) -> Iterator[tuple[DropIndexOp | DropConstraintOp, QualifiedName]]:
    for container in (upgrade_ops, *_containers(upgrade_ops)):
        for op in container.ops:
            if isinstance(op, DropIndexOp):
                yield op, _name(context, op.schema, str(op.index_name))
            elif isinstance(op, DropConstraintOp) and op.constraint_type == "unique":
                yield op, _name(context, op.schema, str(op.constraint_name))


def _on(context: AutogenContext, op: DropIndexOp) -> QualifiedName:
    return _name(context, op.schema, op.table_name or "")


def _containers(upgrade_ops: UpgradeOps) -> Iterator[OpContainer]:
    return (op for op in upgrade_ops.ops if isinstance(op, OpContainer))


def _changing(upgrade_ops: UpgradeOps) -> Iterator[tuple[str | None, str]]:
    """Yield the tables that come, go or get other columns: only then is known what can be indexed."""
    for op in upgrade_ops.ops:
        match op:
            case CreateTableOp() | DropTableOp():
                yield op.schema, op.table_name
            case ModifyTableOps() if any(_of_columns(each) for each in op.ops):
                yield op.schema, op.table_name
            case _:
                pass


def _of_columns(op: MigrateOperation) -> bool:
    if isinstance(op, AlterColumnOp):
        return op.modify_type is not None or op.modify_name is not None
    return isinstance(op, AddColumnOp | DropColumnOp)


def _name(context: AutogenContext, schema: str | None, name: str) -> QualifiedName:
    return QualifiedName(schema or _default_schema(context), name)


def _default_schema(context: AutogenContext) -> str:
    return context.dialect.default_schema_name or "public"
