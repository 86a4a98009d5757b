"""What a rule is: a question about one declared index, and the answers it may give."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from analyzer.catalog import Catalog, type_name
from analyzer.documents.findings import Severity
from analyzer.documents.snapshot import Column, ColumnStatistics, Index, Relation
from analyzer.errors import RejectedError, TwinLacksError
from analyzer.objects.definition import D, Kind
from analyzer.objects.index import IndexDef, Key
from analyzer.specs.index import IndexSpec
from analyzer.specs.tolerant import Entry
from analyzer.workload.shapes import TableShape


class Printed(Protocol):
    """Gives a definition as the server prints it, or as it is where the server has no way to."""

    def __call__(self, definition: D, /) -> D: ...


def _as_it_is(definition: D) -> D:
    return definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a database adds to the text of the specs; the twin's answers are in each Subject."""

    catalog: Catalog
    #: What the recorded statements ask of each table, by (schema, table); None without recorded statements.
    uses: Mapping[tuple[str, str], tuple[TableShape, ...]] | None = None
    #: What exists is compared with what is declared as one server prints both.
    printed: Printed = _as_it_is


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One declared index as the rules see it."""

    entry: Entry[IndexSpec]
    index: IndexDef
    #: None when there is only the text.
    known: Known | None = None
    #: What the server made of it: its own definition, or why it did not; None when it was not asked.
    built: IndexDef | RejectedError | TwinLacksError | None = None
    #: All declared indexes of the set that are to be built, this one among them, by (schema, table).
    declared: Mapping[tuple[str, str], tuple["Subject", ...]] = field(
        default_factory=dict[tuple[str, str], tuple["Subject", ...]], repr=False
    )

    @property
    def spec(self) -> IndexSpec:
        """Return the spec as written."""
        return self.entry.declared.spec

    @property
    def definition(self) -> IndexDef:
        """Return the index, as the subject of any kind does its object."""
        return self.index

    @property
    def table(self) -> tuple[str, str]:
        """Return schema and name of the table."""
        return self.index.schema, self.index.table

    @property
    def others(self) -> tuple["Subject", ...]:
        """Return the other declared indexes of the table."""
        return tuple(other for other in self.declared.get(self.table, ()) if other.entry is not self.entry)

    @property
    def existing(self) -> Index | None:
        """Return the index of that name in the database, when there is one."""
        return self.known.catalog.index(self.index.schema, self.index.name) if self.known is not None else None

    @property
    def relation(self) -> Relation | None:
        """Return the table, when it is known."""
        return self.known.catalog.relations.get(self.index.full_table) if self.known else None

    @property
    def rows(self) -> float | None:
        """Return the estimated rows the index is of; None when the table was never analysed or is unknown."""
        return self.known.catalog.indexed_rows(*self.table) or None if self.known is not None else None

    def column(self, name: str | None) -> Column | None:
        """Return a column of the table, when it is known."""
        return self.relation.column(name) if self.relation is not None and name is not None else None

    def type_of(self, key: Key) -> str | None:
        """Return the bare name of the type of a column key, when it is known."""
        return self.type_of_column(self.column(key.column))

    def type_of_column(self, column: Column | None) -> str | None:
        """Return the bare name of a column's type, when it is known; domains count as what they are made of."""
        if column is None or self.known is None:
            return None
        return type_name(self.known.catalog.underlying(column.type))

    def statistics(self, name: str | None) -> ColumnStatistics | None:
        """Return the statistics of a column, when there are any."""
        if self.known is None or self.relation is None or name is None:
            return None
        return self.known.catalog.statistics(self.relation, name)

    @property
    def uses(self) -> tuple[TableShape, ...] | None:
        """Return the conditions of the recorded statements on the table; None without such statements."""
        if self.known is None or self.known.uses is None:
            return None
        return self.known.uses.get(self.index.full_table, ())

    def has_extension(self, name: str) -> bool | None:
        """Say whether an extension is installed; None when that is not known."""
        if self.known is None:
            return None
        return any(each.name == name for each in self.known.catalog.snapshot.extensions)

    def has_available(self, name: str) -> bool:
        """Say whether the server could install an extension; yes when that is not known."""
        available = None if self.known is None else self.known.catalog.snapshot.server.available_extensions
        return available is None or name in available

    def with_key(self, number: int, **changes: Any) -> IndexDef:
        """Return the index with one key changed."""
        keys = list(self.index.keys)
        keys[number] = replace(keys[number], **changes)
        return replace(self.index, keys=tuple(keys))

    def with_parameters(self, **changes: str | None) -> IndexDef:
        """Return the index with storage parameters set, or with None taken out."""
        merged = {**dict(self.index.parameters), **changes}
        parameters = tuple((name, value) for name, value in merged.items() if value is not None)
        return replace(self.index, parameters=parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """The rule is broken."""

    message: str
    #: Where within the spec.
    at: tuple[int | str, ...] = ()
    #: What to write instead, in words or SQL.
    rewrite: str | None = None
    #: The index to declare instead, where that is mechanical.
    fix: IndexDef | None = None
    #: Keys to set in the spec beside the definition, where that is mechanical.
    fix_keys: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The rule could not be checked, and why."""

    reason: str


Answer = Violation | Unknown
Check = Callable[[Subject], Iterable[Answer]]

NEEDS_TABLE = Unknown(reason="requires the columns and types of the table; use -d URL or --snapshot")
NEEDS_SERVER = Unknown(reason="requires a server; use -d URL or --snapshot")
NEEDS_STATISTICS = Unknown(reason="the table has no statistics; ANALYZE it and capture again")
NEEDS_STATEMENTS = Unknown(reason="no recorded statements; use -d URL or --snapshot with pg_stat_statements")


def never(_: Subject) -> Iterator[Answer]:
    """Answer nothing: the rule is found while the files are read, or in the server's refusal."""
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; docs/rules/CODE.md explains it."""

    #: TX1.. errors and TX2.. warnings of specs, TX3.. of databases, TX9.. of deploys; never reused.
    code: str
    #: Short name, as findings show it.
    name: str
    severity: Severity
    #: The finding in a phrase of at most 100 characters, such as "predicate is not boolean".
    title: str
    #: Former short names, which are accepted wherever a name is.
    aliases: tuple[str, ...] = ()
    #: What a server answers to the bad spec; empty when it accepts it.
    sqlstates: tuple[str, ...] = ()
    check: Check = never
    #: The kind of object it is asked about.
    kind: Kind = "index"
    #: The server's building or refusing decides; without one the text answers as far as it can.
    decided_by_server: bool = False

    @property
    def page(self) -> str:
        """Return the name of the file that explains it."""
        return f"{self.code}.md"
