"""The number of distinct combinations of columns, and the rows of each.

Known from a sample of the rows or from extended statistics, bounded by what constraints prove; else the columns are
taken to be independent, as the planner takes them, with at least as many combinations as one column has values.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from analyzer.documents.snapshot import Relation, Sample, Snapshot
from analyzer.objects.index import IndexDef
from analyzer.twin.predict.key_statistics import KeyFacts, Shares, binned, combined, current_rows, occurring

#: Times a combination must come up in a sample to be counted for itself.
_OFTEN = 3
#: Repetitions that chance does not explain, in standard deviations.
_SURE = 3
#: Rows on each of the combinations that are different in all rows: so few that no two meet by chance.
_NEVER_TWICE = 1e-6
#: Steps in which the number of combinations is narrowed down.
_HALVINGS = 40


def combinations(
    index: IndexDef, keys: Sequence[KeyFacts], snapshot: Snapshot, rows: float, tuples: float
) -> tuple[Shares, ...]:
    """Return the combinations of the first key, of the first two and so on; `tuples` of the rows are in the index."""
    columns = index.columns
    found = [combined(tuple(keys[:1]))]
    for count in range(2, len(keys) + 1):
        independent = combined(tuple(keys[:count]))
        plain = len(columns) == len(keys) and index.where is None and rows >= 1
        known = _known(index, columns[:count], snapshot, keys[:count], rows) if plain else None
        found.append(known or _at_least(independent, max(key.distinct for key in keys[:count]), tuples))
    return tuple(found)


def _known(
    index: IndexDef, columns: tuple[str, ...], snapshot: Snapshot, keys: Sequence[KeyFacts], rows: float
) -> Shares | None:
    table, independent = index.full_table, combined(tuple(keys))
    relation = snapshot.relation(*table)
    if relation is not None and _is_unique(relation, columns):
        return ((_NEVER_TWICE / rows, rows / _NEVER_TWICE),)
    sample = next((each for each in snapshot.samples if (each.schema_name, each.table) == table), None)
    if sample is not None and set(columns) <= set(sample.columns) - set(sample.incomplete) and sample.lines:
        return _in_sample(sample, columns, rows, independent)
    if (distinct := _distinct(table, columns, snapshot)) is not None:
        return _with_occurring(independent, distinct, rows)
    facts = dict(zip(columns, keys, strict=True))
    if relation is not None and (possible := _referenced(relation, facts, snapshot)) is not None:
        return _fewer(independent, sum(count for _, count in independent) / possible)
    return None


def _is_unique(relation: Relation, columns: Sequence[str]) -> bool:
    """Say whether a constraint keeps any two rows different there; NULLs are as good as different to it."""
    required = {column.name for column in relation.columns if column.not_null} & set(columns)
    return any(each.kind in "pu" and required.issuperset(each.columns) for each in relation.constraints)


def _referenced(relation: Relation, facts: Mapping[str, KeyFacts], snapshot: Snapshot) -> float | None:
    """Return how many combinations a foreign key of several of these columns leaves possible."""
    bounds: list[float] = []
    for each in relation.constraints:
        several = each.kind == "f" and each.validated and len(each.columns) > 1 and facts.keys() >= set(each.columns)
        other = snapshot.relation(each.referenced_schema or "", each.referenced_table or "") if several else None
        if other is None or other.tuples < 0 or any(facts[column].null_fraction for column in each.columns):
            continue
        free = [fact.distinct + (fact.null_fraction > 0) for name, fact in facts.items() if name not in each.columns]
        bounds.append(max(1.0, current_rows(other)) * math.prod(free))
    return min(bounds, default=None)


def _fewer(shares: Shares, times: float) -> Shares:
    """Put combinations together until there are that many times fewer, as far as they can be."""
    if times <= 1:
        return shares
    left = tuple((share, count, max(1.0, count / times)) for share, count in shares)
    return tuple((share * count / fewer, fewer) for share, count, fewer in left)


def _factor(most: float, is_too_small: Callable[[float], bool]) -> float:
    """Return the smallest factor from 1 to `most` that is not too small."""
    low, high = 0.0, math.log(most)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if is_too_small(math.exp(middle)):
            low = middle
        else:
            high = middle
    return math.exp(high)


def _with_occurring(shares: Shares, distinct: float, rows: float) -> Shares:
    """Put combinations together until as many of them as are known to occur do."""
    most = max(1.0, sum(count for _, count in shares))
    return _fewer(shares, _factor(most, lambda times: occurring(_fewer(shares, times), rows) > distinct))


def _at_least(shares: Shares, distinct: float, rows: float) -> Shares:
    """Divide combinations until as many of them occur as one of their columns has values: all, where it is unique."""
    if occurring(shares, rows) >= min(distinct, rows):
        return shares
    return _more(shares, _factor(1 / _NEVER_TWICE, lambda times: occurring(_more(shares, times), rows) < distinct))


def _more(shares: Shares, times: float) -> Shares:
    return tuple((share / times, count * times) for share, count in shares)


def _distinct(table: tuple[str, str], columns: Sequence[str], snapshot: Snapshot) -> float | None:
    """Look up extended statistics of exactly these columns."""
    for extended in snapshot.extended_statistics:
        if (extended.table_schema, extended.table) != table:
            continue
        for data in extended.data:
            for combination in data.distinct or ():
                named = [extended.columns[key] for key in combination.keys if key < len(extended.columns)]
                if len(named) == len(combination.keys) and set(named) == set(columns) and combination.distinct >= 1:
                    return combination.distinct
    return None


def _in_sample(sample: Sample, columns: tuple[str, ...], rows: float, independent: Shares) -> Shares:
    """Take the combinations that are frequent in the sample as they are, and estimate the number of the rare ones."""
    counts = _counts(sample.lines, tuple(sorted(sample.columns.index(column) for column in columns)))
    drawn = len(sample.lines)
    classes = [(count / drawn, float(number)) for count, number in counts.items() if count >= _OFTEN]
    once, twice = counts.get(1, 0), counts.get(2, 0)
    if once + twice:
        share = (once + 2 * twice) / drawn
        rare = tuple((each, count) for each, count in independent if each * drawn < _OFTEN)
        by_chance = sum(count * (each * drawn) ** 2 / 2 * math.exp(-each * drawn) for each, count in rare)
        if drawn < rows and twice <= by_chance + _SURE * (math.sqrt(by_chance) + 1):
            # Few repetitions make a poor estimate, and independent columns would have about as many.
            part = share / max(1e-9, sum(each * count for each, count in rare))
            classes += [(each * part, count) for each, count in rare]
        else:
            number = min(_unseen(once, twice, drawn / rows), rows * share)
            classes.append((share / number, number))
    return binned(classes)


def _unseen(once: int, twice: int, sampled: float) -> float:
    """Estimate how many combinations there are of which some came up once or twice.

    The larger of the estimates of Chao (1984) and of Haas and Stokes (1996), which both err to the low side.
    """
    seen, of_rows = once + twice, once + 2 * twice
    chao = seen + once * (once - 1) / (2 * (twice + 1))
    duj1 = of_rows * seen / (of_rows - once + once * min(1.0, sampled))
    return max(1.0, chao, duj1)


@lru_cache(maxsize=4096)
def _counts(lines: tuple[str, ...], places: tuple[int, ...]) -> Counter[int]:
    """Count how many combinations came up how often."""
    columns = _columns(lines)
    return Counter(Counter(zip(*(columns[place] for place in places), strict=True)).values())


@lru_cache(maxsize=64)
def _columns(lines: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Split the lines once, and number the values of each column: numbers are quicker to count than text."""
    numbered: list[tuple[int, ...]] = []
    for values in zip(*(line.split("\t") for line in lines), strict=True):
        numbers: dict[str, int] = {}
        numbered.append(tuple(numbers.setdefault(value, len(numbers)) for value in values))
    return tuple(numbered)
