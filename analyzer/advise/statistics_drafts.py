"""Draft extended statistics: keys of one table that statements filter by together, group by together, or compute."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analyzer.advise.benefit import PricedStatement
from analyzer.documents.snapshot import Relation, Snapshot
from analyzer.objects.statistics import StatisticsKind
from analyzer.postgres.identifiers import QualifiedName
from analyzer.sql import ident
from analyzer.twin.predict.key_statistics import named_columns
from analyzer.twin.predict.sample_table import SampleTable
from analyzer.twin.predict.sampled_keys import Dependence
from analyzer.twin.statistics import SampledStatistics
from analyzer.workload.parse import Statement
from analyzer.workload.shapes import TableShape

Purpose = Literal["filter", "group", "expression"]

#: Keys of one object, of as many that a statement has.
MOST_KEYS = 4
_MOST_OF_STATEMENT = 8
#: Objects of one table, and of all, that are tried.
_MOST_OF_TABLE = 8
_MOST = 40
#: Pairs of keys that are compared in samples.
_MOST_PAIRS = 400

#: Of several keys; a single expression takes none.
KINDS: Mapping[Purpose, tuple[StatisticsKind, ...]] = {
    "filter": ("dependencies", "mcv"),
    "group": ("ndistinct",),
    "expression": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsDraft:
    """Extended statistics without a name, and the statements they are for."""

    table: QualifiedName
    purpose: Purpose
    #: In the table's order.
    columns: tuple[str, ...]
    expressions: tuple[str, ...]
    #: With the largest share first.
    items: tuple[PricedStatement, ...]
    #: How many times more frequent its combinations are in the sample than its keys would let expect; None if unknown.
    ratio: float | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Return columns and expressions as SQL."""
        return (*map(ident, self.columns), *self.expressions)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mention:
    """Keys of a table that statements use together."""

    table: QualifiedName
    purpose: Purpose
    #: In the table's order.
    columns: tuple[str, ...]
    #: In the order of their text.
    expressions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """What is worth trying."""

    #: Whose keys depend on each other in the sample; an expression's values alone tell enough.
    sampled: tuple[StatisticsDraft, ...]
    #: Of tables without a sample.
    unsampled: tuple[StatisticsDraft, ...]


def drafts(
    priced: Sequence[PricedStatement],
    snapshot: Snapshot,
    shares: Mapping[Statement, float],
    sampled: SampledStatistics,
) -> Drafts:
    """Draft extended statistics for statements, those for the largest share of the workload first."""
    comparison = _Comparison(sampled)
    known: dict[_Mention, _Users] = {}
    unknown: dict[_Mention, _Users] = {}
    for mention, users in _by_share(_mentions(priced, snapshot), shares):
        relation = snapshot.relation(*mention.table)
        sample = sampled.sample(mention.table, _read(mention, relation)) if relation is not None else None
        if sample is None:
            if mention.purpose != "expression":
                unknown.setdefault(_shortened(mention), {}).update(users)
        elif mention.purpose == "expression":
            known.setdefault(mention, {}).update(users)
        elif (dependent := comparison.dependent(sample, mention)) is not None:
            known.setdefault(dependent, {}).update(users)
    return Drafts(
        sampled=tuple(_drafted(known, shares, comparison)), unsampled=tuple(_drafted(unknown, shares, comparison))
    )


#: Statements by themselves, in the order of the workload.
_Users = dict[Statement, PricedStatement]


def _mentions(priced: Sequence[PricedStatement], snapshot: Snapshot) -> dict[_Mention, _Users]:
    found: dict[_Mention, _Users] = {}
    for item in priced:
        tables = (table for shape in item.shapes for each in shape.tables for table in (each, *each.arms))
        for table in tables:
            relation = snapshot.relation(table.schema, table.table)
            if relation is not None and relation.kind in "rm":
                for mention in _of_table(table, relation):
                    found.setdefault(mention, {})[item.statement] = item
    return found


def _of_table(shape: TableShape, relation: Relation) -> Iterator[_Mention]:
    compared = [each for each in shape.expressions if each.collation is None]
    grouped = [each for each in shape.groups if each.collation is None]
    by = [each.expression for each in grouped if each.column is None and each.expression is not None]
    yield from _together("filter", shape.equalities, [e.sql for e in compared if e.kind == "equality"], relation)
    yield from _together("group", [each.column for each in grouped if each.column is not None], by, relation)
    for text in dict.fromkeys((*(each.sql for each in compared), *by)):
        yield _Mention(table=relation.full_name, purpose="expression", columns=(), expressions=(text,))


def _together(
    purpose: Purpose, columns: Iterable[str], expressions: Iterable[str], relation: Relation
) -> Iterator[_Mention]:
    names, texts = set(columns), sorted(set(expressions))
    ordered = [column.name for column in relation.columns if column.name in names][:_MOST_OF_STATEMENT]
    texts = texts[: _MOST_OF_STATEMENT - len(ordered)]
    if len(ordered) + len(texts) > 1:
        yield _Mention(
            table=relation.full_name, purpose=purpose, columns=tuple(ordered), expressions=tuple(texts)
        )  # fmt: skip


def _read(mention: _Mention, relation: Relation) -> tuple[str, ...]:
    return (*mention.columns, *(name for text in mention.expressions for name in named_columns(text, relation)))


def _shortened(mention: _Mention) -> _Mention:
    return replace(mention, columns=mention.columns[:MOST_KEYS], expressions=mention.expressions[:MOST_KEYS])


def _share(users: _Users, shares: Mapping[Statement, float]) -> float:
    return sum(shares.get(statement, 0.0) for statement in users)


def _by_share(
    found: Mapping[_Mention, _Users], shares: Mapping[Statement, float]
) -> list[tuple[_Mention, _Users]]:  # fmt: skip
    return sorted(found.items(), key=lambda each: (-_share(each[1], shares), repr(each[0])))


def _drafted(
    found: Mapping[_Mention, _Users], shares: Mapping[Statement, float], comparison: "_Comparison"
) -> Iterator[StatisticsDraft]:
    counted: dict[QualifiedName, int] = {}
    for mention, users in _by_share(found, shares)[:_MOST]:
        counted[mention.table] = counted.get(mention.table, 0) + 1
        if counted[mention.table] <= _MOST_OF_TABLE:
            yield StatisticsDraft(
                table=mention.table,
                purpose=mention.purpose,
                columns=mention.columns,
                expressions=mention.expressions,
                items=tuple(sorted(users.values(), key=lambda item: -shares.get(item.statement, 0.0))),
                ratio=comparison.ratio(mention),
            )


class _Comparison:
    """Compares keys in samples, each two of them once."""

    def __init__(self, sampled: SampledStatistics) -> None:
        self._sampled = sampled
        self._known: dict[tuple[QualifiedName, str, str], Dependence | None] = {}

    def dependent(self, sample: SampleTable, mention: _Mention) -> _Mention | None:
        """Keep the keys that depend on each other, most of all; None where no two do."""
        keys = [*map(ident, mention.columns), *mention.expressions]
        pairs = [(first, second) for first, second in itertools.combinations(keys, 2)]
        notable = [
            (found.ratio, pair)
            for pair in pairs
            if (found := self._compared(sample, mention, *pair)) is not None and found.is_notable
        ]
        kept: set[str] = set()
        for _, pair in sorted(notable, key=lambda each: (-each[0], each[1])):
            if len(kept.union(pair)) <= MOST_KEYS:
                kept.update(pair)
        if not kept:
            return None
        columns = tuple(name for name in mention.columns if ident(name) in kept)
        return replace(
            mention, columns=columns, expressions=tuple(text for text in mention.expressions if text in kept)
        )

    def ratio(self, mention: _Mention) -> float | None:
        """Return how many times more frequent combinations of two keys are than expected, at most."""
        keys = [*map(ident, mention.columns), *mention.expressions]
        pairs = itertools.combinations(keys, 2)
        found = [self._known.get((mention.table, *pair)) for pair in pairs]
        return max((each.ratio for each in found if each is not None), default=None)

    def _compared(self, sample: SampleTable, mention: _Mention, first: str, second: str) -> Dependence | None:
        key = mention.table, first, second
        if key not in self._known and len(self._known) < _MOST_PAIRS:
            self._known[key] = self._sampled.dependence(sample, first, second)
        return self._known.get(key)
