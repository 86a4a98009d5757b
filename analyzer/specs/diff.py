"""Compare specs with the indexes that exist: what must be created, replaced or dropped."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import psycopg

from analyzer.capture.snapshot import Index
from analyzer.errors import ConflictError, InputError
from analyzer.index import IndexDef
from analyzer.specs.files import DeclaredSpec, SpecSet
from analyzer.specs.model import Rows

Canonical = Callable[[IndexDef], IndexDef]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between the specs and a database."""

    kind: Literal["create", "replace", "drop"]
    #: None for an index that no spec names, on a table whose file says `manage: all`.
    spec: DeclaredSpec | None
    #: The index wanted; of a drop, the index that goes.
    index: IndexDef
    #: The index that exists: None for a create, unless it is an INVALID leftover.
    current: Index | None


def changes(specs: SpecSet, existing: tuple[Index, ...], canonical: Canonical, rows: Rows) -> tuple[Change, ...]:
    """List what would make the database agree with the specs, builds before drops, in the order of the specs.

    `canonical` gives a definition as a server would print it. Raises ConflictError when a spec names an index of
    another table or of a constraint, InputError when no server would build it.
    """
    by_name = {(index.definition.schema, index.definition.name): index for index in existing}
    found = [_compare(spec, by_name.get((spec.schema, spec.spec.name)), canonical, rows) for spec in specs.specs]
    named = {(spec.schema, spec.spec.name) for spec in specs.specs}
    found += [_drop(None, index) for index in existing if _unnamed(index, specs, named)]
    present = [change for change in found if change is not None]
    return tuple(sorted(present, key=lambda change: change.kind == "drop"))


def _compare(spec: DeclaredSpec, current: Index | None, canonical: Canonical, rows: Rows) -> Change | None:
    if current is not None and spec.spec.state in {"approved", "retired"}:
        _refuse_foreign(spec, current)
    if spec.spec.state == "retired":
        return None if current is None else _drop(spec, current)
    if spec.spec.state != "approved":
        return None
    wanted = spec.spec.index(spec.schema, spec.table, rows(spec.schema, spec.table))
    if current is None or not current.valid:
        _buildable(spec, wanted, canonical)
        return Change(kind="create", spec=spec, index=wanted, current=current)
    wanted = spec.spec.keep_resolved(wanted, current.definition)
    same = wanted == current.definition or _buildable(spec, wanted, canonical) == canonical(current.definition)
    return None if same else Change(kind="replace", spec=spec, index=wanted, current=current)


def _buildable(spec: DeclaredSpec, wanted: IndexDef, canonical: Canonical) -> IndexDef:
    try:
        return canonical(wanted)
    except (InputError, psycopg.Error) as error:
        reason = error.diag.message_primary if isinstance(error, psycopg.Error) else error
        text = " ".join(str(reason or error).split())
        raise InputError(f"{spec.where}: {wanted.name} cannot be built, {text}; mend the spec") from None


def _refuse_foreign(spec: DeclaredSpec, current: Index) -> None:
    table = current.definition.qualified_table
    if (current.definition.schema, current.definition.table) != (spec.schema, spec.table):
        raise ConflictError(f"{spec.where}: an index {spec.spec.name} exists on {table}; choose another name")
    if current.constraint is not None:
        raise ConflictError(
            f"{spec.where}: {spec.spec.name} belongs to the constraint {current.constraint} of {table}; "
            "remove the spec, the constraint keeps its index"
        )


def _unnamed(index: Index, specs: SpecSet, named: set[tuple[str, str]]) -> bool:
    definition = index.definition
    owned = index.constraint is not None or index.primary or index.replica_identity or index.parent is not None
    managed = (definition.schema, definition.table) in specs.managed
    return managed and not owned and (definition.schema, definition.name) not in named


def _drop(spec: DeclaredSpec | None, current: Index) -> Change:
    return Change(kind="drop", spec=spec, index=current.definition, current=current)
