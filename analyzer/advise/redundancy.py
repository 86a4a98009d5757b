"""Which of a set of indexes make others of it unnecessary."""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence

from analyzer.advise.sameness import covers
from analyzer.postgres.identifiers import QualifiedName
from analyzer.twin.twin import TwinIndex


def is_redundant(index: TwinIndex, chosen: Iterable[TwinIndex]) -> bool:
    """Say whether one of a set makes an index unnecessary."""
    return any(_serves(other, index) for other in chosen)


def rival(index: TwinIndex, chosen: Iterable[TwinIndex]) -> TwinIndex | None:
    """Return one of a set that an index makes unnecessary, or that makes it unnecessary: only one may be chosen."""
    return next((other for other in chosen if _serves(other, index) or _serves(index, other)), None)


def redundant_pairs(indexes: Sequence[TwinIndex]) -> Iterator[tuple[TwinIndex, TwinIndex]]:
    """Yield pairs of which the second one makes the first one unnecessary."""
    for alike in by_table(indexes).values():
        yield from ((one, other) for one, other in itertools.permutations(alike, 2) if _serves(other, one))


def by_table(indexes: Iterable[TwinIndex]) -> dict[QualifiedName, list[TwinIndex]]:
    """Group indexes by their tables."""
    found: dict[QualifiedName, list[TwinIndex]] = {}
    for index in indexes:
        found.setdefault(index.index.full_table, []).append(index)
    return found


def _serves(other: TwinIndex, index: TwinIndex) -> bool:
    """Say whether another choice makes an index unnecessary: it holds the same, or begins with it."""
    return other.index.full_table == index.index.full_table and _covers(other.index, index.index)


#: The search asks about the same pairs again and again.
_covers = functools.lru_cache(maxsize=1 << 16)(covers)
