"""Compare the plan that a server used with the one that the twin chooses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from analyzer.errors import InputError
from analyzer.twin.twin import Twin
from analyzer.workload.parse import Statement, parse_listed
from analyzer.workload.plan_findings import describe_node
from analyzer.workload.plan_statements import MatchedPlan, bound_query
from analyzer.workload.plan_tree import PlanNode, children, walk

_PARAMETER = re.compile(r"\$\d")
#: What makes two nodes the same operation on the same object.
_IDENTITY = ("Node Type", "Join Type", "Index Name", "Relation Name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first node, from the top, in which two plans differ; None where one of them ends."""

    server: str | None
    twin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Whether the twin reproduces a plan: a difference, or why it was not compared."""

    difference: Difference | None = None
    not_compared: str | None = None


def compare(twin: Twin, matched: MatchedPlan) -> Comparison:
    """Plan the statement of a plan on the twin, with the settings that the plan lists, and compare."""
    text = _text(matched)
    if text is None:
        return Comparison(not_compared=_unknown(matched))
    if (obstacle := twin.obstacle(text)) is not None:
        return Comparison(not_compared=obstacle)
    twin.show(())
    try:
        search_path = matched.statements[0][0].search_path
        planned = twin.plan_under(matched.plan.settings or {}, text, search_path=search_path)
        return Comparison(difference=first_difference(matched.plan.tree, planned.tree))
    except psycopg.Error as error:
        return Comparison(not_compared=f"the planner rejects it: {error.diag.message_primary or error}")
    except (InputError, RecursionError) as error:
        return Comparison(not_compared=str(error) or "its plan is nested too deeply")


def _unknown(matched: MatchedPlan) -> str:
    """Say what of a statement is not known."""
    if matched.origin == "derived":
        return "the text of its statement is unknown"
    if matched.plan.without_constants:
        return "its constants are not in the snapshot"
    return "the values of its parameters are unknown"


def _text(matched: MatchedPlan) -> str | None:
    """Return what the twin plans as the server did: with its values, or a generic plan with parameters."""
    if matched.origin == "derived" or matched.plan.without_constants:
        return None
    statement, _ = matched.statements[0]
    bound = bound_query(statement.text, matched.plan.parameters)
    if bound is not None:
        parsed = parse_listed(bound)
        return parsed[0].plannable if len(parsed) == 1 and isinstance(parsed[0], Statement) else None
    is_generic = any(_PARAMETER.search(str(value)) for node in walk(matched.plan.tree) for value in _own(node).values())
    return statement.plannable if is_generic else None


def _own(node: PlanNode) -> Mapping[str, Any]:
    return {name: value for name, value in node.items() if name != "Plans"}


def first_difference(server: PlanNode, twin: PlanNode) -> Difference | None:
    """Return the first difference of two plans, parents before children."""
    pending: list[tuple[PlanNode, PlanNode]] = [(server, twin)]
    while pending:
        left, right = pending.pop()
        if any(left.get(name) != right.get(name) for name in _IDENTITY):
            return Difference(server=describe_node(left), twin=describe_node(right))
        ours, theirs = children(left), children(right)
        if len(ours) != len(theirs):
            place = min(len(ours), len(theirs))
            return Difference(
                server=describe_node(ours[place]) if len(ours) > place else None,
                twin=describe_node(theirs[place]) if len(theirs) > place else None,
            )
        pending += reversed(list(zip(ours, theirs, strict=True)))
    return None
