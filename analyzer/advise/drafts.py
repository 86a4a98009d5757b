"""Draft the indexes that could serve one table's part of one statement.

Equality columns come first, the most selective leading, then one range or the sort keys. The drafts are legal
(see docs/rules); whether one pays is the twin's to say.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from analyzer.advise.block_range_drafts import block_range_drafts
from analyzer.advise.draft import MOST_EXPRESSIONS, Draft
from analyzer.advise.equality_drafts import hash_drafts
from analyzer.advise.operator_drafts import operator_drafts
from analyzer.advise.vector_drafts import nearest_drafts
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import Key
from analyzer.postgres.patterns import has_prefix
from analyzer.sql import ident
from analyzer.workload.ordering import SortKey
from analyzer.workload.shapes import Condition, TableShape

MAX_KEYS = 3
_ORDER = "ORDER BY"
MAX_INCLUDED = 8
#: Columns that are tried as keys of one kind (equalities, joins, ranges, alternatives), the most selective ones.
MOST_TRIED = 16
#: A partial index that leaves out less than this share of the rows is not drafted.
LEAST_LEFT_OUT = 0.01
#: A column with more values than this is not compared with a constant in a partial index.
MOST_CONSTANTS = 100
#: Conditions that the predicate of a partial index may have.
MOST_CONDITIONS = 8


def drafts(shape: TableShape, relation: Relation, catalog: Catalog) -> tuple[Draft, ...]:
    """Draft every index worth trying for one table of one statement, without repetition."""
    if shape.target == "insert":
        return ()
    plain = [*_btrees(shape, relation, catalog), *_expressions(shape, catalog, relation)]
    special = [
        *operator_drafts(shape, relation, catalog),
        *nearest_drafts(shape, relation, catalog),
        *hash_drafts(shape, relation, catalog),
        *block_range_drafts(shape, relation, catalog),
    ]
    partial = _flags(shape, relation, catalog)
    found = [
        *(variant for draft in plain for variant in _variants(draft, shape, relation, catalog, partial)),
        *special,
        *(_restricted(draft, partial) for draft in special if partial and draft.method != "brin"),
        *(_condition_alone(shape, relation, catalog, partial) if partial and not plain else ()),
    ]
    return tuple(dict.fromkeys(found))


# btree


def _btrees(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[Draft]:
    def by_selectivity(names: Sequence[str]) -> list[str]:
        usable = dict.fromkeys(name for name in names if catalog.sortable(relation, name))
        return sorted(usable, key=lambda name: (-catalog.distinct(relation, name), name))[:MOST_TRIED]

    fixed = by_selectivity(shape.equalities)
    joined = by_selectivity([join.column for join in shape.joins])
    ranges = by_selectivity([*shape.ranges, *_prefix_ranges(shape, relation, catalog)])
    alone = by_selectivity(shape.alternatives)
    tails = _tails(shape, relation, catalog, ranges)
    for prefix in _prefixes(fixed, joined):
        for keys, why in tails:
            room = max(0, MAX_KEYS - len(keys))
            taken = {key.column for key in keys}
            kept = [name for name in prefix if name not in taken][:room]
            if not kept and why.startswith(_ORDER) and _walks_far(shape, taken):
                continue
            yield Draft(keys=(*(Key(column=name) for name in kept), *keys), reason=_reason(kept, why))
        if prefix:
            yield _equality(prefix)
    for name in alone:
        yield _equality([name])


def _prefix_ranges(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[str]:
    """LIKE 'prefix%' is a range where text sorts by bytes."""
    for each in shape.operators:
        column = relation.column(each.column)
        if column is None or each.expression is not None or each.operator != "like":
            continue
        if has_prefix(each.value) and catalog.is_c_collation(column):
            yield each.column


def _prefixes(fixed: list[str], joined: list[str]) -> Iterator[list[str]]:
    """Leading columns: all equalities, joins with and without them, each alone, none."""
    prefixes: list[list[str]] = [fixed[:MAX_KEYS]]
    for join in joined:
        rest = [name for name in fixed if name != join]
        prefixes += [[join], [join, *rest][:MAX_KEYS], [*rest[: MAX_KEYS - 1], join]]
    prefixes += [joined[:MAX_KEYS], *([name] for name in fixed), []]
    return (list(each) for each in dict.fromkeys(tuple(prefix) for prefix in prefixes))


def _tails(
    shape: TableShape, relation: Relation, catalog: Catalog, ranges: list[str]
) -> list[tuple[tuple[Key, ...], str]]:
    """What may follow the equalities: the sort keys, one range, two, the groups."""
    tails: list[tuple[tuple[Key, ...], str]] = []
    if shape.sort is not None and (keys := _sort_keys(shape.sort.keys, relation, catalog)):
        limit = " with LIMIT" if shape.sort.limited else ""
        names = ", ".join(key.column or key.expression or "" for key in keys)
        tails.append((keys, f"{_ORDER} {names}{limit}"))
    tails += [((Key(column=name),), f"range on {name}") for name in ranges]
    tails += [
        ((Key(column=first), Key(column=second)), f"ranges on {first}, {second}")
        for first, second in itertools.permutations(ranges[:3], 2)
    ]
    if shape.groups and all(catalog.sortable(relation, name) for name in shape.groups):
        keys = tuple(Key(column=name) for name in shape.groups[:MAX_KEYS])
        tails.append((keys, f"groups of {', '.join(shape.groups)}"))
    return tails


def _walks_far(shape: TableShape, sorted_by: set[str | None]) -> bool:
    """Say whether a scan in sort order would have to pass over rows that other conditions refuse.

    Such a scan is cheap only while the planner's guess of how soon the LIMIT is met holds; when few rows qualify it
    reads the whole table in random order.
    """
    filters = {*shape.equalities, *shape.ranges, *shape.alternatives} - sorted_by
    return bool(filters or shape.operators or shape.expressions or shape.residual)


def _sort_keys(wanted: tuple[SortKey, ...], relation: Relation, catalog: Catalog) -> tuple[Key, ...]:
    """Write the sort keys with the first one ascending: behind equalities, a btree is read in either direction."""
    turned = wanted[0].descending
    keys: list[Key] = []
    for each in wanted[:MAX_KEYS]:
        if each.column is not None and not catalog.sortable(relation, each.column):
            break
        nulls = "first" if each.nulls_first != turned else "last"
        descending = each.descending != turned
        keys.append(Key(column=each.column, expression=each.expression, descending=descending, nulls=nulls))
    return tuple(keys)


def _equality(names: Sequence[str]) -> Draft:
    return Draft(keys=tuple(Key(column=name) for name in names), reason=_reason(names, ""))


def _reason(names: Sequence[str], why: str) -> str:
    equality = f"equality on {', '.join(names)}" if names else ""
    return "; ".join(part for part in (equality, why) if part)


def _expressions(shape: TableShape, catalog: Catalog, relation: Relation) -> Iterator[Draft]:
    fixed = [name for name in shape.equalities if catalog.sortable(relation, name)]
    for each in shape.expressions[:MOST_EXPRESSIONS]:
        key = Key(expression=each.sql)
        yield Draft(keys=(key,), reason=f"{each.kind} on {each.sql}")
        for name in fixed[:1]:
            yield Draft(keys=(Key(column=name), key), reason=f"equality on {name}; {each.kind} on {each.sql}")


# Variants


def _variants(
    draft: Draft, shape: TableShape, relation: Relation, catalog: Catalog, partial: tuple[Condition, ...]
) -> Iterator[Draft]:
    """The draft, with INCLUDE, with WHERE, and with both."""
    yield draft
    if (covering := _covering(draft, shape, relation, catalog, implied=())) is not None:
        yield covering
    if not partial:
        return
    restricted = _restricted(draft, partial)
    if not restricted.keys:
        return
    yield restricted
    implied = tuple(name for condition in partial for name in condition.columns)
    if (covering := _covering(restricted, shape, relation, catalog, implied=implied)) is not None:
        yield covering


def _covering(
    draft: Draft, shape: TableShape, relation: Relation, catalog: Catalog, *, implied: tuple[str, ...]
) -> Draft | None:
    if shape.columns is None:
        return None
    keys = [key.column for key in draft.keys if key.column is not None]
    extra = tuple(name for name in shape.columns if name not in keys and name not in implied)
    if not extra or not includable(relation, extra, tuple(keys), catalog):
        return None
    return replace(draft, include=extra, reason=f"{draft.reason}; covers {', '.join(extra)}")


def includable(relation: Relation, extra: tuple[str, ...], keys: tuple[str, ...], catalog: Catalog) -> bool:
    """Say whether these columns may be added to a btree index as INCLUDE."""
    if len(extra) > MAX_INCLUDED or not all(catalog.sortable(relation, name) for name in extra):
        return False
    return catalog.fits(relation, (*keys, *extra))


def _flags(shape: TableShape, relation: Relation, catalog: Catalog) -> tuple[Condition, ...]:
    """Return the conditions without parameters that leave rows out, in the order of the columns."""
    kept: dict[str, Condition] = {}
    for condition in shape.conditions:
        if _picks_one_of_many(condition, relation, catalog):
            continue
        share = catalog.fraction(relation, condition.columns[0], condition.sql)
        if share is None or share <= 1 - LEAST_LEFT_OUT:
            kept.setdefault(condition.sql, condition)
    return tuple(kept[sql] for sql in sorted(kept)[:MOST_CONDITIONS])


def _picks_one_of_many(condition: Condition, relation: Relation, catalog: Catalog) -> bool:
    """An index for one constant of a column with many values serves one constant's statement only."""
    name = condition.columns[0]
    compares = re.search(r" (=|<>|IN) ", condition.sql) is not None
    known = catalog.statistics(relation, name) is not None
    return compares and known and catalog.distinct(relation, name) > MOST_CONSTANTS


def _restricted(draft: Draft, partial: tuple[Condition, ...]) -> Draft:
    """Add the conditions as WHERE; a column that they fix to one value is no key any more."""
    where = " AND ".join(condition.sql for condition in partial)
    fixed = {name for each in partial for name in each.columns if _fixes(each)}
    keys = tuple(key for key in draft.keys if key.column is None or key.column not in fixed)
    return replace(draft, keys=keys, where=where, reason=f"{draft.reason}; only rows where {where}")


def _fixes(condition: Condition) -> bool:
    name = ident(condition.columns[0])
    return condition.sql.startswith(f"{name} = ") or condition.sql in (f"{name} IS NULL", name, f"NOT {name}")


def _condition_alone(
    shape: TableShape, relation: Relation, catalog: Catalog, partial: tuple[Condition, ...]
) -> Iterator[Draft]:
    """A condition is all there is: index what is read, or the primary key, of the rows that meet it."""
    primary = next((each.columns for each in relation.constraints if each.kind == "p"), ())
    fixed = {name for condition in partial for name in condition.columns}
    names = [name for name in (*(primary or ()), *(shape.columns or ())) if name not in fixed]
    usable = next((name for name in names if catalog.sortable(relation, name)), None)
    if usable is not None:
        draft = _restricted(Draft(keys=(Key(column=usable),), reason="a small part of the table"), partial)
        yield draft
        if (covering := _covering(draft, shape, relation, catalog, implied=tuple(fixed))) is not None:
            yield covering
