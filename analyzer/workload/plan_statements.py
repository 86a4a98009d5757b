"""Make a workload of plans: by the text that stands with a plan, by its queryid, else derived from the plan itself."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analyzer.catalog import Catalog
from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.postgres.lex import IncompleteError, lex, words
from analyzer.workload.parse import Statement, UnparsedStatement, Workload, parse_listed, parse_statements, quoted
from analyzer.workload.plan_blocks import Derivation
from analyzer.workload.plan_files import ExplainedPlan, ReadPlans
from analyzer.workload.plan_tree import relation_names
from analyzer.workload.search_paths import SearchPaths
from analyzer.workload.seen_values import seen_in_plans, with_fewer_bindings, with_values

Origin = Literal["text", "queryid", "derived"]

_VALUE = re.compile(r"\$(\d{1,5}) = ('(?:[^']|'')*'|NULL)(?:, |\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedPlan:
    """A plan, and the statements that stand for it."""

    plan: ExplainedPlan
    origin: Origin
    #: What a derived one stands for is beside it.
    statements: tuple[tuple[Statement, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWorkload:
    """The statements of some plans, each with the time that its plans took, and the plans."""

    workload: Workload
    plans: tuple[MatchedPlan, ...]


def match_plans(read: ReadPlans, snapshot: Snapshot) -> PlannedWorkload:
    """Find the statement of each plan; every plan counts as one call, of the time that it took."""
    matching = _Matching(snapshot)
    matched = tuple(matching.match(plan) for plan in read.plans)
    statements = tuple(with_fewer_bindings(matching.merged(matched)))
    gaps = (*read.not_examined, *matching.not_examined)
    return PlannedWorkload(workload=Workload(statements=statements, not_examined=gaps), plans=matched)


class _Matching:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._catalog, self._paths = Catalog(snapshot), SearchPaths(snapshot)
        self._recorded: Mapping[str, Statement] | None = None
        self.not_examined: list[NotExamined] = []

    def match(self, plan: ExplainedPlan) -> MatchedPlan:
        parsed = self._by_text(plan) if plan.query is not None else None
        recorded = self._by_queryid.get(plan.queryid) if plan.queryid is not None else None
        if isinstance(parsed, Statement):
            if recorded is not None:
                parsed = replace(parsed, id=recorded.id, search_path=recorded.search_path)
            return MatchedPlan(plan=plan, origin="text", statements=((_once(parsed, plan), None),))
        if recorded is not None:
            return MatchedPlan(plan=plan, origin="queryid", statements=((_once(recorded, plan), None),))
        derived = tuple(self._derived(plan))
        if not derived:
            text = f"its text cannot be planned ({parsed.reason}), and " if parsed is not None else ""
            reason = f"{text}it has no condition and no order that a statement can be derived from"
            query = None if parsed is None else quoted(parsed.text)
            self.not_examined.append(NotExamined(what=f"the plan in {plan.where}", reason=reason, query=query))
        return MatchedPlan(plan=plan, origin="derived", statements=derived)

    def merged(self, matched: Sequence[MatchedPlan]) -> list[Statement]:
        """Add up the plans of each statement, heaviest first; times count only if all of them are known."""
        found: dict[str, list[tuple[Statement, ExplainedPlan]]] = {}
        for each in matched:
            for statement, _ in each.statements:
                found.setdefault(statement.id, []).append((statement, each.plan))
        timed = all(statement.total_ms is not None for group in found.values() for statement, _ in group)
        merged = [
            self._with_values(
                replace(
                    max((statement for statement, _ in group), key=lambda each: each.total_ms or 0.0),
                    calls=sum(statement.calls for statement, _ in group),
                    total_ms=sum(statement.total_ms or 0.0 for statement, _ in group) if timed else None,
                ),
                [plan for _, plan in group],
            )
            for group in found.values()
        ]
        return sorted(merged, key=lambda each: (-each.weight, each.id))

    def _with_values(self, statement: Statement, plans: Sequence[ExplainedPlan]) -> Statement:
        """Give a statement whose plans have several values, or have them apart, all of these; else it stays."""
        texts = {(plan.query, plan.parameters) for plan in plans if plan.query is not None}
        if len(texts) < 2 and all(parameters is None for _, parameters in texts):
            return statement
        seen = seen_in_plans(plans)
        listed = parse_listed(seen[0].query, self._paths) if len(seen) == 1 and seen[0].bindings else ()
        if len(listed) != 1 or isinstance(listed[0], UnparsedStatement):
            return statement
        normalised = replace(
            statement, text=listed[0].text, plannable=listed[0].plannable, parameters=listed[0].parameters
        )
        return with_values(normalised, seen[0])

    @property
    def _by_queryid(self) -> Mapping[str, Statement]:
        if self._recorded is None:
            recorded = parse_statements(self._snapshot)
            by_id = {each.id: each for each in recorded.statements}
            self._recorded = {name: by_id[each] for name, each in recorded.identities.items() if each in by_id}
        return self._recorded

    def _by_text(self, plan: ExplainedPlan) -> Statement | UnparsedStatement | None:
        """Parse the text of a plan; of several statements that were sent together, the one that names its tables."""
        listed = parse_listed(plan.query or "", self._paths)
        if len(listed) > 1:
            tables = relation_names(plan.tree)
            listed = tuple(each for each in listed if tables <= words(each.text))
        return listed[0] if len(listed) == 1 else None

    def _derived(self, plan: ExplainedPlan) -> Iterator[tuple[Statement, str]]:
        derivation = Derivation(self._catalog)
        for block in derivation.blocks(plan.tree):
            for parsed in parse_listed(block.text):
                if isinstance(parsed, Statement):
                    counted = replace(parsed, calls=block.executions, total_ms=block.total_ms)
                    located = replace(counted, search_path=self._beside(block.schemas))
                    yield replace(located, is_of_one_execution=True), block.what
        for name, reason in derivation.missing.items():
            self.not_examined.append(NotExamined(what=f"the scan of {name} in {plan.where}", reason=reason))

    def _beside(self, schemas: Sequence[str]) -> tuple[str, ...] | None:
        """Return a search path with the schemas of the tables, if that of the snapshot has not all of them.

        A plan names types and functions as its session saw them, whose path may have had the schemas of its tables.
        """
        here = self._catalog.search_path
        path = tuple(dict.fromkeys((*here, *schemas)))
        return path if path != here else None


def _once(statement: Statement, plan: ExplainedPlan) -> Statement:
    """Return a statement with the counters of one plan: a call, and the time it took if that is known."""
    return replace(
        statement,
        queryid=plan.queryid or statement.queryid,
        calls=1,
        total_ms=plan.execution_ms,
        rows=None,
        stddev_ms=None,
        blocks_read=None,
        blocks=None,
        nested_ms=0.0,
    )


def bound_query(query: str, parameters: str | None) -> str | None:
    """Return a query with the values that auto_explain logged in place of its parameters.

    None if one of them is not known: it was cut, or is not logged.
    """
    try:
        tokens = lex(query)
    except IncompleteError:
        return None
    values = {found[1]: found[2] for found in _VALUE.finditer(parameters or "")}
    text, position = list[str](), 0
    for token in tokens:
        if token.kind != "parameter":
            continue
        value = values.get(token.text[1:])
        if value is None or value.endswith("...'"):
            return None
        text += [query[position : token.start], value]
        position = token.end
    return "".join([*text, query[position:]])
