"""Turn a change of cost into an expected time, as this server's own times follow the planner's costs.

The planner prices the work of a plan, not what every execution takes anyway: starting and ending the executor, writing
WAL, firing triggers. That part is read off the statements that cost next to nothing: of those hardly one is faster than
the fastest fiftieth. A statement of a higher cost says nothing about it, nor does any about itself alone: without
others, all of a time is taken to be work.

The rest grows with the cost, though seldom in proportion: a page of a long scan takes less than one that an index leads
to, whatever the cost constants say. Which power of the cost it grows with is read off the workload as well, as the
slope of a line through the logarithms: the reduced major axis, since costs are as uncertain as times. (That costs can
be calibrated on the server itself: Wu et al., "Predicting query execution time: Are optimizer cost models really
unusable?", ICDE 2013.)
"""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.workload.parse import Statement

_LEAST_CALLS = 5
_QUANTILE = 0.02
#: Up to the cost of finding a row by an index, what every execution takes is most of the time.
_MOST_COST = 10.0
#: A line needs so many reads, of costs that differ so much, correlated so well.
_LEAST_READS = 20
_LEAST_SPREAD = 100.0
_LEAST_CORRELATION = 0.7
#: Below this cost an execution's start and end are most of it.
_LEAST_COST = 5.0
#: Where the line is flatter than this, something else than work takes the time.
_LEAST_GROWTH = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How times follow costs."""

    #: What an execution takes at least, by whether it writes; 0 when no cheap statement was measured.
    read_ms: float = 0.0
    write_ms: float = 0.0
    #: How many statements say so.
    reads: int = 0
    writes: int = 0
    #: Power of the cost with which the rest grows, at most 1.
    growth: float = 1.0


def learn_times(priced: Iterable[tuple[Statement, float]]) -> Times:
    """Learn from measured statements, each with the cost of one execution."""
    reads: list[tuple[float, float]] = []
    cheap_reads: list[float] = []
    cheap_writes: list[float] = []
    for statement, cost in priced:
        if statement.total_ms is None or statement.calls < _LEAST_CALLS:
            continue
        mean_ms = statement.total_ms / statement.calls
        if statement.kind == "select":
            reads.append((mean_ms, cost))
        if cost <= _MOST_COST:
            (cheap_reads if statement.kind == "select" else cheap_writes).append(mean_ms)
    read_ms = _low(cheap_reads)
    return Times(
        read_ms=read_ms,
        write_ms=_low(cheap_writes),
        reads=len(cheap_reads),
        writes=len(cheap_writes),
        growth=_growth(reads, read_ms),
    )


def expected_ms(statement: Statement, cost_before: float, cost_after: float, times: Times) -> float | None:
    """Return the expected mean time of a statement once its cost has changed; None when it was not measured."""
    if statement.total_ms is None or not statement.calls or cost_before <= 0:
        return None
    mean_ms = statement.total_ms / statement.calls
    fixed_ms = min(mean_ms, least_ms(statement, cost_before, times))
    return fixed_ms + (mean_ms - fixed_ms) * (cost_after / cost_before) ** times.growth


def least_ms(statement: Statement, cost: float, times: Times) -> float:
    """Return what every execution takes, as other statements than this one say."""
    is_read = statement.kind == "select"
    own = cost <= _MOST_COST and statement.calls >= _LEAST_CALLS
    if (times.reads if is_read else times.writes) <= own:
        return 0.0
    return times.read_ms if is_read else times.write_ms


def _low(values: list[float]) -> float:
    return sorted(values)[int(len(values) * _QUANTILE)] if values else 0.0


def _growth(reads: list[tuple[float, float]], read_ms: float) -> float:
    points = [
        (math.log(cost), math.log(mean_ms - read_ms))
        for mean_ms, cost in reads
        if cost >= _LEAST_COST and mean_ms > read_ms
    ]
    if len(points) < _LEAST_READS:
        return 1.0
    costs, times = zip(*points, strict=True)
    if max(costs) - min(costs) < math.log(_LEAST_SPREAD) or max(times) == min(times):
        return 1.0
    if statistics.correlation(costs, times) < _LEAST_CORRELATION:
        return 1.0
    return min(1.0, max(_LEAST_GROWTH, statistics.stdev(times) / statistics.stdev(costs)))
