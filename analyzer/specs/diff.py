"""Compare specs with the objects that exist: what must be created, replaced, renamed, altered or dropped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, Protocol, cast

import psycopg

from analyzer.documents.snapshot import Index
from analyzer.errors import ConflictError, InputError, RejectedError, TwinLacksError
from analyzer.objects.definition import D, Definition, kind_of
from analyzer.objects.index import IndexDef, Timing
from analyzer.postgres.tablespaces import DEFAULT_TABLESPACE
from analyzer.specs.existing import Existing, ExistingStatistics, key_of, table_of
from analyzer.specs.fields import Rows
from analyzer.specs.file import DeclaredSpec, ObjectName, SpecSet, is_index, is_statistics
from analyzer.specs.index import IndexSpec
from analyzer.specs.spec_file import Spec
from analyzer.sql import ident

Kind = Literal["create", "replace", "rename", "alter", "drop"]


class Canonical(Protocol):
    """Gives a definition as a server would print it."""

    def __call__(self, definition: D, /) -> D:
        """Return it; raises InputError when no server would build it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between the specs and a database."""

    kind: Kind
    #: None for an object that no spec names, on a table whose file says `manage: all`.
    spec: DeclaredSpec[Spec] | None
    #: The object wanted; of a drop, the object that goes.
    definition: Definition
    #: The object that exists: None for a create, unless it is an INVALID leftover.
    current: Existing | None
    #: What is not as wanted: fields of the definition; an index's `constraint`, `comment`, `statistics`; a statistics
    #: object's `target`.
    differs: tuple[str, ...] = ()

    @property
    def comment(self) -> str | None:
        """Return the comment wanted of an index."""
        return self.spec.spec.comment if self.spec is not None and is_index(self.spec) else None

    @property
    def timing(self) -> Timing | None:
        """Return the timing wanted of a unique constraint; None for no constraint."""
        return self.spec.spec.timing if self.spec is not None and is_index(self.spec) else None

    @property
    def statistics(self) -> tuple[tuple[int, int], ...]:
        """Return the statistics targets wanted of an index: (position from 1, target)."""
        return self.spec.spec.statistics if self.spec is not None and is_index(self.spec) else ()


Drops = Callable[[Existing], bool]


def drops_all(_: Existing) -> bool:
    """Leave nothing out."""
    return True


def changes(
    specs: SpecSet,
    existing: Sequence[Existing],
    canonical: Canonical,
    rows: Rows,
    drops: Drops = drops_all,
    *,
    own_tablespace: str = DEFAULT_TABLESPACE,
) -> tuple[Change, ...]:
    """List what would make the database agree with the specs, drops last, otherwise in the order of the specs.

    `drops` says which of the objects that no spec names `manage: all` may drop; `own_tablespace` is the database's.

    Raises ConflictError when a spec names an object of another table, an index of a constraint, or retires one that
    something needs, or that another one replaces which is not to be there; InputError when no server would build it.
    """
    comparison = Comparison(specs, existing, canonical, rows, drops, own_tablespace=own_tablespace)
    found = [comparison.change(spec) for spec in specs.specs]
    present = [change for change in (*found, *comparison.unnamed()) if change is not None]
    return tuple(sorted(present, key=lambda change: change.kind == "drop"))


def undecided(specs: SpecSet, existing: Sequence[Existing], rows: Rows) -> tuple[Definition, ...]:
    """List the definitions that a comparison may have to print: those that do not agree as they are."""
    by_name = {key_of(each): each for each in existing}
    by_table: dict[tuple[str, str], list[Existing]] = {}
    for each in existing:
        by_table.setdefault(table_of(each), []).append(each)
    found: list[Definition] = []
    for spec in specs.specs:
        if spec.spec.state != "approved":
            continue
        wanted, current = _wanted(spec, by_name.get(spec.key), rows), by_name.get(spec.key)
        if current is None or not current.valid or not _agree(wanted, current.definition):
            others = by_table.get((spec.schema, spec.table), []) if current is None else [current]
            found += [wanted, *(each.definition for each in others if kind_of(each.definition) == spec.kind)]
    return tuple(_without_tablespace(each) for each in found)


class Comparison:
    """Specs and the objects of one database, compared one spec at a time."""

    def __init__(
        self,
        specs: SpecSet,
        existing: Sequence[Existing],
        canonical: Canonical,
        rows: Rows,
        drops: Drops = drops_all,
        *,
        own_tablespace: str = DEFAULT_TABLESPACE,
    ) -> None:
        self._specs = specs
        self._existing = existing
        self._canonical = canonical
        self._printed: dict[tuple[Definition, str], Definition] = {}
        self._rows = rows
        self._drops = drops
        self._own_tablespace = own_tablespace
        self._by_name = {key_of(each): each for each in existing}
        self._specs_by_key = {spec.key: spec for spec in specs.specs}
        self._renamed = self._find_renamed()

    @property
    def renamed(self) -> Mapping[ObjectName, Existing]:
        """Return the objects that exist under another name than their spec's, by the name wanted."""
        return self._renamed

    def current(self, spec: DeclaredSpec[Spec]) -> Existing | None:
        """Return the object that has a spec's name."""
        return self._by_name.get(spec.key)

    def change(self, spec: DeclaredSpec[Spec]) -> Change | None:
        """Say what one spec asks for; None when the database agrees, or when nothing is asked yet."""
        if spec.spec.state not in {"approved", "retired"}:
            return None
        current = self.current(spec)
        if current is not None:
            _refuse_foreign(spec, current)
        if spec.spec.state == "retired":
            if current is None or any(current is other for other in self._renamed.values()):
                return None
            self._refuse_early(spec)
            return _drop(spec, current)
        other = self._renamed.get(spec.key)
        wanted = _wanted(spec, current or other, self._rows)
        if other is not None:
            return Change(kind="rename", spec=spec, definition=wanted, current=other, differs=_attributes(spec, other))
        if current is None or not current.valid:
            self._built(spec, wanted)
            return Change(kind="create", spec=spec, definition=wanted, current=current)
        return self._difference(spec, wanted, current)

    def printed(self, definition: D) -> D:
        """Return a definition as the server prints it, or as it is where the server rejects it.

        A twin has no tablespaces.
        """
        bare = _without_tablespace(definition)
        try:
            return self._print(bare)
        except InputError:
            return bare

    def unnamed(self) -> tuple[Change, ...]:
        """List the drops of objects that no spec names, on tables whose file says `manage: all`."""
        named = {spec.key for spec in self._specs.specs}
        adopted = [id(each) for each in self._renamed.values()]
        return tuple(
            _drop(None, each)
            for each in self._existing
            if table_of(each) in self._specs.managed
            and key_of(each) not in named
            and not _owned(each)
            and not _needed(each)
            and id(each) not in adopted
            and self._drops(each)
        )

    def _refuse_early(self, spec: DeclaredSpec[Spec]) -> None:
        """Refuse to drop an index while one that is to take its place neither exists, to stay, nor will be built."""
        for name in spec.spec.replaced_by if is_index(spec) else ():
            key = spec.kind, spec.schema, name
            other, there = self._specs_by_key.get(key), self._by_name.get(key)
            if other is not None and other.spec.state == "approved":
                continue
            stays = there is not None and there.valid and (other is None or other.spec.state != "retired")
            if stays and (other is not None or there is None or table_of(there) not in self._specs.managed):
                continue
            state = f"{other.where} has it {other.spec.state}" if other is not None else "no spec declares it"
            what = "is not going to stay" if there is not None and there.valid else "does not exist"
            raise ConflictError(
                f"{spec.where}: {spec.spec.name} is replaced by {name}, which {what}, and {state}; approve that one, "
                f"or write state: proposed for {spec.spec.name}"
            )

    def _difference(self, spec: DeclaredSpec[Spec], wanted: Definition, current: Existing) -> Change | None:
        differs = self._fields(spec, wanted, current.definition)
        differs += ("constraint",) if _timing(spec) != _current_timing(current) else ()
        kind: Kind = "replace" if differs else "alter"
        differs += _attributes(spec, current)
        return Change(kind=kind, spec=spec, definition=wanted, current=current, differs=differs) if differs else None

    def _fields(self, spec: DeclaredSpec[Spec], wanted: Definition, current: Definition) -> tuple[str, ...]:
        """Name the parts of two definitions that differ; a tablespace is compared by name, for no twin has it."""
        moved = self._tablespace(wanted) != self._tablespace(current)
        wanted, current = _without_tablespace(wanted), _without_tablespace(current)
        found: tuple[str, ...] = ()
        if wanted != current:
            left, right = self._built(spec, wanted), self.printed(current)
            names = (field.name for field in fields(wanted) if field.compare)
            found = tuple(name for name in names if getattr(left, name) != getattr(right, name))
        return (*found, "tablespace") if moved else found

    def _tablespace(self, definition: Definition) -> str:
        named = definition.tablespace if isinstance(definition, IndexDef) else None
        return named or self._own_tablespace

    def _print(self, definition: D) -> D:
        key = (definition, definition.name)
        if key not in self._printed:
            self._printed[key] = self._canonical(definition)
        return cast("D", self._printed[key])

    def _built(self, spec: DeclaredSpec[Spec], wanted: Definition) -> Definition:
        try:
            return self._print(_without_tablespace(wanted))
        except TwinLacksError as error:
            raise TwinLacksError(f"{spec.where}: {wanted.name}", error.lacks) from None
        except RejectedError as error:  # its statement has a name of ours
            raise InputError(
                f"{spec.where}: {wanted.name} cannot be built, the server rejects it: {error.message}; fix the spec"
            ) from None
        except (InputError, psycopg.Error) as error:
            reason = error.diag.message_primary if isinstance(error, psycopg.Error) else error
            text = " ".join(str(reason or error).split())
            raise InputError(f"{spec.where}: {wanted.name} cannot be built, {text}; fix the spec") from None

    def _find_renamed(self) -> dict[ObjectName, Existing]:
        """Find, for specs whose name no object has, the object that is the same under a name no spec wants."""
        wanted_names = {spec.key for spec in self._specs.specs if spec.spec.state != "retired"}
        free = [each for each in self._existing if _renamable(each) and key_of(each) not in wanted_names]
        found: dict[ObjectName, Existing] = {}
        for spec in self._specs.specs:
            if spec.spec.state == "approved" and self.current(spec) is None:
                other = next((each for each in free if self._is_renamed(spec, each)), None)
                if other is not None:
                    free.remove(other)
                    found[spec.key] = other
        return found

    def _is_renamed(self, spec: DeclaredSpec[Spec], existing: Existing) -> bool:
        known = existing.definition
        if (kind_of(known), known.schema, known.table) != (spec.kind, spec.schema, spec.table):
            return False
        if isinstance(known, IndexDef) and isinstance(spec.spec, IndexSpec) and known.method != spec.spec.method:
            return False
        if _timing(spec) != _current_timing(existing):
            return False
        try:
            return not self._fields(spec, _wanted(spec, existing, self._rows), known)
        except InputError:  # said where the spec itself is compared
            return False


def _wanted(spec: DeclaredSpec[Spec], current: Existing | None, rows: Rows) -> Definition:
    wanted = spec.spec.definition(spec.schema, spec.table, rows(spec.schema, spec.table))
    if isinstance(wanted, IndexDef) and isinstance(current, Index) and isinstance(spec.spec, IndexSpec):
        return spec.spec.keep_resolved(wanted, current.definition)
    return wanted


def _agree(wanted: Definition, current: Definition) -> bool:
    return _without_tablespace(wanted) == _without_tablespace(current)


def _without_tablespace(definition: D) -> D:
    return cast("D", replace(definition, tablespace=None)) if isinstance(definition, IndexDef) else definition


def _attributes(spec: DeclaredSpec[Spec], current: Existing) -> tuple[str, ...]:
    """Name what differs without a new build, in the words of a spec."""
    if isinstance(current, Index) and is_index(spec):
        pairs = {
            "comment": (spec.spec.comment, current.comment),
            "statistics": (spec.spec.statistics, current.statistics_targets),
        }
        return tuple(name for name, (wanted, actual) in pairs.items() if wanted != actual)
    if isinstance(current, ExistingStatistics) and is_statistics(spec):
        return ("target",) if spec.spec.target != current.definition.target else ()
    return ()


def _refuse_foreign(spec: DeclaredSpec[Spec], current: Existing) -> None:
    """Refuse what a spec may not name: an object of another table, or one that comes and goes with something else."""
    schema, table = table_of(current)
    if (schema, table) != (spec.schema, spec.table):
        what = "an index" if isinstance(current, Index) else "a statistics object"
        raise ConflictError(
            f"{spec.where}: {what} {spec.spec.name} exists on {ident(schema, table)}; choose another name"
        )
    if isinstance(current, Index):
        _refuse_foreign_index(spec, current)


def _refuse_foreign_index(spec: DeclaredSpec[Spec], current: Index) -> None:
    table = current.definition.qualified_table
    if current.constraint is not None and (current.unique_constraint is None or _timing(spec) is None):
        otherwise = ""
        if current.unique_constraint is not None:
            otherwise = (
                ", or write unique: constraint; for a unique index in its place, declare one of another name, and "
                "retire this one (unique: constraint, state: retired)"
            )
        exclusion = current.unique_constraint is None and not current.primary and not current.definition.unique
        kind = "exclusion constraint" if exclusion else "constraint"
        why = ", which PostgreSQL cannot build concurrently" if exclusion else ""
        raise ConflictError(
            f"{spec.where}: {spec.spec.name} belongs to the {kind} {current.constraint} of {table}{why}; "
            f"remove the spec, the constraint keeps its index{otherwise}"
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


def _owned(existing: Existing) -> bool:
    """Say whether an object comes and goes with something else, or is where no spec can name it."""
    if isinstance(existing, ExistingStatistics):
        return existing.table_schema != existing.definition.schema
    return existing.constraint is not None or existing.primary or existing.parent is not None


def _renamable(existing: Existing) -> bool:
    """Say whether an object can be the one that a spec declares under another name."""
    declarable = isinstance(existing, Index) and existing.unique_constraint is not None and existing.parent is None
    return existing.valid and (declarable or not _owned(existing))


def _timing(spec: DeclaredSpec[Spec]) -> Timing | None:
    return spec.spec.timing if is_index(spec) else None


def _current_timing(existing: Existing) -> Timing | None:
    return existing.unique_constraint if isinstance(existing, Index) else None


def _needed(existing: Existing) -> bool:
    """Say whether something else needs an object."""
    return isinstance(existing, Index) and bool(existing.replica_identity or existing.foreign_keys)


def _drop(spec: DeclaredSpec[Spec] | None, current: Existing) -> Change:
    return Change(kind="drop", spec=spec, definition=current.definition, current=current)
