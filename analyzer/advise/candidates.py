"""Collect the indexes worth trying for a workload: drafted per statement, merged, named, and new.

Merging follows relaxation in physical design (Bruno and Chaudhuri, "Automatic physical database tuning: a
relaxation-based approach", SIGMOD 2005): of two indexes whose keys begin alike, one with both INCLUDE lists can replace
both.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from analyzer.advise.draft import Draft
from analyzer.advise.drafts import drafts, includable
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Constraint, Index, Relation, Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.objects.operator_classes import OperatorClasses
from analyzer.postgres.access_methods import METHODS, VECTOR_METHODS
from analyzer.postgres.identifiers import bare_name, fits, shortened
from analyzer.workload.shapes import Shape, TableShape

MOST_PER_TABLE = 60
#: Tables of fewer pages are read whole sooner than any index.
FEWEST_PAGES = 8
#: Operator classes that are written though they are their type's default.
_DEFAULT_CLASSES = frozenset({"vector_l2_ops", "halfvec_l2_ops"})


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


@dataclass(slots=True)
class _Entry:
    """A candidate while it is being collected."""

    index: IndexDef
    reason: str
    weights: dict[str, float] = field(default_factory=dict[str, float])
    #: Best place among the drafts of a statement; 0 is the one drafted first.
    place: int = 0
    foreign_key: bool = False

    def weight(self) -> float:
        return sum(self.weights.values())


def candidates(shapes: Iterable[Shape], snapshot: Snapshot, operators: OperatorClasses) -> tuple[Candidate, ...]:
    """Return what is worth trying for these statements, by table, most promising first; nothing that exists already.

    The operators are those of the server, such as a twin of the snapshot has.
    """
    catalog = Catalog(snapshot, operators=operators)
    listed = tuple(shapes)
    collected: dict[tuple[str, str], dict[object, _Entry]] = {}
    for entry in (*_foreign_keys(listed, catalog), *_drafted(listed, catalog)):
        table = collected.setdefault(entry.index.full_table, {})
        known = table.setdefault(signature(entry.index), entry)
        known.weights |= entry.weights
        known.place = min(known.place, entry.place)
        known.foreign_key |= entry.foreign_key
    chosen: list[_Entry] = []
    for key in sorted(collected):
        relation = catalog.relations[key]
        existing = catalog.indexes(relation)
        merged = _with_merged(collected[key], relation, catalog)
        new = [entry for entry in merged if not any(serves(index, entry.index) for index in existing)]
        chosen += sorted(new, key=_rank)[:MOST_PER_TABLE]
    return tuple(_named(chosen, snapshot))


def _rank(entry: _Entry) -> tuple[bool, int, float, str]:
    """Foreign keys and special access methods first, then every statement's best draft, then its second, and so on."""
    plain = entry.index.method == "btree" and all(key.expression is None for key in entry.index.keys)
    return plain and not entry.foreign_key, entry.place, -entry.weight(), repr(entry.index)


def _drafted(shapes: Sequence[Shape], catalog: Catalog) -> Iterator[_Entry]:
    for shape in shapes:
        for table in shape.tables:
            relation = catalog.relations.get((table.schema, table.table))
            if relation is None or relation.kind not in "rpm" or catalog.pages(relation) < FEWEST_PAGES:
                continue
            for place, draft in enumerate(drafts(table, relation, catalog)):
                yield _Entry(_definition(draft, relation), draft.reason, {shape.statement_id: shape.weight}, place)


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
    btrees = sorted((entry for entry in table.values() if entry.index.method == "btree"), key=_rank)[:MOST_PER_TABLE]
    for longer, shorter in itertools.permutations(btrees, 2):
        if not longer.weights.keys() - shorter.weights.keys() or not shorter.weights.keys() - longer.weights.keys():
            continue
        merged = _merged(longer.index, shorter.index, relation, catalog)
        if merged is None or signature(merged) in found:
            continue
        reason = f"{longer.reason}; also {shorter.reason}"
        place = max(longer.place, shorter.place)
        found[signature(merged)] = _Entry(merged, reason, longer.weights | shorter.weights, place)
    return list(found.values())


def _merged(longer: IndexDef, shorter: IndexDef, relation: Relation, catalog: Catalog) -> IndexDef | None:
    if not shorter.include or longer.where != shorter.where or longer.keys[: len(shorter.keys)] != shorter.keys:
        return None
    wanted = (*longer.include, *shorter.include)
    include = tuple(c.name for c in relation.columns if c.name in wanted and c.name not in longer.columns)
    if include == longer.include or not includable(relation, include, longer.columns, catalog):
        return None
    return replace(longer, include=include)


# What exists


def signature(index: IndexDef) -> object:
    """Return what makes two definitions the same to the planner: a btree read backwards is the same index."""
    keys = tuple(_key(key) for key in index.keys)
    turned = tuple(_key(key, turned=index.method == "btree") for key in index.keys)
    parameters = () if index.method == "ivfflat" else index.parameters
    include = tuple(sorted(index.include))
    return index.schema, index.table, index.method, min(keys, turned), include, _plain(index.where), parameters


def _key(key: Key, *, turned: bool = False) -> tuple[str, str, str, str, bool, bool]:
    nulls_first = key.descending if key.nulls is None else key.nulls == "first"
    opclass = bare_name(key.opclass)
    return (
        key.column or "",
        _plain(key.expression),
        "" if opclass in _DEFAULT_CLASSES else opclass,
        key.collation or "",
        key.descending != turned,
        nulls_first != turned,
    )


def _plain(sql: str | None) -> str:
    """Take off the casts and brackets that the server adds when it prints an expression."""
    bare = re.sub(
        r"::(\"[^\"]+\"|[a-z_.]+( varying| precision| with(out)? time zone)?)(\(\d+\))?(\[\])?", "", sql or ""
    )
    return re.sub(r"[()\s]+", " ", bare).strip()


def serves(existing: Index, wanted: IndexDef) -> bool:
    """Say whether an index that exists makes another one unnecessary: the same, or a longer one."""
    have = existing.definition
    if not existing.valid or have.method != wanted.method:
        return False
    if signature(have) == signature(wanted):
        return True
    if wanted.method != "btree" or _plain(have.where) != _plain(wanted.where):
        return False
    if _begins_unique(have, wanted):
        return True
    prefix = replace(have, keys=have.keys[: len(wanted.keys)], include=(), where=None, parameters=())
    alike = signature(prefix) == signature(replace(wanted, include=(), where=None, parameters=()))
    return alike and set(wanted.include) <= {*have.columns, *have.include}


def _begins_unique(have: IndexDef, wanted: IndexDef) -> bool:
    """Say whether an index begins with all columns of a unique one, which finds its single row already."""
    leading = tuple(key.column for key in wanted.keys[: len(have.keys)])
    return have.unique and leading == have.columns and len(have.columns) == len(have.keys)


# Foreign keys


def _foreign_keys(shapes: Sequence[Shape], catalog: Catalog) -> Iterator[_Entry]:
    """Yield an index for each foreign key without one, of a table that a statement reads, writes or cascades to."""
    written: dict[tuple[str, str], list[tuple[Shape, TableShape]]] = {}
    for shape in shapes:
        for table in shape.tables:
            if table.target in ("delete", "update", "merge"):
                written.setdefault((table.schema, table.table), []).append((shape, table))
    concerned = _concerned(shapes, written, catalog)
    for relation in catalog.snapshot.relations:
        is_own = relation.kind in "rp" and relation.partition_bound is None
        if not is_own or relation.full_name not in concerned:
            continue
        for constraint in relation.constraints:
            if constraint.kind == "f" and not covers_foreign_key(constraint, catalog.indexes(relation)):
                parent = (constraint.referenced_schema or "", constraint.referenced_table or "")
                yield _foreign_key(constraint, relation, written.get(parent, ()))


def _concerned(shapes: Sequence[Shape], written: Iterable[tuple[str, str]], catalog: Catalog) -> set[tuple[str, str]]:
    """Return the tables of statements, and those that the foreign keys of written ones lead to, one after the other."""
    found = {(table.schema, table.table) for shape in shapes for table in shape.tables}
    pending = list(written)
    while pending:
        referencing = {(relation.schema_name, relation.name) for relation, _ in catalog.referencing(*pending.pop())}
        pending += referencing - found
        found |= referencing
    return found


def covers_foreign_key(constraint: Constraint, indexes: Iterable[Index]) -> bool:
    """Say whether an index finds the rows of a foreign key, in whatever order its columns stand."""
    columns = set(constraint.columns)
    for index in indexes:
        definition = index.definition
        leading = {key.column for key in definition.keys[: len(columns)]}
        equal = definition.method == "btree" or (definition.method == "hash" and len(columns) == 1)
        if index.valid and index.ready and equal and leading == columns and _is_not_null(definition.where, columns):
            return True
    return False


def _is_not_null(where: str | None, columns: set[str]) -> bool:
    """Say whether a foreign key's own look-up implies a predicate: nothing but IS NOT NULL of its columns."""
    if where is None:
        return True
    parts = [part.strip(" ()") for part in re.split(r"\bAND\b", where)]
    return all(part.removesuffix(" IS NOT NULL").strip('"') in columns and part.endswith(" NULL") for part in parts)


def _foreign_key(constraint: Constraint, relation: Relation, written: Iterable[tuple[Shape, TableShape]]) -> _Entry:
    referenced = set(constraint.referenced_columns)
    weights = {
        shape.statement_id: shape.weight
        for shape, table in written
        if table.target == "delete" or referenced & set(table.written)
    }
    index = IndexDef(
        schema=relation.schema_name,
        table=relation.name,
        name="",
        keys=tuple(Key(column=column) for column in constraint.columns),
    )
    parent = constraint.referenced_table
    reason = f"foreign key {constraint.name}: deleting or changing a row of {parent} looks for its rows here"
    return _Entry(index, reason, weights, foreign_key=True)


# Names


def _named(entries: Sequence[_Entry], snapshot: Snapshot) -> Iterator[Candidate]:
    taken = {(relation.schema_name, relation.name) for relation in snapshot.relations}
    taken |= {(index.definition.schema, index.definition.name) for index in snapshot.indexes}
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
        )


def name_of(index: IndexDef) -> str:
    """Name an index by what it is: `ix_<table>_<keys>`, and a word for what is special about it."""
    parts = ["ix", index.table, *(key.column or key.expression or "" for key in index.keys)]
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
