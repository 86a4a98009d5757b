"""Vary a draft: with INCLUDE for index-only scans, with WHERE for a part of the rows, and with both."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from analyzer.advise.draft import Draft
from analyzer.catalog import WIDE_BYTES, Catalog
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import Key
from analyzer.sql import ident
from analyzer.workload.shapes import Condition, TableShape

MAX_INCLUDED = 8
#: An index-only scan reads the table's page where that is not marked all-visible: below this share, nearly always.
_LEAST_VISIBLE = 0.1
#: A partial index that leaves out less than this share of the rows is not drafted.
_LEAST_LEFT_OUT = 0.01
#: Nor one for a constant that more rows than this share have.
_MOST_OF_ONE_VALUE = 0.5
#: Of a value that a parameter often has, at least this share of the rows; fewer are sorted as fast.
_LEAST_OF_ONE_VALUE = 0.01
#: A column with more values than this is not compared with a constant in a partial index.
_MOST_CONSTANTS = 100
#: Conditions that the predicate of a partial index may have, and those that are tried alone.
_MOST_CONDITIONS = 8
_MOST_ALONE = 3

Predicate = tuple[Condition, ...]


class Variants:
    """The variants of the drafts for one table of one statement."""

    def __init__(self, shape: TableShape, relation: Relation, catalog: Catalog, shared: Mapping[str, float]) -> None:
        self._shape = shape
        self._relation = relation
        self._catalog = catalog
        self._is_visible = is_visible(relation, catalog)
        self.predicates = tuple(_predicates(_flags(shape.conditions, relation, catalog), shared))
        #: Those, and one for each value that a parameter often has.
        self.of_vectors = (*self.predicates, *((each,) for each in _frequent(shape, relation, catalog)))

    def of(self, draft: Draft) -> Iterator[Draft]:
        """Yield the draft, with INCLUDE, with WHERE, and with both."""
        yield from self._with_covering(draft, ())
        for predicate in self.predicates:
            if (part := restricted(draft, predicate)) is not None:
                yield from self._with_covering(part, predicate)

    def of_conditions(self) -> Iterator[Draft]:
        """Yield indexes for conditions that are all there is: what is read, or the primary key, of such rows."""
        for predicate in self.predicates:
            fixed = {name for condition in predicate for name in condition.columns}
            primary = next((each.columns for each in self._relation.constraints if each.kind == "p"), ())
            names = [name for name in (*primary, *(self._shape.columns or ())) if name not in fixed]
            usable = next((name for name in names if self._catalog.sortable(self._relation, name)), None)
            if usable is not None:
                part = restricted(Draft(keys=(Key(column=usable),), reason="a small part of the table"), predicate)
                yield from self._with_covering(part, predicate) if part is not None else ()

    def _with_covering(self, draft: Draft, predicate: Predicate) -> Iterator[Draft]:
        extra = self._extra(draft, predicate)
        if extra and not self._is_visible:
            yield replace(draft, notes=(_invisible(extra, self._relation, self._catalog),))
            return
        yield draft
        if extra:
            yield replace(draft, include=extra, reason=f"{draft.reason}; covers {', '.join(extra)}")

    def _extra(self, draft: Draft, predicate: Predicate) -> tuple[str, ...]:
        """Return the columns that an index-only scan needs beside the keys; none where it cannot have them."""
        if self._shape.columns is None or draft.method != "btree":
            return ()
        keys = tuple(key.column for key in draft.keys if key.column is not None)
        implied = {name for condition in predicate for name in condition.columns}
        extra = tuple(name for name in self._shape.columns if name not in keys and name not in implied)
        return extra if includable(self._relation, extra, keys, self._catalog) else ()


def is_visible(relation: Relation, catalog: Catalog) -> bool:
    """Say whether index-only scans of a table can do without it, as far as its pages are known."""
    pages, visible = catalog.visibility(relation)
    return not pages or visible >= _LEAST_VISIBLE * pages


def _invisible(extra: tuple[str, ...], relation: Relation, catalog: Catalog) -> str:
    pages, visible = catalog.visibility(relation)
    return (
        f"INCLUDE ({', '.join(map(ident, extra))}) was not tried: {visible:,} of the {pages:,} pages of "
        f"{ident(relation.name)} are marked all-visible, so an index-only scan would read the table too; vacuum it"
    )


def includable(relation: Relation, extra: tuple[str, ...], keys: tuple[str, ...], catalog: Catalog) -> bool:
    """Say whether these columns may be added to a btree index as INCLUDE."""
    widths = [catalog.width(relation, name) for name in extra]
    return (
        len(extra) <= MAX_INCLUDED and max(widths, default=0) <= WIDE_BYTES and catalog.fits(relation, (*keys, *extra))
    )


# Predicates


def _flags(conditions: Iterable[Condition], relation: Relation, catalog: Catalog) -> Predicate:
    """Return the conditions without parameters that leave rows out, in the order of the columns."""
    kept: dict[str, Condition] = {}
    for condition in conditions:
        share = catalog.fraction(relation, condition.columns[0], condition.sql)
        most = _MOST_OF_ONE_VALUE if _compares(condition) else 1 - _LEAST_LEFT_OUT
        if not _picks_one_of_many(condition, relation, catalog) and (share is None or share <= most):
            kept.setdefault(condition.sql, condition)
    return tuple(kept[sql] for sql in sorted(kept)[:_MOST_CONDITIONS])


def _frequent(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Condition]:
    """Yield the conditions on values of parameters that many rows have, and not most of them.

    How many other values the column has is of no account: these are known to come again.
    """
    for condition in dict.fromkeys(shape.often):
        share = catalog.fraction(relation, condition.columns[0], condition.sql)
        if share is not None and _LEAST_OF_ONE_VALUE <= share <= _MOST_OF_ONE_VALUE:
            yield condition


def _predicates(flags: Predicate, shared: Mapping[str, float]) -> Iterator[Predicate]:
    """Yield all conditions together, then each alone, those first that most statements have."""
    if flags:
        yield flags
    if len(flags) > 1:
        alone = sorted(flags, key=lambda each: (-shared.get(each.sql, 0), each.sql))
        yield from ((each,) for each in alone[:_MOST_ALONE])


def share_of(predicate: Predicate, relation: Relation, catalog: Catalog, *, without: str | None) -> float:
    """Return the share of the rows that a predicate keeps, as far as it is known; conditions on one column aside."""
    known = (catalog.fraction(relation, each.columns[0], each.sql) for each in predicate if each.columns != (without,))
    return math.prod(share for share in known if share is not None)


def _compares(condition: Condition) -> bool:
    """Say whether a condition compares its column with constants."""
    return re.search(r" (=|<>|IN|<|<=|>|>=) ", condition.sql) is not None


def _picks_one_of_many(condition: Condition, relation: Relation, catalog: Catalog) -> bool:
    """An index for one constant of a column with many values serves one constant's statement only."""
    name = condition.columns[0]
    known = catalog.statistics(relation, name) is not None
    return _compares(condition) and known and catalog.distinct(relation, name) > _MOST_CONSTANTS


def restricted(draft: Draft, predicate: Predicate) -> Draft | None:
    """Add conditions as WHERE; a column that they fix to one value is no key any more. None when no key is left."""
    where = " AND ".join(condition.sql for condition in predicate)
    fixed = {name for each in predicate for name in each.columns if _fixes(each)}
    keys = tuple(key for key in draft.keys if key.column is None or key.column not in fixed)
    if not keys:
        return None
    leading = sum(key in keys for key in draft.keys[: draft.fixed])
    return replace(draft, keys=keys, where=where, reason=f"{draft.reason}; only rows where {where}", fixed=leading)


def _fixes(condition: Condition) -> bool:
    name = ident(condition.columns[0])
    return condition.sql.startswith(f"{name} = ") or condition.sql in (f"{name} IS NULL", name, f"NOT {name}")
