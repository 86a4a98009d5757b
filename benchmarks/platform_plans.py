"""EXPLAIN (ANALYZE, BUFFERS) of every statement of the platform, once: what took the time, and what was scanned."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pgvector.psycopg import register_vector

from analyzer import db
from analyzer.demo import workload
from analyzer.demo.models import metadata
from analyzer.demo.rows import Scale
from analyzer.demo.statement import Kind
from analyzer.sql import render
from analyzer.twin.twin import PlanTree, walk

#: Rows from which a table counts as large: reading all of a smaller one takes a few pages, no more than its index does.
LARGE_ROWS = 1_000
SCHEMAS = tuple(sorted({str(table.schema) for table in metadata.tables.values()}))

_JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})
#: Nodes that read an index; a Bitmap Heap Scan reads what its Bitmap Index Scans found.
_INDEX_READS = frozenset({"Index Scan", "Index Only Scan", "Bitmap Index Scan"})
_BY_INDEX = frozenset({"Index Scan", "Index Only Scan", "Bitmap Heap Scan"})
#: Nodes that have a relation because they write it.
_WRITES = frozenset({"ModifyTable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one statement ran, once."""

    name: str
    kind: Kind
    sql: str
    #: What EXPLAIN (FORMAT JSON) returned: Plan, Planning Time, Execution Time, Triggers.
    document: dict[str, Any]
    #: Large tables that a node read other than through an index.
    scanned: tuple[str, ...]

    @property
    def tree(self) -> PlanTree:
        """Return the plan's root."""
        return self.document["Plan"]

    @property
    def uses_index(self) -> bool:
        """Say whether an index was read, and each large table through one."""
        return not self.scanned and any(node["Node Type"] in _INDEX_READS for node in _executed(self.tree))

    @property
    def joins(self) -> bool:
        """Say whether the plan joins; EXISTS is a join too, and so is a look-up of rows that a subquery chose."""
        return any(node["Node Type"] in _JOINS for node in walk(self.tree))

    @property
    def by_distance(self) -> bool:
        """Say whether rows are ordered by their distance to an embedding."""
        return "<=>" in self.sql

    @property
    def execution_ms(self) -> float:
        """Return the time of the execution, triggers included, without planning."""
        return float(self.document["Execution Time"])

    @property
    def blocks(self) -> int:
        """Count the shared blocks that were found in the buffers or read into them."""
        return int(self.tree["Shared Hit Blocks"]) + self.blocks_read

    @property
    def blocks_read(self) -> int:
        """Count those that were not in the buffers."""
        return int(self.tree["Shared Read Blocks"])

    @property
    def dominant(self) -> tuple[str, float]:
        """Name the node, or the trigger, that took the most time of its own, and its share of all, 0 to 1."""
        taken = [(_label(node), _own_ms(node)) for node in walk(self.tree)]
        taken += [(f"trigger {_trigger(each)}", float(each["Time"])) for each in self.document.get("Triggers", ())]
        label, longest = max(taken, key=lambda each: each[1])
        return label, longest / max(sum(ms for _label, ms in taken), 1e-9)


def read_plans(url: str, *, scale: Scale, seed: int) -> tuple[Plan, ...]:
    """Run every statement once under EXPLAIN, values known to the planner; what they write is rolled back."""
    with db.connect(url, application="platform") as connection:
        register_vector(connection)
        found = connection.execute(render("bench/table_rows"), {"schemas": list(SCHEMAS)}).fetchall()
        large = frozenset(str(row["name"]) for row in found if row["row_count"] >= LARGE_ROWS)
        plans = tuple(_explain(connection, example, large) for example in workload.examples(seed, scale=scale))
        connection.rollback()
    return plans


def dump_plans(plans: Sequence[Plan], path: Path) -> None:
    """Write statements and plans as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = [
        {"name": plan.name, "kind": plan.kind, "sql": plan.sql, "uses_index": plan.uses_index, **plan.document}
        for plan in plans
    ]
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def find_scanned(tree: PlanTree, large: frozenset[str]) -> tuple[str, ...]:
    """Name the large tables that a node, if it ran, read other than through an index."""
    read = (node for node in _executed(tree) if node["Node Type"] not in _BY_INDEX | _WRITES)
    return tuple(sorted({str(node["Relation Name"]) for node in read if node.get("Relation Name") in large}))


def _explain(connection: db.Connection, example: workload.Example, large: frozenset[str]) -> Plan:
    query = render("bench/explain_analyze", statement=example.sql)
    row = cast("dict[str, Any]", connection.execute(query, example.parameters, prepare=False).fetchone())
    document: dict[str, Any] = row["QUERY PLAN"][0]
    return Plan(
        name=example.name,
        kind=example.kind,
        sql=example.sql,
        document=document,
        scanned=find_scanned(document["Plan"], large),
    )


def _executed(tree: PlanTree) -> Iterator[PlanTree]:
    """Yield the nodes that ran at all; a partition that holds nothing of interest is often planned, and not read."""
    return (node for node in walk(tree) if node["Actual Loops"] > 0)


def _own_ms(node: PlanTree) -> float:
    """Return what a node took without its children, of all loops and workers."""
    spent = [float(each["Actual Total Time"]) * each["Actual Loops"] for each in (node, *node.get("Plans", ()))]
    return max(spent[0] - sum(spent[1:]), 0.0)


def _label(node: PlanTree) -> str:
    kind = str(node.get("Operation", node["Node Type"]))
    target = node.get("Index Name") or node.get("Relation Name")
    return f"{kind} {target}" if target else kind


def _trigger(trigger: dict[str, Any]) -> str:
    return str(trigger.get("Constraint Name") or trigger["Trigger Name"])
