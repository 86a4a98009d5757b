"""TPC-H and TPC-DS: the same plans and costs on the twin as on the server that holds the rows?"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from analyzer.db import connect
from analyzer.documents.snapshot import Snapshot
from analyzer.errors import CapabilityError
from analyzer.twin.hypothetical.explain import PlanTree
from analyzer.twin.server.binaries import find_binaries
from analyzer.twin.server.cluster import Cluster
from analyzer.twin.twin import PlannerChoice, open_twin
from benchmarks import tpc
from benchmarks.setting import render_table
from benchmarks.targets import Section, Target
from benchmarks.twin_compare import Compared, compare, explain
from benchmarks.twin_live import DEBIAN_15, TRUSTED, captured, live_server, tell

#: Share of the live cost by which the twin's may be off: EXPLAIN prints two decimals.
TOLERANCE = 1e-4
#: From here on a query of another version is named.
_FAR = 0.05
_SHOWN = (TOLERANCE, 0.01, _FAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A suite as one live server plans it, and one twin of that."""

    suite: tpc.Name
    #: Major versions.
    live: int
    twin: int
    compared: tuple[Compared, ...]

    @property
    def same(self) -> int:
        """Count the plans that are the live ones."""
        return sum(each.difference is None for each in self.compared)

    def near(self, tolerance: float) -> int:
        """Count the costs that are off by at most this share."""
        return sum(each.error <= tolerance for each in self.compared)

    @property
    def errors(self) -> list[float]:
        """List by how much the costs are off."""
        return [each.error for each in self.compared]


def answers(
    server: Cluster, suite: tpc.Suite, scale: float, wanted: Sequence[PlannerChoice] = (TRUSTED,)
) -> list[Answers]:
    """Plan every query of a suite on a server, and on a twin of it for each that is wanted; load and capture once."""
    url = tpc.loaded(server, suite, scale, tell)
    tell(f"{suite.name} on {server.version}: capture and twins")
    snapshot = captured(server, f"{suite.name}_{scale:g}")
    with connect(url, autocommit=True) as live:
        plans = [explain(live, query) for query in suite.queries]
    return [_beside(plans, suite, snapshot, each) for each in wanted]


def _beside(plans: Sequence[PlanTree], suite: tpc.Suite, snapshot: Snapshot, wanted: PlannerChoice) -> Answers:
    major = snapshot.server.major
    with open_twin(snapshot, wanted=wanted) as twin:
        other = twin.built.major
        found = tuple(
            compare(f"{suite.name} {number}", plan, twin.plan(query, generic=False), outline=other != major)
            for number, (plan, query) in enumerate(zip(plans, suite.queries, strict=True), 1)
        )
    return Answers(suite=suite.name, live=major, twin=other, compared=found)


def section(server: Cluster, scale: float, directory: Path, others: Sequence[Path] = ()) -> Section:
    """Measure both suites on both servers, and on those of other installations, and render them."""
    suites = [tpc.read_suite(name) for name in ("tpch", "tpcds")]
    found = [each for suite in suites for each in answers(server, suite, scale)]
    missing = ""
    with contextlib.ExitStack() as stack:
        try:
            older = stack.enter_context(live_server(directory, bin_dir=DEBIAN_15))
        except CapabilityError as error:
            missing = f"PostgreSQL 15: not measured ({error})."
        else:
            both = (replace(TRUSTED, bin_dir=DEBIAN_15), replace(TRUSTED, bin_dir=find_binaries().bin_dir))
            found += [each for suite in suites for each in answers(older, suite, scale, both)]
    for other in others:
        with live_server(directory, bin_dir=other) as installed:
            own = (replace(TRUSTED, bin_dir=other),)
            found += [each for suite in suites for each in answers(installed, suite, scale, own)]
    found.sort(key=lambda each: (each.live != each.twin, -each.live))
    return Section(text=_rendered(scale, found, missing), targets=tuple(_targets(found, missing)))


def _rendered(scale: float, found: Sequence[Answers], missing: str) -> str:
    header = (
        "suite", "live", "twin", "queries:", "same plan:", "cost within 0.01 %:", "1 %:", "5 %:",
        "median error:", "largest error:",
    )  # fmt: skip
    parts = [f"## TPC-H and TPC-DS, scale {scale:g}", render_table(header, map(_row, found))]
    if missing:
        parts.append(missing)
    if any(each.live != each.twin for each in found):
        parts.append(_ACROSS)
    if different := [row for each in found for row in _different(each)]:
        parts.append(render_table(("query", "live", "twin", "cost error:", "first difference"), different))
    return "\n\n".join(parts)


_ACROSS = """\
A twin of another version is measured as it is. 18's planner has what 15's lacks, and takes it: skip scans of a btree
whose first column is not given (whole orders of joins change with them), incremental sorts and sorted input for
DISTINCT and aggregates, anti- and semi-joins that hash the other side, set operations without an Append. Most of that
is worth little in cost. Between versions a plan is the same when its nodes, joins, relations and indexes are, since
conditions are printed differently. Queries that are off by more than 5 % are named."""


def _row(found: Answers) -> tuple[str, ...]:
    return (
        found.suite, str(found.live), str(found.twin), str(len(found.compared)), str(found.same),
        *(str(found.near(tolerance)) for tolerance in _SHOWN),
        f"{median(found.errors):.4%}", f"{max(found.errors):.4%}",
    )  # fmt: skip


def _targets(found: Sequence[Answers], missing: str) -> Iterator[Target]:
    for each in found:
        if each.live == each.twin:
            every, near = len(each.compared), each.near(TOLERANCE)
            yield Target(
                name=f"{each.suite} on {each.live}: same plan, cost within 0.01 %",
                wanted=f"{every} and {every}",
                measured=f"{each.same} and {near}",
                met=each.same == near == every,
            )
    if missing:
        yield Target(
            name="tpch on 15: same plan, cost within 0.01 %", wanted="22 and 22", measured="not measured", met=False
        )


def _different(found: Answers) -> Iterator[tuple[str, ...]]:
    across = found.live != found.twin
    for each in found.compared:
        if each.error > _FAR if across else each.difference or each.error > TOLERANCE:
            why = each.difference or each.drift or ""
            yield each.name, str(found.live), str(found.twin), f"{each.error:.4%}", why
