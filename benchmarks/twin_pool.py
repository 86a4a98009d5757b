"""How much faster copies of a twin plan side by side, and whether they say the same."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from analyzer.documents.snapshot import Snapshot
from analyzer.objects.index import IndexDef, Key
from analyzer.processes import usable_cores
from analyzer.twin.pool import parallel_twins
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.twin import Twin, open_twin
from benchmarks import tpc
from benchmarks.setting import render_table
from benchmarks.targets import Section, Target
from benchmarks.twin_live import TRUSTED, captured, tell

SUITE, TABLE = "tpcds", "store_sales"
#: Each query is planned with every single one of so many candidates.
CANDIDATES = 12


@dataclass(frozen=True, slots=True)
class Task:
    """One query, with one candidate shown."""

    query: str
    place: int


def cost(twin: Twin, task: Task) -> float:
    """Plan one task again."""
    twin.show([twin.added[task.place]])
    return twin.plan(task.query, generic=False).cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What all tasks took somewhere."""

    where: str
    per_second: float
    costs: tuple[float, ...]


def measured(twin: Twin, tasks: Sequence[Task]) -> Iterator[Measured]:
    """Plan all tasks on the twin itself, then on one copy of it, on two, and so on, one a core."""
    tell("pool: the twin itself")
    yield timed("the twin itself", lambda given: [cost(twin, task) for task in given], tasks, twins=1)
    for copies in range(1, usable_cores() + 1):
        tell(f"pool: {copies} copies")
        with parallel_twins(twin, copies) as pool:
            where = "one copy" if copies == 1 else f"{copies} copies"
            yield timed(where, functools.partial(pool.map, cost), tasks, twins=copies)


def timed(where: str, plan: Callable[[Sequence[Task]], list[float]], tasks: Sequence[Task], *, twins: int) -> Measured:
    """Plan all tasks on so many twins, and measure it."""
    # Every twin plans each query once before the clock runs, so that all know the catalog.
    once = tasks[: len(tasks) // CANDIDATES]
    plan([task for task in once for _ in range(twins)])
    began = time.perf_counter()
    costs = plan(tasks)
    return Measured(where=where, per_second=len(tasks) / (time.perf_counter() - began), costs=tuple(costs))


def section(server: Cluster, scale: float) -> Section:
    """Measure the pool and render it."""
    suite = tpc.read_suite(SUITE)
    tpc.loaded(server, suite, scale, tell)
    snapshot = captured(server, f"{SUITE}_{scale:g}")
    with open_twin(snapshot, wanted=TRUSTED) as twin:
        added = twin.add(candidates(snapshot))
        found = list(measured(twin, [Task(query, place) for place in range(len(added)) for query in suite.queries]))
    is_same = all(each.costs == found[0].costs for each in found)
    rows = [(each.where, f"{each.per_second:,.0f}", f"{each.per_second / found[0].per_second:.2f}") for each in found]
    table = render_table(("planned on", "plans a second:", "times the twin's own:"), rows)
    target = Target(
        name="costs on any number of twins", wanted="the same", measured="the same" if is_same else "others",
        met=is_same,
    )  # fmt: skip
    return Section(text=f"## A pool of twins\n\n{_HEAD}\n\n{table}", targets=(target,))


_HEAD = f"""Each TPC-DS query with each of {CANDIDATES} indexes of {TABLE} shown alone, planned again: on the twin
itself, and on copies of it in processes of their own, as `twindex propose --jobs` has them. A twin is a server and its
client, which take turns; another process hands out the work."""


def candidates(snapshot: Snapshot) -> list[IndexDef]:
    """Return indexes to show one by one."""
    relation = snapshot.relation("public", TABLE)
    assert relation is not None  # noqa: S101 - it was loaded
    return [
        IndexDef(schema="public", table=TABLE, name=f"pooled_{column.name}", keys=(Key(column=column.name),))
        for column in relation.columns[:CANDIDATES]
    ]
