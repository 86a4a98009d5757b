"""Specs of a pattern over schemas, `table: tenant_*.orders`: declared on each table that a database has."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from analyzer.documents.snapshot import Snapshot
from analyzer.errors import InputError
from analyzer.postgres.identifiers import QualifiedName
from analyzer.postgres.schema_patterns import Schemas
from analyzer.specs.file import DeclaredSpec, ObjectName, SpecSet
from analyzer.specs.spec_file import Spec
from analyzer.specs.tolerant import Entry, Source
from analyzer.sql import ident

S = TypeVar("S", bound=Spec)

#: `relkind` of what an index can be on.
_KINDS = frozenset({"r", "p", "m"})


def tables_of(snapshot: Snapshot) -> frozenset[QualifiedName]:
    """Return the captured tables and materialized views."""
    return frozenset(QualifiedName(r.schema_name, r.name) for r in snapshot.relations if r.kind in _KINDS)


def expanded(specs: SpecSet, tables: Collection[QualifiedName]) -> SpecSet:
    """Declare what a pattern declares on each of the tables it matches; nothing where it matches none.

    Raises InputError when two files declare one object of a table.
    """
    found = _Tables(tables)
    every = tuple(each for spec in specs.specs for each in _on_each(spec, found))
    names: dict[ObjectName, DeclaredSpec[Spec]] = {}
    for spec in every:
        if (other := names.setdefault(spec.key, spec)) is not spec:
            raise InputError(
                f"{spec.where}: {ident(spec.schema, spec.spec.name)} is already declared at {other.where}; rename one "
                "of the two, or use except_schemas"
            )
    patterns = {table: schemas for key, schemas in specs.patterns.items() for table in found.of(key.name, schemas)}
    managed: dict[QualifiedName, tuple[Path, int]] = {}
    for key, where in specs.managed.items():
        schemas = specs.patterns.get(key)
        managed |= dict.fromkeys([key] if schemas is None else found.of(key.name, schemas), where)
    return SpecSet(specs=every, managed=managed, patterns=patterns)


def expanded_sources(sources: Iterable[Source], tables: Collection[QualifiedName]) -> Iterator[Source]:
    """Expand spec files as they are read for lint; a pattern that matches no table stays, to be reported."""
    found = _Tables(tables)
    for source in sources:
        entries = tuple(each for entry in source.entries for each in _entries(entry, found))
        statistics = tuple(each for entry in source.statistics for each in _entries(entry, found))
        yield replace(source, entries=entries, statistics=statistics)


def unmatched(specs: SpecSet, tables: Collection[QualifiedName]) -> Iterator[tuple[QualifiedName, Schemas]]:
    """Yield the patterns that match no table."""
    found = _Tables(tables)
    return ((key, schemas) for key, schemas in specs.patterns.items() if not found.of(key.name, schemas))


class _Tables:
    """Tables by their name alone."""

    def __init__(self, tables: Iterable[QualifiedName]) -> None:
        self._schemas: dict[str, list[str]] = {}
        for schema, name in sorted(tables):
            self._schemas.setdefault(name, []).append(schema)
        self._found: dict[tuple[str, Schemas], tuple[QualifiedName, ...]] = {}

    def of(self, name: str, schemas: Schemas) -> Collection[QualifiedName]:
        """Return the tables of a name in some schemas, by schema."""
        if (name, schemas) not in self._found:
            matched = (schema for schema in self._schemas.get(name, ()) if schemas.match(schema))
            self._found[name, schemas] = tuple(QualifiedName(schema, name) for schema in matched)
        return self._found[name, schemas]


def _on_each(spec: DeclaredSpec[S], found: _Tables) -> Iterator[DeclaredSpec[S]]:
    if spec.schemas is None:
        yield spec
    else:
        yield from (replace(spec, schema=table.schema) for table in found.of(spec.table, spec.schemas))


def _entries(entry: Entry[S], found: _Tables) -> Iterator[Entry[S]]:
    declared = tuple(_on_each(entry.declared, found))
    yield from (replace(entry, declared=each) for each in declared)
    if not declared:
        yield entry
