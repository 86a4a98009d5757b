"""The workloads that the advisor is measured on, and what must be reached on each."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from analyzer.twin.server.cluster import Cluster
from benchmarks import job, tpc

#: Loads the suite at a scale unless it is there, and returns the URL of its database.
Load = Callable[[Cluster, float, Callable[[str], object]], str]

_MB = 1024 * 1024
#: In MB.
BUDGETS = (125, 250, 500, 1024, 2048, 3072, 4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query, and what it is called in tables."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A workload with its data, and its targets at scale 1."""

    name: str
    queries: tuple[Query, ...]
    load: Load
    #: In MB.
    budgets: tuple[int, ...] = BUDGETS
    #: Cost that must be reached at a budget in MB, in percent of that without proposals.
    costs: Mapping[int, float] = field(default_factory=dict[int, float])
    #: The same of execution time: geometric mean of the queries' ratios.
    times: Mapping[int, float] = field(default_factory=dict[int, float])
    #: What choosing may take; None where that is only reported.
    seconds: float | None = None

    def database(self, scale: float) -> str:
        """Name the database at a scale."""
        return f"{self.name}_{scale:g}"

    def budget_bytes(self, megabytes: int, scale: float) -> int:
        """Return a budget as it is at a scale."""
        return int(megabytes * _MB * scale)


#: Queries that other advisors could not plan.
_LEFT_OUT: dict[tpc.Name, frozenset[int]] = {
    "tpch": frozenset({2, 17, 20}),
    "tpcds": frozenset({4, 6, 9, 10, 11, 32, 35, 41, 95}),
}


def _tpc(name: tpc.Name) -> tuple[tuple[Query, ...], Load]:
    suite = tpc.read_suite(name)

    def load(server: Cluster, scale: float, tell: Callable[[str], object]) -> str:
        return tpc.loaded(server, suite, scale, tell)

    numbered = enumerate(suite.queries, 1)
    return tuple(Query(name=f"{n}", text=text) for n, text in numbered if n not in _LEFT_OUT[name]), load


def _tpch() -> Suite:
    queries, load = _tpc("tpch")
    return Suite(
        name="tpch",
        queries=queries,
        load=load,
        costs={250: 66, 500: 60, 1024: 50, 3072: 41},
        times={1024: 0.45, 3072: 0.38},
        seconds=10,
    )


def _tpcds() -> Suite:
    queries, load = _tpc("tpcds")
    costs = {250: 71, 500: 65, 1024: 60, 2048: 57}
    return Suite(name="tpcds", queries=queries, load=load, costs=costs, seconds=60)


def _job() -> Suite:
    queries = tuple(Query(name=each.name, text=each.text) for each in job.read_queries())
    return Suite(name="job", queries=queries, load=job.loaded, budgets=(60, 125, 250, 500))


#: Of each name; reading one may need a package that is not installed.
SUITES: Mapping[str, Callable[[], Suite]] = {
    name: functools.cache(read) for name, read in (("tpch", _tpch), ("tpcds", _tpcds), ("job", _job))
}


def read_suites(names: tuple[str, ...]) -> Iterator[Suite]:
    """Read some suites, or all."""
    for name in names or tuple(SUITES):
        yield SUITES[name]()
