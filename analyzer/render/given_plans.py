"""Say in words what the plans of the input show, once for all renderers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.amounts import plural
from analyzer.documents.plans import GivenPlan, PlanFinding
from analyzer.render import units

#: Plans that are shown one by one; JSON has them all.
_MOST_PLANS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLines:
    """One plan of the input, in lines."""

    heading: str
    lines: tuple[str, ...]


def plan_lines(plans: Sequence[GivenPlan]) -> tuple[PlanLines, ...]:
    """Describe the plans that have most to say, in the order of the input."""
    chosen = sorted(range(len(plans)), key=lambda place: (-len(plans[place].findings), place))[:_MOST_PLANS]
    return tuple(PlanLines(heading=_heading(plans[n]), lines=tuple(_lines(plans[n]))) for n in sorted(chosen))


def left_off(plans: Sequence[GivenPlan]) -> str | None:
    """Say how many plans are not shown."""
    more = len(plans) - _MOST_PLANS
    return f"and {plural(more, 'more plan')}, in JSON" if more > 0 else None


def _heading(plan: GivenPlan) -> str:
    times = [
        f"{what} {units.duration(value)}"
        for what, value in (("planned in", plan.planning_ms), ("executed in", plan.execution_ms))
        if value is not None
    ]
    often = [f"of {plural(plan.calls, 'execution')}"] if plan.calls > 1 else []
    return ", ".join([units.one_line(plan.where), *times, *often])


def _lines(plan: GivenPlan) -> Iterator[str]:
    names = ", ".join(each.id for each in plan.statements)
    if plan.origin == "text":
        yield f"statement {names}, whose text stands with the plan"
    elif plan.origin == "queryid":
        yield f"statement {names}, recorded with queryid {plan.queryid}"
    for each in plan.statements:
        if each.derived_from is not None:
            yield units.one_line(f"statement {each.id}, derived from {each.derived_from}")
    if plan.reproduced:
        yield "the twin chooses the same plan"
    elif plan.not_compared is not None:
        yield units.one_line(f"not compared with the twin: {plan.not_compared}")
    for finding in plan.findings:
        yield units.one_line(_said(finding))


def _said(finding: PlanFinding) -> str:
    node = finding.node or "the end of the plan"
    condition = finding.condition or ""
    where = f" {condition if condition.startswith('(') else f'({condition})'}" if condition else ""
    match finding.kind:
        case "not reproduced":
            return f"the twin does not choose this plan: {node} there, {finding.twin_node or 'no node'} on the twin"
        case "misestimate":
            rows = f"{units.count(finding.actual_rows)} rows, {units.count(finding.estimated_rows)} estimated"
            return f"{node}: {rows}{where}; extended statistics, or a higher statistics target, may correct it"
        case "spill":
            return f"{node}: {units.size(finding.size_bytes)} on disk{where}; work_mem is too small for it"
        case "lossy":
            blocks = f"{units.count(finding.blocks)} lossy heap blocks"
            return f"{node}: {blocks}{where}; work_mem is too small for the bitmap"
        case "filtered":
            removed, kept = finding.removed_rows or 0.0, finding.actual_rows or 0.0
            share = units.share(removed / (removed + kept) if removed + kept else None)
            return f"{node}: {share} of the rows read are removed by the filter{where}, {units.count(removed)} rows"
