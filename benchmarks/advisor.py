"""The proposals for TPC-H and TPC-DS at several budgets, built on the server that holds the rows.

python -m benchmarks.advisor [--suite tpch] [--scale 1] [--directory .twindex/bench] [-o docs/benchmarks/advisor.md]
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzer.advise.limits import Limits
from analyzer.advise.proposal import Advice, propose
from analyzer.amounts import percent
from analyzer.db import Connection, connect
from analyzer.objects.index import IndexDef
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.render import units
from analyzer.sql import render
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.twin import open_twin
from analyzer.workload.parse import parse_file
from benchmarks import tpc
from benchmarks.setting import read_setting, render_table
from benchmarks.targets import Section, Target, page_of
from benchmarks.twin_compare import explain
from benchmarks.twin_listed import create_extensions
from benchmarks.twin_live import DEFAULT_DIRECTORY, SETTINGS, TRUSTED, captured, live_server, tell

_HEAD = """# The advisor, measured

`make bench-advisor`. What is proposed for TPC-H and TPC-DS, which have their primary keys and no other index, is built
on the live server. Size is what `pg_relation_size` says there, cost what the server's EXPLAIN says of all queries, in
percent of their cost without the proposals. The gap is as far as the proposals may be from the best set of the same
candidates ([how indexes are chosen](../advisor.md)). Queries that other advisors could not plan are left out: 2, 17 and
20 of TPC-H, and 4, 6, 9, 10, 11, 32, 35, 41 and 95 of TPC-DS."""
_MB = 1024 * 1024
#: Budgets in MB, each with the cost that is wanted, in percent; the last row of each is the default without a budget.
_GOALS: dict[tpc.Name, tuple[tuple[int, float], ...]] = {
    "tpch": ((250, 66), (500, 60), (1024, 50), (3072, 41)),
    "tpcds": ((250, 71), (500, 65), (1024, 60), (2048, 57)),
}
_SECONDS: dict[tpc.Name, float] = {"tpch": 10, "tpcds": 60}
_LEFT_OUT: dict[tpc.Name, frozenset[int]] = {
    "tpch": frozenset({2, 17, 20}),
    "tpcds": frozenset({4, 6, 9, 10, 11, 32, 35, 41, 95}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was proposed within a budget, and what it is on the live server."""

    suite: tpc.Name
    #: None without a budget.
    budget_bytes: int | None
    #: In percent; None without a goal.
    wanted: float | None
    advice: Advice
    #: Of the search, the building of the twin aside.
    seconds: float
    size_bytes: int
    cost_before: float
    cost_after: float

    @property
    def cost(self) -> float:
        """Return the share of the cost that is left."""
        return self.cost_after / self.cost_before

    @property
    def predicted(self) -> float:
        """Return the same as the twin says."""
        found = self.advice.proposals
        return found[-1].cost_after / found[0].cost_before if found else 1.0

    @property
    def name(self) -> str:
        """Name the suite and the budget."""
        budget = "without a budget" if self.budget_bytes is None else units.size(self.budget_bytes)
        return f"{self.suite}, {budget}"


def measured(server: Cluster, name: tpc.Name, scale: float) -> Iterator[Measured]:
    """Propose for a suite within each budget, and build what is proposed."""
    suite = tpc.read_suite(name)
    url = tpc.loaded(server, suite, scale, tell)
    create_extensions(url)
    queries = [query for number, query in enumerate(suite.queries, 1) if number not in _LEFT_OUT[name]]
    snapshot, workload = captured(server, f"{name}_{scale:g}"), parse_file(";\n".join(queries))
    assert not workload.not_examined  # noqa: S101 - every query is priced
    with connect(url, autocommit=True) as live:
        before = sum(explain(live, query)["Total Cost"] for query in queries)
        for megabytes, wanted in (*_GOALS[name], (None, None)):
            budget = None if megabytes is None else int(megabytes * _MB * scale)
            tell(f"{name}: {'no budget' if budget is None else units.size(budget)}")
            with open_twin(snapshot, wanted=TRUSTED) as twin:
                began = time.perf_counter()
                advice = propose(twin, workload, limits=Limits(budget_bytes=budget))
                seconds = time.perf_counter() - began
            indexes = [each.built.index for each in advice.proposals]
            size_bytes, after = _built(live, indexes, queries)
            yield Measured(
                suite=name,
                budget_bytes=budget,
                wanted=wanted if scale == 1 else None,
                advice=advice,
                seconds=seconds,
                size_bytes=size_bytes,
                cost_before=before,
                cost_after=after,
            )


def _built(live: Connection, indexes: Sequence[IndexDef], queries: Sequence[str]) -> tuple[int, float]:
    """Build indexes, return their size and the cost of the queries, and take them away again."""
    size_bytes = 0
    with live.transaction(force_rollback=True):
        for index in indexes:
            tell(f"  {index.ddl()}")
            live.execute(render("twin/statement", statement=index.ddl()))
            values = {"name": index.name, "btree": index.method == "btree"}
            shape = live.execute(render("bench/index_shape"), values).fetchone()
            assert shape is not None  # noqa: S101 - the index exists
            size_bytes += int(shape["pages"]) * BLOCK_BYTES
        return size_bytes, sum(explain(live, query)["Total Cost"] for query in queries)


def section(found: Sequence[Measured]) -> Section:
    """Render the budgets of a suite."""
    name = found[0].suite
    rows = (
        (
            "none" if each.budget_bytes is None else units.size(each.budget_bytes),
            f"{len(each.advice.proposals)}",
            units.size(each.size_bytes),
            percent(each.cost),
            percent(each.predicted),
            "" if each.advice.gap is None else percent(each.advice.gap),
            f"{each.seconds:.1f} s",
        )
        for each in found
    )
    heads = ("budget:", "indexes:", "size:", "cost:", "cost on the twin:", "gap to the bound:", "time:")
    targets = [
        Target(
            name=each.name,
            wanted=f"≤ {each.wanted:g} %",
            measured=percent(each.cost),
            met=100 * each.cost <= each.wanted,
        )
        for each in found
        if each.wanted is not None
    ]
    slowest = max(each.seconds for each in found)
    targets.append(
        Target(
            name=f"{name}, time", wanted=f"≤ {_SECONDS[name]:g} s", measured=f"{slowest:.1f} s",
            met=slowest <= _SECONDS[name],
        )
    )  # fmt: skip
    return Section(text=f"## {name}\n\n{render_table(heads, rows)}", targets=tuple(targets))


def main() -> None:
    """Read the arguments, run, print or write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advisor", description="Measure the advisor.")
    parser.add_argument("--scale", type=float, default=1.0, help="of TPC-H and TPC-DS; 1 needs about 15 GB of disk")
    parser.add_argument("--suite", action="append", choices=list(_GOALS), help="only this one; can be repeated")
    parser.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY, help="where the live server is kept")
    parser.add_argument("-o", dest="file", type=Path, help="where to write the page; otherwise it is printed")
    given = parser.parse_args()
    with live_server(given.directory) as server:
        with connect(server.url()) as connection:
            setting = read_setting(connection, SETTINGS)
        sections: list[Section] = []
        for name in given.suite or _GOALS:
            sections.append(section(list(measured(server, name, given.scale))))
            if given.file is not None:  # what is measured is kept, whatever comes after
                given.file.parent.mkdir(parents=True, exist_ok=True)
                given.file.write_text(page_of(_HEAD, setting, sections), encoding="utf-8")
    if given.file is None:
        sys.stdout.write(page_of(_HEAD, setting, sections))


if __name__ == "__main__":
    main()
