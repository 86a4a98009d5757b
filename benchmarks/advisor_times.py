"""How long queries take with a set of real indexes, and why one is slower than its cost says."""

import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import psycopg

from analyzer.db import Connection
from analyzer.objects.index import IndexDef
from analyzer.sql import render
from analyzer.twin.twin import PlanTree, walk
from benchmarks.advisor_shelf import outline

#: Returns what an index in a plan is; None for one of a key.
Named = Callable[[str], IndexDef | None]

_RUNS = 3
#: A query is slower from here on, both ways of saying it.
SLOWER, SLOWER_MS = 1.2, 50.0
#: Cost and time disagree from here on, where neither is slower: how much less of the time than of the cost was saved.
_APART = 2.0
#: A node of which another number of rows came, by this factor, was misestimated.
_MISESTIMATED = 4.0
#: Nodes that read all of their input before they return a row.
_BLOCKING = frozenset({"Sort", "Hash", "Aggregate"})
_JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The execution time of a query: the median of three warm runs."""

    milliseconds: float
    #: It was canceled; it would have taken longer than that.
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A query with a set: its plan, what that costs and how long it takes."""

    name: str
    tree: PlanTree
    #: None where nothing was timed.
    timing: Timing | None = None

    @property
    def cost(self) -> float:
        """Return the planner's cost."""
        return float(self.tree["Total Cost"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A query that became slower, or not as fast as its cost promised, and why."""

    name: str
    cost_ratio: float
    before_ms: float
    after_ms: float
    timed_out: bool
    reason: str

    @property
    def is_slower(self) -> bool:
        """Say whether the query takes longer than without the set."""
        return is_slower(self.before_ms, self.after_ms)


def is_slower(before_ms: float, after_ms: float) -> bool:
    """Say whether a query counts as slower."""
    return after_ms > SLOWER * before_ms and after_ms - before_ms > SLOWER_MS


class Stopwatch:
    """Times queries under the indexes that are shown; a plan that has been timed is not run again."""

    def __init__(self, connection: Connection, *, timeout_seconds: float) -> None:
        self._connection = connection
        self._timeout_ms = round(1000 * timeout_seconds)
        self._known: dict[tuple[str, str], Timing] = {}
        self._analysed: dict[tuple[str, str], PlanTree | None] = {}

    def time(self, name: str, query: str, tree: PlanTree) -> Timing:
        """Return the time of a query, whose plan is given."""
        key = name, json.dumps(tree, sort_keys=True)
        if (known := self._known.get(key)) is None:
            known = self._known[key] = self._timed(query)
        return known

    def analysed(self, name: str, query: str, tree: PlanTree) -> PlanTree | None:
        """Return how the query ran, node by node; None where it was canceled."""
        key = name, json.dumps(tree, sort_keys=True)
        if key not in self._analysed:
            with self._limited():
                try:
                    row = self._connection.execute(render("bench/explain_analyze", statement=query)).fetchone()
                    self._analysed[key] = None if row is None else row["QUERY PLAN"][0]["Plan"]
                except psycopg.errors.QueryCanceled:
                    self._analysed[key] = None
        return self._analysed[key]

    def _timed(self, query: str) -> Timing:
        """Run a query once to warm the caches, and then so often as it takes."""
        found: list[float] = []
        with self._limited():
            for _ in range(1 + _RUNS):
                began = time.perf_counter()
                try:
                    self._connection.execute(query.encode(), prepare=False).fetchall()
                except psycopg.errors.QueryCanceled:
                    return Timing(milliseconds=float(self._timeout_ms), timed_out=True)
                found.append(1000 * (time.perf_counter() - began))
        return Timing(milliseconds=statistics.median(found[1:]))

    def _limited(self) -> "_Timeout":
        return _Timeout(self._connection, self._timeout_ms)


class _Timeout:
    """Cancels what takes longer within a block."""

    def __init__(self, connection: Connection, milliseconds: int) -> None:
        self._connection = connection
        self._milliseconds = milliseconds

    def __enter__(self) -> None:
        self._set(self._milliseconds)

    def __exit__(self, *_: object) -> None:
        self._set(0)

    def _set(self, milliseconds: int) -> None:
        self._connection.execute(render("bench/statement_timeout"), {"milliseconds": str(milliseconds)})


def geometric_mean(before: Mapping[str, Run], after: Mapping[str, Run]) -> float:
    """Return the geometric mean of the ratios of execution time, one for each query."""
    logs = [math.log(_ratio(run, before[name])) for name, run in after.items()]
    return math.exp(statistics.fmean(logs)) if logs else 1.0


def _ratio(after: Run, before: Run) -> float:
    """A query of no time would make any ratio: less than a tenth of a millisecond is not told apart."""
    assert after.timing is not None and before.timing is not None  # noqa: S101, PT018 - both were timed
    return max(after.timing.milliseconds, 0.1) / max(before.timing.milliseconds, 0.1)


def disagreements(
    before: Mapping[str, Run], after: Mapping[str, Run], queries: Mapping[str, str], watch: Stopwatch, named: Named
) -> Iterator[Disagreement]:
    """Yield the queries that are slower than without the set, or of which half of the promised saving did not come."""
    for name, run in after.items():
        old = before[name]
        if run.timing is None or old.timing is None or run.tree == old.tree:
            continue
        cost_ratio = run.cost / old.cost if old.cost else 1.0
        before_ms, after_ms = old.timing.milliseconds, run.timing.milliseconds
        promised = cost_ratio * before_ms
        if is_slower(before_ms, after_ms) or (after_ms > _APART * promised and after_ms - promised > SLOWER_MS):
            yield Disagreement(
                name=name,
                cost_ratio=cost_ratio,
                before_ms=before_ms,
                after_ms=after_ms,
                timed_out=run.timing.timed_out,
                reason=explained(old.tree, run.tree, watch.analysed(name, queries[name], run.tree), named),
            )


def explained(before: PlanTree, after: PlanTree, ran: PlanTree | None, named: Named) -> str:
    """Say what is another plan, where its time went, and which estimate was wrong the most."""
    return "; ".join(_explanation(before, after, ran, named))


def _explanation(before: PlanTree, after: PlanTree, ran: PlanTree | None, named: Named) -> Iterator[str]:
    joins = [
        sorted(node["Node Type"] for node in walk(tree) if node["Node Type"] in _JOINS) for tree in (before, after)
    ]
    if joins[0] != joins[1]:
        yield f"{_counted(joins[1])} instead of {_counted(joins[0])}"
    if ran is None:
        yield "canceled, so that nothing is known of its nodes"
        return
    total = max(float(ran["Actual Total Time"]), 1e-3)
    slowest = max(walk(ran), key=_own_time)
    yield f"{_node(slowest, named)} took {_own_time(slowest) / total:.0%} of the time{_loops(slowest)}"
    worst = max(_read_to_the_end(ran), key=_error, default=ran)
    if _error(worst) >= _MISESTIMATED:
        rows = f"expected {float(worst['Plan Rows']):,.0f} rows and returned {float(worst['Actual Rows']):,.0f}"
        yield f"{_node(worst, named)} {rows}{_loops(worst)}"
    else:
        yield f"no estimate of rows is off by {_MISESTIMATED:g} times, so that it is what a page or a row costs"


def _read_to_the_end(node: PlanTree, *, is_limited: bool = False) -> Iterator[PlanTree]:
    """Yield the nodes that returned all they had: below a LIMIT, what is sorted, hashed or aggregated is."""
    if not is_limited:
        yield node
    kind = node["Node Type"]
    below = kind == "Limit" or (is_limited and kind not in _BLOCKING)
    for child in node.get("Plans", ()):
        yield from _read_to_the_end(child, is_limited=below)


def _counted(joins: list[str]) -> str:
    found = {each: joins.count(each) for each in joins}
    return ", ".join(f"{number} {name}" for name, number in found.items()) or "no join"


def _own_time(node: PlanTree) -> float:
    """Return what a node takes itself, in milliseconds of all its loops."""
    below = sum(_time(child) for child in node.get("Plans", ()))
    return max(_time(node) - below, 0.0)


def _time(node: PlanTree) -> float:
    return float(node.get("Actual Total Time", 0.0)) * float(node.get("Actual Loops", 1))


def _error(node: PlanTree) -> float:
    """Return by what factor the rows were misestimated; of nodes that ran."""
    if not node.get("Actual Loops"):
        return 1.0
    actual, expected = max(float(node["Actual Rows"]), 1.0), max(float(node["Plan Rows"]), 1.0)
    return max(actual / expected, expected / actual)


def _loops(node: PlanTree) -> str:
    loops = int(node.get("Actual Loops", 1))
    return f" in each of {loops:,} loops" if loops > 1 else ""


def _node(node: PlanTree, named: Named) -> str:
    name = node.get("Index Name")
    index = named(str(name)) if name is not None else None
    of = outline(index) if index is not None else name or node.get("Relation Name") or node.get("CTE Name")
    return f"{node['Node Type']}{f' of {of}' if of else ''}"
