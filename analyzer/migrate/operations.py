"""The operations of a revision, as `op.…`: those of indexes, of statistics, and ANALYZE.

An operation is a class of its own: its name, and what the executor does. `ObjectOperation` is all the rest.
"""

import itertools
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from alembic.autogenerate.api import AutogenContext

# From the submodule: alembic.autogenerate itself may still be importing when Alembic loads this module.
from alembic.autogenerate.render import renderers
from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import OpContainer
from alembic.runtime.migration import MigrationContext

from analyzer.migrate.deploy import online, statistics, unique_constraints
from analyzer.migrate.deploy.create_index import parse_create
from analyzer.migrate.deploy.each_schema import in_each_schema
from analyzer.migrate.deploy.options import read_options
from analyzer.migrate.revision_text import INDENT, call, mapping, sequence, sql_text, text, unwrapped
from analyzer.postgres.intervals import parse_interval
from analyzer.postgres.schema_patterns import OWN, Schemas
from analyzer.sql import render_text
from analyzer.visible import visible

IMPORT = "import analyzer.migrate.alembic_plugin  # noqa: F401"

Execute = Callable[[MigrationContext, online.Target], None]


class ObjectOperation(MigrateOperation):
    """An object by name and the literal statements a DBA reads; `verb` is its name, as in `op.<verb>`."""

    verb: ClassVar[str]
    execute: ClassVar[Execute]
    #: Whether its lock_timeout is the long one of a concurrent build, which `twindex_lock_timeout` is not about.
    builds: ClassVar[bool] = False

    def __init_subclass__(cls, *, verb: str = "", execute: Execute | None = None) -> None:
        """Register the operation, what it does and how it is written, with Alembic."""
        super().__init_subclass__()
        if execute is None:
            return
        cls.verb, cls.execute = verb, staticmethod(execute)
        Operations.register_operation(verb, "invoked")(cls)
        Operations.implementation_for(cls)(_execute)
        renderers.dispatch_for(cls)(_render)

    def __init__(
        self,
        name: str,
        table_name: str,
        *,
        lock_timeout: str,
        schema: str | None = None,
        schemas: str | Sequence[str] = (),
        except_schemas: str | Sequence[str] = (),
        sql: str = "",
        new_name: str | None = None,
        definition: str | None = None,
        attributes: tuple[str, ...] = (),
        constraint: str | None = None,
        settings: dict[str, str] | None = None,
        keep_old: str | None = None,
        hazards: tuple[str, ...] = (),
        reverse_op: "ObjectOperation | None" = None,
    ) -> None:
        """Hold the facts.

        `sql` is what runs, then `constraint`, and then `attributes`, which set comment and statistics targets;
        `definition` is what the server is expected to print of the object; `keep_old` is for how long the index that
        it replaces stays; `hazards` are for reading. With `schemas`,
        patterns, it is done in each schema that has the table when it runs, and `"*".` in a statement is that schema.
        """
        if (schema is None) != bool(schemas):
            raise TypeError(f"op.{self.verb} of {name} takes either schema or schemas")
        self.name = name
        self.table_name = table_name
        self.schema = OWN if schema is None else schema
        self.schemas = (schemas,) if isinstance(schemas, str) else tuple(schemas)
        self.except_schemas = (except_schemas,) if isinstance(except_schemas, str) else tuple(except_schemas)
        self.sql = sql
        self.new_name = new_name
        self.lock_timeout = lock_timeout
        self.definition = definition
        self.attributes = attributes
        self.constraint = constraint
        self.settings = settings or {}
        self.keep_old = keep_old
        self.hazards = hazards
        self._reverse = reverse_op

    @classmethod
    def invoked(cls, operations: Operations, name: str, table_name: str, **facts: Any) -> None:
        """Do it; the keywords are those of ObjectOperation."""
        operations.invoke(cls(name, table_name, **{**cls.defaults(name, facts), **facts}))

    @classmethod
    def defaults(cls, _name: str, _facts: dict[str, Any]) -> dict[str, Any]:
        """Return keywords that may be omitted in an operation written manually."""
        return {}

    @property
    def target(self) -> online.Target:
        """Return what the executor needs."""
        return online.Target(
            schema=self.schema,
            table=self.table_name,
            name=self.name,
            sql=unwrapped(self.sql, "\n"),
            lock_timeout=self.lock_timeout,
            new_name=self.new_name,
            definition=None if self.definition is None else unwrapped(self.definition, " "),
            attributes=tuple(unwrapped(statement, "\n") for statement in self.attributes),
            constraint=None if self.constraint is None else unwrapped(self.constraint, "\n"),
            settings=tuple(self.settings.items()),
            keep_old=None if self.keep_old is None else self._interval(self.keep_old),
        )

    def _interval(self, text: str) -> timedelta:
        try:
            return parse_interval(text)
        except ValueError as error:
            raise online.DeployError(f"keep_old of op.{self.verb} of {self.name}: {error}; fix the revision") from error

    @property
    def _place(self) -> dict[str, Any]:
        return {"schema": self.schema, "schemas": self.schemas, "except_schemas": self.except_schemas}

    def reverse(self) -> MigrateOperation:
        """Return the operation that undoes this one."""
        if self._reverse is None:
            raise NotImplementedError(f"op.{self.verb} of {self.name} does not know what undoes it")
        return self._reverse

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Describe the operation as `alembic check` prints it."""
        statements = tuple(statement for statement in (self.sql, self.constraint, *self.attributes) if statement)
        where = str(self.each) if self.each is not None else self.schema
        return (self.verb, where, self.table_name, self.name, *statements)

    @property
    def each(self) -> Schemas | None:
        """Return the schemas it is done in, when it is not done in one."""
        return Schemas(patterns=self.schemas, exceptions=self.except_schemas) if self.schemas else None


def _execute(operations: Operations, operation: ObjectOperation) -> None:
    context, target, execute = operations.get_context(), operation.target, type(operation).execute
    options = read_options(context)
    if not operation.builds and "lock_timeout" in options.model_fields_set:
        target = replace(target, lock_timeout=options.lock_timeout)
    if operation.each is None:
        execute(context, target)
    else:
        in_each_schema(context, target, operation.each, execute)


def _render(context: AutogenContext, operation: MigrateOperation) -> str:
    context.imports.add(IMPORT)
    return render_operation(operation)


def _rename_index(context: MigrationContext, target: online.Target) -> None:
    online.rename_index(context, target, target.new_name or target.name)


class IndexOperation(ObjectOperation):
    """An operation of an index."""

    @property
    def index_name(self) -> str:
        """Return the index's name, as Alembic's own operations call it."""
        return self.name


class BuildIndexOp(IndexOperation, verb="build_index", execute=online.build_index):
    """Build an index concurrently; skip it when it is there, rebuild it when it is INVALID."""

    builds = True

    def reverse(self) -> MigrateOperation:
        """Return the drop of this index."""
        create = parse_create(self.target.sql)
        whole = create is None or not create.only
        return self._reverse or DropIndexOnlineOp(
            self.name,
            self.table_name,
            **self._place,
            sql=render_text("index/drop_index", schema=self.schema, name=self.name, concurrently=whole),
            lock_timeout=online.SHORT_LOCK_TIMEOUT,
            reverse_op=self,
        )


class ReplaceIndexOp(IndexOperation, verb="replace_index", execute=online.replace_index):
    """Exchange an index's definition: build beside it, swap the names, drop the old one."""

    builds = True


class DropIndexOnlineOp(IndexOperation, verb="drop_index_online", execute=online.drop_index):
    """Drop an index concurrently; nothing to do when it is gone."""


class BuildUniqueConstraintOp(
    IndexOperation, verb="build_unique_constraint", execute=unique_constraints.build_unique_constraint
):
    """Build a unique index concurrently and make it a constraint's: `constraint`; may be repeated."""

    builds = True


class ReplaceUniqueConstraintOp(
    IndexOperation, verb="replace_unique_constraint", execute=unique_constraints.replace_unique_constraint
):
    """Exchange a unique constraint or index: build beside it, then drop the old one and take over its name."""

    builds = True


class DropUniqueConstraintOp(
    IndexOperation, verb="drop_unique_constraint", execute=unique_constraints.drop_unique_constraint
):
    """Drop a unique constraint and its index; nothing to do when it is gone."""


class RenameIndexOp(IndexOperation, verb="rename_index", execute=_rename_index):
    """Rename an index; nothing to do when it has the new name already."""

    @classmethod
    def defaults(cls, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        """Return the statement and a short time to wait for its lock."""
        names = {"schema": facts.get("schema", OWN), "name": name, "new_name": facts["new_name"]}
        return {"sql": render_text("online/rename_index", **names), "lock_timeout": online.SHORT_LOCK_TIMEOUT}

    def reverse(self) -> MigrateOperation:
        """Return the renaming back."""
        if self._reverse is not None or self.new_name is None:
            return super().reverse()
        back = render_text("online/rename_index", schema=self.schema, name=self.new_name, new_name=self.name)
        return RenameIndexOp(
            self.new_name,
            self.table_name,
            **self._place,
            new_name=self.name,
            sql=back,
            lock_timeout=self.lock_timeout,
            reverse_op=self,
        )


class AlterIndexOp(IndexOperation, verb="alter_index", execute=online.alter_index):
    """Give an index its comment and statistics targets: `attributes`, statements that may be repeated."""


class ReindexIndexOp(IndexOperation, verb="reindex_index", execute=online.reindex_index):
    """Rebuild an index concurrently; its definition stays."""

    builds = True

    @classmethod
    def defaults(cls, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        """Return the statement and the time a build may wait for locks."""
        sql = render_text("online/reindex_index", schema=facts.get("schema", OWN), name=name)
        return {"sql": sql, "lock_timeout": online.BUILD_LOCK_TIMEOUT}

    def reverse(self) -> MigrateOperation:
        """Return nothing to do, with the reason."""
        return NothingOp(f"op.reindex_index of {self.name} changes no definition, so nothing undoes it", self)


class CreateStatisticsOp(ObjectOperation, verb="create_statistics", execute=statistics.create_statistics):
    """Create a statistics object; skip it when it is there."""


class ReplaceStatisticsOp(ObjectOperation, verb="replace_statistics", execute=statistics.replace_statistics):
    """Exchange the definition of a statistics object: drop and create it in one transaction."""


class DropStatisticsOp(ObjectOperation, verb="drop_statistics", execute=statistics.drop_statistics):
    """Drop a statistics object; nothing to do when it is gone."""


class RenameStatisticsOp(ObjectOperation, verb="rename_statistics", execute=statistics.rename_statistics):
    """Rename a statistics object; nothing to do when it has the new name already."""


class AlterStatisticsOp(ObjectOperation, verb="alter_statistics", execute=statistics.alter_statistics):
    """Give a statistics object its target: `attributes`, statements that may be repeated."""


class AnalyzeTableOp(ObjectOperation, verb="analyze_table", execute=statistics.analyze_table):
    """ANALYZE a table, whose statistics objects have no data before."""

    def reverse(self) -> MigrateOperation:
        """Return nothing to do, with the reason."""
        return NothingOp(f"op.analyze_table of {self.table_name} changes no definition, so nothing undoes it", self)


#: By their names, as in `op.<name>`.
OPERATIONS: dict[str, type[ObjectOperation]] = {
    each.verb: each
    for each in (
        BuildIndexOp, ReplaceIndexOp, DropIndexOnlineOp, RenameIndexOp, AlterIndexOp, ReindexIndexOp,
        BuildUniqueConstraintOp, ReplaceUniqueConstraintOp, DropUniqueConstraintOp,
        CreateStatisticsOp, ReplaceStatisticsOp, DropStatisticsOp, RenameStatisticsOp, AlterStatisticsOp,
        AnalyzeTableOp,
    )
}  # fmt: skip


class TableOperations(OpContainer):
    """Operations of tables that are not undone by their own reverse, as ANALYZE; may be empty in one direction."""

    def __init__(self, ops: Sequence[ObjectOperation], reverse_ops: Sequence[ObjectOperation]) -> None:
        """Hold the operations of both directions."""
        super().__init__(tuple(ops))
        self._reverse_ops = tuple(reverse_ops)

    def reverse(self) -> "TableOperations":
        """Return the operations that undo these."""
        ops = [op for op in self.ops if isinstance(op, ObjectOperation)]
        return TableOperations(self._reverse_ops, ops)


@Operations.register_operation("side_by_side")
class SideBySideOp(MigrateOperation):
    """Build what a block asks for at its end, on several tables at a time."""

    @classmethod
    def side_by_side(cls, operations: Operations) -> AbstractContextManager[None]:
        """Return a block for `with`; what stands in it is `op.build_index` alone."""
        return operations.invoke(cls())


class SideBySideBuilds(OpContainer):
    """Builds that a revision shows in one `with op.side_by_side():`."""


def beside_each_other(operations: Sequence[MigrateOperation]) -> tuple[MigrateOperation, ...]:
    """Put builds that follow each other and are of several tables into one block; leave out what is empty.

    May be repeated.
    """
    present = [each for each in operations if not isinstance(each, TableOperations) or each.ops]

    def grouped() -> Iterator[MigrateOperation]:
        for builds, group in itertools.groupby(present, lambda each: isinstance(each, BuildIndexOp)):
            run = tuple(group)
            tables = {(each.schema, each.table_name) for each in run if isinstance(each, BuildIndexOp)}
            yield from [SideBySideBuilds(run)] if builds and len(tables) > 1 else run

    return tuple(grouped())


class NothingOp(MigrateOperation):
    """Do nothing, and say why."""

    def __init__(self, why: str, reverse_op: MigrateOperation) -> None:
        """Hold the reason, one line, and what this stands against."""
        self.why = why
        self._reverse = reverse_op

    def reverse(self) -> MigrateOperation:
        """Return what this stands against."""
        return self._reverse

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Describe the operation as `alembic check` prints it."""
        return ("nothing", self.why)


@Operations.implementation_for(SideBySideOp)
def _side_by_side(operations: Operations, _operation: SideBySideOp) -> AbstractContextManager[None]:
    return online.side_by_side(operations.get_context())


@Operations.implementation_for(NothingOp)
def _do_nothing(_operations: Operations, _operation: NothingOp) -> None:
    pass


renderers.dispatch_for(NothingOp)(_render)
renderers.dispatch_for(SideBySideBuilds)(_render)
renderers.dispatch_for(TableOperations)(_render)


def is_step(operation: MigrateOperation) -> bool:
    """Say whether an operation is ours, to be run outside of a transaction."""
    return isinstance(operation, ObjectOperation | SideBySideBuilds | TableOperations)


def render_operation(operation: MigrateOperation) -> str:
    """Write an operation as Python, as ruff would format it inside a function."""
    match operation:
        case SideBySideBuilds():
            builds = "\n".join(render_operation(each) for each in operation.ops)
            return f"with op.side_by_side():\n{textwrap.indent(builds, INDENT)}"
        case TableOperations():
            return "\n".join(render_operation(each) for each in operation.ops)
        case ObjectOperation():
            return call(f"op.{operation.verb}", _arguments(operation))
        case NothingOp():
            return f"pass  # {visible(operation.why)}"
        case _:
            return "pass"


def _patterns(name: str, patterns: tuple[str, ...]) -> Iterator[str]:
    if patterns:
        yield f"{name}={text(patterns[0])}" if len(patterns) == 1 else sequence(name, patterns)


def _arguments(operation: ObjectOperation) -> Iterator[str]:
    yield text(operation.name)
    yield text(operation.table_name)
    if operation.each is None:
        yield f"schema={text(operation.schema)}"
    else:
        yield from _patterns("schemas", operation.schemas)
        yield from _patterns("except_schemas", operation.except_schemas)
    if operation.new_name is not None:
        yield f"new_name={text(operation.new_name)}"
    if operation.sql:
        yield f"sql={sql_text(operation.sql)}"
    if operation.definition is not None:
        yield f"definition={sql_text(operation.definition)}"
    if operation.constraint is not None:
        yield f"constraint={sql_text(operation.constraint)}"
    if operation.attributes:
        yield sequence("attributes", operation.attributes)
    yield f"lock_timeout={text(operation.lock_timeout)}"
    if operation.settings:
        yield mapping("settings", operation.settings)
    if operation.keep_old is not None:
        yield f"keep_old={text(operation.keep_old)}"
    if operation.hazards:
        yield sequence("hazards", operation.hazards)
