"""pgvector: its limits, its advice and the memory of its builds.

Lists and rows per list are from its README, memory of hnsw was measured on 0.6.2 (within 1 %; the same structures
since), memory of k-means is from ElkanKmeans() in ivfkmeans.c (within 2 kB, as a test finds), limits are from its C
files.
"""

import math
from typing import Final

EXTENSION: Final = "vector"
#: Dimensions that an index takes, by type.
MOST_DIMENSIONS: Final = {"vector": 2000, "halfvec": 4000, "bit": 64_000}
#: Bytes of one dimension, by type.
DIMENSION_BYTES: Final = {"vector": 4.0, "halfvec": 2.0, "bit": 1 / 8}

#: Elements other than zero that an index takes of a sparsevec, and bytes of each.
_MOST_ELEMENTS: Final = 1000
_ELEMENT_BYTES: Final = 8
#: Header of a value of any of the types.
_HEADER_BYTES: Final = 8
_ALIGNMENT: Final = 8

#: Rows that the k-means of ivfflat samples for each list.
ROWS_PER_LIST: Final = 50
DEFAULT_LISTS: Final = 100
FEWEST_LISTS: Final = 10
MOST_LISTS: Final = 32_768
#: Rows from which the advised number of lists is their square root.
_MANY_ROWS: Final = 1_000_000
_FEWEST_SAMPLES: Final = 10_000

DEFAULT_M: Final = 16
DEFAULT_EF_CONSTRUCTION: Final = 64
#: Below it, a parallel build of hnsw can write past its buffer.
SAFE_PARALLEL_HNSW: Final = (0, 8, 2)


def advised_lists(rows: float | None) -> int:
    """Choose ivfflat's lists as the README does: rows / 1000, above a million the square root, at least 10."""
    count = max(rows or 0, 0)
    advised = round(math.sqrt(count) if count > _MANY_ROWS else count / 1000)
    return min(MOST_LISTS, max(FEWEST_LISTS, advised))


def fewest_rows(lists: int | None) -> int:
    """Return the rows that ivfflat's lists are learned well from; None is the default number of lists."""
    return ROWS_PER_LIST * (lists or DEFAULT_LISTS)


def _data_bytes(key_type: str, dimensions: int) -> float:
    """Return the bytes of a value without its header; of a sparsevec at most so many, as its elements are not known."""
    if key_type == "sparsevec":
        return _ELEMENT_BYTES * min(dimensions, _MOST_ELEMENTS)
    return DIMENSION_BYTES.get(key_type, 4.0) * dimensions


def hnsw_bytes(rows: float, *, key_type: str, dimensions: int, m: int | None) -> float:
    """Return the memory in which hnsw holds the whole graph during a build; past it the build is many times slower.

    Each row takes its value, 32 bytes for each of `m` neighbours and about 200 bytes for the element. Past
    maintenance_work_mem, hnswbuild.c writes the graph to disk ("hnsw graph no longer fits into maintenance_work_mem")
    and inserts the other rows into it one by one.
    """
    return rows * (_data_bytes(key_type, dimensions) + _HEADER_BYTES + 32 * (m or DEFAULT_M) + 200)


def kmeans_bytes(rows: float, *, key_type: str, dimensions: int, lists: int) -> float:
    """Return the memory without which ivfflat's k-means fails.

    ElkanKmeans() in ivfkmeans.c adds up what it allocates, and raises "memory required is … MB, maintenance_work_mem
    is … MB" where that is more: room for 50 samples a list, at least 10,000, whatever the number of rows; the old and
    the new centers, and their sums; a lower bound for each sample and center; half the distance of each two centers.
    """
    room = max(_FEWEST_SAMPLES, ROWS_PER_LIST * lists)
    samples = min(room, rows)
    value = _HEADER_BYTES + math.ceil(_data_bytes(key_type, dimensions) / _ALIGNMENT) * _ALIGNMENT
    centers = lists * (2 * value + 4 * dimensions + 12)
    return room * value + centers + 4 * samples * lists + 8 * samples + 4 * lists**2
