"""Predict the size and height of an index that does not exist yet, from the statistics of its table.

btree follows nbtsort.c: sorted insertion fills leaves to the fill factor, equal keys share posting lists
(nbtdedup.c) when the index is neither unique nor covering. The others are formulas over what their pages hold.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from analyzer.documents.snapshot import ColumnStatistics, GinPages, Relation, Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.access_methods import is_on, number_of
from analyzer.postgres.pages import BLOCK_BYTES, LINE_POINTER_BYTES, PAGE_HEADER_BYTES, ROW_POINTER_BYTES
from analyzer.twin.predict.distinct_combinations import combinations
from analyzer.twin.predict.gin_pages import gin_shape
from analyzer.twin.predict.key_statistics import (
    TUPLE_HEADER,
    KeyFacts,
    Shares,
    align,
    current_rows,
    entry_bytes,
    key_facts,
    named_columns,
    occurring,
    within,
)

#: Page header and special space of btree, GIN, GiST and hash pages, rounded.
_PAGE_OVERHEAD = 40
#: BloomPageOpaqueData: the special space of bloom's pages.
_BLOOM_OPAQUE = 8
#: BTMaxItemSize during a build is smaller still: a posting list may take a tenth of a page.
_POSTING_BYTES = BLOCK_BYTES // 10
#: Text of which SP-GiST's radix tree keeps a few characters in its inner tuples.
_CUT_TEXT = 16
#: Duplicates of a key from which their spread no longer matters.
_MANY_DUPLICATES = 20
#: Duplicates of a combination below which two rows hardly ever share one.
_FEW_DUPLICATES = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSize:
    """The predicted size of an index."""

    pages: int
    #: Entries, which for a partial index are fewer than the table's rows.
    tuples: float
    #: Levels above the leaves; 0 for methods that have none.
    height: int = 0
    #: GIN only: what its metapage would tell the planner.
    gin: GinPages | None = None

    @property
    def bytes(self) -> int:
        """Return the size in bytes."""
        return self.pages * BLOCK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Indexed:
    """What the formulas read: the definition and the facts about the rows it would hold."""

    index: IndexDef
    relation: Relation
    statistics: Mapping[str, ColumnStatistics]
    keys: tuple[KeyFacts, ...]
    included: tuple[KeyFacts, ...]
    tuples: float
    #: Combinations of the first key, the first two and so on; btree only.
    combinations: tuple[Shares, ...]

    def number(self, parameter: str) -> float:
        """Return a storage parameter, or its default."""
        return number_of(self.index.method, self.index.parameters, parameter)

    def is_on(self, parameter: str) -> bool:
        """Say whether a boolean parameter that is on by default is on."""
        return is_on(dict(self.index.parameters).get(parameter, "on"))

    @property
    def present(self) -> float:
        """Entries whose first key has a value."""
        return self.tuples * (1 - self.keys[0].null_fraction)


def predict_size(index: IndexDef, snapshot: Snapshot, *, selectivity: float = 1.0) -> IndexSize:
    """Predict pages, entries and height; `selectivity` is the share of rows that a partial index holds, 0 to 1."""
    relation = snapshot.relation(index.schema, index.table)
    if relation is None:
        return IndexSize(pages=1, tuples=0)
    rows = current_rows(relation)
    tuples = round(rows * selectivity)
    statistics = {row.column: row for row in snapshot.statistics_by_relation.get(index.full_table, ())}
    facts = tuple(key_facts(key, relation, statistics, rows) for key in index.keys)
    keys = tuple(within(fact, key, index.where, rows, tuples) for key, fact in zip(index.keys, facts, strict=True))
    table = _Indexed(
        index=index,
        relation=relation,
        statistics=statistics,
        keys=keys,
        included=tuple(key_facts(Key(column=name), relation, statistics, rows) for name in index.include),
        tuples=tuples,
        combinations=combinations(index, keys, snapshot, rows, tuples) if index.method == "btree" else (),
    )
    return SIZES[index.method](table)


def _flat(formula: Callable[[_Indexed], float]) -> Callable[[_Indexed], IndexSize]:
    """Make a size of pages alone: of a method of which the planner reads no more than that."""

    def size(table: _Indexed) -> IndexSize:
        return IndexSize(pages=max(2, math.ceil(formula(table))), tuples=table.tuples)

    return size


def _btree(table: _Indexed) -> IndexSize:
    entry = entry_bytes(table.keys + table.included)
    usable = (BLOCK_BYTES - _PAGE_OVERHEAD) * table.number("fillfactor") / 100
    deduplicated = (
        not table.index.unique
        and not table.included
        and table.is_on("deduplicate_items")
        and all(fact.equal_image for fact in table.keys)
    )
    tuples = table.tuples
    if deduplicated:
        total, items = _deduplicated(table.keys, tuples, table.combinations[-1])
    else:
        total, items = tuples * (entry + LINE_POINTER_BYTES), tuples
    # The high key of every leaf but the rightmost is one more entry.
    leaves = 1 if total <= usable else math.ceil(total / (usable - entry - LINE_POINTER_BYTES))
    levels = _internal_levels(leaves, _downlink_bytes(table, items))
    return IndexSize(pages=1 + leaves + sum(levels), tuples=tuples, height=len(levels))


def _deduplicated(keys: tuple[KeyFacts, ...], tuples: float, combinations: Shares) -> tuple[float, float]:
    """Return bytes and number of the items that are left when equal keys are gathered in posting lists.

    The NULLs of a single column are one such key.
    """
    if not tuples:
        return 0.0, 0.0
    nulls = round(tuples * keys[0].null_fraction) if len(keys) == 1 else 0
    entry = entry_bytes(tuple(replace(key, null_fraction=0.0) for key in keys) if nulls else keys)
    size, items = _posting(TUPLE_HEADER + 8, nulls) if nulls else (0.0, 0.0)
    for share, count in combinations:
        each_size, each_items = _group(entry, share * (tuples - nulls), spread=len(keys) > 1)
        size += count * each_size
        items += count * each_items
    return size, items


def _downlink_bytes(table: _Indexed, items: float) -> float:
    """Average downlink: as many columns as tell two neighbours of so many items apart, and between equal ones the
    heap pointer (_bt_truncate() in nbtutils.c)."""
    size, told = 0.0, 0.0
    for count, shares in enumerate(table.combinations, 1):
        first = table.keys[:count]
        # Of a single column all values occur; of several, perhaps not all combinations.
        different = occurring(shares, table.tuples) if count > 1 else first[0].distinct + (first[0].null_fraction > 0)
        now = min(1.0, different / items) if items else 1.0
        size += max(0.0, now - told) * entry_bytes(first)
        told = max(told, now)
    return size + (1 - told) * (entry_bytes(table.keys) + 8)


def _internal_levels(leaves: int, downlink_bytes: float) -> tuple[int, ...]:
    """Count the pages of each level above the leaves; internal pages are 70 % full (BTREE_NONLEAF_FILLFACTOR)."""
    fanout = max(2.0, (BLOCK_BYTES - _PAGE_OVERHEAD) * 0.7 / (downlink_bytes + LINE_POINTER_BYTES))
    levels: list[int] = []
    while (levels[-1] if levels else leaves) > 1:
        levels.append(math.ceil((levels[-1] if levels else leaves) / fanout))
    return tuple(levels)


def _group(entry: float, duplicates: float, *, spread: bool) -> tuple[float, float]:
    """Return bytes and items of one key with that many equal entries on average.

    `spread`: rows fall on keys at random, so that a key has a Poisson-distributed number of them, perhaps none.
    """
    if not spread or duplicates >= _MANY_DUPLICATES:
        fewer = math.floor(duplicates)
        some, more = _posting(entry, fewer), _posting(entry, fewer + 1)
        share = duplicates - fewer
        return (1 - share) * some[0] + share * more[0], (1 - share) * some[1] + share * more[1]
    if duplicates < _FEW_DUPLICATES:
        return duplicates * (entry + LINE_POINTER_BYTES), duplicates
    size, items, chance = 0.0, 0.0, math.exp(-duplicates)
    for count in range(1, 3 * _MANY_DUPLICATES):
        chance *= duplicates / count
        bytes_of, items_of = _posting(entry, count)
        size += chance * bytes_of
        items += chance * items_of
    return size, items


def _posting(entry: float, duplicates: int) -> tuple[float, float]:
    """Return bytes and items of one key with that many duplicates: full posting lists and a rest."""
    most = max(1, int((_POSTING_BYTES - entry) // ROW_POINTER_BYTES))
    full, rest = divmod(duplicates, most)
    size = full * (align(entry + most * ROW_POINTER_BYTES, 8) + LINE_POINTER_BYTES)
    if rest:
        size += (align(entry + rest * ROW_POINTER_BYTES, 8) if rest > 1 else entry) + LINE_POINTER_BYTES
    return size, full + (rest > 0)


def _hash(table: _Indexed) -> float:
    """Buckets for the fill factor, rounded up as _hash_spareindex() does, and the overflow pages of the fullest."""
    wanted = max(
        2.0,
        table.tuples / ((BLOCK_BYTES * table.number("fillfactor") / 100) // (16 + LINE_POINTER_BYTES)),
    )
    doubled = 2 ** math.ceil(math.log2(wanted))
    # From 1024 buckets on they grow in quarters of a doubling.
    buckets = doubled if doubled <= 512 else doubled / 2 * (1 + math.ceil((wanted / (doubled / 2) - 1) * 4) / 4)
    capacity = (BLOCK_BYTES - _PAGE_OVERHEAD) // (16 + LINE_POINTER_BYTES)
    keys = max(1.0, table.keys[0].distinct / buckets)
    each = table.tuples / buckets / keys
    # All rows of a value fall into one bucket; how many values do is Poisson-distributed, here as a normal one.
    overflow = sum(
        0.5 * math.erfc((capacity * page / each - keys) / math.sqrt(2 * keys)) for page in range(1, 40)
    ) if each else 0.0  # fmt: skip
    return 2 + buckets * (1 + overflow)


def _tree(table: _Indexed) -> float:
    """GiST and SP-GiST split pages in halves of which about seven tenths stay filled."""
    if table.index.method == "spgist":
        # SpGistLeafTupleData is longer than an index tuple; of text, what its inner tuples say is cut off.
        cut = 8 if table.keys[0].alignment == 1 and table.keys[0].width > _CUT_TEXT else 0
        entry = 16 + align(table.keys[0].width - cut, 8)
    else:
        entry = TUPLE_HEADER + align(sum(_gist_width(key, fact, table.relation) for key, fact in _paired(table)), 8)
    present = table.present if table.index.method == "spgist" else table.tuples
    return present * (entry + LINE_POINTER_BYTES) / ((BLOCK_BYTES - _PAGE_OVERHEAD) * 0.7) + 1


def _paired(table: _Indexed) -> tuple[tuple[Key, KeyFacts], ...]:
    return tuple(zip(table.index.keys, table.keys, strict=True))


def _gist_width(key: Key, fact: KeyFacts, relation: Relation) -> float:
    """Estimate the width of what a GiST leaf stores instead of a value."""
    column = relation.column(key.column or "")
    if "trgm" in (key.opclass or ""):
        return 5 + 3 * fact.width  # An array of 3-byte trigrams, one more than characters.
    if column is not None and column.type in {"point", "box", "circle", "polygon"}:
        return 32  # A box.
    return fact.width * (1 - fact.null_fraction)


def _brin(table: _Indexed) -> float:
    per_range = table.number("pages_per_range")
    ranges = (table.relation.size_bytes or 0) / BLOCK_BYTES / per_range
    entry = 12 + 2 * sum(fact.width for fact in table.keys) + LINE_POINTER_BYTES
    return 1 + math.ceil(ranges / 1360) + math.ceil(ranges * entry / (BLOCK_BYTES - _PAGE_OVERHEAD))


def _gin(table: _Indexed) -> IndexSize:
    """The entry tree and the posting trees of every key."""
    heap_pages = (table.relation.size_bytes or 0) / BLOCK_BYTES
    entries = entry_pages = data_pages = 0.0
    for key, fact in _paired(table):
        columns = [key.column] if key.column is not None else named_columns(key.expression or "", table.relation)
        statistics = [table.statistics[column] for column in columns if column in table.statistics]
        shape = gin_shape(
            key, statistics, width=fact.width, distinct=fact.distinct,
            rows=table.tuples * (1 - fact.null_fraction), heap_pages=heap_pages,
        )  # fmt: skip
        entries += shape.entries
        entry_pages += shape.entry_pages
        data_pages += shape.data_pages
    counted = GinPages(
        pending_pages=0,
        entry_pages=max(1, math.ceil(entry_pages)),
        data_pages=math.ceil(data_pages),
        entries=max(1, round(entries)),
    )
    pages = 1 + counted.entry_pages + counted.data_pages
    return IndexSize(pages=pages, tuples=table.tuples, gin=counted)


def _vector_bytes(table: _Indexed) -> int:
    """Return the size of one vector, from the declared dimension."""
    column = table.relation.column(table.index.keys[0].column or "")
    declared = column.type if column else ""
    dimension = int("".join(c for c in declared if c.isdigit()) or 1)
    return 8 + dimension * (2 if "halfvec" in declared else 4)


def _ivfflat(table: _Indexed) -> float:
    entry = align(8 + _vector_bytes(table), 8) + LINE_POINTER_BYTES
    per_page = max(1, (BLOCK_BYTES - _PAGE_OVERHEAD) // entry)
    lists = table.number("lists")
    # Every list ends in a page that is half empty on average, and has its centre on the list pages.
    return 1 + table.present / per_page + lists / per_page + (lists / 2 if per_page > 1 else 0)


def _hnsw(table: _Indexed) -> float:
    m = table.number("m")
    element = align(72 + _vector_bytes(table), 8) + LINE_POINTER_BYTES
    # Twice m neighbours on the ground level, m on each of the 1/(m-1) levels above.
    neighbours = align(4 + ROW_POINTER_BYTES * m * (2 + 1 / (m - 1)), 8) + LINE_POINTER_BYTES
    per_page = max(1, (BLOCK_BYTES - _PAGE_OVERHEAD) // (element + neighbours))
    return 1 + table.present / per_page


def _bloom(table: _Indexed) -> float:
    """One signature a row, in words of 16 bits, behind its heap pointer: rows lie one after another (bloom.h)."""
    entry = ROW_POINTER_BYTES + align(table.number("length"), 16) / 8
    per_page = (BLOCK_BYTES - PAGE_HEADER_BYTES - _BLOOM_OPAQUE) // entry
    return 1 + math.ceil(table.tuples / per_page)


#: The size of an index, by access method.
SIZES: Mapping[str, Callable[[_Indexed], IndexSize]] = {
    "btree": _btree,
    "gin": _gin,
    "hash": _flat(_hash),
    "gist": _flat(_tree),
    "spgist": _flat(_tree),
    "brin": _flat(_brin),
    "bloom": _flat(_bloom),
    "ivfflat": _flat(_ivfflat),
    "hnsw": _flat(_hnsw),
}
