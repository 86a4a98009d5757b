"""Read what SQLAlchemy models declare: the indexes, and the names of all that an index serves."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, cast

from sqlalchemy import Column, Constraint, Index, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ClauseElement

from analyzer.errors import InputError
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.access_methods import METHODS
from analyzer.postgres.identifiers import QualifiedName, unquote

#: With another style of parameters, per cent signs would be doubled.
_DIALECT = postgresql.dialect(paramstyle="named")


def model_indexes(tables: Iterable[Table], default_schema: str) -> tuple[IndexDef, ...]:
    """Return the named indexes of tables; `default_schema` is that of tables without one.

    Of what no spec can say, such as a method of an extension unknown here, the name alone counts: it has no keys.
    """
    return tuple(_indexes(tables, default_schema))


def owned_names(tables: Iterable[Table], default_schema: str) -> frozenset[QualifiedName]:
    """Return the names of all that tables declare and an index serves: indexes, keys, unique and exclusion constraints.

    An unnamed constraint is left out: its index belongs to it in the database as well.
    """
    found: set[QualifiedName] = set()
    for table in tables:
        kinds = (PrimaryKeyConstraint, UniqueConstraint, ExcludeConstraint)
        constraints = (each for each in table.constraints if isinstance(each, kinds))
        names = (_name(each) for each in (*table.indexes, *constraints))
        found |= {QualifiedName(table.schema or default_schema, name) for name in names if name is not None}
    return frozenset(found)


def declarations(tables: Iterable[Table], default_schema: str) -> dict[QualifiedName, str]:
    """Return how the models declare each named index, as somebody finds it in their text."""
    return {
        QualifiedName(table.schema or default_schema, name): _declaration(index, name, table)
        for table in tables
        for index in sorted(table.indexes, key=lambda index: str(index.name))
        if (name := _name(index)) is not None
    }


def _declaration(index: Index, name: str, table: Table) -> str:
    columns = [*index.columns]
    if len(columns) == 1 and columns[0].index and [*index.expressions] == columns:
        return f"index=True of {columns[0].name} in the model of {table.fullname}"
    return f"Index {name} in the model of {table.fullname}"


def _name(item: Index | Constraint) -> str | None:
    """Return the name by the naming convention, cut as SQLAlchemy cuts it; None without one, and for one too long."""
    if item.name is None:
        return None
    try:
        written = _DIALECT.identifier_preparer.format_constraint(item)
    except SQLAlchemyError:
        return None
    return None if written is None else unquote(written)


def model_constraints(tables: Iterable[Table], default_schema: str) -> tuple[IndexDef, ...]:
    """Return the indexes of tables' unique constraints, which without a name have an empty one."""
    return tuple(
        _of_constraint(each, table, table.schema or default_schema)
        for table in tables
        for each in sorted(table.constraints, key=lambda each: str(each.name))
        if isinstance(each, UniqueConstraint)
    )


def _of_constraint(constraint: UniqueConstraint, table: Table, schema: str) -> IndexDef:
    options = cast("Mapping[str, Any]", constraint.dialect_options["postgresql"])
    return IndexDef(
        schema=schema,
        table=table.name,
        name="" if constraint.name is None else str(constraint.name),
        keys=tuple(Key(column=column.name) for column in constraint.columns),
        include=tuple(getattr(column, "name", str(column)) for column in options.get("include") or ()),
        unique=True,
        nulls_not_distinct=bool(options.get("nulls_not_distinct")),
    )


def _indexes(tables: Iterable[Table], default_schema: str) -> Iterator[IndexDef]:
    for table in tables:
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if (name := _name(index)) is not None:
                yield _definition(index, name, table, table.schema or default_schema)


def _definition(index: Index, name: str, table: Table, schema: str) -> IndexDef:
    options = cast("Mapping[str, Any]", index.dialect_options["postgresql"])
    parameters = cast("Mapping[str, object]", options.get("with") or {})
    method = str(options.get("using") or "btree").lower()
    where = options.get("where")
    try:
        return IndexDef(
            schema=schema,
            table=table.name,
            name=name,
            method=method,
            keys=tuple(_keys(index, options.get("ops") or {})) if method in METHODS else (),
            include=tuple(getattr(column, "name", str(column)) for column in options.get("include") or ()),
            where=None if where is None else _text(where),
            unique=bool(index.unique),
            nulls_not_distinct=bool(options.get("nulls_not_distinct")),
            parameters=tuple((key, _word(value)) for key, value in parameters.items()),
            tablespace=options.get("tablespace"),
        )
    except (SQLAlchemyError, InputError):
        return IndexDef(schema=schema, table=table.name, name=name, keys=())


def _keys(index: Index, classes: Mapping[str, str]) -> Iterator[Key]:
    for each in index.expressions:
        found: Any = each
        modifiers = set[Any]()
        while (modifier := getattr(found, "modifier", None)) is not None:
            modifiers.add(modifier)
            found = found.element
        plain = isinstance(found, Column)
        yield Key(
            column=str(found.name) if plain else None,
            expression=None if plain else _text(found),
            opclass=classes.get(getattr(each, "key", None) or getattr(found, "key", None) or ""),
            descending=operators.desc_op in modifiers,
            nulls=_nulls(modifiers),
        )


def _nulls(modifiers: Collection[Any]) -> Literal["first", "last"] | None:
    if operators.nulls_first_op in modifiers:
        return "first"
    return "last" if operators.nulls_last_op in modifiers else None


def _text(found: ClauseElement | str) -> str:
    if isinstance(found, str):
        return found
    return str(found.compile(dialect=_DIALECT, compile_kwargs={"include_table": False, "literal_binds": True}))


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
