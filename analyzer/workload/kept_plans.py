"""Keep plans in a snapshot, with or without their constants, and read them from there."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import to_json

from analyzer.amounts import plural
from analyzer.capture.literals import UnreadableStatementError, without_literals
from analyzer.documents.admission import breach
from analyzer.documents.not_examined import NotExamined
from analyzer.documents.plans import ServerPlan
from analyzer.workload.plan_files import ExplainedPlan, ReadPlans
from analyzer.workload.plan_tree import PLAN_FACTS, PLAN_NAMES, MalformedPlanError, PlanNode, checked_tree

MOST_PLANS: Final = 1_000
#: Of all trees as JSON.
_MOST_BYTES: Final = 32 * 1024**2
#: A setting of the planner that is no list of names: a number, a switch, a word.
_PLAIN_VALUE = re.compile(r"[\w.+-]{0,30}")


def keep_plans(
    plans: Iterable[tuple[ExplainedPlan, int]], *, values: bool
) -> tuple[tuple[ServerPlan, ...], tuple[NotExamined, ...]]:
    """Return records of plans, each with a number of executions, and what of them is not kept."""
    kept: list[ServerPlan] = []
    gaps: list[NotExamined] = []
    size, others = 0, 0
    for plan, calls in plans:
        try:
            record = _record(plan if values else _without_constants(plan), calls)
        except ValidationError as error:
            gaps.append(NotExamined(what=f"the plan in {plan.where}", reason=breach(error)))
            continue
        size += len(to_json(record.tree))
        if len(kept) >= MOST_PLANS or size > _MOST_BYTES:
            others += 1
        else:
            kept.append(record)
    if others:
        most = f"{MOST_PLANS:,} plans of {_MOST_BYTES // 1024**2} MB together"
        gaps.append(NotExamined(what=plural(others, "plan"), reason=f"a snapshot keeps at most {most}"))
    return tuple(kept), tuple(gaps)


def kept_plans(plans: Iterable[ServerPlan]) -> ReadPlans:
    """Return the plans that a snapshot keeps as they were read; what no server prints is left out, and named."""
    found: list[ExplainedPlan] = []
    gaps: list[NotExamined] = []
    for each in plans:
        try:
            tree = checked_tree(each.tree)
        except MalformedPlanError as error:
            gaps.append(NotExamined(what=f"the plan in {each.where}", reason=str(error)))
            continue
        found.append(
            ExplainedPlan(
                where=each.where,
                tree=tree,
                query=each.query,
                parameters=each.parameters,
                queryid=each.queryid,
                settings=each.settings,
                planning_ms=each.planning_ms,
                execution_ms=each.execution_ms,
                calls=each.calls,
                without_constants=each.without_constants,
            )
        )
    return ReadPlans(plans=tuple(found), not_examined=tuple(gaps))


def _record(plan: ExplainedPlan, calls: int) -> ServerPlan:
    return ServerPlan(
        where=plan.where,
        tree=dict(plan.tree),
        query=plan.query,
        parameters=plan.parameters,
        queryid=plan.queryid,
        settings=None if plan.settings is None else dict(plan.settings),
        planning_ms=plan.planning_ms,
        execution_ms=plan.execution_ms,
        calls=calls,
        without_constants=plan.without_constants,
    )


def _without_constants(plan: ExplainedPlan) -> ExplainedPlan:
    """Return a plan whose statement and conditions have parameters in place of their constants, and no values."""
    tree, query = _bare_node(plan.tree), _bare(plan.query)
    listed = {name: each for name, each in (plan.settings or {}).items() if name != "search_path"}
    kept = {name: each for name, each in listed.items() if "." not in name and _PLAIN_VALUE.fullmatch(each)}
    changed = plan.parameters is not None or query != plan.query or tree != plan.tree or kept != listed
    return ExplainedPlan(
        where=plan.where,
        tree=tree,
        query=query,
        queryid=plan.queryid,
        settings=None if plan.settings is None else kept,
        planning_ms=plan.planning_ms,
        execution_ms=plan.execution_ms,
        without_constants=changed,
    )


def _bare_node(node: PlanNode) -> PlanNode:
    return dict(_bare_properties(node))


def _bare_properties(node: PlanNode) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if name in PLAN_FACTS or name in PLAN_NAMES:
            yield name, value
        elif (bare := _bare(value)) is not None:
            yield name, bare


def _bare(value: Any) -> Any:
    """Return a property without constants; None where they cannot be told apart."""
    if isinstance(value, str):
        try:
            return without_literals(value)
        except UnreadableStatementError:
            return None
    if isinstance(value, list):
        return [bare for each in cast("list[Any]", value) if (bare := _bare(each)) is not None]
    return _bare_node(cast("PlanNode", value)) if isinstance(value, dict) else value
