"""Collect the indexes worth trying for a workload: drafted per statement, merged, named, and new.

Merging follows relaxation in physical design (Bruno and Chaudhuri, "Automatic physical database tuning: a
relaxation-based approach", SIGMOD 2005): of two indexes whose keys begin alike, one with both INCLUDE lists can replace
both.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analyzer.advise.draft import Draft
from analyzer.advise.draft_variants import includable
from analyzer.advise.drafts import drafts, hindered_drafts
from analyzer.advise.equality_drafts import bloom_draft
from analyzer.advise.foreign_keys import uncovered_foreign_keys
from analyzer.advise.sameness import finds_as_well, places, serves, signature
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Index, Relation, Snapshot
from analyzer.objects.index import IndexDef
from analyzer.objects.operator_classes import OperatorClasses
from analyzer.postgres.access_methods import METHODS, VECTOR_METHODS
from analyzer.postgres.identifiers import bare_name, fits, shortened
from analyzer.workload.shapes import Shape, TableShape

MOST_PER_TABLE = 100
#: Keys of the indexes that a small budget is spent on.
_FEW_KEYS = 2
#: Statements that the reason names for which an index is not tried.
_MOST_NAMED = 3
#: Tables of fewer pages are read whole sooner than any index.
FEWEST_PAGES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An index worth trying, why, and for which statements."""

    index: IndexDef
    reason: str
    statement_ids: tuple[str, ...]
    #: Summed weight of those statements.
    weight: float = 0
    #: It serves the deletes and key updates of a referenced table, which EXPLAIN does not show.
    foreign_key: bool = False
    #: What its reader should know of it: what was left out, what it makes unnecessary.
    notes: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A candidate while it is being collected."""

    index: IndexDef
    reason: str
    weights: dict[str, float] = field(default_factory=dict[str, float])
    #: An ordered set.
    notes: dict[str, None] = field(default_factory=dict[str, None])
    #: Best place among the drafts of a statement; 0 is the one drafted first.
    place: int = 0
    foreign_key: bool = False
    #: It is for an order, or for a range of it, not only for single values.
    is_ordered: bool = False
    #: Of its keys the first that all its statements fix to a value each.
    fixed: int = 0

    def weight(self) -> float:
        return sum(self.weights.values())


def candidates(shapes: Iterable[Shape], snapshot: Snapshot, operators: OperatorClasses) -> tuple[Candidate, ...]:
    """Return what is worth trying for these statements, by table, most promising first; nothing that exists already.

    The operators are those of the server, such as a twin of the snapshot has.
    """
    catalog = Catalog(snapshot, operators=operators)
    listed = tuple(shapes)
    collected: dict[tuple[str, str], dict[object, _Entry]] = {}
    for entry in (*_foreign_keys(listed, catalog), *_drafted(listed, catalog), *_of_many(listed, catalog)):
        table = collected.setdefault(entry.index.full_table, {})
        known = table.setdefault(signature(entry.index), entry)
        known.weights |= entry.weights
        known.notes |= entry.notes
        known.place = min(known.place, entry.place)
        known.foreign_key |= entry.foreign_key
        known.is_ordered |= entry.is_ordered
        known.fixed = min(known.fixed, entry.fixed)
    chosen: list[_Entry] = []
    for key in sorted(collected):
        relation = catalog.relations[key]
        existing = catalog.indexes(relation)
        merged = _with_merged(collected[key], relation, catalog)
        new = [entry for entry in merged if not _is_covered(entry, existing, relation, catalog)]
        chosen += sorted(new, key=lambda entry: _rank(entry, snapshot))[:MOST_PER_TABLE]
    return tuple(_named(chosen, catalog))


def _is_covered(entry: _Entry, existing: Sequence[Index], relation: Relation, catalog: Catalog) -> bool:
    """Say whether an index that exists does what an entry is for; one for an order has to come in that order."""
    if any(serves(index, entry.index, fixed=entry.fixed) for index in existing):
        return True
    return not entry.is_ordered and any(finds_as_well(index, entry.index, relation, catalog) for index in existing)


def _rank(entry: _Entry, snapshot: Snapshot) -> tuple[object, ...]:
    """Foreign keys and special access methods first, then what is small, then every statement's best draft, and so on.

    Of a table that many statements filter and join by many columns, the best drafts alone are large.
    """
    index = entry.index
    last = index.method == "btree" and not entry.foreign_key
    is_small = index.where is None and not index.include and len(index.keys) <= _FEW_KEYS and not index.expressions
    return last, not is_small, entry.place, -entry.weight(), places(index, snapshot), repr(index)


def _drafted(shapes: Sequence[Shape], catalog: Catalog) -> Iterator[_Entry]:
    shared = _shared(shapes)
    for shape, table, relation in _mentions(shapes, catalog):
        for place, draft in enumerate(drafts(table, relation, catalog, shared[table.schema, table.table])):
            yield _Entry(
                index=_definition(draft, relation),
                reason=draft.reason,
                weights={shape.statement_id: shape.weight},
                notes=dict.fromkeys(draft.notes),
                place=place,
                is_ordered=draft.is_ordered,
                fixed=draft.fixed,
            )


def _mentions(shapes: Iterable[Shape], catalog: Catalog) -> Iterator[tuple[Shape, TableShape, Relation]]:
    """Yield the mentions of tables that are large enough for an index."""
    for shape in shapes:
        for table in shape.tables:
            relation = catalog.relations.get((table.schema, table.table))
            if relation is not None and relation.kind in "rpm" and catalog.pages(relation) >= FEWEST_PAGES:
                yield shape, table, relation


def not_tried(
    shapes: Iterable[Shape], snapshot: Snapshot, operators: OperatorClasses
) -> tuple[tuple[str | None, str], ...]:
    """Return the indexes that statements call for and that cannot be built or used, with the reason; None if it exists.

    Nothing is said of a mention of a table that another index can serve in the same way.
    """
    by_distance = [shape for shape in shapes if any(table.nearest for table in shape.tables)]
    if not by_distance:
        return ()
    catalog = Catalog(snapshot, operators=operators)
    found: dict[tuple[IndexDef, str], dict[str, None]] = {}
    for shape, table, relation in _mentions(by_distance, catalog):
        for draft in hindered_drafts(table, relation, catalog):
            index = _definition(draft, relation)
            key = index.renamed(name_of(index)), draft.obstacle or ""
            found.setdefault(key, {})[shape.statement_id] = None
    return tuple(_told(index, obstacle, tuple(ids), catalog) for (index, obstacle), ids in found.items())


def _told(index: IndexDef, obstacle: str, ids: Sequence[str], catalog: Catalog) -> tuple[str | None, str]:
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    reason = f"{obstacle} (statement{'s' if len(ids) > 1 else ''} {', '.join(ids[:_MOST_NAMED])}{more})"
    existing = next((each for each in catalog.indexes_of(index.full_table) if serves(each, index)), None)
    return (index.ddl(), reason) if existing is None else (None, f"{existing.definition.qualified_name}: {reason}")


def _of_many(shapes: Sequence[Shape], catalog: Catalog) -> Iterator[_Entry]:
    """Yield, of each table, the index that serves many of its statements together."""
    mentions: dict[tuple[str, str], list[tuple[Shape, TableShape]]] = {}
    for shape, table, relation in _mentions(shapes, catalog):
        mentions.setdefault(relation.full_name, []).append((shape, table))
    for name, found in mentions.items():
        relation = catalog.relations[name]
        if (draft := bloom_draft([table for _, table in found], relation, catalog)) is not None:
            columns = {key.column for key in draft.keys}
            weights = {shape.statement_id: shape.weight for shape, table in found if columns & {*table.equalities}}
            yield _Entry(index=_definition(draft, relation), reason=draft.reason, weights=weights)


def _shared(shapes: Sequence[Shape]) -> Mapping[tuple[str, str], Mapping[str, int]]:
    """Count, by table, the statements that fix a column or an expression, or have a condition."""
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for shape in shapes:
        for table in shape.tables:
            counted = found.setdefault((table.schema, table.table), {})
            fixed = [*table.equalities, *(join.column for join in table.joins)]
            fixed += [each.sql for each in table.expressions if each.kind == "equality"]
            for name in (*fixed, *(each.sql for each in table.conditions)):
                counted.setdefault(name, set()).add(shape.statement_id)
    return {table: {name: len(ids) for name, ids in counted.items()} for table, counted in found.items()}


def _foreign_keys(shapes: Sequence[Shape], catalog: Catalog) -> Iterator[_Entry]:
    for each in uncovered_foreign_keys(shapes, catalog):
        yield _Entry(index=each.index, reason=each.reason, weights=each.weights, foreign_key=True)


def _definition(draft: Draft, relation: Relation) -> IndexDef:
    return IndexDef(
        schema=relation.schema_name,
        table=relation.name,
        name="",
        method=draft.method,
        keys=draft.keys,
        include=draft.include,
        where=draft.where,
        parameters=draft.parameters,
    )


# Merging


def _with_merged(table: dict[object, _Entry], relation: Relation, catalog: Catalog) -> list[_Entry]:
    """Add, for each two covering indexes whose keys begin alike, the one that replaces both."""
    found = dict(table)
    of_btree = (entry for entry in table.values() if entry.index.method == "btree")
    btrees = sorted(of_btree, key=lambda entry: _rank(entry, catalog.snapshot))[:MOST_PER_TABLE]
    for longer, shorter in _beginning_alike(btrees):
        if not longer.weights.keys() - shorter.weights.keys() or not shorter.weights.keys() - longer.weights.keys():
            continue
        merged = _merged(longer.index, shorter.index, relation, catalog)
        if merged is None or signature(merged) in found:
            continue
        reason = f"{longer.reason}; also {shorter.reason}"
        place = max(longer.place, shorter.place)
        found[signature(merged)] = _Entry(
            index=merged,
            reason=reason,
            weights=longer.weights | shorter.weights,
            place=place,
            is_ordered=longer.is_ordered or shorter.is_ordered,
            fixed=min(longer.fixed, shorter.fixed),
        )
    return list(found.values())


def _beginning_alike(btrees: Sequence[_Entry]) -> Iterator[tuple[_Entry, _Entry]]:
    """Yield the pairs of which the first begins with all keys of the second, which has an INCLUDE list."""
    for longer in btrees:
        for shorter in btrees:
            keys = shorter.index.keys
            if shorter is not longer and shorter.index.include and longer.index.keys[: len(keys)] == keys:
                yield longer, shorter


def _merged(longer: IndexDef, shorter: IndexDef, relation: Relation, catalog: Catalog) -> IndexDef | None:
    if longer.where != shorter.where:
        return None
    wanted = (*longer.include, *shorter.include)
    include = tuple(c.name for c in relation.columns if c.name in wanted and c.name not in longer.columns)
    if include == longer.include or not includable(relation, include, longer.columns, catalog):
        return None
    return replace(longer, include=include)


# Names


def _named(entries: Sequence[_Entry], catalog: Catalog) -> Iterator[Candidate]:
    taken = {(relation.schema_name, relation.name) for relation in catalog.snapshot.relations}
    taken |= {(index.definition.schema, index.definition.name) for index in catalog.snapshot.indexes}
    for entry in entries:
        name = name_of(entry.index)
        if (entry.index.schema, name) in taken:
            name = _shortened(name, entry.index, always=True)
        taken.add((entry.index.schema, name))
        yield Candidate(
            index=entry.index.renamed(name),
            reason=entry.reason,
            statement_ids=tuple(sorted(entry.weights)),
            weight=entry.weight(),
            foreign_key=entry.foreign_key,
            notes=tuple(entry.notes),
        )


def name_of(index: IndexDef) -> str:
    """Name an index by what it is: `ix_<table>_<keys>`, and a word for what is special about it."""
    keys = ((key.column or key.expression or "", bare_name(key.collation)) for key in index.keys)
    parts = ["ix", index.table, *(part for key in keys for part in key if part)]
    if index.method != "btree":
        opclass = bare_name(index.keys[0].opclass)
        parts.append(METHODS[index.method].words.get(opclass, index.method))
        if index.method in VECTOR_METHODS:
            parts.append(opclass.split("_")[1])
    if index.where is not None:
        parts += ["where", re.sub(r"'[^']*'", "", index.where)]
    if index.include:
        parts.append("covering")
    words = re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower())
    return _shortened(words.strip("_"), index)


def _shortened(name: str, index: IndexDef, *, always: bool = False) -> str:
    return name if fits(name) and not always else shortened(name, of=repr(replace(index, name="")))
