"""The advisor against the known algorithms on TPC-H, TPC-DS and the shapes of the Join Order Benchmark.

python -m benchmarks.advisor [--suite tpch] [--scale 1] [--budget 1024] [--without-baselines] [--without-times]
    [--normalised] [--directory .twindex/bench] [-o docs/benchmarks/advisor.md]

Every set is built on the server that holds the rows. The page is written again after each set.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.twin.server.cluster import Cluster
from benchmarks.advisor_judge import Judge, Judged
from benchmarks.advisor_page import Results, section
from benchmarks.advisor_recorded import PRELOADED, Recorded, recorded
from benchmarks.advisor_sets import ALGORITHMS, WIDE, Algorithm, Chosen, open_baselines, proposed, workload_of
from benchmarks.advisor_shelf import Shelf
from benchmarks.advisor_suites import SUITES, Suite, read_suites
from benchmarks.advisor_times import Stopwatch
from benchmarks.setting import Setting, read_setting
from benchmarks.targets import page_of
from benchmarks.twin_listed import create_extensions
from benchmarks.twin_live import DEFAULT_DIRECTORY, READER, SETTINGS, captured, live_server, tell

HEAD = """# The advisor, measured

Written by `make bench-advisor`. What is proposed for the workloads below, chosen with `--suite` from TPC-H, TPC-DS and
one of the Join Order Benchmark's shapes, is built on the live server, where they have their primary keys and no other
index, beside what the known algorithms choose among plain btree indexes of one and two columns, with the same costs and
sizes (`benchmarks/baselines/`). Size is what `pg_relation_size` says there, cost what the server's EXPLAIN says of all
queries, in percent of their cost without the set, and time the median of three warm runs. Choosing has a worker for
each core (`--jobs`). The gap is as far as the proposals may be from the best set of the same candidates ([how indexes
are chosen](../advisor.md)). A query is slower when it takes more than 1.2 times as long and 50 ms more; it is announced
when the proposals say that it becomes more expensive, or name a risk of its new plan. Queries that other advisors could
not plan are left out: 2, 17 and 20 of TPC-H, and 4, 6, 9, 10, 11, 32, 35, 41 and 95 of TPC-DS."""


#: In seconds.
DEFAULT_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What of a suite is to be measured."""

    scale: float = 1.0
    #: In MB; None stands for that without one. Empty for all of the suite.
    budgets: tuple[int | None, ...] = ()
    algorithms: Mapping[str, Algorithm] = field(default_factory=lambda: ALGORITHMS)
    #: What each algorithm may take for a budget.
    seconds: float = 600.0
    #: What a query may take; None where nothing is timed.
    timeout: float | None = DEFAULT_TIMEOUT
    normalised: bool = False
    #: Of built indexes at once.
    most_bytes: int = 20 * 1024**3

    def within(self, suite: Suite) -> tuple[int | None, ...]:
        """Return the budgets in bytes, the one without at the end."""
        chosen = self.budgets or (*suite.budgets, None)
        return tuple(None if each is None else suite.budget_bytes(each, self.scale) for each in chosen)


def measure(server: Cluster, suite: Suite, parts: Parts) -> Iterator[Results]:
    """Judge all sets of a suite; yields what is known after each of them."""
    url = suite.load(server, parts.scale, tell)
    create_extensions(url)
    results = Results(suite=suite, scale=parts.scale)
    with connect(url, autocommit=True) as connection:
        shelf = Shelf(connection, most_bytes=parts.most_bytes)
        snapshot = captured(server, suite.database(parts.scale))
        watch = Stopwatch(connection, timeout_seconds=parts.timeout) if parts.timeout is not None else None
        with contextlib.closing(shelf):
            judge = Judge(connection=connection, shelf=shelf, queries=suite.queries, watch=watch)
            for chosen in _own(snapshot, suite, parts):
                results.judged.append(judge.judge(chosen))
                yield results
            for chosen in _baselines(snapshot, suite, parts):
                results.judged.append(judge.judge(chosen, is_timed=False))
                yield results
            for best in _to_be_timed(results, parts):
                results.judged[results.judged.index(best)] = judge.judge(best.chosen)
                yield results
            if parts.normalised:
                shelf.show(())
                reader = replace(server, user=READER).url(suite.database(parts.scale))
                found = recorded(connection, reader, suite.queries, seconds=parts.timeout or DEFAULT_TIMEOUT)
                for chosen in _normalised(found, suite, parts):
                    results.judged.append(judge.judge(chosen))
                    yield results


def _own(snapshot: Snapshot, suite: Suite, parts: Parts) -> Iterator[Chosen]:
    """Yield what twindex proposes: at each budget, and beside the set without one that without any limit."""
    workload = workload_of(suite.queries)
    for budget_bytes in parts.within(suite):
        yield proposed(snapshot, workload, suite.queries, budget_bytes=budget_bytes)
        if budget_bytes is None:
            yield proposed(snapshot, workload, suite.queries, is_unlimited=True)


def _baselines(snapshot: Snapshot, suite: Suite, parts: Parts) -> Iterator[Chosen]:
    if not parts.algorithms:
        return
    workload = workload_of(suite.queries)
    with open_baselines(snapshot, workload, parts.algorithms, seconds=parts.seconds) as baselines:
        for budget_bytes in parts.within(suite):
            for name in parts.algorithms:
                tell(f"{suite.name}: {name}")
                yield baselines.chosen(name, budget_bytes)


def _to_be_timed(results: Results, parts: Parts) -> Iterator[Judged]:
    """Yield the best sets of the known algorithms where execution time has a target."""
    for megabytes in results.suite.times if parts.timeout is not None else ():
        best = results.best(results.suite.budget_bytes(megabytes, parts.scale))
        if best is not None:
            yield best


def _normalised(found: Recorded, suite: Suite, parts: Parts) -> Iterator[Chosen]:
    for budget_bytes in parts.within(suite):
        yield proposed(found.snapshot, found.workload, suite.queries, budget_bytes=budget_bytes, of="normalised")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advisor", description="Measure the advisor.")
    add = parser.add_argument
    add("--scale", type=float, default=1.0, help="of the suites; 1 needs about 40 GB of disk")
    add("--suite", action="append", choices=list(SUITES), help="only this one; can be repeated")
    add("--budget", action="append", type=_budget, help="in MB, or none; only this one; can be repeated")
    add("--without-baselines", action="store_true", help="twindex alone")
    add("--wide", action="store_true", help="Extend and AutoAdmin with indexes of three columns as well")
    add("--seconds", type=float, default=600.0, help="what an algorithm may take for a budget")
    add("--without-times", action="store_true", help="do not execute the queries")
    add("--timeout", type=float, default=DEFAULT_TIMEOUT, help="what a query may take, in seconds")
    add("--normalised", action="store_true", help="also from what pg_stat_statements records of the queries")
    add("--most", type=float, default=20.0, help="what indexes may take on disk at once, in GB")
    add("--directory", type=Path, default=DEFAULT_DIRECTORY, help="where the live server is kept")
    add("-o", dest="file", type=Path, help="where to write the page; otherwise it is printed")
    return parser.parse_args()


def _budget(text: str) -> int | None:
    return None if text == "none" else int(text)


def main() -> None:
    """Read the arguments, run, print or write."""
    given = _parsed()
    parts = Parts(
        scale=given.scale,
        budgets=tuple(given.budget or ()),
        algorithms={} if given.without_baselines else {**ALGORITHMS, **(WIDE if given.wide else {})},
        seconds=given.seconds,
        timeout=None if given.without_times else given.timeout,
        normalised=given.normalised,
        most_bytes=int(given.most * 1024**3),
    )
    settings = SETTINGS | (PRELOADED if given.normalised else {})
    with live_server(given.directory, settings=settings) as server:
        with connect(server.url()) as connection:
            setting = read_setting(connection, settings)
        done: list[Results] = []
        for suite in read_suites(tuple(given.suite or ())):
            done.append(Results(suite=suite, scale=parts.scale))
            for results in measure(server, suite, parts):
                done[-1] = results
                if given.file is not None:  # what is measured is kept, whatever comes after
                    given.file.parent.mkdir(parents=True, exist_ok=True)
                    given.file.write_text(render_page(setting, done), encoding="utf-8")
    if given.file is None:
        sys.stdout.write(render_page(setting, done))


def render_page(setting: Setting, done: Sequence[Results]) -> str:
    """Write the page as Markdown."""
    return page_of(HEAD, setting, [section(each) for each in done])


if __name__ == "__main__":
    main()
