"""The tree of a plan, as EXPLAIN (FORMAT JSON) has it, whoever wrote it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

#: A node under construction, or any other group of properties.
Properties = dict[str, Any]
PlanNode = Mapping[str, Any]

#: Deeper plans are refused: each level is two of the JSON that other commands write it in.
MOST_LEVELS = 90
#: Nodes of one plan.
MOST_NODES = 20_000
#: Levels of a property's value; PostgreSQL has three.
_MOST_NESTED = 5
#: Beyond any count or cost, within what the arithmetic on them takes.
_LARGEST = 1e30

#: What of a plan comes from the catalog or from the planner, and not from the text of the query.
PLAN_FACTS = frozenset((
    "Startup Cost", "Total Cost", "Plan Rows", "Plan Width", "Workers Planned", "Planned Partitions", "Async Capable",
    "Disabled", "Index Name", "Inner Unique", "Join Type", "Node Type", "Operation", "Parallel Aware",
    "Parent Relationship", "Partial Mode", "Relation Name", "Scan Direction", "Schema", "Single Copy", "Strategy",
))  # fmt: skip
#: Names that a query gives and that hold no constant.
PLAN_NAMES = frozenset(("Alias", "CTE Name", "Function Name", "Subplan Name", "Tuplestore Name"))

#: How many inputs nodes have that always have the same number.
_INPUTS = {
    "Bitmap Index Scan": 0, "CTE Scan": 0, "Function Scan": 0, "Index Only Scan": 0, "Index Scan": 0, "Seq Scan": 0,
    "Values Scan": 0, "WorkTable Scan": 0,
    "Hash Join": 2, "Merge Join": 2, "Nested Loop": 2, "Recursive Union": 2, "Aggregate": 1, "Bitmap Heap Scan": 1,
    "Gather": 1, "Gather Merge": 1, "Group": 1, "Hash": 1, "Incremental Sort": 1, "Limit": 1, "LockRows": 1,
    "Materialize": 1, "Memoize": 1, "ProjectSet": 1, "Sort": 1, "Subquery Scan": 1, "Unique": 1, "WindowAgg": 1,
}  # fmt: skip


class MalformedPlanError(ValueError):
    """Text that begins as a plan does and goes on otherwise."""


def children(node: PlanNode) -> Sequence[PlanNode]:
    """Return the nodes below one."""
    return node.get("Plans", ())


def inputs(node: PlanNode) -> list[PlanNode]:
    """Return the children whose rows a node takes: neither InitPlans nor SubPlans."""
    return [each for each in children(node) if "Subplan Name" not in each]


def walk(tree: PlanNode) -> Iterator[PlanNode]:
    """Yield every node, parents first."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending += reversed(children(node))


def relation_names(tree: PlanNode) -> frozenset[str]:
    """Return the names of the relations that a plan reads or changes."""
    names = (node.get("Relation Name") for node in walk(tree))
    return frozenset(name for name in names if isinstance(name, str))


def incomplete(tree: PlanNode) -> PlanNode | None:
    """Return the first node that lacks an input, because a part of the plan is missing."""
    return next((node for node in walk(tree) if len(inputs(node)) < _INPUTS.get(node["Node Type"], 0)), None)


def most_inputs(node: PlanNode) -> float:
    """Return how many inputs a node can have."""
    return _INPUTS.get(node["Node Type"], float("inf"))


def number(node: PlanNode, name: str) -> float | None:
    """Return a property that must be a number; None if it is missing or something else."""
    value = node.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def checked_tree(plan: object) -> Properties:
    """Return a plan without what no server prints: nodes without a type, numbers out of range, NUL characters.

    Raises MalformedPlanError for one that is too deep or too large.
    """
    if not isinstance(plan, dict) or not isinstance(cast("Properties", plan).get("Node Type"), str):
        raise MalformedPlanError("it has no node")
    root: Properties = {}
    pending: list[tuple[Properties, Properties, int]] = [(cast("Properties", plan), root, 1)]
    nodes = 0
    while pending:
        source, node, level = pending.pop()
        nodes += 1
        if level > MOST_LEVELS or nodes > MOST_NODES:
            raise MalformedPlanError(f"it has more than {MOST_LEVELS} levels or {MOST_NODES:,} nodes")
        for name, value in source.items():
            if name != "Plans":
                node[plain_text(name)] = _plain(value, 0)
        below = source.get("Plans")
        for child in cast("list[Any]", below) if isinstance(below, list) else ():
            if isinstance(child, dict) and isinstance(cast("Properties", child).get("Node Type"), str):
                copy: Properties = {}
                node.setdefault("Plans", []).append(copy)
                pending.append((cast("Properties", child), copy, level + 1))
    return root


def plain_text(text: str) -> str:
    """Return text that a server and a document can hold: without NUL and halves of surrogate pairs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _plain(value: Any, level: int) -> Any:
    """Copy a property's value, of which PostgreSQL nests none more than a few levels."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, list):
        return [_plain(each, level + 1) for each in cast("list[Any]", value)] if level < _MOST_NESTED else None
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return (
            {plain_text(str(name)): _plain(each, level + 1) for name, each in pairs} if level < _MOST_NESTED else None
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if abs(value) < _LARGEST else None  # neither infinity nor NaN is less
    return value if value is None or isinstance(value, bool) else str(value)
