"""Write what a plan does with its tables as a query: what it filters and joins by, sorts, groups and puts out.

EXPLAIN (VERBOSE) resolves every name: views and functions are gone, subqueries are pulled up, what the planner derives
is there. The query reads every table that the plan scans under the plan's alias, and has the plan's own conditions.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import Relation
from analyzer.postgres.identifiers import unquote
from analyzer.postgres.lex import IncompleteError, lex, significant
from analyzer.sql import ident
from analyzer.workload.plan_tree import PlanNode, inputs, walk
from analyzer.workload.tree import UnreadableError, parse

#: Tables, conditions and orders of one plan that are read.
_MOST_SCANS, _MOST_CONDITIONS, _MOST_ORDERS = 100, 500, 16
#: Partitions of one table that are read: they have the same conditions.
_MOST_PARTITIONS = 2
_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter")
#: A string, or what another part of the plan computes, as EXPLAIN writes it.
_COMPUTED = re.compile(r"('(?:[^']|'')*')|\((?:hashed |alternatives: )?(?:SubPlan|InitPlan|CTE) \d+\)(?:\.col\d+)?")
#: Nodes that pass on the rows of the one below them as they come.
_PASSING = frozenset({"LockRows", "Result", "ProjectSet", "Subquery Scan", "Gather Merge", "Materialize"})


@dataclass(frozen=True, slots=True)
class _Scan:
    """A table under the alias that the plan gives it; a partition stands for its partitioned table."""

    relation: Relation
    alias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The parts of the query."""

    scans: tuple[_Scan, ...]
    read: tuple[str, ...]
    conditions: tuple[str, ...]
    orders: tuple[str, ...]
    limited: tuple[str, ...]

    def query(self) -> str:
        """Write the parts as one query; the orders stand as windows, which there may be any number of."""
        tables = ", ".join(f"{ident(*each.relation.full_name)} AS {ident(each.alias)}" for each in self.scans)
        windows = ", ".join(f"w{number} AS (ORDER BY {order})" for number, order in enumerate(self.orders))
        clauses = [
            f"SELECT {', '.join(self.read) or '1'} FROM {tables}",  # noqa: S608 - read here, never sent
            f"WHERE {' AND '.join(self.conditions)}" if self.conditions else "",
            f"WINDOW {windows}" if windows else "",
            *(f"ORDER BY {order} LIMIT 1" for order in self.limited),
        ]
        return " ".join(clause for clause in clauses if clause)

    def readable(self) -> "_Parts":
        """Return the parts that can be parsed: one that cannot does not cost the others."""
        return replace(
            self,
            conditions=tuple(each for each in self.conditions if _is_readable(f"SELECT 1 WHERE {each}")),
            orders=tuple(each for each in self.orders if _is_readable(f"SELECT 1 ORDER BY {each}")),
            limited=tuple(each for each in self.limited if _is_readable(f"SELECT 1 ORDER BY {each}")),
        )


def planned_query(plan: PlanNode, catalog: Catalog) -> str | None:
    """Return a plan as a query; None when it reads no table of the snapshot."""
    nodes = list(walk(plan))
    scans = tuple(_scans(nodes, catalog))
    if not scans:
        return None
    conditions = dict.fromkeys(each for node in nodes for each in _conditions_of(node))
    orders = dict.fromkeys(each for node in nodes for each in _orders_of(node))
    parts = _Parts(
        scans=scans,
        read=tuple(dict.fromkeys(_read(plan, nodes, scans))),
        conditions=tuple(conditions)[:_MOST_CONDITIONS],
        orders=tuple(orders)[:_MOST_ORDERS],
        limited=tuple(_limited_orders(nodes))[:1],
    )
    query = parts.query()
    return query if _is_readable(query) else parts.readable().query()


def _scans(nodes: Sequence[PlanNode], catalog: Catalog) -> Iterator[_Scan]:
    """Yield the scanned tables, each alias once."""
    seen: set[str] = set()
    partitions: dict[tuple[str, str], int] = {}
    for node in nodes:
        name, schema, alias = (node.get(key) for key in ("Relation Name", "Schema", "Alias"))
        relation = catalog.relations.get((str(schema), str(name)))
        if relation is None or alias is None or node.get("Operation") == "Insert" or len(seen) >= _MOST_SCANS:
            continue
        root = _root(relation, catalog)
        aliases = [str(alias)]
        if root is not relation:
            partitions[root.full_name] = partitions.get(root.full_name, 0) + 1
            if partitions[root.full_name] > _MOST_PARTITIONS:
                continue
            # Above an Append, the columns of its partitions are those of the partitioned table.
            aliases.append(re.sub(r"_\d+\Z", "", aliases[0]))
        for each in aliases:
            if each not in seen:
                seen.add(each)
                yield _Scan(root, each)


def _root(relation: Relation, catalog: Catalog) -> Relation:
    """Return the partitioned table at the top of a partition's."""
    for _ in range(_MOST_SCANS):
        parent = catalog.relations.get(relation.parents[0]) if relation.partition_bound and relation.parents else None
        if parent is None:
            break
        relation = parent
    return relation


def _texts(node: PlanNode, name: str) -> list[str]:
    """Return a property that is one text or several."""
    value: object = node.get(name)
    if isinstance(value, str):
        return [value]
    return [each for each in cast("list[Any]", value) if isinstance(each, str)] if isinstance(value, list) else []


def _conditions_of(node: PlanNode) -> Iterator[str]:
    """Yield what a node filters or joins by; of an aggregate, what HAVING says of groups is left out."""
    if node.get("Node Type") not in ("Aggregate", "Group", "WindowAgg"):
        for name in _CONDITIONS:
            yield from map(_with_parameters, _texts(node, name))


def _orders_of(node: PlanNode) -> Iterator[str]:
    """Yield the keys by which a node sorts or groups, as ORDER BY has them."""
    for name in ("Sort Key", "Group Key"):
        if keys := _texts(node, name):
            yield ", ".join(map(_with_parameters, keys))


def _with_parameters(text: str) -> str:
    """Put a parameter in the place of what other parts of the plan compute."""
    return _COMPUTED.sub(lambda found: found[1] or "$1", text)


def _limited_orders(nodes: Sequence[PlanNode]) -> Iterator[str]:
    """Yield the orders whose rows a LIMIT cuts off."""
    for node in nodes:
        below = inputs(node) if node.get("Node Type") == "Limit" else []
        while len(below) == 1 and below[0].get("Node Type") in _PASSING:
            below = inputs(below[0])
        for each in below:
            if "Sort" in str(each.get("Node Type")):
                yield from _orders_of(each)


def _read(plan: PlanNode, nodes: Sequence[PlanNode], scans: Sequence[_Scan]) -> Iterator[str]:
    """Yield the columns that the plan and its subplans put out; whole rows where these are locked or changed."""
    by_alias: Mapping[str, _Scan] = {each.alias: each for each in scans}
    kinds = {node.get("Node Type") for node in nodes}
    if kinds & {"ModifyTable", "LockRows"}:
        yield from (f"{ident(each.alias)}.*" for each in scans)
        return
    for node in (plan, *(node for node in nodes if "Subplan Name" in node)):
        for text in _texts(node, "Output"):
            yield from _named(text, by_alias)


def _named(text: str, by_alias: Mapping[str, _Scan]) -> Iterator[str]:
    """Yield the columns, and whole rows, that a text names by alias."""
    try:
        tokens = significant(lex(text))
    except IncompleteError:
        return
    for first, dot, last in zip(tokens, tokens[1:], tokens[2:], strict=False):
        scan = by_alias.get(unquote(first.text)) if dot.text == "." else None
        if scan is None:
            continue
        if last.text == "*":
            yield f"{ident(scan.alias)}.*"
        elif scan.relation.column(unquote(last.text)) is not None:
            yield f"{ident(scan.alias)}.{ident(unquote(last.text))}"


def _is_readable(query: str) -> bool:
    try:
        parse(query)
    except UnreadableError:
        return False
    return True
