"""Compare specs with the indexes that exist: what must be created, replaced, renamed, altered or dropped."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Literal

import psycopg

from analyzer.documents.snapshot import Index
from analyzer.errors import ConflictError, InputError
from analyzer.objects.index import IndexDef
from analyzer.postgres.pages import DEFAULT_TABLESPACE
from analyzer.specs.file import DeclaredSpec, SpecSet
from analyzer.specs.index import Rows

#: Gives a definition as a server would print it; raises InputError when no server would build it.
Canonical = Callable[[IndexDef], IndexDef]
Kind = Literal["create", "replace", "rename", "alter", "drop"]

#: What differs without a new build, and how the words of a spec call it.
_ATTRIBUTES = ("comment", "statistics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between the specs and a database."""

    kind: Kind
    #: None for an index that no spec names, on a table whose file says `manage: all`.
    spec: DeclaredSpec | None
    #: The index wanted; of a drop, the index that goes.
    index: IndexDef
    #: The index that exists: None for a create, unless it is an INVALID leftover.
    current: Index | None
    #: What is not as wanted: fields of IndexDef, `comment`, `statistics`.
    differs: tuple[str, ...] = ()

    @property
    def comment(self) -> str | None:
        """Return the comment wanted."""
        return self.spec.spec.comment if self.spec is not None else None

    @property
    def statistics(self) -> tuple[tuple[int, int], ...]:
        """Return the statistics targets wanted: (position from 1, target)."""
        return self.spec.spec.statistics if self.spec is not None else ()


def changes(specs: SpecSet, existing: tuple[Index, ...], canonical: Canonical, rows: Rows) -> tuple[Change, ...]:
    """List what would make the database agree with the specs, drops last, otherwise in the order of the specs.

    Raises ConflictError when a spec names an index of another table or of a constraint, or retires one that something
    needs; InputError when no server would build it.
    """
    comparison = Comparison(specs, existing, canonical, rows)
    found = [comparison.change(spec) for spec in specs.specs]
    present = [change for change in (*found, *comparison.unnamed()) if change is not None]
    return tuple(sorted(present, key=lambda change: change.kind == "drop"))


class Comparison:
    """Specs and the indexes of one database, compared one spec at a time."""

    def __init__(self, specs: SpecSet, existing: tuple[Index, ...], canonical: Canonical, rows: Rows) -> None:
        self._specs = specs
        self._existing = existing
        self._canonical = cache(canonical)
        self._rows = rows
        self._by_name = {(index.definition.schema, index.definition.name): index for index in existing}
        self._renamed = self._find_renamed()

    @property
    def renamed(self) -> Mapping[tuple[str, str], Index]:
        """Return the indexes that exist under another name than their spec's, by the name wanted."""
        return self._renamed

    def current(self, spec: DeclaredSpec) -> Index | None:
        """Return the index that has a spec's name."""
        return self._by_name.get((spec.schema, spec.spec.name))

    def change(self, spec: DeclaredSpec) -> Change | None:
        """Say what one spec asks for; None when the database agrees, or when nothing is asked yet."""
        if spec.spec.state not in {"approved", "retired"}:
            return None
        current = self.current(spec)
        if current is not None:
            _refuse_foreign(spec, current)
        if spec.spec.state == "retired":
            gone = current is None or any(current is other for other in self._renamed.values())
            return None if current is None or gone else _drop(spec, current)
        other = self._renamed.get((spec.schema, spec.spec.name))
        wanted = self._wanted(spec, current or other)
        if other is not None:
            return Change(kind="rename", spec=spec, index=wanted, current=other, differs=_attributes(spec, other))
        if current is None or not current.valid:
            self._built(spec, wanted)
            return Change(kind="create", spec=spec, index=wanted, current=current)
        return self._difference(spec, wanted, current)

    def printed(self, index: IndexDef) -> IndexDef:
        """Return a definition as the server prints it."""
        return self._canonical(replace(index, tablespace=None))

    def unnamed(self) -> tuple[Change, ...]:
        """List the drops of indexes that no spec names, on tables whose file says `manage: all`."""
        named = {(spec.schema, spec.spec.name) for spec in self._specs.specs}
        adopted = [id(index) for index in self._renamed.values()]
        return tuple(
            _drop(None, index)
            for index in self._existing
            if index.definition.full_table in self._specs.managed
            and (index.definition.schema, index.definition.name) not in named
            and not _owned(index)
            and not (index.replica_identity or index.foreign_keys)
            and id(index) not in adopted
        )

    def _wanted(self, spec: DeclaredSpec, current: Index | None) -> IndexDef:
        wanted = spec.spec.index(spec.schema, spec.table, self._rows(spec.schema, spec.table))
        return wanted if current is None else spec.spec.keep_resolved(wanted, current.definition)

    def _difference(self, spec: DeclaredSpec, wanted: IndexDef, current: Index) -> Change | None:
        differs = self._fields(spec, wanted, current.definition)
        kind: Kind = "replace" if differs else "alter"
        differs += _attributes(spec, current)
        return Change(kind=kind, spec=spec, index=wanted, current=current, differs=differs) if differs else None

    def _fields(self, spec: DeclaredSpec, wanted: IndexDef, current: IndexDef) -> tuple[str, ...]:
        """Name the parts of two definitions that differ; a tablespace is compared by name, for no twin has it."""
        moved = _tablespace(wanted) != _tablespace(current)
        wanted, current = replace(wanted, tablespace=None), replace(current, tablespace=None)
        found: tuple[str, ...] = ()
        if wanted != current:
            left, right = self._built(spec, wanted), self._canonical(current)
            names = (field.name for field in fields(IndexDef) if field.compare)
            found = tuple(name for name in names if getattr(left, name) != getattr(right, name))
        return (*found, "tablespace") if moved else found

    def _built(self, spec: DeclaredSpec, wanted: IndexDef) -> IndexDef:
        try:
            return self._canonical(replace(wanted, tablespace=None))
        except (InputError, psycopg.Error) as error:
            reason = error.diag.message_primary if isinstance(error, psycopg.Error) else error
            text = " ".join(str(reason or error).split())
            raise InputError(f"{spec.where}: {wanted.name} cannot be built, {text}; mend the spec") from None

    def _find_renamed(self) -> dict[tuple[str, str], Index]:
        """Find, for specs whose name no index has, the index that is the same under a name no spec wants."""
        wanted_names = {(s.schema, s.spec.name) for s in self._specs.specs if s.spec.state != "retired"}
        free = [
            index
            for index in self._existing
            if index.valid
            and not _owned(index)
            and (index.definition.schema, index.definition.name) not in wanted_names
        ]
        found: dict[tuple[str, str], Index] = {}
        for spec in self._specs.specs:
            if spec.spec.state == "approved" and self.current(spec) is None:
                index = next((index for index in free if self._is_renamed(spec, index)), None)
                if index is not None:
                    free.remove(index)
                    found[spec.schema, spec.spec.name] = index
        return found

    def _is_renamed(self, spec: DeclaredSpec, index: Index) -> bool:
        known = index.definition
        if (known.schema, known.table, known.method) != (spec.schema, spec.table, spec.spec.method):
            return False
        try:
            return not self._fields(spec, self._wanted(spec, index), known)
        except InputError:  # said where the spec itself is compared
            return False


def _tablespace(index: IndexDef) -> str | None:
    return None if index.tablespace == DEFAULT_TABLESPACE else index.tablespace


def _attributes(spec: DeclaredSpec, current: Index) -> tuple[str, ...]:
    wanted = (spec.spec.comment, spec.spec.statistics)
    actual = (current.comment, current.statistics_targets)
    return tuple(name for name, left, right in zip(_ATTRIBUTES, wanted, actual, strict=True) if left != right)


def _refuse_foreign(spec: DeclaredSpec, current: Index) -> None:
    table = current.definition.qualified_table
    if current.definition.full_table != (spec.schema, spec.table):
        raise ConflictError(f"{spec.where}: an index {spec.spec.name} exists on {table}; choose another name")
    if current.constraint is not None:
        raise ConflictError(
            f"{spec.where}: {spec.spec.name} belongs to the constraint {current.constraint} of {table}; "
            "remove the spec, the constraint keeps its index"
        )
    if current.parent is not None:
        raise ConflictError(
            f"{spec.where}: {spec.spec.name} is a part of the index {'.'.join(current.parent)} of the partitioned "
            "table; declare that one instead"
        )
    if spec.spec.state != "retired":
        return
    if current.foreign_keys:
        raise ConflictError(
            f"{spec.where}: the foreign key {current.foreign_keys[0]} needs {spec.spec.name}; drop that first"
        )
    if current.replica_identity:
        raise ConflictError(
            f"{spec.where}: {spec.spec.name} is the replica identity of {table}; choose another one first"
        )


def _owned(index: Index) -> bool:
    """Say whether an index comes and goes with something else."""
    return index.constraint is not None or index.primary or index.parent is not None


def _drop(spec: DeclaredSpec | None, current: Index) -> Change:
    return Change(kind="drop", spec=spec, index=current.definition, current=current)
