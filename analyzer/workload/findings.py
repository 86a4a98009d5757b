"""Collect what a statement asks of one mention of a table."""

from dataclasses import dataclass, field

from analyzer.workload.names import Occurrence
from analyzer.workload.ordering import Nearest, Sort, SortKey
from analyzer.workload.shape_records import Condition, ExpressionPredicate, JoinKey, OperatorPredicate, TableShape


@dataclass(slots=True)
class Findings:
    """What was found for one mention of a table; the dictionaries are ordered sets."""

    equalities: dict[str, None] = field(default_factory=dict[str, None])
    lists: dict[str, None] = field(default_factory=dict[str, None])
    nulls: dict[str, None] = field(default_factory=dict[str, None])
    joins: dict[JoinKey, None] = field(default_factory=dict[JoinKey, None])
    ranges: dict[str, None] = field(default_factory=dict[str, None])
    keysets: dict[tuple[str, ...], None] = field(default_factory=dict[tuple[str, ...], None])
    alternatives: dict[str, None] = field(default_factory=dict[str, None])
    arms: dict[TableShape, None] = field(default_factory=dict[TableShape, None])
    operators: dict[OperatorPredicate, None] = field(default_factory=dict[OperatorPredicate, None])
    expressions: dict[ExpressionPredicate, None] = field(default_factory=dict[ExpressionPredicate, None])
    conditions: dict[Condition, None] = field(default_factory=dict[Condition, None])
    residual: bool = False
    sorts: dict[Sort, None] = field(default_factory=dict[Sort, None])
    nearest: dict[Nearest, None] = field(default_factory=dict[Nearest, None])
    groups: tuple[SortKey, ...] = ()


def shape_of(occurrence: Occurrence, found: Findings) -> TableShape:
    """Return what was found, as a record."""
    order = {column.name: column.number for column in occurrence.relation.columns}
    return TableShape(
        schema=occurrence.relation.schema_name,
        table=occurrence.relation.name,
        alias=occurrence.alias,
        target=occurrence.target,
        equalities=tuple(found.equalities),
        lists=tuple(found.lists),
        nulls=tuple(found.nulls),
        joins=tuple(found.joins),
        ranges=tuple(found.ranges),
        keysets=tuple(found.keysets),
        alternatives=tuple(found.alternatives),
        arms=tuple(found.arms),
        operators=tuple(found.operators),
        expressions=tuple(found.expressions),
        conditions=tuple(found.conditions),
        residual=found.residual,
        sorts=tuple(found.sorts),
        nearest=tuple(found.nearest),
        groups=found.groups,
        columns=None if occurrence.whole else tuple(sorted(occurrence.reads, key=lambda name: order[name])),
        written=tuple(sorted(occurrence.written)),
    )
