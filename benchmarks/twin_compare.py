"""Compare the plan of the live server with the twin's."""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.db import Connection
from analyzer.sql import render
from analyzer.twin.twin import Plan, PlanTree, walk

#: What a node costs and returns; everything else of EXPLAIN makes the plan.
_ESTIMATES = frozenset({"Startup Cost", "Total Cost", "Plan Rows", "Plan Width"})
#: What makes a node on every version; conditions and the names of subplans are printed differently from 17 on.
_OUTLINE = frozenset(
    {"Node Type", "Strategy", "Partial Mode", "Join Type", "Scan Direction", "Index Name", "Relation Name", "Command"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One statement as both planners see it."""

    name: str
    live_cost: float
    twin_cost: float
    #: The first node that differs, parents first; None when the trees are the same in everything but estimates.
    difference: str | None
    #: The first node whose estimates differ, innermost last; None when all are the same.
    drift: str | None

    @property
    def error(self) -> float:
        """Return by how much the twin's total cost is off, as a share of the live one."""
        return abs(self.twin_cost - self.live_cost) / max(self.live_cost, 1e-9)


def explain(connection: Connection, statement: str) -> PlanTree:
    """Plan a statement on the live server."""
    row = connection.execute(render("twin/explain", statement=statement, generic=False, verbose=False)).fetchone()
    assert row is not None  # noqa: S101 - EXPLAIN returns a row
    return row["QUERY PLAN"][0]["Plan"]


def indexes_of(tree: PlanTree) -> frozenset[str]:
    """Return the names of the indexes a plan reads."""
    return frozenset(str(node["Index Name"]) for node in walk(tree) if "Index Name" in node)


def compare(name: str, live: PlanTree, twin: Plan, *, outline: bool = False) -> Compared:
    """Compare two plans of one statement; `outline` leaves out of the trees what versions print differently."""
    trees = (_outline(live), _outline(twin.tree)) if outline else (live, twin.tree)
    return Compared(
        name=name,
        live_cost=live["Total Cost"],
        twin_cost=twin.cost,
        difference=next(_differences(*trees), None),
        drift=next(_drifts(live, twin.tree), None),
    )


def _outline(tree: PlanTree) -> PlanTree:
    plans = [_outline(child) for child in tree.get("Plans", ())]
    return {key: value for key, value in tree.items() if key in _OUTLINE} | {"Plans": plans}


def _differences(live: PlanTree, twin: PlanTree) -> Iterator[str]:
    for key in sorted(live.keys() | twin.keys(), key=lambda key: (key != "Node Type", key)):
        if key != "Plans" and key not in _ESTIMATES and live.get(key) != twin.get(key):
            yield f"{_node(live)}, {key}: {live.get(key)} live, {twin.get(key)} on the twin"
    ours, theirs = live.get("Plans", ()), twin.get("Plans", ())
    if len(ours) != len(theirs):
        yield f"{_node(live)}: {len(ours)} children live, {len(theirs)} on the twin"
    for one, other in zip(ours, theirs, strict=False):
        yield from _differences(one, other)


def _drifts(live: PlanTree, twin: PlanTree) -> Iterator[str]:
    """Yield nodes whose cost or rows differ, children first: what is wrong below is wrong above."""
    for one, other in zip(live.get("Plans", ()), twin.get("Plans", ()), strict=False):
        yield from _drifts(one, other)
    for key in ("Startup Cost", "Total Cost", "Plan Rows"):
        if abs(live[key] - twin.get(key, 0)) > 1e-4 * live[key]:
            yield f"{_node(live)}, {key}: {live[key]} live, {twin.get(key)} on the twin"


def _node(plan: PlanTree) -> str:
    of = plan.get("Index Name") or plan.get("Relation Name") or plan.get("CTE Name")
    return f"{plan['Node Type']}{f' of {of}' if of else ''}"
