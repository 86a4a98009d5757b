"""Say what an executed plan shows: estimates that were far off, memory that did not suffice, rows read for nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.workload.plan_tree import PlanNode, children, inputs, number, walk

Kind = Literal["misestimate", "spill", "lossy", "filtered"]

#: An estimate is off from this ratio on, of at least so many rows.
LEAST_RATIO = 10.0
LEAST_ROWS = 100.0
#: Share of the rows of a scan that are read for nothing.
LEAST_REMOVED = 0.5
_CONDITIONS = ("Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter")
_REMOVED = (("Rows Removed by Filter", "Filter"), ("Rows Removed by Join Filter", "Join Filter"))
#: They return no rows of their own, or their rows are counted by another node.
_UNCOUNTED = frozenset({"Bitmap Index Scan", "BitmapAnd", "BitmapOr", "ModifyTable", "Hash", "Memoize", "Materialize"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFact:
    """One thing that a plan shows."""

    kind: Kind
    #: Such as `Seq Scan on public.orders`.
    node: str
    #: Quoted from the plan.
    condition: str | None = None
    estimated_rows: float | None = None
    actual_rows: float | None = None
    #: Rows removed by a filter.
    removed_rows: float | None = None
    #: Of what was written to disk.
    size_bytes: int | None = None
    #: Heap blocks of a bitmap that no longer knows its rows.
    blocks: int | None = None


def describe_node(node: PlanNode) -> str:
    """Name a node by its type, index and relation."""
    schema = f"{node['Schema']}." if "Schema" in node else ""
    index = f" using {node['Index Name']}" if "Index Name" in node else ""
    relation = f" on {schema}{node['Relation Name']}" if "Relation Name" in node else ""
    return f"{node['Node Type']}{index}{relation}"


def facts(tree: PlanNode) -> tuple[PlanFact, ...]:
    """Return what the plan shows, parents before children; nothing of a node that was not executed."""
    found: list[PlanFact] = []
    origins = _misestimated(tree)
    for node in walk(tree):
        if not number(node, "Actual Loops"):
            continue
        if id(node) in origins:
            found.append(_misestimate(node))
        found += _spills(node)
        found += _lossy(node)
        found += _filtered(node)
    return tuple(found)


def _condition(node: PlanNode) -> str | None:
    parts = [str(node[name]) for name in _CONDITIONS if name in node]
    return " AND ".join(dict.fromkeys(parts)) or None


def _total(node: PlanNode, name: str) -> float:
    """Return the rows of all executions of a node; the plan has those of one."""
    return (number(node, name) or 0.0) * (number(node, "Actual Loops") or 0.0)


def _misestimated(tree: PlanNode) -> frozenset[int]:
    """Return the nodes where estimates go wrong: those above only pass the error on.

    A LIMIT, a semijoin and a merge join end their inputs early: those may return less than was expected.
    """
    origins: set[int] = set()
    order: list[tuple[PlanNode, bool]] = [(tree, False)]
    for node, ended in order:  # it grows
        stops = node["Node Type"] in ("Limit", "Merge Join") or node.get("Join Type") in ("Semi", "Anti")
        order += [(each, ended or stops) for each in children(node)]
    wrong: set[int] = set()
    for node, ended in reversed(order):
        below = any(id(each) in wrong for each in inputs(node))
        off = _is_off(node, ended=ended)
        if off and not below:
            origins.add(id(node))
        if off or below:
            wrong.add(id(node))
    return frozenset(origins)


def _is_off(node: PlanNode, *, ended: bool) -> bool:
    estimated, actual = number(node, "Plan Rows"), number(node, "Actual Rows")
    loops = number(node, "Actual Loops")
    if estimated is None or actual is None or not loops or node["Node Type"] in _UNCOUNTED:
        return False
    if ended and actual < estimated:
        return False
    more, less = max(estimated, actual), max(min(estimated, actual), 1.0)
    return more / less >= LEAST_RATIO and more * loops >= LEAST_ROWS


def _misestimate(node: PlanNode) -> PlanFact:
    return PlanFact(
        kind="misestimate",
        node=describe_node(node),
        condition=_condition(node),
        estimated_rows=number(node, "Plan Rows"),
        actual_rows=number(node, "Actual Rows"),
    )


def _spills(node: PlanNode) -> Iterator[PlanFact]:
    size = sum(_disk_kilobytes(each) for each in (node, *_workers(node)))
    bytes_written = int(1024 * size)
    if not size and (number(node, "Hash Batches") or 1) > 1:
        # What does not fit is written once and read once; EXPLAIN names the memory of one batch.
        bytes_written = int(1024 * (number(node, "Peak Memory Usage") or 0) * ((number(node, "Hash Batches") or 1) - 1))
        written = number(node, "Temp Written Blocks")
        bytes_written = int(written * BLOCK_BYTES) if written else bytes_written
    if bytes_written:
        keys = node.get("Sort Key") or node.get("Group Key")
        listed = ", ".join(map(str, cast("list[Any]", keys))) if isinstance(keys, list) else None
        yield PlanFact(kind="spill", node=describe_node(node), condition=listed, size_bytes=bytes_written)


def _disk_kilobytes(node: PlanNode) -> float:
    """Return what a sort, an aggregate or a stored result has on disk."""
    size = number(node, "Disk Usage") or 0.0
    if node.get("Sort Space Type") == "Disk":
        size += number(node, "Sort Space Used") or 0.0
    if node.get("Storage") == "Disk":
        size += number(node, "Maximum Storage") or 0.0
    for name in ("Full-sort Groups", "Pre-sorted Groups"):
        space = _group(_group(node, name), "Sort Space Disk")
        size += number(space, "Peak Sort Space Used") or 0.0
    return size


def _group(node: PlanNode, name: str) -> Mapping[str, Any]:
    value = node.get(name)
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _workers(node: PlanNode) -> list[Mapping[str, Any]]:
    value = node.get("Workers")
    if not isinstance(value, list):
        return []
    return [cast("Mapping[str, Any]", each) for each in cast("list[Any]", value) if isinstance(each, dict)]


def _lossy(node: PlanNode) -> Iterator[PlanFact]:
    blocks = sum(number(each, "Lossy Heap Blocks") or 0.0 for each in (node, *_workers(node)))
    if blocks:
        condition = str(node["Recheck Cond"]) if "Recheck Cond" in node else None
        yield PlanFact(kind="lossy", node=describe_node(node), condition=condition, blocks=int(blocks))


def _filtered(node: PlanNode) -> Iterator[PlanFact]:
    for name, filter_name in _REMOVED:
        removed, kept = _total(node, name), _total(node, "Actual Rows")
        if removed >= LEAST_ROWS and removed >= LEAST_REMOVED * (removed + kept):
            yield PlanFact(
                kind="filtered",
                node=describe_node(node),
                condition=str(node[filter_name]) if filter_name in node else None,
                removed_rows=removed,
                actual_rows=kept,
            )
