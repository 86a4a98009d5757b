"""Name the changes of a plan that go wrong more often than the planner's estimate says.

Most regressions after a new index follow a few patterns: a nested loop whose outer side returns more rows than
estimated, a walk in index order that finds its rows late, parallelism that is given up, a sort or hash that no longer
fits into memory, a bitmap that turns lossy, and partitions that are no longer pruned.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from analyzer.documents.snapshot import Snapshot
from analyzer.postgres.pages import BLOCK_BYTES
from analyzer.workload.plan_tree import PlanNode, children, number, walk

Pattern = Literal["nested loop", "limit", "parallel", "memory", "lossy", "partitions"]

#: Estimates of joins are off by as much in practice: a nested loop that pays beyond that is no risk.
_LEAST_MARGIN = 10.0
#: A nested loop that costs less is no risk in any case.
_LEAST_COST = 1_000.0
#: Bytes a bitmap takes for a page: an entry and its share of the hash table, as tbm_calculate_entries() counts.
_BITMAP_ENTRY_BYTES = 64
_DEFAULT_WORK_MEM_KB = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What may go wrong with a plan, in one sentence."""

    pattern: Pattern
    text: str


def risks(before: PlanNode, after: PlanNode, proposed: Collection[str], snapshot: Snapshot) -> Iterator[Risk]:
    """Yield the risks of a plan that reads proposed indexes, which the plan before it does not have."""
    for look in _LOOKS:
        yield from look(_Pair(before=before, after=after, proposed=proposed, snapshot=snapshot))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    before: PlanNode
    after: PlanNode
    #: Names of indexes.
    proposed: Collection[str]
    snapshot: Snapshot

    @property
    def work_mem(self) -> float:
        """Return the setting in bytes."""
        return _setting(self.snapshot.settings, "work_mem", _DEFAULT_WORK_MEM_KB) * 1024

    @property
    def hash_mem(self) -> float:
        """Return what a hash table may take, in bytes."""
        return self.work_mem * _setting(self.snapshot.settings, "hash_mem_multiplier", 2.0)

    def reads_proposed(self, node: PlanNode) -> bool:
        """Say whether a part of the plan reads a proposed index."""
        return any(each.get("Index Name") in self.proposed for each in walk(node))


def _setting(settings: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(settings.get(name, default))
    except ValueError:
        return default


def _nested_loop(pair: _Pair) -> Iterator[Risk]:
    """Compare with the plan before: from how many outer rows on would that have been cheaper?"""
    gained = _value(pair.before, "Total Cost") - _value(pair.after, "Total Cost")
    worst: tuple[float, float] | None = None
    for node in walk(pair.after):
        inputs = children(node)
        if node.get("Node Type") != "Nested Loop" or len(inputs) < 2 or not pair.reads_proposed(inputs[1]):
            continue
        rows = max(_value(inputs[0], "Plan Rows"), 1.0)
        spent = _value(node, "Total Cost") - _value(inputs[0], "Total Cost")
        if spent < _LEAST_COST:
            continue
        margin = 1 + gained / spent
        if margin < _LEAST_MARGIN and (worst is None or margin < worst[0]):
            worst = margin, rows
    if worst is not None:
        margin, rows = worst
        yield Risk(
            pattern="nested loop",
            text=f"a nested loop over an estimated {_rows(rows)}: from {_rows(rows * margin)} on, the plan before is "
            "cheaper",
        )


def _limit(pair: _Pair) -> Iterator[Risk]:
    for node in walk(pair.after):
        if node.get("Node Type") != "Limit":
            continue
        for scan in _streamed(node):
            if scan.get("Index Name") in pair.proposed and "Filter" in scan:
                yield Risk(
                    pattern="limit",
                    text="reads in index order until the LIMIT is met: slow if rows that pass the filter come late",
                )
                return


def _streamed(node: PlanNode) -> Iterator[PlanNode]:
    """Yield what a LIMIT stops early."""
    pending = list(children(node))
    while pending:
        below = pending.pop()
        if below.get("Node Type") in _BLOCKING or below.get("Parent Relationship") in ("InitPlan", "SubPlan"):
            continue
        yield below
        inputs = children(below)
        pending += inputs[:1] if below.get("Node Type") in _JOINS else inputs


_JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})
_BLOCKING = frozenset({"Sort", "Hash", "Aggregate", "WindowAgg", "SetOp"})


def _parallel(pair: _Pair) -> Iterator[Risk]:
    workers = _workers(pair.before)
    if workers and not _workers(pair.after):
        yield Risk(
            pattern="parallel",
            text=f"runs in one process; the plan before had {workers:.0f} parallel worker{'' if workers == 1 else 's'}",
        )


def _workers(tree: PlanNode) -> float:
    return max((_value(node, "Workers Planned") for node in walk(tree)), default=0.0)


def _memory(pair: _Pair) -> Iterator[Risk]:
    had = _largest(pair.before, pair)
    for kind, (size, limit) in _largest(pair.after, pair).items():
        if size > limit and size > 1.01 * had.get(kind, (0.0, 0.0))[0]:
            yield Risk(
                pattern="memory",
                text=f"a {kind} of an estimated {_megabytes(size)}, which may take {_megabytes(limit)} of memory",
            )


def _largest(tree: PlanNode, pair: _Pair) -> dict[str, tuple[float, float]]:
    """Return the bytes of the largest sort and the largest hash table, each with what it may take."""
    found: dict[str, tuple[float, float]] = {}
    for node in walk(tree):
        kind = {"Sort": "sort", "Hash": "hash table"}.get(str(node.get("Node Type")))
        if kind is not None:
            size = _value(node, "Plan Rows") * max(_value(node, "Plan Width"), 1.0)
            limit = pair.work_mem if kind == "sort" else pair.hash_mem
            found[kind] = max(found.get(kind, (0.0, limit)), (size, limit))
    return found


def _lossy(pair: _Pair) -> Iterator[Risk]:
    exact = pair.work_mem / _BITMAP_ENTRY_BYTES
    for node in walk(pair.after):
        if node.get("Node Type") != "Bitmap Heap Scan" or not pair.reads_proposed(node):
            continue
        relation = pair.snapshot.relation(str(node.get("Schema", "")), str(node.get("Relation Name", "")))
        pages = min(_value(node, "Plan Rows"), float(relation.pages) if relation is not None else float("inf"))
        if pages > exact:
            yield Risk(
                pattern="lossy",
                text=f"a bitmap of up to {pages:,.0f} pages; work_mem holds {exact:,.0f} exactly, "
                f"{_megabytes(exact * BLOCK_BYTES)} of the table, and rechecks the rows of the others",
            )
            return


def _partitions(pair: _Pair) -> Iterator[Risk]:
    had, has = _scanned(pair.before), _scanned(pair.after)
    if has > had and any("Subplans Removed" in node or node.get("Node Type") == "Append" for node in walk(pair.after)):
        yield Risk(pattern="partitions", text=f"reads {has:,} tables or partitions, {had:,} before")


def _scanned(tree: PlanNode) -> int:
    return len({(node.get("Schema"), node["Relation Name"]) for node in walk(tree) if "Relation Name" in node})


_LOOKS: tuple[Callable[[_Pair], Iterator[Risk]], ...] = (_nested_loop, _limit, _parallel, _memory, _lossy, _partitions)


def _value(node: PlanNode, name: str) -> float:
    return number(node, name) or 0.0


def _rows(count: float) -> str:
    return f"{count:,.0f} row{'' if round(count) == 1 else 's'}"


def _megabytes(size: float) -> str:
    return f"{size / 1024**2:,.1f} MB"
