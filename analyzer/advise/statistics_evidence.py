"""Compare plans and estimates with and without extended statistics."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.objects.statistics import StatisticsDef
from analyzer.postgres.identifiers import QualifiedName, fits, shortened, with_suffix
from analyzer.sql import render_text
from analyzer.workload.plan_findings import facts
from analyzer.workload.plan_tree import PlanNode, children, inputs, walk

#: What makes two nodes the same operation on the same object.
_IDENTITY = ("Node Type", "Strategy", "Join Type", "Index Name", "Relation Name", "Alias", "Partial Mode")
_CONDITIONS = ("Recheck Cond", "Index Cond", "Filter")
#: Executed plans that are named.
_MOST_RECORDED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """An estimate for the table alone."""

    #: What the planner is asked.
    query: str
    #: As the plan has it, or the keys of a group.
    condition: str
    rows_before: float = 0.0
    rows_after: float = 0.0
    #: What the sample says; None where it does not, as with a parameter.
    rows_sampled: float | None = None
    #: Of the table: what one row of the sample stands for.
    least_sampled: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Misestimate:
    """An estimate that an executed plan proves wrong."""

    #: File, and line or time.
    where: str
    node: str
    condition: str | None
    estimated_rows: float
    actual_rows: float


def structure(tree: PlanNode) -> tuple[object, ...]:
    """Return what a plan does, without what it costs: its nodes in their order, each with its depth."""
    found: list[object] = []
    pending = [(tree, 0)]
    while pending:
        node, depth = pending.pop()
        found.append((depth, *(node.get(name) for name in _IDENTITY)))
        pending += [(child, depth + 1) for child in reversed(children(node))]
    return tuple(found)


def move(probe: Probe) -> float:
    """Return by which factor an estimate moves."""
    before, after = max(probe.rows_before, 1.0), max(probe.rows_after, 1.0)
    return max(before / after, after / before)


def error_of(probe: Probe, rows: float) -> float:
    """Return how far an estimate is from what the sample says, as a logarithm; 0 where it says nothing.

    Within what one row of the sample stands for, it does not tell.
    """
    if probe.rows_sampled is None:
        return 0.0
    if not probe.rows_sampled:
        return max(0.0, math.log(max(rows, 1.0) / max(probe.least_sampled, 1.0)))
    return abs(math.log(max(rows, 1.0) / max(probe.rows_sampled, 1.0)))


def conditions(tree: PlanNode, table: QualifiedName, predicates: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield alias, condition and a query for each scan of a table: what it filters by, wholly and in parts.

    `predicates` are those of partial indexes by their names: a plan does not repeat what they imply.
    """
    for node in walk(tree):
        if node.get("Relation Name") != table.name:
            continue
        found = [str(node[name]) for name in _CONDITIONS if name in node]
        found += [f"({predicates[each]})" for each in _indexes(node) if each in predicates]
        parts = list(dict.fromkeys(found))
        alias = str(node.get("Alias", table.name))
        for text in dict.fromkeys((" AND ".join(parts), *parts) if parts else ()):
            yield alias, text, render_text("advise/filtered_rows", table=table, alias=alias, condition=text)


def _indexes(node: PlanNode) -> Iterator[str]:
    """Yield the indexes that a scan of a table reads, those of its bitmaps among them."""
    pending = [node]
    while pending:
        each = pending.pop()
        if "Index Name" in each:
            yield str(each["Index Name"])
        pending += [below for below in inputs(each) if str(below["Node Type"]).startswith("Bitmap")]


def grouped(
    table: QualifiedName, columns: Sequence[str], expressions: Sequence[str], distinct: float | None
) -> Probe:  # fmt: skip
    """Return what to ask of the groups of a table, of which the sample says how many there are."""
    query = render_text("advise/grouped_rows", table=table, columns=columns, expressions=expressions)
    keys = ", ".join([*columns, *expressions])
    return Probe(query=query, condition=f"GROUP BY {keys}", rows_sampled=distinct)


def recorded_misestimates(
    plans: Sequence[tuple[str, PlanNode]], table: QualifiedName, columns: Sequence[str]
) -> tuple[Misestimate, ...]:
    """Return what executed plans say of scans of a table by these columns, the worst first."""
    found: list[Misestimate] = []
    for where, tree in plans:
        for fact in facts(tree):
            is_scan = fact.node.endswith((f" on {table.name}", f" on {table.schema}.{table.name}"))
            if fact.kind != "misestimate" or not is_scan or not _names(fact.condition or "", columns):
                continue
            estimated, actual = fact.estimated_rows or 0.0, fact.actual_rows or 0.0
            found.append(
                Misestimate(
                    where=where, node=fact.node, condition=fact.condition, estimated_rows=estimated, actual_rows=actual
                )
            )
    worst = sorted(found, key=lambda each: (-_ratio(each), each.where))
    return tuple(worst[:_MOST_RECORDED])


def _names(condition: str, columns: Sequence[str]) -> bool:
    return bool(columns) and all(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", condition) for name in columns)


def _ratio(each: Misestimate) -> float:
    less, more = sorted((max(each.estimated_rows, 1.0), max(each.actual_rows, 1.0)))
    return more / less


def statistics_name(wanted: StatisticsDef, taken: Collection[tuple[str, str]]) -> str:
    """Name extended statistics by what they are: `st_<table>_<keys>`, and a number where that is taken."""
    parts = [
        "st",
        wanted.table,
        *wanted.columns,
        *wanted.expressions,
        *(["groups"] if wanted.kinds == ("ndistinct",) else []),
    ]
    name = re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")
    if not fits(name):
        name = shortened(name, of=repr(wanted))
    number, first = 1, name
    while (wanted.schema, name) in taken:
        number += 1
        name = with_suffix(first, f"_{number}")
    return name
