"""The operations of an index revision: build, replace, drop, rename, alter and rebuild an index, as `op.…`."""

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from alembic.autogenerate.api import AutogenContext

# From the submodule: alembic.autogenerate itself may still be importing when Alembic loads this module.
from alembic.autogenerate.render import renderers
from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import OpContainer

from analyzer.migrate.deploy import online
from analyzer.migrate.deploy.create_index import parse_create
from analyzer.postgres.lex import IncompleteError, lex
from analyzer.sql import render_text
from analyzer.visible import visible

IMPORT = "import analyzer.migrate.alembic_plugin  # noqa: F401"
_WIDTH = 90
_INDENT = " " * 4
#: Where a long CREATE INDEX breaks first.
_CLAUSES = frozenset({"ON", "INCLUDE", "WITH", "TABLESPACE", "WHERE"})


class IndexOperation(MigrateOperation):
    """What the operations share: an index by name and the literal statements a DBA reads."""

    #: Name of the operation, as in `op.<name>`.
    verb: str

    def __init__(
        self,
        index_name: str,
        table_name: str,
        *,
        schema: str,
        lock_timeout: str,
        sql: str = "",
        new_name: str | None = None,
        definition: str | None = None,
        attributes: tuple[str, ...] = (),
        settings: dict[str, str] | None = None,
        hazards: tuple[str, ...] = (),
        reverse_op: "IndexOperation | None" = None,
    ) -> None:
        """Hold the facts.

        `sql` is what runs, and then `attributes`, which set comment and statistics targets; `definition` is the
        pg_get_indexdef expected; `hazards` are for reading.
        """
        self.index_name = index_name
        self.table_name = table_name
        self.schema = schema
        self.sql = sql
        self.new_name = new_name
        self.lock_timeout = lock_timeout
        self.definition = definition
        self.attributes = attributes
        self.settings = settings or {}
        self.hazards = hazards
        self._reverse = reverse_op

    @property
    def target(self) -> online.Target:
        """Return what the executor needs."""
        return online.Target(
            schema=self.schema,
            table=self.table_name,
            name=self.index_name,
            sql=_unwrapped(self.sql, "\n"),
            lock_timeout=self.lock_timeout,
            definition=None if self.definition is None else _unwrapped(self.definition, " "),
            attributes=tuple(_unwrapped(statement, "\n") for statement in self.attributes),
            settings=tuple(self.settings.items()),
        )

    def reverse(self) -> MigrateOperation:
        """Return the operation that undoes this one."""
        if self._reverse is None:
            raise NotImplementedError(f"op.{self.verb} of {self.index_name} does not know what undoes it")
        return self._reverse

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Describe the operation as `alembic check` prints it."""
        statements = tuple(statement for statement in (self.sql, *self.attributes) if statement)
        return (self.verb, self.schema, self.table_name, self.index_name, *statements)


@Operations.register_operation("build_index")
class BuildIndexOp(IndexOperation):
    """Build an index concurrently; skip it when it is there, rebuild it when it is INVALID."""

    verb = "build_index"

    @classmethod
    def build_index(cls, operations: Operations, index_name: str, table_name: str, **facts: Any) -> None:
        """Build an index concurrently: `sql` is the statement; keywords are those of IndexOperation."""
        operations.invoke(cls(index_name, table_name, **facts))

    def reverse(self) -> MigrateOperation:
        """Return the drop of this index."""
        create = parse_create(self.target.sql)
        whole = create is None or not create.only
        return self._reverse or DropIndexOnlineOp(
            self.index_name,
            self.table_name,
            schema=self.schema,
            sql=render_text("index/drop_index", schema=self.schema, name=self.index_name, concurrently=whole),
            lock_timeout=online.SHORT_LOCK_TIMEOUT,
            reverse_op=self,
        )


@Operations.register_operation("replace_index")
class ReplaceIndexOp(IndexOperation):
    """Exchange an index's definition: build beside it, swap the names, drop the old one."""

    verb = "replace_index"

    @classmethod
    def replace_index(cls, operations: Operations, index_name: str, table_name: str, **facts: Any) -> None:
        """Exchange an index's definition for that of `sql`; keywords are those of IndexOperation."""
        operations.invoke(cls(index_name, table_name, **facts))


@Operations.register_operation("drop_index_online")
class DropIndexOnlineOp(IndexOperation):
    """Drop an index concurrently; nothing to do when it is gone."""

    verb = "drop_index_online"

    @classmethod
    def drop_index_online(cls, operations: Operations, index_name: str, table_name: str, **facts: Any) -> None:
        """Drop an index concurrently: `sql` is the statement; keywords are those of IndexOperation."""
        operations.invoke(cls(index_name, table_name, **facts))


@Operations.register_operation("rename_index")
class RenameIndexOp(IndexOperation):
    """Rename an index; nothing to do when it has the new name already."""

    verb = "rename_index"

    @classmethod
    def rename_index(
        cls, operations: Operations, index_name: str, table_name: str, *, new_name: str, schema: str, **facts: Any
    ) -> None:
        """Rename an index to `new_name`; `sql` and `lock_timeout` may be left out."""
        facts.setdefault("lock_timeout", online.SHORT_LOCK_TIMEOUT)
        facts.setdefault("sql", render_text("online/rename_index", schema=schema, name=index_name, new_name=new_name))
        operations.invoke(cls(index_name, table_name, new_name=new_name, schema=schema, **facts))

    def reverse(self) -> MigrateOperation:
        """Return the renaming back."""
        if self._reverse is not None or self.new_name is None:
            return super().reverse()
        back = render_text("online/rename_index", schema=self.schema, name=self.new_name, new_name=self.index_name)
        return RenameIndexOp(
            self.new_name,
            self.table_name,
            schema=self.schema,
            new_name=self.index_name,
            sql=back,
            lock_timeout=self.lock_timeout,
            reverse_op=self,
        )


@Operations.register_operation("alter_index")
class AlterIndexOp(IndexOperation):
    """Give an index its comment and statistics targets."""

    verb = "alter_index"

    @classmethod
    def alter_index(cls, operations: Operations, index_name: str, table_name: str, **facts: Any) -> None:
        """Run `attributes`, statements that may be repeated; keywords are those of IndexOperation."""
        operations.invoke(cls(index_name, table_name, **facts))


@Operations.register_operation("reindex_index")
class ReindexIndexOp(IndexOperation):
    """Build an index anew from its table, beside itself and concurrently; its definition stays."""

    verb = "reindex_index"

    @classmethod
    def reindex_index(
        cls, operations: Operations, index_name: str, table_name: str, *, schema: str, **facts: Any
    ) -> None:
        """Build an index anew; `sql` and `lock_timeout` may be left out, the keywords are those of IndexOperation."""
        operations.invoke(cls(index_name, table_name, schema=schema, **{**cls._defaults(schema, index_name), **facts}))

    @staticmethod
    def _defaults(schema: str, name: str) -> dict[str, Any]:
        return {
            "sql": render_text("online/reindex_index", schema=schema, name=name),
            "lock_timeout": online.BUILD_LOCK_TIMEOUT,
        }

    def reverse(self) -> MigrateOperation:
        """Return nothing to do, with the reason."""
        return NothingOp(f"op.reindex_index of {self.index_name} changes no definition, so nothing undoes it", self)


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
    """Put builds that follow each other and are of several tables into one block; may be repeated."""

    def grouped() -> Iterator[MigrateOperation]:
        for builds, group in itertools.groupby(operations, lambda each: isinstance(each, BuildIndexOp)):
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


@Operations.implementation_for(BuildIndexOp)
def _build(operations: Operations, operation: BuildIndexOp) -> None:
    online.build_index(operations.get_context(), operation.target)


@Operations.implementation_for(ReplaceIndexOp)
def _replace(operations: Operations, operation: ReplaceIndexOp) -> None:
    online.replace_index(operations.get_context(), operation.target)


@Operations.implementation_for(DropIndexOnlineOp)
def _drop(operations: Operations, operation: DropIndexOnlineOp) -> None:
    online.drop_index(operations.get_context(), operation.target)


@Operations.implementation_for(RenameIndexOp)
def _rename(operations: Operations, operation: RenameIndexOp) -> None:
    online.rename_index(operations.get_context(), operation.target, operation.new_name or operation.index_name)


@Operations.implementation_for(AlterIndexOp)
def _alter(operations: Operations, operation: AlterIndexOp) -> None:
    online.alter_index(operations.get_context(), operation.target)


@Operations.implementation_for(ReindexIndexOp)
def _reindex(operations: Operations, operation: ReindexIndexOp) -> None:
    online.reindex_index(operations.get_context(), operation.target)


@Operations.implementation_for(SideBySideOp)
def _side_by_side(operations: Operations, _operation: SideBySideOp) -> AbstractContextManager[None]:
    return online.side_by_side(operations.get_context())


@Operations.implementation_for(NothingOp)
def _do_nothing(_operations: Operations, _operation: NothingOp) -> None:
    pass


@renderers.dispatch_for(NothingOp)
@renderers.dispatch_for(BuildIndexOp)
@renderers.dispatch_for(ReplaceIndexOp)
@renderers.dispatch_for(DropIndexOnlineOp)
@renderers.dispatch_for(RenameIndexOp)
@renderers.dispatch_for(AlterIndexOp)
@renderers.dispatch_for(ReindexIndexOp)
@renderers.dispatch_for(SideBySideBuilds)
def _render(context: AutogenContext, operation: MigrateOperation) -> str:
    context.imports.add(IMPORT)
    return render_operation(operation)


def render_operation(operation: MigrateOperation) -> str:
    """Write an operation as Python, as ruff would format it inside a function."""
    if isinstance(operation, SideBySideBuilds):
        builds = "\n".join(render_operation(each) for each in operation.ops)
        return f"with op.side_by_side():\n{textwrap.indent(builds, _INDENT)}"
    if not isinstance(operation, IndexOperation):
        return f"pass  # {visible(operation.why)}" if isinstance(operation, NothingOp) else "pass"
    body = "".join(f"{_INDENT}{argument},\n" for argument in _arguments(operation))
    return f"op.{operation.verb}(\n{body})"


def _arguments(operation: IndexOperation) -> Iterator[str]:
    yield _text(operation.index_name)
    yield _text(operation.table_name)
    yield f"schema={_text(operation.schema)}"
    if operation.new_name is not None:
        yield f"new_name={_text(operation.new_name)}"
    if operation.sql:
        yield f"sql={_sql_text(operation.sql)}"
    if operation.definition is not None:
        yield f"definition={_sql_text(operation.definition)}"
    if operation.attributes:
        yield _tuple("attributes", operation.attributes)
    yield f"lock_timeout={_text(operation.lock_timeout)}"
    if operation.settings:
        pairs = "".join(f"{_INDENT * 2}{_text(k)}: {_text(v)},\n" for k, v in operation.settings.items())
        yield f"settings={{\n{pairs}{_INDENT}}}"
    if operation.hazards:
        yield _tuple("hazards", operation.hazards)


def _tuple(name: str, values: tuple[str, ...]) -> str:
    lines = "".join(f"{_INDENT * 2}{_text(value)},\n" for value in values)
    return f"{name}=(\n{lines}{_INDENT})"


def _text(value: str) -> str:
    """Write a string literal with the quotes ruff prefers."""
    quoted = repr(value)
    if quoted[0] == "'" and '"' not in value:
        return f'"{quoted[1:-1]}"'
    return quoted


def _sql_text(sql: str) -> str:
    """Write SQL as a triple-quoted literal, a long statement one clause a line."""
    if '"""' in sql or "\\" in sql or not sql.isprintable():
        return _text(sql)
    lines = _wrapped(sql)
    if len(lines) == 1 and not sql.endswith('"'):
        return f'"""{sql}"""'
    inner = "".join(f"{_INDENT * 2}{line}\n" for line in lines)
    return f'"""\n{inner}{_INDENT}"""'


def _wrapped(sql: str) -> list[str]:
    """Break a statement before its clauses, and a clause that is still long between any two tokens."""
    if len(sql) <= _WIDTH:
        return [sql]
    try:
        tokens = lex(sql)
    except IncompleteError:
        return [sql]
    lines: list[str] = []
    begin = gap = depth = 0
    for token in tokens:
        after_space = token.start > 0 and sql[token.start - 1] == " "
        gap = token.start if after_space else gap
        clause = after_space and depth == 0 and token.word.upper() in _CLAUSES
        if clause or token.end - begin > _WIDTH:
            cut = token.start if clause else gap
            lines += [sql[begin:cut].rstrip()] if cut > begin else []
            begin = max(begin, cut)
        depth += (token.text == "(") - (token.text == ")")
    return [*lines, sql[begin:].rstrip()]


def _unwrapped(sql: str, separator: str) -> str:
    """Take the indentation of a revision off a statement, unless a constant in it runs over lines."""
    try:
        whole = any("\n" in token.text for token in lex(sql))
    except IncompleteError:
        whole = True
    return sql.strip() if whole else separator.join(line.strip() for line in sql.strip().split("\n"))
