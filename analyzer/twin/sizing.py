"""Predict the size and height of an index that does not exist yet, from the statistics of its table.

btree follows nbtsort.c: sorted insertion fills leaves to the fill factor, equal keys share posting lists
(nbtdedup.c) when the index is neither unique nor covering. The others are formulas over what their pages hold.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from analyzer.capture.snapshot import ColumnStatistics, Relation, Snapshot
from analyzer.index import IndexDef, Key
from analyzer.twin.files import BLOCK_BYTES

BLOCK = BLOCK_BYTES
_ITEM = 4
_TUPLE_HEADER = 8
#: Page header and special space of btree, GIN, GiST and hash pages, rounded.
_PAGE_OVERHEAD = 40
#: BTMaxItemSize during a build is smaller still: a posting list may take a tenth of a page.
_POSTING_BYTES = BLOCK // 10
_TID = 6
#: A heap pointer in a GIN posting list: delta-encoded in 1 to 6 bytes (ginpostinglist.c).
_POINTER = 2.6
#: Width of a column nobody analysed, as get_typavgwidth() guesses for variable-length types.
_UNKNOWN_WIDTH = 32

_FIXED_WIDTHS = {
    "boolean": (1, 1), "smallint": (2, 2), "integer": (4, 4), "date": (4, 4), "real": (4, 4), "oid": (4, 4),
    "bigint": (8, 8), "double precision": (8, 8), "timestamp without time zone": (8, 8),
    "timestamp with time zone": (8, 8), "time without time zone": (8, 8), "uuid": (16, 1), "interval": (16, 8),
}  # fmt: skip
#: Types whose btree operator class has no equalimage support function: 1.0 and 1.00 are equal and differ.
_NOT_EQUAL_IMAGE = ("numeric", "real", "double precision", "jsonb", "interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSize:
    """The predicted size of an index."""

    pages: int
    #: Entries, which for a partial index are fewer than the table's rows.
    tuples: float
    #: Levels above the leaves; 0 for methods that have none.
    height: int = 0

    @property
    def bytes(self) -> int:
        """Return the size in bytes."""
        return self.pages * BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeyFacts:
    width: float
    alignment: int
    distinct: float
    null_fraction: float
    #: Whether equal values are the same bytes; without it btree does not deduplicate.
    equal_image: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Indexed:
    """What the formulas read: the definition and the facts about the rows it would hold."""

    index: IndexDef
    relation: Relation
    statistics: Mapping[str, ColumnStatistics]
    keys: tuple[_KeyFacts, ...]
    included: tuple[_KeyFacts, ...]
    tuples: float

    def parameter(self, name: str, default: str) -> str:
        return dict(self.index.parameters).get(name, default)


def predict_size(index: IndexDef, snapshot: Snapshot, *, selectivity: float = 1.0) -> IndexSize:
    """Predict pages, entries and height; `selectivity` is the share of rows that a partial index holds, 0 to 1."""
    relation = snapshot.relation(index.schema, index.table)
    if relation is None:
        return IndexSize(pages=1, tuples=0)
    rows = current_rows(relation)
    tuples = round(rows * selectivity)
    statistics = {
        s.column: s for s in snapshot.statistics if (s.schema_name, s.relation) == (index.schema, index.table)
    }
    table = _Indexed(
        index=index,
        relation=relation,
        statistics=statistics,
        keys=tuple(_facts(key, relation, statistics, rows) for key in index.keys),
        included=tuple(_facts(Key(column=name), relation, statistics, rows) for name in index.include),
        tuples=tuples,
    )
    if index.method == "btree":
        return _btree(table)
    return IndexSize(pages=max(2, math.ceil(_PAGES[index.method](table))), tuples=tuples)


def current_rows(relation: Relation) -> float:
    """Estimate the rows as the planner does: the analysed density times the current pages."""
    pages = (relation.size_bytes or 0) / BLOCK
    if relation.tuples < 0:
        return 0.0
    return relation.tuples / relation.pages * pages if relation.pages else relation.tuples


def _facts(key: Key, relation: Relation, statistics: Mapping[str, ColumnStatistics], rows: float) -> _KeyFacts:
    name = key.column or wrapped_column(key.expression or "", relation)
    column = relation.column(name) if name else None
    row = statistics.get(name) if name else None
    fixed = _FIXED_WIDTHS.get(column.type) if column else None
    equal_image = column is None or not column.type.startswith(_NOT_EQUAL_IMAGE)
    if row is None:
        width, alignment = fixed or (_UNKNOWN_WIDTH, 4)
        distinct, null_fraction = max(1.0, rows / 10), 0.0
        return _KeyFacts(
            width=width, alignment=alignment, distinct=distinct, null_fraction=null_fraction, equal_image=equal_image
        )
    width, alignment = fixed or (row.average_width, 1 if row.average_width < 127 else 4)
    distinct = row.distinct if row.distinct >= 0 else -row.distinct * rows
    return _KeyFacts(
        width=width,
        alignment=alignment,
        distinct=max(1.0, distinct),
        null_fraction=row.null_fraction,
        equal_image=equal_image,
    )


def wrapped_column(expression: str, relation: Relation) -> str | None:
    """Return the text column that an expression such as lower(email) is as wide and as distinct as."""
    match = re.fullmatch(r"(?:lower|upper|btrim|reverse)\(\(?\"?(\w+)\"?\)?(?:::text)?\)", expression)
    column = relation.column(match[1]) if match else None
    return column.name if column is not None else None


def _align(size: float, alignment: int) -> float:
    return math.ceil(size / alignment) * alignment


def _entry_bytes(facts: tuple[_KeyFacts, ...]) -> float:
    """Average size of an index tuple, MAXALIGNed; NULLs take no room but bring a bitmap."""
    size = 0.0
    for fact in facts:
        size = _align(size, fact.alignment) + fact.width * (1 - fact.null_fraction)
    any_null = 1 - math.prod(1 - fact.null_fraction for fact in facts)
    return _TUPLE_HEADER + 8 * any_null + _align(size, 8)


def _btree(table: _Indexed) -> IndexSize:
    entry = _entry_bytes(table.keys + table.included)
    usable = (BLOCK - _PAGE_OVERHEAD) * float(table.parameter("fillfactor", "90")) / 100
    deduplicated = (
        not table.index.unique
        and not table.included
        and table.parameter("deduplicate_items", "on") == "on"
        and all(fact.equal_image for fact in table.keys)
    )
    tuples = table.tuples
    total = _deduplicated_bytes(table.keys, tuples) if deduplicated else tuples * (entry + _ITEM)
    # The high key of every leaf but the rightmost is one more entry.
    leaves = 1 if total <= usable else math.ceil(total / (usable - entry - _ITEM))
    levels = _internal_levels(leaves, _downlink_bytes(table.keys, tuples))
    return IndexSize(pages=1 + leaves + sum(levels), tuples=tuples, height=len(levels))


def _deduplicated_bytes(keys: tuple[_KeyFacts, ...], tuples: float) -> float:
    """Bytes of all entries with equal keys gathered in posting lists; the NULLs of a single column are one such key."""
    if not tuples:
        return 0.0
    nulls = round(tuples * keys[0].null_fraction) if len(keys) == 1 else 0
    if nulls:
        present = replace(keys[0], null_fraction=0.0)
        return _posting_bytes(_TUPLE_HEADER + 8, nulls) + _deduplicated_bytes((present,), tuples - nulls)
    groups = min(tuples, math.prod(key.distinct for key in keys))
    return groups * _group_bytes(_entry_bytes(keys), tuples / groups)


def _downlink_bytes(keys: tuple[_KeyFacts, ...], tuples: float) -> float:
    """Average downlink: as many columns as tell two neighbours apart, and between equal ones the heap pointer
    (_bt_truncate() in nbtutils.c)."""
    size, told, distinct = 0.0, 0.0, 1.0
    for count, key in enumerate(keys, 1):
        distinct *= key.distinct
        now = min(1.0, distinct / tuples) if tuples else 1.0
        size += max(0.0, now - told) * _entry_bytes(keys[:count])
        told = max(told, now)
    return size + (1 - told) * (_entry_bytes(keys) + 8)


def _internal_levels(leaves: int, downlink_bytes: float) -> tuple[int, ...]:
    """Count the pages of each level above the leaves; internal pages are 70 % full (BTREE_NONLEAF_FILLFACTOR)."""
    fanout = max(2.0, (BLOCK - _PAGE_OVERHEAD) * 0.7 / (downlink_bytes + _ITEM))
    levels: list[int] = []
    while (levels[-1] if levels else leaves) > 1:
        levels.append(math.ceil((levels[-1] if levels else leaves) / fanout))
    return tuple(levels)


def _group_bytes(entry: float, duplicates: float) -> float:
    """Bytes of one distinct key with that many equal entries on average."""
    fewer = math.floor(duplicates)
    share = duplicates - fewer
    return (1 - share) * _posting_bytes(entry, fewer) + share * _posting_bytes(entry, fewer + 1)


def _posting_bytes(entry: float, duplicates: int) -> float:
    """Bytes of one key with that many duplicates: full posting lists and a rest."""
    most = max(1, int((_POSTING_BYTES - entry) // _TID))
    full, rest = divmod(duplicates, most)
    size = full * (_align(entry + most * _TID, 8) + _ITEM)
    if rest:
        size += (_align(entry + rest * _TID, 8) if rest > 1 else entry) + _ITEM
    return size


def _hash(table: _Indexed) -> float:
    fill = float(table.parameter("fillfactor", "75")) / 100
    # Buckets double, so on average some of the room is spare.
    return table.tuples * (16 + _ITEM) / ((BLOCK - _PAGE_OVERHEAD) * fill) * 1.15 + 4


def _tree(table: _Indexed) -> float:
    """GiST and SP-GiST split pages in halves of which about seven tenths stay filled."""
    return table.tuples * (_entry_bytes(table.keys) + _ITEM) / ((BLOCK - _PAGE_OVERHEAD) * 0.7) + 1


def _brin(table: _Indexed) -> float:
    per_range = int(table.parameter("pages_per_range", "128"))
    ranges = (table.relation.size_bytes or 0) / BLOCK / per_range
    entry = 12 + 2 * sum(fact.width for fact in table.keys) + _ITEM
    return 1 + math.ceil(ranges / 1360) + math.ceil(ranges * entry / (BLOCK - _PAGE_OVERHEAD))


def _gin(table: _Indexed) -> float:
    """Posting lists of compressed heap pointers, plus the entry tree of distinct elements."""
    total = 0.0
    for key, fact in zip(table.index.keys, table.keys, strict=True):
        present = table.tuples * (1 - fact.null_fraction)
        elements, distinct, width = _elements(key, fact, table.statistics.get(key.column or ""), present)
        total += present * elements * _POINTER + min(distinct, present * elements) * (_TUPLE_HEADER + width + 8)
    return 1 + total / (BLOCK - _PAGE_OVERHEAD) / 0.9


def _elements(key: Key, fact: _KeyFacts, row: ColumnStatistics | None, present: float) -> tuple[float, float, float]:
    """Estimate elements per row, distinct elements and their width."""
    opclass = key.opclass or ""
    if "trgm" in opclass:
        # Distinct trigrams of natural text grow with about the square root of its length (Heaps' law).
        return fact.width + 2, 10 * math.sqrt(present * (fact.width + 2)), 4
    if row is not None and row.element_count_histogram:
        average = row.element_count_histogram[-1]
        distinct = len(row.most_common_element_frequencies or ()) * 3
        return average, max(distinct, 10), max(4.0, fact.width / max(average, 1))
    per_element = 24 if "path" in opclass else 12
    return max(1.0, fact.width / per_element), fact.distinct, 4 if "path" in opclass else 12


def _vector_bytes(table: _Indexed) -> int:
    """Return the size of one vector, from the declared dimension."""
    column = table.relation.column(table.index.keys[0].column or "")
    declared = column.type if column else ""
    dimension = int("".join(c for c in declared if c.isdigit()) or 1)
    return 8 + dimension * (2 if "halfvec" in declared else 4)


def _ivfflat(table: _Indexed) -> float:
    entry = _align(8 + _vector_bytes(table), 8) + _ITEM
    per_page = max(1, (BLOCK - _PAGE_OVERHEAD) // entry)
    lists = int(table.parameter("lists", "100"))
    present = table.tuples * (1 - table.keys[0].null_fraction)
    # Every list ends in a page that is half empty on average, and has its centre on the list pages.
    return 1 + present / per_page + lists / per_page + (lists / 2 if per_page > 1 else 0)


def _hnsw(table: _Indexed) -> float:
    m = int(table.parameter("m", "16"))
    element = _align(72 + _vector_bytes(table), 8) + _ITEM
    # Twice m neighbours on the ground level, m on each of the 1/(m-1) levels above.
    neighbours = _align(4 + _TID * m * (2 + 1 / (m - 1)), 8) + _ITEM
    per_page = max(1, (BLOCK - _PAGE_OVERHEAD) // (element + neighbours))
    return 1 + table.tuples * (1 - table.keys[0].null_fraction) / per_page


_PAGES: Mapping[str, Callable[[_Indexed], float]] = {
    "hash": _hash,
    "gist": _tree,
    "spgist": _tree,
    "brin": _brin,
    "gin": _gin,
    "ivfflat": _ivfflat,
    "hnsw": _hnsw,
}
