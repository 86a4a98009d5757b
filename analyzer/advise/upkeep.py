"""What one entry of an index costs writers: to add it, to remove it once its row is dead, and in WAL.

The formulas follow what an access method does for one entry: it descends, comparing; it changes pages, which are the
less often in the processor's caches the more of them take turns; and it logs what it changed, now and then a page that
split. Their constants, microseconds and bytes, are what `make bench-upkeep` measured (docs/benchmarks/upkeep.md). How
many microseconds are one unit of cost is measured there as well, by what reads save of both where they have an index:
so upkeep has the unit of the benefit.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from analyzer.catalog import dimensions
from analyzer.documents.snapshot import ColumnStatistics, Index, Relation, Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.access_methods import METHODS, Whole, is_on, parse_number
from analyzer.postgres.lex import lex
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.twin.predict.gin_pages import elements_per_row
from analyzer.twin.predict.index_size import IndexSize
from analyzer.twin.predict.key_statistics import (
    KeyFacts,
    current_rows,
    entry_bytes,
    key_facts,
    named_columns,
)
from analyzer.twin.twin import TwinIndex

#: Microseconds that a unit of cost takes: what an index saves of one, over what it saves of the other.
MICROSECONDS_PER_UNIT = 4.1
_DEFAULT_OPERATOR_COST = 0.0025
#: A cost setting may be anything that a float can be.
_MOST_OPERATOR_COST = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCost:
    """What one entry costs."""

    #: To add it, its WAL included, and to remove it when the row is dead, in planner units.
    cost: float
    removal: float
    wal_bytes: float
    removal_wal_bytes: float
    #: For each row that is written, whether or not a partial index holds it: to find that out, in planner units.
    check: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Descent:
    """What finding the place of an entry and putting it there takes, in microseconds."""

    fixed: float
    #: For each doubling of the pages that take turns.
    doubling: float
    #: For each byte of the entry.
    byte: float = 0.0
    #: At least.
    least: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What the formulas read: the index, its table, and the facts about its keys."""

    index: TwinIndex
    relation: Relation
    statistics: Mapping[str, ColumnStatistics]

    @property
    def definition(self) -> IndexDef:
        """Return the index."""
        return self.index.index

    def number(self, parameter: str) -> float:
        """Return a storage parameter within its bounds, or its default where it is not set or no number."""
        option = METHODS[self.definition.method].parameters[parameter]
        stated = dict(self.definition.parameters).get(parameter)
        least, most, default = (option.least, option.most, option.default) if isinstance(option, Whole) else (1, 1, 1)
        try:
            found = parse_number(stated) if stated is not None else math.nan
        except (ValueError, OverflowError):
            found = math.nan
        return float(default or least) if math.isnan(found) else min(max(found, least), most)

    @property
    def pages(self) -> float:
        """Return the pages that take turns: of an index whose keys come in the order of the rows, the last one."""
        lead = self.definition.keys[0].column
        row = self.statistics.get(lead) if lead is not None else None
        correlation = abs(row.correlation or 0.0) if row is not None else 0.0
        return 1 + self.index.size.pages * max(0.0, 1 - correlation)

    def facts(self) -> tuple[KeyFacts, ...]:
        """Return what is known of the keys."""
        rows = current_rows(self.relation)
        return tuple(key_facts(key, self.relation, self.statistics, rows) for key in self.definition.keys)

    def included(self) -> tuple[KeyFacts, ...]:
        """Return what is known of the INCLUDE columns."""
        rows = current_rows(self.relation)
        return tuple(
            key_facts(Key(column=each), self.relation, self.statistics, rows) for each in self.definition.include
        )

    @property
    def elements(self) -> float:
        """Return how many elements a row has in a GIN index."""
        rows, found = current_rows(self.relation), 0.0
        for key, fact in zip(self.definition.keys, self.facts(), strict=True):
            columns = [key.column] if key.column is not None else named_columns(key.expression or "", self.relation)
            statistics = [self.statistics[each] for each in columns if each in self.statistics]
            found += elements_per_row(key, statistics, width=fact.width, distinct=fact.distinct, rows=rows)
        return max(1.0, found)

    @property
    def bytes(self) -> float:
        """Return the length of an entry of a btree and its like."""
        return entry_bytes((*self.facts(), *self.included()))

    def descent(self, constants: _Descent) -> float:
        """Return what one descent takes."""
        found = constants.fixed + constants.doubling * math.log2(self.pages) + constants.byte * self.bytes
        return max(constants.least, found)


#: Each method's descents: of GIN one for each element.
_BTREE = _Descent(fixed=0.8, doubling=0.45, byte=0.03)
_HASH = _Descent(fixed=0.9, doubling=0.36)
_GIN = _Descent(fixed=0.8, doubling=0.45)
#: For each row that a list of a GIN key has already, up to the size of a segment: it is written again.
_LISTED_US, _LISTED_BYTES, _MOST_LISTED = 0.02, 2.6, 160
_GIST = _Descent(fixed=-2.3, doubling=1.36, least=3.0)
_SPGIST = _Descent(fixed=-0.8, doubling=0.98, least=3.0)
#: A row of the list of pending entries, and each element there and, alone, in its place. The more elements of a list
#: are of one key, the less each takes.
_PENDING_US, _PENDING_ELEMENT_US, _PLACED_US = 2.0, 0.12, 1.7
_TOGETHER, _PENDING_KILOBYTES, _BYTES_EACH, _ASSUMED_KEYS = -1 / 3, 4096, 28, 1000
_BLOOM_US, _BRIN_US = 5.0, 1.3
#: The predicate of a partial index, of every row.
_PREDICATE_US = 0.35
#: What one distance between vectors takes, and per dimension; and the list, once it is found.
_DISTANCE_US, _DIMENSION_US, _LIST_US = 0.145, 0.00048, 4.0
#: Distances of one hnsw insertion per unit of m times ef_construction: of the place, and of each neighbour's list.
_HNSW_DISTANCES = 16
#: An hnsw entry that is removed has the lists of its neighbours repaired, for so many insertions.
_HNSW_REPAIRS = 2.5
#: Of a removal: the entry, and its part of the pages that VACUUM reads whenever a fifth of the rows is dead.
_REMOVAL_US, _PAGE_US, _VACUUM_SHARE = 0.3, 10.0, 0.2
#: A record of the WAL with its reference to a page, by method; and what splits of pages log for each byte of an entry.
_RECORD_BYTES = {"btree": 50, "hash": 56, "gist": 60, "spgist": 66, "ivfflat": 72}
_SPLIT = 0.1
_PENDING_BYTES, _ELEMENT_BYTES, _FLUSHED_BYTES, _PLACED_BYTES = 144, 16, 130, 85
_BLOOM_BYTES, _BRIN_BYTES, _NEIGHBOUR_BYTES = 82, 72, 50
_HASH_BYTES, _REMOVAL_BYTES = 16, {"gin": 90, "bloom": 70, "ivfflat": 1200, "hnsw": 2600}
_REMOVED_BYTES = 7
#: What a GiST leaf has of a shape: a box.
_BOX_BYTES, _SHAPES = 40, frozenset({"point", "box", "circle", "polygon"})
#: The first characters of a longer text are in the inner tuples of SP-GiST.
_CUT_BYTES, _CUT_FROM = 8, 32


def _tree(constants: _Descent) -> Callable[[_Entry], float]:
    return lambda entry: entry.descent(constants)


def _gin(entry: _Entry) -> float:
    if _is_pending(entry):
        return _PENDING_US + (_PENDING_ELEMENT_US + _PLACED_US * _together(entry)) * entry.elements
    return entry.elements * (entry.descent(_GIN) + _LISTED_US * _listed(entry))


def _is_pending(entry: _Entry) -> bool:
    """Say whether entries wait in a list and are added many at once."""
    return is_on(dict(entry.definition.parameters).get("fastupdate", "on"))


def _together(entry: _Entry) -> float:
    """Return what part of its time an element takes that is put in its place together with others of its key."""
    is_set = "gin_pending_list_limit" in dict(entry.definition.parameters)
    kilobytes = entry.number("gin_pending_list_limit") if is_set else _PENDING_KILOBYTES
    keys = entry.index.size.gin.entries if entry.index.size.gin is not None else _ASSUMED_KEYS
    return max(1.0, kilobytes * 1024 / _BYTES_EACH / max(1, keys)) ** _TOGETHER


def _listed(entry: _Entry) -> float:
    """Return how many rows the list of a GIN key has."""
    keys = entry.index.size.gin.entries if entry.index.size.gin is not None else _ASSUMED_KEYS
    return min(_MOST_LISTED, entry.elements * max(0.0, entry.index.size.tuples) / max(1, keys))


def _brin(_: _Entry) -> float:
    return _BRIN_US


def _bloom(_: _Entry) -> float:
    return _BLOOM_US


def _ivfflat(entry: _Entry) -> float:
    return _LIST_US + entry.number("lists") * _distance(entry)


def _hnsw(entry: _Entry) -> float:
    return entry.number("m") * entry.number("ef_construction") * _HNSW_DISTANCES * _distance(entry)


def _distance(entry: _Entry) -> float:
    """Return what one distance between two vectors takes."""
    key = entry.definition.keys[0]
    column = entry.relation.column(key.column) if key.column is not None else None
    size = dimensions(key.expression or (column.type if column is not None else ""))
    return _DISTANCE_US + (size or 1) * _DIMENSION_US


#: Microseconds that adding one row takes, by access method.
ENTRY_COSTS: Mapping[str, Callable[[_Entry], float]] = {
    "btree": _tree(_BTREE),
    "hash": _tree(_HASH),
    "gist": _tree(_GIST),
    "spgist": _tree(_SPGIST),
    "gin": _gin,
    "brin": _brin,
    "bloom": _bloom,
    "ivfflat": _ivfflat,
    "hnsw": _hnsw,
}


def _tuple_wal(entry: _Entry) -> float:
    return _RECORD_BYTES[entry.definition.method] + (1 + _SPLIT) * entry.bytes


def _hash_wal(_: _Entry) -> float:
    return _RECORD_BYTES["hash"] + (1 + _SPLIT) * _HASH_BYTES


def _gist_wal(entry: _Entry) -> float:
    column = entry.relation.column(entry.definition.keys[0].column or "")
    size = _BOX_BYTES if column is not None and column.type in _SHAPES else entry.bytes
    return _RECORD_BYTES["gist"] + (1 + _SPLIT) * size


def _spgist_wal(entry: _Entry) -> float:
    cut = _CUT_BYTES if entry.bytes > _CUT_FROM else 0
    return _RECORD_BYTES["spgist"] + (1 + _SPLIT) * (entry.bytes - cut)


def _gin_wal(entry: _Entry) -> float:
    if _is_pending(entry):
        return _PENDING_BYTES + (_ELEMENT_BYTES + _FLUSHED_BYTES * _together(entry)) * entry.elements
    return (_PLACED_BYTES + _LISTED_BYTES * _listed(entry)) * entry.elements


def _hnsw_wal(entry: _Entry) -> float:
    return entry.bytes + 2 * entry.number("m") * _NEIGHBOUR_BYTES


#: Bytes of WAL that adding one row takes, by access method.
ENTRY_WAL: Mapping[str, Callable[[_Entry], float]] = {
    "btree": _tuple_wal,
    "hash": _hash_wal,
    "gist": _gist_wal,
    "spgist": _spgist_wal,
    "gin": _gin_wal,
    "brin": lambda _: _BRIN_BYTES,
    "bloom": lambda _: _BLOOM_BYTES,
    "ivfflat": _tuple_wal,
    "hnsw": _hnsw_wal,
}


def entry_costs(index: TwinIndex, relation: Relation, snapshot: Snapshot) -> EntryCost:
    """Return what one entry of an index costs."""
    known = snapshot.statistics_by_relation.get(relation.full_name, ())
    entry = _Entry(index=index, relation=relation, statistics={row.column: row for row in known})
    method = index.index.method
    unit = _operator_cost(snapshot) / _DEFAULT_OPERATOR_COST / MICROSECONDS_PER_UNIT
    added = ENTRY_COSTS[method](entry)
    pages_per_entry = min(1.0, index.size.pages / max(1.0, index.size.tuples))
    removed = _REMOVAL_US + _PAGE_US * pages_per_entry / _VACUUM_SHARE
    return EntryCost(
        cost=unit * added,
        check=unit * _PREDICATE_US if index.index.where is not None else 0.0,
        removal=unit * (_HNSW_REPAIRS * added if method == "hnsw" else removed),
        wal_bytes=ENTRY_WAL[method](entry),
        removal_wal_bytes=_REMOVAL_BYTES.get(method, _REMOVED_BYTES),
    )


def entry_cost(index: TwinIndex, relation: Relation, snapshot: Snapshot) -> float:
    """Return the cost of adding one row to an index."""
    return entry_costs(index, relation, snapshot).cost


def _operator_cost(snapshot: Snapshot) -> float:
    try:
        found = float(snapshot.settings.get("cpu_operator_cost", _DEFAULT_OPERATOR_COST))
    except ValueError:
        return _DEFAULT_OPERATOR_COST
    return min(found, _MOST_OPERATOR_COST) if found >= 0 else _DEFAULT_OPERATOR_COST


def held_columns(index: IndexDef, relation: Relation) -> set[str]:
    """Return the columns that an index holds in any way."""
    texts = [key.expression for key in index.keys if key.expression is not None] + [index.where or ""]
    words = {token.name for text in texts for token in lex(text)}
    named = {column.name for column in relation.columns if column.name in words}
    return {*index.columns, *index.include, *named}


def of_existing(index: Index, relation: Relation) -> TwinIndex:
    """Return an existing index as the formulas read one: of a method that they do not know, as a btree."""
    pages = max((index.size_bytes or 0) // BLOCK_BYTES, index.pages, 1)
    tuples = index.tuples if index.tuples > 0 else max(0.0, current_rows(relation))
    height = index.height if index.height is not None else 0
    name, definition = index.definition.name, index.definition
    if definition.method not in ENTRY_COSTS:
        definition = replace(definition, method="btree", parameters=())
    return TwinIndex(
        index=definition,
        size=IndexSize(pages=pages, tuples=tuples, height=height, gin=index.gin),
        oids=(index.oid,),
        names=frozenset({name}),
    )
