"""StatisticsDef, an object of CREATE STATISTICS: what ANALYZE is to learn of several columns together.

Its identity is its definition, as an index's is: the name and the statistics target are no part of it.
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

from analyzer.objects.table_object import TableObject
from analyzer.postgres.lex import IncompleteError, Token, lex, significant
from analyzer.sql import render_text

StatisticsKind = Literal["ndistinct", "dependencies", "mcv"]
#: In PostgreSQL's own order.
STATISTICS_KINDS: tuple[StatisticsKind, ...] = get_args(StatisticsKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsDef(TableObject):
    """The definition of one statistics object, which is in its table's schema."""

    #: In PostgreSQL's order; empty for all of them, which is the default, and for a single expression.
    kinds: tuple[StatisticsKind, ...] = ()
    columns: tuple[str, ...] = ()
    #: SQL without the parentheses that CREATE STATISTICS needs around it.
    expressions: tuple[str, ...] = ()
    #: Of ALTER STATISTICS … SET STATISTICS; None means the largest of the columns'.
    target: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        kinds = tuple(kind for kind in STATISTICS_KINDS if kind in self.kinds)
        object.__setattr__(self, "kinds", () if kinds == STATISTICS_KINDS else kinds)

    def ddl(self) -> str:
        """Render CREATE STATISTICS."""
        return render_text("statistics/create_statistics", statistics=self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedStatistics:
    """A CREATE STATISTICS, taken apart."""

    kinds: tuple[StatisticsKind, ...]
    #: What stands between the name and FROM: the kinds, if any, ON, columns and expressions.
    body: str


def printed_ddl(printed: str, definition: StatisticsDef) -> str:
    """Write what a server printed of an object, for the name and table of another."""
    found = parse_statistics(printed)
    return printed if found is None else render_text("statistics/create_like", statistics=definition, body=found.body)


def parse_statistics(create: str) -> PrintedStatistics | None:
    """Take a CREATE STATISTICS apart, such as pg_get_statisticsobjdef prints it; None when it is not one."""
    try:
        tokens = significant(lex(create))
    except IncompleteError:
        return None
    if [token.word for token in tokens[:2]] != ["create", "statistics"]:
        return None
    depths = _depths(tokens)
    outside = [number for number, depth in enumerate(depths) if depth == 0]
    words = {number: tokens[number].word for number in outside}
    on = next((number for number in outside if words[number] == "on"), None)
    source = next((number for number in reversed(outside) if words[number] == "from"), None)
    if on is None or source is None or source < on:
        return None
    opening = next((number for number in range(on) if tokens[number].text == "("), on)
    named = {token.word for token in tokens[opening:on]}
    return PrintedStatistics(
        kinds=tuple(kind for kind in STATISTICS_KINDS if kind in named),
        body=create[tokens[opening].start : tokens[source].start].strip(),
    )


def _depths(tokens: list[Token] | tuple[Token, ...]) -> list[int]:
    depths: list[int] = []
    depth = 0
    for token in tokens:
        depth -= token.text == ")"
        depths.append(depth)
        depth += token.text == "("
    return depths
