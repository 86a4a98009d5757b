"""Read EXPLAIN (FORMAT JSON) as lines of a tree, and mark what differs between two plans."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from pydantic import JsonValue

#: Properties that say how a node finds, joins or orders its rows, as EXPLAIN names and orders them.
_DETAILS = (
    "Index Cond",
    "Recheck Cond",
    "TID Cond",
    "Order By",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "Filter",
    "One-Time Filter",
    "Cache Key",
    "Sort Key",
    "Presorted Key",
    "Group Key",
    "Run Condition",
    "Function Call",
)
_STRATEGIES = {"Hashed": "Hash", "Sorted": "Group", "Mixed": "Mixed", "Plain": ""}
_JOINS = ("Nested Loop", "Hash Join", "Merge Join")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of a plan, in the order and indentation EXPLAIN prints it."""

    depth: int
    #: Such as `Index Scan using ix_order_status on public.order o`.
    label: str
    #: Role under its parent, such as `InitPlan 1`; empty for ordinary children.
    role: str = ""
    #: Conditions and keys: (name, text).
    details: tuple[tuple[str, str], ...] = ()
    startup_cost: float | None = None
    total_cost: float | None = None
    rows: float | None = None
    width: int | None = None
    #: Not in the plan it was compared with.
    changed: bool = False


def parse_plan(plan: JsonValue) -> tuple[Node, ...]:
    """Read what EXPLAIN (FORMAT JSON) returned: the whole answer, its one element, or a bare plan node."""
    if isinstance(plan, list):
        return parse_plan(plan[0]) if plan else ()
    if not isinstance(plan, dict):
        return ()
    top = plan.get("Plan", plan)
    return tuple(_walk(top, 0)) if isinstance(top, dict) and "Node Type" in top else ()


def compare_plans(before: JsonValue, after: JsonValue) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Read two plans and mark in each the nodes that the other lacks, comparing operations, not costs."""
    left, right = parse_plan(before), parse_plan(after)
    if not left or not right:
        return left, right
    matcher = SequenceMatcher(None, [_identity(n) for n in left], [_identity(n) for n in right], autojunk=False)
    blocks = matcher.get_matching_blocks()
    same_left = {block.a + offset for block in blocks for offset in range(block.size)}
    same_right = {block.b + offset for block in blocks for offset in range(block.size)}
    return _mark(left, same_left), _mark(right, same_right)


def _mark(nodes: tuple[Node, ...], same: set[int]) -> tuple[Node, ...]:
    return tuple(replace(node, changed=position not in same) for position, node in enumerate(nodes))


def _identity(node: Node) -> tuple[str, tuple[tuple[str, str], ...]]:
    return node.label, node.details


def _walk(node: Mapping[str, JsonValue], depth: int) -> Iterator[Node]:
    yield Node(
        depth=depth,
        label=_label(node),
        role=_role(node),
        details=tuple((name, _text(node[name])) for name in _DETAILS if name in node),
        startup_cost=_number(node.get("Startup Cost")),
        total_cost=_number(node.get("Total Cost")),
        rows=_number(node.get("Plan Rows")),
        width=_integer(node.get("Plan Width")),
    )
    children = node.get("Plans")
    for child in children if isinstance(children, list) else ():
        if isinstance(child, dict):
            yield from _walk(child, depth + 1)


def _label(node: Mapping[str, JsonValue]) -> str:
    words = [_kind(node)]
    index = node.get("Index Name")
    if index is not None:
        backward = " backward" if node.get("Scan Direction") == "Backward" else ""
        words.append(f"{backward.strip()} {'on' if node.get('Node Type') == 'Bitmap Index Scan' else 'using'} {index}")
    words.append(_target(node))
    return " ".join(" ".join(words).split())


def _kind(node: Mapping[str, JsonValue]) -> str:
    kind = _text(node.get("Node Type"))
    if kind == "Aggregate":
        partial = _text(node.get("Partial Mode", "Simple"))
        mode = "" if partial == "Simple" else f"{partial} "
        kind = f"{mode}{_STRATEGIES.get(_text(node.get('Strategy')), '')}Aggregate"
    elif kind == "ModifyTable":
        kind = _text(node.get("Operation", "Modify"))
    elif kind in _JOINS and node.get("Join Type", "Inner") != "Inner":
        kind = f"{kind.removesuffix(' Join')} {_text(node['Join Type'])} Join"
    return f"Parallel {kind}" if node.get("Parallel Aware") is True else kind


def _target(node: Mapping[str, JsonValue]) -> str:
    for name in ("Relation Name", "CTE Name", "Function Name", "Tuplestore Name"):
        if name in node:
            schema = f"{_text(node['Schema'])}." if "Schema" in node else ""
            found = _text(node[name])
            alias = _text(node.get("Alias", found))
            return f"on {schema}{found}" + (f" {alias}" if alias != found else "")
    return (
        f"on {_text(node['Alias'])}"
        if node.get("Node Type") in {"Subquery Scan", "Values Scan"} and "Alias" in node
        else ""
    )


def _role(node: Mapping[str, JsonValue]) -> str:
    relationship = node.get("Parent Relationship")
    return _text(node.get("Subplan Name", relationship)) if relationship in {"InitPlan", "SubPlan"} else ""


def _text(value: JsonValue) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return "" if value is None else str(value)


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _integer(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None
