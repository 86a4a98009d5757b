"""TPC-H and TPC-DS: the same plans and costs on the twin as on the server that holds the rows?"""

from collections.abc import Iterable

from analyzer.db import connect
from analyzer.twin.cluster import Cluster
from analyzer.twin.planner import open_twin
from benchmarks import tpc
from benchmarks.setting import render_table
from benchmarks.twin_compare import Compared, compare, explain
from benchmarks.twin_live import captured, tell

#: Share of the live cost by which the twin's may be off: EXPLAIN prints two decimals.
TOLERANCE = 1e-4


def compared(server: Cluster, suite: tpc.Suite, scale: float) -> tuple[Compared, ...]:
    """Plan every query of a suite on both sides."""
    url = tpc.loaded(server, suite, scale, tell)
    tell(f"{suite.name}: capture and twin")
    snapshot = captured(server, f"{suite.name}_{scale:g}")
    with connect(url, autocommit=True) as live, open_twin(snapshot) as twin:
        return tuple(
            compare(f"{suite.name} {number}", explain(live, query), twin.plan(query, generic=False))
            for number, query in enumerate(suite.queries, 1)
        )


def section(server: Cluster, scale: float) -> str:
    """Measure both suites and render them."""
    rows: list[tuple[str, ...]] = []
    different: list[tuple[str, ...]] = []
    for name in ("tpch", "tpcds"):
        found = compared(server, tpc.read_suite(name), scale)
        rows.append(_summary(name, found))
        different += _different(found)
    text = render_table(("suite", "queries", "same plan", "cost within 0.01 %", "largest error"), rows)
    if different:
        text += "\n\n" + render_table(("query", "cost error", "first difference"), different)
    return f"## TPC-H and TPC-DS, scale {scale:g}\n\n{text}"


def _summary(name: str, found: Iterable[Compared]) -> tuple[str, ...]:
    all_found = tuple(found)
    same = sum(each.difference is None for each in all_found)
    near = sum(each.error <= TOLERANCE for each in all_found)
    worst = max(each.error for each in all_found)
    return (name, str(len(all_found)), str(same), str(near), f"{worst:.4%}")


def _different(found: Iterable[Compared]) -> list[tuple[str, ...]]:
    return [
        (each.name, f"{each.error:.4%}", each.difference or each.drift or "")
        for each in found
        if each.difference or each.error > TOLERANCE
    ]
