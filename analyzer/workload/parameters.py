"""Find the column that each parameter is compared with, so that values can be drawn for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from analyzer.workload.names import Reference

Use = Literal["equality", "range", "like", "ilike", "contains", "search", "configuration", "assigned"]

_TEXT_SEARCH = frozenset({"to_tsquery", "plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A parameter and the column it is compared with."""

    parameter: int
    schema: str
    table: str
    column: str
    use: Use
    operator: str


def compared(reference: Reference, value: exp.Expr, use: Use, operator: str) -> Iterator[Comparison]:
    """Yield the parameter that a column is compared with, also as the words of a text search."""
    value = uncast(value)
    if use == "search" and isinstance(value, exp.Anonymous) and value.name.lower() in _TEXT_SEARCH:
        value = uncast(value.expressions[-1])
    elif use == "search":
        return
    if (number := _number(value)) is not None:
        relation = reference.occurrence.relation
        yield Comparison(
            parameter=number,
            schema=relation.schema_name,
            table=relation.name,
            column=reference.column,
            use=use,
            operator=operator,
        )


def configurations(tree: exp.Expr, comparisons: Mapping[int, Comparison]) -> Iterator[Comparison]:
    """Yield the parameters that name the configuration of a text search, beside the words that are in `comparisons`."""
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() in _TEXT_SEARCH and len(call.expressions) == 2:
            number, words = (_number(uncast(each)) for each in call.expressions)
            searched = comparisons.get(words) if words is not None else None
            if number is not None and searched is not None and searched.use == "search":
                yield replace(searched, parameter=number, use="configuration")


def uncast(value: exp.Expr) -> exp.Expr:
    """Take casts and brackets off a value."""
    while isinstance(value, exp.Cast | exp.Paren):
        value = value.this
    return value


def _number(value: exp.Expr) -> int | None:
    plain = isinstance(value, exp.Parameter) and isinstance(value.this, exp.Literal)
    return int(value.this.name) if plain else None
