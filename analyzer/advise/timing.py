"""Turn a change of cost into an expected time.

The planner prices the work of a plan, not what every execution takes anyway: starting and ending the executor, writing
WAL, firing triggers. That part is read off the workload itself: hardly a statement runs faster than its cheapest tenth.
The rest of a statement's measured time is taken to change as its cost does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.workload.parse import Statement

_LEAST_CALLS = 5
_QUANTILE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """What an execution takes at least, by whether it writes; 0 when nothing was measured."""

    read_ms: float = 0.0
    write_ms: float = 0.0


def floors(statements: Iterable[Statement]) -> Floors:
    """Read the floors off the measured statements."""
    reads: list[float] = []
    writes: list[float] = []
    for statement in statements:
        if statement.total_ms is not None and statement.calls >= _LEAST_CALLS:
            (reads if statement.kind == "select" else writes).append(statement.total_ms / statement.calls)
    return Floors(read_ms=_low(reads), write_ms=_low(writes))


def expected_ms(statement: Statement, cost_before: float, cost_after: float, floor: Floors) -> float | None:
    """Return the expected mean time of a statement once its cost has changed; None when it was not measured."""
    if statement.total_ms is None or not statement.calls or cost_before <= 0:
        return None
    mean_ms = statement.total_ms / statement.calls
    fixed_ms = min(mean_ms, floor.read_ms if statement.kind == "select" else floor.write_ms)
    return fixed_ms + (mean_ms - fixed_ms) * cost_after / cost_before


def _low(values: list[float]) -> float:
    return sorted(values)[int(len(values) * _QUANTILE)] if values else 0.0
