"""What of a snapshot the twin could not have, and which statements that keeps from being examined."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import psycopg

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Extension, FunctionDef, Index, NotExamined, ObjectDef, Relation, Snapshot
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.lex import IncompleteError, lex, significant, words
from analyzer.twin.schema.creations import Creation, Source, called
from analyzer.twin.schema.named import Mention, mentions, named_in, words_led_to
from analyzer.twin.schema.order import causes, referenced_by

#: What changes the rows of a table or view, and so meets its rules and triggers.
_CHANGING = frozenset({"insert", "update", "delete", "merge"})
_NO_DEFAULT = "no default operator class"
#: What the server says of a table that it does not find, or that may not be read.
_OF_TABLES = frozenset({"42P01", "42501"})


#: How many objects one entry names.
_NAMED = 10

Failed = tuple[Creation, psycopg.Error]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A table that is missing, something of a table's without which it may be planned otherwise, or another object."""

    #: What it is, as NotExamined has it.
    what: str
    #: What it depends on that is missing, or itself, and why that is.
    root: str
    reason: str
    #: Name of the table, view or foreign table that may not be planned, without its schema.
    table: str | None = None
    #: Its schema, where another table of that name is not concerned.
    schema: str | None = None
    #: A statement that names the table is concerned when it names one of these too; without any, all are.
    columns: frozenset[str] = frozenset()
    #: What the server calls it by where it does not find it.
    names: frozenset[str] = frozenset()
    #: Whether another table has its place: then its plans alone tell whether a statement reads it.
    is_replaced: bool = False

    @property
    def cause(self) -> str:
        """Return what is missing first, and why."""
        return f"{self.root} ({self.reason})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """What of a snapshot the flat database lacks."""

    not_examined: tuple[NotExamined, ...] = ()
    lost: tuple[Lost, ...] = ()

    def __add__(self, other: Self) -> Self:
        """Return what either of two lacks."""
        return replace(self, not_examined=self.not_examined + other.not_examined, lost=self.lost + other.lost)

    def without(self, whats: Iterable[str]) -> Self:
        """Return it without what is said of some objects."""
        left_out = set(whats)
        return replace(
            self,
            not_examined=tuple(each for each in self.not_examined if each.what not in left_out),
            lost=tuple(each for each in self.lost if each.what not in left_out),
        )


def impostors(indexes: Iterable[Index], snapshot: Snapshot) -> Flat:
    """Describe indexes that have another statement in place of their definition."""
    reason = "its definition in the snapshot is a different statement"
    return Flat(lost=tuple(_lost(each, called(each), reason, snapshot) for each in indexes))


def foreign_tables(snapshot: Snapshot) -> Flat:
    """Describe foreign tables, which stand on the twin as plain ones, for what reads through them."""
    foreign = [relation for relation in snapshot.relations if relation.kind == "f"]
    reason = "it is a foreign table, whose costs only its foreign-data wrapper knows"
    lost = (_lost(each, f"foreign table {called(each)}", reason, snapshot) for each in foreign)
    return Flat(
        not_examined=tuple(NotExamined(what=f"foreign table {called(each)}", reason=reason) for each in foreign),
        lost=tuple(replace(each, is_replaced=True) for each in lost),
    )


def unsupported(functions: Iterable[FunctionDef]) -> Flat:
    """Describe functions that are estimated without their support functions."""
    reason = "the twin lacks its support function; estimates that depend on it are inexact"
    return Flat(not_examined=tuple(NotExamined(what=called(each), reason=reason) for each in functions))


def extension_tables(snapshot: Snapshot) -> Flat:
    """Describe the tables of extensions, which stand on the twin as their scripts make them: empty."""
    return Flat(
        lost=tuple(
            Lost(
                what=f"table {schema}.{name}", root=f"table {schema}.{name}", table=name, schema=schema,
                reason=f"it belongs to extension {each.name}", names=frozenset({name}),
            )
            for each in snapshot.extensions
            for schema, name in each.tables
        )
    )  # fmt: skip


def described(failed: Sequence[Failed], snapshot: Snapshot) -> Flat:
    """Describe what could not be created, grouped by what each lacks."""
    edges = referenced_by(snapshot.dependencies)
    by_oid = {_oid(item): (item, error) for item, error in failed if _oid(item)}
    roots = causes(by_oid, edges)
    groups: defaultdict[tuple[str, str], list[Creation]] = defaultdict(list)
    lost: list[Lost] = []
    for item, error in failed:
        first, reason = item, error
        if lacking := frozenset[int]().union(*(roots.get(oid, ()) for oid in (_oid(item), *item.of))):
            first, reason = by_oid[min(lacking)]
        text = f"the twin cannot create it: {_message(reason)}"
        groups[first.what if _oid(first) else "", text].append(item)
        if item.source is not None:
            lost.append(_lost(item.source, first.what, text, snapshot))
        lost += [_lost(relation, first.what, text, snapshot) for relation in item.also]
    return Flat(not_examined=tuple(_grouped(groups)), lost=tuple(lost))


def _grouped(groups: dict[tuple[str, str], list[Creation]]) -> Iterator[NotExamined]:
    for (root, reason), items in groups.items():
        whats = dict.fromkeys(item.what for item in items)
        if root:
            more = [what for what in whats if what != root]
            yield NotExamined(what=root, reason=f"{reason}; without it there is no {_listed(more)}" if more else reason)
        else:
            yield NotExamined(what=_listed(whats), reason=reason)


def _listed(whats: Collection[str]) -> str:
    more = f" and {len(whats) - _NAMED} more" if len(whats) > _NAMED else ""
    return ", ".join(list(whats)[:_NAMED]) + more


def _oid(item: Creation) -> int:
    return item.source.oid if item.source is not None and item.what == called(item.source) else 0


def _message(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).splitlines()[0]


def _lost(source: Source, root: str, reason: str, snapshot: Snapshot) -> Lost:
    lost = Lost(what=called(source), root=root, reason=reason)
    match source:
        case Relation():
            return replace(lost, table=source.name, names=frozenset({source.name}))
        case Index():
            return replace(lost, table=source.definition.table, columns=_columns(source, snapshot))
        case Extension():
            return replace(lost, names=frozenset(source.members))
        case ObjectDef() if source.table is not None:
            return replace(lost, table=source.table[1], columns=_CHANGING)
        case ObjectDef() if source.name is None:
            return replace(lost, names=words(source.identity) - {"as"})
        case _:
            return replace(lost, names=frozenset({source.name or ""}))


def _columns(index: Index, snapshot: Snapshot) -> frozenset[str]:
    """Return the columns an index is about: it could serve statements that name one of them."""
    definition = index.definition
    texts = [key.expression for key in definition.keys if key.expression] + [definition.where or ""]
    named = frozenset(key.column for key in definition.keys if key.column is not None).union(*map(words, texts))
    relation = snapshot.relation(*definition.full_table)
    if relation is not None:
        # In an expression there are names of types and functions as well; one without any column is about the row.
        named &= relation.columns_by_name.keys()
    return named


def without_lost(snapshot: Snapshot, missing: Iterable[Lost]) -> Snapshot:
    """Leave out the tables and indexes that were lost, with their statistics and extremes."""
    lost = {each.what for each in missing}
    relations = tuple(each for each in snapshot.relations if called(each) not in lost)
    indexes = tuple(each for each in snapshot.indexes if called(each) not in lost)
    kept = {each.full_name for each in relations}
    kept |= {QualifiedName(each.definition.schema, each.definition.name) for each in indexes}
    return snapshot.model_copy(
        update={
            "relations": relations,
            "indexes": indexes,
            "statistics": tuple(row for row in snapshot.statistics if (row.schema_name, row.relation) in kept),
            "extremes": tuple(each for each in snapshot.extremes if (each.schema_name, each.table) in kept),
        }
    )


class Losses:
    """Tells which statements meet something that was lost."""

    def __init__(self, missing: Iterable[Lost], snapshot: Snapshot) -> None:
        self._lost = tuple(missing)
        self._replaced = {each.table: each for each in self._lost if each.is_replaced}
        self._led_to = words_led_to(snapshot)
        catalog = Catalog(snapshot)
        self._snapshot = snapshot
        self._path = ("pg_catalog", *catalog.search_path)
        self._tables = {(each.schema, each.table) for each in self._lost} | catalog.relations.keys()

    def obstacle(self, statement: str) -> str | None:
        """Say what a statement would need of what was lost; None when nothing."""
        if not self._lost:
            return None
        named = named_in(statement, self._led_to)
        concerning = (each for each in self._lost if not each.is_replaced and _concerns(each, named))
        found = next((each for each in concerning if each.schema is None or self._means(each, statement, named)), None)
        return None if found is None else f"it may need what the twin lacks: {found.cause}"

    def read_by(self, relations: Iterable[str]) -> str | None:
        """Say which of the relations in a plan stands in another one's place; None when none does."""
        found = next((self._replaced[name] for name in relations if name in self._replaced), None)
        return found and found.cause

    def _means(self, each: Lost, statement: str, named: Collection[str]) -> bool:
        """Say whether a name in a statement, or in a view that it reads, means that very table."""
        relations = self._snapshot.relations
        views = (view.definition or "" for view in relations if view.kind == "v" and view.name in named)
        found = (mention for text in (statement, *views) for mention in mentions(text) if mention.name == each.table)
        return any(self._schema(mention) == each.schema for mention in found)

    def _schema(self, mention: Mention) -> str | None:
        """Return the schema in which a table is found by a name: a captured one, or another one of the path."""
        if mention.qualifier is not None:
            return mention.qualifier
        return next((schema for schema in self._path if (schema, mention.name) in self._tables), None)

    def lacked(self, sqlstate: str, message: str) -> str | None:
        """Say what the server did not find because the twin lacks it; None when it refuses something else."""
        if not self._lost or not sqlstate.startswith("42"):
            return None
        named = frozenset(_names(message))
        meant = (each for each in self._lost if each.schema is None or sqlstate in _OF_TABLES)
        found = next((each for each in meant if not named.isdisjoint(each.names)), None)
        if found is None:
            # It may bring a default operator class, and an old snapshot does not say what it brings.
            extensions = (each for each in self._lost if each.what.startswith("extension "))
            found = next((each for each in extensions if _NO_DEFAULT in message or not each.names), None)
        return found and found.cause


def _concerns(each: Lost, named: frozenset[str]) -> bool:
    return each.table in named and (not each.columns or bool(each.columns & named))


def _names(message: str) -> Iterator[str]:
    """Yield the names and operators in a message, also of what it quotes."""
    try:
        tokens = significant(lex(message))
    except IncompleteError:
        yield from message.split()
        return
    for token in tokens:
        if token.kind == "operator":
            yield token.text
        elif token.kind == "quoted":
            # The server writes "schema.name" in one pair of quotes.
            yield token.name
            yield token.name.rpartition(".")[2]
        elif token.name:
            yield token.name
