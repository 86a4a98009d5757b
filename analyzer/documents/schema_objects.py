"""The schema beside its tables: types, functions, sequences and their like, as the snapshot holds them."""

from typing import Annotated, Literal

from pydantic import Field

from analyzer.documents.bounds import (
    MOST_COLUMNS,
    Counter,
    Name,
    NameInSchema,
    Oid,
    Position,
    Text,
    TypeName,
)
from analyzer.documents.record import SnapshotRecord


class Extension(SnapshotRecord):
    """An installed extension."""

    name: Name
    version: Text
    schema_name: Name
    oid: Oid = 0
    #: Names of its functions, types, operators and their like.
    members: tuple[Name, ...] = ()
    #: Its tables, and those of its views that read them: (schema, name). What they hold is not captured.
    tables: tuple[NameInSchema, ...] = ()


class TypeDef(SnapshotRecord):
    """An enum, domain, composite or range type."""

    schema_name: Name
    name: Name
    #: e enum, d domain, c composite, r range.
    kind: Literal["e", "d", "c", "r"]
    oid: Oid = 0
    #: Enum labels in order.
    labels: tuple[Text, ...] = ()
    #: Base type of a domain, subtype of a range.
    base_type: TypeName | None = None
    not_null: bool = False
    default: Text | None = None
    #: Check constraints of a domain as pg_get_constraintdef prints them: (name, definition).
    checks: tuple[tuple[Name, Text], ...] = ()
    #: Attributes of a composite type: (name, type).
    attributes: Annotated[tuple[tuple[Name, TypeName], ...], Field(max_length=1600)] = ()
    #: Of a range type its options but the subtype, as CREATE TYPE takes them: (option, SQL). Of a domain, `collation`
    #: and of a composite type, each attribute whose collation is not that of its type: (attribute, collation).
    options: tuple[tuple[Name, Text], ...] = ()


class TypeLength(SnapshotRecord):
    """A base type outside PostgreSQL itself, all of whose values are of one length."""

    schema_name: Name
    name: Name
    #: `typlen`.
    bytes: Annotated[int, Field(gt=0, le=2**15 - 1)]


class FunctionDef(SnapshotRecord):
    """A function that does not belong to an extension."""

    schema_name: Name
    name: Name
    #: pg_get_function_identity_arguments.
    arguments: Text
    #: pg_get_functiondef, which holds volatility, cost, rows and strictness.
    definition: Text
    language: Name
    oid: Oid = 0


ObjectKind = Literal[
    "collation",
    "text search parser",
    "text search template",
    "text search dictionary",
    "text search configuration",
    "operator",
    "operator family",
    "operator class",
    "aggregate",
    "cast",
    "rule",
    "trigger",
]


class ObjectDef(SnapshotRecord):
    """An object that does not belong to an extension, of a kind that has no record of its own."""

    kind: ObjectKind
    oid: Oid = 0
    #: None for a cast, like its name.
    schema_name: Name | None
    name: Name | None
    #: As pg_identify_object() prints it.
    identity: Text
    #: The statements that create it, in their order.
    definition: Annotated[tuple[Text, ...], Field(min_length=1)]
    #: Table or view of a rule, view of an INSTEAD OF trigger.
    table: NameInSchema | None = None


class SequenceDef(SnapshotRecord):
    """A sequence: what it counts to, and how far it is."""

    schema_name: Name
    name: Name
    oid: Oid = 0
    #: As format_type() prints it.
    type: TypeName
    minimum: Counter
    maximum: Counter
    increment: Counter
    cycle: bool
    #: Columns that own it or have it in their default: (schema, table, column).
    columns: Annotated[tuple[tuple[Name, Name, Name], ...], Field(max_length=MOST_COLUMNS)] = ()
    #: Whether it has given a value; None where the role may not read it, or no values were captured.
    called: bool | None = None
    #: The last value that it gave.
    last_value: Counter | None = None


class CollationVersion(SnapshotRecord):
    """A collation that indexes are sorted by, and the versions of its library."""

    #: Quoted, qualified; None for the default of the database.
    identity: Text | None
    #: None where nothing is recorded, or the library tells no version.
    recorded: Text | None
    actual: Text | None
    #: Where the two differ: schema and name of each index, and the position of the key from 1.
    keys: tuple[tuple[Name, Name, Position], ...] = ()
