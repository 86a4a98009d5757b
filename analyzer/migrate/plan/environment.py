"""The rules of a project's env.py: what its models declare, and which schemas, tables and indexes Alembic looks at.

They hold for specs as they do for models: the table of a spec may be left out, and what no spec names is dropped only
where Alembic would look at it, and no model or constraint owns it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

from sqlalchemy import Column, MetaData, Table
from sqlalchemy import Index as ModelIndex
from sqlalchemy.types import NullType

from analyzer.console import without_passwords
from analyzer.documents.snapshot import Index
from analyzer.errors import InputError
from analyzer.objects.index import IndexDef
from analyzer.postgres.identifiers import QualifiedName
from analyzer.specs.existing import Existing, key_of
from analyzer.specs.file import DeclaredSpec, SpecSet
from analyzer.specs.spec_file import Spec
from analyzer.specs.sqlalchemy_indexes import declarations, model_constraints, model_indexes, owned_names
from analyzer.visible import one_line

#: The keywords of context.configure() that matter here.
KEYWORDS = (
    "target_metadata", "include_name", "include_object", "include_schemas", "version_table", "version_table_schema",
)  # fmt: skip
#: What include_object receives as `reflected`.
_DECLARED, _REFLECTED = False, True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    tables: tuple[Table, ...] = ()
    include_name: Callable[..., bool] = lambda *_: True
    include_object: Callable[..., bool] = lambda *_: True
    include_schemas: bool = True
    version_table: str = "alembic_version"
    version_table_schema: str | None = None
    #: Of tables whose model names none.
    default_schema: str = "public"


def _answering(name: str, function: Callable[..., bool]) -> Callable[..., bool]:
    """Return a rule of the project that fails in one line; raises InputError."""

    def answer(*arguments: Any) -> bool:
        try:
            return function(*arguments)
        except Exception as error:  # noqa: BLE001 - the project's own code
            reason = one_line(without_passwords(f"{type(error).__name__}: {error}"))
            raise InputError(f"{name} of env.py failed ({reason}); fix it") from None

    return answer


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What env.py tells Alembic; without any, there are no models and nothing is left out."""

    rules: _Rules = field(default_factory=_Rules)
    #: Why env.py could not be read: then what no spec names is not judged.
    unknown: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], *, default_schema: str = "public") -> "Environment":
        """Read the keywords of context.configure()."""
        given: dict[str, Any] = {name: options[name] for name in KEYWORDS if options.get(name) is not None}
        metadata: Any = given.pop("target_metadata", None)
        several = cast("Iterable[MetaData | None]", metadata if isinstance(metadata, Sequence) else [metadata])
        tables = tuple(table for each in several if each is not None for table in each.sorted_tables)
        given.setdefault("include_schemas", False)
        given |= {name: _answering(name, given[name]) for name in ("include_name", "include_object") if name in given}
        return cls(rules=_Rules(tables=tables, default_schema=default_schema, **given))

    @cached_property
    def models(self) -> tuple[IndexDef, ...]:
        """The indexes that the models declare."""
        return model_indexes(self.rules.tables, self.rules.default_schema)

    @cached_property
    def constraints(self) -> tuple[IndexDef, ...]:
        """The indexes of the unique constraints that the models declare."""
        return model_constraints(self.rules.tables, self.rules.default_schema)

    @cached_property
    def declarations(self) -> Mapping[QualifiedName, str]:
        """How the models declare each index."""
        return declarations(self.rules.tables, self.rules.default_schema)

    @cached_property
    def owned(self) -> frozenset[QualifiedName]:
        """The names of all that the models declare and an index serves."""
        return owned_names(self.rules.tables, self.rules.default_schema)

    @cached_property
    def _tables(self) -> Mapping[QualifiedName, Table]:
        return {QualifiedName(each.schema or self.rules.default_schema, each.name): each for each in self.rules.tables}

    def seen(self, specs: SpecSet) -> tuple[SpecSet, tuple[DeclaredSpec[Spec], ...]]:
        """Return the specs of tables that Alembic looks at, and beside them those of the others."""
        included = {
            table: self.includes(table) for table in {each.full_table for each in specs.specs} | {*specs.managed}
        }
        kept = replace(
            specs,
            specs=tuple(each for each in specs.specs if included[each.full_table]),
            managed={table: where for table, where in specs.managed.items() if included[table]},
        )
        return kept, tuple(each for each in specs.specs if not included[each.full_table])

    def unowned(self, existing: Sequence[Existing], specs: SpecSet) -> tuple[Existing, ...]:
        """Leave out of what exists what a model declares and no spec names."""
        named = {each.key for each in specs.specs}
        return tuple(each for each in existing if key_of(each) in named or not self._owns(each))

    def drops(self, existing: Existing) -> bool:
        """Say whether an object that neither a model nor a spec declares may be dropped."""
        if self.unknown is not None:
            return False
        return not isinstance(existing, Index) or self._includes_index(existing.definition)

    def includes(self, table: QualifiedName) -> bool:
        """Say whether Alembic would look at a table that a spec is about, as it looks at that of a model.

        It asks include_name about tables that it reflects only, and so of a table only about the schema.
        """
        rules, schema = self.rules, self._schema(table.schema)
        if (schema, table.name) == (rules.version_table_schema, rules.version_table):
            return False
        if not rules.include_name(schema, "schema", {}):
            return False
        model = self._tables.get(table)
        declared = model if model is not None else Table(table.name, MetaData(), schema=schema)
        reflected = Table(table.name, MetaData(), schema=schema)
        return rules.include_object(declared, table.name, "table", _DECLARED, reflected)

    def _owns(self, existing: Existing) -> bool:
        return isinstance(existing, Index) and existing.definition.full_name in self.owned

    def _includes_index(self, index: IndexDef) -> bool:
        """Say whether Alembic looks at an index that no model declares."""
        rules, schema = self.rules, self._schema(index.schema)
        if schema is not None and not rules.include_schemas:
            return False
        qualified = index.table if schema is None else f"{schema}.{index.table}"
        parents = {"schema_name": schema, "table_name": index.table, "schema_qualified_table_name": qualified}
        if not rules.include_name(index.name, "index", parents):
            return False
        columns = [Column(name, NullType()) for name in dict.fromkeys((*index.columns, *index.include))]
        table = Table(index.table, MetaData(), *columns, schema=schema)
        keys = [table.c[name] for name in dict.fromkeys(index.columns)]
        reflected = ModelIndex(index.name, *keys, unique=index.unique, _table=table)
        return rules.include_object(reflected, index.name, "index", _REFLECTED, None)

    def _schema(self, schema: str) -> str | None:
        """Return a schema as Alembic speaks of it: None for the default one."""
        return None if schema == self.rules.default_schema else schema
