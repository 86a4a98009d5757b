"""Predict the pages of a GIN index from the elements of the values in the statistics.

Most common elements where there are some; else the values of the histogram, which are as many rows drawn evenly.
"""

import contextlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from analyzer.documents.snapshot import ColumnStatistics
from analyzer.objects.index import Key
from analyzer.postgres.arrays import parse_array
from analyzer.postgres.pages import BLOCK_BYTES, MOST_GIN_BYTES

_USABLE = BLOCK_BYTES - 40
#: Sorted insertion splits a page of the entry tree in halves and goes on in the right one (ginentrypage.c).
_ENTRY_FILL = 0.55
#: Header and line pointer of an entry, and the length of its posting list.
_ENTRY_BYTES = 14
#: Every 256 bytes of pointers begin with 8 that are not delta-encoded (ginpostinglist.c).
_SEGMENT_SHARE = 1 + 8 / 256
_PATH_HASH_BYTES = 4
#: Between the keys of a path; PostgreSQL's text cannot hold it.
_SEPARATOR = "\0"
#: What a tsvector stores beside a lexeme: its entry, and one position.
_LEXEME_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """The elements of a column by frequency."""

    #: Share of rows that have one such element, and how many such elements there are.
    classes: tuple[tuple[float, float], ...]
    #: Average width of an element as a key.
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GinShape:
    """What a GIN index is made of."""

    entries: float
    entry_pages: float
    data_pages: float


def gin_shape(
    key: Key,
    statistics: Sequence[ColumnStatistics],
    *,
    width: float,
    distinct: float,
    rows: float,
    heap_pages: float,
) -> GinShape:
    """Predict one key's entries and the pages of their posting trees; `rows` are those that have a value.

    `statistics` are of the column, or of the columns that an expression reads.
    """
    elements = _elements(key, statistics, width=width, distinct=distinct, rows=rows)
    entries, lists, trees = 0.0, 0.0, 0.0
    for frequency, count in elements.classes:
        held = frequency * rows
        if held * count < 1:
            continue
        size = max(1.0, held) * _pointer_bytes(heap_pages / max(1.0, held)) * _SEGMENT_SHARE + 8
        if size > MOST_GIN_BYTES:
            leaves = math.ceil(size / _USABLE)
            trees += count * (leaves + (leaves > 1))
            size = 0.0
        entries += count
        lists += count * (math.ceil((size + elements.width) / 8) * 8 + _ENTRY_BYTES)
    return GinShape(entries=entries, entry_pages=lists / _USABLE / _ENTRY_FILL, data_pages=trees)


def elements_per_row(
    key: Key, statistics: Sequence[ColumnStatistics], *, width: float, distinct: float, rows: float
) -> float:
    """Predict how many elements of a key a row has."""
    elements = _elements(key, statistics, width=width, distinct=distinct, rows=rows)
    return sum(frequency * count for frequency, count in elements.classes)


def _pointer_bytes(pages_apart: float) -> float:
    """Average bytes of a pointer to a row, as its distance from the one before: 7 bits in each, 11 for the offset."""
    longer = (math.exp(-limit / pages_apart) for limit in (8, 1024, 131_072)) if pages_apart else ()
    return 1 + min(1.0, pages_apart) + sum(longer)


def _elements(
    key: Key, statistics: Sequence[ColumnStatistics], *, width: float, distinct: float, rows: float
) -> Elements:
    opclass = key.opclass or ""
    shown = _shown(statistics)
    # Shown are different values, which say nothing of how often each occurs.
    different = min(rows, distinct) if key.column is not None else rows
    if key.column is None and "to_tsvector" in (key.expression or "") and shown:
        return _from_rows([{"": set(re.findall(r"\w+", value.lower()))} for value in shown], different, None)
    if shown and "trgm" in opclass:
        return _from_rows([{"": _trigrams(value)} for value in shown], different, 4)
    row = statistics[0] if statistics and key.column is not None else None
    if row is not None and row.most_common_elements is not None and row.most_common_element_frequencies:
        return _from_common(row, width)
    if row is not None and shown and shown[0][:1] in {"{", "["}:
        if documents := _documents(shown):
            return _from_documents(documents, different, hashed="path" in opclass)
        # Of arrays whose elements are all rare, or have no hash function, ANALYZE keeps no common elements.
        return _from_rows([{"": set(parse_array(value))} for value in shown], different, None)
    return _guessed(key, row, width=width, distinct=distinct)


def _guessed(key: Key, row: ColumnStatistics | None, *, width: float, distinct: float) -> Elements:
    opclass = key.opclass or ""
    if "trgm" in opclass:
        # Distinct trigrams of natural text: a few thousand.
        return Elements(classes=(((width + 2) / 3000, 3000.0),), width=4)
    if row is not None and not re.search("json|array|tsvector", opclass):
        return Elements(classes=((1 / distinct, distinct),), width=width)
    each = max(1.0, width / 12)
    return Elements(classes=((each / max(each, distinct), max(each, distinct)),), width=12)


def _shown(statistics: Sequence[ColumnStatistics]) -> tuple[str, ...]:
    """Return the values that statistics show; of several columns they are put together, as an expression may do."""
    columns = [parse_array(s.most_common_values or "{}") + parse_array(s.histogram_bounds or "{}") for s in statistics]
    if len(columns) == 1:
        return columns[0]
    return tuple(" ".join(values) for values in itertools.zip_longest(*columns, fillvalue=""))


def _documents(shown: Sequence[str]) -> list[dict[str, set[str]]]:
    """Read values as JSON documents; none where most are something else, as arrays are."""
    documents: list[dict[str, set[str]]] = []
    for value in shown:
        with contextlib.suppress(ValueError, RecursionError):
            documents.append(_grouped(_paths(json.loads(value), ())))
    return documents if 2 * len(documents) > len(shown) else []


def _from_documents(documents: list[dict[str, set[str]]], different: float, *, hashed: bool) -> Elements:
    """Count what jsonb_path_ops, or jsonb_ops, finds in some JSON documents."""
    if hashed:
        return _from_rows(documents, different, _PATH_HASH_BYTES)
    names = [{n: {n} for path in document for n in path.split(_SEPARATOR) if n} for document in documents]
    values = _from_rows(documents, different, None)
    return Elements(classes=values.classes + _from_rows(names, different, None).classes, width=values.width)


def _from_common(row: ColumnStatistics, width: float) -> Elements:
    """Read the statistics of arrays and tsvectors; the elements too rare for the list are as rare as its last."""
    common = parse_array(row.most_common_elements or "{}")
    frequencies = (row.most_common_element_frequencies or ())[: len(common)]
    average = sum(len(value.encode()) + 1 for value in common) / max(1, len(common))
    if row.element_count_histogram:
        # Behind the histogram of distinct elements stands their average.
        of_row = row.element_count_histogram[-1]
    else:
        of_row = row.average_width / (average + _LEXEME_BYTES)
    classes = [(frequency, 1.0) for frequency in frequencies]
    missing, rare = of_row - sum(frequencies), min(frequencies) / 2
    if missing > 0.01 * of_row and rare:
        classes.append((rare, missing / rare))
    return Elements(classes=tuple(classes), width=min(average, width))


def _from_rows(rows: list[dict[str, set[str]]], different: float, width: float | None) -> Elements:
    """Count the elements of some rows by where they stand; what the rows leave unseen is estimated after Chao (1984).

    Of elements that all differ, no more is known than that there are at least as many as Chao says and at most as many
    as `different` values have room for: the geometric mean.
    """
    classes: list[tuple[float, float]] = []
    seen: dict[str, Counter[str]] = {}
    for row in rows:
        for place, elements in row.items():
            seen.setdefault(place, Counter()).update(elements)
    for counter in seen.values():
        by_count = Counter(counter.values())
        once, twice = by_count.pop(1, 0), by_count.get(2, 0)
        classes += [(count / len(rows), float(number)) for count, number in by_count.items()]
        if once:
            number = once + once * (once - 1) / (2 * (twice + 1))
            most = max(once, once / len(rows) * different)
            if not by_count and once > 1:
                number = math.sqrt(number * max(number, most))
            number = min(number, most)
            classes.append((once / len(rows) / number, number))
    if width is None:
        every = [element for counter in seen.values() for element in counter]
        width = sum(len(element.encode()) + 1 for element in every) / max(1, len(every))
    return Elements(classes=tuple(classes), width=width)


def _grouped(found: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    grouped: dict[str, set[str]] = {}
    for place, element in found:
        grouped.setdefault(place, set()).add(element)
    return grouped


def _trigrams(text: str) -> set[str]:
    """Return the trigrams of a text as pg_trgm's show_trgm() does: of its words, padded."""
    words = (f"  {word} " for word in re.findall(r"\w+", text.lower()))
    return {word[start : start + 3] for word in words for start in range(len(word) - 2)}


def _paths(document: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each value of a document behind the keys that lead to it."""
    if isinstance(document, dict):
        for name, value in cast("dict[str, Any]", document).items():
            yield from _paths(value, (*path, name))
    elif isinstance(document, list):
        for value in cast("list[Any]", document):
            yield from _paths(value, path)
    else:
        yield _SEPARATOR.join(path), str(document)
