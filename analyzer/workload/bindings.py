"""Draw values for a statement's parameters from the planner's statistics, so that it can be planned as it really runs.

A generic plan cannot use a partial index on a constant and knows no skew. A binding is one set of values for all
parameters; the values lie at even quantiles, so that a frequent value is drawn as often as it occurs.
"""

import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from analyzer.documents.snapshot import Column, ColumnStatistics, Snapshot
from analyzer.postgres.arrays import parse_array
from analyzer.postgres.lex import lex
from analyzer.sql import literal
from analyzer.workload.parameters import Comparison
from analyzer.workload.parse import Statement
from analyzer.workload.plannable import Edit, apply
from analyzer.workload.shapes import Shape

#: Share of the rows that lies between the two ends of a range.
RANGE_SHARE = 0.1
#: Letters of a pattern drawn from a value.
PATTERN_LETTERS = 5

#: Uses whose values let through anything from nothing to everything.
SELECTIVE = frozenset({"range", "like", "ilike", "contains", "search"})
#: Where to draw the ends of ranges of different selectivity: close together towards either end.
_TAILS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 1.0)
#: How many values of different selectivity to draw.
_ALTERNATIVES = 12
#: How many elements of arrays, or lexemes, to pair with one another.
_ELEMENTS = 8

#: The words drawn are lexemes already, as the column holds them; no other configuration leaves them so.
_LEXEMES_AS_THEY_ARE = "'pg_catalog.simple'::pg_catalog.regconfig"
_UNBINDABLE = re.compile(r"\[\]$|^(json|jsonb|xml|bytea|tsvector|tsquery)$|\b(vector|halfvec|sparsevec|bit)\b")


#: Bindings, and calls, that tell a value that never changes from one that was seen a few times.
_FEWEST_BINDINGS, _FEWEST_CALLS = 2, 20
#: Share of the calls that have a frequent value of a parameter, and how many of its values are looked at.
_FREQUENT_SHARE, _MOST_FREQUENT = 0.1, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """SQL text for one parameter, with its type."""

    parameter: int
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Values for all parameters of a statement."""

    values: tuple[Value, ...]
    #: Share of the calls it stands for; those of a statement sum to 1.
    weight: float


def bindings(statement: Statement, shape: Shape, snapshot: Snapshot, count: int = 3) -> tuple[Binding, ...]:
    """Draw up to `count` bindings, always the same; none when a parameter has nothing to be drawn from."""
    wanted = {int(token.text[1:]) for token in lex(statement.plannable) if token.kind == "parameter"}
    compared = {comparison.parameter: comparison for comparison in shape.comparisons}
    if not wanted or not wanted <= compared.keys():
        return ()
    source = _Source(shape.comparisons, snapshot)
    drawn: dict[int, list[str]] = {}
    for parameter in sorted(wanted):
        values = source.draw(compared[parameter], count)
        if values is None:
            return ()
        drawn[parameter] = values
    weights: dict[tuple[Value, ...], float] = {}
    for place in range(count):
        values = tuple(Value(parameter=parameter, sql=each[place]) for parameter, each in drawn.items())
        weights[values] = weights.get(values, 0) + 1 / count
    return tuple(Binding(values=values, weight=weight) for values, weight in weights.items())


def logged_bindings(statement: Statement) -> tuple[Binding, ...]:
    """Return the bindings that the server's log has of a statement; none where a parameter has no value in it.

    The values have no type, as the parameters have none: the server finds it in the same way.
    """
    wanted = {int(token.text[1:]) for token in lex(statement.plannable) if token.kind == "parameter"}
    logged = statement.logged.bindings if wanted and statement.logged is not None else ()
    return tuple(
        Binding(
            values=tuple(
                Value(parameter=number, sql="NULL" if value is None else literal(value))
                for number, value in enumerate(each.values, 1)
            ),
            weight=each.share,
        )
        for each in logged
        if wanted <= set(range(1, len(each.values) + 1))
    )


def with_stable_values(statement: Statement) -> str | None:
    """Put the values that are the same in all logged bindings in the place of their parameters; None when none is.

    What always has the same value is a constant to a partial index, as is a constant of the only text of the statement.
    """
    logged = statement.logged
    if logged is None or logged.calls < _FEWEST_CALLS:
        return None
    is_known = not logged.other_calls and len(logged.bindings) >= _FEWEST_BINDINGS
    stable = tuple(value for value in _same_values(statement) if is_known or value.parameter in logged.constants)
    return bound_text(statement.plannable, Binding(values=stable, weight=1.0)) if stable else None


def with_frequent_values(statement: Statement, shape: Shape) -> Iterator[str]:
    """Put each value that a parameter often has, compared with = to a column, in its place alone.

    A value is known to come again if several bindings have it: the log keeps only some of those that differ elsewhere.
    """
    logged = statement.logged
    if logged is None or logged.calls < _FEWEST_CALLS:
        return
    compared = {each.parameter for each in shape.comparisons if each.use == "equality" and each.operator == "="}
    shares, seen = defaultdict[Value, float](float), Counter[Value]()
    for binding in logged_bindings(statement):
        for value in binding.values:
            if value.parameter in compared and value.sql != "NULL":
                shares[value] += binding.weight
                seen[value] += 1
    often = [
        value
        for value, share in sorted(shares.items(), key=lambda item: (-item[1], item[0].parameter, item[0].sql))
        if share >= _FREQUENT_SHARE and (seen[value] >= _FEWEST_BINDINGS or not logged.other_calls)
    ]
    for value in often[:_MOST_FREQUENT]:
        yield bound_text(statement.plannable, Binding(values=(value,), weight=1.0))


def with_constants(statement: Statement, text: str) -> str:
    """Put the constants of the text that was seen of a statement back into the text of its generic plan."""
    constants = statement.logged.constants if statement.logged is not None else ()
    values = tuple(value for value in _same_values(statement) if value.parameter in constants) if constants else ()
    return bound_text(text, Binding(values=values, weight=1.0)) if values else text


def _same_values(statement: Statement) -> tuple[Value, ...]:
    """Return the values that are the same in all bindings that are known."""
    found = logged_bindings(statement)
    if not found:
        return ()
    same = set(found[0].values).intersection(*(each.values for each in found[1:]))
    return tuple(value for value in found[0].values if value in same and value.sql != "NULL")


def alternatives(statement: Statement, shape: Shape, snapshot: Snapshot) -> tuple[Binding, ...]:
    """Draw bindings that differ in how many rows their ranges, patterns and contained values let through.

    The other parameters stay at their median. None when no parameter is of that kind, or one has nothing to be drawn
    from; the caller picks the one that fits the rows the server counted.
    """
    wanted = {int(token.text[1:]) for token in lex(statement.plannable) if token.kind == "parameter"}
    compared = {comparison.parameter: comparison for comparison in shape.comparisons}
    if not wanted <= compared.keys() or not any(compared[each].use in SELECTIVE for each in wanted):
        return ()
    source = _Source(shape.comparisons, snapshot)
    drawn: dict[int, list[str]] = {}
    for parameter in sorted(wanted):
        comparison = compared[parameter]
        values = source.pool(comparison) if comparison.use in SELECTIVE else source.draw(comparison, 1)
        if not values:
            return ()
        drawn[parameter] = values
    most = max(len(values) for values in drawn.values())
    found = dict.fromkeys(
        tuple(Value(parameter=parameter, sql=values[place % len(values)]) for parameter, values in drawn.items())
        for place in range(most)
    )
    return tuple(Binding(values=values, weight=1.0) for values in found)


class _Source:
    """Values for a statement's parameters; those compared alike get the same, drawn once."""

    def __init__(self, comparisons: Sequence[Comparison], snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        # Whether a range has two ends is all that the other comparisons tell; of a thousand alike one does.
        self._comparisons = tuple({replace(each, parameter=0): each for each in comparisons}.values())
        self._drawn: dict[tuple[Comparison, int], list[str] | None] = {}

    def draw(self, comparison: Comparison, count: int) -> list[str] | None:
        key = replace(comparison, parameter=0), count
        if key not in self._drawn:
            self._drawn[key] = _draw(comparison, self._comparisons, self._snapshot, count)
        return self._drawn[key]

    def pool(self, comparison: Comparison) -> list[str]:
        key = replace(comparison, parameter=0), 0
        if key not in self._drawn:
            self._drawn[key] = _pool(comparison, self._comparisons, self._snapshot)
        return self._drawn[key] or []


def bound_text(plannable: str, binding: Binding) -> str:
    """Put a binding's values in the place of the parameters."""
    sql = {f"${value.parameter}": value.sql for value in binding.values}
    edits = [Edit(token.start, token.end, sql[token.text]) for token in lex(plannable) if token.text in sql]
    return apply(plannable, edits)


def _draw(
    comparison: Comparison, comparisons: Sequence[Comparison], snapshot: Snapshot, count: int
) -> list[str] | None:
    """Return `count` values for one parameter as SQL."""
    relation = snapshot.relation(comparison.schema, comparison.table)
    column = relation.column(comparison.column) if relation is not None else None
    if column is None:
        return None
    if comparison.use == "configuration":
        return [_LEXEMES_AS_THEY_ARE] * count
    if comparison.use == "assigned":
        return [f"NULL::{column.type}"] * count
    quantiles = [(place + 0.5) / count for place in range(count)]
    if comparison.use in ("contains", "search"):
        pool = _pool(comparison, comparisons, snapshot)
        return [pool[int(quantile * len(pool))] for quantile in quantiles] if pool else None
    statistics = snapshot.column_statistics(comparison.schema, comparison.table, comparison.column)
    if statistics is None or _UNBINDABLE.search(column.type):
        return None
    if comparison.use == "range":
        quantiles = [_shifted(quantile, comparison, comparisons) for quantile in quantiles]
        drawn = _from_order(statistics, quantiles)
    else:
        drawn = _from_frequencies(statistics, quantiles)
    if comparison.use in ("like", "ilike") and drawn is not None:
        drawn = [_pattern(value) for value in drawn]
    return None if drawn is None else [_typed(value, column) for value in drawn]


def _pool(comparison: Comparison, comparisons: Sequence[Comparison], snapshot: Snapshot) -> list[str]:
    """Return values of different selectivity for one parameter as SQL; none when there are no statistics."""
    relation = snapshot.relation(comparison.schema, comparison.table)
    column = relation.column(comparison.column) if relation is not None else None
    statistics = snapshot.column_statistics(comparison.schema, comparison.table, comparison.column)
    if column is None or statistics is None:
        return []
    if comparison.use == "range":
        quantiles = [_shifted(quantile, comparison, comparisons) for quantile in _TAILS]
        return [_typed(value, column) for value in _from_order(statistics, quantiles) or ()]
    values = parse_array(statistics.most_common_values or "{}") + parse_array(statistics.histogram_bounds or "{}")
    if comparison.use in ("like", "ilike"):
        found = [_pattern(value, letters) for value in _spread(values, 4) for letters in (3, PATTERN_LETTERS, 8)]
        found += [f"%{value}%" for value in _spread(values, 2)]
    elif column.type == "jsonb":
        found = _fragments(values)
    elif column.type.endswith("[]"):
        return [f"ARRAY[{', '.join(map(literal, some))}]::{column.type}" for some in _pairs(statistics)]
    elif column.type == "tsvector":
        return [literal(" ".join(lexemes)) for lexemes in _pairs(statistics)]
    else:
        return []
    return [_typed(value, column) for value in dict.fromkeys(found)]


def _fragments(documents: Sequence[str]) -> list[str]:
    """Cut pairs of name and value out of JSON documents, as filters ask for them: one, every name in turn, then two."""
    by_name: dict[str, dict[str, None]] = {}
    twos: dict[str, None] = {}
    for document in _spread(documents, _ALTERNATIVES):
        try:
            parsed: object = json.loads(document)
        except ValueError:
            continue
        if isinstance(parsed, dict):
            pairs = cast("dict[str, object]", parsed).items()
            plain = {name: value for name, value in pairs if isinstance(value, str | int | float | bool)}
            for name, value in plain.items():
                by_name.setdefault(name, {})[json.dumps({name: value})] = None
            twos |= {json.dumps(dict(two)): None for two in itertools.combinations(plain.items(), 2)}
    turns = itertools.zip_longest(*(list(by_name[name]) for name in sorted(by_name)))
    ones = [fragment for turn in turns for fragment in turn if fragment is not None]
    return ones[: 2 * _ALTERNATIVES] + _spread(list(twos), _ALTERNATIVES)


def _pairs(statistics: ColumnStatistics) -> list[tuple[str, ...]]:
    """Take elements by twos, from the most to the least frequent one: who searches for words has two on average.

    (Jansen, Spink, Saracevic, "Real life, real users, and real needs", 2000: 2.2 terms a query.)
    """
    elements = parse_array(statistics.most_common_elements or "{}")
    frequencies = statistics.most_common_element_frequencies or ()
    ranked = sorted(zip(frequencies, elements, strict=False), key=lambda each: (-each[0], each[1]))
    return list(itertools.combinations(_spread([element for _, element in ranked], _ELEMENTS), 2))


def _spread(values: Sequence[str], count: int) -> list[str]:
    """Take that many values from the whole length of a sequence."""
    if len(values) <= count:
        return list(values)
    return [values[place * (len(values) - 1) // (count - 1)] for place in range(count)]


def _typed(value: str, column: Column) -> str:
    return f"{literal(value)}::{column.type}"


def _shifted(quantile: float, comparison: Comparison, comparisons: Sequence[Comparison]) -> float:
    """Move the two ends of a range apart; an end that stands alone stays."""
    signs = {
        each.operator[0]
        for each in comparisons
        if (each.schema, each.table, each.column) == (comparison.schema, comparison.table, comparison.column)
        and each.use == "range"
    }
    if not signs >= {"<", ">"}:
        return quantile
    return min(1.0, max(0.0, quantile + (RANGE_SHARE / 2 if comparison.operator[0] == "<" else -RANGE_SHARE / 2)))


def _from_frequencies(statistics: ColumnStatistics, quantiles: list[float]) -> list[str] | None:
    """Draw as the values occur: common ones by their frequency, the rest from the histogram."""
    common = parse_array(statistics.most_common_values or "{}")
    shares = (statistics.most_common_frequencies or ())[: len(common)]
    bounds = parse_array(statistics.histogram_bounds or "{}")
    total = sum(shares) if not bounds else max(sum(shares), 1 - statistics.null_fraction)
    if not common and not bounds:
        return None
    drawn: list[str] = []
    for quantile in quantiles:
        point = quantile * total
        for value, share in zip(common, shares, strict=False):
            if point < share:
                drawn.append(value)
                break
            point -= share
        else:
            rest = max(total - sum(shares), 1e-9)
            drawn.append(_at(bounds, point / rest) if bounds else common[-1])
    return drawn


def _from_order(statistics: ColumnStatistics, quantiles: list[float]) -> list[str] | None:
    bounds = parse_array(statistics.histogram_bounds or "{}")
    ordered = bounds or _sorted(parse_array(statistics.most_common_values or "{}"))
    return [_at(ordered, quantile) for quantile in quantiles] if ordered else None


def _at(ordered: Sequence[str], quantile: float) -> str:
    return ordered[min(len(ordered) - 1, max(0, round(quantile * (len(ordered) - 1))))]


def _sorted(values: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(sorted(values, key=float))
    except ValueError:
        return tuple(sorted(values))


def _pattern(value: str, letters: int = PATTERN_LETTERS) -> str:
    """Look for the beginning of the value's longest word, as people search."""
    words = re.findall(r"[^\W_]+", value)
    longest = max(words, key=len, default="")
    return f"%{longest[:letters]}%"
