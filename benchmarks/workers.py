"""How much faster two workers plan than one: `python -m benchmarks.workers [--scale S | --snapshot FILE]`.

Each TPC-DS query is planned with each of a dozen indexes shown alone, on copies of the twin in processes of their own
and in workers of a Dask scheduler on this machine. It needs two cores that nothing else uses.
"""

import argparse
import contextlib
import functools
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from distributed import LocalCluster

from analyzer.documents.snapshot import Snapshot, load
from analyzer.executors import connected, parse_address
from analyzer.twin.pool import TwinPool, parallel_twins, pool_on
from analyzer.twin.twin import Twin, open_twin
from benchmarks import tpc
from benchmarks.setting import render_table
from benchmarks.targets import Section, Target
from benchmarks.twin_live import TRUSTED, captured, live_server, tell
from benchmarks.twin_pool import SUITE, Measured, Task, candidates, cost, timed

#: How much faster two workers have to be than one.
LEAST_TIMES = 1.7


@contextlib.contextmanager
def dask_twins(twin: Twin, workers: int) -> Generator[TwinPool]:
    """Have copies of a twin in the workers of a Dask scheduler on this machine, a process each."""
    opening: Any = LocalCluster
    with opening(
        n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        address = parse_address(cluster.scheduler_address.replace("tcp:", "dask:"))
        with connected(address, tell) as engine, pool_on(twin, engine) as pool:
            yield pool


ENGINES: dict[str, Callable[[Twin, int], contextlib.AbstractContextManager[TwinPool]]] = {
    "own processes": parallel_twins,
    "Dask": dask_twins,
}


def measured(twin: Twin, tasks: Sequence[Task]) -> Iterator[tuple[Measured, Measured]]:
    """Plan all tasks with one worker and with two of each engine."""
    for name, opening in ENGINES.items():
        found: list[Measured] = []
        for workers in (1, 2):
            tell(f"{name}: {workers}")
            with opening(twin, workers) as pool:
                found.append(timed(name, functools.partial(pool.map, cost), tasks, twins=workers))
        yield found[0], found[1]


def section(snapshot: Snapshot, queries: Sequence[str]) -> Section:
    """Measure one worker against two and render it."""
    with open_twin(snapshot, wanted=TRUSTED) as twin:
        added = twin.add(candidates(snapshot))
        tasks = [Task(query, place) for place in range(len(added)) for query in queries]
        pairs = list(measured(twin, tasks))
    rows = [
        (one.where, f"{one.per_second:,.0f}", f"{two.per_second:,.0f}", f"{two.per_second / one.per_second:.2f}")
        for one, two in pairs
    ]
    is_same = len({each.costs for pair in pairs for each in pair}) == 1
    least = min(two.per_second / one.per_second for one, two in pairs)
    targets = (
        Target(
            name="two workers against one", wanted=f"{LEAST_TIMES} times", measured=f"{least:.2f} times",
            met=least >= LEAST_TIMES,
        ),
        Target(
            name="costs with any workers", wanted="the same", measured="the same" if is_same else "others", met=is_same,
        ),
    )  # fmt: skip
    heads = ("workers", "plans a second, one:", "two:", "times:")
    return Section(text=f"{len(tasks):,} plans\n\n{render_table(heads, rows)}", targets=targets)


def _recorded(scale: float) -> Snapshot:
    with live_server() as server:
        tpc.loaded(server, tpc.read_suite(SUITE), scale, tell)
        return captured(server, f"{SUITE}_{scale:g}")


def main() -> None:
    """Measure and print; exit status 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="scale of the TPC-DS data that is loaded and captured")
    parser.add_argument("--snapshot", type=Path, help="a snapshot of TPC-DS data, instead")
    parser.add_argument("--queries", type=int, default=99, help="only the first so many queries")
    given = parser.parse_args()
    snapshot = load(given.snapshot) if given.snapshot else _recorded(given.scale)
    found = section(snapshot, _plannable(snapshot, tpc.read_suite(SUITE).queries[: given.queries]))
    print(found.text)
    for target in found.targets:
        print(f"{target.name}: {target.measured}, wanted {target.wanted}")
    sys.exit(not all(target.met for target in found.targets))


def _plannable(snapshot: Snapshot, queries: Sequence[str]) -> Sequence[str]:
    """Leave out what the captured tables do not serve."""
    with open_twin(snapshot, wanted=TRUSTED) as twin:
        return [query for query in queries if twin.obstacle(query) is None]


if __name__ == "__main__":
    main()
