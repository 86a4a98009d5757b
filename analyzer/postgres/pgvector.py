"""pgvector: its limits, its advice and the memory of its builds.

Lists and rows per list are from its README, memory of hnsw was measured on 0.6.2 (within 1 %; the same structures
since), memory of k-means is from ivfkmeans.c, limits are from its C files.
"""

import math
from typing import Final

EXTENSION: Final = "vector"
#: Dimensions that an index takes, by type.
MOST_DIMENSIONS: Final = {"vector": 2000, "halfvec": 4000, "bit": 64_000}
#: Bytes of one dimension, by type.
DIMENSION_BYTES: Final = {"vector": 4.0, "halfvec": 2.0, "bit": 1 / 8}

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


def hnsw_bytes(rows: float, *, key_type: str, dimensions: int, m: int | None) -> float:
    """Return the memory in which hnsw holds the whole graph during a build; past it the build is many times slower."""
    return rows * (DIMENSION_BYTES.get(key_type, 4.0) * dimensions + 8 + 32 * (m or DEFAULT_M) + 200)


def kmeans_bytes(rows: float, *, dimensions: int, lists: int) -> float:
    """Return the memory without which ivfflat's k-means fails."""
    samples = min(max(_FEWEST_SAMPLES, ROWS_PER_LIST * lists), rows)
    return samples * 4 * lists + samples * (4 * dimensions + 8) + 4 * lists**2
