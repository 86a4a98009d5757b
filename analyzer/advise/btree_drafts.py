"""Draft btree indexes: what is fixed to one value first, then what is sorted, grouped or bounded."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.advise.draft import MOST_EXPRESSIONS, Draft
from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.objects.index import Key
from analyzer.postgres.pages import MOST_BTREE_BYTES
from analyzer.postgres.patterns import has_prefix
from analyzer.sql import ident
from analyzer.workload.ordering import SortKey
from analyzer.workload.shapes import ExpressionPredicate, TableShape

#: An index of more keys is seldom narrower than what it saves.
MOST_KEYS = 6
#: Keys of one kind (equalities, joins, ranges, alternatives) that are tried, the most selective ones.
MOST_TRIED = 16
#: Rows left by equalities from which on another key saves nothing.
_FEW_ROWS = 2.0
#: Longest average of an entry, as a share of the longest possible one: single values may be many times the average.
_WIDEST = MOST_BTREE_BYTES / 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    """A column or expression that a btree can have as a key."""

    key: Key
    distinct: float
    #: Statements of the workload that fix it to a value or join on it.
    shared: float = 0

    @property
    def name(self) -> str:
        """Return how a reason says it."""
        return said(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tail:
    """Keys that follow the equalities."""

    keys: tuple[Key, ...]
    why: str
    #: They are for an order.
    is_order: bool = False
    #: Every condition is on them: a scan in their order passes over no row in vain.
    is_filtered: bool = False


def said(key: Key) -> str:
    """Return a key as a reason says it."""
    text = key.column or key.expression or ""
    return text if key.collation is None else f"{text} COLLATE {key.collation}"


def btree_drafts(
    shape: TableShape, relation: Relation, catalog: Catalog, shared: Mapping[str, float]
) -> Iterator[Draft]:
    """Draft btree indexes for one table of one statement, the most promising first.

    `shared` says of keys how many statements fix them: those that many fix lead, so that one index serves several.
    """
    terms = _Terms(shape, relation, catalog, shared)
    tails = tuple(_tails(shape, terms, relation, catalog))
    for prefix in terms.prefixes():
        for tail in tails:
            if (draft := _behind(prefix, tail, shape)) is not None:
                yield draft
        if prefix:
            yield _equality(prefix)
    for arm in shape.arms:
        yield from _of_arm(arm, relation, catalog, shared)
    for term in terms.alternatives:
        yield _equality([term])


def _of_arm(arm: TableShape, relation: Relation, catalog: Catalog, shared: Mapping[str, float]) -> Iterator[Draft]:
    """Draft indexes of several keys for an arm of an OR, which a bitmap scan of its own finds."""
    terms = _Terms(arm, relation, catalog, shared)
    fixed = tuple(dict.fromkeys((*terms.joined, *terms.single, *terms.lists)))[:MOST_KEYS]
    behind = (_behind(fixed, tail, arm) for tail in _tails(arm, terms, relation, catalog))
    for draft in (*behind, _equality(fixed) if fixed else None):
        if draft is not None and len(draft.keys) > 1:
            yield replace(draft, reason=f"an arm of OR: {draft.reason}")


def is_narrow(draft: Draft, relation: Relation, catalog: Catalog) -> bool:
    """Say whether the entries of an index stay below the limit with much to spare."""
    columns = (*(key.column for key in draft.keys if key.column is not None), *draft.include)
    return sum(catalog.width(relation, column) for column in columns) < _WIDEST


class _Terms:
    """What one mention of a table compares, by how."""

    def __init__(self, shape: TableShape, relation: Relation, catalog: Catalog, shared: Mapping[str, float]) -> None:
        self._relation = relation
        self._catalog = catalog
        self._shared = shared
        expressions = shape.expressions[:MOST_EXPRESSIONS]
        self.fixed = self._sorted(
            [
                *map(self._column, shape.equalities),
                *(self._expression(each) for each in expressions if each.kind == "equality"),
            ]
        )
        self.joined = self._sorted([self._column(join.column) for join in shape.joins])
        self.ranges = self._sorted(
            [
                *map(self._column, (*shape.ranges, *_prefix_ranges(shape, relation, catalog))),
                *(self._expression(each) for each in expressions if each.kind == "range"),
            ],
            by_selectivity=True,
        )
        self.alternatives = self._sorted([self._column(name) for name in shape.alternatives], by_selectivity=True)
        self.lists = [term for term in self.fixed if term.key.column in shape.lists]
        self.single = [term for term in self.fixed if term not in self.lists]

    def _column(self, name: str) -> _Term | None:
        if not self._catalog.sortable(self._relation, name):
            return None
        distinct = self._catalog.distinct(self._relation, name)
        return _Term(key=Key(column=name), distinct=distinct, shared=self._shared.get(name, 0))

    def _expression(self, each: ExpressionPredicate) -> _Term | None:
        """It has about as many values as its column."""
        distinct = self._catalog.distinct(self._relation, each.columns[0])
        key = Key(expression=each.sql, collation=each.collation)
        if each.sql == ident(each.columns[0]):
            if not self._catalog.sortable(self._relation, each.columns[0]):
                return None
            key = Key(column=each.columns[0], collation=each.collation)
        return _Term(key=key, distinct=distinct, shared=self._shared.get(each.sql, 0))

    @staticmethod
    def _sorted(terms: Sequence[_Term | None], *, by_selectivity: bool = False) -> list[_Term]:
        """Put what most statements fix first, then what has most values; the least selective are left out."""
        known = list(dict.fromkeys(term for term in terms if term is not None))
        tried = sorted(known, key=lambda term: (-term.distinct, term.name))[:MOST_TRIED]
        return tried if by_selectivity else sorted(tried, key=lambda term: (-term.shared, -term.distinct, term.name))

    def prefixes(self) -> Iterator[tuple[_Term, ...]]:
        """Yield leading keys: all equalities, as many as it takes, those of one value; joins; each alone; none."""
        found: list[Sequence[_Term]] = [self.fixed, self._enough(self.fixed)]
        if self.lists:
            found += [[*self.single, *self.lists], self.single]
        for join in self.joined:
            rest = [term for term in self.fixed if term.key != join.key]
            found += [[join], [join, *rest], [*rest, join]]
        found += [self.joined, *([term] for term in self.fixed), []]
        return (each for each in dict.fromkeys(tuple(terms[:MOST_KEYS]) for terms in found))

    def _enough(self, terms: Sequence[_Term]) -> list[_Term]:
        """Return the most selective of them that leave few rows together."""
        left, chosen = max(self._catalog.rows(self._relation), 1.0), set[_Term]()
        for term in sorted(terms, key=lambda term: (-term.distinct, term.name)):
            if left < _FEW_ROWS:
                break
            chosen.add(term)
            left /= max(term.distinct, 1.0)
        return [term for term in terms if term in chosen]


def _prefix_ranges(shape: TableShape, relation: Relation, catalog: Catalog) -> Iterator[str]:
    """LIKE 'prefix%' is a range where text sorts by bytes."""
    for each in shape.operators:
        column = relation.column(each.column)
        if column is None or each.expression is not None or each.collation or each.operator != "like":
            continue
        is_text = catalog.operators.is_own("~~", column.type)  # LIKE of citext compares otherwise
        if is_text and has_prefix(each.value) and catalog.is_c_collation(column):
            yield each.column


def _tails(shape: TableShape, terms: _Terms, relation: Relation, catalog: Catalog) -> Iterator[_Tail]:
    """Yield what may follow the equalities: orders, with what they leave to filter; rows; ranges; groups."""
    constant = {term.key.column for term in terms.single if term.key.collation is None} - {None}
    for sort in shape.sorts:
        wanted = [key for key in sort.keys if key.column is None or key.column not in constant] or sort.keys
        keys = _sort_keys(wanted, relation, catalog)
        if not keys:
            continue
        limit = " with LIMIT" if sort.limited else ""
        why = f"ORDER BY {', '.join(map(said, keys))}{limit}"
        yield _Tail(keys=keys, why=why, is_order=True)
        filters = _unless_in(keys, [*terms.lists, *terms.ranges])
        if sort.limited and filters:
            filtered = f"{why}; filters by {', '.join(map(said, filters))}"
            yield _Tail(
                keys=(*keys, *filters), why=filtered, is_order=True, is_filtered=not _filters(shape, (*keys, *filters))
            )
    for names in shape.keysets:
        if all(catalog.sortable(relation, name) for name in names):
            yield _Tail(keys=tuple(Key(column=name) for name in names), why=f"comparison of ({', '.join(names)})")
    for term in terms.ranges:
        yield _Tail(keys=(term.key,), why=f"range on {term.name}")
    for first, second in itertools.permutations(terms.ranges[:3], 2):
        yield _Tail(keys=(first.key, second.key), why=f"ranges on {first.name}, {second.name}")
    groups = _sort_keys(shape.groups, relation, catalog)
    if groups and len(groups) == len(shape.groups):
        yield _Tail(keys=groups, why=f"groups of {', '.join(map(said, groups))}", is_order=True, is_filtered=True)


def _unless_in(keys: Sequence[Key], terms: Sequence[_Term]) -> tuple[Key, ...]:
    have = {said(key) for key in keys}
    return tuple(dict.fromkeys(term.key for term in terms if term.name not in have))


def _filters(shape: TableShape, keys: Sequence[Key]) -> int:
    """Count the conditions on what is not among some keys."""
    have = {said(key) for key in keys}
    names = {*shape.equalities, *shape.ranges, *shape.alternatives, *map(_compared, shape.expressions)} - have
    return len(names) + len(shape.operators) + shape.residual


def _compared(each: ExpressionPredicate) -> str:
    return said(Key(expression=each.sql, collation=each.collation))


def _behind(prefix: Sequence[_Term], tail: _Tail, shape: TableShape) -> Draft | None:
    """Put a tail behind equalities.

    An order without any is not drafted where rows are filtered: such a scan is cheap only while the planner's guess of
    how soon the LIMIT is met holds; when few rows qualify it reads the whole table in random order.
    """
    kept = [term for term in prefix if term.name not in {said(key) for key in tail.keys}]
    if not kept and tail.is_order and not tail.is_filtered and _filters(shape, tail.keys):
        return None
    room = max(0, MOST_KEYS - len(tail.keys))
    names = [term.name for term in kept[:room]]
    keys = (*(term.key for term in kept[:room]), *tail.keys)[:MOST_KEYS]
    single = itertools.takewhile(lambda term: term.key.column not in shape.lists, kept[:room])
    return Draft(keys=keys, reason=_reason(names, tail.why), is_ordered=True, fixed=len(list(single)))


def _sort_keys(wanted: Sequence[SortKey], relation: Relation, catalog: Catalog) -> tuple[Key, ...]:
    """Write the sort keys with the first one ascending: behind equalities, a btree is read in either direction."""
    keys: list[Key] = []
    for each in wanted[:MOST_KEYS]:
        if each.column is not None and not catalog.sortable(relation, each.column):
            break
        nulls = "first" if each.nulls_first != wanted[0].descending else "last"
        descending = each.descending != wanted[0].descending
        keys.append(
            Key(
                column=each.column,
                expression=each.expression,
                collation=each.collation,
                descending=descending,
                nulls=nulls,
            )
        )
    return tuple(keys)


def _equality(terms: Sequence[_Term]) -> Draft:
    keys = tuple(term.key for term in terms)
    return Draft(keys=keys, reason=_reason([term.name for term in terms], ""), fixed=len(keys))


def _reason(names: Sequence[str], why: str) -> str:
    equality = f"equality on {', '.join(names)}" if names else ""
    return "; ".join(part for part in (equality, why) if part)
